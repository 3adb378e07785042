"""``.zipfit/``, what a run has in its output directory while it works: a lock, the journal, and what it reads again.

The lock is the file system's own (``flock``; on Linux it holds over NFS, too), so that it ends with its process,
however that ends. Two runs in one directory at once: the second is refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.errors import (
    BadRowError,
    InvalidTextError,
    MismatchError,
    OutputExistsError,
    TextTypeError,
    TruncatedInputError,
    ZipfitError,
)
from zipfit.journal import Journal
from zipfit.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

__all__ = ["NAME", "Workplace", "hold"]

NAME = ".zipfit"
"""Of the directory, in the output directory."""

JOURNAL, LOCK, ROWS, SPOOL = "journal", "lock", "rows", "spool"


class Workplace:
    """The directory of a run that holds its lock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        """The one of this name, which is there."""
        self._journal: Journal | None = None
        self.spool = Spool(directory / SPOOL)
        """Of the inputs that are copied before they are read."""
        self._rows: Journal | None = None
        self.can_go_on = True
        """Whether another run could go on where this one is broken off; False: nothing is kept for it."""
        self.after_bad_rows = ""
        """What to add to a command that a bad row has ended."""

    @property
    def journal_path(self) -> Path:
        """Where the journal is, if there is one."""
        return self.directory / JOURNAL

    def open_journal(self, key: Mapping[str, Any]) -> Journal:
        """Open the journal of a run that depends on `key`, or begin it."""
        self._journal = Journal(self.journal_path, key)
        return self._journal

    def open_rows(self) -> Journal:
        """Open a journal of rows that this run alone reads again; it ends with the run."""
        self._rows = Journal(self.directory / ROWS, {}, outlasts=False)
        return self._rows

    def drop_rows(self) -> None:
        """Remove the journal that `open_rows` gives, of this run or of one that was killed."""
        if self._rows is not None:
            self._rows.close()
        (self.directory / ROWS).unlink(missing_ok=True)

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """Leave behind what another run can go on with, and nothing else."""
        had_copies = self.spool.has_copies
        try:
            yield
        except BaseException as error:
            self._settle(error, had_copies=had_copies)
            raise
        self.spool.clear()

    def _settle(self, error: BaseException, *, had_copies: bool) -> None:
        """Keep what there is for the next run, if it can begin there, and say so."""
        if self._journal is None:
            if not self.journal_path.exists():
                self._settle_spool(error, had_copies=had_copies)
            return
        self._journal.close()
        is_bad_row = isinstance(error, (BadRowError, InvalidTextError, TextTypeError))
        # A file that is cut off or damaged as a whole will be another file when it is mended.
        is_bad_file = isinstance(error, TruncatedInputError) or (is_bad_row and not _names_a_row(error))
        last = self._journal.last
        if last is None or is_bad_file:
            self.journal_path.unlink(missing_ok=True)
            if is_bad_file:
                # A copy of what is damaged is damaged.
                self.spool.clear()
            self._settle_spool(error, had_copies=had_copies)
        if last is None or is_bad_file or isinstance(error, MismatchError) or not self.journal_path.exists():
            return
        more = self.after_bad_rows if is_bad_row else ""
        rows = last["position"][3]
        error.add_note(f"{rows:,} rows are done and kept; go on by the same command with {more}--resume")

    def _settle_spool(self, error: BaseException, *, had_copies: bool) -> None:
        """Keep copies of inputs where these are not what was wrong, and those of an earlier run."""
        is_wrong_input = isinstance(error, (ZipfitError, FileNotFoundError, PermissionError))
        if not self.spool.has_copies or not self.can_go_on or (is_wrong_input and not had_copies):
            self.spool.clear()
        else:
            which = "" if is_wrong_input else "by the same command "
            error.add_note(f"inputs that were copied are kept; go on {which}with --resume")

    def refuse_unfinished(self, output: str, *, journal_alone: bool = False) -> None:
        """Raise if there is a journal, or (unless `journal_alone`) a copy of an input."""
        if self.journal_path.exists() or (self.spool.has_copies and not journal_alone):
            message = "an unfinished run is here; go on with --resume, or start afresh with --overwrite"
            raise OutputExistsError(f"{output}: {message}", path=output)

    def clear(self) -> None:
        """Remove the journal and the copies."""
        self.journal_path.unlink(missing_ok=True)
        self.spool.clear()


def _names_a_row(error: BaseException) -> bool:
    return getattr(error, "line", None) is not None or "(row group " in str(error)


@contextlib.contextmanager
def hold(output: str, *, resume: bool, overwrite: bool) -> Iterator[Workplace]:
    """Keep other runs out of an output directory, which is there.

    Parameters
    ----------
    output
        The directory.
    resume
        An unfinished run may be there.
    overwrite
        An unfinished run that is there is given up; goes with ``resume=False``.

    Raises
    ------
    OutputExistsError
        Another run works there, or an unfinished one is there and neither `resume` nor `overwrite` is asked for.
    """
    directory = Path(output, NAME)
    with _locked(directory / LOCK, output):
        work = Workplace(directory)
        try:
            work.drop_rows()
            if overwrite and not resume:
                work.clear()
            elif not resume:
                work.refuse_unfinished(output)
            with work.settled():
                yield work
        finally:
            with contextlib.suppress(OSError):
                work.drop_rows()
            # While the lock is held: nobody else may have opened the file in between.
            # (Where open files cannot be removed, it stays.)
            with contextlib.suppress(OSError):
                (directory / LOCK).unlink(missing_ok=True)
            # What an unfinished run needs stays.
            with contextlib.suppress(OSError):
                directory.rmdir()


@contextlib.contextmanager
def _locked(path: Path, output: str) -> Iterator[None]:
    while True:
        try:
            # Not `exist_ok`, which looks again and fails where another run takes the directory away in between.
            with contextlib.suppress(FileExistsError):
                path.parent.mkdir()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            if path.is_symlink() or path.parent.is_symlink() or not path.parent.parent.exists():
                raise
            # Another run has just ended, and taken the directory away.
            continue
        try:
            if not _try_lock(descriptor):
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() if hasattr(os, "pread") else ""
                who = f" ({holder})" if holder else ""
                message = f"another run is working here{who}; wait for it or choose another directory"
                raise OutputExistsError(f"{output}: {message}", path=output)
            # Who waited for a lock file that was removed meanwhile holds the lock of nothing.
            if _is_at(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                yield
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    """Take the lock; False when another process has it. A file system without locks gives none, and refuses nobody."""
    try:
        import fcntl
    except ImportError:
        return _try_lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
    return True


def _try_lock_on_windows(descriptor: int) -> bool:
    import msvcrt

    try:
        # A byte far beyond what is written, because a locked byte cannot be read by others there.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    os.lseek(descriptor, 0, os.SEEK_SET)
    return True
