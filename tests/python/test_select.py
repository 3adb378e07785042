"""`zipfit select`: which rows are written, how, and what is recorded about them."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from helpers_files import OUTPUT_NAMES, SOURCE_TEXTS, TARGET_TEXTS, lines_of, read_rows, write_texts, zipfit_cli

import zipfit

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pool.jsonl (ids, tokens) and target.jsonl."""
    rows = ({"id": f"r{i}", "text": text, "tokens": len(text.split())} for i, text in enumerate(SOURCE_TEXTS))
    (tmp_path / "pool.jsonl").write_bytes(lines_of(rows))
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    return tmp_path


def select(folder: Path, *arguments: str, source: tuple[str, ...] = ("pool.jsonl",), output: str = "out") -> Path:
    """Run `zipfit select` in the folder, which must succeed, and return the output directory."""
    done = zipfit_cli("select", *source, "--target", "target.jsonl", "-o", output, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert {path.name for path in (folder / output).iterdir()} == OUTPUT_NAMES
    return folder / output


def chosen_rows(output: Path) -> list[int]:
    return [row["row"] for row in read_rows(output / "selection.jsonl")]


def manifest_of(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    return content


def test_the_best_rows_are_written_best_first_as_they_are(folder: Path) -> None:
    output = select(folder, "--top-k", "2")
    lines = (folder / "pool.jsonl").read_bytes().splitlines(keepends=True)
    best = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS).top_k(2)
    assert set(best.rows.tolist()) == {1, 3}
    assert (output / "selected.jsonl").read_bytes() == b"".join(lines[row] for row in best.rows)


def test_selection_jsonl_says_where_each_row_is_from(folder: Path) -> None:
    output = select(folder, "--top-k", "2")
    best = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS).top_k(2)
    expected = [
        {
            "rank": rank,
            "row": int(row),
            "file": "pool.jsonl",
            "line": int(row) + 1,
            "id": f"r{row}",
            "score": float(score),
        }
        for rank, (row, score) in enumerate(zip(best.rows, best.scores, strict=True))
    ]
    assert read_rows(output / "selection.jsonl") == expected
    assert [list(row) for row in read_rows(output / "selection.jsonl")] == [list(row) for row in expected]


@pytest.mark.parametrize(
    ("arguments", "choose"),
    [
        (["--top-k", "3"], lambda ranking, _: ranking.top_k(3)),
        (["--top-fraction", "0.4"], lambda ranking, _: ranking.top_fraction(0.4)),
        (["--threshold", "0.45"], lambda ranking, _: ranking.threshold(0.45)),
        (["--budget-bytes", "80"], lambda ranking, _: ranking.within(budget_bytes=80)),
        (
            ["--budget-tokens", "12", "--token-field", "tokens"],
            lambda ranking, tokens: ranking.within(budget_tokens=12, tokens=tokens),
        ),
    ],
)
def test_each_chooser_chooses_what_the_method_of_its_name_does(folder: Path, arguments: list[str], choose: Any) -> None:
    tokens = [len(text.split()) for text in SOURCE_TEXTS]
    expected = choose(zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS), tokens).rows.tolist()
    assert 0 < len(expected) < len(SOURCE_TEXTS)
    assert chosen_rows(select(folder, *arguments)) == expected


