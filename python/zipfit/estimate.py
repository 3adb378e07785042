"""What a run will take, from a measured sample of its own input: `--dry-run`. Nothing is written."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit import _core, remote, scoring
from zipfit.errors import ParameterError
from zipfit.options import COVER_CHOOSERS, ScoreOptions, SelectOptions, check, check_scoring, shard_of
from zipfit.paths import STANDARD_INPUT, expanded, is_url
from zipfit.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zipfit._core import _Column

__all__ = ["Estimate", "estimate"]

_SECONDS = 2.0
"""Of work on the sample, which is then some hundred rows or more; the last batch is finished."""

_FILES = 8
"""Files that the sample is taken from, evenly spread: their beginnings."""

_NOT_PLAIN = (".gz", ".zst", ".parquet", ".pq")
"""Suffixes of files whose bytes are not those of their rows."""

_ROW_BYTES, _BUDGET_ROW_BYTES = 28, 40
"""Memory of a row while rows are chosen, without and with a budget of bytes or tokens, measured on 2,000,000."""

_JOINT_TEXT_BYTES, _JOINT_ROW_BYTES = 2.4, 150
"""Memory of joint selection for each byte of text and each row, measured on 258,616 rows with 312 MB of text (815 MB)
and on four times as many (3.0 GB)."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is to be expected of a run."""

    rows: int
    targets: int
    pairs: int
    """Comparisons of a row with a target; for the gain, and jointly, a row is compared with all targets at once."""
    seconds: float
    memory_bytes: int
    disk_bytes: int
    """Of the journal and the table of scores, beside the rows that are chosen."""
    copied_bytes: int
    """Of inputs that are copied to the disk first, and removed in the end."""
    sample_rows: int
    """Rows that were measured; as many as `rows` when all of them were."""
    threads: int


def estimate(options: ScoreOptions) -> Estimate:
    """Measure the run on the beginnings of its sources, and scale.

    Raises
    ------
    ZipfitError, OSError
        As `select` and `score`, as far as the sample goes.
    """
    options = expanded(options)
    if isinstance(options, SelectOptions):
        if options.scores is not None:
            raise ParameterError("--dry-run has nothing to tell of --scores, by which choosing takes seconds")
        check(options)
    else:
        check_scoring(options)
    if STANDARD_INPUT in {*options.source, *options.target, *options.exclude}:
        raise ParameterError("--dry-run would use up standard input; name a file, of a part of the rows say")
    part = shard_of(options)
    files, total, copied = _inputs(options)
    if part is not None:
        # Of equal bytes; which files it has is not asked, because they are sampled anyway.
        total //= part[1]
        options = dataclasses.replace(options, shard=None)
    rows = texts = disk = done = 0
    seconds, targets, threads = 0.0, 0, 1
    joint = isinstance(options, SelectOptions) and options.cover
    # What joint selection takes for the sample is part of what it takes for all.
    memory = _core.peak_memory_bytes() or 0
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory, "spool"))
        for file in files:
            # Not part of what is measured.
            spool.fill([file])
            task = scoring.set_up(dataclasses.replace(options, source=(file,)), spool)
            sample = _measure(task, _SECONDS / len(files))
            targets, threads = len(task.target), task.threads
            rows, texts, disk = rows + sample.rows, texts + sample.text_bytes, disk + sample.disk_bytes
            done, seconds = done + sample.input_bytes, seconds + sample.seconds
    if not rows:
        raise ParameterError(f"{files[0]}: no row was found; there is nothing to measure", path=files[0])
    scale = total / max(done, 1)
    expected = round(rows * scale)
    if joint:
        memory += round(texts * scale * _JOINT_TEXT_BYTES) + expected * _JOINT_ROW_BYTES
    else:
        budgets = (getattr(options, "budget_bytes", None), getattr(options, "budget_tokens", None))
        row_bytes = _ROW_BYTES if budgets == (None, None) else _BUDGET_ROW_BYTES
        memory = (_core.peak_memory_bytes() or 0) + expected * row_bytes
        if options.dedup is not None and options.dedup < 1:
            memory += round(texts * scale)
    return Estimate(
        rows=expected,
        targets=targets,
        pairs=expected * targets,
        seconds=seconds * scale,
        memory_bytes=memory,
        disk_bytes=0 if joint else round(disk * scale),
        copied_bytes=copied,
        sample_rows=rows,
        threads=threads,
    )


