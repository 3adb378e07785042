"""An n-gram model as a judge: it reads the chosen texts, and then predicts the texts of a task.

The model is that of `zipfit.evaluate`, with contexts of up to 6 bytes: src/evaluate/ngram_model.rs has the formula,
tests/python/reference.py the same in plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from zipfit import _core


def bits_per_byte(read: Sequence[bytes], test: Sequence[bytes]) -> float:
    """Read the first texts; the mean of -log2 p over all bytes of the others, of which there is at least one."""
    model = _core.NgramModel(_core.Texts.from_iterable(test, "held_out"))
    model.read(_core.Texts.from_iterable(read, "source"))
    return math.fsum(model.bits()) / sum(map(len, test))
