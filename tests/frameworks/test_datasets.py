"""`zipfit.integrations.datasets` with Hugging Face datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

import zipfit
from zipfit.errors import BadRowError, ParameterError, TextTypeError
from zipfit.integrations.datasets import score, top_k

Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def shapes(rows: Rows, tmp_path: Path) -> dict[str, Any]:
    """Give the rows as each kind of dataset that there is."""
    in_memory = datasets.Dataset.from_list(rows)
    path = tmp_path / "rows.jsonl"
    in_memory.to_json(path, force_ascii=False)
    common = {"split": "train", "cache_dir": str(tmp_path / "cache")}
    shuffled_back = datasets.Dataset.from_list(rows[::-1]).select(range(len(rows) - 1, -1, -1))
    return {
        "in memory": in_memory,
        "file": datasets.load_dataset("json", data_files=str(path), **common),
        "by indices": shuffled_back,
        "stream of a file": datasets.load_dataset("json", data_files=str(path), streaming=True, **common),
        "stream of shards": in_memory.to_iterable_dataset(num_shards=4),
        "stream of a generator": datasets.IterableDataset.from_generator(lambda: iter(rows)),
        "numpy": in_memory.with_format("numpy"),
    }


def test_the_page_tells_the_truth(run_section: Callable[[str], None]) -> None:
    run_section("Hugging Face datasets")


@pytest.mark.parametrize("k", [1, 50, 211])
@pytest.mark.parametrize("batch_size", [1, 17, 1000])
def test_top_k_is_that_of_rank_ties_included(
    k: int, batch_size: int, rows: Rows, scorer: zipfit.Scorer, ranking: zipfit.Ranking, tmp_path: Path
) -> None:
    expected = ranking.top_k(k)
    for kind, dataset in shapes(rows, tmp_path).items():
        best = top_k(dataset, scorer, k, batch_size=batch_size).with_format(None)
        assert best["id"][:] == expected.rows.tolist(), kind
        assert best["score"][:] == expected.scores.tolist(), kind
        assert best["text"][:] == [rows[row]["text"] for row in expected.rows], kind


def test_score_keeps_rows_order_and_format(
    rows: Rows, scorer: zipfit.Scorer, ranking: zipfit.Ranking, tmp_path: Path
) -> None:
    expected = [row | {"score": score} for row, score in zip(rows, ranking.scores.tolist(), strict=True)]
    for kind, dataset in shapes(rows, tmp_path).items():
        scored = score(dataset, scorer, batch_size=17)
        assert type(scored) is type(dataset), kind
        assert [{name: row[name] for name in row} for row in scored] == expected, kind
    numpy = datasets.Dataset.from_list(rows).with_format("numpy", columns=["id"])
    assert score(numpy, scorer).format["type"] == "numpy"
    assert score(numpy, scorer).format["columns"] == ["id", "score"]


def test_processes_give_the_same_and_the_cache_knows(
    rows: Rows, scorer: zipfit.Scorer, ranking: zipfit.Ranking, tmp_path: Path
) -> None:
    dataset = shapes(rows, tmp_path)["file"]
    first = score(dataset, scorer, num_proc=2)
    assert first["score"][:] == ranking.scores.tolist()
    assert score(dataset, scorer).cache_files == score(dataset, scorer, batch_size=3).cache_files
    other = score(dataset, zipfit.Scorer(["x"]))
    assert other["score"][:] == zipfit.rank([row["text"] for row in rows], ["x"]).scores.tolist()


def test_an_empty_dataset_gives_an_empty_one_with_the_column(scorer: zipfit.Scorer) -> None:
    empty = datasets.Dataset.from_dict({"text": []}, datasets.Features({"text": datasets.Value("string")}))
    assert score(empty, scorer).column_names == ["text", "score"]
    stream = datasets.IterableDataset.from_generator(lambda: iter([]), features=empty.features)
    for dataset in (empty, stream):
        with pytest.warns(UserWarning, match="k is 3, but only 0 rows can be chosen"):
            best = top_k(dataset, scorer, 3)
        assert (len(best), best.column_names) == (0, ["text", "score"])


def test_fewer_rows_than_k_are_all_chosen_with_a_warning(rows: Rows, scorer: zipfit.Scorer) -> None:
    dataset = datasets.Dataset.from_list(rows)
    for given in (dataset, dataset.to_iterable_dataset()):
        with pytest.warns(UserWarning, match="k is 500, but only 211 rows can be chosen; all of them are selected"):
            assert len(top_k(given, scorer, 500)) == len(rows)


def test_another_column_is_named_by_text_and_column(scorer: zipfit.Scorer) -> None:
    dataset = datasets.Dataset.from_dict({"id": ["a"], "body": ["def f"]})
    for given in (dataset, dataset.to_iterable_dataset()):
        [row] = score(given, scorer, text="body", column="fit")
        assert row["fit"] == scorer.score(["def f"])[0]


def test_bad_input_is_one_sentence(scorer: zipfit.Scorer) -> None:
    texts = datasets.Dataset.from_dict({"text": ["a"] * 5 + [None] + ["b"] * 4})
    for dataset in (texts, texts.to_iterable_dataset(), texts.to_iterable_dataset().with_format("arrow")):
        with pytest.raises(BadRowError, match="in rows 4 to 7 of the dataset: ") as caught:
            list(score(dataset, scorer, batch_size=4))
        assert caught.value.row == 5
    taken = texts.add_column("score", [0] * 10)
    with pytest.raises(ParameterError, match='dataset has a column "score" already; name the one for the scores'):
        score(taken, scorer)
    with pytest.raises(TextTypeError, match="pass one of its splits"):
        score(datasets.DatasetDict(train=texts), scorer)
    with pytest.raises(TextTypeError, match="dataset is of type list; expected a datasets"):
        score(["a"], scorer)
    with pytest.raises(ParameterError, match="k"):
        top_k(texts, scorer, 0)
