"""`zipfit select --exclude` and `--dedup`: the same rows as the Python functions, and what is recorded and refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from helpers_files import (
    OUTPUT_NAMES,
    SOURCE_TEXTS,
    TARGET_TEXTS,
    command,
    environment,
    lines_of,
    read_rows,
    write_texts,
    zipfit_cli,
)
from helpers_interrupts import assert_quick

import zipfit
from zipfit import pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

EVALUATION = ["a question about sheep: how many?", "def div(a, b): return a / b"]

TEXTS = [
    *SOURCE_TEXTS,  # row 3 is an evaluation row
    "def sub(a, b): return a - b",  # equals row 1
    "DEF div(a,b): RETURN  a/b",  # row 3 in other letters
    "def sub(a, b): return b - a",  # near row 1
    "def div(a, b): return a / b",  # equals row 3
    "so",  # short
    "so",
    "def add(a, b): return a + b",  # equals a target
    "def add(a, b): return a + b",
]

GROUPS = ["en", "code", "sql", "code", "en", "code", "code", "code", "code", "code", "en", "en", "code", "code"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pool.jsonl, target.jsonl and evaluation.jsonl."""
    rows = ({"text": text, "tokens": len(text.split()), "lang": lang} for text, lang in zip(TEXTS, GROUPS, strict=True))
    (tmp_path / "pool.jsonl").write_bytes(lines_of(rows))
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    write_texts(tmp_path / "evaluation.jsonl", EVALUATION)
    return tmp_path


EXCLUDE = ("--exclude", "evaluation.jsonl")


def select(folder: Path, *arguments: str, source: str = "pool.jsonl") -> str:
    """Run `zipfit select` in the folder, which must succeed, and return what it says."""
    done = zipfit_cli("select", source, "--target", "target.jsonl", "-o", "out", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


def refusal(folder: Path, *arguments: str) -> str:
    """Run `zipfit select` in the folder, which must be refused and leave nothing, and return the sentence."""
    done = zipfit_cli("select", "pool.jsonl", "--target", "target.jsonl", "-o", "out", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert not (folder / "out").exists()
    (line,) = done.stderr.splitlines()
    return line.removeprefix("zipfit: ")


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))
    return content


def chosen_rows(folder: Path) -> list[int]:
    return [line["row"] for line in read_rows(folder / "out" / "selection.jsonl")]


def reasons(folder: Path) -> dict[int, tuple[str, int]]:
    """Return the reason, and the row that speaks against it, of each row left out."""
    return {row: (reason, other) for row, _, _, reason, other in map(dict.values, listed(folder))}


def listed(folder: Path) -> list[dict[str, Any]]:
    return read_rows(folder / "out" / "left_out.jsonl")


SIZES = np.array([len(text) for text in TEXTS])

CLEAN = ~zipfit.contaminated(TEXTS, EVALUATION, overlap="6-gram")


