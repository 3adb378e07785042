"""Inputs by URL, without a network: fsspec's system on disk, and one in memory that fails when it is told to."""

from __future__ import annotations

import errno
import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from helpers_files import (
    OUTPUT_NAMES,
    SOURCE_TEXTS,
    TARGET_TEXTS,
    lines_of,
    read_rows,
    write_texts,
    zipfit_cli,
)
from helpers_parquet import save

from zipfit import cli, errors, estimate, pipeline, remote
from zipfit.paths import expand, is_url

if TYPE_CHECKING:
    from collections.abc import Iterator

fsspec = pytest.importorskip("fsspec")

from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402 - it may not be there

POOL = lines_of({"text": text} for text in SOURCE_TEXTS)
TARGET = lines_of({"text": text} for text in TARGET_TEXTS)


class FarFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """Files that are far away, as those of ``hf://``: it counts what is fetched, and fails as networks do."""

    protocol = "hf"
    store: dict[str, Any] = {}  # noqa: RUF012 - as in its parent
    pseudo_dirs = [""]  # noqa: RUF012
    fetched: list[str] = []  # noqa: RUF012
    failures: dict[str, Exception] = {}  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.removeprefix("hf://"))
        return stripped

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        if rpath in self.failures:
            Path(lpath).write_bytes(self.cat_file(rpath)[:10])
            raise self.failures[rpath]
        self.fetched.append(rpath)
        super().get_file(rpath, lpath, **options)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarFileSystem]:
    """The far file system with a pool in two files; the folder is the current one and has targets."""
    monkeypatch.chdir(tmp_path)
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    write_texts(tmp_path / "pool.jsonl", SOURCE_TEXTS)
    # `fsspec.registry` is a view of what is in the module of that name.
    monkeypatch.setitem(sys.modules["fsspec.registry"].__dict__["_registry"], "hf", FarFileSystem)
    system = fsspec.filesystem("hf", skip_instance_cache=True)
    half = len(SOURCE_TEXTS) // 2
    for name, texts in [("a.jsonl", SOURCE_TEXTS[:half]), ("b.jsonl.gz", SOURCE_TEXTS[half:])]:
        content = lines_of({"text": text} for text in texts)
        system.pipe_file(f"/datasets/me/pool/{name}", gzip.compress(content) if name.endswith("gz") else content)
    yield system
    for kept in (system.store, system.fetched, system.failures):
        kept.clear()


A, B = "hf:///datasets/me/pool/a.jsonl", "hf:///datasets/me/pool/b.jsonl.gz"


def options(*source: str, output: str = "out", **more: Any) -> pipeline.SelectOptions:
    return pipeline.SelectOptions(source=source, output=output, **{"target": ("target.jsonl",), "top_k": 1, **more})


def names(output: str) -> set[str]:
    return {path.name for path in Path(output).iterdir()}


def test_urls_give_the_rows_that_files_give(far: FarFileSystem) -> None:
    pipeline.select(options("pool.jsonl", output="near"))
    pipeline.select(options(A, B))
    for name in ("selected.jsonl",):
        assert Path("out", name).read_bytes() == Path("near", name).read_bytes()
    assert {row["file"] for row in read_rows(Path("out/selection.jsonl"))} <= {A, B}
    assert [source["name"] for source in json.loads(Path("out/manifest.json").read_bytes())["sources"]] == [A, B]
    assert all(source["version"] for source in json.loads(Path("out/run.json").read_bytes())["sources"])
    # The copies are gone.
    assert names("out") == OUTPUT_NAMES
    assert far.fetched == ["/datasets/me/pool/a.jsonl", "/datasets/me/pool/b.jsonl.gz"]


def test_a_pattern_stands_for_the_files_that_it_matches(far: FarFileSystem) -> None:
    far.mkdir("/datasets/me/pool/empty.jsonl")
    assert expand(["hf:///datasets/me/*/*.jsonl*"]) == (A, B)
    with pytest.raises(errors.ParameterError, match=r"^hf:///datasets/me/\*\.csv: no file matches this pattern$"):
        expand(["hf:///datasets/me/*.csv"])


