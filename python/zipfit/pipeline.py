"""Files in, files out: the only place where reading, scoring, choosing and writing meet.

Memory: the targets, one batch of some 4 MiB, and some 100 bytes a row (its place, score, size and order, some of them
twice while arrays are joined); no text outlives its batch. The chosen rows are copied from the sources at the end,
which reads them a second time.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zipfit import _core, manifest
from zipfit.errors import ParameterError
from zipfit.inputs import DEFAULT_TEXT
from zipfit.json_rows import json_rows
from zipfit.progress import bytes_bar, rows_bar
from zipfit.ranking import Ranking
from zipfit.scorer import DEFAULT_METRIC

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zipfit.inputs import TextData
    from zipfit.selection import Selection

__all__ = ["OUTPUT_NAMES", "SelectOptions", "SelectResult", "select", "write_selection"]

OUTPUT_NAMES = ("selected.jsonl", "selection.jsonl", "run.json", "manifest.json")
"""In the order of writing: a directory without a manifest is unfinished."""

CHOOSERS = ("top_k", "top_fraction", "threshold", "budget_bytes", "budget_tokens")


@dataclass(frozen=True, kw_only=True)
class SelectOptions:
    """What ``zipfit select`` is told; each field is the option of that name.

    Parameters
    ----------
    source, target
        JSON Lines files, plain or compressed as their suffix ``.gz`` or ``.zst`` says.
    output
        Directory for the four files; made if needed.
    top_k, top_fraction, threshold, budget_bytes, budget_tokens
        How much to choose; exactly one of them.
    text, target_text
        Field or template of the texts; ``target_text=None`` means the same as ``text``.
    id
        Field to copy to ``selection.jsonl``; None means the field ``id`` where a row has one.
    token_field
        Integer field with the tokens of each row; needed by ``budget_tokens`` and of no use without it.
    metric, compressor, aggregate
        As in `zipfit.rank`.
    min_bytes, max_bytes
        Rows with shorter or longer texts are not chosen; None: no such limit.
    keep_order
        Write in input order; False: best first.
    threads
        None: all CPUs that this process may use. No result depends on it.
    overwrite
        Replace files of an earlier run; False: refuse.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    output: str
    top_k: int | None = None
    top_fraction: float | None = None
    threshold: float | None = None
    budget_bytes: int | None = None
    budget_tokens: int | None = None
    text: str = DEFAULT_TEXT
    target_text: str | None = None
    id: str | None = None
    token_field: str | None = None
    metric: str = DEFAULT_METRIC
    compressor: str | None = None
    aggregate: str = "mean"
    min_bytes: int | None = None
    max_bytes: int | None = None
    keep_order: bool = False
    threads: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class SelectResult:
    """What a run of `select` has to tell."""

    output: str
    """Directory that the files are in."""
    files: tuple[str, ...]
    """Their names."""
    counts: dict[str, int]
    """As in the manifest."""
    targets: int
    best_score: float | None
    """None when no row was chosen."""
    last_score: float | None
    seconds: float
    threads: int


def select(options: SelectOptions) -> SelectResult:
    """Choose the rows of the sources that look most like the targets, and write them.

    Parameters
    ----------
    options
        Sources, targets, how to score, how much to choose, where to write.

    Returns
    -------
    SelectResult
        Counts and times; the rows themselves are in ``options.output``.

    Raises
    ------
    ZipfitError
        Wrong parameters or inputs; nothing is left behind.
    OSError
        A file cannot be read or written; nothing is left behind.

    References
    ----------
    Obbad et al. 2024, arXiv:2410.18194, algorithm 1.
    """
    started = datetime.now(UTC)
    _check(options)
    target_text = options.text if options.target_text is None else options.target_text
    threads = _core.available_threads() if options.threads is None else options.threads
    with _core.Output(options.output, OUTPUT_NAMES, options.overwrite) as output:
        reader = _core.Reader(options.source, options.text, "source", options.id, options.token_field)
        target_reader = _core.Reader(options.target, target_text, "target")
        target = target_reader.rest(threads)
        scorer = _core.Scorer(target, options.metric, options.compressor, options.aggregate, threads)
        scores, sizes, tokens = _score(reader, scorer, threads)
        where, left_out = _size_filter(sizes, options)
        selection = _choose(Ranking(scores, sizes), options, where, tokens)
        outputs = _copy_rows(output, reader, selection, options.keep_order)
        counts = {"read": len(scores), "scored": len(scores), "rejected": 0, **left_out, "selected": len(selection)}
        content = manifest.build(
            parameters=_parameters(options, target_text, scorer),
            library=scorer.library,
            sources=reader.files(),
            targets=target_reader.files(),
            counts=counts,
            outputs=outputs,
        )
        _finish(output, content, started, threads)
    return SelectResult(
        output=options.output,
        files=OUTPUT_NAMES,
        counts=counts,
        targets=len(target),
        best_score=float(selection.scores[0]) if len(selection) else None,
        last_score=float(selection.scores[-1]) if len(selection) else None,
        seconds=(datetime.now(UTC) - started).total_seconds(),
        threads=threads,
    )


