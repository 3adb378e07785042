"""Where and how precisely torch computes."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def device() -> str:
    """A GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def faster() -> AbstractContextManager[object]:
    """Matrix products in bfloat16, for training and the curve of it; verdicts and embeddings are float32 throughout.

    Twice as fast on processors that multiply bfloat16 themselves, correct but slow on others.
    """
    return torch.autocast(device(), torch.bfloat16)
