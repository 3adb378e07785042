"""Where and how precisely torch computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def device() -> str:
    """A GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def faster() -> AbstractContextManager[object]:
    """Matrix products in bfloat16 where the processor multiplies such numbers itself, else as everywhere.

    For training the pretrained model, the curve of it, and embeddings, which take half the time; verdicts and the small
    network are float32 throughout. Without such a processor bfloat16 takes ten times as long.
    """
    capabilities = torch.cpu.get_capabilities()
    if device() == "cuda" or capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
        return torch.autocast(device(), torch.bfloat16)
    return nullcontext()
