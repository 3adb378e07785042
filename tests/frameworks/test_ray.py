"""`zipfit.integrations.ray` on a real Ray of two CPUs on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from helpers_pages import ROOT, run_page

import zipfit
from zipfit.errors import ParameterError, TextTypeError
from zipfit.integrations.ray import score, top_k

K = 50


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def dataset_of(source: list[str], blocks: int) -> ray.data.Dataset:
    rows = [{"row": row, "text": text} for row, text in enumerate(source)]
    return ray.data.from_items(rows, override_num_blocks=blocks)


def rows_of(dataset: ray.data.Dataset) -> list[int]:
    return [row["row"] for row in dataset.take_all()]


def test_the_page_is_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_page(ROOT / "docs" / "frameworks.md", tmp_path, "Ray Data") > 3


def test_scores_are_those_of_rank(source: list[str], scorer: zipfit.Scorer, ranking: zipfit.Ranking) -> None:
    scored = score(dataset_of(source, 5), scorer, batch_size=7)
    scores = {row["row"]: row["score"] for row in scored.take_all()}
    assert [scores[row] for row in range(len(source))] == ranking.scores.tolist()


@pytest.mark.parametrize(("blocks", "k", "batch_size"), [(1, K, None), (7, K, 20), (7, 1, None), (3, 250, None)])
def test_the_best_rows_are_those_of_rank_in_its_order(
    source: list[str], target: list[str], blocks: int, k: int, batch_size: int | None
) -> None:
    # Every text comes twice, so that the order of equal scores matters everywhere.
    assert k < len(source)
    best = top_k(dataset_of(source, blocks), zipfit.Scorer(target), k, batch_size=batch_size)
    picked = zipfit.rank(source, target).top_k(k)
    assert best.columns() == ["row", "text", "score"]
    rows = best.take_all()
    assert [row["row"] for row in rows] == picked.rows.tolist()
    assert [row["score"] for row in rows] == picked.scores.tolist()


def test_equal_scores_are_in_the_order_of_the_files_whichever_is_read_first(
    scorer: zipfit.Scorer, tmp_path: Path
) -> None:
    # One text, so that all scores are equal; the first files take longest to read.
    for number in range(6):
        rows = [{"row": number * 1000 + row, "text": "a"} for row in range(2000 if number < 2 else 3)]
        (tmp_path / f"{number}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    dataset = ray.data.read_json(str(tmp_path), lines=True)
    last = 2000 + 2000 + 12
    best = rows_of(top_k(dataset, scorer, last))
    assert best == [*range(2000), *range(1000, 3000), *(n * 1000 + row for n in range(2, 6) for row in range(3))]


def test_what_is_made_of_the_best_rows_keeps_their_order(
    source: list[str], scorer: zipfit.Scorer, ranking: zipfit.Ranking
) -> None:
    dataset = dataset_of(source, 7)
    best = top_k(dataset, scorer, K)
    assert rows_of(best.map_batches(lambda batch: batch)) == ranking.top_k(K).rows.tolist()
    assert dataset.context.execution_options.preserve_order is False


def test_a_task_keeps_no_more_than_k_rows_of_its_batch(
    source: list[str], scorer: zipfit.Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = []
    materialize = ray.data.Dataset.materialize

    def counting(self: Any) -> Any:
        collected.append(materialize(self))
        return collected[-1]

    monkeypatch.setattr(ray.data.Dataset, "materialize", counting)
    top_k(dataset_of(source, 4), scorer, 5)
    assert [dataset.count() for dataset in collected] == [20, 5, 5]


def test_no_rows_are_no_best_rows(source: list[str], scorer: zipfit.Scorer) -> None:
    empty = dataset_of(source, 3).limit(0)
    for dataset in (empty, dataset_of(source, 2).map_batches(lambda batch: batch.slice(0, 0), batch_format="pyarrow")):
        with pytest.warns(UserWarning, match="k is 3, but only 0 rows can be chosen"):
            best = top_k(dataset, scorer, 3)
        assert best.take_all() == []
        assert not [name for name in best.columns() or [] if name.startswith("__zipfit")]


def test_more_rows_than_there_are_is_all_with_a_warning(
    source: list[str], scorer: zipfit.Scorer, ranking: zipfit.Ranking
) -> None:
    with pytest.warns(UserWarning, match=f"k is 1000, but only {len(source)} rows can be chosen") as warned:
        best = top_k(dataset_of(source, 3), scorer, 1000)
    assert __file__ in [warning.filename for warning in warned]
    assert rows_of(best) == ranking.order.tolist()


def test_a_bad_text_stops_the_job_with_the_reason(scorer: zipfit.Scorer) -> None:
    dataset = ray.data.from_items([{"text": "a"}, {"text": None}], override_num_blocks=1)
    with pytest.raises(ray.exceptions.RayTaskError, match="BadRowError: source row 1: null text"):
        score(dataset, scorer).materialize()


def test_a_column_that_is_there_is_not_replaced(source: list[str], scorer: zipfit.Scorer) -> None:
    with pytest.raises(ray.exceptions.RayTaskError, match='dataset has a column "row" already; name the one'):
        score(dataset_of(source, 1), scorer, column="row").materialize()


def test_a_worker_prepares_a_scorer_once(scorer: zipfit.Scorer) -> None:
    def prepared(held: zipfit.Scorer) -> tuple[int, int]:
        return os.getpid(), id(held._core)

    task = ray.remote(prepared)
    seen = set(ray.get([task.remote(scorer) for _ in range(20)]))
    assert len(seen) == len({process for process, _ in seen})


def test_what_is_no_dataset_is_refused(scorer: zipfit.Scorer) -> None:
    expected = r"^dataset is of type list; expected a ray\.data\.Dataset$"
    with pytest.raises(TextTypeError, match=expected):
        score(["a"], scorer)
    with pytest.raises(TextTypeError, match=expected):
        top_k(["a"], scorer, 1)


@pytest.mark.parametrize("k", [0, 1.5, True])
def test_k_is_a_whole_number_from_1(source: list[str], scorer: zipfit.Scorer, k: Any) -> None:
    with pytest.raises(ParameterError, match="k must be"):
        top_k(dataset_of(source, 1), scorer, k)