def kept(threshold: float, where: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    where = np.ones(len(TEXTS), np.bool_) if where is None else where
    return where & ~zipfit.duplicates(TEXTS, threshold=threshold, where=where)


FILTERS = [
    ([*EXCLUDE, "--exclude-overlap", "6-gram"], CLEAN),
    (["--dedup", "1"], kept(1)),
    (["--dedup", "0.4"], kept(0.4)),
    ([*EXCLUDE, "--exclude-overlap", "6-gram", "--dedup", "1", "--min-bytes", "9"], kept(1, CLEAN & (SIZES >= 9))),
    (
        [*EXCLUDE, "--exclude-overlap", "6-gram", "--dedup", "0.4", "--max-bytes", "40"],
        kept(0.4, CLEAN & (SIZES <= 40)),
    ),
]


@pytest.mark.parametrize(("filters", "where"), FILTERS)
@pytest.mark.parametrize("way", ["top_k", "top_fraction", "threshold", "budget", "sample", "group"])
def test_ranked_rows_are_those_of_the_functions(
    folder: Path, filters: list[str], where: NDArray[np.bool_], way: str
) -> None:
    ranking = zipfit.rank(TEXTS, TARGET_TEXTS)
    arguments, expected = {
        "top_k": (["--top-k", "4"], ranking.top_k(4, where=where)),
        "top_fraction": (["--top-fraction", "0.5"], ranking.top_fraction(0.5, where=where)),
        "threshold": (["--threshold", "0.3"], ranking.threshold(0.3, where=where)),
        "budget": (["--budget-bytes", "120"], ranking.within(budget_bytes=120, where=where)),
        "sample": (["--top-k", "3", "--sample", "0.1"], ranking.sample(3, 0.1, where=where)),
        "group": (["--top-k", "1", "--group", "lang"], ranking.per_group(GROUPS, 1, where=where)),
    }[way]
    select(folder, *arguments, *filters)
    assert not where.all()
    assert chosen_rows(folder) == expected.rows.tolist()


@pytest.mark.filterwarnings("ignore:nothing is left to gain")
@pytest.mark.parametrize(("filters", "where"), FILTERS)
def test_covering_rows_are_those_of_the_functions(folder: Path, filters: list[str], where: NDArray[np.bool_]) -> None:
    select(folder, "--cover", "--budget-bytes", "70", *filters)
    expected = zipfit.cover(TEXTS, TARGET_TEXTS, budget_bytes=70, where=where)
    assert chosen_rows(folder) == expected.rows.tolist()
    coverage = [line["coverage"] for line in read_rows(folder / "out" / "selection.jsonl")]
    assert coverage == expected.coverage.tolist()
    duplicates = [row for row, (reason, _) in reasons(folder).items() if reason == "duplicate"]
    counts = manifest_of(folder)["counts"]
    assert counts["duplicates"] == len(duplicates)
    assert counts["considered"] == where.sum() - len(expected.copies_of_target) - len(expected.duplicates)


def test_a_row_is_left_out_for_the_first_reason_only(folder: Path) -> None:
    arguments = (*EXCLUDE, "--exclude-overlap", "6-gram", "--dedup", "1", "--min-bytes", "9")
    said = select(folder, "--top-k", "3", *arguments)
    assert {path.name for path in (folder / "out").iterdir()} == OUTPUT_NAMES | {"left_out.jsonl"}
    # Row 9 equals row 3, which is left out itself; rows 10 and 11 are equal, but too short.
    assert listed(folder) == [
        {"row": 3, "file": "pool.jsonl", "line": 4, "reason": "contaminated", "against_row": 1},
        {"row": 6, "file": "pool.jsonl", "line": 7, "reason": "duplicate", "of_row": 1},
        {"row": 7, "file": "pool.jsonl", "line": 8, "reason": "contaminated", "against_row": 1},
        {"row": 9, "file": "pool.jsonl", "line": 10, "reason": "contaminated", "against_row": 1},
        {"row": 13, "file": "pool.jsonl", "line": 14, "reason": "duplicate", "of_row": 12},
    ]
    assert manifest_of(folder)["counts"] == {
        "read": 14,
        "scored": 14,
        "rejected": 0,
        "below_min_bytes": 2,
        "above_max_bytes": 0,
        "contaminated": 3,
        "duplicates": 2,
        "selected": 3,
    }
    _, *left_out, _, wrote = said.splitlines()
    assert left_out == [
        "left out 2 rows by size",
        "left out 3 rows with a piece of an --exclude file",
        "left out 2 rows as repeats of an earlier row",
    ]
    assert (
        wrote == "wrote left_out.jsonl, scores.parquet, selected.jsonl, selection.jsonl, run.json, manifest.json in out"
    )


def test_all_reasons_are_in_one_order_with_cover(folder: Path) -> None:
    said = select(folder, "--cover", "--top-k", "3", *EXCLUDE, "--exclude-overlap", "6-gram", "--dedup", "0.4")
    assert [*reasons(folder).items()] == [
        (3, ("contaminated", 1)),
        (6, ("duplicate", 1)),
        (7, ("contaminated", 1)),
        (8, ("duplicate", 1)),
        (9, ("contaminated", 1)),
        (11, ("duplicate", 10)),
        (12, ("copy_of_target", 0)),
        (13, ("copy_of_target", 0)),
    ]
    counts = manifest_of(folder)["counts"]
    assert (counts["contaminated"], counts["duplicates"], counts["copies_of_target"]) == (3, 3, 2)
    assert counts["considered"] == 14 - 8
    assert said.splitlines()[-5:-2] == [
        "left out 3 rows with a piece of an --exclude file",
        "left out 2 rows as copies of a target",
        "left out 3 rows as repeats of an earlier row",
    ]


@pytest.mark.parametrize("dedup", ["1", "0.8"])
def test_no_row_repeats_a_copy_of_a_target_with_cover(folder: Path, dedup: str) -> None:
    target = "def add(first, second): return first + second"
    write_texts(folder / "target.jsonl", ["pass", target])
    write_texts(folder / "pool.jsonl", [target, target + "#!", "something else", target])
    said = select(folder, "--cover", "--top-k", "1", "--dedup", dedup)
    assert chosen_rows(folder) == [1]
    assert reasons(folder) == {0: ("copy_of_target", 1), 3: ("copy_of_target", 1)}
    counts = manifest_of(folder)["counts"]
    assert (counts["copies_of_target"], counts["duplicates"], counts["considered"]) == (2, 0, 2)
    assert "left out 2 rows as copies of a target" in said


def test_copies_of_a_target_may_be_ranked_with_dedup(folder: Path) -> None:
    select(folder, "--top-k", "1", "--dedup", "1")
    assert chosen_rows(folder) == [12]
    assert "copies_of_target" not in manifest_of(folder)["counts"]


@pytest.mark.parametrize("filters", [[], ["--dedup", "1"], [*EXCLUDE, "--min-bytes", "9", "--dedup", "0.8"]])
def test_filters_that_leave_only_copies_of_targets_to_cover_are_told(folder: Path, filters: list[str]) -> None:
    write_texts(folder / "pool.jsonl", [TARGET_TEXTS[0], TARGET_TEXTS[0], TARGET_TEXTS[1]])
    warning, *_ = select(folder, "--cover", "--top-k", "1", *filters).splitlines()
    assert warning == "zipfit: warning: no row but copies of targets may be chosen; nothing is selected"
    assert [row for row, _ in reasons(folder).items()] == [0, 1, 2]


def test_the_copies_that_cover_finds_count_as_duplicates(folder: Path) -> None:
    select(folder, "--cover", "--top-k", "3", *EXCLUDE, "--exclude-overlap", "6-gram")
    assert reasons(folder)[6] == ("duplicate", 1)
    # Row 13 equals row 12 and a target; that comes first, with --dedup and without.
    assert reasons(folder)[13] == ("copy_of_target", 0)
    assert manifest_of(folder)["counts"]["duplicates"] == 2


def test_the_manifest_names_what_was_excluded(folder: Path) -> None:
    write_texts(folder / "more.jsonl", ["one more row of another evaluation"])
    select(folder, "--top-k", "3", *EXCLUDE, "--exclude", "more.jsonl", "--dedup", "0.5")
    manifest = manifest_of(folder)
    assert manifest["exclude"] == [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "rows": rows}
        for name, rows in (("evaluation.jsonl", 2), ("more.jsonl", 1))
        for content in [(folder / name).read_bytes()]
    ]
    parameters = manifest["parameters"]
    expected = {"exclude_text": "text", "exclude_overlap": "13-gram", "dedup": 0.5}
    assert {name: parameters[name] for name in expected} == expected
    assert [file["name"] for file in manifest["outputs"]] == [
        "scores.parquet",
        "selected.jsonl",
        "selection.jsonl",
        "left_out.jsonl",
    ]


