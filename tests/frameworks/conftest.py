"""What the tests of `zipfit.integrations` share: rows with many ties, what `zipfit.rank` says of them, and the page."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_pages import ROOT, run_page

import zipfit

if os.environ.get("ZIPFIT_EXPECT_INSTALLED") == "1":
    assert not Path(zipfit.__file__).is_relative_to(ROOT / "python"), f"{zipfit.__file__} is not the installed one"

PAGE = ROOT / "docs" / "frameworks.md"
TARGET = ["def double(x):\n    return 2 * x\n", "def triple(x):\n    return 3 * x\n"]
KINDS = ["def f(x): return x", "it rained all day", "", "while x: y += 1", "def f(x): return x", "naïve 漢字 \0"]


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    """Rows of five texts, so that most scores are equal to some forty others."""
    return [{"id": row, "text": KINDS[row * row % 7 % len(KINDS)]} for row in range(211)]


@pytest.fixture(scope="session")
def scorer() -> zipfit.Scorer:
    return zipfit.Scorer(TARGET)


@pytest.fixture(scope="session")
def ranking(rows: list[dict[str, Any]]) -> zipfit.Ranking:
    return zipfit.rank([row["text"] for row in rows], TARGET)


@pytest.fixture
def run_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a function that runs a section of docs/frameworks.md."""
    monkeypatch.chdir(tmp_path)

    def run(section: str) -> None:
        assert f"\n## {section}\n" in PAGE.read_text(encoding="utf-8")
        run_page(PAGE, tmp_path, section)

    return run
