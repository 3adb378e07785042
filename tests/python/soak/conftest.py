"""Rows to disturb runs on, and the record of what was found."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers_soak import LONG, RESULTS, WAYS, Undisturbed, make_pool, undisturbed

import zipfit
from zipfit import _core

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some 3,000 rows in every format, a second of work."""
    return make_pool(tmp_path_factory.mktemp("pool"), 3000)


@pytest.fixture(scope="session")
def small_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 120 rows, for many short runs."""
    return make_pool(tmp_path_factory.mktemp("small"), 120, targets=2)


@pytest.fixture(scope="session")
def whole(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Undisturbed]:
    """What each way of `WAYS` leaves when nobody disturbs it."""
    known: dict[str, Undisturbed] = {}

    def find(name: str) -> Undisturbed:
        if name not in known:
            known[name] = undisturbed(WAYS[name], pool, tmp_path_factory.mktemp("whole"))
        return known[name]

    return find


def pytest_sessionfinish() -> None:
    """Write the record; a part of the soak that ran alone takes the place of its former results only."""
    path = os.environ.get("ZIPFIT_SOAK_RECORD")
    if not path or not RESULTS:
        return
    file = Path(path)
    former = json.loads(file.read_text()) if file.exists() else {"results": {}}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    now = datetime.datetime.now(datetime.UTC)
    about = {
        "at": now.isoformat(timespec="minutes"),
        "commit": commit.stdout.strip() or "unknown",
        "load": [round(load, 1) for load in os.getloadavg()],
    }
    content = {
        "date": now.date().isoformat(),
        "command": "make soak" if LONG else "make pytest",
        "processor": f"{platform.machine()}, {_core.available_threads()} CPUs",
        "versions": {"zipfit": zipfit.__version__, "python": platform.python_version()},
        "results": former["results"] | {name: {**about, **numbers} for name, numbers in RESULTS.items()},
    }
    file.write_text(json.dumps(content, indent=2) + "\n")
