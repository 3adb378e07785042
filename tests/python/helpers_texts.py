"""Real texts that every machine has: the sources of the running Python's standard library."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path


def library_source(module: str) -> str:
    """Source of a module."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def function_sources(module: str) -> list[str]:
    """Source of each function of a module, those of classes too."""
    source = library_source(module)
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return [ast.get_source_segment(source, function) or "" for function in functions]
