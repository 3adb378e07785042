"""Tokens of each text, counted by a tokenizer of the user's choice: what a budget of tokens is made of.

What is counted are the tokens of the text itself, as a training run reads it: no special token is put around it,
because how many there are belongs to the training format and not to the row; nothing is cut or padded, because a cut
text costs less than it is; nothing is left to chance (BPE dropout), so that a count is the same every time.

tokenizers, tiktoken and transformers are imported only where a file or a name asks for one of them; their objects
are known by what they offer.
"""

from __future__ import annotations

import copy
import errno
import hashlib
import os
from collections.abc import Callable, Mapping, Set, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.checks import whole_number
from zipfit.errors import MissingExtraError, ParameterError
from zipfit.inputs import TextData, is_instance, quoted, to_texts

if TYPE_CHECKING:
    import tiktoken
    import tokenizers

BATCH_BYTES = 256 << 10
"""Text handed to a library at once. Ctrl-C waits for one batch, some 0.1 s on one core; tokenizers needs some 100
bytes a token until it is counted. Larger batches are not faster on 2 cores; far smaller ones would leave cores idle."""

KNOWN_NAMES = ("o200k_base", "cl100k_base", "gpt2", "gpt-4o", "gpt-4")
"""Some names that tiktoken knows, for messages."""

EXPECTED = (
    "the path of a tokenizer.json, the name of a tiktoken encoding, a tokenizer of tokenizers, tiktoken or "
    "transformers, or a function from str to tokens"
)


class Encoder(Protocol):
    """A tokenizer of tokenizers, tiktoken or transformers."""

    def encode(self, *args: Any, **options: Any) -> Any:
        """Return the tokens of a text."""


Tokenizer: TypeAlias = str | os.PathLike[str] | Encoder | Callable[[str], int | Sized]
"""What is accepted as ``tokenizer``."""


def count_tokens(
    source: TextData, tokenizer: Tokenizer, *, text: str | None = None, threads: int | None = None
) -> NDArray[np.int64]:
    """Count the tokens of every text, for budgets in tokens.

    Counted are the tokens of the text itself: no special token is added (a training format that ends every row with
    one costs one more a row: add 1), and nothing is cut or padded even where the tokenizer is set to do so. Text that
    reads like a special token, such as "<|endoftext|>", is what the library takes it for in training data: to
    tokenizers and transformers the one token, unless told to split it; to tiktoken, whose ``encode`` refuses it
    unless told what it is, plain text.

    Parameters
    ----------
    source
        Texts, N of them, of any kind that `rank` takes; UTF-8 where they are bytes.
    tokenizer
        A path to a file of the library tokenizers, usually named tokenizer.json; a str is one if such a file exists,
        or if it ends in ".json" or holds a path separator. Any other str is the name of an encoding or model that
        tiktoken knows, as "cl100k_base" or "gpt-4". Or a ``tokenizers.Tokenizer``, a ``tiktoken.Encoding``, a
        tokenizer of transformers, none of which is changed; or any function from str to a sequence of tokens or
        to their number.
    text
        As in `rank`.
    threads
        As in `rank`, for reading files and for tiktoken. tokenizers takes its number of threads from the environment
        (RAYON_NUM_THREADS), and functions are called on the calling thread.

    Returns
    -------
    ndarray, int64 (N,)
        Tokens of each text, for ``ranking.within(budget_tokens=..., tokens=...)`` and `cover`.

    Raises
    ------
    ParameterError
        A file that holds no tokenizer, a name that tiktoken does not know, a tokenizer that fails on a row or returns
        something else than tokens; the message names the row.
    MissingExtraError
        The library is not installed: ``pip install "zipfit[tokens]"`` brings both.
    FileNotFoundError
        There is no such tokenizer file.
    ConnectionError
        tiktoken cannot fetch the table of an encoding, which it does once and then keeps.
    BadRowError, InvalidTextError, TextTypeError
        As in `rank`.

    Examples
    --------
    >>> import zipfit
    >>> source = ["x = 1", "the cat sat on the mat", "y = 2 + 2"]
    >>> tokens = zipfit.count_tokens(source, str.split)
    >>> tokens.tolist()
    [3, 6, 5]
    >>> zipfit.rank(source, ["z = 3"]).within(budget_tokens=8, tokens=tokens).take(source)
    ['x = 1', 'y = 2 + 2']
    """
    counter = open_tokenizer(tokenizer)
    threads = _core.available_threads() if threads is None else whole_number(threads, "threads")
    return counter.count(to_texts(source, text=text, side="source", threads=threads), threads=threads)