def test_a_threshold_above_all_scores_writes_empty_files(folder: Path) -> None:
    output = select(folder, "--threshold", "2")
    assert (output / "selected.jsonl").read_bytes() == b""
    assert (output / "selection.jsonl").read_bytes() == b""
    assert manifest_of(output)["counts"]["selected"] == 0


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (["--threshold", "2"], "--threshold is 2, above the best score, {best:.6g}; nothing is selected"),
        (
            ["--threshold", "0", "--min-bytes", "999"],
            "the limits on size leave no row to choose from; nothing is selected",
        ),
    ],
)
def test_a_run_that_selects_nothing_says_why(folder: Path, arguments: list[str], note: str) -> None:
    done = zipfit_cli(*("select", "pool.jsonl", "--target", "target.jsonl", "-o", "out"), *arguments, cwd=folder)
    best = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS).scores.max()
    assert done.stderr.splitlines()[0] == f"zipfit: warning: {note.format(best=best)}"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--metric", "cdm"], {"metric": "cdm"}),
        (["--metric", "clm", "--compressor", "zstd-3"], {"metric": "clm", "compressor": "zstd-3"}),
        (["--aggregate", "max"], {"aggregate": "max"}),
        (["--aggregate", "top-1", "--compressor", "bz2-9"], {"aggregate": "top-1", "compressor": "bz2-9"}),
    ],
)
def test_scores_are_those_of_rank_to_the_last_bit(folder: Path, arguments: list[str], options: Any) -> None:
    output = select(folder, "--top-k", "6", *arguments)
    scores = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS, **options).top_k(6).scores.tolist()
    assert [row["score"] for row in read_rows(output / "selection.jsonl")] == scores


def test_keep_order_writes_in_input_order_and_keeps_ranks_and_bytes(folder: Path) -> None:
    odd = [
        b'{"text" : "def f(a): return a",\t"id":7 }',
        b'  {"b": [1,  2], "text": "na\\u00efve caf\\u00e9", "a": 1.50}',
        '{"text": "naïve café", "id": "\\u0041"}'.encode(),
        b'{"id": null, "text": "def g(a): return a", "id": {"x": [1e3]}}',
    ]
    (folder / "odd.jsonl").write_bytes(b"\r\n".join(odd))
    output = select(folder, "--top-k", "4", "--keep-order", source=("odd.jsonl",))
    assert (output / "selected.jsonl").read_bytes() == b"".join(line + b"\n" for line in odd)
    rows = read_rows(output / "selection.jsonl")
    assert [row["row"] for row in rows] == [0, 1, 2, 3]
    assert [row["id"] for row in rows] == [7, None, "A", {"x": [1e3]}]
    by_rank = sorted(rows, key=lambda row: row["rank"])
    assert [row["rank"] for row in by_rank] == [0, 1, 2, 3]
    assert [row["score"] for row in by_rank] == sorted((row["score"] for row in rows), reverse=True)


def test_byte_order_mark_crlf_blank_lines_and_a_missing_last_newline_are_fine(folder: Path) -> None:
    lines = [json.dumps({"text": text}).encode() for text in SOURCE_TEXTS]
    content = b"\xef\xbb\xbf" + b"\r\n\r\n  \r\n".join(lines)
    (folder / "windows.jsonl").write_bytes(content)
    output = select(folder, "--top-k", "6", source=("windows.jsonl",))
    best = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS).order
    assert (output / "selected.jsonl").read_bytes() == b"".join(lines[row] + b"\n" for row in best)
    rows = read_rows(output / "selection.jsonl")
    assert [row["row"] for row in rows] == best.tolist()
    assert [row["line"] for row in rows] == [1 + 3 * int(row) for row in best]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_source_of_several_members_is_one_file(folder: Path, suffix: str) -> None:
    content = (folder / "pool.jsonl").read_bytes()
    compress = gzip.compress if suffix == ".gz" else zstandard.ZstdCompressor().compress
    # Cut within a row, as tools that compress in parallel do.
    packed = b"".join(compress(part) for part in (content[:100], b"", content[100:230], content[230:]))
    (folder / f"packed.jsonl{suffix}").write_bytes(packed)
    plain = select(folder, "--top-k", "6", output="plain")
    output = select(folder, "--top-k", "6", source=(f"packed.jsonl{suffix}",))
    assert (output / "selected.jsonl").read_bytes() == (plain / "selected.jsonl").read_bytes()
    (source,) = manifest_of(output)["sources"]
    assert source == {
        "name": f"packed.jsonl{suffix}",
        "bytes": len(packed),
        "sha256": hashlib.sha256(packed).hexdigest(),
        "rows": len(SOURCE_TEXTS),
    }