def write_selection(
    selection: Selection,
    directory: str | os.PathLike[str],
    source: TextData,
    *,
    keep_order: bool = False,
    overwrite: bool = False,
) -> None:
    """Write chosen rows and where they come from: what `Selection.write` does.

    Parameters
    ----------
    selection
        The rows.
    directory
        For the four files; made if needed.
    source
        What was ranked. The lines of a ``pathlib.Path`` are copied as they are; rows in memory become one JSON
        object each, ``{"text": ...}`` for plain texts and the columns for tables.
    keep_order
        Write in the order of the source; False: best first.
    overwrite
        Replace files of an earlier run; False: refuse.

    Raises
    ------
    OutputExistsError
        One of the files is there already.
    ParameterError
        The source has fewer rows than were ranked, or is among the files to write.
    TextTypeError, InvalidTextError
        A value that JSON cannot hold, with its row and column.
    """
    started = datetime.now(UTC)
    directory = os.fspath(directory)
    paths = [os.fspath(source)] if isinstance(source, os.PathLike) else []
    ranked = selection.provenance["sources"]
    _refuse_own_input(directory, paths)
    with _core.Output(directory, OUTPUT_NAMES, overwrite) as output:
        sources: list[_core.InputFile] = []
        if paths:
            reader = _core.Reader.scan(paths, ranked)
            sources = reader.files()
            outputs = _copy_rows(output, reader, selection, keep_order)
        else:
            lines = json_rows(selection.take(source), selection.rows)
            order, ranks = _written_order(selection, keep_order)
            rows, scores = selection.rows[order], selection.scores[order]
            outputs = output.write_rows([lines[i] for i in order], rows, ranks, scores)
        content = manifest.build(
            parameters={**selection.provenance, "keep_order": keep_order},
            library=None,
            sources=sources,
            targets=[],
            counts={"read": ranked, "scored": ranked, "rejected": 0, "selected": len(selection)},
            outputs=outputs,
        )
        _finish(output, content, started, _core.available_threads())


def _check(options: SelectOptions) -> None:
    """Refuse what can be refused before any file is opened."""
    given = [name for name in CHOOSERS if getattr(options, name) is not None]
    if len(given) != 1:
        choosers = ", ".join(_option(name) for name in CHOOSERS)
        got = " and ".join(_option(name) for name in given) or "none"
        raise ParameterError(f"say how much to choose by exactly one of {choosers}; got {got}")
    if options.budget_tokens is not None and options.token_field is None:
        raise ParameterError("--budget-tokens needs --token-field, the integer field that holds the tokens of each row")
    if options.token_field is not None and options.budget_tokens is None:
        raise ParameterError("--token-field has no effect without --budget-tokens; leave it out or give both")
    low, high = options.min_bytes, options.max_bytes
    for name, limit in (("min_bytes", low), ("max_bytes", high)):
        if limit is not None and limit < 0:
            raise ParameterError(f"{_option(name)} is {limit}; sizes are 0 bytes or more")
    if low is not None and high is not None and low > high:
        raise ParameterError(f"--min-bytes {low} is above --max-bytes {high}, which leaves out every row")
    _refuse_own_input(options.output, [*options.source, *options.target])
    # Tried on one row, so that a wrong number is told now and not after hours of scoring.
    with warnings.catch_warnings(action="ignore"):
        _choose(Ranking(np.zeros(1), np.zeros(1, np.int64)), options, None, np.zeros(1, np.int64))


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _refuse_own_input(directory: str, inputs: Sequence[str]) -> None:
    outputs = {Path(directory, name).resolve() for name in OUTPUT_NAMES}
    for path in inputs:
        if Path(path).resolve() in outputs:
            raise ParameterError(f"{path}: this input would be replaced by the output; choose another directory")


