"""`zipfit.count_tokens` and `zipfit select --tokenizer`: counts equal those of encoding one text after another."""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import json
import os
import pathlib
import sys
from collections import UserDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tiktoken
import tiktoken.load
import tokenizers
from helpers_files import SOURCE_TEXTS, TARGET_TEXTS, lines_of, write_texts, zipfit_cli
from helpers_interrupts import assert_quick, interrupt_python
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, processors, trainers

import zipfit
from zipfit import pipeline
from zipfit.errors import BadRowError, InvalidTextError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

END = "<|endoftext|>"

SOURCE = [*SOURCE_TEXTS, "", f"the end{END}", "Zürich, 東京 🙂", "a" * 3_000]


def trained() -> tokenizers.Tokenizer:
    """A byte-level BPE of 400 tokens that puts END around each text, as a tokenizer of a model does."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=[END], show_progress=False)
    tokenizer.train_from_iterator(SOURCE_TEXTS + TARGET_TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{END} $A {END}", special_tokens=[(END, 0)])
    return tokenizer


TRAINED = trained()


def one_by_one(texts: list[str], tokenizer: tokenizers.Tokenizer = TRAINED) -> list[int]:
    return [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]


ENCODING = tiktoken.Encoding(
    "bytes",
    pat_str=r"\s?\S+|\s+",
    mergeable_ranks={bytes([byte]): byte for byte in range(256)} | {b"th": 256, b"the": 257},
    special_tokens={END: 258},
)

BY_TIKTOKEN = [len(ENCODING.encode(text, disallowed_special=())) for text in SOURCE]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    TRAINED.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def sentence(kind: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


TEXTS = st.lists(st.text() | st.sampled_from([END, f" {END}", "the"]) | st.text(st.sampled_from("ab \n"), min_size=5))


@given(TEXTS)
def test_counts_equal_those_of_encoding_one_by_one(texts: list[str]) -> None:
    counts = zipfit.count_tokens(texts, TRAINED)
    assert (counts.dtype, counts.shape) == (np.dtype(np.int64), (len(texts),))
    assert counts.tolist() == one_by_one(texts)
    assert zipfit.count_tokens(texts, lambda text: TRAINED.encode(text, add_special_tokens=False)).tolist() == [*counts]
    plain = [len(ENCODING.encode(text, disallowed_special=())) for text in texts]
    assert zipfit.count_tokens(texts, ENCODING).tolist() == plain
    assert zipfit.count_tokens(texts, str.encode).tolist() == [len(text.encode()) for text in texts]


def test_many_batches_give_the_counts_of_one(functions: list[str]) -> None:
    texts = [*functions * 8, "", *["x"] * 5_000, "y " * 300_000, *functions]
    assert zipfit.count_tokens(texts, TRAINED).tolist() == one_by_one(texts)


def test_counts_do_not_depend_on_threads(functions: list[str]) -> None:
    expected = [len(ENCODING.encode_ordinary(text)) for text in functions]
    for threads in (None, 1, 2, 3):
        assert zipfit.count_tokens(functions, ENCODING, threads=threads).tolist() == expected


def test_a_special_token_in_the_text_is_one_token_to_tokenizers_and_plain_text_to_tiktoken() -> None:
    assert zipfit.count_tokens([END], TRAINED).tolist() == [1]
    assert zipfit.count_tokens([END], ENCODING).tolist() == [len(END)]


@pytest.mark.parametrize("kind", ["path", "str", "object"])
def test_a_file_may_be_given_as_path_or_str(path: pathlib.Path, kind: str) -> None:
    given: Any = {"path": path, "str": str(path), "object": tokenizers.Tokenizer.from_file(str(path))}[kind]
    assert zipfit.count_tokens(SOURCE, given).tolist() == one_by_one(SOURCE)


def test_an_existing_file_is_a_file_whatever_it_is_called(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.rename(path.with_name("gpt-4"))
    monkeypatch.chdir(path.parent)
    assert zipfit.count_tokens(SOURCE, "gpt-4").tolist() == one_by_one(SOURCE)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tiktoken have the table of cl100k_base already, a small one."""
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "cl100k_base", ENCODING)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("name", ["cl100k_base", "gpt-4", "gpt-4-0314"])
def test_a_name_is_one_of_a_tiktoken_encoding_or_model(name: str) -> None:
    assert zipfit.count_tokens(SOURCE, name).tolist() == BY_TIKTOKEN