@dataclass(frozen=True)
class TokenCounter:
    """A tokenizer that is ready to count."""

    count_batch: Callable[[list[str], int, int], list[int]]
    """Tokens of each of some texts, given the row of the first, for messages, and the number of threads."""
    record: dict[str, object] | None = None
    """What the manifest says of it; None for an object."""

    def count(self, texts: _core.Texts, *, first_row: int = 0, threads: int) -> NDArray[np.int64]:
        """Return the tokens of each text, int64 (N,); `first_row` is the row of the first, for messages."""
        counts = np.empty(len(texts), np.int64)
        start = 0
        while start < len(texts):
            batch = texts.strings(start, BATCH_BYTES)
            counts[start : start + len(batch)] = self.count_batch(batch, first_row + start, threads)
            start += len(batch)
        return counts


def open_tokenizer(tokenizer: Any) -> TokenCounter:
    """Find out what `tokenizer` is, by the rules of `count_tokens`, and make it ready; raises as that does."""
    if isinstance(tokenizer, os.PathLike) or (isinstance(tokenizer, str) and _names_a_file(tokenizer)):
        return _from_file(os.fsdecode(tokenizer))
    if isinstance(tokenizer, str):
        return _from_name(tokenizer)
    if is_instance(tokenizer, "tiktoken", "Encoding"):
        return _of_tiktoken(tokenizer)
    # The fast tokenizers of transformers hold one of tokenizers.
    inner = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if is_instance(inner, "tokenizers", "Tokenizer"):
        return _of_tokenizers(inner)
    if hasattr(tokenizer, "convert_tokens_to_ids") and hasattr(tokenizer, "encode"):
        return _of_slow_transformers(tokenizer)
    if callable(tokenizer):
        return _of_function(tokenizer)
    raise ParameterError(f"tokenizer is of type {type(tokenizer).__name__}; expected {EXPECTED}")


def _names_a_file(name: str) -> bool:
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    return name.endswith(".json") or any(s in name for s in separators) or Path(name).is_file()


