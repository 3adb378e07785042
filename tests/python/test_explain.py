"""``zipfit explain``: why a row has its score, and what chosen rows hold of the target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers_files import environment, zipfit_cli

import zipfit

TARGET = [
    "def mean(values): return sum(values) / len(values)",
    "def median(values): return sorted(values)[len(values) // 2]",
    "The rain fell on the roof all night long.",
]

SOURCE = [
    "A note about nothing at all, and no more.",
    "def largest(values): return sorted(values)[-1]",
    "He heard that the rain fell on the roof.",
    "def total(values): return sum(values)",
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, texts in (("source", SOURCE), ("target", TARGET)):
        lines = [json.dumps({"id": f"{name}-{row}", "text": text}) for row, text in enumerate(texts)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path


def select(files: Path, *options: str, command: str = "select") -> None:
    run = zipfit_cli(command, "source.jsonl", "--target", "target.jsonl", *options, "-o", "out", cwd=files)
    assert run.returncode == 0, run.stderr


def explained(files: Path, *options: str) -> dict[str, object]:
    run = zipfit_cli("explain", "out", *options, "--json", cwd=files)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


def refused(files: Path, *options: str) -> str:
    run = zipfit_cli("explain", *options, cwd=files)
    assert (run.returncode, run.stdout) == (2, ""), run.stderr
    return run.stderr.strip().removeprefix("zipfit: ")


@pytest.mark.parametrize("metric", ["ncd", "gain"])
def test_a_row_of_a_run_is_explained_by_its_number_or_its_rank(files: Path, metric: str) -> None:
    select(files, "--metric", metric, "--top-k", "2")
    order = zipfit.rank(SOURCE, TARGET, metric=metric).order.tolist()
    expected = zipfit.Scorer(TARGET, metric=metric).explain(SOURCE[order[1]]).to_dict()
    by_rank = explained(files, "--rank", "1")
    place = {"row": order[1], "file": "source.jsonl", "line": order[1] + 1, "id": f"source-{order[1]}"}
    known = {"rank": 1, "chosen": 2, "note": None, "cover": None}
    assert by_rank == place | known | json.loads(json.dumps(expected))
    assert explained(files, "--row", str(order[1])) == by_rank
    other = explained(files, "--row", str(order[3]))
    assert (other["rank"], other["file"], other["line"]) == (None, "source.jsonl", order[3] + 1)
    assert "id" not in other


def test_a_row_that_was_scored_only_and_one_chosen_jointly_are_explained_too(files: Path) -> None:
    select(files, command="score")
    found = explained(files, "--row", "1")
    assert (found["chosen"], found["metric"]) == (0, "ncd")
    select(files, "--cover", "--top-k", "2", "--overwrite")
    found = explained(files, "--rank", "0")
    assert found["metric"] == "gain"
    first = json.loads((files / "out" / "selection.jsonl").read_text("utf-8").splitlines()[0])
    assert found["cover"] == {"score": first["score"], "coverage": first["coverage"]}
    assert found["note"] == (
        f"chosen jointly, as it added {first['score']:.4g} per byte and the coverage became {first['coverage']:.3f}; "
        "what follows is its gain, which had no part in that"
    )
    left = next(row for row in range(len(SOURCE)) if explained(files, "--row", str(row))["rank"] is None)
    found = explained(files, "--row", str(left))
    assert found["cover"] is None
    assert found["note"] == "rows were chosen jointly; what follows is its gain, which had no part in that"


def test_a_row_of_several_files_or_of_parquet_is_said_to_be_where_it_lies(files: Path) -> None:
    (files / "more.jsonl").write_text('\n{"text": "\u202e", "id": "\\u202e"}\n', "utf-8")
    run = zipfit_cli(
        "select", "source.jsonl", "more.jsonl", "--target", "target.jsonl", "--top-k", "5", "-o", "two", cwd=files
    )
    assert run.returncode == 0, run.stderr
    for way in (("--row", "4"), ("--rank", "4")):
        said = zipfit_cli("explain", "two", *way, cwd=files).stdout
        assert said.startswith('row 4 (more.jsonl:2, id "\\u202e"), rank 4 of 5 chosen\n')
    run = zipfit_cli("score", "source.jsonl", "more.jsonl", "--target", "target.jsonl", "-o", "three", cwd=files)
    assert run.returncode == 0, run.stderr
    assert zipfit_cli("explain", "three", "--row", "4", cwd=files).stdout.startswith("row 4 (more.jsonl:2)\nscore ")
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": SOURCE}), files / "source.parquet", row_group_size=3)
    run = zipfit_cli("score", "source.parquet", "--target", "target.jsonl", "-o", "scored", cwd=files)
    assert run.returncode == 0, run.stderr
    said = zipfit_cli("explain", "scored", "--row", "3", cwd=files).stdout
    assert said.startswith("row 3 (source.parquet, row group 1, index 0)\nscore ")


def test_the_coverage_of_chosen_rows_is_told_by_row_and_by_target(files: Path) -> None:
    select(files, "--metric", "gain", "--top-k", "3", "--keep-order")
    found = explained(files, "--top", "2")
    order = zipfit.rank(SOURCE, TARGET, metric="gain").order.tolist()[:3]
    owners: list[list[int | None]] = [[None] * len(target) for target in TARGET]
    for rank, row in enumerate(order):
        for target, owner in zip(TARGET, owners, strict=True):
            for at in range(len(target) - 11):
                if target[at : at + 12] in SOURCE[row]:
                    owner[at : at + 12] = [rank if old is None else old for old in owner[at : at + 12]]
    covers = [sum(owner.count(rank) for owner in owners) for rank in range(3)]
    assert found["covers"] == covers
    assert found["rows"] == 3
    assert found["covered_bytes"] == sum(covers) > 0
    assert found["covered"] == sum(covers) / sum(map(len, TARGET))
    shares = [1 - owner.count(None) / len(owner) for owner in owners]
    assert found["covered_by_target"] == pytest.approx(shares)
    best = max(range(3), key=lambda rank: covers[rank])
    first = {"rank": best, "row": order[best], "id": f"source-{order[best]}", "covers": covers[best]}
    assert found["best"][0] == first  # type: ignore[index]
    least = min(range(3), key=lambda target: shares[target])
    assert found["lacking"][0]["target"] == least  # type: ignore[index]
    assert TARGET[least].startswith(found["lacking"][0]["begins"])  # type: ignore[index]


def test_people_read_it_in_a_terminal_and_foreign_text_cannot_move_the_cursor(files: Path) -> None:
    (files / "source.jsonl").write_text(
        json.dumps({"text": "\x1b[2J[bold]\u202e def mean(values): return sum\n\tof them"}) + "\n", "utf-8"
    )
    select(files, "--metric", "gain", "--top-k", "1")
    coloured = environment(FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="60")
    run = zipfit_cli("explain", "out", "--rank", "0", cwd=files, env=coloured)
    assert run.returncode == 0, run.stderr
    shown = "\\x1b[2J[bold]\\u202e \x1b[1;32mdef mean(values): return sum\x1b[0m\n        of them"
    assert shown in run.stdout
    plain = zipfit_cli("explain", "out", "--rank", "0", cwd=files).stdout
    assert "\x1b" not in plain
    assert plain.startswith("row 0 (source.jsonl:1), rank 0 of 1 chosen\ngain ")
    assert "    28 bytes, target 0      'def mean(values): return sum'\n" in plain
    whole = zipfit_cli("explain", "out", cwd=files).stdout.splitlines()
    assert "of the target (" in whole[0]
    assert "lie in substrings of 12 bytes or more that the chosen row holds" in whole[0]
    assert not any("shorter than 12" in line for line in whole)
    assert any(line.startswith("  rank 0      row 0") for line in whole)


def test_a_long_row_is_shown_in_part_and_says_so(files: Path) -> None:
    (files / "source.jsonl").write_text(json.dumps({"text": TARGET[0] + "x" * 5000}) + "\n", "utf-8")
    select(files, "--top-k", "1")
    shown = zipfit_cli("explain", "out", "--rank", "0", cwd=files).stdout
    assert shown.endswith(f"... and {5000 + len(TARGET[0]) - 4000:,} bytes more\n")


def shown_of(files: Path, source: str, target: list[str], *options: str) -> list[str]:
    """What is printed of the one row that is chosen by the target."""
    for name, texts in (("source", [source]), ("target", target)):
        (files / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    select(files, "--metric", "gain", "--top-k", "1", "--overwrite")
    run = zipfit_cli("explain", "out", *options, cwd=files)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_a_long_shared_substring_is_shown_in_part_and_json_has_all_of_it(files: Path) -> None:
    copy = "".join(f"{number:05}" for number in range(4000))
    (line,) = (line for line in shown_of(files, copy, [copy], "--rank", "0") if " bytes, target 0 " in line)
    assert line == f"  20,000 bytes, target 0      '{copy[:200]}' ... and 19,800 bytes more"
    assert [piece["text"] for piece in explained(files, "--rank", "0")["pieces"]] == [copy]  # type: ignore[attr-defined]


def test_blanks_and_line_breaks_of_shared_substrings_can_be_told(files: Path) -> None:
    shared = ["  blanks at both ends  ", "a line break\n is one", "a line break\\n is two", "\x1b[2J and \u202eescapes"]
    printed = shown_of(files, "|".join(shared), shared, "--rank", "0")
    for text in shared:
        assert any(line.endswith(f"     {text!r}") for line in printed), text
    assert not {"\x1b", "\u202e"} & set("".join(printed))


def test_targets_that_are_covered_wholly_or_empty_are_not_called_covered_least(files: Path) -> None:
    nearly = "".join(f"{number:05}" for number in range(2000))
    printed = shown_of(files, f"{nearly}\n{TARGET[0]}", [TARGET[0], "", f"{nearly}!", TARGET[2]])
    assert printed[printed.index("targets that are covered least:") + 1 :] == [
        f"  target 3        0.0%  {TARGET[2]}",
        f"  target 2       99.9%  {nearly[:60]}",
    ]
    assert [entry["target"] for entry in explained(files)["lacking"]] == [3, 2]  # type: ignore[attr-defined]
    printed = shown_of(files, TARGET[0], [TARGET[0], "", "short"])
    assert printed[0].startswith("90.9% of the target (50 of 55 bytes in 3 texts) lie in ")
    assert printed[-2:] == ["", "all targets of 12 bytes or more are covered wholly"]


def test_rows_that_bring_nothing_have_no_heading(files: Path) -> None:
    printed = shown_of(files, "nothing in common", [TARGET[0]])
    assert printed[0].startswith("0.0% of the target (0 of 50 bytes in 1 text) lie in ")
    assert printed[1:] == ["", "targets that are covered least:", f"  target 0        0.0%  {TARGET[0]}"]


def test_a_target_without_bytes_and_a_run_without_rows_are_told_in_a_sentence(files: Path) -> None:
    assert shown_of(files, SOURCE[0], ["", ""]) == ["the target (2 texts) has no bytes, so there is nothing to cover"]
    (files / "target.jsonl").write_text(json.dumps({"text": TARGET[0]}) + "\n", "utf-8")
    select(files, "--threshold", "9", "--overwrite")
    said = "no rows were chosen, so nothing of the target (50 bytes in 1 text) is covered\n"
    assert zipfit_cli("explain", "out", cwd=files).stdout == said


def test_rows_and_runs_that_are_not_there_are_refused(files: Path) -> None:
    select(files, "--top-k", "2")
    assert refused(files, "out", "--row", "4") == "out: there is no row 4; the sources have 4 rows, counted from 0"
    assert refused(files, "out", "--row", "-1") == "out: there is no row -1; the sources have 4 rows, counted from 0"
    assert refused(files, "out", "--rank", "2") == "out: there is no rank 2; 2 rows were chosen, counted from 0"
    assert refused(files, "out", "--row", "1", "--rank", "1") == "give exactly one of --row and --rank"
    no_sources = "--verify goes with --row: what was chosen is read from the files of the run"
    assert refused(files, "out", "--verify", "--rank", "1") == no_sources
    assert refused(files, "out", "--top", "0") == "--top must be at least 1, got 0"
    assert refused(files, "source.jsonl").startswith("source.jsonl")
    nothing = "no finished run is here (there is no manifest.json); name the directory that zipfit select wrote"
    assert refused(files, "nowhere") == f"nowhere: {nothing}"
    select(files, "--overwrite", command="score")
    no_rows = "out: scores are here, but no rows were chosen; choose some by zipfit select --scores"
    assert refused(files, "out") == no_rows
    assert refused(files, "out", "--rank", "0") == no_rows


def test_targets_too_short_to_be_covered_are_counted_apart(files: Path) -> None:
    (files / "target.jsonl").write_text('{"text": "hello"}\n{"text": "yes"}\n', "utf-8")
    select(files, "--top-k", "1")
    run = zipfit_cli("explain", "out", cwd=files)
    assert run.stdout.splitlines()[:2] == [
        "0.0% of the target (0 of 8 bytes in 2 texts) lie in substrings of 12 bytes or more that the chosen row holds",
        "2 targets shorter than 12 bytes, which nothing can cover",
    ]
    assert explained(files)["too_short"] == [0, 1]
    assert explained(files)["lacking"] == []


def test_a_rejected_row_has_nothing_to_explain(files: Path) -> None:
    lines = (files / "source.jsonl").read_text("utf-8").splitlines()
    (files / "source.jsonl").write_text("\n".join([lines[0], "{", *lines[1:]]) + "\n", "utf-8")
    select(files, "--top-k", "2", "--on-bad-row", "skip")
    message = "out: row 1 was rejected, so it has no score; rejected.jsonl says why"
    assert refused(files, "out", "--row", "1") == message
    assert explained(files, "--row", "2")["size"] == len(SOURCE[1])


def test_inputs_that_changed_since_are_refused(files: Path) -> None:
    select(files, "--top-k", "2")
    target = (files / "target.jsonl").read_text("utf-8")
    (files / "target.jsonl").write_text(target.replace("rain", "snow"), "utf-8")
    changed = "target.jsonl: the file changed since rows were chosen by it; select again"
    assert refused(files, "out") == changed
    assert refused(files, "out", "--rank", "0") == changed
    (files / "target.jsonl").write_text(target, "utf-8")
    with (files / "source.jsonl").open("a") as source:
        source.write(json.dumps({"text": "one more"}) + "\n")
    assert refused(files, "out", "--row", "0").startswith("source.jsonl: the file changed since it was scored; select")
    # The rows that were chosen are still there.
    assert explained(files, "--rank", "0")["rank"] == 0
    assert explained(files)["rows"] == 2
    selected = files / "out/selected.jsonl"
    selected.write_text(selected.read_text("utf-8").replace("def", "fed"), "utf-8")
    for options in ([], ["--rank", "0"]):
        assert "not the file that its manifest describes" in refused(files, "out", *options)


def test_inputs_that_came_by_a_pipe_are_gone(files: Path) -> None:
    select(files, "--top-k", "2")
    manifest = files / "out/manifest.json"
    content = manifest.read_text("utf-8")
    manifest.write_text(content.replace('"target.jsonl"', '"-"'), "utf-8")
    assert refused(files, "out") == (
        "out: the targets came by standard input and are gone; save them to a file and select again"
    )


@pytest.mark.parametrize("name", ["source.csv", "source.parquet", "source.jsonl.gz"])
def test_other_formats_are_explained_alike(files: Path, name: str) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": SOURCE})
    path = files / name
    match path.suffix:
        case ".csv":
            table.to_csv(path, index=False)
        case ".parquet":
            table.to_parquet(path)
        case _:
            table.to_json(path, orient="records", lines=True, compression="gzip")
    expected = zipfit.rank(SOURCE, TARGET, metric="gain")
    run = zipfit_cli(
        "select", name, "--target", "target.jsonl", "--metric", "gain", "--top-k", "3", "-o", "out", cwd=files
    )
    assert run.returncode == 0, run.stderr
    assert explained(files, "--rank", "2")["score"] == expected.scores[expected.order[2]]
    assert explained(files)["rows"] == 3


def test_a_run_that_chose_nothing_covers_nothing(files: Path) -> None:
    select(files, "--threshold", "9")
    assert explained(files)["covered"] == 0


def test_a_row_that_was_left_out_says_why(files: Path) -> None:
    rows = [*SOURCE, SOURCE[1], TARGET[0], "short"]
    (files / "source.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in rows), "utf-8")
    (files / "test.jsonl").write_text(json.dumps({"text": SOURCE[0]}) + "\n", "utf-8")
    options = ("--top-k", "1", "--dedup", "1", "--exclude", "test.jsonl", "--min-bytes", "9")
    select(files, *options)
    notes = {row: explained(files, "--row", str(row))["note"] for row in range(len(rows))}
    assert notes == {
        **dict.fromkeys(range(len(rows))),
        0: "it was left out, as it holds a piece of row 0 of the --exclude files",
        4: "it was left out, as it repeats row 1",
        6: "it was left out by --min-bytes 9",
    }
    select(files, "--cover", *options, "--overwrite")
    note = explained(files, "--row", "5")["note"]
    assert str(note).startswith("it was left out, as it equals target 0; rows were chosen jointly; ")
