"""Files in, files out: the only place where reading, scoring, choosing and writing meet.

A selection by scores goes through their table, `scores.parquet`, whether that was made just now or by an earlier run:
the chosen rows are copied from the sources at the end, which reads them a second time. Memory: what scoring takes (see
``scoring``), then 16 bytes a row, 24 where sizes matter, and some 60 a chosen row. Joint selection holds all texts.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit import _core, manifest, scoring, writing
from zipfit.covering import Cover
from zipfit.errors import MismatchError, ParameterError
from zipfit.filtering import BY_SIZE, nothing_left
from zipfit.joint import choose_jointly
from zipfit.options import ScoreOptions, SelectOptions, check, check_scoring, choose
from zipfit.scores import FILE_NAME, Scores, open_scores, read_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zipfit.ranking import Ranking
    from zipfit.selection import Selection

BY_OWN_SIZE = ("min_bytes", "max_bytes")
"""Limits that may be given again when choosing by scores that are there."""

__all__ = ["Result", "ScoreOptions", "SelectOptions", "score", "select"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run has to tell."""

    output: str
    """Directory that the files are in."""
    files: tuple[str, ...]
    """Their names."""
    counts: dict[str, int]
    """As in the manifest."""
    already_done: bool = False
    """An earlier run had finished, and nothing was done now; what follows is then not known."""
    scores: str | None = None
    """Directory of the scores that were chosen by; None when the rows were scored now."""
    targets: int | None = None
    metric: str | None = None
    """None when rows were not chosen by a score of each."""
    budget: int | None = None
    """None when how much to choose was not said in bytes or tokens."""
    budget_unit: str | None = None
    """"bytes" or "tokens"; None without a budget."""
    spent: int | None = None
    """What the chosen rows have of it; None without a budget."""
    groups: int | None = None
    """Groups among the rows chosen; None when none were asked for."""
    beta: float | None = None
    """The one that was used; None when rows were not chosen jointly."""
    covered: float | None = None
    """Coverage of all chosen rows, as in `Cover.coverage`; None when rows were not chosen jointly."""
    best_score: float | None = None
    """None when no row was chosen."""
    last_score: float | None = None
    seconds: float
    threads: int


def select(options: SelectOptions) -> Result:
    """Choose the rows of the sources that look most like the targets, and write them.

    Parameters
    ----------
    options
        Sources and targets, or a directory with their scores; how to score, how much to choose, where to write.

    Returns
    -------
    Result
        Counts and times; the rows themselves are in ``options.output``.

    Raises
    ------
    ZipfitError
        Wrong parameters or inputs. Nothing is left behind but the journal of rows that are scored, if there are any.
    OSError
        A file cannot be read or written; as above.

    Warns
    -----
    UserWarning
        Fewer rows are chosen than were asked for, or none.

    References
    ----------
    Obbad et al. 2024, arXiv:2410.18194, algorithm 1.
    """
    run = _Run(options)
    check(options)
    if options.scores is not None:
        return _select_by_scores(run, options, options.scores)
    writing.refuse_own_input(options.output, [*options.source, *options.target, *options.exclude])
    with writing.open_output(options.output, overwrite=options.overwrite, resume=options.resume) as (output, work):
        task = scoring.set_up(options, leave_out_copies_of_target=options.cover and options.dedup is not None)
        run.targets = len(task.target)
        if options.cover:
            chosen = choose_jointly(task, options)
            parameters = scoring.parameters_of(task, {"beta": chosen.beta})
            if options.resume and run.is_done(parameters, task):
                return run.done()
            run.counts, run.beta, run.spent = chosen.counts, chosen.beta, chosen.spent
            rejected = [] if options.on_bad_row == "error" else [chosen.write_rejected(output)]
            outputs = writing.copy_rows(output, task.reader, chosen.places, chosen.selection, options.keep_order)
            outputs = [*rejected, *outputs, chosen.write_left_out(output, task.reader)]
            run.selection = chosen.selection
            run.finish(output, parameters, None, task, outputs)
            return run.result()
        scorer, resolved = scoring.make_scorer(task)
        parameters = scoring.parameters_of(task, resolved)
        if options.resume and not work.journal_path.exists() and run.is_done(parameters, task):
            return run.done()
        run.metric = scorer.metric
        scored = scoring.score_rows(task, scorer, output, work, scoring.journal_key(task, scorer, parameters))
        scores = Scores(output.partial(FILE_NAME), scored.counts["read"])
        outputs = [*scored.outputs, *_choose(run, output, scores, reader=task.reader, counts=scored.counts)]
        run.finish(output, parameters, _library(scorer), task, outputs)
        work.clear()
    return run.result()