def test_evaluation_rows_are_counted_over_all_files_and_may_be_compressed(folder: Path) -> None:
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines_of([{"q": "nothing of this"}, {"q": "is anywhere"}])))
    (folder / "b.jsonl").write_bytes(lines_of([{"q": "point: pass"}]))
    arguments = ("--exclude", "a.jsonl.gz", "--exclude", "b.jsonl", "--exclude-text", "class {q}")
    select(folder, "--top-k", "3", *arguments)
    assert reasons(folder) == {5: ("contaminated", 2)}
    assert manifest_of(folder)["parameters"]["exclude_text"] == "class {q}"


def test_text_is_the_text_of_evaluation_files_too(folder: Path) -> None:
    (folder / "pool.jsonl").write_bytes(lines_of({"body": text} for text in TEXTS))
    (folder / "evaluation.jsonl").write_bytes(lines_of({"body": text, "text": "sat on"} for text in EVALUATION))
    select(folder, "--text", "body", "--target-text", "text", "--top-k", "3", *EXCLUDE)
    assert 3 in reasons(folder)
    assert 0 not in reasons(folder)


def test_a_clean_pool_is_told_and_the_list_is_empty(folder: Path) -> None:
    write_texts(folder / "evaluation.jsonl", ["nothing of this is anywhere"])
    said = select(folder, "--top-k", "3", *EXCLUDE)
    assert said.splitlines()[1] == "left out 0 rows with a piece of an --exclude file"
    assert (folder / "out" / "left_out.jsonl").read_bytes() == b""


