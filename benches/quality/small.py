"""A small network as a judge: trained from nothing on the chosen rows, it then predicts the task's test rows.

It predicts a byte from the `CONTEXT` bytes before it (zeros before the beginning of a text), each as a vector, through
two hidden layers (Bengio et al. 2003, "A Neural Probabilistic Language Model"). It counts no n-grams, and learns by
gradient steps as larger models do: a second opinion on what an n-gram model says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benches.quality.device import device

CONTEXT, EMBEDDING, HIDDEN = 16, 32, 256

BATCH, EPOCHS, LEARNING_RATE = 1024, 2, 2e-3
"""Bytes predicted in a step, passes over the selection, and the rate at its highest; down to 0 as half a cosine."""


def bits(read: Sequence[bytes], test: Sequence[bytes], seed: int, threads: int) -> list[float]:
    """Train on the first texts; for each of the others the sum of -log2 p of its bytes."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Embedding(256, EMBEDDING),
        nn.Flatten(),
        nn.Linear(CONTEXT * EMBEDDING, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, 256),
    ).to(device())
    windows = torch.from_numpy(_windows(read)).to(device())
    batches = EPOCHS * -(-len(windows) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, batches)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(windows)).split(BATCH):
            batch = windows[rows.to(device())].long()
            nn.functional.cross_entropy(model(batch[:, :-1]), batch[:, -1]).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
    nats = []
    with torch.inference_mode():
        for part in torch.from_numpy(_windows(test)).split(16 * BATCH):
            batch = part.to(device()).long()
            nats.append(nn.functional.cross_entropy(model(batch[:, :-1]), batch[:, -1], reduction="none").cpu())
    of_texts = torch.cat(nats).double().split([len(text) for text in test])
    return [float(text.sum()) / math.log(2) for text in of_texts]


def _windows(texts: Sequence[bytes]) -> NDArray[np.uint8]:
    """At each byte of each text the CONTEXT bytes before it, and it: uint8 (bytes, CONTEXT + 1)."""
    padded = [np.frombuffer(bytes(CONTEXT) + text, np.uint8) for text in texts if text]
    return np.concatenate([np.lib.stride_tricks.sliding_window_view(text, CONTEXT + 1) for text in padded])
