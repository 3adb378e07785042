"""Shards of a run on many machines, put together, are the run over everything, to the byte."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from helpers_files import SOURCE_TEXTS, TARGET_TEXTS, digest, lines_of, write_texts, zipfit_cli
from helpers_parquet import batches, save, texts_of
from hypothesis import given
from test_resume import StopError, stop_after

import zipfit
from zipfit import _core, pipeline
from zipfit.errors import BadRowError, MismatchError, ParameterError
from zipfit.journal import Journal
from zipfit.merge import merge


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sources of every kind, two rows of which are bad, and one of which is empty."""
    texts = [f"{SOURCE_TEXTS[i % 6]} {i * 7 % 190}" for i in range(300)]
    rows = [{"id": i, "text": text, "kind": i % 3, "tokens": i % 11} for i, text in enumerate(texts)]
    lines = [json.dumps(row) for row in rows]
    lines[40], lines[130] = "{", '{"text": null}'
    # Blank lines, a byte-order mark, CRLF, and no newline at the end.
    (tmp_path / "a.jsonl").write_bytes(
        "\ufeff\n\n{}\n\r\n{}".format("\r\n".join(lines[:100]), "\n".join(lines[100:150])).encode()
    )
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(lines[150:200]).encode()))
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "c.jsonl").write_text("\n".join(lines[200:]) + "\n")
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    return tmp_path


SOURCES = ("a.jsonl", "b.jsonl.gz", "empty.jsonl", "c.jsonl")


def options(folder: Path, output: str, **changes: Any) -> pipeline.SelectOptions:
    values: dict[str, Any] = {
        "source": tuple(str(folder / name) for name in SOURCES),
        "target": (str(folder / "target.jsonl"),),
        "output": str(folder / output),
        "on_bad_row": "skip",
        "top_k": 20,
    }
    return pipeline.SelectOptions(**(values | changes))


