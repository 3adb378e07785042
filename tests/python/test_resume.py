"""A run that is killed goes on where it was, and ends with the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers_files import SOURCE_TEXTS, TARGET_TEXTS, digest, environment, write_texts, zipfit_cli

from zipfit import pipeline, workplace
from zipfit.errors import MismatchError, OutputExistsError, ParameterError, TruncatedInputError
from zipfit.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"{SOURCE_TEXTS[i % 6]} {i * 7 % 190}" for i in range(ROWS)]
    write_texts(tmp_path / "a.jsonl", rows[:150])
    write_texts(tmp_path / "b.jsonl", rows[150:])
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write("[]\n")
    write_texts(tmp_path / "target.jsonl", TARGET_TEXTS)
    return tmp_path


def options(folder: Path, **changes: Any) -> pipeline.SelectOptions:
    values: dict[str, Any] = {
        "source": (str(folder / "a.jsonl"), str(folder / "b.jsonl")),
        "target": (str(folder / "target.jsonl"),),
        "output": str(folder / "out"),
        "top_k": 20,
        "batch_rows": 30,
        "on_bad_row": "skip",
    }
    return pipeline.SelectOptions(**(values | changes))


class StopError(Exception):
    """In place of whatever ends a run."""


def stop_after(batches: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """End runs when so many batches are in the journal; returns what lets them go on."""
    append = Journal.append

    def counted(self: Journal, *arguments: Any) -> None:
        if self.batches == batches:
            raise StopError
        append(self, *arguments)

    monkeypatch.setattr(Journal, "append", counted)
    return monkeypatch.undo


WAYS: dict[str, dict[str, Any]] = {
    "ncd": {},
    "gain": {"metric": "gain"},
    "filters": {"dedup": 1.0, "min_bytes": 22, "metric": "gain"},
    "near": {"dedup": 0.6, "metric": "gain", "top_k": 5},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("batches", [0, 1, 5, 13])
def test_a_run_goes_on_after_any_batch(folder: Path, monkeypatch: pytest.MonkeyPatch, way: str, batches: int) -> None:
    pipeline.select(options(folder, output=str(folder / "whole"), **WAYS[way]))
    go_on = stop_after(batches, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder, **WAYS[way]))
    assert (folder / "out" / ".zipfit" / "journal").exists() == (batches > 0)
    go_on()
    pipeline.select(options(folder, **WAYS[way], resume=True, threads=1))
    assert digest(folder / "out") == digest(folder / "whole")
    assert not (folder / "out" / ".zipfit").exists()


def test_no_finished_batch_is_scored_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = stop_after(5, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder))
    go_on()
    appended = []
    append = Journal.append

    def noted(self: Journal, *arguments: Any) -> None:
        appended.append(arguments)
        append(self, *arguments)

    monkeypatch.setattr(Journal, "append", noted)
    pipeline.select(options(folder, resume=True))
    assert len(appended) == 14 - 5


def test_a_torn_tail_is_dropped_and_done_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.select(options(folder, output=str(folder / "whole")))
    go_on = stop_after(6, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder))
    go_on()
    journal = (folder / "out" / ".zipfit" / "journal").read_bytes()
    numbers = random.Random(0)
    for _ in range(20):
        shutil.rmtree(folder / "out")
        (folder / "out" / ".zipfit").mkdir(parents=True)
        torn = bytearray(journal[: numbers.randrange(len(journal) + 1)])
        if torn and numbers.random() < 0.5:
            torn[numbers.randrange(len(torn))] ^= 1 << numbers.randrange(8)
        (folder / "out" / ".zipfit" / "journal").write_bytes(torn)
        # A header with another letter in it may be that of another run.
        try:
            pipeline.select(options(folder, resume=True))
        except MismatchError:
            continue
        assert digest(folder / "out") == digest(folder / "whole")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metric": "gain"}, '--metric was "ncd", now "gain"'),
        ({"top_k": 3}, "--top-k was 20, now 3"),
        ({"text": "{text}"}, '--text was "text", now "{text}"'),
        ({"on_bad_row": "error"}, "has skipped 1 bad rows; go on with --on-bad-row skip"),
    ],
    ids=["metric", "top_k", "text", "policy"],
)
def test_another_run_does_not_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    go_on = stop_after(13, monkeypatch)
    with (folder / "a.jsonl").open("a") as file:
        file.write("[]\n")
    with pytest.raises(StopError):
        pipeline.select(options(folder))
    go_on()
    before = digest(folder / "out")
    with pytest.raises(MismatchError) as raised:
        pipeline.select(options(folder, resume=True, **changes))
    assert said in str(raised.value)
    assert digest(folder / "out") == before


def test_changed_inputs_are_told_by_their_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = stop_after(3, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder))
    go_on()
    for name, side in (("b.jsonl", "source"), ("target.jsonl", "target")):
        content = (folder / name).read_bytes()
        stat = (folder / name).stat()
        (folder / name).write_bytes(content + b"\n")
        with pytest.raises(MismatchError, match=f"{side} {folder / name} was "):
            pipeline.select(options(folder, resume=True))
        (folder / name).write_bytes(content)
        os.utime(folder / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    pipeline.select(options(folder, resume=True))


def test_an_unfinished_run_is_not_dropped_unless_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = stop_after(3, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder))
    go_on()
    before = digest(folder / "out")
    with pytest.raises(OutputExistsError, match="an unfinished run is here; go on with --resume"):
        pipeline.select(options(folder))
    assert digest(folder / "out") == before
    pipeline.select(options(folder, overwrite=True))
    assert not (folder / "out" / ".zipfit").exists()


def test_a_finished_run_has_nothing_left_to_do(folder: Path) -> None:
    arguments = ("a.jsonl", "--target", "target.jsonl", "--top-k", "2", "-o", "out")
    assert zipfit_cli("select", *arguments, "--resume", cwd=folder).returncode == 0
    before = digest(folder / "out")
    done = zipfit_cli("select", *arguments, "--resume", cwd=folder)
    assert (done.returncode, done.stderr.split(" (")[0]) == (0, "nothing to do: the run in out is finished")
    assert digest(folder / "out") == before
    other = zipfit_cli("select", *arguments, "--resume", "--metric", "gain", cwd=folder)
    assert other.returncode == 2
    assert "a finished run is here, and it was another one: metric, compressor, library differ" in other.stderr


def test_a_finished_joint_selection_has_nothing_left_to_do_either(folder: Path) -> None:
    arguments = ("a.jsonl", "--target", "target.jsonl", "--cover", "--top-k", "2", "-o", "out", "--resume")
    assert zipfit_cli("select", *arguments, cwd=folder).returncode == 0
    before = digest(folder / "out")
    done = zipfit_cli("select", *arguments, cwd=folder)
    assert (done.returncode, done.stderr.split(" (")[0]) == (0, "nothing to do: the run in out is finished")
    assert digest(folder / "out") == before
    assert "beta differ" in zipfit_cli("select", *arguments, "--beta", "7", cwd=folder).stderr


def test_a_finished_run_of_other_inputs_is_not_taken_for_this_one(folder: Path) -> None:
    for name in ("e1.jsonl", "e2.jsonl"):
        write_texts(folder / name, [f"one two three four five six seven eight nine ten eleven twelve thirteen {name}"])
    arguments = ("score", "a.jsonl", "--target", "target.jsonl", "-o", "out", "--resume", "--exclude")
    assert zipfit_cli(*arguments, "e1.jsonl", cwd=folder).returncode == 0
    other = zipfit_cli(*arguments, "e2.jsonl", cwd=folder)
    assert (other.returncode, "exclude differ" in other.stderr) == (2, True)
    # Of one size, so that only its time tells it from what it was.
    source = folder / "a.jsonl"
    source.write_bytes(source.read_bytes().replace(b"return", b"yields"))
    os.utime(source, ns=(1, 1))
    changed = zipfit_cli(*arguments, "e1.jsonl", cwd=folder)
    assert (changed.returncode, "sources differ" in changed.stderr) == (2, True)


def test_another_kind_of_run_leaves_the_journal_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = stop_after(3, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder))
    go_on()
    before = digest(folder / "out")
    with pytest.raises(OutputExistsError, match="an unfinished run is here"):
        pipeline.select(options(folder, cover=True, resume=True))
    assert digest(folder / "out") == before


def test_rows_rejected_before_count_against_the_limit_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.jsonl").write_bytes(b"[]\n[]\n" + (folder / "a.jsonl").read_bytes())
    source = (str(folder / "a.jsonl"),)
    go_on = stop_after(2, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder, source=source))
    go_on()
    with pytest.raises(ParameterError, match="--max-rejected is 1, but 2 rows were rejected already"):
        pipeline.select(options(folder, source=source, resume=True, max_rejected=1))
    pipeline.select(options(folder, source=source, resume=True, max_rejected=2))


def test_a_limit_below_what_was_rejected_before_does_not_drop_what_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.jsonl").write_bytes(b"[]\n[]\n" + (folder / "a.jsonl").read_bytes())
    source = (str(folder / "a.jsonl"),)
    # The last of three batches has no bad row that could be named.
    go_on = stop_after(3, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder, source=source))
    go_on()
    before = digest(folder / "out")
    with pytest.raises(ParameterError, match="--max-rejected is 1, but 2 rows were rejected already"):
        pipeline.select(options(folder, source=source, resume=True, max_rejected=1))
    assert digest(folder / "out") == before


def test_many_small_files_make_no_large_journal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "many").mkdir()
    for number in range(200):
        write_texts(folder / "many" / f"{number:03}.jsonl", [f"text {number}"])
    source = (str(folder / "many" / "*.jsonl"),)
    pipeline.select(options(folder, source=source, output=str(folder / "whole"), batch_rows=1))
    go_on = stop_after(150, monkeypatch)
    with pytest.raises(StopError):
        pipeline.select(options(folder, source=source, batch_rows=1))
    go_on()
    assert (folder / "out" / ".zipfit" / "journal").stat().st_size < 150 * 2_000
    pipeline.select(options(folder, source=source, batch_rows=1, resume=True))
    assert digest(folder / "out") == digest(folder / "whole")


def test_a_file_that_is_cut_off_leaves_nothing_that_could_not_go_on(folder: Path) -> None:
    content = gzip.compress((folder / "a.jsonl").read_bytes() * 20)
    (folder / "cut.jsonl.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(TruncatedInputError) as raised:
        pipeline.select(options(folder, source=(str(folder / "cut.jsonl.gz"),)))
    assert not hasattr(raised.value, "__notes__")
    assert not (folder / "out").exists()


def test_a_journal_of_another_version_is_not_dropped(folder: Path) -> None:
    (folder / "out" / ".zipfit").mkdir(parents=True)
    (folder / "out" / ".zipfit" / "journal").write_bytes(b"zipfit journal 0\n" + bytes(5000))
    with pytest.raises(MismatchError, match="the journal is damaged, or of another version"):
        pipeline.select(options(folder, resume=True))
    assert (folder / "out" / ".zipfit" / "journal").exists()


def test_runs_that_end_and_begin_at_once_never_meet(folder: Path) -> None:
    (folder / "out").mkdir()
    code = (
        "import sys\n"
        "from zipfit import workplace\n"
        "from zipfit.errors import OutputExistsError\n"
        "for _ in range(300):\n"
        "    try:\n"
        "        with workplace.hold(sys.argv[1], resume=False, overwrite=False):\n"
        "            pass\n"
        "    except OutputExistsError:\n"
        "        pass\n"
    )
    arguments = [sys.executable, "-c", code, str(folder / "out")]
    runs = [subprocess.Popen(arguments, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in runs:
        _, said = process.communicate(timeout=120)
        assert (process.returncode, said) == (0, "")


def test_a_directory_that_another_run_makes_at_the_same_time_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def made_by_another(path: Path, *_: object, **__: object) -> None:
        make(path)
        raise FileExistsError(path)

    (folder / "out").mkdir()
    monkeypatch.setattr(Path, "mkdir", made_by_another)
    with workplace.hold(str(folder / "out"), resume=False, overwrite=False):
        assert (folder / "out" / ".zipfit").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
@pytest.mark.parametrize("name", [".zipfit", ".zipfit/lock"])
def test_a_link_to_nothing_in_place_of_the_directory_is_an_error(folder: Path, name: str) -> None:
    link = folder / "out" / name
    link.parent.mkdir(parents=True)
    link.symlink_to("nowhere/at/all")
    with (
        pytest.raises(FileNotFoundError, match=r"\.zipfit"),
        workplace.hold(str(folder / "out"), resume=False, overwrite=False),
    ):
        pass


def test_the_manifest_of_somebody_else_is_left_alone(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "manifest.json").write_text('{"name": "my extension"}')
    before = digest(folder / "out")
    arguments = ("a.jsonl", "--target", "target.jsonl", "--top-k", "2", "-o", "out", "--resume")
    done = zipfit_cli("select", *arguments, cwd=folder)
    assert done.returncode == 2
    assert "manifest.json: this file is no manifest of zipfit; give another directory" in done.stderr
    assert digest(folder / "out") == before


def test_the_second_of_two_runs_in_one_directory_is_refused(folder: Path) -> None:
    (folder / "out").mkdir()
    with workplace.hold(str(folder / "out"), resume=False, overwrite=False):
        for more in ((), ("--overwrite",), ("--resume",)):
            arguments = ("a.jsonl", "--target", "target.jsonl", "--top-k", "2", "-o", "out", *more)
            done = zipfit_cli("select", *arguments, cwd=folder)
            assert done.returncode == 2
            assert done.stderr.startswith("zipfit: out: another run is working here (process ")
    assert not (folder / "out" / ".zipfit").exists()


def test_a_bad_row_after_finished_batches_can_be_passed_over(folder: Path) -> None:
    pipeline.select(options(folder, output=str(folder / "whole"), batch_rows=30))
    with pytest.raises(Exception, match="expected a JSON object, got an empty array") as raised:
        pipeline.select(options(folder, on_bad_row="error"))
    (note,) = raised.value.__notes__
    assert note == "390 rows are done and kept; go on by the same command with --on-bad-row skip and --resume"
    pipeline.select(options(folder, resume=True))
    assert digest(folder / "out") == digest(folder / "whole")


def test_the_manifest_of_a_resumed_run_has_the_hashes_of_whole_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = stop_after(7, monkeypatch)
    with pytest.raises(StopError):
        pipeline.score(pipeline_score_options(folder))
    go_on()
    pipeline.score(pipeline_score_options(folder, resume=True))
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    for file in manifest["sources"]:
        content = Path(file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert [file["rows"] for file in manifest["sources"]] == [150, 251]


def pipeline_score_options(folder: Path, **changes: Any) -> pipeline.ScoreOptions:
    return pipeline.ScoreOptions(
        source=(str(folder / "a.jsonl"), str(folder / "b.jsonl")),
        target=(str(folder / "target.jsonl"),),
        output=str(folder / "out"),
        batch_rows=30,
        on_bad_row="skip",
        **changes,
    )
