"""`zipfit select --cover`, `--sample` and `--group`: the same rows as the Python functions, and what is recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from helpers_files import (
    COVER_NAMES,
    OUTPUT_NAMES,
    SOURCE_TEXTS,
    TARGET_TEXTS,
    lines_of,
    read_rows,
    write_texts,
    zipfit_cli,
)

import zipfit

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [*SOURCE_TEXTS, TARGET_TEXTS[1], SOURCE_TEXTS[1], "return a", "a + b and a * b"]

COPY_OF_TARGET, DUPLICATE = 6, 7

GROUPS = ["en", "code", "sql", "code", "en", "code", "code", "code", "en", "sql"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pool.jsonl (one row equal to a target, one to an earlier row) and target.jsonl."""
    rows = ({"text": text, "tokens": len(text.split()), "lang": lang} for text, lang in zip(TEXTS, GROUPS, strict=True))
    (tmp_path / "pool.jsonl").write_bytes(lines_of(rows))
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    return tmp_path


def select(folder: Path, *arguments: str, output: str = "out") -> str:
    """Run `zipfit select` in the folder, which must succeed, and return what it says."""
    done = zipfit_cli("select", "pool.jsonl", "--target", "target.jsonl", "-o", output, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))
    return content


TOKENS = [len(text.split()) for text in TEXTS]


@pytest.mark.filterwarnings("ignore:nothing is left to gain")
@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--budget-bytes", "60"], {"budget_bytes": 60}),
        (["--top-k", "3"], {"top_k": 3}),
        (["--top-k", "3", "--beta", "0.5"], {"top_k": 3, "beta": 0.5}),
        (["--budget-tokens", "14", "--token-field", "tokens"], {"budget_tokens": 14, "tokens": TOKENS}),
        (["--budget-bytes", "40", "--max-bytes", "26"], {"budget_bytes": 40, "where": [len(t) <= 26 for t in TEXTS]}),
    ],
)
def test_cover_chooses_what_the_function_of_its_name_does(folder: Path, arguments: list[str], options: Any) -> None:
    select(folder, "--cover", *arguments)
    expected = zipfit.cover(TEXTS, TARGET_TEXTS, **options)
    assert len(expected) > 1
    columns = zip(expected.rows.tolist(), expected.scores.tolist(), expected.coverage.tolist(), strict=True)
    assert [
        (line["row"], line["score"], line["coverage"]) for line in read_rows(folder / "out" / "selection.jsonl")
    ] == [*columns]
    assert [row["text"] for row in read_rows(folder / "out" / "selected.jsonl")] == [TEXTS[i] for i in expected.rows]
    assert manifest_of(folder)["parameters"]["beta"] == expected.provenance["beta"]


def test_cover_lists_the_copies_that_it_left_out(folder: Path) -> None:
    said = select(folder, "--cover", "--budget-bytes", "60", "--min-bytes", "9")
    assert {path.name for path in (folder / "out").iterdir()} == COVER_NAMES | {"left_out.jsonl"}
    assert read_rows(folder / "out" / "left_out.jsonl") == [
        {"row": 6, "file": "pool.jsonl", "line": 7, "reason": "copy_of_target", "target_row": 1},
        {"row": 7, "file": "pool.jsonl", "line": 8, "reason": "duplicate", "of_row": 1},
    ]
    manifest = manifest_of(folder)
    selected = len(read_rows(folder / "out" / "selection.jsonl"))
    assert manifest["counts"] == {
        "read": 10,
        "considered": 7,
        "rejected": 0,
        "below_min_bytes": 1,
        "above_max_bytes": 0,
        "copies_of_target": 1,
        "duplicates": 1,
        "selected": selected,
    }
    assert manifest["library"] is None
    assert [file["name"] for file in manifest["outputs"]] == ["selected.jsonl", "selection.jsonl", "left_out.jsonl"]
    read, *left_out, chose, _ = said.splitlines()
    assert read.startswith("read 10 rows and looked for what covers 2 rows of the target in ")
    assert left_out == [
        "left out 1 row by size",
        "left out 1 row as copies of a target",
        "left out 1 row as repeats of an earlier row",
    ]
    covered = read_rows(folder / "out" / "selection.jsonl")[-1]["coverage"]
    assert chose.startswith(f"chose {selected} rows, ")
    assert chose.endswith(f", coverage {covered:.3f} at beta 1.091"), chose


def test_cover_says_when_nothing_is_left_to_gain(folder: Path) -> None:
    said = select(folder, "--cover", "--budget-bytes", "100000")
    assert said.startswith("zipfit: warning: nothing is left to gain: all ")
    said = select(folder, "--cover", "--budget-bytes", "1", output="none")
    note = "no row that shares anything with the target fits the budget; nothing is selected"
    assert said.splitlines()[0] == f"zipfit: warning: {note}"
    assert (folder / "none" / "selected.jsonl").read_bytes() == b""


