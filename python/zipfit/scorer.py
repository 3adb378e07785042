"""`Scorer`: a target set prepared once, then used on as many batches as there are, in as many processes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zipfit import _core
from zipfit.errors import MismatchError
from zipfit.inputs import TextData, to_bytes, to_texts

if TYPE_CHECKING:
    from zipfit.explain import Explanation

DEFAULT_METRIC = "ncd"
"""The paper's; the same on the command line."""


class Scorer:
    """Scores batches of source texts against one target set.

    Scores are those of `zipfit.rank` to the last bit, however the source is cut into batches. Threads may share a
    scorer. Pickled, it is its targets and parameters, so that worker processes can be handed one; a process that is
    handed the same one again, with each of many tasks, prepares it once.

    Parameters
    ----------
    target
        Examples of the wanted task, at least one; any kind of texts that `zipfit.rank` takes.
    metric
        "ncd" (default, the paper's), "cdm" or "clm", distances to each target; or "gain", what all targets together
        save in compressing a text, see `zipfit.rank`.
    compressor
        Codec and level in one token, as in "zstd-3". None, the default, means "gzip-9", the paper's, and "zstd-3" for
        "gain", which takes "zstd-L" or "deflate-L".
    aggregate
        How the distances to all targets become one score: "mean" (default, the paper's), "max" (the nearest target
        alone) or "top-M" (the mean over the M nearest). "gain" takes "mean" alone.
    target_text
        Where the texts in `target` are, as in `zipfit.rank`. None: ``"text"`` if it is there, else the only column.

    Raises
    ------
    EmptyTargetError
        `target` has no rows.
    ParameterError
        An unknown metric, compressor or aggregate, "top-M" with fewer than M targets, or a compressor or aggregate that
        does not go with "gain".
    BadRowError, InvalidTextError, TextTypeError
        A target that is null, not Unicode, or no text; for "gain" one whose bytes zstd would take for a dictionary in
        its own format.

    References
    ----------
    Obbad et al. 2024, arXiv:2410.18194, section 3.

    Examples
    --------
    >>> import zipfit
    >>> scorer = zipfit.Scorer(["def f(x): return x + 1"])
    >>> near, far = scorer.score(["def g(y): return y + 2", "it rained all day long"])
    >>> bool(near > far)
    True
    """

    def __init__(
        self,
        target: TextData,
        *,
        metric: str = DEFAULT_METRIC,
        compressor: str | None = None,
        aggregate: str = "mean",
        target_text: str | None = None,
    ) -> None:
        texts = to_texts(target, text=target_text, side="target")
        self._core = _core.Scorer(texts, metric, compressor, aggregate)

    @property
    def targets(self) -> int:
        """Number of targets."""
        return len(self._core.target)

    @property
    def metric(self) -> str:
        """What scores are made of."""
        return self._core.metric

    @property
    def compressor(self) -> str:
        """Codec and level that is really used, never None."""
        return self._core.compressor

    @property
    def aggregate(self) -> str:
        """How the distances to all targets become one score."""
        return self._core.aggregate

    @property
    def provenance(self) -> dict[str, Any]:
        """What determines the scores, apart from the source: strings and numbers, ready for ``json.dumps``."""
        return describe(self._core)

    def score(self, batch: TextData, *, text: str | None = None, threads: int | None = None) -> NDArray[np.float64]:
        """Score texts; higher is better.

        Parameters
        ----------
        batch
            Source texts, of any kind that `zipfit.rank` takes.
        text
            Where the texts in `batch` are, as in `zipfit.rank`. None: ``"text"`` if it is there, else the only column.
        threads
            None, the default, means all CPUs that this process may use; pass 1 where a framework already runs one
            task a CPU. The scores do not depend on it.

        Returns
        -------
        ndarray, float64 (len(batch),)

        Raises
        ------
        BadRowError, InvalidTextError, TextTypeError
            A text that is null, not Unicode, or no text; the message names its row.
        ParameterError
            `threads` is below 1, or `batch` is no collection of texts in an order.
        """
        return self._core.score(to_texts(batch, text=text, side="source", threads=threads), threads)

    def explain(self, text: str | bytes, *, top: int = 5) -> Explanation:
        """Say why a text has its score: the nearest targets, and the longest substrings that it shares with any.

        Parameters
        ----------
        text
            The text; str is encoded as UTF-8.
        top
            Nearest targets to name, 5 by default; all, if there are fewer.

        Returns
        -------
        Explanation
            Its ``str()`` is for people, its ``to_dict()`` for JSON. The substrings have no part in the score.

        Raises
        ------
        InvalidTextError, TextTypeError
            A text that is not Unicode, or no text.
        ParameterError
            `top` is below 1.

        Examples
        --------
        >>> import zipfit
        >>> scorer = zipfit.Scorer(["def add(a, b): return a + b", "a sentence about rain"])
        >>> why = scorer.explain("def sub(a, b): return a - b", top=1)
        >>> why.nearest[0].target, why.pieces[0].text
        (0, '(a, b): return a ')
        """
        # Imported here because most who score do not ask.
        from zipfit.explain import explain

        return explain(self._core, self._shared_index, to_bytes(text, "text"), top=top)

    @functools.cached_property
    def _shared_index(self) -> _core.SharedIndex:
        return _core.SharedIndex(self._core.target)

    def __repr__(self) -> str:
        return f"Scorer({self.targets} targets, {self.metric} {self.compressor} {self.aggregate})"

    def __reduce__(self) -> tuple[Any, ...]:
        parameters = (self.metric, self.compressor, self.aggregate)
        return _unpickle, (_core.__version__, tuple(self._core.target.to_list()), *parameters)


def describe(scorer: _core.Scorer) -> dict[str, Any]:
    """Return what determines the scores, apart from the source."""
    library, library_version = scorer.library
    return {
        "version": _core.__version__,
        "metric": scorer.metric,
        "compressor": scorer.compressor,
        "compressor_library": library,
        "compressor_library_version": library_version,
        "aggregate": scorer.aggregate,
        "targets": len(scorer.target),
        "target_sha256": scorer.target.sha256(),
    }


def _unpickle(version: str, target: tuple[bytes, ...], metric: str, compressor: str, aggregate: str) -> Scorer:
    if version != _core.__version__:
        message = f"this Scorer was pickled by zipfit {version}, and here is zipfit {_core.__version__}"
        raise MismatchError(message + "; scores could differ, so use one version everywhere")
    scorer = Scorer.__new__(Scorer)
    scorer._core = _prepared(target, metric, compressor, aggregate)
    return scorer


# Frameworks pickle a scorer with every task, and preparing costs some thousand times what unpickling does. A few, for
# pipelines that score against several target sets; what is kept is the targets and their index.
@functools.lru_cache(maxsize=4)
def _prepared(target: tuple[bytes, ...], metric: str, compressor: str, aggregate: str) -> _core.Scorer:
    # One thread, because the process that unpickles is usually one of many.
    return _core.Scorer(_core.Texts.from_iterable(target, "target"), metric, compressor, aggregate, 1)