@pytest.mark.parametrize("dedup", ["1", "0.8"])
def test_repeats_are_found_over_files_and_batches(folder: Path, dedup: str) -> None:
    # More than two batches of 4 MiB between a row and its copy.
    far = [f"{i} " + f"{i * i:x} {(2 * i + 1) ** 30:o} " * 60 for i in range(1_600)]
    write_texts(folder / "far.jsonl", ["a row at the start of the first file", *far])
    write_texts(folder / "end.jsonl", [far[3], "another", "a row at the start of the first file"])
    assert (folder / "far.jsonl").stat().st_size > 9 * 2**20
    arguments = ("end.jsonl", "--top-k", "3", "--metric", "gain", "--dedup", dedup)
    select(folder, *arguments, source="far.jsonl")
    assert [(line["row"], line["file"], line["line"], line["of_row"]) for line in listed(folder)] == [
        (1601, "end.jsonl", 1, 4),
        (1603, "end.jsonl", 3, 0),
    ]


def test_filters_give_the_same_bytes_on_any_number_of_threads(folder: Path, functions: list[str]) -> None:
    write_texts(folder / "pool.jsonl", [*functions, *functions[:20], *(text.replace("=", ":=") for text in functions)])
    write_texts(folder / "evaluation.jsonl", functions[7:9])
    runs = []
    for threads in ("1", "2", "8"):
        arguments = ("--exclude", "evaluation.jsonl", "--dedup", "0.7", "--threads", threads, "--overwrite")
        select(folder, "--top-k", "20", *arguments)
        files = (folder / "out").iterdir()
        runs.append({path.name: path.read_bytes() for path in files if path.name != "run.json"})
    assert len(runs[0]["left_out.jsonl"].splitlines()) > 100
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize("way", [["--top-k", "3"], ["--threshold", "0.1"], ["--cover", "--top-k", "3"]])
@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ([*EXCLUDE, "--exclude-overlap", "1-byte"], "--exclude leaves"),
        (
            [*EXCLUDE, "--exclude-overlap", "1-byte", "--min-bytes", "9", "--dedup", "1"],
            "the limits on size and --exclude leave",
        ),
        (["--min-bytes", "900", "--dedup", "0.5"], "the limits on size leave"),
    ],
)
def test_filters_that_leave_no_row_are_told(folder: Path, way: list[str], filters: list[str], sentence: str) -> None:
    said = select(folder, *way, *filters)
    warning, read, *_ = said.splitlines()
    assert warning == f"zipfit: warning: {sentence} no row to choose from; nothing is selected"
    assert read.startswith("read 14 rows")
    assert (folder / "out" / "selected.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"text": "fine"}\n{"text": 3}\n', ':2 (byte 26): field "text" is a number, expected a string'),
        (b'{"text": "fine"}\n\n{"text": " .;"}\n', ":3 (byte 18): no word to look for, and so it would be in every"),
        (
            b'{"text": "fine"}\n{"question": "b"}\n',
            ':2 (byte 17): no field "text"; fields here: "question"; name the field of these rows by --exclude-text',
        ),
        (b"\n", ": against has 0 rows; there is nothing to look for"),
    ],
)
def test_a_bad_evaluation_row_is_told_by_file_line_and_byte(folder: Path, content: bytes, sentence: str) -> None:
    (folder / "bad.jsonl").write_bytes(content)
    (folder / "bad.jsonl.gz").write_bytes(gzip.compress(content))
    for name in ("bad.jsonl", "bad.jsonl.gz"):
        assert refusal(folder, "--top-k", "1", "--exclude", name).startswith(f"{name}{sentence}")


