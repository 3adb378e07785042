"""Patterns for input files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers_files import SOURCE_TEXTS, TARGET_TEXTS, write_texts, zipfit_cli

from zipfit.errors import ParameterError
from zipfit.paths import expand


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.jsonl", "a.jsonl", "B.jsonl", "deep/c.jsonl", "deep/er/d.jsonl", "[x].jsonl", "other.txt"):
        write_texts(tmp_path / name, SOURCE_TEXTS[:2])
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("?.jsonl", ["B.jsonl", "a.jsonl", "b.jsonl"]),
        ("deep/**/*.jsonl", ["deep/c.jsonl", "deep/er/d.jsonl"]),
        ("[ab].jsonl", ["a.jsonl", "b.jsonl"]),
        ("[x].jsonl", ["[x].jsonl"]),
        ("missing.jsonl", ["missing.jsonl"]),
    ],
)
def test_a_pattern_stands_for_files_in_the_order_of_their_names(folder: Path, pattern: str, files: list[str]) -> None:
    del folder
    assert [Path(name).as_posix() for name in expand([pattern])] == files


def test_a_pattern_without_a_file_is_an_error(folder: Path) -> None:
    del folder
    with pytest.raises(ParameterError, match=r"none\*: no file matches this pattern"):
        expand(["a.jsonl", "none*"])
    # A folder is no file.
    with pytest.raises(ParameterError, match="no file matches"):
        expand(["dee?"])


def test_files_keep_the_order_of_the_command(folder: Path) -> None:
    write_texts(folder / "target.jsonl", TARGET_TEXTS)
    arguments = ("b.jsonl", "?.jsonl", "--target", "targe?.jsonl", "--top-k", "1", "-o", "out")
    assert zipfit_cli("select", *arguments, cwd=folder).returncode == 0
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert [file["name"] for file in manifest["sources"]] == ["b.jsonl", "B.jsonl", "a.jsonl", "b.jsonl"]
    assert [file["name"] for file in manifest["targets"]] == ["target.jsonl"]
