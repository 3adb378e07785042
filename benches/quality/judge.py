"""A byte n-gram model as a judge of selections: it reads the chosen texts, and then predicts the texts of a task.

The model is that of `zipfit.evaluate`: src/evaluate/ngram_model.rs has the formula, tests/python/reference.py the same
in plain Python. The verdict is the mean of -log2 p over all bytes of the task, so that long texts count more: bits per
byte, lower is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from zipfit import _core

CONTEXT = 6
"""Longest context in bytes."""


class Judge:
    """The model that has read some texts.

    Parameters
    ----------
    texts
        What it reads.
    """

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._texts = _core.Texts.from_iterable(texts, "source")

    def bits_per_byte(self, texts: Sequence[bytes]) -> float:
        """Predict texts, at least one byte together: the mean of -log2 p."""
        model = _core.NgramModel(_core.Texts.from_iterable(texts, "held_out"))
        model.read(self._texts)
        return math.fsum(model.bits()) / sum(map(len, texts))