def _from_file(path: str) -> TokenCounter:
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        expected = "no such file; expected a tokenizer.json, or the name of a tiktoken encoding"
        raise FileNotFoundError(errno.ENOENT, expected, path) from None
    try:
        import tokenizers
    except ImportError as error:
        raise _missing(path, "tokenizers") from error
    try:
        tokenizer = tokenizers.Tokenizer.from_buffer(content)
    except Exception as error:  # noqa: BLE001 - the library raises no class of its own
        message = f"{path}: no file of the library tokenizers: {quoted([error])}; give a tokenizer.json"
        raise ParameterError(message, path=path) from None
    record: dict[str, object] = {"name": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return _of_tokenizers(tokenizer, record | {"library": _library("tokenizers")})


def _from_name(name: str) -> TokenCounter:
    try:
        import tiktoken
    except ImportError as error:
        raise _missing(name, "tiktoken") from error
    try:
        known = name in tiktoken.list_encoding_names()
        encoding_name = name if known else tiktoken.encoding_name_for_model(name)
    except KeyError:
        names = ", ".join(KNOWN_NAMES)
        message = f"tokenizer {quoted([name])} is neither a file nor a name that tiktoken knows, such as {names}"
        raise ParameterError(message) from None
    try:
        encoding = tiktoken.get_encoding(encoding_name)
    # Without network requests raises a kind of OSError; a broken download is a ValueError.
    except (OSError, ValueError) as error:
        message = (
            f"tokenizer {quoted([name])}: tiktoken cannot get its table ({type(error).__name__}), which it fetches "
            "once; run where there is network, or set TIKTOKEN_CACHE_DIR to a folder that has it"
        )
        raise ConnectionError(message) from error
    return _of_tiktoken(encoding, {"encoding": encoding.name, "library": _library("tiktoken")})


def _library(package: str) -> dict[str, str]:
    # Costs more than the rest of this module; and early versions of tiktoken have no __version__.
    import importlib.metadata

    return {"name": package, "version": importlib.metadata.version(package)}


def _missing(tokenizer: str, package: str) -> MissingExtraError:
    message = f'tokenizer {quoted([tokenizer])} needs the package {package}; pip install "zipfit[tokens]"'
    return MissingExtraError(message)


def _of_tokenizers(tokenizer: tokenizers.Tokenizer, record: dict[str, object] | None = None) -> TokenCounter:
    tokenizer = _unlimited(tokenizer)
    # The fast one, of version 0.20 and later, leaves out where in the text a token lies.
    encode_batch = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    return _of_library(lambda batch, _: encode_batch(batch, add_special_tokens=False), record)


def _unlimited(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Return the tokenizer, or a copy that neither cuts nor pads nor draws lots, if it does."""
    # Names of what makes a model of kind BPE or Unigram encode the same text in several ways.
    chances = [name for name in ("dropout", "alpha") if getattr(tokenizer.model, name, None) is not None]
    if tokenizer.truncation is None and tokenizer.padding is None and not chances:
        return tokenizer
    try:
        copied = copy.deepcopy(tokenizer)
    except Exception as error:  # noqa: BLE001 - the library raises no class of its own
        message = f"tokenizer cuts, pads or draws lots, and no copy without that can be made: {quoted([error])}"
        raise ParameterError(
            f"{message}; call no_truncation() and no_padding() and set model.dropout to None"
        ) from None
    copied.no_truncation()
    copied.no_padding()
    for name in chances:
        setattr(copied.model, name, None)
    # Copies forget this one.
    if getattr(tokenizer, "encode_special_tokens", False):
        copied.encode_special_tokens = True
    return copied


def _of_tiktoken(encoding: tiktoken.Encoding, record: dict[str, object] | None = None) -> TokenCounter:
    return _of_library(lambda batch, threads: encoding.encode_ordinary_batch(batch, num_threads=threads), record)


def _of_library(encode_batch: Callable[[list[str], int], list[Any]], record: dict[str, object] | None) -> TokenCounter:
    def count_batch(batch: list[str], first_row: int, threads: int) -> list[int]:
        try:
            return [len(encoded) for encoded in encode_batch(batch, threads)]
        except Exception:  # of any class, and without the row
            for row, text in enumerate(batch, first_row):
                _try_one(encode_batch, text, row)
            raise

    return TokenCounter(count_batch, record)


def _try_one(encode_batch: Callable[[list[str], int], list[Any]], text: str, row: int) -> None:
    try:
        encode_batch([text], 1)
    except Exception as error:
        message = f"source row {row}: the tokenizer fails: {quoted([error])}"
        raise ParameterError(f"{message}; use one that takes this text, or leave the row out", row=row) from error


def _of_slow_transformers(tokenizer: Any) -> TokenCounter:
    # verbose=False: a text longer than the model's window is no reason to warn here.
    options = {"add_special_tokens": False, "truncation": False, "padding": False, "verbose": False}
    return _of_function(lambda text: tokenizer.encode(text, **options))


def _of_function(function: Callable[[str], Any]) -> TokenCounter:
    def count_batch(batch: list[str], first_row: int, _threads: int) -> list[int]:
        return [_count_one(function, text, row) for row, text in enumerate(batch, first_row)]

    return TokenCounter(count_batch)


def _count_one(function: Callable[[str], Any], text: str, row: int) -> int:
    try:
        answer = function(text)
    except Exception as error:
        error.add_note(f"while zipfit counted the tokens of source row {row}")
        raise
    # A flag is an int to Python, and no number of tokens.
    if isinstance(answer, (int, np.integer)) and not isinstance(answer, bool):
        count, found = int(answer), str(answer)
    elif _is_sequence(answer):
        count, found = len(answer), ""
    else:
        count, found = -1, f"an object of type {type(answer).__name__}"
    if 0 <= count <= np.iinfo(np.int64).max:
        return count
    message = f"source row {row}: the tokenizer returned {found}; expected a sequence of tokens or their number"
    raise ParameterError(message, row=row)


def _is_sequence(answer: Any) -> bool:
    """Whether the length of `answer` is a number of tokens."""
    # A str has the length of the text, a mapping (as transformers returns) that of its keys, a set has no repeated
    # tokens, an array of two dimensions has the length of a batch.
    wrong = isinstance(answer, (str, Mapping, Set)) or getattr(answer, "ndim", 1) != 1
    return isinstance(answer, Sized) and not wrong
