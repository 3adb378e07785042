"""`zipfit.integrations.datatrove` in real pipelines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from helpers_pages import ROOT, run_page

import zipfit
from zipfit.errors import BadRowError, ParameterError
from zipfit.integrations.datatrove import ZipfitFilter


def documents(texts: list[str]) -> list[Document]:
    return [Document(text=text, id=str(row)) for row, text in enumerate(texts)]


def written(folder: Path) -> list[dict[str, Any]]:
    lines: list[str] = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines += file
    return [json.loads(line) for line in lines]


def test_the_page_is_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_page(ROOT / "docs" / "frameworks.md", tmp_path, "datatrove") > 3


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_a_threshold_keeps_the_rows_that_rank_keeps(
    source: list[str], scorer: zipfit.Scorer, ranking: zipfit.Ranking, batch_size: int
) -> None:
    threshold = float(ranking.top_k(50).scores[-1])
    kept = list(ZipfitFilter(scorer, threshold, batch_size=batch_size).run(documents(source)))
    expected = sorted(ranking.threshold(threshold).rows.tolist())
    assert [int(document.id) for document in kept] == expected
    assert [document.metadata["zipfit_score"] for document in kept] == ranking.scores[expected].tolist()


def test_without_a_threshold_every_document_is_tagged_and_kept(
    source: list[str], scorer: zipfit.Scorer, ranking: zipfit.Ranking
) -> None:
    kept = list(ZipfitFilter(scorer, key="alignment").run(documents(source)))
    assert [document.metadata["alignment"] for document in kept] == ranking.scores.tolist()


def test_processes_write_kept_and_excluded_documents_that_are_all(
    source: list[str], scorer: zipfit.Scorer, ranking: zipfit.Ranking, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for shard in range(3):
        rows = range(shard, len(source), 3)
        lines = [json.dumps({"id": str(row), "text": source[row]}) for row in rows]
        (tmp_path / "in" / f"{shard}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    threshold = float(ranking.top_k(50).scores[-1])
    pipeline = [
        JsonlReader(str(tmp_path / "in")),
        ZipfitFilter(scorer, threshold, exclusion_writer=JsonlWriter(str(tmp_path / "excluded"))),
        JsonlWriter(str(tmp_path / "kept")),
    ]
    LocalPipelineExecutor(pipeline, tasks=3, workers=2, logging_dir=str(tmp_path / "logs")).run()
    kept, excluded = written(tmp_path / "kept"), written(tmp_path / "excluded")
    assert sorted(int(document["id"]) for document in kept) == sorted(ranking.threshold(threshold).rows.tolist())
    assert sorted(int(document["id"]) for document in [*kept, *excluded]) == list(range(len(source)))
    for document in [*kept, *excluded]:
        assert document["metadata"]["zipfit_score"] == ranking.scores[int(document["id"])]
    assert {document["metadata"]["filter_reason"] for document in excluded} == {"zipfit_below_threshold"}


def test_a_bad_text_is_named_by_its_document(scorer: zipfit.Scorer) -> None:
    bad = Document(text=None, id='the "bad" one')
    with pytest.raises(BadRowError) as caught:
        list(ZipfitFilter(scorer).run([*documents(["a", "b"]), bad]))
    assert str(caught.value).startswith(r'document "the \"bad\" one": source row 2: ')


def test_a_score_that_is_there_is_not_replaced(scorer: zipfit.Scorer) -> None:
    step = ZipfitFilter(scorer)
    with pytest.raises(ParameterError) as caught:
        list(step.run(step.run(documents(["a"]))))
    assert str(caught.value) == 'document "0" has the metadata "zipfit_score" already; name another with key='


@pytest.mark.parametrize("threshold", [float("nan"), "0.1", True])
def test_what_is_no_threshold_is_refused_at_once(scorer: zipfit.Scorer, threshold: Any) -> None:
    with pytest.raises(ParameterError, match="threshold"):
        ZipfitFilter(scorer, threshold)
