"""The recipe for Spark, where there is Java."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from helpers_pages import ROOT, run_page


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java, and there is none")
def test_the_page_is_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Its workers are whatever `python3` is, unless told.
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    assert run_page(ROOT / "docs" / "frameworks.md", tmp_path, "Spark") > 3
