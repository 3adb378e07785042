"""`evaluate`: would a selection help? What an n-gram model that reads it knows of held-out rows, beside random rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zipfit import _core
from zipfit.checks import Where, bar_if, checked_seed, checked_where, numbers, whole_number
from zipfit.comparing import Comparison
from zipfit.covering import Cover
from zipfit.errors import ParameterError
from zipfit.evaluation import Evaluation
from zipfit.inputs import TextData, resolve_target_text, to_texts
from zipfit.ranking import Ranking
from zipfit.selection import Selection

FLATTERS_COVER = "the rows were chosen by cover, and a model that counts n-grams flatters those: docs/quality.md"

_MIN_SEEDS = 2
"""One draw does not tell what chance does."""


def evaluate(
    source: TextData,
    selection: Selection | ArrayLike,
    held_out: TextData,
    *,
    target: TextData | None = None,
    where: Where = None,
    text: str | None = None,
    target_text: str | None = None,
    held_out_text: str | None = None,
    seeds: int = 5,
    seed: int = 0,
    threads: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """Tell whether a selection would help, before any model is trained on it.

    A model of byte n-grams (interpolated Witten-Bell, contexts of up to 6 bytes) reads the selected rows and then
    predicts the held-out ones, in bits per byte; others read random rows of as many bytes, the shortest rows, and the
    whole pool if that is at most 64 MiB. The verdict is "better than random" if the 95% interval of the difference to
    random rows is below 0: a bootstrap over the held-out rows and the draws, to what one more draw would give.

    DSIR's KL reduction is given beside: KL(held-out || pool) - KL(held-out || rows) over the shares of words and pairs
    of words in 10,000 buckets, 1e-8 being added to each share in a logarithm. It punishes what small selections lack.

    Parameters
    ----------
    source
        What was chosen from, of any kind that `rank` takes.
    selection
        A `Selection`, or row numbers.
    held_out
        Examples of the wanted task that the selection has *not* seen: neither targets nor rows of the source. Some
        hundred kilobytes are plenty. Of equal ones the first counts.
    target
        The rows that the selection was made by, to look for held-out rows among them. None, the default: no look.
    where
        bool (N,), False for rows that random rows may not be. None, the default, allows all; in any case those that a
        `Cover` left out as copies are not drawn.
    text, target_text, held_out_text
        As `text` and `target_text` in `rank`.
    seeds
        Draws of random rows, at least 2. More make the interval narrower, as a few tell little of what chance does.
    seed
        That of the first draw, from 0 to 2^64 - 1; the others follow.
    threads, progress
        As in `rank`. The numbers do not depend on them.

    Returns
    -------
    Evaluation

    Raises
    ------
    ParameterError
        A selection without a row or a byte, with a row twice, or with one that is not in the source; a `Selection` out
        of other rows than those of the source, or of another order; held-out rows without a byte; `seeds` below 2.
    BadRowError, InvalidTextError, TextTypeError
        As in `rank`.

    Warns
    -----
    UserWarning
        Selected rows equal held-out ones or hold a piece of one, or targets hold one, so that the verdict is an
        illusion; held-out rows repeat each other.

    References
    ----------
    Xie et al. 2023, arXiv:2302.03169 (KL reduction); Chen and Goodman 1999, "An empirical study of smoothing
    techniques for language modeling".

    Examples
    --------
    >>> import zipfit
    >>> source = ["def triple(x): return 3 * x", "We went to the sea in May.", "It rained all day."]
    >>> result = zipfit.evaluate(source, [0], ["def double(x): return 2 * x"])
    >>> result.selection.bits_per_byte < result.shortest.bits_per_byte
    True
    """
    seeds, seed = checked_seeds(seeds), checked_seed(seed)
    held_out_text = resolve_target_text(held_out, held_out_text, text)
    held = to_texts(held_out, text=held_out_text, side="held_out", threads=threads)
    sources = to_texts(source, text=text, side="source", threads=threads)
    rows = _chosen(selection, sources)
    mask, _ = checked_where(where, len(sources))
    notes = []
    if isinstance(selection, Cover):
        notes.append(FLATTERS_COVER)
        copies = np.concatenate([selection.duplicates[:, 0], selection.copies_of_target[:, 0]])
        mask = np.ones(len(sources), np.bool_) if mask is None else mask.copy()
        mask[copies] = False
    targets = None
    if target is not None:
        field = resolve_target_text(target, target_text, text)
        targets = to_texts(target, text=field, side="target", threads=threads)
    comparison = Comparison(held, sources.sizes(), mask, rows, seeds=seeds, seed=seed, threads=threads, target=targets)
    with bar_if(progress, len(sources), "evaluating") as tell:
        comparison.add(sources, np.arange(len(sources)), tell)
        result = comparison.finish(notes)
    for note in comparison.illusions:
        warnings.warn(note, UserWarning, stacklevel=2)
    return result


def checked_seeds(value: Any) -> int:
    """Return the number of draws."""
    return whole_number(value, "seeds", at_least=_MIN_SEEDS)


def _chosen(selection: Selection | ArrayLike, sources: _core.Texts) -> NDArray[np.int64]:
    """Return the rows that are selected, which are rows of the source, each once."""
    total = len(sources)
    if isinstance(selection, Selection):
        ranked = selection.provenance["sources"]
        if ranked != total:
            message = f"source has {total} rows but {ranked} were ranked; pass the source that was ranked"
            raise ParameterError(message)
        # Scores of another origin do not know the texts.
        hashed = selection.provenance.get("source_sha256")
        if hashed is not None and hashed != sources.sha256():
            message = f"the {total} rows of the source are not those that were ranked, or in another order"
            raise ParameterError(f"{message}; pass the source that was ranked")
        return selection.rows
    if isinstance(selection, Ranking):
        raise ParameterError("selection is a Ranking, of all rows; choose some, as by its top_k or within")
    rows: NDArray[np.int64] = numbers(selection, "selection", np.int64)
    if len(outside := np.flatnonzero((rows < 0) | (rows >= total))):
        row = int(rows[outside[0]])
        raise ParameterError(f"selection: there is no row {row}; the source has {total} rows", row=row)
    return rows
