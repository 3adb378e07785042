"""Filters: which rows should not be chosen, whatever their score."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.checks import Where, bar_if, checked_where, real_number
from zipfit.errors import ParameterError
from zipfit.inputs import TextData, resolve_target_text, to_texts

DEFAULT_OVERLAP = "13-gram"
"""The rule of GPT-3: blind to case, punctuation and layout, which differ between copies of one text."""


def duplicates(
    source: TextData,
    *,
    threshold: float = 1.0,
    where: Where = None,
    text: str | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> NDArray[np.bool_]:
    """Find rows that repeat an earlier row: to the byte, or nearly.

    Rows are looked at in order, and a row repeats if an earlier row that does not is like it. So every row found is
    near one that stays: ``where=~zipfit.duplicates(source)`` chooses among rows of which no two are alike.

    Parameters
    ----------
    source
        Texts, N of them, of any kind that `rank` takes; held in memory.
    threshold
        Above 0 and at most 1. 1, the default, asks for equal texts. Below, texts are alike if their sets of distinct
        byte n-grams x and y (n = 8; a shorter text has one, itself) have a Jaccard similarity ``|x & y| / |x | y|`` of
        at least `threshold`; 0.8 is a common choice. Exact, no sketch: no pair is missed.
    where
        bool (N,), False for rows to pass over: they are not found, and none is like them. None, the default: no such.
    text, threads, progress
        As in `rank`.

    Returns
    -------
    ndarray, bool (N,)
        True for a row that repeats an earlier one.

    Raises
    ------
    ParameterError
        A `threshold` out of range, or `where` of another length or type.
    BadRowError, InvalidTextError, TextTypeError
        As in `rank`.

    References
    ----------
    Xiao et al. 2008, "Efficient similarity joins for near duplicate detection".

    Examples
    --------
    >>> import zipfit
    >>> source = ["def twice(x): return 2 * x", "a = 1", "def twice(y): return 2 * y", "a = 1"]
    >>> zipfit.duplicates(source).tolist()
    [False, False, False, True]
    >>> zipfit.duplicates(source, threshold=0.1).tolist()
    [False, False, True, True]
    """
    threshold = real_number(threshold, "threshold")
    sources = to_texts(source, text=text, side="source", threads=threads)
    mask, _ = checked_where(where, len(sources))
    with bar_if(progress, len(sources), "comparing") as on_progress:
        return _core.duplicates(sources, threshold, mask, threads, on_progress) >= 0


def contaminated(
    source: TextData,
    against: TextData,
    *,
    overlap: str = DEFAULT_OVERLAP,
    text: str | None = None,
    against_text: str | None = None,
    threads: int | None = None,
) -> NDArray[np.bool_]:
    """Find rows that hold a piece of an evaluation set; training on them would make the evaluation worthless.

    Parameters
    ----------
    source
        Texts, N of them, of any kind that `rank` takes.
    against
        The evaluation set, likewise; at least one text, none of them empty.
    overlap
        How long a piece must be: "N-gram" for N words in a row, words being runs of letters and digits without regard
        to case and to what stands between, or "N-byte" for N bytes in a row, as they are. "13-gram" is the default and
        the rule of GPT-3; "50-byte" is the length that GPT-4's report uses, and the better one where words are not set
        apart (it looks at letters and digits alone, this at all bytes). Short statements may need less, "8-gram" say.
        An evaluation text that is shorter counts whole: one of a single common word, "A" say, is in nearly every row,
        so leave such texts out, or join question and answer (in a file by a template, `against_text`).
    text
        As in `rank`.
    against_text
        The same for `against`. None, the default: as `text`, if `against` is a table or a file.
    threads
        As in `rank`.

    Returns
    -------
    ndarray, bool (N,)
        True for a contaminated row; ``where=~zipfit.contaminated(source, against)`` leaves these out.

    Raises
    ------
    ParameterError
        An unknown `overlap`, an evaluation set that is empty or has a text without a word (or byte), or files that are
        both read as "alpaca", whose prompt would be found in every row.
    BadRowError, InvalidTextError, TextTypeError
        As in `rank`.

    References
    ----------
    Brown et al. 2020, "Language models are few-shot learners", appendix C.

    Examples
    --------
    >>> import zipfit
    >>> source = ["What is six times seven? It is 42.", "What is six times eight?"]
    >>> zipfit.contaminated(source, ["what is SIX times seven"], overlap="5-gram").tolist()
    [True, False]
    """
    if not isinstance(overlap, str):
        raise ParameterError(f'overlap must be a string such as "{DEFAULT_OVERLAP}", got {overlap!r}')
    against_text = resolve_target_text(against, against_text, text)
    if isinstance(source, os.PathLike) and isinstance(against, os.PathLike):
        refuse_equal_prompts(text, against_text)
    evaluation = to_texts(against, text=against_text, side="against", threads=threads)
    sources = to_texts(source, text=text, side="source", threads=threads)
    return _core.Contamination(evaluation, overlap).find(sources, threads) >= 0


def refuse_equal_prompts(text: str | None, against_text: str | None) -> None:
    """Raise if a preset writes sentences of its own around the texts of the rows and of the evaluation set."""
    if text == against_text == "alpaca":
        message = (
            "alpaca writes the same sentences into rows and evaluation rows, so each row would count as contaminated"
        )
        raise ParameterError(message + r"; take the fields by a template, as in '{instruction}\n{output}'")
