"""Joint selection out of files: all texts are read, then rows are chosen one after another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zipfit import _core, writing
from zipfit.covering import Cover, shortfall
from zipfit.filtering import nothing_left
from zipfit.options import COVER_CHOOSERS
from zipfit.progress import rows_bar
from zipfit.scoring import ALL_REJECTED, bad_row, check_rejected, count_tokens, read_batches, rejected_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zipfit.filtering import Filtered
    from zipfit.options import SelectOptions
    from zipfit.scoring import Task

__all__ = ["Chosen", "choose_jointly"]


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
    rejected: list[_core.RejectedRow]

    def write_left_out(self, output: _core.Output, reader: _core.Reader) -> _core.OutputFile:
        """List the rows that filters, or the search itself, left out."""
        rows, reasons, others, places = self.left_out
        return output.write_left_out(reader, places, rows, reasons, others)

    def write_rejected(self, output: _core.Output) -> _core.OutputFile:
        """List the rows that could not be read."""
        return output.write_pieces(writing.REJECTED_NAME, map(rejected_line, self.rejected))


def choose_jointly(task: Task, options: SelectOptions) -> Chosen:
    """Read all rows and choose, as `zipfit.cover` does."""
    texts: list[_core.Texts] = []
    places: list[_core.Places] = []
    tokens: list[NDArray[np.int64]] = []
    rejected: list[_core.RejectedRow] = []
    filters = task.filters
    for batch, _ in read_batches(task, "reading"):
        texts.append(batch.texts)
        places.append(batch.places)
        rejected += batch.rejected
        check_rejected(options, len(rejected), batch.rejected)
        if (counted := count_tokens(task, batch)) is not None:
            tokens.append(counted)
        filters.add(batch.texts, batch.columns()["row"])  # type: ignore[arg-type]
    source = _core.Texts.concat(texts)
    if not len(source):
        raise bad_row(rejected[0], ALL_REJECTED)
    filtered = filters.finish()
    costs = np.concatenate(tokens) if tokens else None
    with rows_bar(len(source), "covering") as progress:
        found = _core.cover(
            source,
            task.target,
            **{name: getattr(options, name) for name in COVER_CHOOSERS},
            tokens=costs,
            beta=options.beta,
            where=filtered.where,
            threads=task.threads,
            progress=progress,
        )
    if options.budget_bytes is not None:
        costs = source.sizes()
    return _chosen(found, filtered, rejected, _core.Places.concat(places), costs)


def _chosen(
    found: _core.Cover,
    filtered: Filtered,
    rejected: list[_core.RejectedRow],
    places: _core.Places,
    costs: NDArray[np.int64] | None,
) -> Chosen:
    """Put the numbers of rows in place of positions among those that could be read."""
    rows, read = filtered.rows, len(filtered.rows)
    copies_before = len(filtered.by_text["copy_of_target"][0])
    copies_of_target = copies_before + len(found.copies_of_target)
    eligible = int(np.count_nonzero(filtered.where))
    if note := nothing_left(filtered.counts, eligible) or shortfall(found, eligible + copies_before, copies_of_target):
        warnings.warn(note, UserWarning, stacklevel=4)
    left_out = filtered.counts | {
        "copies_of_target": copies_of_target,
        "duplicates": len(filtered.by_text["duplicate"][0]) + len(found.duplicates),
    }
    considered = read - sum(left_out.values())
    counts = {"read": read + len(rejected), "considered": considered, "rejected": len(rejected), **left_out}
    duplicates, copies = found.duplicates, found.copies_of_target
    selection = Cover(
        rows[found.rows],
        found.scores,
        coverage=found.coverage,
        copies_of_target=np.column_stack((rows[copies[:, 0]], copies[:, 1])),
        duplicates=rows[duplicates],
        provenance={"sources": read + len(rejected)},
    )
    positions = [*(at for at, _ in filtered.by_text.values()), duplicates[:, 0], copies[:, 0]]
    others = [*(other for _, other in filtered.by_text.values()), rows[duplicates[:, 1]], copies[:, 1]]
    names = [*filtered.by_text, "duplicate", "copy_of_target"]
    reasons = [name for name, part in zip(names, positions, strict=True) for _ in part]
    order = np.argsort(np.concatenate(positions), kind="stable")
    at = np.concatenate(positions)[order]
    return Chosen(
        selection=selection,
        places=places.take(found.rows),
        counts={**counts, "selected": len(found.rows)},
        beta=found.beta,
        spent=None if costs is None else int(costs[found.rows].sum()),
        left_out=(rows[at], [reasons[index] for index in order], np.concatenate(others)[order], places.take(at)),
        rejected=rejected,
    )
