"""An n-gram model as a judge: it reads the chosen texts, and then predicts the texts of a task.

The model is that of `zipfit.evaluate`, with contexts of up to 6 bytes: src/evaluate/ngram_model.rs has the formula,
tests/python/reference.py the same in plain Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from zipfit import _core


def bits(read: Sequence[bytes], test: Sequence[bytes], threads: int) -> list[float]:
    """Read the first texts; for each of the others the sum of -log2 p of its bytes."""
    model = _core.NgramModel(_core.Texts.from_iterable(test, "held_out"))
    model.read(_core.Texts.from_iterable(read, "source"), threads=threads)
    return model.bits(threads).tolist()
