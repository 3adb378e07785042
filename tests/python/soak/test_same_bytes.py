"""All files but run.json depend neither on threads nor on how the rows are cut into batches and shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers_files import digest
from helpers_soak import LONG, record

from zipfit import pipeline
from zipfit.merge import merge

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

THREADS = (1, 2, 3, 8)
BATCHES = (1, 7, 4096)
SHARDS = (1, 2, 7)


def test_threads_batches_and_shards_give_one_hash(
    pool: Path, small_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Names in the manifest are those that were given.
    monkeypatch.chdir(pool if LONG else small_pool)
    seen, runs = set(), 0

    def select(output: Path, threads: int, batch_rows: int, shard: str | None = None) -> str:
        options = pipeline.SelectOptions(
            source=("a.jsonl", "b.jsonl"),
            target=("target.jsonl",),
            exclude=("exclude.jsonl",),
            output=str(output),
            top_k=5,
            group="group",
            on_bad_row="skip",
            threads=threads,
            batch_rows=batch_rows,
            shard=shard,
        )
        return pipeline.select(options).output

    for threads in THREADS:
        for batch_rows in BATCHES:
            output = tmp_path / f"{threads}-{batch_rows}"
            select(output, threads, batch_rows)
            seen.add(tuple(digest(output).items()))
            for shards in SHARDS if LONG or (threads, batch_rows) == (2, 7) else ():
                parts = [
                    select(output / f"{part}-{shards}", threads, batch_rows, f"{part}/{shards}")
                    for part in range(1, shards + 1)
                ]
                merge(parts, str(output / f"merged-{shards}"))
                seen.add(tuple(digest(output / f"merged-{shards}").items()))
                runs += 1
            runs += 1
    record("threads, batches and shards", runs=runs, different_outputs=len(seen))
    assert len(seen) == 1
