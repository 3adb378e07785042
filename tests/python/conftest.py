"""What all Python tests share.

The number of cases of every property test is ``ZIPFIT_CASES`` (default 100). ``ZIPFIT_EXPECT_INSTALLED=1`` says that
the installed package is to be tested: the source tree must not come in its place.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers_texts import function_sources
from hypothesis import HealthCheck, settings

import zipfit

if os.environ.get("ZIPFIT_EXPECT_INSTALLED") == "1":
    _source_tree = Path(__file__).resolve().parents[2] / "python"
    assert not Path(zipfit.__file__).resolve().is_relative_to(_source_tree), (
        f"{zipfit.__file__} is not the installed one"
    )

settings.register_profile(
    "zipfit",
    max_examples=int(os.environ.get("ZIPFIT_CASES", "100")),
    # Machines that run tests are busy: a slow case says nothing.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("zipfit")


@pytest.fixture(scope="session")
def functions() -> list[str]:
    """Sources of real functions, some 200."""
    return [text for module in ("statistics", "ast") for text in function_sources(module)]
