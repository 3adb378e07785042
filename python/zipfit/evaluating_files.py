"""`zipfit evaluate`: the rows that a run of `zipfit select` chose, judged beside others of the same sources.

The sources are read twice by batches, once for the sizes of rows, once for their texts; no text outlives its batch.
Rows that the run left out, or could not read, are in no comparison.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zipfit.checks import checked_seed
from zipfit.comparing import NO_BYTES, Comparison
from zipfit.errors import MismatchError, ParameterError, ZipfitError
from zipfit.evaluating import FLATTERS_COVER, checked_seeds
from zipfit.former import SELECT_AGAIN, FormerRun
from zipfit.paths import expand
from zipfit.progress import bytes_bar
from zipfit.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zipfit import _core
    from zipfit.evaluation import Evaluation

__all__ = ["EvaluateOptions", "evaluate_run"]

NO_TARGETS = "the targets of the run are not there as they were, so held-out rows were not looked for among them"


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What ``zipfit evaluate`` is told.

    Parameters
    ----------
    directory
        What ``zipfit select`` wrote.
    held_out
        Files of rows that the selection was not made by; of the kinds that it takes.
    held_out_text
        Field or template of their texts; None: that of the run's targets.
    seeds, seed, threads
        As in `zipfit.evaluate`.
    verify
        Hold the sources against their hashes; False: their sizes and times only.
    """

    directory: str
    held_out: tuple[str, ...]
    held_out_text: str | None = None
    seeds: int = 5
    seed: int = 0
    verify: bool = False
    threads: int | None = None


def evaluate_run(options: EvaluateOptions) -> Evaluation:
    """Judge a finished run.

    Raises
    ------
    ParameterError
        There is no selection in the directory, or nothing to judge it by; see `zipfit.evaluate`.
    MismatchError
        Its files, or the sources, are not what they were.
    ZipfitError, OSError
        What is wrong with the held-out files.
    """
    seeds, seed = checked_seeds(options.seeds), checked_seed(options.seed)
    run = FormerRun(options.directory)
    rows = np.array([entry["row"] for entry in run.selection()], np.int64)
    # The texts are read from the sources, but whoever changed the rows since expects to be judged by these.
    run.refuse_changed_rows()
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory, "spool"))
        text = run.parameters["target_text"] if options.held_out_text is None else options.held_out_text
        files = expand(options.held_out)
        held_out = run.open_rows(files, text, "held_out", spool).rest(options.threads)
        if not held_out.total_bytes:
            more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
            raise ParameterError(f"{files[0]}{more}: {NO_BYTES}", path=files[0])
        reader = run.open_sources(spool, verify=options.verify)
        sizes, where = _sizes(reader, run.rows_read, options.threads)
        if int(reader.position[3]) != run.rows_read:
            message = f"the sources have {reader.position[3]} rows, but the run read {run.rows_read}; {SELECT_AGAIN}"
            raise MismatchError(f"{options.directory}: {message}", path=options.directory)
        where[[entry["row"] for entry in run.left_out()]] = False
        low, high = run.parameters.get("min_bytes"), run.parameters.get("max_bytes")
        where &= (sizes >= (low or 0)) & (sizes <= (sizes.max(initial=0) if high is None else high))
        notes = [FLATTERS_COVER] if run.parameters.get("cover") else []
        target = None
        try:
            target = run.read_targets(spool, options.threads)
        except (OSError, ZipfitError):
            notes.append(NO_TARGETS)
        comparison = Comparison(
            held_out, sizes, where, rows, seeds=seeds, seed=seed, threads=options.threads, target=target
        )
        again = run.open_sources(spool, verify=options.verify)
        if again.found() != reader.found():
            raise MismatchError(
                f"{options.directory}: the sources changed while they were read", path=options.directory
            )
        for batch, numbers in _batches(again, "evaluating", options.threads):
            comparison.add(batch.texts, numbers)
        return comparison.finish(notes)


def _sizes(reader: _core.Reader, total: int, threads: int | None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read the bytes of each row, 0 for those that cannot be read; and whether it can."""
    sizes, is_there = np.zeros(total, np.int64), np.zeros(total, np.bool_)
    for batch, rows in _batches(reader, "reading", threads):
        # More rows than there were are told of by the caller.
        fits = rows < total
        sizes[rows[fits]] = batch.texts.sizes()[fits]
        is_there[rows[fits]] = True
    return sizes, is_there


def _batches(reader: _core.Reader, phase: str, threads: int | None) -> Iterator[tuple[_core.Batch, NDArray[np.int64]]]:
    with bytes_bar(reader.bytes_total, phase) as meter:
        while (batch := reader.next_batch(threads)) is not None:
            yield batch, np.asarray(batch.columns()["row"])
            if meter is not None:
                meter(reader.bytes_read, reader.position[3])
