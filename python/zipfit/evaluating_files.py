"""`zipfit evaluate`: the rows that a run of `zipfit select` chose, judged beside others of the same sources.

The sources are read twice by batches, once for the sizes of rows, once for their texts; no text outlives its batch.
Rows that the run left out, or could not read, are in no comparison.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit import _core, writing
from zipfit.checks import checked_seed
from zipfit.errors import MismatchError, ParameterError
from zipfit.evaluating import FLATTERS_COVER, Comparison, Evaluation, checked_seeds
from zipfit.merge import verified
from zipfit.paths import STANDARD_INPUT, expand, located
from zipfit.pipeline import refuse_changed
from zipfit.progress import bytes_bar
from zipfit.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["EvaluateOptions", "evaluate_run"]

SELECT_AGAIN = "select again"

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
    run = _Run(options.directory)
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory, "spool"))
        held_out = run.read_held_out(options, spool)
        reader = run.open_sources(spool)
        refuse_changed(reader, run.manifest, run.path, spool, verify=options.verify, remedy=SELECT_AGAIN)
        sizes, where = _sizes(reader, run.rows_read, options.threads)
        if int(reader.position[3]) != run.rows_read:
            message = f"the sources have {reader.position[3]} rows, but the run read {run.rows_read}; {SELECT_AGAIN}"
            raise MismatchError(f"{options.directory}: {message}", path=options.directory)
        rows = run.rows("selection.jsonl")
        where[run.rows(writing.LEFT_OUT_NAME)] = False
        low, high = run.parameters.get("min_bytes"), run.parameters.get("max_bytes")
        where &= (sizes >= (low or 0)) & (sizes <= (sizes.max(initial=0) if high is None else high))
        target = run.read_targets(spool, options.threads)
        notes = [FLATTERS_COVER] if run.parameters.get("cover") else []
        notes += [] if target is not None else [NO_TARGETS]
        comparison = Comparison(
            held_out, sizes, where, rows, seeds=seeds, seed=seed, threads=options.threads, target=target
        )
        again = run.open_sources(spool)
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


class _Run:
    """A finished run of `zipfit select`."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.path = Path(directory, writing.MANIFEST_NAME)
        try:
            self.manifest: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            names = [file["name"] for file in self.manifest["outputs"]]
            self.parameters: dict[str, Any] = self.manifest["parameters"]
            self._sources = [file["name"] for file in self.manifest["sources"]]
            self.rows_read = int(self.manifest["counts"]["read"])
        except FileNotFoundError:
            raise self._wrong(
                "no finished run is here (there is no manifest.json); name the directory that zipfit select wrote"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self.path}: not a manifest of zipfit ({error}); {SELECT_AGAIN}"
            raise MismatchError(message, path=os.fspath(self.path)) from None
        if "shard" in self.manifest:
            number, of = self.manifest["shard"]["number"], self.manifest["shard"]["of"]
            raise self._wrong(f"shard {number}/{of} is here; put all shards together by zipfit merge")
        if "selection.jsonl" not in names:
            raise self._wrong("scores are here, but no rows were chosen; choose some by zipfit select --scores")
        if not self._sources or "text_by" not in self.parameters:
            raise self._wrong("the rows here were chosen in Python; call zipfit.evaluate there")
        if STANDARD_INPUT in self._sources:
            message = "the rows that were chosen from came by standard input and are gone"
            raise self._wrong(f"{message}; save them to a file and select from that")
        self._outputs = names

    def _wrong(self, message: str) -> ParameterError:
        return ParameterError(f"{self._directory}: {message}", path=self._directory)

    def rows(self, name: str) -> NDArray[np.int64]:
        """Read the numbers of the rows that a file lists; none if the run did not write it."""
        if name not in self._outputs:
            return np.empty(0, np.int64)
        lines = verified(self._directory, self.manifest, name, SELECT_AGAIN).splitlines()
        return np.array([json.loads(line)["row"] for line in lines], np.int64)

    def open_sources(self, spool: Spool) -> _core.Reader:
        """Open the sources as the run has read them."""
        spool.fill(self._sources)
        return _core.Reader(
            located(self._sources, spool.paths),
            self.parameters["text"],
            "source",
            id_field=self.parameters["id"],
            token_field=self.parameters["token_field"],
            group_field=self.parameters["group"],
            max_row_bytes=self.parameters["max_row_bytes"],
            skip_bad_rows=self.parameters["on_bad_row"] == "skip",
            text_by=self.parameters["text_by"],
            names=self._sources,
        )

    def read_held_out(self, options: EvaluateOptions, spool: Spool) -> _core.Texts:
        """Read the rows to judge by."""
        names = expand(options.held_out)
        text = self.parameters["target_text"] if options.held_out_text is None else options.held_out_text
        return self._reader(names, text, "held_out", spool).rest(options.threads)

    def read_targets(self, spool: Spool, threads: int | None) -> _core.Texts | None:
        """Read the targets of the run; None if they are not what they were."""
        files = self.manifest["targets"]
        names = [file["name"] for file in files]
        if STANDARD_INPUT in names:
            return None
        try:
            reader = self._reader(names, self.parameters["target_text"], "target", spool)
            texts = reader.rest(threads)
        except (OSError, ValueError):
            return None
        return texts if [dict(file) for file in reader.files()] == files else None

    def _reader(self, names: Sequence[str], text: str, side: _core._Side, spool: Spool) -> _core.Reader:
        spool.fill(names)
        by = self.parameters["text_by"]
        return _core.Reader(located(names, spool.paths), text, side, text_by=by, names=names)
