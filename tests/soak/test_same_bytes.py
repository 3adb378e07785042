"""All files but run.json depend neither on the number of threads nor on how the rows are cut into pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers_soak import LONG, digest, record

from zipfit import pipeline

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

THREADS = (1, 2, 3, 8)
BATCHES = (1, 7, 4096)


def test_threads_and_batches_give_one_hash(pool: Path, small_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Names in the manifest are those that were given.
    monkeypatch.chdir(pool if LONG else small_pool)
    seen = set()
    for threads in THREADS:
        for batch_rows in BATCHES:
            output = tmp_path / f"{threads}-{batch_rows}"
            options = pipeline.SelectOptions(
                source=("a.jsonl", "b.jsonl"),
                target=("target.jsonl",),
                output=str(output),
                top_k=50,
                dedup=1.0,
                on_bad_row="skip",
                threads=threads,
                batch_rows=batch_rows,
            )
            pipeline.select(options)
            seen.add(tuple(digest(output).items()))
    record("threads and batches", threads=THREADS, batch_rows=BATCHES, different_outputs=len(seen))
    assert len(seen) == 1
