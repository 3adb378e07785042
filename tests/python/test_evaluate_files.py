"""``zipfit evaluate``: the same as `zipfit.evaluate`, from what ``zipfit select`` wrote."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from helpers_files import write_texts, zipfit_cli

import zipfit

if TYPE_CHECKING:
    from pathlib import Path

TARGET = ["def add(a, b): return a + b", "def mul(a, b): return a * b"]
HELD_OUT = ["def sub(a, b): return a - b", *(f"def neg{i}(a): return -a * {i}" for i in range(9))]
SOURCE = [f"def f{i}(a, b): return a * {i} + b" if i % 3 == 0 else f"On day {i} it rained at sea." for i in range(60)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_texts(tmp_path / "source.jsonl", SOURCE)
    write_texts(tmp_path / "target.jsonl", TARGET)
    write_texts(tmp_path / "held_out.jsonl", HELD_OUT)
    return tmp_path


def select(directory: Path, *arguments: str, source: tuple[str, ...] = ("source.jsonl",)) -> None:
    target = [] if "--scores" in arguments else ["--target", "target.jsonl"]
    run = zipfit_cli("select", *source, *target, "-o", "out", *arguments, cwd=directory)
    assert run.returncode == 0, run.stderr


def evaluated(directory: Path, *arguments: str) -> dict[str, Any]:
    run = zipfit_cli("evaluate", "out", "--held-out", "held_out.jsonl", "--json", *arguments, cwd=directory)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


def in_memory(directory: Path, source: list[str], **options: Any) -> dict[str, Any]:
    """What `zipfit.evaluate` says of the same rows."""
    lines = (directory / "out" / "selection.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line)["row"] for line in lines]
    result = zipfit.evaluate(source, rows, HELD_OUT, **options)
    return dict(json.loads(json.dumps(result.to_dict())))


def refused(directory: Path, *arguments: str, status: int = 2) -> str:
    run = zipfit_cli("evaluate", *arguments, cwd=directory)
    assert run.returncode == status, run.stderr
    assert not run.stdout
    return run.stderr.removeprefix("zipfit: ").rstrip()


def test_the_command_says_what_the_function_says(files: Path) -> None:
    select(files, "--top-k", "6")
    assert evaluated(files) == in_memory(files, SOURCE)
    assert evaluated(files, "--seeds", "3", "--seed", "5", "--threads", "1") == in_memory(
        files, SOURCE, seeds=3, seed=5
    )


def test_the_verdict_is_printed(files: Path) -> None:
    select(files, "--top-k", "6")
    run = zipfit_cli("evaluate", "out", "--held-out", "held_out.jsonl", "--progress", "none", cwd=files)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[-1] == f"the selection is {evaluated(files)['verdict']}, judged by 10 held-out rows"


def test_choices_by_earlier_scores_and_of_several_compressed_files_are_judged(files: Path) -> None:
    for name, part in (("a", SOURCE[:25]), ("b", SOURCE[25:])):
        write_texts(files / "part.jsonl", part)
        (files / f"{name}.jsonl.gz").write_bytes(gzip.compress((files / "part.jsonl").read_bytes()))
    run = zipfit_cli("score", "a.jsonl.gz", "b.jsonl.gz", "--target", "target.jsonl", "-o", "scores", cwd=files)
    assert run.returncode == 0, run.stderr
    select(files, "--scores", "scores", "--top-k", "5", source=())
    assert evaluated(files) == in_memory(files, SOURCE)
    assert refused(files, "scores", "--held-out", "held_out.jsonl") == (
        "scores: scores are here, but no rows were chosen; choose some by zipfit select --scores"
    )


def test_parquet_sources_are_judged(files: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": SOURCE}), files / "source.parquet", row_group_size=7)
    select(files, "--top-k", "5", source=("source.parquet",))
    assert evaluated(files) == in_memory(files, SOURCE)


def test_joint_selection_is_judged_with_a_note(files: Path) -> None:
    select(files, "--cover", "--top-k", "5")
    found = evaluated(files)
    assert found["notes"] == [
        "the rows were chosen by cover, and a model that counts n-grams flatters those: docs/quality.md"
    ]
    assert found | {"notes": []} == in_memory(files, SOURCE)


@pytest.mark.parametrize("way", [("--top-k", "5"), ("--cover", "--top-k", "5")])
def test_rows_that_the_run_left_out_are_in_no_comparison(files: Path, way: tuple[str, ...]) -> None:
    exclude = "eleven words in a row that are not to be met here again"
    source = [*SOURCE, SOURCE[3], "x", "y" * 500, f"And {exclude}, at all."]
    write_texts(files / "source.jsonl", source)
    (files / "source.jsonl").write_bytes(b'{"text": 1}\n' + (files / "source.jsonl").read_bytes())
    write_texts(files / "exclude.jsonl", [exclude])
    select(
        files, *way, "--exclude", "exclude.jsonl", "--dedup", "1", "--min-bytes", "2", "--max-bytes", "400",
        "--on-bad-row", "skip",
    )  # fmt: skip
    found = evaluated(files)
    assert found["pool_rows"] == len(SOURCE)
    assert found["pool_bytes"] == sum(len(text) for text in SOURCE)
    where = [False, *[True] * len(SOURCE), *[False] * 4]
    assert found | {"notes": []} == in_memory(files, ["", *source], where=where)


def test_held_out_rows_that_were_targets_are_told(files: Path) -> None:
    write_texts(files / "held_out.jsonl", [*HELD_OUT, TARGET[1]])
    select(files, "--top-k", "5")
    assert evaluated(files)["notes"] == [
        "held-out rows that equal target rows or are within one, by which the selection was made: 1; they may make the "
        "verdict an illusion, hold others out"
    ]
    (files / "target.jsonl").unlink()
    assert evaluated(files)["notes"] == [
        "the targets of the run are not there as they were, so held-out rows were not looked for among them"
    ]


def test_texts_of_held_out_rows_are_those_of_the_targets_unless_named(files: Path) -> None:
    rows = "".join(json.dumps({"code": text}) + "\n" for text in HELD_OUT)
    (files / "held_out.jsonl").write_text(rows, "utf-8")
    select(files, "--top-k", "5")
    assert refused(files, "out", "--held-out", "held_out.jsonl").startswith("held_out.jsonl:1 (byte 0): no field ")
    assert evaluated(files, "--held-out-text", "code") == in_memory(files, SOURCE)


def test_a_changed_source_is_refused(files: Path) -> None:
    select(files, "--top-k", "5")
    path = files / "source.jsonl"
    os.utime(path, ns=(1, 1))
    assert refused(files, "out", "--held-out", "held_out.jsonl") == (
        "source.jsonl: the file changed since it was scored; select again, or use --verify if only its time is another"
    )
    assert evaluated(files, "--verify")["pool_rows"] == len(SOURCE)
    path.write_bytes(path.read_bytes().replace(b"rained", b"snowed"))
    os.utime(path, ns=(1, 1))
    assert refused(files, "out", "--held-out", "held_out.jsonl", "--verify") == (
        "source.jsonl: the file changed since it was scored; select again"
    )


def test_directories_that_hold_no_selection_are_refused(files: Path) -> None:
    wanted = ("--held-out", "held_out.jsonl")
    (files / "empty").mkdir()
    assert refused(files, "empty", *wanted) == (
        "empty: no finished run is here (there is no manifest.json); name the directory that zipfit select wrote"
    )
    (files / "empty" / "manifest.json").write_text("[]", "utf-8")
    assert refused(files, "empty", *wanted).startswith("empty/manifest.json: not a manifest of zipfit (")
    select(files, "--top-k", "5", "--shard", "1/2")
    assert refused(files, "out", *wanted) == "out: shard 1/2 is here; put all shards together by zipfit merge"
    zipfit.rank(SOURCE, TARGET).top_k(3).write(files / "python", SOURCE)
    in_python = (
        "python: these rows were written from Python, which does not record by what targets they were chosen; go on "
        "there, with zipfit.evaluate or Scorer.explain"
    )
    assert refused(files, "python", *wanted) == in_python
    zipfit.rank(files / "source.jsonl", TARGET).top_k(3).write(files / "of_a_file", files / "source.jsonl")
    assert refused(files, "of_a_file", *wanted) == in_python.replace("python:", "of_a_file:")
    assert refused(files, "source.jsonl", *wanted) == (
        "source.jsonl: no finished run is here (there is no manifest.json); name the directory that zipfit select wrote"
    )


def test_files_of_a_run_that_was_started_in_another_folder_are_not_found_and_why(files: Path) -> None:
    select(files, "--top-k", "5")
    (files / "other").mkdir()
    source = (
        "source.jsonl: no such file or directory; the run in ../out read it by this name; put it back, or go on in the "
        "folder where that run was started"
    )
    assert refused(files / "other", "../out", "--held-out", "../held_out.jsonl") == source
    for command in (
        ("explain", "../out", "--rank", "0"),
        ("select", "--scores", "../out", "--top-k", "1", "-o", "new"),
    ):
        run = zipfit_cli(*command, cwd=files / "other")
        wanted = source.replace("source", "target") if command[0] == "explain" else source
        assert (run.returncode, run.stderr) == (2, f"zipfit: {wanted}\n")
    assert not (files / "other" / "new").exists()
    # Of a name that is whole the folder is not what is wrong.
    select(files, "--top-k", "1", "-o", "whole", source=(str(files / "source.jsonl"),))
    (files / "source.jsonl").unlink()
    assert refused(files, "whole", "--held-out", "held_out.jsonl") == (
        f"{files / 'source.jsonl'}: no such file or directory"
    )


def test_a_changed_list_of_rows_is_refused(files: Path) -> None:
    select(files, "--top-k", "5")
    with (files / "out" / "selection.jsonl").open("a") as file:
        file.write('{"row": 0}\n')
    assert refused(files, "out", "--held-out", "held_out.jsonl") == (
        "out/selection.jsonl: not the file that its manifest describes: it was changed or damaged; select again"
    )


def test_changed_texts_of_the_rows_are_refused(files: Path) -> None:
    select(files, "--top-k", "5")
    path = files / "out" / "selected.jsonl"
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])
    assert refused(files, "out", "--held-out", "held_out.jsonl") == (
        "out/selected.jsonl: not the file that its manifest describes: it was changed or damaged; select again"
    )


def test_copies_that_joint_selection_left_out_are_drawn_by_neither_way(files: Path) -> None:
    source = [*SOURCE, SOURCE[4], SOURCE[4], TARGET[0]]
    write_texts(files / "source.jsonl", source)
    select(files, "--cover", "--top-k", "5")
    found = evaluated(files)
    assert found["pool_rows"] == len(SOURCE)
    chosen = zipfit.cover(source, TARGET, top_k=5)
    result = zipfit.evaluate(source, chosen, HELD_OUT, target=TARGET)
    assert json.loads(json.dumps(result.to_dict())) == found


def test_rows_by_standard_input_cannot_be_compared(files: Path) -> None:
    select(files, "--top-k", "5")
    manifest = files / "out" / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"source.jsonl"', '"-"'), "utf-8")
    assert refused(files, "out", "--held-out", "held_out.jsonl") == (
        "out: the rows that were chosen from came by standard input and are gone; save them to a file and select from "
        "that"
    )


def test_what_to_judge_by_must_be_there(files: Path) -> None:
    select(files, "--top-k", "5")
    assert refused(files, "out", "--held-out", "nowhere.jsonl").startswith("nowhere.jsonl: no such file")
    (files / "nothing.jsonl").write_bytes(b"")
    assert refused(files, "out", "--held-out", "nothing.jsonl") == (
        "nothing.jsonl: held_out has 0 rows; there is nothing to judge by"
    )
    write_texts(files / "empty.jsonl", ["", ""])
    assert refused(files, "out", "--held-out", "empty.jsonl") == (
        "empty.jsonl: held_out has no bytes of text; there is nothing to judge by"
    )
    run = zipfit_cli("evaluate", "out", "--held-out", "-", cwd=files, stdin=b'{"text": ""}\n')
    assert run.stderr == "zipfit: <stdin>: held_out has no bytes of text; there is nothing to judge by\n"
    assert "seeds must be at least 2, got 1" in refused(files, "out", "--held-out", "held_out.jsonl", "--seeds", "1")
