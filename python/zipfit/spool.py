"""Copies of inputs that are gone once they are read, or far away: standard input and URLs.

Rows are read twice, once to score them and once to copy those that are chosen, so such inputs are first copied to
``.zipfit/spool/``, in pieces: memory does not grow with them. A copy that is there under its name is whole: it is
written under another one, flushed to the disk and renamed. So a run that goes on takes what is there; of files by URL
those that still have their size and version. What is there when a run is finished is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import warnings
from typing import TYPE_CHECKING, TypeAlias

from zipfit import remote
from zipfit.errors import ParameterError
from zipfit.paths import STANDARD_INPUT, is_copied, is_url
from zipfit.progress import bytes_bar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from zipfit.progress import Meter

__all__ = ["Spool", "Stamped", "far_away"]

_STDIN = "<stdin>"
"""What standard input is called in messages, as by other tools that read lines."""

_PIECE_BYTES = 1 << 20
"""Read of standard input at once; a pipe gives less."""

_PARTIAL = ".partial"

_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
"""Beginnings of compressed data, none of which a row begins with: standard input has no suffix that would say it."""

_PARQUET_MAGIC = b"PAR1"


Stamped: TypeAlias = tuple[str, int, "int | str | None"]
"""An input: name, bytes, and what tells its states apart, time of change (of files) or version (of URLs) if known."""


class Spool:
    """The copies of one run.

    Parameters
    ----------
    directory
        Made when the first copy is.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.paths: dict[str, str] = {}
        """Where the copy of each input is that was asked for."""
        self._versions: dict[str, str] = {}

    @property
    def has_copies(self) -> bool:
        """Whether some input is copied to its end."""
        return any(path.suffix != _PARTIAL for path in self._files())

    def lacks(self, names: Iterable[str]) -> bool:
        """Whether some of these inputs is to be copied before it can be read."""
        return any(is_copied(name) and name not in self.paths for name in names)

    def fill(self, names: Iterable[str]) -> None:
        """Copy those of these inputs that have to be, unless they are there.

        Raises
        ------
        ParameterError
            Standard input has nothing, or nothing that could be read.
        MissingExtraError, OSError
            What is wrong with a URL, or the disk.
        """
        missing = [name for name in dict.fromkeys(names) if is_copied(name) and name not in self.paths]
        if STANDARD_INPUT in missing:
            missing.remove(STANDARD_INPUT)
            self.paths[STANDARD_INPUT] = os.fspath(self._standard_input())
        if missing:
            self._fetch([remote.find(name) for name in missing])

    def stamped(self, found: Iterable[tuple[str, int, int]]) -> list[Stamped]:
        """Put what tells states of an input apart in place of the time of its copy."""
        return [
            (name, size, (self._versions.get(name) or None) if name in self.paths else modified)
            for name, size, modified in found
        ]

    def sha256(self, name: str) -> str:
        """Return the hash of a copy."""
        with open(self.paths[name], "rb") as copy:  # noqa: PTH123 - it is a string
            return hashlib.file_digest(copy, "sha256").hexdigest()

    def clear(self) -> None:
        """Remove all copies."""
        self.paths.clear()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._directory)

    def _files(self) -> list[Path]:
        return sorted(self._directory.iterdir()) if self._directory.exists() else []

    def _standard_input(self) -> Path:
        for path in self._files():
            if path.name.startswith("stdin.") and path.suffix != _PARTIAL:
                message = "standard input is not read: the run that began here has a copy of what it was then"
                warnings.warn(message, UserWarning, stacklevel=6)
                return path
        if sys.stdin is None:
            raise ParameterError("standard input is closed; give the rows by a pipe or a file")
        with self._partial("stdin") as partial, bytes_bar(None, "reading standard input") as progress:
            with partial.open("wb", buffering=0) as file:
                start = _drain(sys.stdin.buffer, file, progress)
            if not start:
                raise ParameterError("standard input is empty; give the rows by a pipe or a file", path=STANDARD_INPUT)
            suffix = next((suffix for magic, suffix in _MAGIC.items() if start.startswith(magic)), "")
            return _keep(partial, self._directory / f"stdin.jsonl{suffix}")

    def _fetch(self, files: list[remote.RemoteFile]) -> None:
        copies = {file.url: self._directory / _name_of(file) for file in files}
        wanted = [file for file in files if not copies[file.url].exists()]
        sizes = [file.bytes for file in wanted]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        done = 0
        with bytes_bar(total, "fetching") if wanted else contextlib.nullcontext() as progress:

            def tell(now: int) -> None:
                if progress is not None:
                    progress(done + now, None)

            for file in wanted:
                copy = copies[file.url]
                with self._partial(copy.name) as partial:
                    remote.fetch(file, partial, tell)
                    _keep(partial, copy)
                done += copy.stat().st_size
                tell(0)
        self.paths |= {url: os.fspath(copy) for url, copy in copies.items()}
        self._versions |= {file.url: file.version for file in files}

    @contextlib.contextmanager
    def _partial(self, name: str) -> Iterator[Path]:
        """Give a name to a copy that is not whole, and remove it if it does not become so."""
        self._directory.mkdir(parents=True, exist_ok=True)
        partial = self._directory / (name + _PARTIAL)
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)


def far_away(names: Iterable[str]) -> list[Stamped] | None:
    """Return inputs as they are now, without copying any; None unless all are URLs of which this can be known."""
    found: list[Stamped] = []
    for name in names:
        if not is_url(name):
            return None
        file = remote.find(name)
        if file.bytes is None or not file.version:
            return None
        found.append((name, file.bytes, file.version))
    return found


def _name_of(file: remote.RemoteFile) -> str:
    """Return a name that another file, or another state of this one, does not have."""
    key = f"{file.url}\0{file.bytes}\0{file.version}".encode(errors="surrogateescape")
    return hashlib.sha256(key).hexdigest()[:32] + remote.suffix_of(file.url)


def _drain(stream: BinaryIO, file: BinaryIO, progress: Meter | None) -> bytes:
    """Copy all that is left of a stream, and return how it began: some bytes, fewer of a shorter one.

    Raises
    ------
    ParameterError
        It begins as Parquet does.
    """
    start, copied = b"", 0
    while piece := _read_piece(stream):
        # A pipe may give single bytes.
        start = (start + piece[: len(_PARQUET_MAGIC)])[: len(_PARQUET_MAGIC)]
        if start == _PARQUET_MAGIC:
            message = "standard input is Parquet, which is not read from its beginning; save it to a file, *.parquet"
            raise ParameterError(message, path=STANDARD_INPUT)
        _write(file, piece)
        copied += len(piece)
        if progress is not None:
            progress(copied, None)
    return start


def _read_piece(stream: BinaryIO) -> bytes:
    try:
        return stream.read1(_PIECE_BYTES)  # type: ignore[attr-defined, no-any-return]
    except OSError as error:
        error.filename = _STDIN
        raise


def _write(file: BinaryIO, piece: bytes) -> None:
    """Write all of it to a file without a buffer, so that a full disk is told by the write that meets it."""
    view = memoryview(piece)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError as error:
        error.filename = file.name
        raise


def _keep(partial: Path, copy: Path) -> Path:
    """Give a copy that is whole and on the disk its name."""
    with partial.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            error.filename = os.fspath(partial)
            raise
    return partial.replace(copy)