def test_a_bad_row_of_the_second_evaluation_file_names_that(folder: Path) -> None:
    write_texts(folder / "bad.jsonl", ["fine", "?!"])
    said = refusal(folder, "--top-k", "1", *EXCLUDE, "--exclude", "bad.jsonl")
    end = "no word to look for, and so it would be in every text; leave the row out"
    assert said == f"bad.jsonl:2 (byte 17): {end}"
    # Beside one with rows a file without a row is fine.
    (folder / "bad.jsonl").write_bytes(b"\n")
    select(folder, "--top-k", "1", *EXCLUDE, "--exclude", "bad.jsonl")
    assert [file["rows"] for file in manifest_of(folder)["exclude"]] == [2, 0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--exclude", "none.jsonl"], "none.jsonl: no such file or directory"),
        (["--exclude-text", "q"], "--exclude-text has no effect without --exclude; leave it out or give both"),
        (
            ["--exclude-overlap", "8-gram"],
            "--exclude-overlap has no effect without --exclude; leave it out or give both",
        ),
        (
            [*EXCLUDE, "--exclude-overlap", "8"],
            'overlap "8" is not known; use N-gram (words) or M-byte with 1 to 1000, as in 13-gram',
        ),
        (["--dedup", "0"], "--dedup is 0; give 1 for equal texts, or a similarity between 0 and 1"),
        (["--dedup", "80"], "--dedup is 80; give 1 for equal texts, or a similarity between 0 and 1"),
    ],
)
def test_what_means_nothing_is_refused_in_one_sentence(folder: Path, arguments: list[str], sentence: str) -> None:
    assert refusal(folder, "--top-k", "1", *arguments) == sentence


def test_an_evaluation_file_is_never_overwritten(folder: Path) -> None:
    (folder / "out").mkdir()
    own = write_texts(folder / "out" / "left_out.jsonl", EVALUATION)
    options = ("--top-k", "1", "-o", "out", "--overwrite", "--exclude", "out/left_out.jsonl")
    done = zipfit_cli("select", "pool.jsonl", "--target", "target.jsonl", *options, cwd=folder)
    sentence = "out/left_out.jsonl: this input would be replaced by the output; choose another directory"
    assert (done.returncode, done.stderr) == (2, f"zipfit: {sentence}\n")
    assert [row["text"] for row in read_rows(own)] == EVALUATION


def test_a_missing_evaluation_file_is_told_before_the_sources_are_read(folder: Path) -> None:
    (folder / "pool.jsonl").write_bytes(b"{")
    assert refusal(folder, "--top-k", "1", "--exclude", "none.jsonl") == "none.jsonl: no such file or directory"


def test_the_result_counts_what_was_left_out(folder: Path) -> None:
    options = pipeline.SelectOptions(
        source=(str(folder / "pool.jsonl"),),
        target=(str(folder / "target.jsonl"),),
        output=str(folder / "out"),
        top_k=3,
        exclude=(str(folder / "evaluation.jsonl"),),
        exclude_overlap="6-gram",
        dedup=1,
    )
    result = pipeline.select(options)
    assert result.counts == manifest_of(folder)["counts"]
    assert (result.counts["contaminated"], result.counts["duplicates"]) == (3, 3)
    assert result.files == ("left_out.jsonl", *sorted(OUTPUT_NAMES, key=list(result.files).index))


def test_a_run_without_text_filters_has_no_list_and_removes_an_earlier_one(folder: Path) -> None:
    select(folder, "--top-k", "2", "--dedup", "1")
    select(folder, "--top-k", "2", "--min-bytes", "9", "--overwrite")
    assert {path.name for path in (folder / "out").iterdir()} == OUTPUT_NAMES
    assert "duplicates" not in manifest_of(folder)["counts"]


@pytest.mark.alone
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process here")
def test_ctrl_c_ends_a_long_comparison_within_half_a_second_and_leaves_nothing(folder: Path) -> None:
    # Several seconds: rows that have parts in common, but not enough.
    words = [f"{random.Random(i).getrandbits(60):x}" for i in range(300)]
    write_texts(folder / "pool.jsonl", [" ".join(random.Random(row).choices(words, k=40)) for row in range(20_000)])
    choose = ("--top-k", "5", "--metric", "gain", "--dedup", "0.3", "--threads", "1")
    arguments = command("select", "pool.jsonl", "--target", "target.jsonl", "-o", "out", *choose)

    def interrupt() -> float:
        with subprocess.Popen(arguments, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as process:
            while not (folder / "out").exists():
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(1.5)
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
            seconds = time.monotonic() - start
        assert (process.returncode, said) == (
            130,
            "zipfit: interrupted; 20,000 rows are done and kept; go on by the same command with --resume\n",
        )
        assert {path.name for path in (folder / "out").rglob("*")} == {".zipfit", "journal"}
        shutil.rmtree(folder / "out")
        return seconds

    assert_quick(interrupt)