def test_targets_evaluation_rows_and_near_sources_go_with_urls(far: FarFileSystem) -> None:
    far.pipe_file("/target.jsonl", TARGET)
    chosen = pipeline.select(
        options("pool.jsonl", A, target=("hf:///target.jsonl",), exclude=("hf:///target.jsonl",), dedup=1.0, cover=True)
    )
    assert chosen.counts["duplicates"] == len(SOURCE_TEXTS) // 2
    manifest = json.loads(Path("out/manifest.json").read_bytes())
    assert [manifest[side][0]["name"] for side in ("targets", "exclude")] == ["hf:///target.jsonl"] * 2
    assert far.fetched.count("/target.jsonl") == 1
    assert not Path("out/.zipfit").exists()


def test_parquet_by_url_stays_parquet(far: FarFileSystem, tmp_path: Path) -> None:
    far.put_file(str(save(tmp_path / "pool.parquet", pa.table({"text": SOURCE_TEXTS}))), "/pool.parquet")
    pipeline.select(options("hf:///pool.parquet"))
    assert "selected.parquet" in names("out")


def test_rows_are_chosen_again_from_files_that_are_fetched_again(far: FarFileSystem) -> None:
    pipeline.score(pipeline.ScoreOptions(source=(A, B), target=("target.jsonl",), output="scores"))
    pipeline.select(pipeline.SelectOptions(scores="scores", top_k=1, output="later", verify=True))
    pipeline.select(options(A, B))
    assert Path("later/selected.jsonl").read_bytes() == Path("out/selected.jsonl").read_bytes()
    same_size = far.cat_file("/datasets/me/pool/a.jsonl").replace(b"cat", b"dog")
    far.pipe_file("/datasets/me/pool/a.jsonl", same_size)
    again = pipeline.SelectOptions(scores="scores", top_k=1, output="later", overwrite=True, verify=True)
    with pytest.raises(errors.MismatchError, match=f"^{A}: the file changed since it was scored; score again$"):
        pipeline.select(again)
    far.pipe_file("/datasets/me/pool/a.jsonl", same_size + b"\n")
    with pytest.raises(errors.MismatchError, match=f"^{A}: the file changed since it was scored; score again, or"):
        pipeline.select(pipeline.SelectOptions(scores="scores", top_k=1, output="new"))
    assert not Path("new").exists()


@pytest.mark.usefixtures("far")
def test_choosing_by_scores_keeps_no_copies_when_it_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.score(pipeline.ScoreOptions(source=(A, B), target=("target.jsonl",), output="scores"))
    later = pipeline.SelectOptions(scores="scores", top_k=1, output="later")

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "choose_by_table", interrupt)
        with pytest.raises(KeyboardInterrupt) as caught:
            pipeline.select(later)
    # There is nothing to go on with, so it is not said that there is.
    assert not getattr(caught.value, "__notes__", [])
    assert not Path("later").exists()
    pipeline.select(later)


def test_files_that_came_before_the_network_failed_are_not_fetched_again(far: FarFileSystem) -> None:
    far.failures["/datasets/me/pool/b.jsonl.gz"] = ConnectionError("reset by\npeer")
    with pytest.raises(OSError, match="cannot be read") as caught:
        pipeline.select(options(A, B))
    # A plain OSError, so that the exit status is that of a machine that failed.
    assert cli._verdict(caught.value) == (
        f"{B}: cannot be read (reset by peer); inputs that were copied are kept; "
        "go on by the same command with --resume",
        3,
    )
    assert len(list(Path("out/.zipfit/spool").iterdir())) == 1
    with pytest.raises(errors.OutputExistsError, match="an unfinished run is here"):
        pipeline.select(options(A, B))
    far.failures.clear()
    pipeline.select(options(A, B, resume=True))
    assert far.fetched == ["/datasets/me/pool/a.jsonl", "/datasets/me/pool/b.jsonl.gz"]
    assert names("out") == OUTPUT_NAMES
    pipeline.select(options(A, B, output="whole"))
    assert Path("out/manifest.json").read_bytes() == Path("whole/manifest.json").read_bytes()


def test_a_file_that_changed_before_the_run_went_on_is_fetched_again(far: FarFileSystem) -> None:
    far.failures["/datasets/me/pool/b.jsonl.gz"] = ConnectionError("reset")
    with pytest.raises(OSError, match="reset"):
        pipeline.select(options(A, B))
    far.failures.clear()
    far.pipe_file("/datasets/me/pool/a.jsonl", lines_of([{"text": "something new"}]))
    assert pipeline.select(options(A, B, resume=True)).counts["read"] == 1 + len(SOURCE_TEXTS) // 2