def score(options: ScoreOptions) -> Result:
    """Score all rows of the sources, to choose among them later, and write the scores.

    Parameters
    ----------
    options
        Sources, targets, how to score, where to write.

    Returns
    -------
    Result
        Counts and times; the scores are in ``scores.parquet`` in ``options.output``.

    Raises
    ------
    ZipfitError, OSError
        As `select`.
    """
    run = _Run(options)
    check_scoring(options)
    writing.refuse_own_input(options.output, [*options.source, *options.target, *options.exclude])
    with writing.open_output(options.output, overwrite=options.overwrite, resume=options.resume) as (output, work):
        task = scoring.set_up(options)
        scorer, resolved = scoring.make_scorer(task)
        parameters = scoring.parameters_of(task, resolved)
        if options.resume and not work.journal_path.exists() and run.is_done(parameters, task):
            return run.done()
        run.targets, run.metric = len(task.target), scorer.metric
        scored = scoring.score_rows(task, scorer, output, work, scoring.journal_key(task, scorer, parameters))
        run.counts = scored.counts
        run.finish(output, parameters, _library(scorer), task, scored.outputs)
        work.clear()
    return run.result()


def _select_by_scores(run: _Run, options: SelectOptions, directory: str) -> Result:
    """Choose by the scores of an earlier run."""
    if Path(directory).resolve() == Path(options.output).resolve():
        raise ParameterError("-o is the directory of --scores, whose manifest would be replaced; choose another one")
    former = read_manifest(directory)
    parameters = dict(former["parameters"])
    if options.group is not None and parameters["group"] != options.group:
        raise ParameterError(f"the scores have no groups by {options.group}; score again with --group {options.group}")
    scores = open_scores(directory, former)
    if options.budget_tokens is not None and "tokens" not in scores.columns:
        raise ParameterError("the scores have no tokens; score again with --token-field or --tokenizer")
    reader = _open_sources(directory, former, options.verify)
    scoring_alone = asdict(ScoreOptions(output=""))
    for name, value in asdict(options).items():
        is_a_choice = name not in scoring_alone and name not in {"scores", "verify", "seed"}
        if is_a_choice or (name in BY_OWN_SIZE and value is not None):
            parameters[name] = value
    run.metric = parameters["metric"]
    with writing.open_output(options.output, overwrite=options.overwrite, resume=options.resume) as (output, _):
        outputs = _choose(run, output, scores, reader=reader, counts=former["counts"])
        table = next(file for file in former["outputs"] if file["name"] == FILE_NAME)
        content = manifest.build(
            parameters=parameters,
            library=former["library"],
            tokenizer=former["tokenizer"],
            sources=former["sources"],
            targets=former["targets"],
            exclude=former["exclude"],
            counts=run.counts,
            seed=run.seed,
            outputs=outputs,
            scores=table,
        )
        writing.finish(output, content, run.started, run.threads, reader.found())
        run.files = [file["name"] for file in outputs]
    run.targets = sum(file["rows"] for file in former["targets"])
    return run.result()


