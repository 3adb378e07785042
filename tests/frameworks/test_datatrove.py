"""`zipfit.integrations.datatrove` in pipelines of datatrove."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

import zipfit
from zipfit.errors import BadRowError, ParameterError
from zipfit.integrations.datatrove import ZipfitFilter

Rows = list[dict[str, Any]]


def run(rows: Rows, step: ZipfitFilter, directory: Path, tasks: int) -> None:
    """Read the rows from as many files as there are tasks, run the step, and write what it lets through to ``kept``."""
    (directory / "pool").mkdir()
    for task in range(tasks):
        part = rows[len(rows) * task // tasks : len(rows) * (task + 1) // tasks]
        lines = "".join(json.dumps(row | {"id": str(row["id"])}) + "\n" for row in part)
        (directory / "pool" / f"{task}.jsonl").write_text(lines, encoding="utf-8")
    writer = JsonlWriter(str(directory / "kept"), compression=None)
    logs = str(directory / "logs")
    # Spawned, so that the scorer is pickled.
    steps = [JsonlReader(str(directory / "pool"), shuffle_files=False), step, writer]
    LocalPipelineExecutor(steps, tasks=tasks, workers=tasks, logging_dir=logs, start_method="spawn").run()


def written(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_page_tells_the_truth(run_section: Callable[[str], None]) -> None:
    run_section("datatrove")


@pytest.mark.parametrize(("tasks", "batch_size"), [(1, 1), (2, 17), (2, 1000)])
def test_kept_and_excluded_are_those_of_rank(
    tasks: int, batch_size: int, rows: Rows, scorer: zipfit.Scorer, ranking: zipfit.Ranking, tmp_path: Path
) -> None:
    # Of an empty text datatrove's reader makes no document.
    threshold = float(ranking.top_k(60).scores[-1])
    excluded = JsonlWriter(str(tmp_path / "excluded"), compression=None)
    run(rows, ZipfitFilter(scorer, threshold, exclusion_writer=excluded, batch_size=batch_size), tmp_path, tasks)
    scores = ranking.scores.tolist()
    chosen = set(ranking.threshold(threshold).rows.tolist())
    want = [(str(row["id"]), row["text"], scores[row["id"]]) for row in rows if row["text"]]
    for folder, kept in [("kept", True), ("excluded", False)]:
        documents = written(tmp_path / folder)
        got = [(document["id"], document["text"], document["metadata"]["zipfit_score"]) for document in documents]
        assert got == [row for row in want if (int(row[0]) in chosen) is kept]
        reasons = {document["metadata"].get("filter_reason") for document in documents}
        assert reasons == {None if kept else "zipfit_below_threshold"}


def test_without_a_threshold_all_are_kept_and_tagged(
    rows: Rows, scorer: zipfit.Scorer, ranking: zipfit.Ranking, tmp_path: Path
) -> None:
    run(rows, ZipfitFilter(scorer, key="fit"), tmp_path, 1)
    got = [(int(document["id"]), document["metadata"]["fit"]) for document in written(tmp_path / "kept")]
    assert got == [(row["id"], ranking.scores[row["id"]]) for row in rows if row["text"]]


def test_one_document_is_filtered_as_many_are(scorer: zipfit.Scorer) -> None:
    [score] = scorer.score(["def f"]).tolist()
    document = Document(text="def f", id="a")
    assert ZipfitFilter(scorer, score).filter(document) is True
    assert document.metadata == {"zipfit_score": score}
    above = ZipfitFilter(scorer, score + 1e-9).filter(Document(text="def f", id="b"))
    assert above == (False, "zipfit_below_threshold")


def test_bad_input_is_one_sentence(scorer: zipfit.Scorer) -> None:
    documents = [Document(text="a", id="first"), Document(text=None, id="second")]
    with pytest.raises(BadRowError, match='document "second": ') as caught:
        ZipfitFilter(scorer).filter_batch(documents)
    assert caught.value.row == 1
    with pytest.raises(ParameterError, match='document "a" has the metadata "zipfit_score" already; name another'):
        ZipfitFilter(scorer).filter(Document(text="a", id="a", metadata={"zipfit_score": 1}))
    with pytest.raises(ParameterError, match="threshold"):
        ZipfitFilter(scorer, float("nan"))
