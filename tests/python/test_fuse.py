"""``zipfit.fuse``: several rankings of the same rows as one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers_files import zipfit_cli
from hypothesis import given, settings
from hypothesis import strategies as st

import zipfit
from zipfit.errors import ParameterError


def percentiles(scores: list[float]) -> list[float]:
    """The definition: the mean of the ranks of equal ones, from 1 at the worst, less a half, over their number."""
    ranks: dict[float, list[int]] = {score: [] for score in scores}
    for rank, score in enumerate(sorted(scores), 1):
        ranks[score].append(rank)
    return [(sum(ranks[score]) / len(ranks[score]) - 0.5) / len(scores) for score in scores]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), min_size=1, max_size=40), st.integers(1, 5))
def test_fused_scores_are_weighted_means_of_percentile_ranks(rows: list[tuple[int, int]], weight: int) -> None:
    first, second = [float(row[0]) for row in rows], [row[1] / 7 for row in rows]
    fused = zipfit.fuse(zipfit.Ranking(first), zipfit.Ranking(second), weights=[weight, 1])
    pairs = zip(percentiles(first), percentiles(second), strict=True)
    expected = [(weight * a + b) / (weight + 1) for a, b in pairs]
    np.testing.assert_allclose(fused.scores, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fused.scores.mean(), 0.5, atol=1e-12)


def test_the_scale_of_scores_does_not_matter_but_their_order_does() -> None:
    one = zipfit.Ranking([0.1, 0.2, 0.3, 0.4])
    other = zipfit.Ranking([3e9, 2e9, 1e9, 0.0])
    assert zipfit.fuse(one, other).scores.tolist() == [0.5] * 4
    assert zipfit.fuse(one, other, weights=(3, 1)).order.tolist() == [3, 2, 1, 0]
    assert zipfit.fuse(one, other, weights=(0.3, 0.1)).scores == pytest.approx(
        zipfit.fuse(one, other, weights=(3, 1)).scores
    )
    assert zipfit.fuse(one, other, weights=(0, 1)).order.tolist() == [0, 1, 2, 3]
    for alike in ([5e-324, 5e-324], [1e308, 1e308], [7, 7]):
        assert zipfit.fuse(one, other, weights=alike).scores.tolist() == [0.5] * 4


def test_a_fused_ranking_knows_sizes_and_chooses_like_any_other(tmp_path: Path) -> None:
    source = ["x = 1", "the cat sat", "y += 1"]
    ranking = zipfit.rank(source, ["z = 2"])
    fused = zipfit.fuse(zipfit.Ranking([0.2, 0.1, 0.9]), ranking)
    assert fused.sizes is not None
    assert fused.sizes.tolist() == [5, 11, 6]
    picked = fused.within(budget_bytes=7)
    assert picked.take(source) == [source[fused.order[0]]]
    assert [part.get("metric") for part in fused.provenance["fused"]] == [None, "ncd"]
    assert fused.provenance["weights"] == [1.0, 1.0]
    assert json.loads(json.dumps(picked.provenance))["sources"] == 3
    picked.write(tmp_path / "chosen", source)
    assert json.loads((tmp_path / "chosen/selection.jsonl").read_text())["row"] == fused.order[0]
    assert pickle.loads(pickle.dumps(fused)).order.tolist() == fused.order.tolist()
    # Fused again, as a part of others.
    assert len(zipfit.fuse(fused, ranking)) == 3


def test_a_row_that_one_ranking_does_not_allow_takes_no_part(tmp_path: Path) -> None:
    texts = ["def f(): pass", "no", "def g(x): return x", "a sentence of words"]
    source = tmp_path / "source.jsonl"
    lines = [json.dumps({"text": text}) for text in texts]
    source.write_text("\n".join([lines[0], "not JSON", *lines[1:]]) + "\n")
    (tmp_path / "target.jsonl").write_text(json.dumps({"text": "def h(y): return 2 * y"}) + "\n")
    command = ["score", str(source), "--target", str(tmp_path / "target.jsonl"), "-o", str(tmp_path / "scores")]
    assert zipfit_cli(*command, "--on-bad-row", "skip", "--min-bytes", "3").returncode == 0
    scored = zipfit.load_scores(tmp_path / "scores")
    assert scored.eligible is not None
    assert scored.eligible.tolist() == [True, False, False, True, True]
    fused = zipfit.fuse(scored, zipfit.Ranking([0.0, 9.0, 8.0, 1.0, 2.0]))
    assert fused.eligible is not None
    assert fused.eligible.tolist() == scored.eligible.tolist()
    assert np.isnan(fused.scores[[1, 2]]).all()
    expected = (np.array(percentiles(scored.scores[[0, 3, 4]].tolist())) + np.array([1, 3, 5]) / 6) / 2
    np.testing.assert_allclose(fused.scores[[0, 3, 4]], expected)
    assert sorted(fused.top_k(3).rows.tolist()) == [0, 3, 4]
    for ranking in (scored, fused):
        best = int(ranking.top_k(1).rows[0])
        assert f"best row {best} with {ranking.scores[best]:.6g}" in repr(ranking)


def test_rankings_that_cannot_be_fused_are_refused() -> None:
    one = zipfit.Ranking([1.0, 2.0], [5, 6])

    def message(*rankings: object, **options: object) -> str:
        with pytest.raises(ParameterError) as caught:
            zipfit.fuse(*rankings, **options)  # type: ignore[arg-type]
        return str(caught.value)

    assert message() == "fuse needs at least one ranking"
    assert message(one, [0.5, 0.5]) == "ranking 1 is a list; make one with zipfit.Ranking(scores)"
    too_many = "ranking 1 has 3 rows, ranking 0 has 2; fuse rankings of the same rows"
    assert message(one, zipfit.Ranking([1, 2, 3])) == too_many
    same = "fuse rankings of the same rows in the same order"
    sizes = zipfit.Ranking([1.0, 2.0], [5, 7])
    assert message(one, zipfit.Ranking([1, 2]), sizes) == f"rankings 0 and 2 are of rows with different sizes; {same}"
    texts = [zipfit.rank(source, ["target"]) for source in (["one", "two"], ["two", "one"])]
    assert message(*texts) == f"rankings 0 and 1 are of rows with different texts; {same}"
    fused = zipfit.fuse(texts[0], zipfit.Ranking([0.1, 0.2]))
    assert message(fused, texts[1]) == f"rankings 0 and 1 are of rows with different texts; {same}"
    assert message(one, one, weights=[1]) == "weights: 1 entries; expected one a ranking, 2"
    assert message(one, weights=["much"]) == "weights must be a number, got 'much'"
    assert message(one, one, weights=[1, -1]) == "weight 1 is -1; weights must be finite and at least 0"
    assert message(one, one, weights=[0, 0]) == "all weights are 0; expected at least one above 0"
    wanted = "weights must be a sequence of numbers, one a ranking, got"
    assert message(one, one, weights=1) == f"{wanted} 1"
    assert message(one, one, weights={1: 2, 3: 4}) == f"{wanted} {{1: 2, 3: 4}}"
    assert message(one, one, weights="12") == f"{wanted} '12'"
    assert message(one, one, weights=b"12") == f"{wanted} b'12'"
    assert message(one, one, weights=np.array(3)) == f"{wanted} array(3)"


def test_no_rows_fuse_to_no_rows() -> None:
    assert zipfit.fuse(zipfit.Ranking([]), zipfit.Ranking([])).scores.shape == (0,)
