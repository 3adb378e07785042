"""What `zipfit.integrations` says where a framework is not installed."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

import zipfit
from zipfit.errors import MissingExtraError

FRAMEWORKS = ["ray", "datatrove", "datasets"]


def use(framework: str) -> Any:
    module = importlib.import_module(f"zipfit.integrations.{framework}")
    return module.score([], zipfit.Scorer(["x"]))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_missing_framework_is_one_sentence_that_names_the_extra(
    framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == framework]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, f"zipfit.integrations.{framework}", raising=False)
    monkeypatch.setitem(sys.modules, framework, None)  # so that its import fails
    with pytest.raises(MissingExtraError) as caught:
        use(framework)
    assert str(caught.value) == (
        f'zipfit.integrations.{framework} needs {framework}; pip install "zipfit[{framework}]"'
    )
    assert caught.value.code == "ZF-EXTRA"


def test_the_integrations_import_no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    for framework in ["ray", "datasets"]:
        monkeypatch.setitem(sys.modules, framework, None)
        monkeypatch.delitem(sys.modules, f"zipfit.integrations.{framework}", raising=False)
        importlib.import_module(f"zipfit.integrations.{framework}")
