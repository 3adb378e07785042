"""What ``python -m benches.quality`` makes of its results, and what it says of input that it cannot use."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import zipfit

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


ROOT = Path(__file__).parents[2]

LONG = "a text of the task with words enough that rows of the pool may hold some of them"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path)
    write("pool.jsonl", [f"row {number} of the pool, which is about nothing" for number in range(30)], kind="k")
    write("target.jsonl", ["an example of the task"])
    write("test.jsonl", [LONG])
    return made


class Bench:
    """The benchmark in a folder of its own, which is the current one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def module(name: str) -> Any:
        return importlib.import_module(f"benches.quality.{name}")

    def run(self, *more: str, target: str = "target.jsonl", kinds: tuple[str, ...] = ()) -> None:
        words = ["--directory", "work", "--source", "pool.jsonl", "--task", "T", target, "test.jsonl", "--judge"]
        words += ["ngram", "--way", "shortest", "--budget-bytes", "200", "--rows", "0", "--kind", *kinds, *more]
        self.module("__main__").main(words)

    def refused(self, *more: str, kinds: tuple[str, ...] = ()) -> str:
        """What is said of a run that must end before anything is written."""
        with pytest.raises(SystemExit) as stopped:
            self.run(*more, kinds=kinds)
        assert not (self.folder / "work").exists()
        return str(stopped.value.code)


