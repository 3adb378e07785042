"""Damaged files: an error that says so, or a result that is right; never a crash, and never silence."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from helpers_files import command, digest
from helpers_soak import (
    SEED,
    child_environment,
    count,
    make_pool,
    none,
    record,
    remove,
    run,
    whole_records,
)

from zipfit import errors, load_scores, pipeline
from zipfit.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKED = ("a.jsonl.gz", "b.jsonl.zst", "checked.parquet")
"""Files with a checksum of their content."""

FILES = ("a.jsonl", *CHECKED, "a.parquet")

TINY = 40
"""Rows of files in which many of the bytes are headers."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pool(tmp_path_factory.mktemp("damage"), TINY, targets=2)


def damage(file: Path, cases: Sequence[tuple[str, int, int]]) -> tuple[Counter[str], list[str], int]:
    """Try damaged copies in processes of their own; outcomes, what is wrong, kilobytes of memory taken at most."""
    outcomes, problems, grown = Counter[str](), list[str](), 0
    for start in range(0, len(cases), 100):
        part = cases[start : start + 100]
        job = {"file": str(file), "target": str(file.with_name("target.jsonl")), "metric": "gain", "cases": part}
        worker = [sys.executable, str(Path(__file__).with_name("damage.py"))]
        done = subprocess.run(
            worker,
            input=json.dumps(job),
            env=child_environment(),
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        told = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode != 0:
            problems.append(f"{file.name}: status {done.returncode} at {told[-1:]}: {done.stderr[-500:]}")
        for line in told:
            if "outcome" in line:
                wrong = line["outcome"].startswith("wrong")
                outcomes["wrong" if wrong else line["outcome"]] += 1
                if wrong:
                    problems.append(f"{file.name}, {line['case']}: {line['outcome']}")
            grown = max(grown, line.get("grown_kilobytes", 0))
    return outcomes, problems, grown


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are those of Linux here")
@pytest.mark.parametrize("kind", ["cut", "flip"])
def test_a_damaged_source_is_an_error_or_is_read_as_others_read_it(folder: Path, kind: str) -> None:
    numbers = random.Random(SEED)
    # A thousand in the long form of flips, 200 of cuts, over all formats.
    each = count(16, (200 if kind == "cut" else 1000) // len(FILES))
    found: dict[str, Any] = {}
    all_problems: list[str] = []
    for name in FILES:
        size = (folder / name).stat().st_size
        cases = [(kind, numbers.randrange(size), numbers.randrange(8)) for _ in range(each)]
        outcomes, problems, grown = damage(folder / name, cases)
        all_problems += problems
        assert problems or sum(outcomes.values()) == len(cases)
        found[name] = {**outcomes, "memory_taken_kilobytes": grown}
        if grown > 200_000:
            all_problems.append(f"{name}: {grown} kB of memory")
        if name in CHECKED and outcomes["as others read it"] and kind == "flip":
            all_problems.append(f"{name} has a checksum, but was read with other texts")
    record("cut sources" if kind == "cut" else "flipped bits in sources", cases=each * len(FILES), **found)
    none(all_problems)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_source_ends_the_command_in_a_sentence(folder: Path, tmp_path: Path, name: str) -> None:
    numbers = random.Random(SEED)
    content = (folder / name).read_bytes()
    statuses = Counter[str]()
    for number in range(count(2, 25)):
        broken, what = one_damage(content, numbers, cut=number % 2 == 0)
        (tmp_path / name).write_bytes(broken)
        done = run(command("score", name, "--target", folder / "target.jsonl", "-o", "out"), tmp_path, forked=True)
        statuses[f"status {done.status}"] += 1
        case = f"{what}, ZIPFIT_SEED={SEED}: {done}"
        assert done.status in (0, 2), case
        if done.status == 2:
            assert done.said.startswith(f"zipfit: {name}"), case
            assert done.said.count("\n") == 1, case
            assert not (tmp_path / "out").exists(), case
        remove(tmp_path / "out")
    record(f"damaged {name} by the command line", **statuses)


class StopError(Exception):
    """In place of whatever ends a run."""


def test_a_damaged_journal_is_refused_or_its_good_part_is_used(
    small_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_pool)
    out, journal = tmp_path / "out", tmp_path / "out" / ".zipfit" / "journal"
    scored: list[int] = []
    append = Journal.append

    def counted(self: Journal, *arguments: Any) -> None:
        scored.append(1)
        append(self, *arguments)

    def stop(*_: object) -> NoReturn:
        raise StopError

    def select(output: Path, *, resume: bool = False) -> None:
        sources, targets = ("a.jsonl", "b.jsonl"), ("target.jsonl",)
        options = pipeline.SelectOptions(source=sources, target=targets, output=str(output), top_k=50, batch_rows=10)
        pipeline.select(dataclasses.replace(options, on_bad_row="skip", resume=resume))

    monkeypatch.setattr(Journal, "append", counted)
    select(tmp_path / "whole")
    batches, expected = len(scored), digest(tmp_path / "whole")
    with monkeypatch.context() as stopped:
        stopped.setattr(Journal, "sync", stop)
        with pytest.raises(StopError):
            select(out)
    assert whole_records(out) == batches
    content = journal.read_bytes()
    numbers, outcomes, problems = random.Random(SEED), Counter[str](), []
    for number in range(count(40, 1000)):
        broken, case = one_damage(content, numbers, cut=number % 4 == 0)
        remove(out)
        journal.parent.mkdir(parents=True)
        journal.write_bytes(broken)
        left = whole_records(out)
        scored.clear()
        try:
            select(out, resume=True)
        except errors.MismatchError as error:
            outcomes["refused"] += 1
            if journal.read_bytes() != broken or "\n" in str(error):
                problems.append(f"{case}: {error!r}")
        except BaseException as error:  # noqa: BLE001 - a panic is no Exception
            problems.append(f"{case}: {error!r}")
        else:
            outcomes["went on to the same bytes"] += digest(out) == expected
            if digest(out) != expected or len(scored) != batches - left:
                problems.append(
                    f"{case}: {len(scored)} batches done, {left} of {batches} were there, {sorted(digest(out))}"
                )
    record("damaged journals", **outcomes, problems=problems)
    none(problems)


def one_damage(content: bytes, numbers: random.Random, *, cut: bool) -> tuple[bytes, str]:
    """Cut a file off, or flip one of its bits; what that leaves, and what was done."""
    at, bit = numbers.randrange(len(content)), numbers.randrange(8)
    if cut:
        return content[:at], f"cut at {at}"
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :], f"bit {bit} of byte {at} flipped"


def test_a_damaged_table_of_scores_is_refused(folder: Path, tmp_path: Path) -> None:
    numbers = random.Random(SEED)
    pipeline.score(
        pipeline.ScoreOptions(
            source=(str(folder / "a.jsonl"),), target=(str(folder / "target.jsonl"),), output=str(tmp_path / "scores")
        )
    )
    table = tmp_path / "scores" / "scores.parquet"
    content = table.read_bytes()
    outcomes, problems = Counter[str](), []
    for number in range(count(100, 1000)):
        broken, case = one_damage(content, numbers, cut=number % 4 == 0)
        table.write_bytes(broken)
        options = pipeline.SelectOptions(scores=str(tmp_path / "scores"), output=str(tmp_path / "out"), top_k=3)
        for use in (lambda options=options: pipeline.select(options), lambda: load_scores(tmp_path / "scores")):
            try:
                use()
                problems.append(f"{case}: in silence")
            except errors.ZipfitError as error:
                outcomes[type(error).__name__] += 1
                if isinstance(error, errors.InternalError) or "scores.parquet" not in str(error):
                    problems.append(f"{case}: {error}")
            except BaseException as error:  # noqa: BLE001 - a panic is no Exception
                problems.append(f"{case}: {error!r}")
        assert not (tmp_path / "out").exists()
    record("damaged tables of scores", **outcomes, problems=problems)
    none(problems)