def test_a_finished_run_by_url_is_known_again(far: FarFileSystem) -> None:
    pipeline.select(options(A, B))
    assert pipeline.select(options(A, B, resume=True)).already_done
    # Without fetching anything again.
    assert len(far.fetched) == 2
    far.pipe_file("/datasets/me/pool/a.jsonl", lines_of([{"text": "something new"}]))
    with pytest.raises(errors.MismatchError, match="it was another one: sources differ"):
        pipeline.select(options(A, B, resume=True))


def test_a_finished_run_with_a_file_beside_a_url_is_known_again(far: FarFileSystem) -> None:
    pipeline.select(options(A, "pool.jsonl"))
    assert pipeline.select(options(A, "pool.jsonl", resume=True)).already_done
    far.pipe_file("/datasets/me/pool/a.jsonl", far.cat_file("/datasets/me/pool/a.jsonl"))
    assert pipeline.select(options(A, "pool.jsonl", resume=True)).already_done
    far.pipe_file("/datasets/me/pool/a.jsonl", b" " + far.cat_file("/datasets/me/pool/a.jsonl"))
    with pytest.raises(errors.MismatchError, match="it was another one: sources differ"):
        pipeline.select(options(A, "pool.jsonl", resume=True))
    assert names("out") == OUTPUT_NAMES


def test_a_file_of_which_too_little_comes_is_an_error(far: FarFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(far.cat_file("/datasets/me/pool/a.jsonl"))
    monkeypatch.setattr(far, "info", lambda path: {"name": path, "size": size + 1, "type": "file"})
    monkeypatch.setattr(FarFileSystem, "info", lambda _, path: {"name": path, "size": size + 1, "type": "file"})
    message = f"{size} bytes came of the {size + 1} that were announced; try again"
    with pytest.raises(OSError, match=message):
        pipeline.select(options(A))
    assert not Path("out").exists()


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("failure", "kind", "status", "part"),
    [
        (FileNotFoundError("gone"), FileNotFoundError, 2, "no such file"),
        (PermissionError("gated"), PermissionError, 2, "access is refused (gated); look at the credentials"),
        (TimeoutError(), OSError, 3, "cannot be read (TimeoutError)"),
        (caused(FileNotFoundError("x"), ConnectionError("refused")), OSError, 3, "cannot be read (refused)"),
        (ValueError("odd name"), errors.ParameterError, 2, "this URL cannot be read (odd name)"),
        (RuntimeError("x" * 500), OSError, 3, f"cannot be read ({'x' * 200}...)"),
    ],
)
def test_what_a_system_raises_becomes_one_sentence(
    far: FarFileSystem, failure: Exception, kind: type[Exception], status: int, part: str
) -> None:
    far.failures["/datasets/me/pool/a.jsonl"] = failure
    with pytest.raises(kind) as caught:
        pipeline.select(options(A))
    sentence, found = cli._verdict(caught.value)
    assert (sentence.removesuffix("; nothing was left behind"), found) == (f"{A}: {part}", status)
    assert not Path("out").exists()


def test_a_full_disk_is_told_with_the_name_of_the_copy(far: FarFileSystem) -> None:
    far.failures["/datasets/me/pool/a.jsonl"] = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space left") as caught:
        pipeline.select(options(A))
    sentence, status = cli._verdict(caught.value)
    assert sentence.startswith(str(Path("out/.zipfit/spool")))
    assert (status, sentence.endswith("no space left on device; nothing was left behind")) == (3, True)


def test_a_fault_in_a_row_names_the_url(far: FarFileSystem) -> None:
    far.pipe_file("/pool.csv.gz", gzip.compress(b"text\na\nb,c\n"))
    with pytest.raises(errors.BadRowError, match=r"^hf:///pool\.csv\.gz:3 \(byte 7\): the row has 2 fields") as caught:
        pipeline.select(options("hf:///pool.csv.gz"))
    assert caught.value.path == "hf:///pool.csv.gz"
    pipeline.select(options("hf:///pool.csv.gz", on_bad_row="skip"))
    assert read_rows(Path("out/rejected.jsonl"))[0]["file"] == "hf:///pool.csv.gz"


