"""``zipfit doctor``: versions for a bug report, and a test that this build keeps its promise.

The promise: a gzip size is that of stock zlib to the byte, and scores are the same to the last bit on any number of
threads.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import os
import platform
import zlib
from dataclasses import dataclass

import numpy as np

from zipfit import _core
from zipfit.api import compressed_size, rank

__all__ = ["Check", "Codec", "Report", "describe", "examine", "golden_texts"]

OPTIONAL_PACKAGES = ("pyarrow", "pandas", "polars", "duckdb", "datasets", "tokenizers", "tiktoken")
"""Libraries whose tables `zipfit.rank` takes, and those that count tokens."""

GOLDEN_SIZES = {
    "empty": 20,
    "one byte": 21,
    "every byte": 279,
    "one byte 100,000 times": 133,
    "squares": 79_147,
    "phrases": 9_551,
    "noise": 70_043,
    "phrases, noise, phrases": 43_581,
}
"""``len(gzip.compress(text, 9))`` with stock zlib, recorded with 1.2.13, for the texts of `golden_texts`."""


@dataclass(frozen=True)
class Check:
    """One part of the self-test."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Codec:
    """A family of compressors and the library behind it."""

    compressors: str
    library: str
    version: str


@dataclass(frozen=True)
class Report:
    """What a bug report needs."""

    zipfit: str
    debug_build: bool
    python: str
    python_zlib: str
    """Version of this Python's own zlib, and whether its sizes are those of zipfit."""
    numpy: str
    system: str
    threads: int
    """What ``threads=None`` means here."""
    cpus: int | None
    """Of the machine."""
    codecs: list[Codec]
    optional_packages: dict[str, str | None]
    """Their versions; None where not installed."""
    checks: list[Check]
    passed: bool


def examine() -> Report:
    """Collect the versions and run the self-test; it takes about a second."""
    checks = [_check_golden_sizes(), _check_threads()]
    return Report(
        zipfit=_core.__version__,
        debug_build=_core.debug_build,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        python_zlib=_compare_with_python(),
        numpy=np.__version__,
        system=f"{platform.platform()} {platform.machine()}",
        threads=_core.available_threads(),
        cpus=os.cpu_count(),
        codecs=[Codec(*entry) for entry in _core.codec_libraries()],
        optional_packages={name: _version(name) for name in OPTIONAL_PACKAGES},
        checks=checks,
        passed=all(check.passed for check in checks),
    )


def golden_texts() -> dict[str, bytes]:
    """Return texts that reach every kind of DEFLATE block, and matches up to and beyond the 32 KiB window.

    They are made by arithmetic alone, so that no version of Python's ``random`` can change them.
    """
    ordinals = ("first", "second", "third")
    lines = (f"row {i}: the {ordinals[i % 3]} café opens at {i % 24} o'clock, 東京 time\n" for i in range(3_000))
    phrases = "".join(lines).encode()
    return {
        "empty": b"",
        "one byte": b"a",
        "every byte": bytes(range(256)),
        "one byte 100,000 times": b"a" * 100_000,
        "squares": " ".join(str(i * i) for i in range(20_000)).encode(),
        "phrases": phrases,
        "noise": _noise(70_000),
        "phrases, noise, phrases": phrases[:20_000] + _noise(40_000) + phrases[:20_000],
    }


def _noise(size: int) -> bytes:
    """Return bytes of a linear congruential generator (the constants of the C standard's example)."""
    state, noise = 1, bytearray()
    for _ in range(size):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        noise.append(state >> 16 & 0xFF)
    return bytes(noise)


def _check_golden_sizes() -> Check:
    texts = golden_texts()
    wrong = [
        f"{name}: {size} instead of {GOLDEN_SIZES[name]}"
        for name, size in zip(texts, compressed_size(list(texts.values()), "gzip-9").tolist(), strict=True)
        if size != GOLDEN_SIZES[name]
    ]
    detail = "; ".join(wrong) or f"{len(texts)} texts have the recorded sizes"
    return Check("gzip-9 sizes equal stock zlib's", not wrong, detail)


def _compare_with_python() -> str:
    """Compare with the gzip of this Python: no test of zipfit, because that zlib need not be stock zlib."""
    version = zlib.ZLIB_RUNTIME_VERSION
    texts = golden_texts().values()
    different = sum(compressed_size(text, "gzip-9") != len(gzip.compress(text, 9)) for text in texts)
    if not different:
        return f"{version}, gzip-9 sizes the same as here"
    sizes = f"{version}, {different} of {len(GOLDEN_SIZES)} gzip-9 sizes other than here"
    if hasattr(zlib, "ZLIBNG_VERSION") or "zlib-ng" in version:
        return f"{sizes}, as expected: it is zlib-ng, which compresses differently"
    return f"{sizes}: it is not stock zlib, if the self-test below passes"


def _check_threads() -> Check:
    text = golden_texts()["phrases"].decode()
    lines = text.splitlines()
    one, two = (rank(lines[:400], lines[1_000:1_008], threads=threads).scores for threads in (1, 2))
    same = one.tobytes() == two.tobytes()
    different = int(np.count_nonzero(one != two))
    detail = f"{len(one)} scores are the same to the last bit" if same else f"{different} of {len(one)} scores differ"
    return Check("scores are the same on 1 and 2 threads", same, detail)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe(report: Report) -> str:
    """Return a report as text for a person."""
    build = " (debug build: several times slower than a release build)" if report.debug_build else ""
    checks = ((f"{'ok' if check.passed else 'FAILED':6}  {check.name}", check.detail) for check in report.checks)
    parts = [
        _columns(
            [
                ("zipfit", report.zipfit + build),
                ("python", report.python),
                ("python's zlib", report.python_zlib),
                ("numpy", report.numpy),
                ("system", report.system),
                ("threads", f"{report.threads} of {report.cpus} CPUs"),
            ]
        ),
        "codecs",
        _columns([(codec.compressors, f"{codec.library} {codec.version}") for codec in report.codecs]),
        "optional packages",
        _columns([(name, version or "not installed") for name, version in report.optional_packages.items()]),
        "self-test",
        "\n".join(f"  {name}: {detail}" for name, detail in checks),
        "all is well" if report.passed else "the self-test failed; please report this whole text",
    ]
    return "\n".join(parts)


def _columns(entries: list[tuple[str, str]]) -> str:
    return "\n".join(f"  {name:16}  {value}" for name, value in entries)
