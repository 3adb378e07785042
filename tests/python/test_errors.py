"""Errors are classes that a stranger catches, codes that stay, and one sentence that says what to do."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import zipfit
from zipfit import _core, errors

CLASSES = {
    "ParameterError": (ValueError, "ZF-PARAM"),
    "TextTypeError": (TypeError, "ZF-TYPE"),
    "EmptyTargetError": (ValueError, "ZF-TARGET"),
    "BadRowError": (ValueError, "ZF-ROW"),
    "InvalidTextError": (ValueError, "ZF-TEXT"),
    "TruncatedInputError": (EOFError, "ZF-TRUNC"),
    "OutputExistsError": (FileExistsError, "ZF-EXISTS"),
    "MismatchError": (RuntimeError, "ZF-RESUME"),
    "MissingExtraError": (ImportError, "ZF-EXTRA"),
    "InternalError": (RuntimeError, "ZF-BUG"),
}


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_is_a_zipfit_error_and_a_builtin_with_a_code(name: str) -> None:
    kind = getattr(errors, name)
    builtin, code = CLASSES[name]
    assert issubclass(kind, errors.ZipfitError)
    assert issubclass(kind, builtin)
    assert kind.code == code


def test_no_error_class_is_missing_here() -> None:
    declared = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
    assert declared == {*CLASSES, "ZipfitError"} == set(errors.__all__)


@pytest.mark.parametrize("name", CLASSES)
def test_a_pickled_error_keeps_its_sentence_and_its_place(name: str) -> None:
    error = getattr(errors, name)("what to do", path="pool.jsonl", row=3, line=4, byte=5)
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert str(copied) == "what to do"
    assert (copied.path, copied.row, copied.line, copied.byte) == ("pool.jsonl", 3, 4, 5)


def test_an_error_of_the_core_is_pickled_too() -> None:
    with pytest.raises(errors.BadRowError) as caught:
        zipfit.rank(["a", None], ["x"])
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (type(copied), str(copied), copied.row) == (errors.BadRowError, str(caught.value), 1)


LEVELS = "gzip-1..9, zlib-1..9, deflate-1..9, zstd-1..22, lz4, brotli-0..11, xz-0..9, bz2-1..9"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "cosine"}, 'metric "cosine" is not known; use ncd, cdm, clm or gain'),
        ({"metric": ""}, 'metric "" is not known; use ncd, cdm, clm or gain'),
        ({"aggregate": "median"}, 'aggregate "median" is not known; use mean, max or top-M with M of 1 or more'),
        ({"aggregate": "top-0"}, 'aggregate "top-0" is not known; use mean, max or top-M with M of 1 or more'),
        ({"aggregate": "top-9"}, 'aggregate "top-9": target has 5 rows; use at most "top-5", or "mean"'),
        ({"compressor": "snappy"}, f'compressor "snappy" is not known; use one of {LEVELS}'),
        ({"compressor": "gzip-0"}, 'compressor "gzip-0": level 0 stores without compressing; use 1-9'),
        ({"compressor": "deflate-0"}, 'compressor "deflate-0": level 0 stores without compressing; use 1-9'),
        ({"compressor": "zstd-0"}, 'compressor "zstd-0": level 0 means the default level; write zstd-3'),
        ({"compressor": "gzip-10"}, 'compressor "gzip-10": gzip has levels 1 to 9'),
        ({"compressor": "gzip"}, 'compressor "gzip": the level is missing; write gzip-9, or another of 1-9'),
        ({"compressor": "lz4-1"}, 'compressor "lz4-1": lz4 has no levels here; write lz4'),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"threads": -2}, "threads must be at least 1, got -2"),
        ({"threads": 5000}, "threads must be at most 4096, got 5000"),
        ({"threads": 2**60}, f"threads must be at most 4096, got {2**60}"),
    ],
)
def test_a_wrong_parameter_is_told_with_what_to_write(options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ParameterError) as caught:
        zipfit.rank(["a"], ["b"] * 5, **options)
    assert str(caught.value) == message
    assert caught.value.code == "ZF-PARAM"


def test_a_wrong_parameter_is_told_even_with_no_source_rows() -> None:
    with pytest.raises(errors.ParameterError, match="threads must be at least 1"):
        zipfit.rank([], ["b"], threads=0)


@pytest.mark.parametrize("compressor", ["gzip-0", "snappy"])
def test_every_function_refuses_a_wrong_compressor_in_the_same_words(compressor: str) -> None:
    messages = set()
    for call in (
        lambda: zipfit.rank(["a"], ["b"], compressor=compressor),
        lambda: zipfit.Scorer(["b"], compressor=compressor),
        lambda: zipfit.ncd("a", "b", compressor),
        lambda: zipfit.ncd_matrix(["a"], ["b"], compressor=compressor),
        lambda: zipfit.compressed_size("a", compressor),
        lambda: zipfit.compressed_size(["a"], compressor),
        lambda: _core.resolve_compressor(compressor),
    ):
        with pytest.raises(errors.ParameterError) as caught:
            call()
        messages.add(str(caught.value))
    assert len(messages) == 1


@pytest.mark.parametrize("threads", [0, -1])
def test_every_function_refuses_threads_below_1(threads: int) -> None:
    for call in (
        lambda: zipfit.Scorer(["b"]).score(["a"], threads=threads),
        lambda: zipfit.ncd_matrix(["a"], ["b"], threads=threads),
        lambda: zipfit.compressed_size(["a"], threads=threads),
    ):
        with pytest.raises(errors.ParameterError) as caught:
            call()
        assert str(caught.value) == f"threads must be at least 1, got {threads}"


def test_foreign_text_in_a_message_is_escaped_and_cut() -> None:
    with pytest.raises(errors.ParameterError) as caught:
        zipfit.ncd("a", "b", "snappy\n" + "y" * 200)
    message = str(caught.value)
    assert "\n" not in message
    assert '"snappy\\n' + "y" * 72 + '..."' in message


def test_a_column_name_in_a_message_is_escaped_and_cut() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({f"column\n{i}": ["a"] for i in range(100)})
    with pytest.raises(errors.ParameterError) as caught:
        zipfit.rank(table, ["x"], text="n" * 300)
    message = str(caught.value)
    assert "\n" not in message
    assert "column\\n0" in message
    assert len(message) < 300


@pytest.mark.parametrize("value", [5, None, ["a"], bytearray(b"a")])
def test_ncd_takes_str_and_bytes_only(value: Any) -> None:
    with pytest.raises(errors.TextTypeError) as caught:
        zipfit.ncd(value, "a")
    assert str(caught.value) == f"x: expected str or bytes, got {type(value).__name__}"
    with pytest.raises(errors.TextTypeError) as caught:
        zipfit.ncd("a", value)
    assert str(caught.value) == f"y: expected str or bytes, got {type(value).__name__}"


def test_a_panic_of_the_core_is_an_internal_error() -> None:
    with pytest.raises(errors.InternalError) as caught:
        _core._panic_for_tests()
    assert "bug in zipfit" in str(caught.value)
    assert caught.value.code == "ZF-BUG"
    # The core goes on working.
    assert zipfit.rank(["a"], ["a"], threads=2).scores.shape == (1,)


def test_a_matrix_that_cannot_fit_into_memory_is_an_error_and_not_the_end_of_the_process() -> None:
    # Was: abort with status 134, because a failed allocation is no exception.
    texts = ["a"] * 2_000_000
    with pytest.raises(errors.ParameterError) as caught:
        zipfit.ncd_matrix(texts, texts, compressor="lz4")
    expected = "a matrix of 2000000 x 2000000 distances does not fit into memory; take fewer sources at a time"
    assert str(caught.value) == expected


@pytest.mark.parametrize("threshold", [float("inf"), float("-inf"), float("nan")])
def test_a_threshold_that_is_no_finite_number_is_refused(threshold: float) -> None:
    with pytest.raises(errors.ParameterError, match="threshold must be a finite number, got"):
        zipfit.Ranking([0.5]).threshold(threshold)