class Fast:
    """What the fast tokenizers of transformers offer."""

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self.backend_tokenizer = backend

    def convert_tokens_to_ids(self) -> None:
        """Only its name is looked at."""

    def encode(self, text: str) -> list[int]:
        raise NotImplementedError(text)

    def __call__(self, text: str) -> UserDict[str, list[int]]:
        return UserDict({"input_ids": [1], "attention_mask": [1], "text": [len(text)]})


class Slow(Fast):
    """What those offer that are written in Python."""

    def __init__(self) -> None:
        pass

    def encode(self, text: str, **options: Any) -> list[int]:
        assert options == {"add_special_tokens": False, "truncation": False, "padding": False, "verbose": False}
        return TRAINED.encode(text, add_special_tokens=False).ids


def test_tokenizers_of_transformers_count_without_special_tokens() -> None:
    for tokenizer in (Fast(TRAINED), Slow()):
        assert zipfit.count_tokens(SOURCE, tokenizer).tolist() == one_by_one(SOURCE)


@pytest.mark.parametrize("wrap", [lambda tokenizer: tokenizer, Fast])
def test_truncation_and_padding_are_off_and_stay_as_they_were_in_the_users_object(wrap: Any) -> None:
    tokenizer = copy.deepcopy(TRAINED)
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50, pad_token=END)
    before = tokenizer.to_str()
    assert zipfit.count_tokens(SOURCE, wrap(tokenizer)).tolist() == one_by_one(SOURCE)
    assert tokenizer.to_str() == before
    assert len(tokenizer.encode("a")) == 50


def test_truncation_and_padding_of_a_file_are_off(path: pathlib.Path) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50, pad_token=END)
    tokenizer.save(str(path))
    assert zipfit.count_tokens(SOURCE, path).tolist() == one_by_one(SOURCE)


def test_special_tokens_are_split_where_the_tokenizer_is_told_to() -> None:
    tokenizer = copy.deepcopy(TRAINED)
    tokenizer.encode_special_tokens = True
    split = one_by_one(SOURCE, tokenizer)
    assert split != one_by_one(SOURCE)
    assert zipfit.count_tokens(SOURCE, tokenizer).tolist() == split
    tokenizer.enable_truncation(3)
    assert zipfit.count_tokens(SOURCE, tokenizer).tolist() == split


def test_dropout_is_off() -> None:
    tokenizer = copy.deepcopy(TRAINED)
    assert isinstance(tokenizer.model, models.BPE)
    tokenizer.model.dropout = 0.9
    assert zipfit.count_tokens(SOURCE, tokenizer).tolist() == one_by_one(SOURCE)
    assert tokenizer.model.dropout == pytest.approx(0.9)


class Whole:
    """A part of a tokenizer that is written in Python, so that no copy can be made."""

    def pre_tokenize(self, text: Any) -> None:
        """Leave the text in one piece."""


def test_a_tokenizer_that_cannot_be_copied_is_used_as_it_is_or_refused() -> None:
    tokenizer = copy.deepcopy(TRAINED)
    custom: Any = pre_tokenizers.PreTokenizer
    tokenizer.pre_tokenizer = custom.custom(Whole())
    assert zipfit.count_tokens(["the cat"], tokenizer).tolist() == one_by_one(["the cat"], tokenizer)
    tokenizer.enable_truncation(3)
    said = sentence(ParameterError, lambda: zipfit.count_tokens(["the cat"], tokenizer))
    assert said.startswith("tokenizer cuts, pads or draws lots, and no copy without that can be made: ")
    assert said.endswith("; call no_truncation() and no_padding() and set model.dropout to None")


