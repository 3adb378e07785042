"""Joint selection out of files: rows are taken apart batch by batch, then chosen one after another.

No text outlives its batch, unless near duplicates are looked for: what the search reads again waits on disk, and so do
the places of all rows. Memory: the target's index, a fixed number of batches, 24 bytes a row.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit import _core, writing
from zipfit.covering import Cover, shortfall
from zipfit.filtering import nothing_left
from zipfit.options import COVER_CHOOSERS
from zipfit.progress import rows_bar
from zipfit.scoring import all_rejected, check_rejected, count_tokens, read_batches, rejected_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zipfit.filtering import Filtered
    from zipfit.journal import Journal
    from zipfit.options import SelectOptions
    from zipfit.scoring import Task
    from zipfit.workplace import Workplace

__all__ = ["Chosen", "choose_jointly", "columns_of"]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Rows chosen jointly, and what there is to say about them."""

    selection: Cover
    """By the numbers of rows."""
    places: _core.Places
    """Of the chosen rows."""
    counts: dict[str, int]
    beta: float
    spent: int | None
    """Bytes or tokens of the chosen rows, whichever the budget is of; None without one."""
    left_out: tuple[NDArray[np.int64], list[str], NDArray[np.int64], _core.Places]
    """Rows, why, the row that speaks against each, and places."""
    rows: Journal
    """Of all rows."""

    def write_left_out(self, output: _core.Output, reader: _core.Reader) -> _core.OutputFile:
        """List the rows that filters, or the search itself, left out."""
        rows, reasons, others, places = self.left_out
        return output.write_left_out(reader, places, rows, reasons, others)

    def write_rejected(self, output: _core.Output) -> _core.OutputFile:
        """List the rows that could not be read."""
        return output.write_pieces(writing.REJECTED_NAME, rejected_lines(self.rows))


def choose_jointly(task: Task, options: SelectOptions, work: Workplace) -> Chosen:
    """Read all rows and choose, as `zipfit.cover` does."""
    search = _core.CoverSearch(
        task.target,
        **{name: getattr(options, name) for name in COVER_CHOOSERS},
        beta=options.beta,
        directory=os.fspath(work.directory),
    )
    rows = work.open_rows()
    filters = task.filters
    held: list[tuple[_core.Texts, NDArray[np.int64] | None]] = []
    rejected = 0
    for batch, batch_progress in read_batches(task, "reading"):
        rejected += len(batch.rejected)
        check_rejected(options, rejected, batch.rejected)
        tokens = count_tokens(task, batch) if options.budget_tokens is not None else None
        where = filters.add(batch.texts, batch.columns()["row"])  # type: ignore[arg-type]
        rows.append({"rejected": batch.rejected}, columns_of(batch, tokens))
        if filters.need_all:
            held.append((batch.texts, tokens))
        else:
            search.add(batch.texts, tokens, where, task.threads, batch_progress)
    filtered = filters.finish()
    if not filtered.read:
        raise all_rejected(rows)
    first = 0
    for texts, tokens in held:
        # Near duplicates were looked for, so that which rows may be chosen is known only now.
        allowed = None if filtered.where is None else filtered.where[first : first + len(texts)]
        search.add(texts, tokens, allowed, task.threads)
        first += len(texts)
    del held
    with rows_bar(filtered.eligible, "covering") as progress:
        found = search.choose(task.threads, progress)
    return _chosen(found, filtered, rejected, rows, options)


def columns_of(batch: _core.Batch, tokens: NDArray[np.int64] | None) -> dict[str, Any]:
    """Return what is kept on disk of each row of a batch, besides its text."""
    columns = batch.places.columns() | {"size": batch.texts.sizes()}
    return columns if tokens is None else columns | {"tokens": tokens}


def _taken(rows: Journal, positions: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return what is kept of the rows at some positions, which may come in any order."""
    order = np.argsort(positions, kind="stable")
    rising = positions[order]
    parts: list[dict[str, NDArray[Any]]] = []
    first = 0
    for _, columns in rows.records():
        batch = {name: np.asarray(column) for name, column in columns.items()}
        count = len(batch["size"])
        part = slice(*np.searchsorted(rising, (first, first + count)))
        parts.append({name: column[rising[part] - first] for name, column in batch.items()})
        first += count
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def _chosen(found: _core.Cover, filtered: Filtered, rejected: int, rows: Journal, options: SelectOptions) -> Chosen:
    """Put the numbers of rows in place of positions among those that could be read."""
    copies_before = len(filtered.by_text["copy_of_target"][0])
    copies_of_target = copies_before + len(found.copies_of_target)
    eligible = filtered.eligible
    if note := nothing_left(filtered.counts, eligible) or shortfall(found, eligible + copies_before, copies_of_target):
        warnings.warn(note, UserWarning, stacklevel=4)
    left_out = filtered.counts | {
        "copies_of_target": copies_of_target,
        "duplicates": len(filtered.by_text["duplicate"][0]) + len(found.duplicates),
    }
    read = filtered.read + rejected
    considered = filtered.read - sum(left_out.values())
    counts = {"read": read, "considered": considered, "rejected": rejected, **left_out, "selected": len(found.rows)}
    duplicates, copies = found.duplicates, found.copies_of_target
    copies_by_row = np.column_stack((filtered.numbers(copies[:, 0]), copies[:, 1]))
    duplicates_by_row = filtered.numbers(duplicates)
    selection = Cover(
        filtered.numbers(found.rows),
        found.scores,
        coverage=found.coverage,
        copies_of_target=copies_by_row,
        duplicates=duplicates_by_row,
        provenance={"sources": read},
    )
    positions = [*(at for at, _ in filtered.by_text.values()), duplicates[:, 0], copies[:, 0]]
    others = [*(other for _, other in filtered.by_text.values()), duplicates_by_row[:, 1], copies[:, 1]]
    names = [*filtered.by_text, "duplicate", "copy_of_target"]
    reasons = [name for name, part in zip(names, positions, strict=True) for _ in part]
    order = np.argsort(np.concatenate(positions), kind="stable")
    at = np.concatenate(positions)[order]
    taken = _taken(rows, np.concatenate((found.rows, at)))
    places = _core.Places.from_columns(taken)
    chosen = np.arange(len(found.rows))
    unit = {"size": options.budget_bytes, "tokens": options.budget_tokens}
    spent = [int(taken[name][chosen].sum()) for name, budget in unit.items() if budget is not None]
    return Chosen(
        selection=selection,
        places=places.take(chosen),
        counts=counts,
        beta=found.beta,
        spent=spent[0] if spent else None,
        left_out=(
            filtered.numbers(at),
            [reasons[index] for index in order],
            np.concatenate(others)[order],
            places.take(np.arange(len(chosen), len(places))),
        ),
        rows=rows,
    )
