"""Every error that zipfit raises on purpose.

Each class is also the builtin that a stranger would catch, carries a stable ``code``, and says where the trouble is
(``path``, ``row``, ``line``, ``byte``; None where it does not apply). Trouble with a file itself (missing, not
readable, disk full) stays the builtin ``OSError`` family.

The Rust core raises these classes too: the table of causes and class names is in ``src/py/errors.rs``.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "BadRowError",
    "EmptyTargetError",
    "InternalError",
    "InvalidTextError",
    "MismatchError",
    "MissingExtraError",
    "OutputExistsError",
    "ParameterError",
    "TextTypeError",
    "TruncatedInputError",
    "ZipfitError",
]


class ZipfitError(Exception):
    """Base of all errors below.

    Parameters
    ----------
    message
        One sentence: what, where, expected against got, the next step.
    path
        The file it is about.
    row
        Row number over all sources (or targets), from 0.
    line
        Physical line in the file, from 1.
    byte
        Offset in the decompressed file, from 0.
    """

    code: ClassVar[str] = "ZF"

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        row: int | None = None,
        line: int | None = None,
        byte: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.row = row
        self.line = line
        self.byte = byte

    def __str__(self) -> str:
        # OSError subclasses would print a tuple otherwise.
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # The default loses keyword arguments, and so every error raised in a worker process.
        place = {"path": self.path, "row": self.row, "line": self.line, "byte": self.byte}
        return (_rebuild, (type(self), self.message, place))


def _rebuild(kind: type[ZipfitError], message: str, place: dict[str, Any]) -> ZipfitError:
    return kind(message, **place)


class ParameterError(ZipfitError, ValueError):
    """An argument has a value that means nothing."""

    code = "ZF-PARAM"


class TextTypeError(ZipfitError, TypeError):
    """A text is neither str nor bytes, or a field is not a string."""

    code = "ZF-TYPE"


class EmptyTargetError(ZipfitError, ValueError):
    """The target has no rows."""

    code = "ZF-TARGET"


class BadRowError(ZipfitError, ValueError):
    """A row cannot be read: null, broken JSON, a missing field, corrupt compressed data."""

    code = "ZF-ROW"


class InvalidTextError(ZipfitError, ValueError):
    """A text is not Unicode: invalid UTF-8 or a lone surrogate."""

    code = "ZF-TEXT"


class TruncatedInputError(ZipfitError, EOFError):
    """A compressed file ends too early."""

    code = "ZF-TRUNC"


class OutputExistsError(ZipfitError, FileExistsError):
    """The output is there already."""

    code = "ZF-EXISTS"


class MismatchError(ZipfitError, RuntimeError):
    """Something made earlier does not fit this version or these parameters."""

    code = "ZF-RESUME"


class MissingExtraError(ZipfitError, ImportError):
    """An optional dependency is not installed."""

    code = "ZF-EXTRA"


class InternalError(ZipfitError, RuntimeError):
    """A bug in zipfit."""

    code = "ZF-BUG"