@pytest.mark.parametrize(
    "kind",
    [
        lambda texts: [text.encode() for text in texts],
        iter,
        np.array,
        pa.array,
        lambda texts: pa.table({"text": texts, "other": texts}),
        pd.Series,
        lambda texts: pd.DataFrame({"text": texts}),
    ],
)
def test_texts_of_every_kind_are_counted(kind: Callable[[list[str]], Any]) -> None:
    assert zipfit.count_tokens(kind(SOURCE), TRAINED).tolist() == one_by_one(SOURCE)


def test_texts_of_a_file_are_counted(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pool.jsonl").write_bytes(lines_of({"q": text, "a": "!"} for text in SOURCE))
    counts = zipfit.count_tokens(tmp_path / "pool.jsonl", TRAINED, text="{q}{a}")
    assert counts.tolist() == one_by_one([f"{text}!" for text in SOURCE])


def test_counts_fill_budgets() -> None:
    tokens = zipfit.count_tokens(SOURCE_TEXTS, TRAINED)
    ranking = zipfit.rank(SOURCE_TEXTS, TARGET_TEXTS)
    budget = int(tokens[ranking.order[:2]].sum())
    assert ranking.within(budget_tokens=budget, tokens=tokens).rows.tolist() == ranking.order[:2].tolist()
    assert len(zipfit.cover(SOURCE_TEXTS, TARGET_TEXTS, budget_tokens=budget, tokens=tokens)) > 0


def test_bytes_that_are_not_utf8_and_null_are_told_by_their_row() -> None:
    said = sentence(InvalidTextError, lambda: zipfit.count_tokens(["a", b"caf\xe9"], len))
    assert said == "source row 1: invalid UTF-8 at byte 3; decode it first"
    assert "source row 1: null text" in sentence(BadRowError, lambda: zipfit.count_tokens(["a", None], len))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (-1, "-1"),
        (2**70, str(2**70)),
        (True, "an object of type bool"),
        (1.0, "an object of type float"),
        (None, "an object of type NoneType"),
        ("the cat", "an object of type str"),
        (UserDict(input_ids=[1]), "an object of type UserDict"),
        ({1, 2}, "an object of type set"),
        (np.zeros((1, 9)), "an object of type ndarray"),
        (iter([1]), "an object of type list_iterator"),
    ],
)
def test_a_function_that_returns_no_tokens_is_told_by_the_row(answer: Any, found: str) -> None:
    said = sentence(ParameterError, lambda: zipfit.count_tokens(["a", "b"], lambda text: 1 if text == "a" else answer))
    assert said == f"source row 1: the tokenizer returned {found}; expected a sequence of tokens or their number"


@pytest.mark.parametrize("answer", [2, np.int32(2), [7, 8], (7, 8), ["a", ""], b"ab", np.array([7, 8])])
def test_a_function_may_return_tokens_or_their_number(answer: Any) -> None:
    assert zipfit.count_tokens(["a"], lambda _: answer).tolist() == [2]


def test_an_exception_of_a_function_says_the_row_too() -> None:
    texts = ["a"] * 3_000 + ["b"]
    with pytest.raises(KeyError) as caught:
        zipfit.count_tokens(texts, lambda text: {"a": 1}[text])
    assert caught.value.__notes__ == ["while zipfit counted the tokens of source row 3000"]


def test_a_text_that_the_library_cannot_encode_is_told_by_its_row() -> None:
    tokenizer = tokenizers.Tokenizer(models.WordLevel({"a": 0}))
    said = sentence(ParameterError, lambda: zipfit.count_tokens(["a"] * 3_000 + ["b"], tokenizer))
    problem = '"WordLevel error: Missing [UNK] token from the vocabulary"'
    next_step = "use one that takes this text, or leave the row out"
    assert said == f"source row 3000: the tokenizer fails: {problem}; {next_step}"


