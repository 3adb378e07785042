"""From files to `scores.parquet`: read, filter, score, batch by batch, with a journal of what is done.

No text outlives its batch, unless near duplicates are looked for. Memory: the targets and a fixed number of batches;
what is known of each row is in the journal, on disk, until all rows are scored. A run that goes on reads its sources
from where the journal ends; if a filter looks at texts, from the start, but without scoring again.
"""

from __future__ import annotations

import contextlib
import functools
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit import _core
from zipfit.errors import BadRowError, MismatchError, ParameterError
from zipfit.filtering import Filtered, Filters
from zipfit.options import NOT_FOR_THE_RESULT, ScoreOptions, shard_name, shard_of
from zipfit.paths import located
from zipfit.progress import bytes_bar
from zipfit.scorer import DEFAULT_METRIC
from zipfit.tokens import TokenCounter, open_tokenizer
from zipfit.writing import REJECTED_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from zipfit.journal import Journal
    from zipfit.progress import Meter
    from zipfit.spool import Spool
    from zipfit.workplace import Workplace

__all__ = [
    "ALL_REJECTED",
    "Scored",
    "Task",
    "all_rejected",
    "bad_row",
    "check_rejected",
    "count_tokens",
    "journal_key",
    "make_scorer",
    "parameters_of",
    "read_batches",
    "rejected_line",
    "rejected_lines",
    "score_rows",
    "set_up",
]

DEFAULT_AGGREGATE = "mean"

ALL_REJECTED = "all rows were rejected"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a run works with."""

    opened: _core.Reader | None
    """Of the sources; None while these are not copied."""
    spool: Spool
    target_reader: _core.Reader
    target: _core.Texts
    filters: Filters
    counter: TokenCounter | None
    """None where tokens are not counted, but read or of no interest."""
    options: ScoreOptions
    threads: int
    """As in the options, but known."""

    @functools.cached_property
    def reader(self) -> _core.Reader:
        """Of the sources, which are copied now if they have to be."""
        return _open_sources(self.options, self.spool) if self.opened is None else self.opened


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What there is to say of a run that has scored all rows."""

    counts: dict[str, int]
    """As in the manifest."""
    outputs: list[_core.OutputFile]
    """The table, and the list of rejected rows if there may be any."""


def set_up(options: ScoreOptions, spool: Spool, *, leave_out_copies_of_target: bool = False) -> Task:
    """Read all that is needed before the first row of the sources."""
    threads = _core.available_threads() if options.threads is None else options.threads
    counter = None if options.tokenizer is None else open_tokenizer(options.tokenizer)
    # Sources that are copied first are the last thing to be looked at, when all else is known to be right.
    opened = None if spool.lacks(options.source) else _open_sources(options, spool)
    spool.fill([*options.target, *options.exclude])
    target_reader = _core.Reader(
        located(options.target, spool.paths),
        target_text_of(options),
        "target",
        max_row_bytes=options.max_row_bytes,
        text_by=options.text_by,
        names=options.target,
    )
    with _field_named_by("--target-text"):
        target = target_reader.rest(threads)
    with _field_named_by("--exclude-text"):
        filters = Filters(options, target if leave_out_copies_of_target else None, threads, spool.paths)
    return Task(
        opened=opened,
        spool=spool,
        target_reader=target_reader,
        target=target,
        filters=filters,
        counter=counter,
        options=options,
        threads=threads,
    )


def _open_sources(options: ScoreOptions, spool: Spool) -> _core.Reader:
    spool.fill(options.source)
    return _core.Reader(
        located(options.source, spool.paths),
        options.text,
        "source",
        id_field=options.id,
        token_field=options.token_field,
        group_field=options.group,
        batch_rows=options.batch_rows,
        max_row_bytes=options.max_row_bytes,
        skip_bad_rows=options.on_bad_row == "skip",
        text_by=options.text_by,
        names=options.source,
        shard=shard_of(options),
    )


def target_text_of(options: ScoreOptions) -> str:
    """Return the field or template of the targets."""
    return options.text if options.target_text is None else options.target_text


def parameters_of(task: Task, resolved: dict[str, object]) -> dict[str, object]:
    """Return every parameter that the result depends on."""
    parameters = asdict(task.options)
    # The seed has a place of its own in the manifest, because it is recorded in any case.
    for name in (*NOT_FOR_THE_RESULT, "batch_rows", "scores", "verify", "seed"):
        parameters.pop(name, None)
    if parameters["max_row_bytes"] is None:
        parameters["max_row_bytes"] = _core.MAX_ROW_BYTES
    return parameters | {"target_text": target_text_of(task.options)} | task.filters.resolved | resolved


def make_scorer(task: Task) -> tuple[_core.Scorer, dict[str, object]]:
    """Return the scorer, and the parameters that it has found."""
    options = task.options
    metric = DEFAULT_METRIC if options.metric is None else options.metric
    aggregate = DEFAULT_AGGREGATE if options.aggregate is None else options.aggregate
    scorer = _core.Scorer(task.target, metric, options.compressor, aggregate, task.threads)
    return scorer, {"metric": scorer.metric, "compressor": scorer.compressor, "aggregate": scorer.aggregate}


