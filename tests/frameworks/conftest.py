"""What the tests inside other frameworks share: real texts with many equal scores, and what `zipfit.rank` says of them.

``ZIPFIT_EXPECT_INSTALLED=1`` says that the installed package is to be tested, as for ``tests/python``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers_texts import function_sources

import zipfit

if os.environ.get("ZIPFIT_EXPECT_INSTALLED") == "1":
    _source_tree = Path(__file__).resolve().parents[2] / "python"
    assert not Path(zipfit.__file__).resolve().is_relative_to(_source_tree), (
        f"{zipfit.__file__} is not the installed one"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The frameworks warn of their own affairs, and leave files and sockets for the end of the process to close.
    for item in items:
        for ignored in (
            "ignore::DeprecationWarning",
            "ignore::FutureWarning",
            "ignore::ResourceWarning",
            "ignore::pytest.PytestUnraisableExceptionWarning",
            "ignore::pytest.PytestUnhandledThreadExceptionWarning",
        ):
            item.add_marker(pytest.mark.filterwarnings(ignored))


@pytest.fixture(scope="session")
def target() -> list[str]:
    return function_sources("statistics")[:8]


@pytest.fixture(scope="session")
def source() -> list[str]:
    """Some 200 functions, each of which comes again later."""
    texts = function_sources("ast")
    return [*texts, *reversed(texts)]


@pytest.fixture(scope="session")
def scorer(target: list[str]) -> zipfit.Scorer:
    return zipfit.Scorer(target)


@pytest.fixture(scope="session")
def ranking(source: list[str], target: list[str]) -> zipfit.Ranking:
    return zipfit.rank(source, target)
