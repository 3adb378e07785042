"""Rank texts by how well they compress together with examples of a wanted task.

>>> import zipfit
>>> ranking = zipfit.rank(["x = 1", "the cat sat"], ["y = 2", "z = 3"])
>>> ranking.order.tolist()
[0, 1]

Importing costs little more than numpy: pyarrow, pandas, polars, duckdb and datasets are used when their objects are
passed in, tokenizers and tiktoken when tokens are counted; none is imported beforehand.
"""

from __future__ import annotations

import warnings

from zipfit import errors
from zipfit._core import __version__, debug_build
from zipfit.api import compressed_size, load_scores, ncd, ncd_matrix, rank
from zipfit.covering import Cover, cover
from zipfit.evaluating import evaluate
from zipfit.evaluation import Evaluation
from zipfit.filters import contaminated, duplicates
from zipfit.fusing import fuse
from zipfit.ranking import Ranking
from zipfit.scorer import Scorer
from zipfit.selection import Selection
from zipfit.tokens import count_tokens

__all__ = [
    "Cover",
    "Evaluation",
    "Ranking",
    "Scorer",
    "Selection",
    "__version__",
    "compressed_size",
    "contaminated",
    "count_tokens",
    "cover",
    "duplicates",
    "errors",
    "evaluate",
    "fuse",
    "load_scores",
    "ncd",
    "ncd_matrix",
    "rank",
]

if debug_build:
    warnings.warn(
        "this zipfit is a debug build and several times slower; build it with --release",
        RuntimeWarning,
        stacklevel=2,
    )
del warnings, debug_build