def _open_sources(directory: str, former: dict[str, Any], verify: bool) -> _core.Reader:
    """Open the sources of an earlier run, which must be what they were."""
    sources = former["sources"]
    parameters = former["parameters"]
    reader = _core.Reader(
        [file["name"] for file in sources],
        parameters["text"],
        "source",
        id_field=parameters["id"],
        text_by=parameters["text_by"],
    )
    try:
        run = json.loads(Path(directory, "run.json").read_text(encoding="utf-8"))
        modified = [file["modified_ns"] for file in run["sources"]]
    except (OSError, ValueError, KeyError):
        # It is no part of the result, and may have been left behind: sizes are known from the manifest.
        modified = [None] * len(sources)
    for file, time, (name, size, modified_now) in zip(sources, modified, reader.found(), strict=True):
        changed = size != file["bytes"] or (time not in {None, modified_now} and not verify)
        if verify and not changed:
            with Path(name).open("rb") as content:
                changed = hashlib.file_digest(content, "sha256").hexdigest() != file["sha256"]
        if changed:
            remedy = "score again" if verify else "score again, or use --verify if only its time is another"
            raise MismatchError(f"{name}: the file changed since it was scored; {remedy}", path=name)
    return reader


def _choose(
    run: _Run, output: _core.Output, scores: Scores, *, reader: _core.Reader, counts: dict[str, int]
) -> list[_core.OutputFile]:
    """Choose rows by a table of scores, and write them."""
    options = run.options
    if not isinstance(options, SelectOptions):
        raise TypeError("expected options that say how to choose")
    ranking, beyond = scores.ranking(
        {"version": _core.__version__},
        sizes=options.budget_bytes is not None,
        min_bytes=options.min_bytes,
        max_bytes=options.max_bytes,
    )
    counts = counts | {name: counts[name] + beyond[name] for name in BY_SIZE}
    counts.pop("selected", None)
    tokens = scores.tokens() if options.budget_tokens is not None else None
    groups = scores.groups() if options.group is not None else None
    run.selection = _choose_rows(ranking, options, counts, tokens, groups)
    rows = run.selection.rows
    if options.budget_bytes is not None and ranking.sizes is not None:
        run.spent = int(ranking.sizes[rows].sum())
    if tokens is not None:
        run.spent = int(tokens[rows].sum())
    if groups is not None:
        run.groups = len(np.unique(groups[rows]))
    # Some 30 bytes a row that the rest needs no more.
    del ranking, tokens, groups
    run.counts = counts | {"selected": len(rows)}
    outputs = writing.copy_rows(output, reader, scores.places(rows), run.selection, options.keep_order)
    if any(name in counts for name in ("contaminated", "duplicates")):
        left_out, reasons, others = scores.left_out_by_text()
        outputs.append(output.write_left_out(reader, scores.places(left_out), left_out, reasons, others))
    return outputs


def _choose_rows(
    ranking: Ranking,
    options: SelectOptions,
    counts: dict[str, int],
    tokens: NDArray[np.int64] | None,
    groups: NDArray[np.int64] | None,
) -> Selection:
    """Choose rows by their scores, and warn if there are none."""
    where = ranking.eligible
    left = len(ranking) if where is None else int(np.count_nonzero(where))
    if note := nothing_left(counts, left):
        warnings.warn(note, UserWarning, stacklevel=5)
        # That all of 0 rows are chosen would be said by some ways of choosing.
        with warnings.catch_warnings(action="ignore"):
            return choose(ranking, options, None, tokens, groups)
    selection = choose(ranking, options, None, tokens, groups)
    if not len(selection) and options.threshold is not None:
        best = ranking.scores.max() if where is None else ranking.scores[where].max()
        message = f"--threshold is {options.threshold:g}, above the best score, {best:.6g}; nothing is selected"
        warnings.warn(message, UserWarning, stacklevel=5)
    if groups is not None and (note := _small_groups(groups, where, options.top_k or 0)):
        warnings.warn(note, UserWarning, stacklevel=5)
    return selection


def _small_groups(groups: NDArray[np.int64], where: NDArray[np.bool_] | None, k: int) -> str | None:
    """Say how many groups have fewer rows that can be chosen than are wanted of each; None where all have enough."""
    rows = np.bincount(groups if where is None else groups[where], minlength=groups.max() + 1)
    if not (few := int((rows < k).sum())):
        return None
    have = "has" if few == 1 else "have"
    return (
        f"top_k is {k}, but {few} of {len(rows)} groups {have} fewer rows that can be chosen; all of them are selected"
    )


