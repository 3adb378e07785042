"""`Scorer`: prepared once, used in batches, threads and processes."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit import _core
from zipfit.errors import MismatchError

TARGET = ["def double(x):\n    return 2 * x\n", "def triple(x):\n    return 3 * x\n", "x = [1, 2, 3]"]
OPTIONS: dict[str, Any] = {"metric": "cdm", "compressor": "zlib-6", "aggregate": "top-2"}


@given(st.lists(st.text(max_size=40), max_size=12), st.integers(1, 5), st.sampled_from([1, 2, None]))
def test_batches_of_any_size_score_as_one_rank(source: list[str], batch: int, threads: int | None) -> None:
    scorer = zipfit.Scorer(TARGET, **OPTIONS)
    parts = [scorer.score(source[i : i + batch], threads=threads) for i in range(0, len(source), batch)]
    whole = zipfit.rank(source, TARGET, **OPTIONS).scores
    assert np.concatenate([[], *parts]).tolist() == whole.tolist()


def test_scores_are_an_array_that_python_owns() -> None:
    scores = zipfit.Scorer(TARGET).score(["a", "b"])
    assert scores.dtype == np.float64
    assert scores.shape == (2,)
    scores[0] = 1.0


def test_a_scorer_tells_its_parameters() -> None:
    scorer = zipfit.Scorer(TARGET, **OPTIONS)
    assert (scorer.targets, scorer.metric, scorer.compressor, scorer.aggregate) == (3, "cdm", "zlib-6", "top-2")
    assert repr(scorer) == "Scorer(3 targets, cdm zlib-6 top-2)"
    assert zipfit.Scorer(TARGET).compressor == "gzip-9"


def test_provenance_is_the_part_of_the_rankings_that_is_not_the_sources() -> None:
    provenance = zipfit.Scorer(TARGET, **OPTIONS).provenance
    assert json.loads(json.dumps(provenance)) == provenance
    of_ranking = zipfit.rank(["a"], TARGET, **OPTIONS).provenance
    assert provenance.items() <= of_ranking.items()
    assert of_ranking.keys() - provenance.keys() == {"sources", "source_sha256"}


def test_a_batch_may_be_a_table_with_a_column() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"id": [1, 2], "body": ["a", "b"]})
    scorer = zipfit.Scorer(pa.table({"id": [1], "body": ["x"]}), target_text="body")
    assert scorer.score(table, text="body").tolist() == zipfit.rank(["a", "b"], ["x"]).scores.tolist()


def test_threads_may_share_a_scorer() -> None:
    scorer = zipfit.Scorer(TARGET)
    source = [f"def f{i}(x): return x + {i}" for i in range(200)]
    expected = scorer.score(source).tolist()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: scorer.score(source, threads=2).tolist(), range(8)))
    assert results == [expected] * 8


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_scorer_gives_the_same_scores(protocol: int) -> None:
    # Bytes that are not UTF-8, because targets are pickled as bytes.
    scorer = zipfit.Scorer([*TARGET, b"\xff\x00"], **OPTIONS)
    copied = pickle.loads(pickle.dumps(scorer, protocol))
    assert copied.provenance == scorer.provenance
    assert copied.score(["a", "def f(x): return x"]).tolist() == scorer.score(["a", "def f(x): return x"]).tolist()
    assert copy.deepcopy(scorer).provenance == scorer.provenance


def test_a_process_that_is_handed_a_scorer_with_every_task_prepares_it_once() -> None:
    pickled, other = pickle.dumps(zipfit.Scorer(TARGET)), pickle.dumps(zipfit.Scorer(TARGET[:2]))
    first = pickle.loads(pickled)
    assert pickle.loads(other)._core is not first._core
    assert pickle.loads(pickled)._core is first._core


def test_a_pickled_scorer_is_little_more_than_its_targets(functions: list[str]) -> None:
    pickled = pickle.dumps(zipfit.Scorer(functions))
    assert len(pickled) < 1.05 * sum(len(text.encode()) for text in functions) + 1000


def test_a_scorer_works_in_spawned_processes() -> None:
    scorer = zipfit.Scorer(TARGET)
    batches = [["a", "b"], ["def f(x):"], []]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        scores = [batch.tolist() for batch in pool.map(scorer.score, batches)]
    assert scores == [scorer.score(batch).tolist() for batch in batches]


def test_a_scorer_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_core, "__version__", "0.0.1")
        pickled = pickle.dumps(zipfit.Scorer(TARGET))
    with pytest.raises(MismatchError) as caught:
        pickle.loads(pickled)
    assert str(caught.value) == (
        f"this Scorer was pickled by zipfit 0.0.1, and here is zipfit {zipfit.__version__}; "
        "scores could differ, so use one version everywhere"
    )
    assert caught.value.code == "ZF-RESUME"