def journal_key(task: Task, scorer: _core.Scorer, parameters: dict[str, object]) -> dict[str, Any]:
    """Return all that a run which goes on must share with the one that began."""
    key: dict[str, Any] = {"zipfit": _core.__version__}
    # Rows that were good are good under any policy; `score_rows` looks after those that were not.
    key |= {f"--{name.replace('_', '-')}": value for name, value in parameters.items() if name != "on_bad_row"}
    key["batch_rows"] = task.options.batch_rows
    key["--shard"] = shard_name(task.options)
    key["library"] = " ".join(scorer.library)
    key["tokenizer"] = None if task.counter is None else task.counter.record
    sides = {"source": task.reader, "target": task.target_reader, "exclude": task.filters.reader}
    for side, reader in sides.items():
        found = [] if reader is None else reader.found()
        key[side] = [name for name, _, _ in found]
        key |= {f"{side} {name}": f"{size} bytes of {modified} ns" for name, size, modified in found}
    return key


def score_rows(task: Task, scorer: _core.Scorer, output: _core.Output, work: Workplace, key: dict[str, Any]) -> Scored:
    """Score all rows that the journal does not have yet, and write the table."""
    skip = task.options.on_bad_row == "skip"
    work.after_bad_rows = "a larger --max-rejected and " if skip else "--on-bad-row skip and "
    with work.open_journal(key) as journal:
        filtered, rejected = _score_batches(task, scorer, journal)
        journal.sync()
        outputs = _write_table(task, output, journal, filtered)
        scored = task.reader.position[3] - rejected
        if not scored and task.options.shard is None:
            error = all_rejected(journal)
            # There is nothing to go on with.
            journal.close()
            work.clear()
            raise error
        counts = {"read": scored + rejected, "scored": scored, "rejected": rejected}
        if filtered is None:
            counts |= {"below_min_bytes": 0, "above_max_bytes": 0}
        else:
            counts |= filtered.counts
    return Scored(counts=counts, outputs=outputs)


def _score_batches(task: Task, scorer: _core.Scorer, journal: Journal) -> tuple[Filtered | None, int]:
    """Score the rows that are left; returns what filters found, and how many rows are rejected in all."""
    reader, filters = task.reader, task.filters if task.filters.are_there else None
    done = journal.batches
    rejected, best = 0, None
    if journal.last is not None:
        best = journal.last["best_score_until_now"]
        rejected = journal.last["rejected_until_now"]
        if rejected and task.options.on_bad_row == "error":
            message = f"the run that began here has skipped {rejected} bad rows; go on with --on-bad-row skip"
            raise MismatchError(f"{journal.path.parent.parent}: {message}, or start afresh with --overwrite")
        if filters is None:
            reader.resume(tuple(journal.last["position"]), journal.finished)
            check_rejected(task.options, rejected, journal.last["rejected"])
    skip = done if filters is not None else 0
    if filters is not None:
        rejected = 0
    for batch, progress in read_batches(task, "scoring", rejected):
        if filters is not None:
            filters.add(batch.texts, batch.columns()["row"])  # type: ignore[arg-type]
        rejected += len(batch.rejected)
        check_rejected(task.options, rejected, batch.rejected)
        if skip:
            skip -= 1
            if not skip and journal.last is not None and list(reader.position) != journal.last["position"]:
                raise MismatchError("the sources are not cut into batches as before; start afresh with --overwrite")
            continue
        columns = batch.columns()
        scores = columns["score"] = scorer.score(batch.texts, task.threads, progress)
        if len(scores):
            best = float(scores.max()) if best is None else max(best, float(scores.max()))
        if progress is not None:
            progress.meter.best_score = best
        if (tokens := count_tokens(task, batch)) is not None:
            columns["tokens"] = tokens
        said = {
            "position": reader.position,
            "finished": reader.files(len(journal.finished)),
            "rejected": batch.rejected,
            "rejected_until_now": rejected,
            "best_score_until_now": best,
        }
        journal.append(said, columns)
    return None if filters is None else filters.finish(), rejected


def check_rejected(options: ScoreOptions, rejected: int, latest: Sequence[_core.RejectedRow]) -> None:
    """Raise when more rows were skipped than may be; `latest` are those of the last batch."""
    if options.max_rejected is None or rejected <= options.max_rejected:
        return
    if not latest:
        # Before this run: nothing is wrong with a row, but with the limit, and what is done stays.
        message = (
            f"--max-rejected is {options.max_rejected}, but {rejected} rows were rejected already; give a larger one"
        )
        raise ParameterError(message)
    message = f"{rejected} rows until here were rejected, more than --max-rejected {options.max_rejected}"
    raise bad_row(latest[-1], message)


