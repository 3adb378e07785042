"""Files in, files out: the only place where reading, scoring, choosing and writing meet.

Memory: the targets, one batch of some 4 MiB, and some 100 bytes a row (its place, score, size and order, some of them
twice while arrays are joined); no text outlives its batch, unless rows are chosen jointly or near duplicates are looked
for, which holds all texts. The chosen rows are copied from the sources at the end, which reads them a second time.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from zipfit import _core, manifest, writing
from zipfit.covering import Cover, shortfall
from zipfit.errors import BadRowError, ParameterError
from zipfit.filtering import Filtered, Filters
from zipfit.options import COVER_CHOOSERS, SelectOptions, check, choose
from zipfit.progress import bytes_bar, rows_bar
from zipfit.ranking import Ranking
from zipfit.scorer import DEFAULT_METRIC
from zipfit.tokens import TokenCounter, open_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from zipfit.selection import Selection

__all__ = ["SelectOptions", "SelectResult", "select"]

DEFAULT_AGGREGATE = "mean"


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
    metric: str | None
    """None when rows were not chosen by a score of each."""
    budget: int | None
    """None when how much to choose was not said in bytes or tokens."""
    budget_unit: str | None
    """"bytes" or "tokens"; None without a budget."""
    spent: int | None
    """What the chosen rows have of it; None without a budget."""
    groups: int | None
    """Groups among the rows chosen; None when none were asked for."""
    beta: float | None
    """The one that was used; None when rows were not chosen jointly."""
    covered: float | None
    """Coverage of all chosen rows, as in `Cover.coverage`; None when rows were not chosen jointly."""
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

    Warns
    -----
    UserWarning
        Fewer rows are chosen than were asked for, or none.

    References
    ----------
    Obbad et al. 2024, arXiv:2410.18194, algorithm 1.
    """
    started = datetime.now(UTC)
    check(options)
    writing.refuse_own_input(options.output, [*options.source, *options.target, *options.exclude])
    target_text = options.text if options.target_text is None else options.target_text
    threads = _core.available_threads() if options.threads is None else options.threads
    counter = None if options.tokenizer is None else open_tokenizer(options.tokenizer)
    with writing.open_output(options.output, options.overwrite) as output:
        reader = _core.Reader(
            options.source, options.text, "source", options.id, options.token_field, group_field=options.group
        )
        target_reader = _core.Reader(options.target, target_text, "target")
        with _field_named_by("--target-text"):
            target = target_reader.rest(threads)
        with _field_named_by("--exclude-text"):
            filters = Filters(options, target if options.cover and options.dedup is not None else None, threads)
        task = _Task(reader, target, filters, counter, options, threads)
        run = (_cover if options.cover else _rank)(task)
        outputs = writing.copy_rows(output, reader, run.selection, options.keep_order)
        if run.filtered is not None:
            outputs.append(writing.write_left_out(output, reader, run.filtered, run.selection))
        content = manifest.build(
            parameters=_parameters(options, target_text) | filters.resolved | run.resolved,
            library=run.library,
            tokenizer=None if counter is None else counter.record,
            sources=reader.files(),
            targets=target_reader.files(),
            exclude=filters.files,
            counts=run.counts,
            seed=manifest.DEFAULT_SEED if options.seed is None else options.seed,
            outputs=outputs,
        )
        writing.finish(output, content, started, threads)
    return _result(run, options, started, threads)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Rows chosen from files, and what there is to say about them."""

    selection: Selection
    filtered: Filtered | None
    """The rows left out, if they are to be listed."""
    counts: dict[str, int]
    resolved: dict[str, object]
    """Parameters whose value was not given but found."""
    beta: float | None = None
    targets: int
    metric: str | None = None
    spent: int | None
    """Bytes or tokens of the chosen rows, whichever the budget is of."""
    library: tuple[str, str] | None = None
    """Name and version of the compressor's."""
    groups: int | None = None
    """Groups among the rows chosen; None when none were asked for."""


@dataclass(frozen=True)
class _Task:
    """What a run works with."""

    reader: _core.Reader
    """Of the sources."""
    target: _core.Texts
    filters: Filters
    counter: TokenCounter | None
    """None where tokens are not counted, but read or of no interest."""
    options: SelectOptions
    threads: int
    """As in the options, but known."""


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """What stays of the rows once they are read."""

    sizes: NDArray[np.int64]
    tokens: NDArray[np.int64] | None
    groups: NDArray[np.int64] | None

    def spent(self, options: SelectOptions, selection: Selection) -> int | None:
        """Return what the chosen rows have of the budget; None without one."""
        if options.budget_bytes is not None:
            return int(self.sizes[selection.rows].sum())
        return None if self.tokens is None else int(self.tokens[selection.rows].sum())