def write(name: str, texts: list[str], **more: str) -> None:
    Path(name).write_text("".join(json.dumps({"text": text} | more) + "\n" for text in texts), "utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--source", "absent.jsonl"], "--source absent.jsonl: no such file"),
        (["--task", "U", "absent.jsonl", "test.jsonl"], "--task absent.jsonl: no such file"),
        (
            ["--task", "../../out", "target.jsonl", "test.jsonl"],
            "--task ../../out: a task's name is that of its",
        ),
        (["--task", "T", "target.jsonl", "test.jsonl"], "--task T: two tasks have this name"),
        (["--rows", "-5"], "argument --rows: -5 is no whole number, 0 or above"),
        (["--threads", "0"], "argument --threads: 0 is no whole number above 0"),
        (["--pretrained-seeds", "0"], "argument --pretrained-seeds: 0 is no whole number above 0"),
        (["--learning-rate", "nan"], "argument --learning-rate: nan is no number above 0"),
        (["--learning-rate", "inf"], "argument --learning-rate: inf is no number above 0"),
        (["--learning-rate", "0"], "argument --learning-rate: 0 is no number above 0"),
        (["--record", "."], "--record .: a folder; name a file"),
        (["--tables", "."], "--tables .: a folder; name a file"),
        (["--plot", "."], "--plot .: a folder; name a file"),
    ],
)
def test_an_option_that_cannot_be_meant_is_told_before_the_work(
    bench: Bench, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert bench.refused(*words) == "2"
    usage, error = capsys.readouterr().err.splitlines()
    assert usage == "usage: python -m benches.quality [options]"
    assert error.startswith(f"python -m benches.quality: error: {said}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no JSON", "target.jsonl:2: invalid JSON: "),
        ('{"text": 3}', "target.jsonl:2: no field text with a string; "),
        ('["text"]', "target.jsonl:2: no field text with a string; "),
        (r'{"text": "\ud800"}', "target.jsonl:2: a lone surrogate"),
    ],
)
def test_a_row_without_a_text_is_told_with_its_line(bench: Bench, line: str, said: str) -> None:
    with Path("target.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    assert bench.refused().startswith(said)


def test_a_pool_too_small_is_told_before_anything_is_written(bench: Bench) -> None:
    assert bench.refused("--rows", "31") == "--rows 31: pool.jsonl has 30 for the pool; write --rows 0 for all of them"
    said = bench.refused(kinds=("k",))
    assert said.startswith("--kind k: a task needs 400 different rows, pool.jsonl has 30; ")
    write("pool.jsonl", [LONG])
    assert bench.refused().startswith("pool.jsonl: no row is left for the pool, ")
    write("test.jsonl", [])
    assert bench.refused().startswith("test.jsonl: no row with a text that is not empty; ")


def test_without_a_task_there_is_nothing_to_judge_by(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    # contaminated was asked about no texts at all: "against has 0 rows".
    with pytest.raises(SystemExit):
        bench.module("__main__").main(["--directory", "work", "--source", "pool.jsonl", "--kind"])
    assert "error: no task: name files by --task, or kinds of the source by --kind" in capsys.readouterr().err
    assert not Path("work").exists()


def test_test_rows_too_short_for_an_overlap_are_judged_by(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    # The same words, "against has 0 rows", for a task each of whose test rows has fewer than 13 words.
    write("test.jsonl", ["a text of the task"])
    bench.run()
    said = capsys.readouterr()
    assert "30 rows in the pool; 0 hold 13 words in a row of a test row" in said.err
    assert "| shortest | " in said.out


@pytest.mark.parametrize("text", ["", "garbage", "[1, 2]", '{"made of": 1, "results": [{"judge": "ngram"}]}', "\\xff"])
def test_a_record_of_something_else_is_refused_before_the_work(bench: Bench, text: str) -> None:
    Path("record.json").write_bytes(b"\xff" if text == "\\xff" else text.encode())
    said = bench.refused("--earlier", "record.json")
    assert said.startswith("record.json is no record")
    assert said.endswith("name a file that --record of this benchmark has written")


def test_a_package_that_is_missing_is_told_before_the_pool_is_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bench.module("needs").OF_METHODS, "bm25", ("no_such_module",))
    assert bench.refused("--way", "BM25").startswith('not installed: no_such_module, for "BM25"; ')


@pytest.mark.parametrize("line", ["{", "[1]", '{"judge": "ngram"}', "\\xff"])
def test_a_damaged_line_of_the_results_is_told_with_its_place(results: Any, tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    results.Store(path).add(FOUND[0] | {"bits": [1.0]})
    with path.open("ab") as file:
        file.write((b"\xff" if line == "\\xff" else line.encode()) + b"\n")
    with pytest.raises(SystemExit, match=r"results\.jsonl:2: .*; delete the line, and "):
        results.Store(path)


@pytest.fixture
def chosen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Choose by a way: a second for each process, and 100 for each file that it embeds."""
    embed, selections, tasks = map(bench.module, ("embed", "selections", "tasks"))
    clock = itertools.count(0, 100)
    monkeypatch.setattr(embed, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(embed, "_embed", lambda texts, _: np.eye(len(texts), 40, dtype=np.float32) + 1)
    monkeypatch.setattr(embed, "peak_megabytes", lambda: 900)

    def timed(command: list[str]) -> Any:
        before = len(list(Path("work/embeddings").glob("*.npy")))
        with warnings.catch_warnings():
            bench.module("choose").main(command[3:])
        made = len(list(Path("work/embeddings").glob("*.npy"))) - before
        return SimpleNamespace(seconds=1 + 100 * made, peak_megabytes=900 if made else 50)

    monkeypatch.setattr(selections.report, "timed", timed)
    task = tasks.Task(Path("work/tasks/T"))
    task.directory.mkdir(parents=True)
    Path("target.jsonl").rename(task.target_path)
    pool = Path("pool.jsonl")

    def choose(name: str) -> Any:
        way = next(way for way in selections.WAYS if way.name == name)
        kept = selections.Selections(pool, tasks.read(pool), Path("work"), 1)
        return kept.chosen(way, task, selections.Budget(200, "bytes"))

    return choose


def test_every_way_with_embeddings_is_told_with_the_making_of_them(chosen: Callable[[str], Any]) -> None:
    took = {
        name: tuple(chosen(name).cost.values())
        for name in ("gain and embeddings, mean", "embeddings, mean", "embeddings, nearest", "gain")
    }
    assert took == {
        "gain and embeddings, mean": (202, 900),
        "embeddings, mean": (201, 900),
        "embeddings, nearest": (201, 900),
        "gain": (1, 50),
    }
    # What two ways have in common was made once.
    names = {path.name for path in Path("work/tasks/T/chosen").glob("*.npy")}
    assert names == {"gain_seed_0.npy", "embeddings-mean_seed_0.npy", "embeddings-nearest_seed_0.npy"}


def test_embeddings_of_which_nobody_measured_the_making_cost_nothing_more(chosen: Callable[[str], Any]) -> None:
    chosen("embeddings, mean")
    for cost in Path("work/embeddings").glob("*.json"):
        cost.unlink()
    assert chosen("embeddings, nearest").cost["choosing seconds"] == 1


def test_a_selection_of_another_version_is_refused(chosen: Callable[[str], Any]) -> None:
    rows = chosen("gain").rows.tolist()
    cost = Path("work/tasks/T/chosen/gain_seed_0.json")
    written = json.loads(cost.read_text("utf-8"))
    assert written.pop("zipfit") == zipfit.__version__
    cost.write_text(json.dumps(written), "utf-8")
    assert chosen("gain").rows.tolist() == rows, "one without a version is taken as it is"
    cost.write_text(json.dumps(written | {"zipfit": "0.0.1"}), "utf-8")
    with pytest.raises(
        SystemExit, match=r"gain_seed_0\.npy was made by zipfit 0\.0\.1, .*; delete it, and it is made again"
    ):
        chosen("gain")
    cost.with_suffix(".npy").unlink()
    assert chosen("gain").rows.tolist() == rows


def test_a_selection_that_was_cut_off_is_named(chosen: Callable[[str], Any]) -> None:
    rows = chosen("gain").rows.tolist()
    path = Path("work/tasks/T/chosen/gain_seed_0.npy")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(SystemExit, match=r"gain_seed_0\.npy is damaged .*; delete it, and it is made again"):
        chosen("gain")
    path.unlink()
    assert chosen("gain").rows.tolist() == rows


def test_every_option_has_a_help_and_the_command_its_name(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        bench.module("__main__").main(["--help"])
    said = capsys.readouterr().out
    assert said.startswith("usage: python -m benches.quality ")
    # An option without a help stands alone, and the next option below it.
    lines = said.splitlines()
    bare = [line for line, below in itertools.pairwise(lines) if re.match("  --", line) and "   " not in line.strip()]
    alone = [line for line in bare if not lines[lines.index(line) + 1].startswith(" " * 10)]
    assert alone == []