def test_a_dry_run_says_how_much_will_be_copied(far: FarFileSystem) -> None:
    found = estimate.estimate(options(A, B))
    assert found.copied_bytes == sum(
        far.info(f"/datasets/me/pool/{name}")["size"] for name in ("a.jsonl", "b.jsonl.gz")
    )
    assert found.rows > 0
    assert not Path("out").exists()
    # One file is enough to measure.
    assert len(far.fetched) == 1


def test_progress_tells_the_bytes_that_are_fetched(far: FarFileSystem, capsys: pytest.CaptureFixture[str]) -> None:
    from zipfit.progress import shown_as

    with shown_as("json"):
        pipeline.select(options(A, B))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    fetching = [line for line in lines if line["phase"] == "fetching"]
    total = sum(far.info(f"/datasets/me/pool/{name}")["size"] for name in ("a.jsonl", "b.jsonl.gz"))
    assert [(line["bytes"], line["bytes_total"], line["rows"]) for line in fetching] == [
        (0, total, None),
        (total, total, None),
    ]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    message = r"^s3://b/x\.jsonl: the package for such URLs is not installed \(Install s3fs to access S3\)$"
    with pytest.raises(errors.MissingExtraError, match=message):
        remote.find("s3://b/x.jsonl")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(errors.MissingExtraError, match=r'pip install "zipfit\[remote\]"$'):
        remote.find("s3://b/x.jsonl")


def test_urls_that_mean_nothing_are_refused(far: FarFileSystem) -> None:
    with pytest.raises(
        errors.ParameterError, match=r"^what://x: this URL cannot be read \(Protocol not known: what\)$"
    ):
        pipeline.select(options("what://x"))
    with pytest.raises(errors.ParameterError, match="this is a directory; name the files in it, or a pattern"):
        pipeline.select(options("hf:///datasets/me"))
    with pytest.raises(errors.ParameterError, match=r"^hf://x: results go to a directory of this machine"):
        pipeline.select(options(A, output="hf://x"))
    with pytest.raises(errors.ParameterError, match=f"^--shard does not go with {A}"):
        pipeline.score(pipeline.ScoreOptions(source=(A,), target=("target.jsonl",), output="out", shard="1/2"))
    assert far.fetched == []


@pytest.mark.parametrize(
    ("url", "suffix"),
    [
        ("s3://bucket/pool.csv.gz", ".csv.gz"),
        ("s3://bucket/v1.2/pool", ""),
        ("s3://bucket/a.b.c.jsonl.zst", ".jsonl.zst"),
        ("hf://datasets/me/pool@refs%2Fconvert/0.parquet", ".parquet"),
        ("https://host/pool.csv?token=a.b#x", ".csv"),
        ("zip://rows.tsv::https://host/all.zip", ".tsv"),
        ("simplecache::s3://bucket/pool.txt", ".txt"),
        ("s3://bucket/odd.na me.jsonl", ".jsonl"),
        ("https://host/pool.jsonl?signature=" + "a" * 5_000, ".jsonl"),
        ("s3://bucket/pool." + "a" * 5_000, ""),
    ],
)
def test_the_suffix_of_a_url_says_what_the_file_is(url: str, suffix: str) -> None:
    assert is_url(url)
    assert remote.suffix_of(url) == suffix


@pytest.mark.parametrize("name", ["pool.jsonl", "/data/a:b//c.jsonl", "c://pool.jsonl", "-", "a b://x"])
def test_other_names_are_files(name: str) -> None:
    assert not is_url(name)


def test_the_command_line_takes_urls(tmp_path: Path) -> None:
    write_texts(tmp_path / "pool.jsonl", SOURCE_TEXTS)
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    pool, target = ((tmp_path / name).as_uri() for name in ("po*.jsonl", "target.jsonl"))
    pool = pool.replace("%2A", "*")
    done = zipfit_cli("select", pool, "--target", target, "--top-k", "1", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_rows(tmp_path / "out" / "selection.jsonl")[0]["file"] == (tmp_path / "pool.jsonl").as_uri()
    gone = zipfit_cli(
        "select", pool.replace("po*", "gone"), "--target", target, "--top-k", "1", "-o", "o", cwd=tmp_path
    )
    assert (gone.returncode, gone.stderr) == (2, f"zipfit: {tmp_path.as_uri()}/gone.jsonl: no such file\n")
    shutil.rmtree(tmp_path / "out")
