"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "zipfit",
        "zipfit.api",
        "zipfit.covering",
        "zipfit.evaluating",
        "zipfit.fusing",
        "zipfit.ranking",
        "zipfit.scorer",
        "zipfit.tokens",
    ],
)
def test_examples_in_docstrings_give_what_they_say(module: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert attempted > 0
    assert failed == 0
