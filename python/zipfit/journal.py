"""The journal of a run: each finished batch, so that a run that was killed goes on where it was.

One file that only grows: a header, then one record a batch. A record is its length and checksum (CRC-32), a line of
JSON and the bytes of the batch's columns. What a crash leaves half-written at the end fails its checksum, is dropped
and done again. No database and no memory map, so that a network file system will do. Memory: one record.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from zipfit.errors import MismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zipfit._core import _Column

__all__ = ["Journal", "Record"]

MAGIC = b"zipfit journal 1\n"
"""First bytes of the file; another format gets another number."""

_FRAME = struct.Struct("<QI")
"""Before each record: its bytes and their CRC-32."""

_SYNC_SECONDS = 1.0
"""What a power cut may cost. A process that is killed loses nothing: what it wrote is the system's."""

Record = tuple[dict[str, Any], dict[str, "_Column"]]
"""What is said of a batch, and its columns."""


class Journal:
    """A journal that is open for appending.

    Parameters
    ----------
    path
        Made if it is not there.
    key
        What the run depends on, ready for JSON. A journal that is there must have been made with an equal one.
    outlasts
        Whether it is to outlast a power cut. False: it is of no use to another run.

    Raises
    ------
    MismatchError
        The journal is of a run with another key; says what differs.
    OSError
        The file cannot be read or written.
    """

    def __init__(self, path: Path, key: Mapping[str, Any], *, outlasts: bool = True) -> None:
        self.path = path
        self._outlasts = outlasts
        self.batches = 0
        """Records in it."""
        self.last: dict[str, Any] | None = None
        """What was said of the last batch; None before the first."""
        self.finished: list[Any] = []
        """What all records say that was finished, in order: `said` may have a list of that name."""
        header = json.dumps(key, sort_keys=True).encode()
        # Unbuffered, so that what `append` has returned from is in the file.
        is_new = not path.exists()
        self._file: BinaryIO = open(path, "w+b" if is_new else "r+b", buffering=0)  # noqa: PTH123, SIM115
        try:
            end = self._find_end(header)
            self._file.truncate(end)
            self._file.seek(end)
            if end == 0:
                self._write(MAGIC + _framed(header))
        except BaseException:
            self._file.close()
            if is_new:
                path.unlink(missing_ok=True)
            raise
        self._synced = time.monotonic()

    def append(self, said: Mapping[str, Any], columns: Mapping[str, _Column]) -> None:
        """Add a finished batch; `said` is anything that JSON can hold."""
        pieces, layout = [], []
        for name, column in columns.items():
            for part in column if isinstance(column, tuple) else (column,):
                array = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else np.ascontiguousarray(part)
                layout.append((name, array.dtype.str, len(array)))
                pieces.append(array.tobytes())
        head = json.dumps({"said": dict(said), "layout": layout}).encode() + b"\n"
        self._write(_framed(head + b"".join(pieces)))
        self._count(dict(said))
        if self._outlasts and time.monotonic() - self._synced >= _SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Wait until all is on the disk."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def records(self) -> Iterator[Record]:
        """Read all batches again, in order. Nothing may be appended meanwhile."""
        self._file.seek(0)
        _skip_header(self._file)
        for _ in range(self.batches):
            content = _next_record(self._file)
            if content is None:
                raise MismatchError(
                    f"{self.path}: the journal changed while it was read; start afresh with --overwrite"
                )
            yield _parse(content)

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find_end(self, header: bytes) -> int:
        """Return where the last whole record ends, 0 for a journal that is empty or has no whole header."""
        size = os.fstat(self._file.fileno()).st_size
        if self._file.read(len(MAGIC)) != MAGIC or (found := _next_record(self._file)) is None:
            if size < len(MAGIC) + len(_framed(header)):
                # Nothing but a header, or less, was ever written.
                return 0
            message = "the journal is damaged, or of another version; start afresh with --overwrite"
            raise MismatchError(f"{self.path}: {message}", path=os.fspath(self.path))
        if found != header:
            raise MismatchError(_difference(json.loads(found), json.loads(header), self.path.parent.parent))
        end = self._file.tell()
        while (content := _next_record(self._file)) is not None:
            end = self._file.tell()
            self._count(json.loads(content[: content.index(b"\n")])["said"])
        return end

    def _count(self, said: dict[str, Any]) -> None:
        self.batches += 1
        self.finished += said.get("finished", ())
        self.last = said

    def _write(self, content: bytes) -> None:
        # A raw file may take less than it is given.
        view = memoryview(content)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            error.filename = os.fspath(self.path)
            raise


def _framed(content: bytes) -> bytes:
    return _FRAME.pack(len(content), zlib.crc32(content)) + content


def _skip_header(file: BinaryIO) -> None:
    file.seek(len(MAGIC))
    _next_record(file)


def _next_record(file: BinaryIO) -> bytes | None:
    """Return the next record; None for one that is not whole."""
    frame = file.read(_FRAME.size)
    if len(frame) < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack(frame)
    if length > os.fstat(file.fileno()).st_size - file.tell():
        return None
    content = bytearray()
    while len(content) < length and (piece := file.read(length - len(content))):
        content += piece
    return bytes(content) if len(content) == length and zlib.crc32(content) == checksum else None


def _parse(content: bytes) -> Record:
    start = content.index(b"\n") + 1
    head = json.loads(content[:start])
    columns: dict[str, Any] = {}
    for name, dtype, length in head["layout"]:
        array = np.frombuffer(content, np.dtype(dtype), length, start)
        start += array.nbytes
        # Strings are lengths, and then bytes.
        columns[name] = (columns[name], array.tobytes()) if name in columns else array
    return head["said"], columns


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any], directory: Path) -> str:
    """Say in which respect a run is not the one that began here."""
    missing = "(nothing)"
    names = [name for name in {**found, **wanted} if found.get(name, missing) != wanted.get(name, missing)]
    shown = [
        f"{name} was {_shown(found.get(name, missing))}, now {_shown(wanted.get(name, missing))}" for name in names[:3]
    ]
    more = f", and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004
    remedy = "give the same command, or start afresh with --overwrite"
    return f"{directory}: the run that began here was another one: {'; '.join(shown)}{more}; {remedy}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:80] + "..."  # noqa: PLR2004