def _rank(task: _Task) -> _Run:
    """Choose rows by a score of each; no text outlives its batch, unless a filter keeps it."""
    target, filters, options, threads = task.target, task.filters, task.options, task.threads
    metric = DEFAULT_METRIC if options.metric is None else options.metric
    aggregate = DEFAULT_AGGREGATE if options.aggregate is None else options.aggregate
    scorer = _core.Scorer(target, metric, options.compressor, aggregate, threads)
    scores: list[NDArray[np.float64]] = []

    def score(batch: _core.Batch, progress: Callable[[int], None] | None) -> None:
        scores.append(scorer.score(batch.texts, threads, progress))
        filters.add(batch.texts)

    rows = _read(task, "scoring", score)
    filtered = filters.finish()
    ranking = Ranking(np.concatenate(scores), rows.sizes)
    selection = _choose(ranking, options, filtered, rows)
    counts = {"read": len(ranking), "scored": len(ranking), "rejected": 0}
    counts |= filtered.counts | {"selected": len(selection)}
    resolved: dict[str, object] = {
        "metric": scorer.metric,
        "compressor": scorer.compressor,
        "aggregate": scorer.aggregate,
    }
    groups = None if rows.groups is None else len(np.unique(rows.groups[selection.rows]))
    return _Run(
        selection=selection,
        filtered=filtered if filters.list_rows else None,
        counts=counts,
        resolved=resolved,
        targets=len(target),
        metric=scorer.metric,
        spent=rows.spent(options, selection),
        library=scorer.library,
        groups=groups,
    )


def _cover(task: _Task) -> _Run:
    """Choose rows jointly, with all texts in memory."""
    target, filters, options = task.target, task.filters, task.options
    batches: list[_core.Texts] = []

    def keep(batch: _core.Batch, _: Callable[[int], None] | None) -> None:
        batches.append(batch.texts)
        filters.add(batch.texts)

    rows = _read(task, "reading", keep)
    source = _core.Texts.concat(batches)
    filtered = filters.finish()
    amounts = {name: getattr(options, name) for name in COVER_CHOOSERS}
    with rows_bar(len(source), "covering") as progress:
        found = _core.cover(
            source,
            target,
            **amounts,
            tokens=rows.tokens,
            beta=options.beta,
            where=filtered.where,
            threads=task.threads,
            progress=progress,
        )
    copies_of_target = len(filtered.copies_of_target) + len(found.copies_of_target)
    eligible = int(np.count_nonzero(filtered.where)) + len(filtered.copies_of_target)
    if note := filtered.nothing_left() or shortfall(found, eligible, copies_of_target):
        warnings.warn(note, UserWarning, stacklevel=3)
    left_out = filtered.counts | {
        "copies_of_target": copies_of_target,
        "duplicates": len(filtered.duplicates) + len(found.duplicates),
    }
    considered = len(source) - sum(left_out.values())
    counts = {"read": len(source), "considered": considered, "rejected": 0, **left_out, "selected": len(found.rows)}
    selection = Cover(
        found.rows,
        found.scores,
        coverage=found.coverage,
        copies_of_target=found.copies_of_target,
        duplicates=found.duplicates,
        provenance={"sources": len(source)},
    )
    return _Run(
        selection=selection,
        filtered=filtered,
        counts=counts,
        resolved={"beta": found.beta},
        targets=len(target),
        spent=rows.spent(options, selection),
        beta=found.beta,
    )


def _read(task: _Task, description: str, each: Callable[[_core.Batch, Callable[[int], None] | None], None]) -> _Rows:
    """Read all batches, hand each over with the bar that it may move, and collect what stays of the rows."""
    reader, counter, threads = task.reader, task.counter, task.threads
    sizes: list[NDArray[np.int64]] = []
    tokens: list[NDArray[np.int64]] = []
    groups: list[NDArray[np.int64]] = []
    with bytes_bar(reader.bytes_total, description) as show:
        bytes_before = 0
        while (batch := reader.next_batch(threads)) is not None:
            rows_before = reader.rows - len(batch)
            progress = show and _batch_progress(show, bytes_before, reader.bytes_read, rows_before, len(batch))
            each(batch, progress)
            if progress is not None:
                progress(len(batch))
            sizes.append(batch.texts.sizes())
            if counter is not None:
                try:
                    tokens.append(counter.count(batch.texts, first_row=rows_before, threads=threads))
                except ParameterError as error:
                    raise _placed(error, reader) from error.__cause__
            elif batch.tokens is not None:
                tokens.append(batch.tokens)
            if batch.groups is not None:
                groups.append(batch.groups)
            bytes_before = reader.bytes_read
    return _Rows(
        sizes=np.concatenate(sizes),
        tokens=np.concatenate(tokens) if tokens else None,
        groups=np.concatenate(groups) if groups else None,
    )