def test_no_rows_have_no_counts() -> None:
    assert zipfit.count_tokens([], TRAINED).tolist() == []


def test_what_is_no_tokenizer_is_refused(path: pathlib.Path) -> None:
    said = sentence(ParameterError, lambda: zipfit.count_tokens(["a"], 3))  # type: ignore[arg-type]
    assert said.startswith("tokenizer is of type int; expected the path of a tokenizer.json, the name of")
    path.write_text("{}", encoding="utf-8")
    said = sentence(ParameterError, lambda: zipfit.count_tokens(["a"], path))
    assert said.startswith(f'{path}: no file of the library tokenizers: "')
    assert said.endswith('"; give a tokenizer.json')
    said = sentence(ParameterError, lambda: zipfit.count_tokens(["a"], "cl100k"))
    names = "o200k_base, cl100k_base, gpt2, gpt-4o, gpt-4"
    assert said == f'tokenizer "cl100k" is neither a file nor a name that tiktoken knows, such as {names}'
    assert "threads must be at least 1" in sentence(ParameterError, lambda: zipfit.count_tokens(["a"], len, threads=0))


def test_the_names_in_the_message_are_known() -> None:
    for name in zipfit.tokens.KNOWN_NAMES:
        assert name in tiktoken.list_encoding_names() or tiktoken.encoding_name_for_model(name)