def test_cover_gives_the_same_bytes_on_any_number_of_threads(
    folder: Path, functions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(folder / "pool.jsonl", functions)
    runs = []
    for threads in ("1", "2"):
        # Sets come in another order.
        monkeypatch.setenv("PYTHONHASHSEED", threads)
        select(folder, "--cover", "--budget-bytes", "9000", "--threads", threads, output=f"out{threads}")
        files = (folder / f"out{threads}").iterdir()
        runs.append({path.name: path.read_bytes() for path in files if path.name != "run.json"})
    assert runs[0] == runs[1]


def test_a_list_of_an_earlier_run_does_not_stay(folder: Path) -> None:
    select(folder, "--cover", "--top-k", "2")
    select(folder, "--top-k", "2", "--overwrite")
    assert {path.name for path in (folder / "out").iterdir()} == OUTPUT_NAMES


def test_json_tells_beta_and_what_is_covered(folder: Path) -> None:
    arguments = ("--target", "target.jsonl", "-o", "out", "--cover", "--top-k", "2", "--beta", "2", "--json")
    summary = json.loads(zipfit_cli("select", "pool.jsonl", *arguments, cwd=folder).stdout)
    assert summary["beta"] == 2
    assert summary["covered"] == zipfit.cover(TEXTS, TARGET_TEXTS, top_k=2, beta=2).coverage[-1]
    assert summary["files"] == ["left_out.jsonl", "selected.jsonl", "selection.jsonl", "run.json", "manifest.json"]


def test_a_cover_from_memory_is_written_with_its_coverage(tmp_path: Path) -> None:
    cover = zipfit.cover(TEXTS, TARGET_TEXTS, top_k=3)
    cover.write(tmp_path / "out", TEXTS)
    assert [line["coverage"] for line in read_rows(tmp_path / "out" / "selection.jsonl")] == cover.coverage.tolist()
    assert read_rows(tmp_path / "out" / "left_out.jsonl") == [
        {"row": 6, "file": None, "line": None, "reason": "copy_of_target", "target_row": 1},
        {"row": 7, "file": None, "line": None, "reason": "duplicate", "of_row": 1},
    ]
    names = [file["name"] for file in manifest_of(tmp_path)["outputs"]]
    assert names == ["selected.jsonl", "selection.jsonl", "left_out.jsonl"]


@pytest.mark.parametrize("from_memory", [False, True])
def test_a_cover_is_written_with_the_files_and_counts_of_the_command_line(folder: Path, from_memory: bool) -> None:
    select(folder, "--cover", "--top-k", "3", output="there")
    pool = folder / "pool.jsonl"
    cover = zipfit.cover(TEXTS if from_memory else pool, TARGET_TEXTS, top_k=3)
    cover.write(folder / "out", TEXTS if from_memory else pool)
    assert {path.name for path in (folder / "out").iterdir()} == {path.name for path in (folder / "there").iterdir()}
    there = json.loads((folder / "there" / "manifest.json").read_text(encoding="utf-8"))["counts"]
    no_filters = {there.pop("below_min_bytes"), there.pop("above_max_bytes")}
    assert (no_filters, manifest_of(folder)["counts"]) == ({0}, {**there, "left_out_by_where": 0})
    place = {"file": None, "line": None} if from_memory else {"file": str(pool)}
    listed = read_rows(folder / "there" / "left_out.jsonl")
    assert read_rows(folder / "out" / "left_out.jsonl") == [line | place for line in listed]


def test_rows_that_where_leaves_out_are_counted_and_not_listed(tmp_path: Path) -> None:
    where = [row not in (0, COPY_OF_TARGET) for row in range(len(TEXTS))]
    zipfit.cover(TEXTS, TARGET_TEXTS, top_k=3, where=where).write(tmp_path / "out", TEXTS)
    assert manifest_of(tmp_path)["counts"] == {
        "read": 10,
        "considered": 7,
        "rejected": 0,
        "left_out_by_where": 2,
        "copies_of_target": 0,
        "duplicates": 1,
        "selected": 3,
    }
    assert [line["row"] for line in read_rows(tmp_path / "out" / "left_out.jsonl")] == [DUPLICATE]


def test_a_ranked_selection_takes_the_list_of_an_earlier_cover_away(tmp_path: Path) -> None:
    zipfit.cover(TEXTS, TARGET_TEXTS, top_k=3).write(tmp_path / "out", TEXTS)
    zipfit.rank(TEXTS, TARGET_TEXTS).top_k(3).write(tmp_path / "out", TEXTS, overwrite=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == COVER_NAMES


@pytest.mark.parametrize("seed", [None, 7])
def test_sample_draws_what_the_method_of_its_name_does(folder: Path, seed: int | None) -> None:
    select(folder, "--top-k", "4", "--sample", "0.1", *([] if seed is None else ["--seed", str(seed)]))
    expected = zipfit.rank(TEXTS, TARGET_TEXTS).sample(4, 0.1, seed or 0)
    assert [line["row"] for line in read_rows(folder / "out" / "selection.jsonl")] == expected.rows.tolist()
    assert manifest_of(folder)["seed"] == (seed or 0)
    assert manifest_of(folder)["parameters"]["sample"] == 0.1


def test_a_sample_of_more_rows_than_there_are_speaks_of_the_option(folder: Path) -> None:
    said = select(folder, "--top-k", "99", "--sample", "0.1")
    warning = "--top-k is 99, but only 10 rows can be chosen; all of them are selected"
    assert said.splitlines()[0] == f"zipfit: warning: {warning}"


def test_group_chooses_the_best_of_each(folder: Path) -> None:
    said = select(folder, "--top-k", "2", "--group", "lang")
    expected = zipfit.rank(TEXTS, TARGET_TEXTS).per_group(GROUPS, 2)
    assert [line["row"] for line in read_rows(folder / "out" / "selection.jsonl")] == expected.rows.tolist()
    assert "chose 6 rows of 3 groups, scores " in said
    assert manifest_of(folder)["parameters"]["group"] == "lang"


def test_a_group_with_fewer_rows_than_asked_for_is_told(folder: Path) -> None:
    # Of the three groups "en" has three rows, "sql" two.
    said = select(folder, "--top-k", "3", "--group", "lang")
    sentence = "top_k is 3, but 1 of 3 groups has fewer rows that can be chosen; all of them are selected"
    assert said.splitlines()[0] == f"zipfit: warning: {sentence}"
    assert "chose 8 rows of 3 groups, scores " in said
    said = select(folder, "--top-k", "4", "--group", "lang", output="more")
    sentence = "top_k is 4, but 2 of 3 groups have fewer rows that can be chosen; all of them are selected"
    assert said.splitlines()[0] == f"zipfit: warning: {sentence}"
    assert "warning" not in select(folder, "--top-k", "2", "--group", "lang", output="fewer")


def test_groups_are_counted_among_the_rows_chosen(folder: Path) -> None:
    # No row of "code" is that long.
    longest = max(len(text) for text, group in zip(TEXTS, GROUPS, strict=True) if group == "code")
    said = select(folder, "--top-k", "1", "--group", "lang", "--min-bytes", str(longest + 1))
    sentence = "top_k is 1, but 1 of 3 groups has fewer rows that can be chosen; all of them are selected"
    assert said.splitlines()[0] == f"zipfit: warning: {sentence}"
    assert "chose 2 rows of 2 groups, scores " in said
    said = select(folder, "--top-k", "1", "--group", "lang", "--min-bytes", "900", output="none")
    warning, *_, chose, _ = said.splitlines()
    assert warning == "zipfit: warning: the limits on size leave no row to choose from; nothing is selected"
    assert chose == "chose 0 rows of 0 groups"


def test_a_group_is_a_json_value_over_all_files(folder: Path) -> None:
    values = ['"1"', "1", "true", '"\\u0031"', '"caf\\u00e9"', '"café"']
    lines = [f'{{"text": "row {i}", "g": {value}}}\n' for i, value in enumerate(values)]
    (folder / "a.jsonl").write_text("".join(lines[:3]), encoding="utf-8")
    (folder / "b.jsonl").write_text("".join(lines[3:]), encoding="utf-8")
    arguments = ("--target", "target.jsonl", "-o", "out", "--top-k", "1", "--group", "g", "--json")
    summary = json.loads(zipfit_cli("select", "a.jsonl", "b.jsonl", *arguments, cwd=folder).stdout)
    assert (summary["groups"], summary["counts"]["selected"]) == (4, 4)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", '(byte 0): no field "lang"; fields here: "text"'),
        (', "lang": null', '(byte 22): field "lang" is null, expected a string, number or boolean to group by'),
        (', "lang": []', '(byte 22): field "lang" is an empty array, expected a string, number or boolean to group by'),
    ],
)
def test_a_row_without_a_group_is_told_by_its_place(folder: Path, value: str, found: str) -> None:
    good = '{"text": "a", "lang": "en"}\n'
    (folder / "pool.jsonl").write_text(f'{good}{{"text": "b"{value}}}\n', encoding="utf-8")
    arguments = ("--target", "target.jsonl", "-o", "out", "--top-k", "1", "--group", "lang")
    done = zipfit_cli("select", "pool.jsonl", *arguments, cwd=folder)
    start = len(good)
    place, rest = found.split("): ")
    place = f"(byte {start + int(place.removeprefix('(byte '))})"
    assert done.returncode == 2
    assert done.stderr == f"zipfit: pool.jsonl:2 {place}: {rest}; give every row a group, or choose another field\n"
    assert not (folder / "out").exists()