def test_rows_are_numbered_over_all_sources_and_lines_within_each(folder: Path) -> None:
    write_texts(folder / "a.jsonl", SOURCE_TEXTS[:2])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines_of({"text": text} for text in SOURCE_TEXTS[2:])))
    output = select(folder, "--top-k", "6", "--keep-order", source=("a.jsonl", "b.jsonl.gz"))
    places = [(row["row"], row["file"], row["line"]) for row in read_rows(output / "selection.jsonl")]
    assert places == [(0, "a.jsonl", 1), (1, "a.jsonl", 2)] + [(i + 2, "b.jsonl.gz", i + 1) for i in range(4)]
    assert [file["rows"] for file in manifest_of(output)["sources"]] == [2, 4]


def test_several_targets_are_one_target_set(folder: Path) -> None:
    for i, text in enumerate(TARGET_TEXTS):
        write_texts(folder / f"t{i}.jsonl", [text])
    done = zipfit_cli(
        *("select", "pool.jsonl", "--target", "t0.jsonl", "--target", "t1.jsonl", "--top-k", "6", "-o", "out"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    expected = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS).top_k(6).scores.tolist()
    assert [row["score"] for row in read_rows(folder / "out" / "selection.jsonl")] == expected


def test_a_template_joins_fields_and_the_targets_may_have_another(folder: Path) -> None:
    rows = [{"prompt": f"Task {i}", "answer": text, "n": i} for i, text in enumerate(SOURCE_TEXTS)]
    (folder / "chat.jsonl").write_bytes(lines_of(rows))
    (folder / "target.jsonl").write_bytes(lines_of({"body": text} for text in TARGET_TEXTS))
    template = r"{{{n}}} {prompt}\n\t{answer}"
    output = select(folder, "--top-k", "6", "--text", template, "--target-text", "body", source=("chat.jsonl",))
    texts = [f"{{{row['n']}}} {row['prompt']}\n\t{row['answer']}" for row in rows]
    expected = zipfit.rank(texts, TARGET_TEXTS).top_k(6)
    assert chosen_rows(output) == expected.rows.tolist()
    assert [row["score"] for row in read_rows(output / "selection.jsonl")] == expected.scores.tolist()


def test_target_text_is_text_unless_given(folder: Path) -> None:
    (folder / "bodies.jsonl").write_bytes(lines_of({"body": text} for text in SOURCE_TEXTS))
    (folder / "target.jsonl").write_bytes(lines_of({"body": text} for text in TARGET_TEXTS))
    output = select(folder, "--top-k", "1", "--text", "body", source=("bodies.jsonl",))
    assert manifest_of(output)["parameters"]["target_text"] == "body"


def test_id_names_the_field_that_is_copied(folder: Path) -> None:
    output = select(folder, "--top-k", "6", "--keep-order", "--id", "tokens")
    assert [row["id"] for row in read_rows(output / "selection.jsonl")] == [len(text.split()) for text in SOURCE_TEXTS]


def test_rows_outside_the_size_limits_are_not_chosen_but_counted(folder: Path) -> None:
    sizes = [len(text.encode()) for text in SOURCE_TEXTS]
    output = select(folder, "--threshold", "-9", "--min-bytes", "20", "--max-bytes", "40", "--keep-order")
    kept = [row for row, size in enumerate(sizes) if 20 <= size <= 40]
    assert chosen_rows(output) == kept
    assert manifest_of(output)["counts"] == {
        "read": 6,
        "scored": 6,
        "rejected": 0,
        "below_min_bytes": sum(size < 20 for size in sizes),
        "above_max_bytes": sum(size > 40 for size in sizes),
        "selected": len(kept),
    }


def test_k_above_the_number_of_rows_takes_all_with_a_warning(folder: Path) -> None:
    done = zipfit_cli(*("select", "pool.jsonl", "--target", "target.jsonl", "--top-k", "7", "-o", "out"), cwd=folder)
    assert done.returncode == 0
    assert len(read_rows(folder / "out" / "selected.jsonl")) == 6
    warning = "zipfit: warning: --top-k is 7, but only 6 rows can be chosen; all of them are selected"
    assert done.stderr.splitlines()[0] == warning


def test_the_manifest_says_what_the_result_is_made_of(folder: Path) -> None:
    output = select(folder, "--top-k", "2", "--min-bytes", "1")
    manifest = manifest_of(output)
    files = ["sources", "targets", "exclude"]
    assert list(manifest) == ["zipfit", "parameters", "library", "tokenizer", *files, "counts", "seed", "outputs"]
    assert manifest["zipfit"] == zipfit.__version__
    assert manifest["parameters"] == {
        "top_k": 2,
        "top_fraction": None,
        "threshold": None,
        "budget_bytes": None,
        "budget_tokens": None,
        "cover": False,
        "beta": None,
        "sample": None,
        "group": None,
        "text": "text",
        "target_text": "text",
        "id": None,
        "token_field": None,
        "tokenizer": None,
        "metric": "ncd",
        "compressor": "gzip-9",
        "aggregate": "mean",
        "min_bytes": 1,
        "max_bytes": None,
        "exclude_text": None,
        "exclude_overlap": None,
        "dedup": None,
        "text_by": "line",
        "on_bad_row": "error",
        "max_row_bytes": 64 << 20,
        "keep_order": False,
    }
    assert manifest["library"]["name"] == "zlib"
    assert manifest["seed"] == 0
    for side, names in zip(files, (["pool.jsonl"], ["target.jsonl"], []), strict=True):
        for entry, name in zip(manifest[side], names, strict=True):
            content = (folder / name).read_bytes()
            rows = content.count(b"\n")
            digest = hashlib.sha256(content).hexdigest()
            assert entry == {"name": name, "bytes": len(content), "sha256": digest, "rows": rows}
    for entry, name in zip(manifest["outputs"], ["scores.parquet", "selected.jsonl", "selection.jsonl"], strict=True):
        content = (output / name).read_bytes()
        assert entry == {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_run_json_says_how_the_run_went(folder: Path) -> None:
    output = select(folder, "--top-k", "2", "--threads", "1")
    run = json.loads((output / "run.json").read_text(encoding="utf-8"))
    assert list(run) == ["command", "started", "seconds", "threads", "machine", "peak_memory_bytes", "sources"]
    assert run["command"][1:] == [
        *("select", "pool.jsonl", "--target", "target.jsonl"),
        *("-o", "out", "--top-k", "2", "--threads", "1"),
    ]
    assert run["started"].endswith("+00:00")
    assert 0 <= run["seconds"] < 300
    assert run["threads"] == 1
    assert run["peak_memory_bytes"] is None or run["peak_memory_bytes"] > 1_000_000


def test_the_same_command_gives_the_same_bytes_on_any_number_of_threads(
    folder: Path, functions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texts(folder / "many.jsonl", functions)
    runs = []
    for threads in ("1", "2", "8"):
        # Sets come in another order.
        monkeypatch.setenv("PYTHONHASHSEED", threads)
        output = select(
            folder, "--top-k", "20", "--threads", threads, source=("many.jsonl", "pool.jsonl"), output=f"out{threads}"
        )
        runs.append({path.name: path.read_bytes() for path in output.iterdir() if path.name != "run.json"})
    assert set(runs[0]) == OUTPUT_NAMES - {"run.json"}
    assert runs[0] == runs[1] == runs[2]


def test_overwrite_replaces_an_earlier_result(folder: Path) -> None:
    select(folder, "--top-k", "1")
    (folder / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    done = zipfit_cli(
        *("select", "pool.jsonl", "--target", "target.jsonl", "--top-k", "2", "-o", "out", "--overwrite"), cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert len(read_rows(folder / "out" / "selected.jsonl")) == 2
    assert (folder / "out" / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_the_output_directory_and_its_parents_are_made(folder: Path) -> None:
    select(folder, "--top-k", "1", output="deep/down/out")


def test_a_summary_goes_to_standard_error(folder: Path) -> None:
    done = zipfit_cli(
        *("select", "pool.jsonl", "--target", "target.jsonl", "--top-k", "2", "-o", "out", "--min-bytes", "20"),
        cwd=folder,
    )
    best = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS).top_k(2).scores
    read, left_out, chose, wrote = done.stderr.splitlines()
    assert read.startswith("read 6 rows and compared each with 2 rows of the target in ")
    assert left_out == "left out 1 row by size"
    assert chose == f"chose 2 rows, scores {best[0]:.4f} to {best[1]:.4f}"
    assert wrote == "wrote scores.parquet, selected.jsonl, selection.jsonl, run.json, manifest.json in out"


@pytest.mark.parametrize("way", [[], ["--cover"], ["--metric", "gain"]])
@pytest.mark.parametrize("unit", ["bytes", "tokens"])
def test_a_budget_and_what_was_spent_of_it_are_told(folder: Path, way: list[str], unit: str) -> None:
    rows = ({"text": text, "tokens": len(text.split())} for text in SOURCE_TEXTS)
    (folder / "pool.jsonl").write_bytes(lines_of(rows))
    amount = ["--budget-bytes", "60"] if unit == "bytes" else ["--budget-tokens", "14", "--token-field", "tokens"]
    done = zipfit_cli(*("select", "pool.jsonl", "--target", "target.jsonl", "-o", "out", *amount, *way), cwd=folder)
    chosen = [row["text"] for row in read_rows(folder / "out" / "selected.jsonl")]
    cost = {"bytes": len, "tokens": lambda text: len(text.split())}[unit]
    said = f"chose {len(chosen)} rows, {sum(map(cost, chosen))} of {amount[1]} {unit}, scores "
    assert done.stderr.splitlines()[-2].startswith(said)


@pytest.mark.parametrize(
    ("way", "verb"),
    [
        (["--metric", "gain"], "compressed each with the help of"),
        (["--metric", "cdm"], "compared each with"),
        (["--cover"], "looked for what covers"),
    ],
)
def test_a_summary_says_what_was_done_with_the_target(folder: Path, way: list[str], verb: str) -> None:
    done = zipfit_cli(
        *("select", "pool.jsonl", "--target", "target.jsonl", "-o", "out", "--top-k", "1", *way), cwd=folder
    )
    assert f"read 6 rows and {verb} 2 rows of the target in " in done.stderr


def test_a_target_without_the_field_of_the_sources_names_the_option_for_it(folder: Path) -> None:
    (folder / "other.jsonl").write_bytes(lines_of([{"body": "a"}]))
    done = zipfit_cli("select", "pool.jsonl", "--target", "other.jsonl", "--top-k", "1", "-o", "out", cwd=folder)
    sentence = 'no field "text"; fields here: "body"; name the field of these rows by --target-text'
    assert done.stderr == f"zipfit: other.jsonl:1 (byte 0): {sentence}\n"


def test_json_makes_the_summary_one_object_on_standard_output(folder: Path) -> None:
    done = zipfit_cli(
        *("select", "pool.jsonl", "--target", "target.jsonl", "--top-k", "2", "-o", "out", "--json"), cwd=folder
    )
    assert done.returncode == 0
    assert done.stderr == ""
    summary = json.loads(done.stdout)
    assert set(summary.pop("files")) == OUTPUT_NAMES
    assert summary.pop("seconds") > 0
    assert summary.pop("threads") >= 1
    best = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS).top_k(2).scores.tolist()
    assert summary == {
        "output": "out",
        "counts": manifest_of(folder / "out")["counts"],
        "already_done": False,
        "scores": None,
        "shard": None,
        "merged": None,
        "targets": 2,
        "metric": "ncd",
        "budget": None,
        "budget_unit": None,
        "spent": None,
        "groups": None,
        "beta": None,
        "covered": None,
        "best_score": best[0],
        "last_score": best[1],
    }
