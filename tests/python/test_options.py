"""Options of `zipfit select` that mean nothing, or do not go together: one sentence, before any file is read."""

from __future__ import annotations

from typing import Any

import pytest

from zipfit.errors import ParameterError
from zipfit.options import SelectOptions, check

CHOOSERS = "--top-k, --top-fraction, --threshold, --budget-bytes, --budget-tokens"
JOINTLY = "--cover chooses rows together and not by a score of each, so it does not go with"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, f"say how much to choose by exactly one of {CHOOSERS}; got none"),
        (
            {"budget_bytes": 1, "budget_tokens": 2},
            f"say how much to choose by exactly one of {CHOOSERS}; got --budget-bytes and --budget-tokens",
        ),
        ({"budget_bytes": 0}, "--budget-bytes must be at least 1, got 0"),
        ({"budget_tokens": 0, "token_field": "n"}, "--budget-tokens must be at least 1, got 0"),
        (
            {"cover": True},
            "say how much to choose by exactly one of --top-k, --budget-bytes, --budget-tokens; got none",
        ),
        ({"cover": True, "budget_bytes": 0}, "--budget-bytes must be at least 1, got 0"),
        (
            {"cover": True, "budget_bytes": 9, "beta": 0.0},
            "--beta must be a number above 0 (between 1e-9 and 1e15), got 0",
        ),
        (
            {"cover": True, "budget_bytes": 9, "beta": float("nan")},
            "--beta must be a number above 0 (between 1e-9 and 1e15), got NaN",
        ),
        (
            {"cover": True, "top_fraction": 0.5},
            f"{JOINTLY} --top-fraction; leave out --cover or --top-fraction",
        ),
        (
            {"cover": True, "top_k": 3, "metric": "ncd", "compressor": "gzip-9"},
            f"{JOINTLY} --metric and --compressor; leave out --cover or --metric and --compressor",
        ),
        ({"cover": True, "top_k": 3, "aggregate": "max"}, f"{JOINTLY} --aggregate; leave out --cover or --aggregate"),
        ({"cover": True, "threshold": 0.1}, f"{JOINTLY} --threshold; leave out --cover or --threshold"),
        ({"cover": True, "top_k": 3, "sample": 1.0}, f"{JOINTLY} --sample; leave out --cover or --sample"),
        ({"cover": True, "top_k": 3, "group": "g"}, f"{JOINTLY} --group; leave out --cover or --group"),
        ({"top_k": 3, "beta": 1.0}, "--beta has no effect without --cover; leave it out or give both"),
        ({"top_k": 3, "seed": 1}, "--seed has no effect without --sample; leave it out or give both"),
        (
            {"budget_bytes": 3, "sample": 1.0},
            "--sample goes with --top-k, the number of rows to draw; give that as the amount",
        ),
        ({"top_k": 3, "sample": 1.0, "group": "g"}, "--sample does not go with --group; leave one of them out"),
        (
            {"budget_bytes": 3, "group": "g"},
            "--group goes with --top-k, the number of rows of each group; give that as the amount",
        ),
        ({"top_k": 3, "sample": 0.0}, "--sample must be a finite number above 0, got 0"),
        ({"top_k": 3, "sample": float("nan")}, "--sample must be a finite number above 0, got NaN"),
        ({"top_fraction": 2.0}, "--top-fraction must be above 0 and at most 1, got 2"),
        ({"threshold": float("nan")}, "--threshold must be a finite number, got NaN"),
        ({"top_k": 0, "sample": 1.0}, "--top-k must be at least 1, got 0"),
        ({"top_k": 0, "group": "g"}, "--top-k must be at least 1, got 0"),
        (
            {"top_k": 3, "sample": 1.0, "seed": -1},
            "--seed must be a whole number from 0 to 18446744073709551615, got -1",
        ),
        (
            {"budget_tokens": 5},
            "--budget-tokens needs --token-field, the integer field that holds the tokens of each row, or --tokenizer, "
            "which counts them",
        ),
        (
            {"budget_tokens": 5, "token_field": "n", "tokenizer": "t.json"},
            "--token-field does not go with --tokenizer; leave one of them out",
        ),
        (
            {"top_k": 1, "tokenizer": "t.json"},
            "--tokenizer has no effect without --budget-tokens; leave it out or give both",
        ),
        (
            {"top_k": 1, "token_field": "n"},
            "--token-field has no effect without --budget-tokens; leave it out or give both",
        ),
        (
            {"top_k": 1, "exclude_text": "t"},
            "--exclude-text has no effect without --exclude; leave it out or give both",
        ),
        (
            {"top_k": 1, "exclude_overlap": "8-gram"},
            "--exclude-overlap has no effect without --exclude; leave it out or give both",
        ),
        (
            {"top_k": 1, "exclude": ("e",), "exclude_overlap": "8-word"},
            'overlap "8-word" is not known; use N-gram (words) or M-byte with 1 to 1000, as in 13-gram',
        ),
        ({"top_k": 1, "dedup": 0.0}, "--dedup is 0; give 1 for equal texts, or a similarity between 0 and 1"),
        ({"top_k": 1, "dedup": 1.5}, "--dedup is 1.5; give 1 for equal texts, or a similarity between 0 and 1"),
        (
            {"top_k": 1, "dedup": float("nan")},
            "--dedup is nan; give 1 for equal texts, or a similarity between 0 and 1",
        ),
        ({"top_k": 1, "threads": 0}, "--threads must be at least 1, got 0"),
        ({"top_k": 1, "max_bytes": -2}, "--max-bytes is -2; sizes are 0 bytes or more"),
    ],
)
def test_what_means_nothing_is_told_in_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check(SelectOptions(source=("missing",), target=("missing",), output="missing", **options))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "options",
    [
        {"cover": True, "top_k": 3, "beta": 0.5},
        {"cover": True, "budget_tokens": 3, "token_field": "n", "min_bytes": 5},
        {"top_k": 3, "sample": 0.5, "seed": 3, "metric": "gain"},
        {"top_k": 3, "group": "g"},
        {"top_k": 3, "dedup": 1.0, "exclude": ("e",)},
        {"cover": True, "top_k": 3, "dedup": 0.5, "exclude": ("e",), "exclude_text": "t", "exclude_overlap": "9-byte"},
        {"budget_tokens": 3, "tokenizer": "missing.json"},
    ],
)
def test_what_goes_together_passes(options: dict[str, Any]) -> None:
    check(SelectOptions(source=("missing",), target=("missing",), output="missing", **options))
