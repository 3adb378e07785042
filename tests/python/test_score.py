"""`zipfit score`, `zipfit select --scores` and `load_scores`: score once, choose often."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers_files import SOURCE_TEXTS, TARGET_TEXTS, read_rows, zipfit_cli

import zipfit
from zipfit import estimate, pipeline
from zipfit.errors import MismatchError, ParameterError

ROWS = 300


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sources of two kinds, two of whose rows are bad, and their scores in `scores`."""
    folder = tmp_path_factory.mktemp("scored")
    rows = [
        {
            "id": f"r{i}" if i % 3 else i,
            "text": f"{SOURCE_TEXTS[i % 6]} {i * i % 250}",
            "n": i % 7 + 1,
            "kind": f"k{i % 4}",
        }
        for i in range(ROWS)
    ]
    lines = [json.dumps(row) for row in rows]
    (folder / "a.jsonl").write_text("\n".join([*lines[:100], '{"text": 5}', "", *lines[100:200]]), encoding="utf-8")
    (folder / "b.jsonl").write_text("\n".join(['{"broken', *lines[200:]]), encoding="utf-8")
    (folder / "target.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TARGET_TEXTS))
    run(folder, "score", *COMMON, "-o", "scores")
    return folder


PLAIN = (
    *("a.jsonl", "b.jsonl", "--target", "target.jsonl", "--metric", "gain"),
    *("--on-bad-row", "skip", "--dedup", "1", "--min-bytes", "21"),
)

COMMON = (*PLAIN, "--token-field", "n", "--group", "kind")


def run(folder: Path, *arguments: str, status: int = 0) -> str:
    done = zipfit_cli(*arguments, cwd=folder)
    assert done.returncode == status, done.stderr
    return done.stderr


def kept(directory: Path) -> dict[str, bytes]:
    names = ("selected.jsonl", "selection.jsonl", "left_out.jsonl")
    return {name: (directory / name).read_bytes() for name in names if (directory / name).exists()}


def test_the_table_has_a_line_for_every_row_that_could_be_read(scored: Path) -> None:
    table = pq.read_table(scored / "scores" / "scores.parquet")
    assert table.num_rows == ROWS
    rows = table["row"].to_pylist()
    assert rows == [row for row in range(ROWS + 2) if row not in {100, 201}]
    lines = {0: (scored / "a.jsonl").read_bytes(), 1: (scored / "b.jsonl").read_bytes()}
    for entry in table.to_pylist():
        raw = lines[entry["file"]][entry["byte"] : entry["byte"] + entry["length"]]
        assert raw == lines[entry["file"]].split(b"\n")[entry["line"] - 1]
        row = json.loads(raw)
        assert (entry["id"], entry["size"], entry["tokens"]) == (str(row["id"]), len(row["text"]), row["n"])
        assert json.loads(entry["group"]) == row["kind"]
    texts = [json.loads(line)["text"] for content in lines.values() for line in content.split(b"\n") if b'"n"' in line]
    assert np.array_equal(table["score"].to_numpy(), zipfit.rank(texts, TARGET_TEXTS, metric="gain").scores)


def test_every_row_is_accounted_for(scored: Path) -> None:
    manifest = json.loads((scored / "scores" / "manifest.json").read_text())
    counts = manifest["counts"]
    assert (counts["read"], counts["scored"], counts["rejected"]) == (ROWS + 2, ROWS, 2)
    rejected = read_rows(scored / "scores" / "rejected.jsonl")
    assert rejected == [
        {
            "row": 100,
            "file": "a.jsonl",
            "line": 101,
            "byte": rejected[0]["byte"],
            "code": "ZF-TYPE",
            "message": 'field "text" is a number, expected a string',
        },
        {
            "row": 201,
            "file": "b.jsonl",
            "line": 1,
            "byte": 7,
            "code": "ZF-ROW",
            "message": "invalid JSON: EOF while parsing a string",
        },
    ]
    assert [file["name"] for file in manifest["outputs"]] == ["scores.parquet", "rejected.jsonl"]


@pytest.mark.parametrize(
    "chooser",
    [
        ("--top-k", "7"),
        ("--top-fraction", "0.1"),
        ("--threshold", "0.1"),
        ("--budget-bytes", "900"),
        ("--top-k", "20", "--sample", "0.1", "--seed", "5"),
        ("--top-k", "9", "--keep-order"),
    ],
    ids=" ".join,
)
def test_a_selection_by_scores_is_that_of_one_command(scored: Path, tmp_path: Path, chooser: tuple[str, ...]) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    run(folder, "select", *PLAIN, *chooser, "-o", "at-once")
    run(folder, "select", "--scores", "scores", *chooser, "-o", "by-scores")
    assert kept(folder / "by-scores") == kept(folder / "at-once")
    assert len(read_rows(folder / "by-scores" / "selected.jsonl")) > 0


def test_limits_of_size_may_be_given_with_the_scores(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    plain = ("a.jsonl", "b.jsonl", "--target", "target.jsonl", "--on-bad-row", "skip")
    limits = ("--min-bytes", "25", "--max-bytes", "40", "--top-k", "9")
    run(folder, "score", *plain, "-o", "plain")
    run(folder, "select", *plain, *limits, "-o", "at-once")
    said = run(folder, "select", "--scores", "plain", *limits, "-o", "by-scores")
    assert kept(folder / "by-scores") == kept(folder / "at-once")
    manifests = [json.loads((folder / name / "manifest.json").read_text()) for name in ("at-once", "by-scores")]
    assert manifests[0]["counts"] == manifests[1]["counts"]
    assert manifests[0]["parameters"] == manifests[1]["parameters"]
    assert f"left out {manifests[0]['counts']['below_min_bytes'] + manifests[0]['counts']['above_max_bytes']}" in said


@pytest.mark.parametrize(
    ("at_once", "later"),
    [
        (("--group", "kind", "--top-k", "2"), ("--group", "kind", "--top-k", "2")),
        (("--token-field", "n", "--budget-tokens", "30"), ("--budget-tokens", "30")),
    ],
    ids=["group", "tokens"],
)
def test_groups_and_tokens_of_the_scores_are_those_of_one_command(
    scored: Path, tmp_path: Path, at_once: tuple[str, ...], later: tuple[str, ...]
) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    run(folder, "select", *PLAIN, *at_once, "-o", "at-once")
    run(folder, "select", "--scores", "scores", *later, "-o", "by-scores")
    assert kept(folder / "by-scores") == kept(folder / "at-once")


def test_scores_may_be_those_of_an_earlier_selection(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    run(folder, "score", *PLAIN, "-o", "scored")
    run(folder, "select", *PLAIN, "--top-k", "1", "-o", "first")
    assert (folder / "first" / "scores.parquet").read_bytes() == (folder / "scored" / "scores.parquet").read_bytes()
    said = run(folder, "select", "--scores", "first", "--top-k", "2", "-o", "second")
    assert said.startswith("took the scores of 300 rows from first in ")
    manifest = json.loads((folder / "second" / "manifest.json").read_text())
    assert manifest["parameters"]["top_k"] == 2
    assert manifest["parameters"]["metric"] == "gain"
    assert manifest["scores"]["name"] == "scores.parquet"


def test_load_scores_gives_the_ranking_of_all_rows(scored: Path) -> None:
    ranking = zipfit.load_scores(scored / "scores")
    table = pq.read_table(scored / "scores" / "scores.parquet")
    assert len(ranking) == ROWS + 2
    assert np.isnan(ranking.scores[[100, 201]]).all()
    assert np.array_equal(ranking.scores[table["row"].to_numpy()], table["score"].to_numpy())
    eligible = table.filter(table["left_out"].is_null())
    best = max(eligible.to_pylist(), key=lambda row: (row["score"], -row["row"]))
    assert ranking.top_k(1).rows.tolist() == [best["row"]]
    # A row that was rejected or left out is chosen by nobody.
    with pytest.warns(UserWarning, match=f"only {eligible.num_rows} rows can be chosen"):
        assert sorted(ranking.top_k(ROWS).rows.tolist()) == eligible["row"].to_pylist()
    assert ranking.provenance["metric"] == "gain"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--metric", "ncd"),
            "--metric does not go with --scores: what the scores say was settled when they were made",
        ),
        (("a.jsonl", "--cover"), "SOURCE and --cover do not go with --scores"),
        (("--resume",), "--resume has nothing to go on with where --scores are there: choosing takes seconds"),
        (("--group", "n"), "the scores have no groups by n; score again with --group n"),
        (("-o", "scores"), "-o is the directory of --scores, whose manifest would be replaced"),
    ],
    ids=["metric", "source", "resume", "group", "output"],
)
def test_what_was_settled_by_scoring_is_not_asked_again(
    scored: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    said = run(scored, "select", "--scores", "scores", "--top-k", "1", "-o", "out", *arguments, status=2)
    assert said.startswith(f"zipfit: {sentence}")


def test_scores_without_tokens_cannot_fill_a_budget_of_them(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    run(folder, "score", "b.jsonl", "--target", "target.jsonl", "--on-bad-row", "skip", "-o", "plain")
    said = run(folder, "select", "--scores", "plain", "--budget-tokens", "5", "-o", "out", status=2)
    assert said == "zipfit: the scores have no tokens; score again with --token-field or --tokenizer\n"


def test_a_source_that_changed_since_it_was_scored_is_refused(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    choose = ("select", "--scores", "scores", "--top-k", "1", "-o", "out")
    content = (folder / "b.jsonl").read_bytes()
    (folder / "b.jsonl").write_bytes(content.replace(b"k1", b"k2"))
    changed = "zipfit: b.jsonl: the file changed since it was scored; score again"
    assert run(folder, *choose, status=2).startswith(changed)
    assert run(folder, *choose, "--verify", status=2) == changed + "\n"
    (folder / "b.jsonl").write_bytes(content)
    assert run(folder, *choose, status=2) == f"{changed}, or use --verify if only its time is another\n"
    run(folder, *choose, "--verify")
    (folder / "b.jsonl").write_bytes(content + b"\n")
    assert run(folder, *choose, "--overwrite", "--verify", status=2) == changed + "\n"


def test_a_selection_by_scores_never_replaces_its_own_source(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    (folder / "in").mkdir()
    shutil.copy(folder / "a.jsonl", folder / "in" / "selected.jsonl")
    before = (folder / "in" / "selected.jsonl").read_bytes()
    source = ("in/selected.jsonl", "--target", "target.jsonl", "--on-bad-row", "skip")
    run(folder, "score", *source, "-o", "own")
    said = run(folder, "select", "--scores", "own", "--top-k", "1", "-o", "in", "--overwrite", status=2)
    assert said.startswith("zipfit: in/selected.jsonl: this input would be replaced by the output")
    assert (folder / "in" / "selected.jsonl").read_bytes() == before


def test_the_manifest_of_a_selection_by_scores_says_how_it_chose(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    chosen = {}
    for name, more in (("all", ()), ("groups", ("--group", "kind")), ("sizes", ("--min-bytes", "5"))):
        run(folder, "select", "--scores", "scores", "--top-k", "2", "-o", name, *more)
        chosen[name] = json.loads((folder / name / "manifest.json").read_text())["parameters"]
    assert [chosen[name]["group"] for name in chosen] == [None, "kind", None]
    # Rows below 21 bytes were left out by scoring, and stay out.
    assert [chosen[name]["min_bytes"] for name in chosen] == [21, 21, 21]


def test_damaged_or_missing_scores_are_refused(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    path = folder / "scores" / "scores.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)
    with pytest.raises(MismatchError, match="not the one that its manifest describes"):
        zipfit.load_scores(folder / "scores")
    (folder / "scores" / "manifest.json").unlink()
    for place in (folder / "scores", path):
        with pytest.raises(ParameterError, match="no finished run is here"):
            zipfit.load_scores(place)


def test_too_many_rejected_rows_stop_a_run(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    arguments = ("score", *COMMON, "-o", "out", "--max-rejected")
    said = run(folder, *arguments, "1", status=2)
    sentence = "2 rows until here were rejected, more than --max-rejected 1; this one for: invalid JSON"
    assert said.startswith(f"zipfit: b.jsonl:1 (byte 7): {sentence}")
    assert not (folder / "out").exists()
    run(folder, *arguments, "2")


def test_a_run_of_nothing_but_bad_rows_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("1\n2\n")
    (tmp_path / "target.jsonl").write_text('{"text": "a text"}\n')
    for way in (("score",), ("select", "--top-k", "1"), ("select", "--cover", "--top-k", "1")):
        said = run(tmp_path, *way, "a.jsonl", "--target", "target.jsonl", "--on-bad-row", "skip", "-o", "out", status=2)
        sentence = "all rows were rejected; this one for: expected a JSON object, got a number"
        assert said == f"zipfit: a.jsonl:1 (byte 0): {sentence}\n"
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "way", [("score",), ("select", "--top-k", "1"), ("select", "--cover", "--top-k", "1")], ids=" ".join
)
def test_a_dry_run_counts_what_it_can_measure_and_writes_nothing(scored: Path, way: tuple[str, ...]) -> None:
    before = sorted(scored.rglob("*"))
    said = run(scored, *way, *PLAIN[:4], "--on-bad-row", "skip", "-o", "out", "--dry-run").splitlines()
    # So small that all of it is measured.
    assert said[0] == "302 rows, 2 rows of the target, 604 pairs"
    assert said[1].endswith(", by 302 rows that were measured")
    assert said[-1] == "nothing was written"
    assert sorted(scored.rglob("*")) == before


def test_a_dry_run_passes_over_files_without_rows(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    (folder / "empty.jsonl").write_text("\n\n")
    arguments = ("--target", "target.jsonl", "--on-bad-row", "skip", "-o", "out", "--dry-run")
    assert run(folder, "score", "empty.jsonl", "a.jsonl", *arguments).startswith("201 rows,")
    assert "empty.jsonl: no row was found" in run(folder, "score", "empty.jsonl", *arguments, status=2)


def test_a_dry_run_scales_what_it_has_measured(scored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_SECONDS", 1e-9)
    source = tuple(str(scored / name) for name in ("a.jsonl", "b.jsonl"))
    options = pipeline.ScoreOptions(
        source=source,
        target=(str(scored / "target.jsonl"),),
        output=str(scored / "out"),
        on_bad_row="skip",
        batch_rows=20,
        metric="gain",
    )
    found = estimate.estimate(options)
    assert found.sample_rows == 40
    assert 0.9 * (ROWS + 2) < found.rows < 1.1 * (ROWS + 2)
    assert found.pairs == 2 * found.rows
    assert found.disk_bytes > 100 * ROWS


def test_joint_selection_skips_bad_rows_too(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "copy"))
    arguments = ("a.jsonl", "b.jsonl", "--target", "target.jsonl", "--cover", "--top-k", "5", "-o", "out")
    run(folder, "select", *arguments, "--on-bad-row", "skip")
    lines = [line for name in ("a.jsonl", "b.jsonl") for line in (folder / name).read_text().split("\n") if line]
    chosen = read_rows(folder / "out" / "selection.jsonl")
    assert [json.loads(lines[entry["row"]]) for entry in chosen] == read_rows(folder / "out" / "selected.jsonl")
    assert len(read_rows(folder / "out" / "rejected.jsonl")) == 2
    counts = json.loads((folder / "out" / "manifest.json").read_text())["counts"]
    assert (counts["read"], counts["rejected"]) == (ROWS + 2, 2)
