"""What ``python -m benches.quality`` makes of its results: headlines that are told must follow from them."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "benches" / "quality" / "results.py"


@pytest.fixture(scope="module")
def results() -> Any:
    spec = importlib.util.spec_from_file_location("bench_quality_results", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def result(way: str, steps: int, bits: float, *, seed: int = 0, **more: Any) -> dict[str, Any]:
    known = {"judge": "pretrained", "task": "T", "budget": f"{steps * 1024:,} tokens", "way": way, "seed": seed}
    return known | {"steps": steps, "bits per byte": bits} | more


FOUND = [
    {"judge": "pretrained", "task": "T", "budget": "8,192 tokens", "way": "untrained", "seed": 0}
    | {"bits per byte": 2.0, "few rows": 1.9},
    result("random", 8, 1.5, curve={"4": 1.6, "8": 1.4}),
    result("random", 8, 1.7, seed=1, curve={"4": 1.8, "8": 1.6}),
    result("random", 4, 1.9),
    result("random", 16, 1.3),
    result("cover", 8, 1.2, curve={"4": 1.5, "8": 1.1}),
    result("cover", 4, 1.6),
    result("gain", 8, 1.8, curve={"4": 1.7, "8": 1.55}),
    result("worse", 8, 2.1, curve={"4": 1.9, "8": 1.95}),
    result("passing", 8, 2.1, curve={"4": 1.55, "8": 1.95}),
    # An older run of another length, with a curve: it is in no curve of runs of 8 steps.
    result("cover", 16, 1.0, curve={"4": 0.1, "16": 0.1}),
]


def test_the_shortest_run_as_good_as_a_long_one_of_the_goal_is_told(results: Any) -> None:
    table = results.runs_needed(FOUND, ("random", "cover", "gain", "absent"), ("random", "worse"), 8)
    assert table.splitlines() == [
        "| a run as good as | random after 8, T: 1.600 | random after 16, T: 1.300 |",
        "| --- | --- | --- |",
        "| random | 8 | 16 |",
        "| cover | 4 | 8 |",
        "| gain | not in 8 | not in 8 |",
    ]


def test_the_first_step_as_low_as_the_lowest_of_the_goal_is_told(results: Any) -> None:
    table = results.steps_needed(FOUND, ("random", "cover", "gain"), ("random", "worse"), 8)
    assert table.splitlines() == [
        "| steps to the lowest of | random, T: 1.500 |",
        "| --- | --- |",
        "| random | 8 of 8 |",
        "| cover | 4 of 8 |",
        "| gain | not in 8 |",
    ]


def test_a_goal_whose_lowest_point_is_not_its_end_is_a_goal(results: Any) -> None:
    table = results.steps_needed(FOUND, ("cover", "passing"), ("worse", "passing"), 8)
    assert table.splitlines() == [
        "| steps to the lowest of | passing, T: 1.550 |",
        "| --- | --- |",
        "| cover | 4 of 8 |",
        "| passing | 4 of 8 |",
    ]


def test_without_a_goal_nothing_is_told(results: Any) -> None:
    assert results.runs_needed(FOUND, ("cover",), ("worse", "absent"), 8) == ""
    assert results.steps_needed(FOUND, ("cover",), ("worse", "absent"), 8) == ""


def test_budgets_are_told_from_the_smallest(results: Any) -> None:
    table = results.tables(FOUND, "pretrained", ("untrained", "random", "cover"))
    heads = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| bits")]
    assert heads == [f"| bits per byte, {steps * 1024:,} tokens" for steps in (4, 8, 16)]
    assert "| random | 1.600 ± 0.100 |" in table


def test_a_model_at_another_learning_rate_is_another_judge(results: Any) -> None:
    other = [entry | {"judge": "pretrained, learning rate 0.0002", "bits": [8.0]} for entry in FOUND[:1]]
    found = results.judged([*other, *(entry | {"bits": [16.0]} for entry in FOUND[:1])], {"T": [8]})
    assert [(entry["bits per byte"], entry["bits"]) for entry in found] == [(1.0, [8.0]), (2.0, [16.0])]
    tables = [results.tables(found, entry["judge"], ("untrained",)) for entry in found]
    assert ["1.000" in table for table in tables] == [True, False]


def test_later_results_replace_those_of_a_record_of_the_same_texts(results: Any, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"made of": {"rows": 3}, "results": [result("gain", 4, 1.9)]}), "utf-8")
    earlier = results.of_record(record, {"rows": 3})
    later = [result("gain", 4, 1.7), result("gain", 8, 1.8)]
    assert results.merged(earlier, later) == later
    with pytest.raises(SystemExit, match="is of another source, tasks, kinds or rows"):
        results.of_record(record, {"rows": 4})


def test_a_record_to_which_a_report_was_appended_is_read_to_its_end(results: Any, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    first, second = [result("gain", 4, 1.9), result("cover", 4, 1.6)], [result("gain", 4, 1.7)]
    reports = [json.dumps({"made of": {"rows": 3}, "results": found}, indent=2) + "\n" for found in (first, second)]
    record.write_text("".join(reports), "utf-8")
    assert results.of_record(record, {"rows": 3}) == [second[0], first[1]]