def _score(
    reader: _core.Reader, scorer: _core.Scorer, threads: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Return score, bytes and tokens of every row."""
    scores: list[NDArray[np.float64]] = []
    sizes: list[NDArray[np.int64]] = []
    tokens: list[NDArray[np.int64]] = []
    with bytes_bar(reader.bytes_total, "scoring") as show:
        bytes_before = 0
        while (batch := reader.next_batch(threads)) is not None:
            rows_before = reader.rows - len(batch)
            progress = show and _batch_progress(show, bytes_before, reader.bytes_read, rows_before, len(batch))
            scores.append(scorer.score(batch.texts, threads, progress))
            sizes.append(batch.texts.sizes())
            if batch.tokens is not None:
                tokens.append(batch.tokens)
            bytes_before = reader.bytes_read
    return np.concatenate(scores), np.concatenate(sizes), np.concatenate(tokens) if tokens else None


def _batch_progress(
    show: Callable[[int, int], None], bytes_before: int, bytes_after: int, rows_before: int, rows: int
) -> Callable[[int], None]:
    """Spread the bytes of a batch evenly over its rows."""
    return lambda done: show(bytes_before + (bytes_after - bytes_before) * done // rows, rows_before + done)


def _size_filter(sizes: NDArray[np.int64], options: SelectOptions) -> tuple[NDArray[np.bool_] | None, dict[str, int]]:
    """Return which rows may be chosen (None: all) and how many are left out by which limit."""
    small = np.zeros(len(sizes), np.bool_) if options.min_bytes is None else sizes < options.min_bytes
    large = np.zeros(len(sizes), np.bool_) if options.max_bytes is None else sizes > options.max_bytes
    left_out = {"below_min_bytes": int(small.sum()), "above_max_bytes": int(large.sum())}
    return (~(small | large) if any(left_out.values()) else None), left_out


def _choose(
    ranking: Ranking, options: SelectOptions, where: NDArray[np.bool_] | None, tokens: NDArray[np.int64] | None
) -> Selection:
    if options.top_k is not None:
        return ranking.top_k(options.top_k, where=where)
    if options.top_fraction is not None:
        return ranking.top_fraction(options.top_fraction, where=where)
    if options.threshold is not None:
        return ranking.threshold(options.threshold, where=where)
    if options.budget_bytes is not None:
        return ranking.within(budget_bytes=options.budget_bytes, where=where)
    return ranking.within(budget_tokens=options.budget_tokens, tokens=tokens, where=where)


def _written_order(selection: Selection, keep_order: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions in the selection in the order of writing, and the rank at each; rank is always by score."""
    positions = np.arange(len(selection), dtype=np.int64)
    order = np.argsort(selection.rows) if keep_order else positions
    return order, positions[order]


def _copy_rows(
    output: _core.Output, reader: _core.Reader, selection: Selection, keep_order: bool
) -> list[_core.OutputFile]:
    order, ranks = _written_order(selection, keep_order)
    with rows_bar(len(selection), "writing") as progress:
        return output.copy_rows(reader, selection.rows[order], ranks, selection.scores[order], progress)


def _parameters(options: SelectOptions, target_text: str, scorer: _core.Scorer) -> dict[str, object]:
    """Return every parameter that the result depends on, resolved."""
    parameters = asdict(options)
    for name in ("source", "target", "output", "threads", "overwrite"):
        del parameters[name]
    resolved = {"metric": scorer.metric, "compressor": scorer.compressor, "aggregate": scorer.aggregate}
    return parameters | {"target_text": target_text} | resolved


def _finish(output: _core.Output, content: dict[str, object], started: datetime, threads: int) -> None:
    run = manifest.run_record(started=started, threads=threads)
    output.write("run.json", manifest.to_json(run))
    output.write("manifest.json", manifest.to_json(content))
    output.commit()
