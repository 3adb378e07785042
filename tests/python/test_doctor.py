"""`zipfit doctor`: versions and the self-test of the exactness promise."""

from __future__ import annotations

import dataclasses
import gzip
import json
import platform
import sys
import warnings
import zlib

import numpy as np
import pytest
from helpers_files import zipfit_cli

import zipfit
from zipfit import cli, doctor


def test_all_is_well_with_this_build() -> None:
    done = zipfit_cli("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"  zipfit            {zipfit.__version__}" in done.stdout
    assert platform.python_version() in done.stdout
    assert np.__version__ in done.stdout
    assert "zlib" in done.stdout
    assert done.stdout.endswith("all is well\n")
    assert "FAILED" not in done.stdout


def test_json_is_one_object() -> None:
    report = json.loads(zipfit_cli("doctor", "--json").stdout)
    assert list(report) == [field.name for field in dataclasses.fields(doctor.Report)]
    assert report["passed"] is True
    assert report["optional_packages"]["pyarrow"] is not None
    assert [check["passed"] for check in report["checks"]] == [True, True]
    assert {codec["library"] for codec in report["codecs"]} >= {"zlib", "zstd"}


def test_the_recorded_sizes_are_those_of_this_python_where_it_has_stock_zlib() -> None:
    sizes = {name: len(gzip.compress(text, 9)) for name, text in doctor.golden_texts().items()}
    same = "gzip-9 sizes the same as here" in doctor.examine().python_zlib
    assert same == (sizes == doctor.GOLDEN_SIZES)
    if sys.platform == "linux" and zlib.ZLIB_RUNTIME_VERSION in {"1.2.11", "1.2.13", "1.3", "1.3.1"}:
        assert same


def test_a_wrong_size_fails_and_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(doctor.GOLDEN_SIZES, "squares", 5)
    monkeypatch.setattr(sys, "argv", ["zipfit", "doctor"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    assert cli.main() == 1
    out = capsys.readouterr().out
    assert "FAILED  gzip-9 sizes equal stock zlib's: squares: 79147 instead of 5" in out
    assert out.endswith("the self-test failed; please report this whole text\n")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.3.1.zlib-ng", "as expected: it is zlib-ng, which compresses differently"),
        ("1.3.1-other", "it is not stock zlib, if the self-test below passes"),
    ],
)
def test_another_zlib_in_python_is_told_and_fails_nothing(
    version: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip, "compress", lambda data, _level: zlib.compress(data, 1))
    monkeypatch.setattr(zlib, "ZLIB_RUNTIME_VERSION", version)
    monkeypatch.delattr(zlib, "ZLIBNG_VERSION", raising=False)
    report = doctor.examine()
    assert report.passed
    assert report.python_zlib.startswith(f"{version}, ")
    assert report.python_zlib.endswith(words)
