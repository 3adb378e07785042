"""``--shard K/N``: what a run over one of N parts of the sources leaves for ``zipfit merge``.

A shard numbers its rows from 0, because it knows nothing of those before it; so it does the lines of a file in whose
middle it begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zipfit.options import shard_of

if TYPE_CHECKING:
    from zipfit import _core
    from zipfit.scoring import Task

__all__ = ["name", "record", "sources"]


def record(task: Task) -> dict[str, Any] | None:
    """Return what the manifest says of a shard that is read to its end; None for a run over everything."""
    shard = shard_of(task.options)
    if shard is None:
        return None
    begins, ends = task.reader.cuts
    return {
        "number": shard[0],
        "of": shard[1],
        "begins": {"file": begins[0], "at": begins[1]},
        "ends": {"file": ends[0], "at": ends[1]},
        # Counted from where reading began in the file in which the shard ends.
        "lines": task.reader.position[2] if ends[1] and not task.reader.is_parquet else 0,
    }


def name(shard: dict[str, Any] | None) -> str | None:
    """Return "2/7" for the record of a shard."""
    return None if shard is None else f"{shard['number']}/{shard['of']}"


def sources(task: Task) -> list[_core.InputFile]:
    """Return an entry for each source: with its rows in this shard, and a hash where the shard has the whole file."""
    reader = task.reader
    finished = reader.files()
    if task.options.shard is None:
        return finished
    (begin, _), (end, _) = reader.cuts
    left = reader.position[3] - sum(file["rows"] for file in finished)
    entries: list[_core.InputFile] = []
    for index, (name, size, _) in enumerate(reader.found()):
        if begin <= index < begin + len(finished):
            entries.append(finished[index - begin])
        else:
            entries.append({"name": name, "bytes": size, "sha256": None, "rows": left if index == end else 0})
    return entries
