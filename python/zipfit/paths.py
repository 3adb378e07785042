"""Names of inputs: files, patterns that stand for files, URLs, and standard input."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zipfit import remote
from zipfit.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zipfit.options import ScoreOptions

    Options = TypeVar("Options", bound=ScoreOptions)

__all__ = ["STANDARD_INPUT", "expand", "expanded", "is_copied", "is_url", "located", "named_by_run"]

STANDARD_INPUT = "-"
"""The name that stands for it."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]+://")
"""Two characters before the colon at least: one is a drive. More colons are chains, as "simplecache::s3://..."."""


def is_url(name: str) -> bool:
    """Whether a name is a URL, and not that of a file."""
    # `Path.exists` fails for a name that no file could have, and signed URLs are long.
    return _URL.match(name) is not None and not os.path.exists(name)  # noqa: PTH110


def is_copied(name: str) -> bool:
    """Whether what a name stands for is copied before it is read."""
    return name == STANDARD_INPUT or is_url(name)


def located(names: Iterable[str], copies: Mapping[str, str]) -> list[str]:
    """Return where each lies: under its name, or where its copy is."""
    return [copies.get(name, name) for name in names]


@contextlib.contextmanager
def named_by_run(directory: str) -> Iterator[None]:
    """Say of a file that is not there that its name is that of the run in a directory, if it depends on the folder."""
    try:
        yield
    except FileNotFoundError as error:
        name = error.filename
        if isinstance(name, str) and not is_url(name) and not Path(name).is_absolute():
            where = "put it back, or go on in the folder where that run was started"
            error.add_note(f"the run in {directory} read it by this name; {where}")
        raise


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Put the files that a pattern matches in its place, in the order of their names.

    Patterns are those of a shell: ``*``, ``?``, ``[...]``, and ``**`` for folders at any depth. A name that is that of
    a file is no pattern, whatever is in it. What a URL matches, fsspec says. Names are ordered by their characters'
    code points, on every system, so that rows have the same numbers.

    Raises
    ------
    ParameterError
        A pattern matches no file.
    MissingExtraError, OSError
        A pattern is a URL, and its files cannot be listed.
    """
    found: list[str] = []
    for name in names:
        if is_url(name):
            found += remote.expand(name)
            continue
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
