"""`zipfit.integrations.ray` with Ray Data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.data import Dataset

import zipfit
from zipfit.errors import ParameterError, TextTypeError
from zipfit.integrations.ray import score, top_k

Rows = list[dict[str, Any]]

# Those that Ray makes of itself.
KINDS_OF_WARNING = ["DeprecationWarning", "FutureWarning", "ResourceWarning"]
pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}") for kind in KINDS_OF_WARNING]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def shapes(rows: Rows, directory: Path) -> dict[str, Dataset]:
    """Give the rows as items, in blocks of several sizes, and as files."""
    for part in range(3):
        lines = "".join(json.dumps(row) + "\n" for row in rows[part * 80 : part * 80 + 80])
        (directory / f"{part}.jsonl").write_text(lines, encoding="utf-8")
    return {
        "one block": ray.data.from_items(rows, override_num_blocks=1),
        "blocks": ray.data.from_items(rows, override_num_blocks=7),
        "files": ray.data.read_json([str(directory / f"{part}.jsonl") for part in range(3)], lines=True),
        "mapped": ray.data.from_items(rows, override_num_blocks=4).map_batches(lambda batch: batch, batch_size=10),
    }


def test_the_page_tells_the_truth(run_section: Callable[[str], None]) -> None:
    run_section("Ray Data")


@pytest.mark.parametrize(("k", "batch_size"), [(60, 17), (211, None)])
def test_top_k_is_that_of_rank_ties_included(
    k: int, batch_size: int | None, rows: Rows, scorer: zipfit.Scorer, ranking: zipfit.Ranking, tmp_path: Path
) -> None:
    expected = ranking.top_k(k)
    want = [rows[row] | {"score": score} for row, score in zip(expected.rows, expected.scores.tolist(), strict=True)]
    for kind, dataset in shapes(rows, tmp_path).items():
        assert top_k(dataset, scorer, k, batch_size=batch_size).take_all() == want, kind


def test_score_adds_the_column(rows: Rows, scorer: zipfit.Scorer, ranking: zipfit.Ranking, tmp_path: Path) -> None:
    want = [row | {"fit": score} for row, score in zip(rows, ranking.scores.tolist(), strict=True)]
    for kind, dataset in shapes(rows, tmp_path).items():
        got = score(dataset, scorer, text="text", column="fit", batch_size=17).take_all()
        assert sorted(got, key=lambda row: row["id"]) == want, kind


def test_fewer_rows_than_k_are_all_chosen_with_a_warning(
    rows: Rows, scorer: zipfit.Scorer, ranking: zipfit.Ranking
) -> None:
    with pytest.warns(UserWarning, match="k is 500, but only 211 rows can be chosen; all of them are selected"):
        best = top_k(ray.data.from_items(rows, override_num_blocks=3), scorer, 500)
    assert [row["id"] for row in best.take_all()] == ranking.order.tolist()


def test_of_no_rows_none_are_chosen(rows: Rows, scorer: zipfit.Scorer) -> None:
    none = ray.data.from_items(rows, override_num_blocks=3).filter(lambda row: row["id"] < 0)
    with pytest.warns(UserWarning, match="k is 3, but only 0 rows can be chosen"):
        assert top_k(none, scorer, 3).take_all() == []


def test_the_order_of_other_executions_is_left_as_it_was(rows: Rows, scorer: zipfit.Scorer) -> None:
    dataset = ray.data.from_items(rows)
    before = dataset.context.execution_options.preserve_order
    top_k(dataset, scorer, 3)
    assert dataset.context.execution_options.preserve_order is before


def test_bad_input_is_one_sentence(scorer: zipfit.Scorer) -> None:
    with pytest.raises(TextTypeError, match=r"dataset is of type list; expected a ray\.data\.Dataset"):
        score(["a"], scorer)
    dataset = ray.data.from_items([{"text": "a"}, {"text": None}], override_num_blocks=1)
    with pytest.raises(ParameterError, match="k"):
        top_k(dataset, scorer, 0)
    with pytest.raises(ray.exceptions.RayTaskError, match="source row 1"):
        score(dataset, scorer).take_all()
    with pytest.raises(ray.exceptions.RayTaskError, match='dataset has a column "text" already'):
        score(ray.data.from_items([{"text": "a"}]), scorer, column="text").take_all()
