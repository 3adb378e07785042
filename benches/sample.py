"""A uniform sample of a JSON Lines file: the same rows on every machine, for benchmarks that are to be repeated.

``random.Random(seed).sample`` without replacement, which Python keeps stable; the rows stay in the order of the file
and as they are written there. The file may be ``.gz`` or ``.zst``, the sample is plain, as other tools can read it::

    python -m benches.sample pool.jsonl.zst sample.jsonl --rows 20000
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

import numpy as np

from zipfit import _core


def main() -> None:
    """Read the arguments, count the rows, write the sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="JSON Lines with a field text")
    parser.add_argument("sample", type=Path, help="the file to write")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    paths = [os.fspath(options.file)]
    reader = _core.Reader(paths, "text")
    while reader.next_batch() is not None:
        pass
    if options.rows > reader.rows:
        sys.exit(f"{options.file} has {reader.rows} rows, fewer than the {options.rows} asked for")
    rows = sorted(random.Random(options.seed).sample(range(reader.rows), options.rows))
    lines = _core.read_lines(paths, np.array(rows, dtype=np.int64), reader.rows)
    options.sample.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    print(f"{options.sample}: {options.rows} of {reader.rows} rows")


if __name__ == "__main__":
    main()
