"""Files in, files out: the only place where reading, scoring, choosing and writing meet.

A selection by scores goes through their table, `scores.parquet`, whether that was made just now or by an earlier run:
the chosen rows are copied from the sources at the end, which reads them a second time. Memory: what scoring takes (see
``scoring``), then 16 bytes a row, 24 where sizes matter, and some 60 a chosen row.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit import _core, manifest, scoring, writing
from zipfit.choosing import choose_by_table
from zipfit.errors import MismatchError, ParameterError
from zipfit.joint import choose_jointly
from zipfit.options import ScoreOptions, SelectOptions, check, check_scoring
from zipfit.paths import STANDARD_INPUT, expanded, located, named_by_run
from zipfit.run import Result, Run, sources_of
from zipfit.scores import FILE_NAME, Scores, open_scores, read_manifest

if TYPE_CHECKING:
    from zipfit.spool import Spool

TIGHTER = {"min_bytes": max, "max_bytes": min}
"""Limits that may be given again when choosing by scores that are there, and which of two holds."""

__all__ = ["Result", "ScoreOptions", "SelectOptions", "refuse_changed", "score", "select"]


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
    options = expanded(options)
    run = Run(options)
    check(options)
    if options.scores is not None:
        return _select_by_scores(run, options, options.scores)
    writing.refuse_own_input(options.output, [*options.source, *options.target, *options.exclude])
    with writing.open_output(options.output, overwrite=options.overwrite, resume=options.resume) as (output, work):
        task = scoring.set_up(
            options, work.spool, leave_out_copies_of_target=options.cover and options.dedup is not None
        )
        run.targets = len(task.target)
        if options.cover:
            # That of another run, by scores: this one keeps none.
            work.refuse_unfinished(options.output, journal_alone=True)
            if options.resume and run.is_done(scoring.parameters_of(task, {}), None, task):
                return run.done()
            chosen = choose_jointly(task, options, work)
            parameters = scoring.parameters_of(task, {"beta": chosen.beta})
            run.counts, run.beta, run.spent = chosen.counts, chosen.beta, chosen.spent
            rejected = [] if options.on_bad_row == "error" else [chosen.write_rejected(output)]
            outputs = writing.copy_rows(output, task.reader, chosen.places, chosen.selection, options.keep_order)
            outputs = [*rejected, *outputs, chosen.write_left_out(output, task.reader)]
            run.selection = chosen.selection
            run.finish(output, parameters, None, task, outputs)
            return run.result()
        scorer, resolved = scoring.make_scorer(task)
        parameters = scoring.parameters_of(task, resolved)
        if options.resume and not work.journal_path.exists() and run.is_done(parameters, _library(scorer), task):
            return run.done()
        run.metric = scorer.metric
        scored = scoring.score_rows(task, scorer, output, work, scoring.journal_key(task, scorer, parameters))
        run.counts, outputs = scored.counts, scored.outputs
        if options.shard is None:
            scores = Scores(output.partial(FILE_NAME), scored.counts["read"])
            outputs += choose_by_table(run, output, scores, reader=task.reader, counts=scored.counts)
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
    options = expanded(options)
    run = Run(options)
    check_scoring(options)
    writing.refuse_own_input(options.output, [*options.source, *options.target, *options.exclude])
    with writing.open_output(options.output, overwrite=options.overwrite, resume=options.resume) as (output, work):
        task = scoring.set_up(options, work.spool)
        scorer, resolved = scoring.make_scorer(task)
        parameters = scoring.parameters_of(task, resolved)
        if options.resume and not work.journal_path.exists() and run.is_done(parameters, _library(scorer), task):
            return run.done()
        run.targets, run.metric = len(task.target), scorer.metric
        scored = scoring.score_rows(task, scorer, output, work, scoring.journal_key(task, scorer, parameters))
        run.counts = scored.counts
        run.finish(output, parameters, _library(scorer), task, scored.outputs)
        work.clear()
    return run.result()


def _select_by_scores(run: Run, options: SelectOptions, directory: str) -> Result:
    """Choose by the scores of an earlier run."""
    if Path(directory).resolve() == Path(options.output).resolve():
        raise ParameterError("-o is the directory of --scores, whose manifest would be replaced; choose another one")
    former = read_manifest(directory)
    inputs = [file["name"] for side in ("sources", "targets", "exclude") for file in former[side]]
    writing.refuse_own_input(options.output, inputs)
    if any(file["name"] == STANDARD_INPUT for file in former["sources"]):
        message = "the rows that were scored came by standard input and are gone, so none can be copied"
        raise ParameterError(f"{directory}: {message}; save them to a file and score that", path=directory)
    parameters = dict(former["parameters"])
    if options.group is not None and parameters["group"] != options.group:
        raise ParameterError(f"the scores have no groups by {options.group}; score again with --group {options.group}")
    scores = open_scores(directory, former)
    if options.budget_tokens is not None and "tokens" not in scores.columns:
        raise ParameterError("the scores have no tokens; score again with --token-field or --tokenizer")
    scoring_alone = asdict(ScoreOptions(output=""))
    for name, value in asdict(options).items():
        is_a_choice = name not in scoring_alone and name not in {"scores", "verify", "seed"}
        if is_a_choice or name == "group":
            parameters[name] = value
        elif name in TIGHTER and value is not None:
            # What was left out when the scores were made stays out.
            limits = [limit for limit in (value, parameters[name]) if limit is not None]
            parameters[name] = TIGHTER[name](limits)
    run.metric = parameters["metric"]
    with writing.open_output(options.output, overwrite=options.overwrite, resume=options.resume) as (output, work):
        work.can_go_on = False
        reader = _open_sources(former, Path(directory, writing.MANIFEST_NAME), options.verify, work.spool)
        outputs = choose_by_table(run, output, scores, reader=reader, counts=former["counts"])
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
        writing.finish(output, content, run.started, run.threads, work.spool.stamped(reader.found()))
        run.files = [file["name"] for file in outputs]
    run.targets = sum(file["rows"] for file in former["targets"])
    return run.result()


def _open_sources(former: dict[str, Any], manifest_path: Path, verify: bool, spool: Spool) -> _core.Reader:
    """Open the sources of an earlier run, which must be what they were."""
    names = [file["name"] for file in former["sources"]]
    parameters = former["parameters"]
    with named_by_run(os.fspath(manifest_path.parent)):
        spool.fill(names)
        reader = _core.Reader(
            located(names, spool.paths),
            parameters["text"],
            "source",
            id_field=parameters["id"],
            text_by=parameters["text_by"],
            names=names,
        )
    refuse_changed(reader, former, manifest_path, spool, verify=verify)
    return reader


def refuse_changed(
    reader: _core.Reader,
    former: dict[str, Any],
    manifest_path: Path,
    spool: Spool,
    *,
    verify: bool = False,
    remedy: str = "score again",
) -> None:
    """Raise MismatchError unless the sources that a reader has opened are those of an earlier run."""
    sources, found = sources_of(former, manifest_path), spool.stamped(reader.found())
    for (file, stamp), (name, size, stamp_now) in zip(sources, found, strict=True):
        changed = size != file["bytes"] or (stamp not in {None, stamp_now} and not verify)
        if verify and not changed:
            with Path(spool.paths.get(name, name)).open("rb") as content:
                changed = hashlib.file_digest(content, "sha256").hexdigest() != file["sha256"]
        if changed:
            either = remedy if verify else f"{remedy}, or use --verify if only its time is another"
            raise MismatchError(f"{name}: the file changed since it was scored; {either}", path=name)


def _library(scorer: _core.Scorer) -> dict[str, object]:
    name, version = scorer.library
    return {"name": name, "version": version}