def bad_row(row: _core.RejectedRow, message: str) -> BadRowError:
    """Return the error that a rejected row is one too many."""
    return BadRowError(
        f"{_place_of(row)}: {message}; this one for: {row['message']}",
        path=row["file"],
        row=row["row"],
        line=row.get("line"),
        byte=row.get("byte"),
    )


def _place_of(row: Mapping[str, Any]) -> str:
    """Say where a row lies, as messages about bad rows do."""
    if "line" in row:
        return f"{row['file']}:{row['line']} (byte {row['byte']})"
    if "line_in_shard" in row:
        return f"{row['file']} (byte {row['byte']}, line {row['line_in_shard']} of the shard)"
    return f"{row['file']} (row group {row['row_group']}, index {row['index']})"


def read_batches(task: Task, description: str, rejected: int = 0) -> Iterator[tuple[_core.Batch, BatchProgress | None]]:
    """Read the batches that are left, each with what work on its rows may call; so many were `rejected` before."""
    reader = task.reader
    with bytes_bar(reader.bytes_total, description) as meter:
        bytes_before = reader.bytes_read
        while (batch := reader.next_batch(task.threads)) is not None:
            # Those of the batch that are rejected are done already.
            rows_before = reader.position[3] - len(batch)
            rejected += len(batch.rejected)
            progress = None
            if meter is not None:
                # Bytes of an earlier run come with the first batch.
                bytes_before = bytes_before or (reader.bytes_read if rows_before > len(batch.rejected) else 0)
                meter.rejected = rejected
                progress = BatchProgress(meter, (bytes_before, reader.bytes_read), rows_before, len(batch))
            yield batch, progress
            if progress is not None:
                progress(len(batch))
            bytes_before = reader.bytes_read


@dataclass(frozen=True)
class BatchProgress:
    """What work on the rows of a batch may call with the number done; bytes are spread evenly over rows."""

    meter: Meter
    _bytes: tuple[int, int]
    _rows_before: int
    _rows: int

    def __call__(self, done: int) -> None:
        """Say that so many rows of the batch are done."""
        before, after = self._bytes
        self.meter(before + (after - before) * done // max(self._rows, 1), self._rows_before + done)


def count_tokens(task: Task, batch: _core.Batch) -> NDArray[np.int64] | None:
    """Return the tokens of each row of a batch, counted or read; None where nobody wants to know."""
    if task.counter is None:
        return batch.tokens
    try:
        return task.counter.count(batch.texts, threads=task.threads)
    except ParameterError as error:
        raise _placed(error, task.reader, batch) from error.__cause__


def _placed(error: ParameterError, reader: _core.Reader, batch: _core.Batch) -> ParameterError:
    """Return the same error about a row of the batch, with its file and line in place of its number."""
    if error.row is None:
        return error
    at = error.row
    found: dict[str, Any] = {
        name: int(column[at]) for name, column in batch.columns().items() if isinstance(column, np.ndarray)
    }
    file, offset = reader.cuts[0]
    if offset and file == found["file"] and "line" in found:
        found["line_in_shard"] = found.pop("line")
    path = found["file"] = reader.found()[found["file"]][0]
    message = error.message.removeprefix(f"source row {at}: ")
    return ParameterError(
        f"{_place_of(found)}: {message}", path=path, row=found["row"], line=found.get("line"), byte=found.get("byte")
    )


def _write_table(
    task: Task, output: _core.Output, journal: Journal, filtered: Filtered | None
) -> list[_core.OutputFile]:
    """Make the table, and the list of rejected rows, from the journal."""
    options = task.options
    writer = _core.ScoreWriter(
        output,
        parquet_places=task.reader.is_parquet,
        tokens=options.token_field is not None or task.counter is not None,
        groups=options.group is not None,
        left_out=filtered is not None,
    )
    position = 0
    for _, columns in journal.records():
        sizes = np.asarray(columns["size"])
        if filtered is not None:
            columns.update(filtered.columns(position, sizes, options.min_bytes, options.max_bytes))
        writer.add(columns)
        position += len(sizes)
    outputs = [writer.finish()]
    if options.on_bad_row == "skip":
        outputs.append(output.write_pieces(REJECTED_NAME, rejected_lines(journal)))
    return outputs


def rejected_lines(journal: Journal) -> Iterator[bytes]:
    """Return the lines of ``rejected.jsonl``."""
    for said, _ in journal.records():
        for row in said["rejected"]:
            yield rejected_line(row)


def rejected_line(row: Mapping[str, Any]) -> bytes:
    """Return the line of a row in ``rejected.jsonl``."""
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def all_rejected(journal: Journal) -> BadRowError:
    """Return the error that no row is left."""
    said, _ = next(journal.records())
    return bad_row(said["rejected"][0], ALL_REJECTED)


@contextlib.contextmanager
def _field_named_by(option: str) -> Iterator[None]:
    """Name the option to a reader whose rows lack a field, since they were read by that of the sources."""
    try:
        yield
    except BadRowError as error:
        if ": no field " in error.message:
            error.message += f"; name the field of these rows by {option}"
        raise
