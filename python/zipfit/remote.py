"""Inputs by URL (``s3://``, ``hf://``, ...), through fsspec: what a URL stands for, and a copy of it on disk.

Credentials and the like are those that fsspec and the library below it find in the environment and in their own files.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zipfit.errors import MissingExtraError, ParameterError, ZipfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["RemoteFile", "expand", "fetch", "find", "suffix_of"]

_VERSION_KEYS = ("ETag", "etag", "blob_id", "md5Hash", "content_md5", "checksum", "mtime", "LastModified", "created")
"""What file systems call that by which two states of a file differ, the best first."""

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""What only this machine's disk says."""

_MESSAGE_CHARS = 200
"""Of what others say about a failure; some put whole pages into it."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file that a URL names, as it is now."""

    url: str
    bytes: int | None
    """None where its system does not say."""
    version: str
    """Differs from that of another state of the file; empty where its system does not say."""
    system: Any
    path: str
    """Within the system."""


def suffix_of(url: str) -> str:
    """Return the suffixes of the file that a URL names, which say what it is: at most two, as ``.csv.gz``."""
    # Of a chain, "zip://rows.csv::https://...", the first that is a URL.
    url = next((part for part in url.split("::") if "://" in part), url)
    path = urlsplit(url).path if url.lower().startswith(("http:", "https:")) else url
    name = path.rsplit("/", 1)[-1]
    suffixes = [part for part in name.split(".")[1:] if re.fullmatch("[A-Za-z0-9]{1,16}", part)]
    return "".join("." + part for part in suffixes[-2:])


def expand(url: str) -> list[str]:
    """Put the files that a pattern matches in its place, in the order of their names.

    Raises
    ------
    ParameterError
        The pattern matches no file.
    MissingExtraError, OSError
        As `find`.
    """
    # In a URL a question mark begins a query.
    if not glob.has_magic(url.replace("?", "")):
        return [url]
    with _speaking_of(url):
        system, path = _open(url)
        found = system.glob(path, detail=True)
        names = sorted(system.unstrip_protocol(name) for name, info in found.items() if info.get("type") != "directory")
    if not names:
        raise ParameterError(f"{url}: no file matches this pattern", path=url)
    return names


def find(url: str) -> RemoteFile:
    """Look a file up.

    Raises
    ------
    ParameterError
        The URL means nothing to fsspec, or it names a directory.
    MissingExtraError
        fsspec, or the library for such URLs, is not installed.
    FileNotFoundError, PermissionError
        There is no such file, or it may not be read.
    OSError
        It cannot be reached; says what the library below has said.
    """
    with _speaking_of(url):
        system, path = _open(url)
        info = system.info(path)
    if info.get("type") == "directory":
        raise ParameterError(f"{url}: this is a directory; name the files in it, or a pattern", path=url)
    version = next((str(info[key]) for key in _VERSION_KEYS if info.get(key) is not None), "")
    return RemoteFile(url=url, bytes=info.get("size"), version=version, system=system, path=path)


def fetch(file: RemoteFile, to: Path, progress: Callable[[int], object]) -> None:
    """Copy a file to the disk; `progress` is called with the bytes that have come.

    Raises
    ------
    OSError
        It cannot be read or written, or another number of bytes came than was announced.
    """
    from fsspec.callbacks import Callback

    with _speaking_of(file.url, to):
        # Systems read in pieces of their own size, and some need to be told each apart to be quick.
        callback = Callback(hooks={"progress": lambda _size, value, **_more: progress(value)})
        file.system.get_file(file.path, os.fspath(to), callback=callback)
    if file.bytes is not None and (came := to.stat().st_size) != file.bytes:
        message = f"{came} bytes came of the {file.bytes} that were announced; try again"
        raise OSError(errno.EIO, message, file.url)


def _open(url: str) -> tuple[Any, str]:
    """Return the system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        message = f'{url}: URLs are read by the package fsspec; pip install "zipfit[remote]"'
        raise MissingExtraError(message, path=url) from None
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        message = f"{url}: the package for such URLs is not installed ({_clipped(error)})"
        raise MissingExtraError(message, path=url) from None
    return system, path


@contextlib.contextmanager
def _speaking_of(url: str, to: Path | None = None) -> Iterator[None]:
    """Turn what any of the libraries below may raise into an error of one sentence that names the URL."""
    try:
        yield
    except ZipfitError:
        raise
    except FileNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
            # Systems over HTTP call a server that does not answer a missing file.
            raise OSError(errno.EIO, f"cannot be read ({_clipped(cause)})", url) from error
        raise FileNotFoundError(errno.ENOENT, "no such file", url) from error
    except PermissionError as error:
        message = f"access is refused ({_clipped(error)}); look at the credentials"
        raise PermissionError(errno.EACCES, message, url) from error
    except (ValueError, NotImplementedError) as error:
        raise ParameterError(f"{url}: this URL cannot be read ({_clipped(error)})", path=url) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS and to is not None:
            raise OSError(error.errno, error.strerror, os.fspath(to)) from error
        if isinstance(error, MemoryError):
            raise
        raise OSError(errno.EIO, f"cannot be read ({_clipped(error)})", url) from error


def _clipped(error: BaseException) -> str:
    """Return what an error says on one line, its class where it says nothing."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _MESSAGE_CHARS else words[:_MESSAGE_CHARS] + "..."
