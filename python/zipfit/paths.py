"""Names of input files: patterns become the files that they match."""

from __future__ import annotations

import dataclasses
import glob
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zipfit.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zipfit.options import ScoreOptions

    Options = TypeVar("Options", bound=ScoreOptions)

__all__ = ["expand", "expanded"]


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Put the files that a pattern matches in its place, in the order of their names.

    Patterns are those of a shell: ``*``, ``?``, ``[...]``, and ``**`` for folders at any depth. A name that is that of
    a file is no pattern, whatever is in it. Names are ordered by their characters' code points, on every system, so
    that rows have the same numbers.

    Raises
    ------
    ParameterError
        A pattern matches no file.
    """
    found: list[str] = []
    for name in names:
        if not glob.has_magic(name) or Path(name).exists():
            found.append(name)
            continue
        matches = sorted(match for match in glob.glob(name, recursive=True) if Path(match).is_file())  # noqa: PTH207 - may be absolute
        if not matches:
            raise ParameterError(f"{name}: no file matches this pattern", path=name)
        found += matches
    return tuple(found)


def expanded(options: Options) -> Options:
    """Return the same options with all files named."""
    return dataclasses.replace(
        options, source=expand(options.source), target=expand(options.target), exclude=expand(options.exclude)
    )
