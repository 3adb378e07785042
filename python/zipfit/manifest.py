"""``manifest.json``, which says what a selection is made of, and ``run.json``, which says how the run went.

The manifest holds only what determines the result: the same command on the same files gives the same bytes, on any
machine and any number of threads. Everything else (time, threads, memory) belongs to ``run.json``.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zipfit import _core

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zipfit.spool import Stamped

__all__ = ["build", "run_record", "to_json"]

DEFAULT_SEED = 0
"""Recorded even where nothing is drawn at random, so that every manifest has one."""


def build(
    *,
    parameters: Mapping[str, object],
    library: Mapping[str, object] | None,
    tokenizer: Mapping[str, object] | None = None,
    sources: Sequence[Mapping[str, object]],
    targets: Sequence[Mapping[str, object]],
    exclude: Sequence[Mapping[str, object]],
    counts: Mapping[str, int],
    seed: int,
    outputs: Sequence[_core.OutputFile],
    scores: Mapping[str, object] | None = None,
    shard: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return the content of ``manifest.json``.

    Parameters
    ----------
    parameters
        Every parameter with its resolved value.
    library
        Name and version of the compressor's library; None where ``parameters`` already say it.
    tokenizer
        What counted tokens: the file with bytes and sha256, or tiktoken's encoding, and the library. None: nothing did.
    sources, targets, exclude
        One entry a file: name, bytes, sha256, rows.
    counts
        Rows read, scored (or considered, when rows are chosen jointly), rejected, left out by each filter, selected.
    seed
        Of the random numbers by which rows were drawn.
    outputs
        The files that the result consists of, with bytes and sha256.
    scores
        The table of an earlier run that the rows were chosen by, with bytes and sha256. None: scored by this run.
    shard
        Which part of the sources was read. None: all of them.
    """
    chosen_by = {} if scores is None else {"scores": dict(scores)}
    return {
        "zipfit": _core.__version__,
        **chosen_by,
        **({} if shard is None else {"shard": dict(shard)}),
        "parameters": dict(parameters),
        "library": None if library is None else dict(library),
        "tokenizer": None if tokenizer is None else dict(tokenizer),
        "sources": [dict(file) for file in sources],
        "targets": [dict(file) for file in targets],
        "exclude": [dict(file) for file in exclude],
        "counts": dict(counts),
        "seed": seed,
        "outputs": [dict(file) for file in outputs],
    }


def run_record(*, started: datetime, threads: int, inputs: Sequence[Stamped]) -> dict[str, object]:
    """Return the content of ``run.json`` for a run that began at ``started`` (with its time zone) and ends now.

    ``inputs`` are the sources: path, bytes, and time of change in nanoseconds since 1970; of URLs their version.
    """
    return {
        "command": sys.argv,
        "started": started.astimezone(UTC).isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
        "threads": threads,
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "peak_memory_bytes": _core.peak_memory_bytes(),
        "sources": [
            {"name": name, "version" if isinstance(stamp, str) else "modified_ns": stamp} for name, _, stamp in inputs
        ],
    }


def to_json(content: Mapping[str, object]) -> bytes:
    """Return the bytes of a JSON file: UTF-8, keys in the order given, indented by two, with a last newline."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    # A file name that is not Unicode holds lone surrogates, which "backslashreplace" spells as JSON does.
    return text.encode(errors="backslashreplace")
