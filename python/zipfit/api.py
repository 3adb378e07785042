"""The functions of ``zipfit``: arguments to texts, one call of the core, one result."""

from __future__ import annotations

import os
from typing import overload

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.checks import bar_if
from zipfit.inputs import TextData, resolve_target_text, to_bytes, to_texts
from zipfit.ranking import Ranking
from zipfit.scorer import DEFAULT_METRIC, describe

DEFAULT_COMPRESSOR = "gzip-9"
"""The paper's."""


def rank(
    source: TextData,
    target: TextData,
    *,
    metric: str = DEFAULT_METRIC,
    compressor: str | None = None,
    aggregate: str = "mean",
    text: str | None = None,
    target_text: str | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Ranking:
    r"""Score every source text by how well it compresses together with the target texts.

    With the defaults a score is the paper's alignment, 1 - mean NCD over the targets, where NCD(x, y) is
    (C(xy) - min(C(x), C(y))) / max(C(x), C(y)) and C the compressed size. It is not clamped, and it falls with a
    growing difference in length, so it compares rows, not data sets.

    With ``metric="gain"`` a score is (C(x) - C(x|P)) / size of x: the bytes of compressed text that the targets save
    for each byte of x, C(x|P) being the size of x against P, the targets in order, joined by a newline, as a
    dictionary. That is two compressions a row however many targets there are. An empty text has 0.0. Targets of more
    than L bytes (L is 128 KiB, 64 KiB for "zstd-1", 32,506 for "deflate-L") make k = ceil(size of P / L) dictionaries:
    a target that starts at byte s of P belongs to dictionary floor(k s / size of P), and the score is the mean over the
    dictionaries.

    Parameters
    ----------
    source
        Texts to choose from, N of them: a list or other iterable of str or bytes, a numpy array, a ``pathlib.Path``
        of a file (JSON Lines, CSV, TSV, text or Parquet, as its suffix says), or a table or column of pyarrow, pandas,
        polars, duckdb, Hugging Face datasets or anything with ``__arrow_c_stream__`` or ``__arrow_c_array__``. str
        counts as UTF-8, bytes as they are.
    target
        Examples of the wanted task, n of them, n at least 1; of the same or another kind.
    metric
        "ncd" (default, the paper's), "cdm" or "clm", distances to each target; or "gain", from all targets together.
    compressor
        Codec and level in one token, as in "zstd-3". None, the default, means "gzip-9", the paper's; for "gain", which
        takes "zstd-L" or "deflate-L", it means "zstd-3", zstd's own default, because gzip takes no dictionary.
    aggregate
        How the distances to all targets become one score: "mean" (default, the paper's), "max" (the nearest target
        alone) or "top-M" (the mean over the M nearest). "gain" takes "mean" alone.
    text
        Column of the texts in a table; in a file a field, a path such as ``"meta.text"``, a template such as
        ``"{prompt}\n{answer}"``, or a preset: ``"messages"`` (chat), ``"sharegpt"`` or ``"alpaca"``. None, the default:
        ``"text"`` if it is there, else the only column.
    target_text
        The same for `target`. None, the default: as `text`, if `target` is a table or a file.
    threads
        None, the default, means all CPUs that this process may use. The scores do not depend on it.
    progress
        Show a bar in a notebook, or on standard error if that is a terminal. Off by default: a library prints nothing
        unasked.

    Returns
    -------
    Ranking
        With ``scores`` float64 (N,), ``order`` and ``sizes`` int64 (N,); no source texts give N = 0.

    Raises
    ------
    EmptyTargetError
        `target` has no rows.
    BadRowError, InvalidTextError, TextTypeError
        A text that is null, not Unicode, or no text; the message names its row. For "gain" also a target whose bytes
        zstd would take for a dictionary in its own format, which no text begins like.
    ParameterError
        Another argument means nothing, such as a bare str as `source`, or a compressor that takes no dictionary with
        "gain".

    References
    ----------
    Obbad et al. 2024, arXiv:2410.18194, section 3; for the gain Benedetto, Caglioti, Loreto 2002, "Language trees and
    zipping", arXiv:cond-mat/0108530.

    Examples
    --------
    >>> import zipfit
    >>> target = ["def area(r): return 3.14 * r * r", "def double(x): return 2 * x"]
    >>> source = ["We went to the sea in May.", "def triple(x): return 3 * x"]
    >>> zipfit.rank(source, target).top_k(1).take(source)
    ['def triple(x): return 3 * x']
    >>> zipfit.rank(source, target, metric="gain").top_k(1).take(source)
    ['def triple(x): return 3 * x']
    """
    target_text = resolve_target_text(target, target_text, text)
    targets = to_texts(target, text=target_text, side="target", threads=threads)
    scorer = _core.Scorer(targets, metric, compressor, aggregate, threads)
    sources = to_texts(source, text=text, side="source", threads=threads)
    with bar_if(progress, len(sources), "ranking") as on_progress:
        scores = scorer.score(sources, threads, on_progress)
    provenance = {**describe(scorer), "source_sha256": sources.sha256()}
    return Ranking(scores, sources.sizes(), provenance=provenance)


def ncd(x: str | bytes, y: str | bytes, compressor: str = DEFAULT_COMPRESSOR) -> float:
    """Normalised compression distance of two texts: (C(xy) - min(C(x), C(y))) / max(C(x), C(y)).

    About 0 for equal texts, about 1 for unrelated ones, unclamped. C(xy) is the size of x followed by y, so that
    ``ncd(x, y)`` and ``ncd(y, x)`` can differ a little.

    Parameters
    ----------
    x, y
        Texts; str counts as UTF-8.
    compressor
        Codec and level in one token; "gzip-9" by default, the paper's.

    Raises
    ------
    TextTypeError, InvalidTextError
        `x` or `y` is neither str nor bytes, or holds a lone surrogate.
    ParameterError
        An unknown compressor.

    References
    ----------
    Obbad et al. 2024, arXiv:2410.18194, section 3; Li et al. 2004, "The similarity metric".

    Examples
    --------
    >>> import zipfit
    >>> zipfit.ncd("to be or not to be", "to be or not to be") < zipfit.ncd("to be or not to be", "xyz")
    True
    """
    return _core.ncd(to_bytes(x, "x"), to_bytes(y, "y"), compressor)


def ncd_matrix(
    source: TextData,
    target: TextData,
    *,
    compressor: str = DEFAULT_COMPRESSOR,
    text: str | None = None,
    target_text: str | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """NCD of every source text with every target text.

    Parameters
    ----------
    source, target, text, target_text, threads
        As in `rank`.
    compressor
        Codec and level in one token; "gzip-9" by default, the paper's.

    Returns
    -------
    ndarray, float64 (N, n)
        Entry (i, j) is ``ncd(source[i], target[j], compressor)``; 8 N n bytes.

    Raises
    ------
    EmptyTargetError
        `target` has no rows.
    BadRowError, InvalidTextError, TextTypeError, ParameterError
        As in `rank`.
    """
    target_text = resolve_target_text(target, target_text, text)
    targets = to_texts(target, text=target_text, side="target", threads=threads)
    sources = to_texts(source, text=text, side="source", threads=threads)
    return _core.ncd_matrix(sources, targets, compressor, threads)


@overload
def compressed_size(x: str | bytes, compressor: str = ..., threads: int | None = ...) -> int: ...
@overload
def compressed_size(x: TextData, compressor: str = ..., threads: int | None = ...) -> NDArray[np.int64]: ...
def compressed_size(
    x: str | bytes | TextData, compressor: str = DEFAULT_COMPRESSOR, threads: int | None = None
) -> int | NDArray[np.int64]:
    """C(x): size in bytes of a text, or of each of many, after compression, container included.

    Equal to the length of what Python makes: ``gzip.compress(x, 9)`` for "gzip-9", and so on for the other codecs,
    given equal versions of their libraries.

    Parameters
    ----------
    x
        One text, or texts of any kind that `rank` takes.
    compressor
        Codec and level in one token; "gzip-9" by default, the paper's.
    threads
        For many texts; None, the default, means all CPUs that this process may use.

    Returns
    -------
    int, or ndarray int64 (N,)

    Raises
    ------
    BadRowError, InvalidTextError, TextTypeError
        A text that is null, not Unicode, or no text.
    ParameterError
        An unknown compressor, or `threads` below 1.

    Examples
    --------
    >>> import zipfit
    >>> zipfit.compressed_size("")
    20
    >>> zipfit.compressed_size(["", "a" * 100], "gzip-9").tolist()
    [20, 24]
    """
    if isinstance(x, (str, bytes)):
        return _core.compressed_size(to_bytes(x, "x"), compressor)
    return _core.compressed_sizes(to_texts(x, text=None, side="source", threads=threads), compressor, threads)


def load_scores(directory: str | os.PathLike[str]) -> Ranking:
    """Load the scores that ``zipfit score``, or ``zipfit select`` without ``--cover``, left in a directory.

    Parameters
    ----------
    directory
        With ``scores.parquet`` and ``manifest.json``, which vouches for it.

    Returns
    -------
    Ranking
        As `zipfit.rank` of the same rows, with one entry for each row of the sources, in their order. Rows that were
        rejected have the score NaN; they cannot be chosen, nor can those that filters left out.

    Raises
    ------
    MismatchError
        The table is damaged, or not the one that the manifest describes.
    ParameterError
        The directory has no scores, or its run is not finished.
    OSError
        A file cannot be read.
    """
    # Imported here because most who import zipfit have no such directory.
    from zipfit import scores

    return scores.load(directory)