@pytest.mark.parametrize("name", ["missing.json", f"meta{os.sep}llama", pathlib.Path("gpt-4")])
def test_a_missing_file_is_told_by_its_path(name: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        zipfit.count_tokens(["a"], name)
    assert caught.value.filename == str(name)
    assert caught.value.strerror == "no such file; expected a tokenizer.json, or the name of a tiktoken encoding"


def test_a_missing_library_is_told_with_what_to_install(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    said = sentence(MissingExtraError, lambda: zipfit.count_tokens(["a"], "gpt-4"))
    assert said == 'tokenizer "gpt-4" needs the package tiktoken; pip install "zipfit[tokens]"'
    said = sentence(MissingExtraError, lambda: zipfit.count_tokens(["a"], path))
    assert said.endswith(' needs the package tokenizers; pip install "zipfit[tokens]"')
    assert zipfit.count_tokens(["a"], len).tolist() == [1]


def test_a_table_that_cannot_be_fetched_is_told_with_what_to_do(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_file(_address: str) -> bytes:
        raise TimeoutError("no network")

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setattr(tiktoken.load, "read_file", read_file)
    said = sentence(ConnectionError, lambda: zipfit.count_tokens(["a"], "gpt-4"))
    trouble = 'tokenizer "gpt-4": tiktoken cannot get its table (TimeoutError), which it fetches once'
    assert said == f"{trouble}; run where there is network, or set TIKTOKEN_CACHE_DIR to a folder that has it"


# Ten seconds of work and more, if it is not interrupted.
LONG_COUNT = """
import sys, tokenizers, zipfit
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
source = [f"row {i} of some words, {i * i} and more" * 100 for i in range(20_000)]
print("beginning", flush=True)
try:
    zipfit.count_tokens(source, tokenizer)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_is_answered_within_half_a_second(path: pathlib.Path) -> None:
    assert_quick(lambda: interrupt_python(LONG_COUNT, str(path)))


@pytest.fixture
def folder(path: pathlib.Path, functions: list[str]) -> pathlib.Path:
    """A folder with tokenizer.json, target.jsonl, and pool.jsonl, whose field n has the counts."""
    texts = SOURCE[:-1] + functions
    rows = ({"text": text, "n": n} for text, n in zip(texts, one_by_one(texts), strict=True))
    (path.parent / "pool.jsonl").write_bytes(lines_of(rows))
    write_texts(path.parent / "target.jsonl", TARGET_TEXTS)
    return path.parent


def select(folder: pathlib.Path, *arguments: str) -> Any:
    """Run `zipfit select` in the folder with a budget of tokens."""
    given = ("--target", "target.jsonl", "--budget-tokens", "900", "--overwrite")
    return zipfit_cli("select", "pool.jsonl", *given, *arguments, cwd=folder)


@pytest.mark.parametrize("way", [[], ["--cover"], ["--threads", "1"]])
def test_select_counts_as_if_the_counts_were_in_the_rows(folder: pathlib.Path, way: list[str]) -> None:
    for output, arguments in {"a": ["--tokenizer", "tokenizer.json"], "b": ["--token-field", "n"]}.items():
        done = select(folder, "-o", output, *arguments, *way)
        assert done.returncode == 0, done.stderr
    for name in ("selected.jsonl", "selection.jsonl"):
        content = (folder / "a" / name).read_bytes()
        assert content.count(b"\n") > 3
        assert content == (folder / "b" / name).read_bytes()


def test_the_manifest_says_what_counted_tokens(folder: pathlib.Path) -> None:
    select(folder, "-o", "out", "--tokenizer", "tokenizer.json")
    manifest = json.loads((folder / "out" / "manifest.json").read_bytes())
    content = (folder / "tokenizer.json").read_bytes()
    assert manifest["parameters"]["tokenizer"] == "tokenizer.json"
    assert manifest["tokenizer"] == {
        "name": "tokenizer.json",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "library": {"name": "tokenizers", "version": importlib.metadata.version("tokenizers")},
    }


@pytest.mark.usefixtures("known")
def test_select_takes_the_name_of_a_tiktoken_encoding(folder: pathlib.Path) -> None:
    options = pipeline.SelectOptions(
        source=(str(folder / "pool.jsonl"),),
        target=(str(folder / "target.jsonl"),),
        output=str(folder / "out"),
        budget_tokens=2_000,
        tokenizer="gpt-4",
    )
    selected = pipeline.select(options).counts["selected"]
    manifest = json.loads((folder / "out" / "manifest.json").read_bytes())
    assert manifest["parameters"]["tokenizer"] == "gpt-4"
    library = {"name": "tiktoken", "version": importlib.metadata.version("tiktoken")}
    assert manifest["tokenizer"] == {"encoding": "bytes", "library": library}
    lines = (folder / "out" / "selected.jsonl").read_bytes().splitlines()
    counts = [len(ENCODING.encode_ordinary(json.loads(line)["text"])) for line in lines]
    assert len(counts) == selected > 3
    assert sum(counts) <= 2_000


@pytest.mark.parametrize("way", [[], ["--cover"]])
def test_a_row_that_the_tokenizer_cannot_take_is_told_by_file_and_line(folder: pathlib.Path, way: list[str]) -> None:
    tokenizers.Tokenizer(models.WordLevel({"a": 0})).save(str(folder / "words.json"))
    write_texts(folder / "first.jsonl", ["a"])
    (folder / "pool.jsonl").write_bytes(b'{"text": "a"}\n\n{"text": "b"}\n')
    files = ("first.jsonl", "pool.jsonl", "--target", "target.jsonl", "-o", "out", "--tokenizer", "words.json")
    done = zipfit_cli("select", *files, "--budget-tokens", "9", *way, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith('zipfit: pool.jsonl:3 (byte 15): the tokenizer fails: "WordLevel error: ')
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("tokenizer", "said"),
    [
        ("cl100k", '"cl100k" is neither a file nor a name that tiktoken knows'),
        ("no/such.json", "no/such.json: no such file; expected a tokenizer.json"),
        ("target.jsonl", "target.jsonl: no file of the library tokenizers"),
    ],
)
def test_a_wrong_tokenizer_ends_select_before_anything_is_read(folder: pathlib.Path, tokenizer: str, said: str) -> None:
    (folder / "pool.jsonl").write_text("no JSON", encoding="utf-8")
    done = select(folder, "-o", "out", "--tokenizer", tokenizer)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "out").exists()