def _library(scorer: _core.Scorer) -> dict[str, object]:
    name, version = scorer.library
    return {"name": name, "version": version}


class _Run:
    """What is found out about a run while it goes on."""

    def __init__(self, options: ScoreOptions) -> None:
        self.started = datetime.now(UTC)
        self.options = options
        self.threads = _core.available_threads() if options.threads is None else options.threads
        self.counts: dict[str, int] = {}
        self.files: list[str] = []
        self.selection: Selection | None = None
        self.targets: int | None = None
        self.metric: str | None = None
        self.spent: int | None = None
        self.groups: int | None = None
        self.beta: float | None = None

    @property
    def seed(self) -> int:
        """As recorded."""
        seed = getattr(self.options, "seed", None)
        return manifest.DEFAULT_SEED if seed is None else seed

    def finish(
        self,
        output: _core.Output,
        parameters: dict[str, object],
        library: dict[str, object] | None,
        task: scoring.Task,
        outputs: Sequence[_core.OutputFile],
    ) -> None:
        """Write the records, and let all files appear."""
        content = manifest.build(
            parameters=parameters,
            library=library,
            tokenizer=None if task.counter is None else task.counter.record,
            sources=task.reader.files(),
            targets=task.target_reader.files(),
            exclude=[] if task.filters.reader is None else task.filters.reader.files(),
            counts=self.counts,
            seed=self.seed,
            outputs=outputs,
        )
        self.files = [file["name"] for file in outputs]
        writing.finish(output, content, self.started, self.threads, task.reader.found())

    def is_done(self, parameters: dict[str, object], task: scoring.Task) -> bool:
        """Whether the output is that of a run with these parameters and inputs; raises if it is of another one."""
        path = Path(self.options.output, writing.MANIFEST_NAME)
        try:
            former = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        wanted: dict[str, object] = {
            "zipfit": _core.__version__,
            "seed": self.seed,
            **json.loads(json.dumps(parameters)),
        }
        found = {"zipfit": former["zipfit"], "seed": former["seed"], **former["parameters"]}
        for side, reader in (("sources", task.reader), ("targets", task.target_reader)):
            wanted[side] = [[name, size] for name, size, _ in reader.found()]
            found[side] = [[file["name"], file["bytes"]] for file in former[side]]
        if different := [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]:
            names = ", ".join(different[:3])
            message = f"a finished run is here, and it was another one: {names} differ; give another directory"
            raise MismatchError(f"{self.options.output}: {message}, or start afresh with --overwrite")
        self.counts, self.files = former["counts"], [file["name"] for file in former["outputs"]]
        return True

    def done(self) -> Result:
        """Return the result of a run that an earlier one had finished."""
        return Result(
            output=self.options.output,
            files=tuple(self.files),
            counts=self.counts,
            already_done=True,
            seconds=(datetime.now(UTC) - self.started).total_seconds(),
            threads=self.threads,
        )

    def result(self) -> Result:
        """Return what there is to tell."""
        budgets = {unit: getattr(self.options, f"budget_{unit}", None) for unit in ("bytes", "tokens")}
        unit, budget = next(((unit, amount) for unit, amount in budgets.items() if amount is not None), (None, None))
        scores = np.empty(0) if self.selection is None else self.selection.scores
        covered = None
        if isinstance(self.selection, Cover):
            covered = float(self.selection.coverage[-1]) if len(scores) else 0.0
        return Result(
            output=self.options.output,
            files=tuple(name for name in writing.ALL_NAMES if name in {*self.files, *writing.RECORD_NAMES}),
            counts=self.counts,
            scores=getattr(self.options, "scores", None),
            targets=self.targets,
            metric=self.metric,
            budget=budget,
            budget_unit=unit,
            spent=self.spent,
            groups=self.groups,
            beta=self.beta,
            covered=covered,
            best_score=float(scores[0]) if len(scores) else None,
            last_score=float(scores[-1]) if len(scores) else None,
            seconds=(datetime.now(UTC) - self.started).total_seconds(),
            threads=self.threads,
        )