def in_shards(folder: Path, count: int, **changes: Any) -> list[str]:
    """Run all shards; their directories, in another order."""
    directories = []
    for number in range(1, count + 1):
        one = options(folder, f"shard-{count}-{number}", shard=f"{number}/{count}", **changes)
        pipeline.select(one)
        directories.append(one.output)
    return directories[::-1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"top_k": None, "budget_bytes": 900, "keep_order": True, "metric": "gain"},
        {"sample": 0.1, "seed": 7},
        {"group": "kind", "top_k": 4},
        {"top_k": None, "budget_tokens": 60, "token_field": "tokens"},
        {"min_bytes": 30, "max_bytes": 45},
        {"exclude": ("exclude.jsonl",), "exclude_overlap": "3-gram", "min_bytes": 30},
    ],
    ids=["top-k", "budget", "sample", "group", "tokens", "sizes", "exclude"],
)
def test_shards_put_together_are_the_run_over_everything(
    folder: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    write_texts(folder / "exclude.jsonl", ["lorem ipsum dolor sit amet"])
    pipeline.select(options(folder, "whole", **changes))
    for count in (1, 2, 7):
        result = merge(in_shards(folder, count, **changes), str(folder / f"merged-{count}"))
        assert digest(folder / f"merged-{count}") == digest(folder / "whole")
        assert result.merged == count
        assert result.counts == json.loads((folder / "whole/manifest.json").read_text())["counts"]


def test_threads_batches_and_shards_give_one_hash(folder: Path) -> None:
    pipeline.select(options(folder, "whole"))
    expected = digest(folder / "whole")
    for threads, batch_rows, count in [(1, 1, 2), (2, 7, 7), (3, 4096, 1), (8, 7, 2), (2, 1, 7)]:
        directories = in_shards(folder, count, threads=threads, batch_rows=batch_rows, overwrite=True)
        merge(directories, str(folder / "merged"), overwrite=True)
        assert digest(folder / "merged") == expected, (threads, batch_rows, count)


def test_rows_of_parquet_are_cut_between_row_groups(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    for name, first, group in (("p.parquet", 0, 7), ("q.parquet", 50, 100)):
        texts = [f"{SOURCE_TEXTS[i % 6]} {i}" for i in range(first, first + 50)]
        save(folder / name, pa.table({"text": texts, "id": list(range(50))}), row_group_size=group)
    changes = {"source": (str(folder / "p.parquet"), str(folder / "q.parquet"))}
    pipeline.select(options(folder, "whole", **changes))
    for count in (1, 3, 20):
        directories = in_shards(folder, count, **changes)
        rows = [json.loads(Path(name, "manifest.json").read_text())["counts"]["read"] for name in directories]
        assert sum(rows) == 100
        assert (max(rows) < 100) == (count > 1)
        merge(directories, str(folder / f"merged-{count}"))
        assert digest(folder / f"merged-{count}") == digest(folder / "whole")


LINES = st.lists(st.sampled_from(['{"text":"a"}', '{"text":"bcd"}', "", "\r", '{"text":"' + "x" * 40 + '"}', "?"]))
FILES = st.lists(st.tuples(LINES, st.sampled_from(["jsonl", "jsonl.gz", "txt"]), st.booleans()), min_size=1, max_size=4)


@given(FILES, st.integers(1, 9))
def test_every_row_is_in_one_shard_wherever_files_are_cut(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[list[str], str, bool]], count: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for number, (lines, suffix, ends) in enumerate(files):
        content = ("\n".join(lines) + ("\n" if ends else "")).encode()
        paths.append(str(folder / f"{number}.{suffix}"))
        Path(paths[-1]).write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)

    def places(shard: tuple[int, int]) -> list[tuple[int, int, bytes]]:
        reader = _core.Reader(paths, "text", skip_bad_rows=True, batch_rows=2, shard=shard)
        found, bad = [], []
        while (batch := reader.next_batch(1)) is not None:
            columns = batch.columns()
            at = [np.asarray(columns[name]).tolist() for name in ("file", "byte")]
            found += list(zip(*at, batch.texts.to_list(), strict=True))
            bad += [(paths.index(row["file"]), row.get("byte", -1), b"") for row in batch.rejected]
        return sorted(found + bad)

    parts = [places((number, count)) for number in range(1, count + 1)]
    # One shard after the other, in the order of the rows.
    assert [place for part in parts for place in part] == places((1, 1))


def test_a_shard_goes_on_where_it_was_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.select(options(folder, "whole"))
    directories = in_shards(folder, 3, batch_rows=10)
    for number, directory in enumerate(reversed(directories), 1):
        expected = digest(Path(directory))
        shutil.rmtree(directory)
        again = stop_after(2, monkeypatch)
        with pytest.raises(StopError):
            pipeline.select(options(folder, directory, shard=f"{number}/3", batch_rows=10))
        again()
        pipeline.select(options(folder, directory, shard=f"{number}/3", batch_rows=10, resume=True))
        assert digest(Path(directory)) == expected
        assert pipeline.select(options(folder, directory, shard=f"{number}/3", batch_rows=10, resume=True)).already_done
        with pytest.raises(MismatchError, match="shard differ"):
            pipeline.select(options(folder, directory, shard=f"{number}/4", batch_rows=10, resume=True))
    merge(directories, str(folder / "merged"))
    assert digest(folder / "merged") == digest(folder / "whole")


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_shard_that_was_stopped_after_its_last_batch_has_all_its_rows(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Its manifest counted only rows of files that had ended; other tests stop in the middle."""
    rows = [{"text": f"{text} {number}", "kind": "a"} for number in range(30) for text in SOURCE_TEXTS]
    source = folder / f"long.{kind}"
    if kind == "parquet":
        pa = pytest.importorskip("pyarrow")
        save(source, pa.Table.from_pylist(rows), row_group_size=10)
    else:
        source.write_bytes(lines_of(rows))
    whole = in_shards(folder, 3, source=(str(source),))
    expected = [digest(Path(directory)) for directory in whole]
    for directory in whole:
        shutil.rmtree(directory)
    sync = Journal.sync

    def stop(_: Journal) -> None:
        raise StopError

    for number in (1, 2, 3):
        one = options(folder, f"shard-3-{number}", shard=f"{number}/3", source=(str(source),))
        monkeypatch.setattr(Journal, "sync", stop)
        with pytest.raises(StopError):
            pipeline.select(one)
        monkeypatch.setattr(Journal, "sync", sync)
        pipeline.select(dataclasses.replace(one, resume=True))
    assert [digest(Path(directory)) for directory in whole] == expected


def test_scores_of_shards_put_together_are_chosen_from_as_any(folder: Path) -> None:
    for k in (1, 2):
        done = zipfit_cli(
            "score",
            *SOURCES,
            "--target",
            "target.jsonl",
            "--on-bad-row",
            "skip",
            "--shard",
            f"{k}/2",
            "-o",
            f"s{k}",
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        assert f"this is shard {k}/2; when all are there, zipfit merge puts them together" in done.stderr
    (folder / "elsewhere").mkdir()
    lost = zipfit_cli("merge", "../s2", "../s1", "-o", "scores", cwd=folder / "elsewhere")
    assert lost.returncode == 2
    where = "the run in ../s1 read it by this name; put it back, or go on in the folder where that run was started"
    assert lost.stderr == f"zipfit: {SOURCES[0]}: no such file or directory; {where}\n"
    done = zipfit_cli("merge", "s2", "s1", "-o", "scores", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("put 2 shards together, 300 rows, in ")
    assert zipfit_cli("select", "--scores", "scores", "--top-k", "9", "-o", "best", cwd=folder).returncode == 0
    whole = zipfit_cli(
        "select",
        *SOURCES,
        "--target",
        "target.jsonl",
        "--on-bad-row",
        "skip",
        "--top-k",
        "9",
        "-o",
        "whole",
        cwd=folder,
    )
    assert whole.returncode == 0
    assert (folder / "best/selected.jsonl").read_bytes() == (folder / "whole/selected.jsonl").read_bytes()
    assert len(zipfit.load_scores(folder / "scores")) == 300


def test_a_bad_row_in_a_shard_is_told_by_its_byte_and_the_line_of_the_shard(folder: Path) -> None:
    content = (folder / "a.jsonl").read_bytes()
    at = content.index(b'{"text": null}')
    with pytest.raises(BadRowError, match=rf"a\.jsonl \(byte {at + 9}, line \d+ of the shard\): field") as raised:
        pipeline.select(options(folder, "out", shard="3/3", on_bad_row="error", source=(str(folder / "a.jsonl"),)))
    assert raised.value.byte == at + 9
    assert raised.value.line is None


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_a_shard_that_is_none_is_refused(folder: Path, shard: str) -> None:
    with pytest.raises(ParameterError, match="give K/N with K from 1 to N, as 2/7"):
        pipeline.select(options(folder, "out", shard=shard))


def test_what_looks_at_all_rows_is_refused_in_a_shard(folder: Path) -> None:
    with pytest.raises(ParameterError, match="--dedup looks at all rows"):
        pipeline.select(options(folder, "out", shard="1/2", dedup=1.0))
    with pytest.raises(ParameterError, match="--cover looks at all rows"):
        pipeline.select(options(folder, "out", shard="1/2", cover=True))


def test_shards_that_do_not_make_a_whole_are_refused(folder: Path) -> None:
    directories = in_shards(folder, 3)
    output = str(folder / "merged")
    with pytest.raises(ParameterError, match="shard 2/3 is missing; give the directories of all shards"):
        merge([directories[0], directories[2]], output)
    with pytest.raises(ParameterError, match=r"shard 3/3 is in .*, too; leave out one"):
        merge([*directories, directories[0]], output)
    with pytest.raises(ParameterError, match="no shard is given"):
        merge([], output)
    with pytest.raises(MismatchError, match=r"one of 2 shards, but .* is one of 3"):
        merge([directories[0], in_shards(folder, 2)[1]], output)
    pipeline.select(options(folder, "other", shard="2/3", metric="gain"))
    with pytest.raises(MismatchError, match=r"a shard of another run than .*: library, --metric, --compressor differ"):
        merge([directories[0], str(folder / "other"), directories[2]], output)
    pipeline.select(options(folder, "other", shard="2/3", source=(str(folder / "c.jsonl"),), overwrite=True))
    with pytest.raises(MismatchError, match="the names or sizes of the sources differ"):
        merge([directories[0], str(folder / "other"), directories[2]], output)
    with pytest.raises(ParameterError, match="is the directory of a shard"):
        merge(directories, directories[0], overwrite=True)
    with pytest.raises(ParameterError, match=r"there is no manifest\.json"):
        merge([str(folder)], output)
    assert not Path(output).exists()


def test_shards_and_whole_runs_are_not_taken_for_each_other(folder: Path) -> None:
    pipeline.select(options(folder, "whole"))
    with pytest.raises(ParameterError, match="not of a shard; there is nothing to merge"):
        merge([str(folder / "whole")], str(folder / "merged"))
    [shard] = in_shards(folder, 1)
    for use in (
        zipfit.load_scores,
        lambda scores: pipeline.select(pipeline.SelectOptions(output=str(folder / "best"), scores=scores, top_k=1)),
    ):
        with pytest.raises(ParameterError, match="shard 1/1 are here; put all shards together by zipfit merge"):
            use(shard)


def test_what_changed_since_a_shard_was_scored_is_found(folder: Path) -> None:
    directories = in_shards(folder, 2)
    output = str(folder / "merged")
    [rejected] = [
        path for path in (Path(name, "rejected.jsonl") for name in directories) if b"null" in path.read_bytes()
    ]
    before = rejected.read_bytes()
    rejected.write_bytes(before.replace(b"null", b"nice"))
    with pytest.raises(MismatchError, match=r"rejected\.jsonl: not the file that its manifest describes"):
        merge(directories, output)
    rejected.write_bytes(before)
    table = Path(directories[0], "scores.parquet")
    content = bytearray(table.read_bytes())
    content[100] ^= 1
    table.write_bytes(content)
    with pytest.raises(MismatchError, match=r"scores\.parquet"):
        merge(directories, output)
    content[100] ^= 1
    table.write_bytes(content)
    with (folder / "c.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(MismatchError, match=r"c\.jsonl: the file changed since it was scored"):
        merge(directories, output)
    assert not Path(output).exists()


def test_rows_are_never_copied_from_a_file_that_changed_after_all_shards_were_scored(folder: Path) -> None:
    directories = in_shards(folder, 2)
    content = (folder / "c.jsonl").read_bytes()
    (folder / "c.jsonl").write_bytes(content.replace(b"lorem", b"LOREM"))
    os.utime(folder / "c.jsonl", (1, 1))
    # One shard has all of this file, so that its hash is known; of the other one only the time is.
    with pytest.raises(MismatchError, match=r"c\.jsonl: (the file changed|its time of change is not what it was)"):
        merge(directories, str(folder / "merged"))
    assert not (folder / "merged").exists()


def test_a_copy_with_another_time_is_known_by_its_hash_where_a_shard_had_it_whole(folder: Path) -> None:
    directories = in_shards(folder, 2)
    os.utime(folder / "b.jsonl.gz", (1, 1))
    merge(directories, str(folder / "merged"))
    os.utime(folder / "empty.jsonl", (1, 1))
    merge(directories, str(folder / "merged"), overwrite=True)


def test_shards_of_select_and_of_score_are_of_two_runs_in_either_order(folder: Path) -> None:
    first = options(folder, "s1", shard="1/2")
    scoring = {name: getattr(first, name) for name in ("source", "target", "on_bad_row")}
    pipeline.select(first)
    pipeline.score(pipeline.ScoreOptions(output=str(folder / "s2"), shard="2/2", **scoring))
    for order in (("s1", "s2"), ("s2", "s1")):
        with pytest.raises(MismatchError, match=r"a shard of another run than .* --top-k"):
            merge([str(folder / name) for name in order], str(folder / "merged"))


def test_a_shard_that_had_to_skip_rows_goes_with_others_that_had_not(folder: Path) -> None:
    source = {"source": (str(folder / "a.jsonl"),)}
    pipeline.select(options(folder, "whole", **source))
    directories = []
    for number in (1, 2, 3):
        one = options(folder, f"s{number}", shard=f"{number}/3", on_bad_row="error", **source)
        try:
            pipeline.select(one)
        except BadRowError:
            pipeline.select(options(folder, f"s{number}", shard=f"{number}/3", resume=True, **source))
        directories.append(one.output)
    policies = {json.loads(Path(name, "manifest.json").read_text())["parameters"]["on_bad_row"] for name in directories}
    assert policies == {"error", "skip"}
    merge(directories, str(folder / "merged"))
    assert digest(folder / "merged") == digest(folder / "whole")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files where Linux shows them")
def test_merging_has_few_files_open_however_many_shards_there_are(folder: Path) -> None:
    import resource

    directories = in_shards(folder, 40)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 30, limits[1]))
    try:
        merge(directories, str(folder / "merged"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_shard_is_the_same_however_its_number_is_written(folder: Path) -> None:
    pipeline.select(options(folder, "out", shard="01/2"))
    assert pipeline.select(options(folder, "out", shard="1/02", resume=True)).already_done


def test_the_directory_of_merged_shards_is_of_this_machine(folder: Path) -> None:
    with pytest.raises(ParameterError, match="results go to a directory of this machine"):
        merge(in_shards(folder, 1), "s3://bucket/merged")


def test_a_file_that_shrinks_while_a_shard_of_it_is_read_is_an_error(folder: Path) -> None:
    path = folder / "long.jsonl"
    write_texts(path, ["x" * 100] * 200_000)
    reader = _core.Reader([str(path)], "text", shard=(1, 2), batch_rows=10)
    assert reader.next_batch(1) is not None
    os.truncate(path, 6_000_000)
    with pytest.raises(MismatchError, match=r"long\.jsonl: the file changed while it was read"):
        batches(reader)


def test_progress_of_a_resumed_shard_does_not_pass_its_end(folder: Path) -> None:
    for name in ("d.jsonl", "e.jsonl"):
        write_texts(folder / name, [f"{name} {i}" for i in range(500)])
    paths = [str(folder / "d.jsonl"), str(folder / "e.jsonl")]
    first = _core.Reader(paths, "text", shard=(2, 4), batch_rows=100)
    for _ in range(2):
        assert first.next_batch(1) is not None
    again = _core.Reader(paths, "text", shard=(2, 4), batch_rows=100)
    again.resume(first.position, first.files())
    while again.next_batch(1) is not None:
        assert again.bytes_read <= again.bytes_total
    assert again.bytes_read == pytest.approx(again.bytes_total, rel=0.01)


def test_a_file_that_shards_saw_with_other_times_is_warned_of(folder: Path) -> None:
    only = {"source": (str(folder / "a.jsonl"),)}
    pipeline.select(options(folder, "s1", shard="1/2", **only))
    os.utime(folder / "a.jsonl", (1, 1))
    pipeline.select(options(folder, "s2", shard="2/2", **only))
    with pytest.warns(UserWarning, match=r"a\.jsonl: its time of change is not the same in all shards"):
        merge([str(folder / "s1"), str(folder / "s2")], str(folder / "merged"))


def test_more_shards_than_rows_leave_some_without_rows(folder: Path) -> None:
    write_texts(folder / "few.jsonl", SOURCE_TEXTS[:3])
    changes = {"source": (str(folder / "few.jsonl"),), "top_k": 2}
    pipeline.select(options(folder, "whole", **changes))
    merge(in_shards(folder, 30, **changes), str(folder / "merged"))
    assert digest(folder / "merged") == digest(folder / "whole")


def test_shards_without_any_good_row_are_an_error_when_put_together(folder: Path) -> None:
    (folder / "bad.jsonl").write_text("{\n" * 5)
    directories = in_shards(folder, 2, source=(str(folder / "bad.jsonl"),))
    with pytest.raises(BadRowError, match=r"bad\.jsonl:1 \(byte \d\): all rows were rejected"):
        merge(directories, str(folder / "merged"))
    (folder / "none.jsonl").write_text("\n")
    for policy in ("skip", "error"):
        directories = in_shards(folder, 2, source=(str(folder / "none.jsonl"),), on_bad_row=policy, overwrite=True)
        with pytest.raises(ParameterError, match=r"none\.jsonl: source has 0 rows; there is nothing to choose from"):
            merge(directories, str(folder / "merged"))


def test_a_reader_of_a_shard_reads_nothing_of_the_others(folder: Path) -> None:
    write_texts(folder / "rows.jsonl", [str(i) for i in range(1000)])
    reader = _core.Reader([str(folder / "rows.jsonl")], "text", shard=(2, 4))
    texts = texts_of(batches(reader))
    assert 240 < len(texts) < 260
    assert texts == [str(i) for i in range(int(texts[0]), int(texts[0]) + len(texts))]
    assert reader.bytes_total == pytest.approx((folder / "rows.jsonl").stat().st_size / 4, abs=1)
