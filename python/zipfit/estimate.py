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
from zipfit.joint import columns_of
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

_ROW_BYTES, _BUDGET_ROW_BYTES = 21, 25
"""Memory of a row while rows are chosen, without and with a budget of bytes or tokens, measured on 10,000,000."""

_JOINT_BYTES, _JOINT_ROW_BYTES = 32 << 20, 25
"""Memory of joint selection beyond that of the sample, whatever the rows, and of a row; measured on 258,616 rows
(127 MB) and on four times as many (158 MB)."""


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
    """Of the journal and the table of scores, or of what joint selection reads again, beside the rows chosen."""
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
    part = shard_of(options)
    rows = texts = disk = done = held = 0
    seconds, targets, threads = 0.0, 0, 1
    joint = isinstance(options, SelectOptions) and options.cover
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory, "spool"))
        files, total, copied = _inputs(options, spool)
        if part is not None:
            # Of equal bytes; which files it has is not asked, because they are sampled anyway.
            total //= part[1]
            options = dataclasses.replace(options, shard=None)
        for file in files:
            # Not part of what is measured.
            spool.fill([file])
            task = scoring.set_up(dataclasses.replace(options, source=(file,)), spool)
            sample = _measure(task, _SECONDS / len(files))
            targets, threads = len(task.target), task.threads
            rows, texts, disk = rows + sample.rows, texts + sample.text_bytes, disk + sample.disk_bytes
            done, seconds = done + sample.input_bytes, seconds + sample.seconds
            held = max(held, sample.held_bytes)
    if not rows:
        raise ParameterError(f"{files[0]}: no row was found; there is nothing to measure", path=files[0])
    # Of some URLs nobody tells the size.
    scale = max(total, done) / max(done, 1)
    expected = round(rows * scale)
    budgets = (getattr(options, "budget_bytes", None), getattr(options, "budget_tokens", None))
    row_bytes = _ROW_BYTES if budgets == (None, None) else _BUDGET_ROW_BYTES
    peak = _core.peak_memory_bytes() or 0
    memory = peak + expected * row_bytes
    if joint:
        memory = peak - held + _JOINT_BYTES + expected * _JOINT_ROW_BYTES
    if options.dedup is not None and options.dedup < 1:
        memory += round(texts * scale)
    return Estimate(
        rows=expected,
        targets=targets,
        pairs=expected * targets,
        seconds=seconds * scale,
        memory_bytes=memory,
        disk_bytes=round(disk * scale),
        copied_bytes=copied,
        sample_rows=rows,
        threads=threads,
    )


def _inputs(options: ScoreOptions, spool: Spool) -> tuple[tuple[str, ...], int, int]:
    """Return the sources to measure, the bytes of all, and the bytes that are copied before a run."""
    names = (*options.source, *options.target, *options.exclude)
    far = {name: remote.find(name).bytes or 0 for name in names if is_url(name)}
    if STANDARD_INPUT in names:
        # How much comes is known when all of it has come.
        spool.fill([STANDARD_INPUT])
        far[STANDARD_INPUT] = Path(spool.paths[STANDARD_INPUT]).stat().st_size
    copied = sum(far.values())
    total = sum(far.get(name, 0) for name in options.source)
    near = [name for name in options.source if name not in far]
    if not near:
        # What is measured is copied whole, and standard input is so already.
        first = min(options.source, key=lambda name: (name != STANDARD_INPUT, far[name]))
        return (first,), total, copied
    total += sum(size for _, size, _ in _core.Reader(near, options.text, "source", text_by=options.text_by).found())
    step = max(len(near) // _FILES, 1)
    return tuple(near[::step][:_FILES]), total, copied


@dataclass(kw_only=True)
class _Sample:
    """What was measured of some rows."""

    rows: int = 0
    input_bytes: int = 0
    """On disk, of the files that the rows are from."""
    text_bytes: int = 0
    disk_bytes: int = 0
    held_bytes: int = 0
    """Kept in memory, where a run would keep it on disk."""
    seconds: float = 0.0


def _measure(task: scoring.Task, seconds: float) -> _Sample:
    """Do the work of a run, but for writing, until the time is up or the file ends."""
    options = task.options
    search = _search(task, options) if isinstance(options, SelectOptions) and options.cover else None
    scorer = scoring.make_scorer(task)[0] if search is None else None
    sample = _Sample()
    started = time.perf_counter()
    while (batch := _next_batch(task)) is not None:
        # What a stream has read ahead of the rows does not count; of compressed ones it is not known.
        name, (_, byte, _, _) = options.source[0], task.reader.position
        suffix = task.spool.paths.get(name, name)
        sample.input_bytes = task.reader.bytes_read if suffix.endswith(_NOT_PLAIN) else byte
        columns = batch.columns()
        where = None
        if task.filters.are_there:
            where = task.filters.add(batch.texts, columns["row"])  # type: ignore[arg-type]
        tokens = scoring.count_tokens(task, batch)
        if scorer is not None:
            scorer.score(batch.texts, task.threads)
            # The score comes to the columns; the table has no more than the journal.
            sample.disk_bytes += 2 * (_bytes_of(columns) + 8 * len(batch))
        if search is not None:
            search.add(batch.texts, None, where, task.threads)
            sample.disk_bytes += _bytes_of(columns_of(batch, tokens))
        sample.rows += len(batch) + len(batch.rejected)
        sample.text_bytes += batch.texts.total_bytes
        if time.perf_counter() - started >= seconds:
            break
    else:
        sample.input_bytes = task.reader.bytes_total
    if search is not None:
        sample.held_bytes = search.stored_bytes + sample.text_bytes
        sample.disk_bytes += sample.held_bytes
        search.choose(task.threads)
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


def _search(task: scoring.Task, options: SelectOptions) -> _core.CoverSearch:
    amounts = {name: getattr(options, name) for name in COVER_CHOOSERS}
    if options.budget_tokens is not None:
        # Tokens are counted besides; bytes are as good for the time that the search takes.
        amounts |= {"budget_tokens": None, "budget_bytes": 4 * options.budget_tokens}
    return _core.CoverSearch(task.target, **amounts, beta=options.beta)


def _bytes_of(columns: Mapping[str, _Column]) -> int:
    return sum(
        column[0].nbytes + len(column[1]) if isinstance(column, tuple) else column.nbytes for column in columns.values()
    )