def _placed(error: ParameterError, reader: _core.Reader) -> ParameterError:
    """Return the same error about a row, with its file and line in place of its number."""
    if error.row is None:
        return error
    path, line, byte = reader.place(error.row)
    message = error.message.removeprefix(f"source row {error.row}: ")
    return ParameterError(f"{path}:{line} (byte {byte}): {message}", path=path, row=error.row, line=line, byte=byte)


@contextlib.contextmanager
def _field_named_by(option: str) -> Iterator[None]:
    """Name the option to a reader whose rows lack a field, since they were read by that of the sources."""
    try:
        yield
    except BadRowError as error:
        if ": no field " in error.message:
            error.message += f"; name the field of these rows by {option}"
        raise


def _batch_progress(
    show: Callable[[int, int], None], bytes_before: int, bytes_after: int, rows_before: int, rows: int
) -> Callable[[int], None]:
    """Spread the bytes of a batch evenly over its rows."""
    return lambda done: show(bytes_before + (bytes_after - bytes_before) * done // rows, rows_before + done)


def _choose(ranking: Ranking, options: SelectOptions, filtered: Filtered, rows: _Rows) -> Selection:
    """Choose rows by their scores, and warn if there are none."""
    if note := filtered.nothing_left():
        warnings.warn(note, UserWarning, stacklevel=4)
        # That all of 0 rows are chosen would be said by some ways of choosing.
        with warnings.catch_warnings(action="ignore"):
            return choose(ranking, options, filtered.where, rows.tokens, rows.groups)
    selection = choose(ranking, options, filtered.where, rows.tokens, rows.groups)
    if not len(selection) and options.threshold is not None:
        best = ranking.scores[filtered.where].max()
        message = f"--threshold is {options.threshold:g}, above the best score, {best:.6g}; nothing is selected"
        warnings.warn(message, UserWarning, stacklevel=4)
    if rows.groups is not None and (note := _small_groups(rows.groups, filtered.where, options.top_k or 0)):
        warnings.warn(note, UserWarning, stacklevel=4)
    return selection


def _small_groups(groups: NDArray[np.int64], where: NDArray[np.bool_], k: int) -> str | None:
    """Say how many groups have fewer rows that can be chosen than are wanted of each; None where all have enough."""
    rows = np.bincount(groups[where], minlength=groups.max() + 1)
    if not (few := int((rows < k).sum())):
        return None
    have = "has" if few == 1 else "have"
    return (
        f"top_k is {k}, but {few} of {len(rows)} groups {have} fewer rows that can be chosen; all of them are selected"
    )


def _parameters(options: SelectOptions, target_text: str) -> dict[str, object]:
    """Return every parameter that the result depends on."""
    parameters = asdict(options)
    # The seed has a place of its own, because it is recorded in any case.
    for name in ("source", "target", "exclude", "output", "threads", "overwrite", "seed"):
        del parameters[name]
    return parameters | {"target_text": target_text}


def _result(run: _Run, options: SelectOptions, started: datetime, threads: int) -> SelectResult:
    scores = run.selection.scores
    budgets = {"bytes": options.budget_bytes, "tokens": options.budget_tokens}
    unit, budget = next(((unit, amount) for unit, amount in budgets.items() if amount is not None), (None, None))
    files: tuple[str, ...] = writing.FILE_NAMES
    if run.filtered is not None:
        files = (writing.LEFT_OUT_NAME, *files)
    covered = None
    if isinstance(run.selection, Cover):
        covered = float(run.selection.coverage[-1]) if len(scores) else 0.0
    return SelectResult(
        output=options.output,
        files=files,
        counts=run.counts,
        targets=run.targets,
        metric=run.metric,
        budget=budget,
        budget_unit=unit,
        spent=run.spent,
        groups=run.groups,
        beta=run.beta,
        covered=covered,
        best_score=float(scores[0]) if len(scores) else None,
        last_score=float(scores[-1]) if len(scores) else None,
        seconds=(datetime.now(UTC) - started).total_seconds(),
        threads=threads,
    )
