"""`zipfit.integrations.datasets` with real data sets and streams."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from helpers_pages import ROOT, run_page

import zipfit
from zipfit.errors import BadRowError, ParameterError, TextTypeError
from zipfit.integrations.datasets import score, top_k

K = 50


@pytest.fixture(autouse=True)
def no_progress() -> None:
    datasets.disable_progress_bars()


@pytest.fixture
def dataset(source: list[str], tmp_path: Path) -> datasets.Dataset:
    """On disk, so that results are cached; with a column whose type Arrow does not know."""
    path = tmp_path / "source.jsonl"
    lines = [json.dumps({"text": text, "row": row, "kind": row % 2}) for row, text in enumerate(source)]
    path.write_text("\n".join(lines), encoding="utf-8")
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "row": datasets.Value("int64"),
            "kind": datasets.ClassLabel(names=["even", "odd"]),
        }
    )
    return datasets.load_dataset(
        "json", data_files=str(path), split="train", features=features, cache_dir=str(tmp_path / "cache")
    )


def streams(dataset: datasets.Dataset, source: list[str]) -> list[datasets.IterableDataset]:
    def rows() -> Iterator[dict[str, Any]]:
        for row, text in enumerate(source):
            # A column whose type the first batches do not tell.
            yield {"text": text, "row": row, "note": None if row < K else "late"}

    stream = dataset.to_iterable_dataset(num_shards=3)
    return [stream, stream.with_format("arrow"), datasets.IterableDataset.from_generator(rows)]


def test_the_page_is_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_page(ROOT / "docs" / "frameworks.md", tmp_path, "Hugging Face datasets") > 3


@pytest.mark.parametrize("options", [{}, {"batch_size": 7}, {"num_proc": 2}], ids=str)
def test_scores_and_best_rows_are_those_of_rank(
    dataset: datasets.Dataset, scorer: zipfit.Scorer, ranking: zipfit.Ranking, options: dict[str, Any]
) -> None:
    scored = score(dataset, scorer, **options)
    assert scored["score"][:] == ranking.scores.tolist()
    assert scored.features == {**dataset.features, "score": datasets.Value("float64")}
    best = top_k(dataset, scorer, K, **options)
    assert best["row"][:] == ranking.top_k(K).rows.tolist()
    assert best["score"][:] == ranking.top_k(K).scores.tolist()


def test_streams_are_scored_and_chosen_from_alike(
    dataset: datasets.Dataset, source: list[str], scorer: zipfit.Scorer, ranking: zipfit.Ranking
) -> None:
    for stream in streams(dataset, source):
        scored = score(stream, scorer, batch_size=7)
        assert [row["score"] for row in scored.with_format(None)] == ranking.scores.tolist()
        best = top_k(stream, scorer, K, batch_size=7)
        assert best["row"][:] == ranking.top_k(K).rows.tolist()
        assert best["score"][:] == ranking.top_k(K).scores.tolist()
    assert "late" in best["note"][:]


def test_the_features_of_a_stream_are_kept(dataset: datasets.Dataset, scorer: zipfit.Scorer) -> None:
    stream = dataset.to_iterable_dataset()
    expected = {**dataset.features, "score": datasets.Value("float64")}
    assert score(stream, scorer).features == expected
    assert top_k(stream, scorer, K).features == expected


def test_a_stream_is_scored_only_as_far_as_it_is_read(scorer: zipfit.Scorer) -> None:
    read = []

    def rows() -> Iterator[dict[str, str]]:
        for row in range(100):
            read.append(row)
            yield {"text": "a"}

    next(iter(score(datasets.IterableDataset.from_generator(rows), scorer, batch_size=5)))
    assert len(read) <= 10


@pytest.mark.parametrize("columns", [None, ["row"]])
def test_the_format_stays_and_shows_the_scores(
    dataset: datasets.Dataset, scorer: zipfit.Scorer, ranking: zipfit.Ranking, columns: list[str] | None
) -> None:
    scored = score(dataset.with_format("numpy", columns=columns), scorer)
    assert scored.format["type"] == "numpy"
    assert scored.format["columns"] == [*(columns or dataset.column_names), "score"]
    assert scored.with_format(None)["score"][:] == ranking.scores.tolist()
    assert scored.column_names == [*dataset.column_names, "score"]


def test_a_filtered_dataset_is_scored_row_by_row(
    dataset: datasets.Dataset, scorer: zipfit.Scorer, ranking: zipfit.Ranking
) -> None:
    scored = score(dataset.select(range(9, 0, -2)), scorer)
    assert scored["score"][:] == ranking.scores[9:0:-2].tolist()


FINGERPRINT = """
import sys, datasets, zipfit
from zipfit.integrations.datasets import score
scorer = zipfit.Scorer(["def f(x): return x"], aggregate=sys.argv[1])
dataset = datasets.load_from_disk(sys.argv[2])
print(score(dataset, scorer, num_proc=int(sys.argv[3]) or None, batch_size=int(sys.argv[4]))._fingerprint)
"""


def test_another_process_finds_the_scores_in_the_cache(dataset: datasets.Dataset, tmp_path: Path) -> None:
    dataset.save_to_disk(str(tmp_path / "saved"))

    def fingerprint(*arguments: str) -> tuple[str, set[str]]:
        command = [sys.executable, "-c", FINGERPRINT, arguments[0], str(tmp_path / "saved"), *arguments[1:]]
        printed = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=True).stdout
        return printed.strip(), {path.name for path in (tmp_path / "saved").glob("cache-*")}

    first, cached = fingerprint("mean", "0", "1000")
    assert len(cached) == 1
    assert fingerprint("mean", "0", "1000") == (first, cached)
    assert fingerprint("mean", "0", "10") == (first, cached)
    assert fingerprint("mean", "2", "10")[1] == cached
    other, more = fingerprint("max", "0", "1000")
    assert other != first
    assert len(more) == 2


def test_a_bad_text_is_named_by_its_row(scorer: zipfit.Scorer) -> None:
    bad = datasets.Dataset.from_dict({"text": ["a"] * 25 + [None]})
    for held in (bad, bad.to_iterable_dataset(), bad.to_iterable_dataset().with_format("arrow")):
        with pytest.raises(BadRowError) as caught:
            list(score(held, scorer, batch_size=10))
        assert str(caught.value).startswith("in rows 20 to 25 of the dataset: source row 5: null text")
        assert caught.value.row == 25


def test_no_rows_are_no_scores(dataset: datasets.Dataset, scorer: zipfit.Scorer) -> None:
    empty = dataset.select([])
    assert score(empty, scorer)["score"][:] == []
    for held in (empty, datasets.IterableDataset.from_generator(lambda: iter(()))):
        with pytest.warns(UserWarning, match="k is 3, but only 0 rows"):
            assert top_k(held, scorer, 3)["score"][:] == []


def test_more_rows_than_there_are_is_all_with_a_warning(
    dataset: datasets.Dataset, scorer: zipfit.Scorer, ranking: zipfit.Ranking
) -> None:
    for held in (dataset, dataset.to_iterable_dataset()):
        with pytest.warns(UserWarning, match=f"k is 1000, but only {len(ranking)} rows can be chosen") as warned:
            best = top_k(held, scorer, 1000)
        assert [Path(warning.filename) for warning in warned] == [Path(__file__)]
        assert best["row"][:] == ranking.order.tolist()


def test_a_column_that_is_there_is_not_replaced(dataset: datasets.Dataset, scorer: zipfit.Scorer) -> None:
    unknown = datasets.IterableDataset.from_generator(lambda: iter([{"text": "a", "kind": 1}]))
    for held in (dataset, dataset.to_iterable_dataset(), unknown):
        with pytest.raises(ParameterError) as caught:
            list(score(held, scorer, column="kind"))
        assert 'dataset has a column "kind" already; name the one for the scores with column=' in str(caught.value)


def test_an_unknown_text_column_is_refused(dataset: datasets.Dataset, scorer: zipfit.Scorer) -> None:
    for held in (dataset, dataset.to_iterable_dataset()):
        with pytest.raises(ParameterError, match='"body" is not one of them'):
            score(held, scorer, text="body")


def test_what_is_no_dataset_is_refused(dataset: datasets.Dataset, scorer: zipfit.Scorer) -> None:
    splits: Any = datasets.DatasetDict({"train": dataset})
    with pytest.raises(TextTypeError) as caught:
        score(splits, scorer)
    assert str(caught.value) == 'dataset is a DatasetDict; pass one of its splits, as in dataset["train"]'
    with pytest.raises(TextTypeError) as caught:
        top_k(["a"], scorer, 1)
    assert str(caught.value) == "dataset is of type list; expected a datasets.Dataset or datasets.IterableDataset"


@pytest.mark.parametrize("k", [0, 1.5, True])
def test_k_is_a_whole_number_from_1(dataset: datasets.Dataset, scorer: zipfit.Scorer, k: Any) -> None:
    with pytest.raises(ParameterError, match="k must be"):
        top_k(dataset, scorer, k)


def test_the_columns_of_texts_and_scores_can_have_any_name(scorer: zipfit.Scorer) -> None:
    dataset = datasets.Dataset.from_dict({"id": ["a"], "body": ["def f"]})
    for held in (dataset, dataset.to_iterable_dataset()):
        [row] = score(held, scorer, text="body", column="fit")
        assert row["fit"] == scorer.score(["def f"])[0]


@pytest.mark.parametrize("name", ["batched", "drop_last_batch", "remove_columns", "input_columns"])
def test_options_of_map_by_which_scores_are_added_are_refused(
    dataset: datasets.Dataset, scorer: zipfit.Scorer, name: str
) -> None:
    with pytest.raises(ParameterError, match=f"{name} would change how scores are added, or to which rows"):
        score(dataset, scorer, text=None, column="score", **{name: False})
