"""The recipe for Spark, which needs nothing of `zipfit.integrations`, but Java."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import pytest

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
    # pyspark's own.
    *(
        pytest.mark.filterwarnings(f"ignore::{kind}")
        for kind in ("DeprecationWarning", "FutureWarning", "ResourceWarning")
    ),
]


def test_the_page_tells_the_truth(run_section: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    # Spark's workers are the first python3 of the PATH: in an activated environment this one, here not.
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    run_section("Spark")
