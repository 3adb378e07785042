"""`zipfit.integrations` where the frameworks are not installed; `tests/frameworks` has the rest."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import zipfit
from zipfit.errors import MissingExtraError
from zipfit.integrations import datasets, ray

SCORER = zipfit.Scorer(["a"])
ROWS: Any = ["a"]


@pytest.mark.parametrize(
    ("framework", "use"),
    [
        ("ray", lambda: ray.score(ROWS, SCORER)),
        ("ray", lambda: ray.top_k(ROWS, SCORER, 1)),
        ("datasets", lambda: datasets.score(ROWS, SCORER)),
        ("datasets", lambda: datasets.top_k(ROWS, SCORER, 1)),
        ("datatrove", lambda: importlib.import_module("zipfit.integrations.datatrove")),
    ],
)
def test_a_missing_framework_is_a_sentence_that_names_the_extra(
    framework: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, framework, None)
    with pytest.raises(MissingExtraError) as caught:
        use()
    expected = f'zipfit.integrations.{framework} needs {framework}; pip install "zipfit[{framework}]"'
    assert str(caught.value) == expected


def test_what_a_framework_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "datasets":
                raise ModuleNotFoundError("No module named 'dill'", name="dill")

    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(MissingExtraError) as caught:
        datasets.score(ROWS, SCORER)
    assert str(caught.value) == 'zipfit.integrations.datasets needs dill; pip install "zipfit[datasets]"'


def test_neither_zipfit_nor_its_integrations_import_a_framework() -> None:
    code = (
        "import sys, zipfit.integrations.ray, zipfit.integrations.datasets\n"
        "assert not {'ray', 'datasets', 'datatrove', 'pyarrow'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