def _inputs(options: ScoreOptions) -> tuple[tuple[str, ...], int, int]:
    """Return the sources to measure, the bytes of all, and the bytes that are copied before a run."""
    far = {
        name: remote.find(name).bytes or 0
        for name in (*options.source, *options.target, *options.exclude)
        if is_url(name)
    }
    near = [name for name in options.source if name not in far]
    total = sum(far.get(name, 0) for name in options.source)
    if not near:
        # It is fetched whole.
        return (min(options.source, key=lambda name: far[name]),), total, sum(far.values())
    total += sum(size for _, size, _ in _core.Reader(near, options.text, "source", text_by=options.text_by).found())
    step = max(len(near) // _FILES, 1)
    return tuple(near[::step][:_FILES]), total, sum(far.values())


@dataclass(kw_only=True)
class _Sample:
    """What was measured of some rows."""

    rows: int = 0
    input_bytes: int = 0
    """On disk, of the files that the rows are from."""
    text_bytes: int = 0
    disk_bytes: int = 0
    seconds: float = 0.0


def _measure(task: scoring.Task, seconds: float) -> _Sample:
    """Do the work of a run, but for writing, until the time is up or the file ends."""
    options = task.options
    joint = isinstance(options, SelectOptions) and options.cover
    scorer = None if joint else scoring.make_scorer(task)[0]
    sample = _Sample()
    kept: list[_core.Texts] = []
    started = time.perf_counter()
    while (batch := _next_batch(task)) is not None:
        # What a stream has read ahead of the rows does not count; of compressed ones it is not known.
        name, (_, byte, _, _) = options.source[0], task.reader.position
        sample.input_bytes = task.reader.bytes_read if name.endswith(_NOT_PLAIN) else byte
        columns = batch.columns()
        if task.filters.are_there:
            task.filters.add(batch.texts, columns["row"])  # type: ignore[arg-type]
        scoring.count_tokens(task, batch)
        if scorer is None:
            kept.append(batch.texts)
        else:
            scorer.score(batch.texts, task.threads)
        sample.rows += len(batch) + len(batch.rejected)
        sample.text_bytes += batch.texts.total_bytes
        # The score comes to the columns; the table has no more than the journal.
        sample.disk_bytes += 2 * (_bytes_of(columns) + 8 * len(batch))
        if time.perf_counter() - started >= seconds:
            break
    else:
        sample.input_bytes = task.reader.bytes_total
    if joint and kept and isinstance(options, SelectOptions):
        _try_cover(_core.Texts.concat(kept), task, options)
    sample.seconds = time.perf_counter() - started
    return sample


def _next_batch(task: scoring.Task) -> _core.Batch | None:
    try:
        return task.reader.next_batch(task.threads)
    except ParameterError:
        # One of several files may have no row.
        if task.reader.position[3]:
            raise
        return None


def _try_cover(source: _core.Texts, task: scoring.Task, options: SelectOptions) -> None:
    amounts = {name: getattr(options, name) for name in COVER_CHOOSERS}
    if options.budget_tokens is not None:
        # Tokens were counted already; bytes are as good for the time that the search takes.
        amounts |= {"budget_tokens": None, "budget_bytes": 4 * options.budget_tokens}
    _core.cover(source, task.target, **amounts, beta=options.beta, threads=task.threads)


def _bytes_of(columns: Mapping[str, _Column]) -> int:
    return sum(
        column[0].nbytes + len(column[1]) if isinstance(column, tuple) else column.nbytes for column in columns.values()
    )
