"""Arrays that are kept for the next run, and what to do when one is damaged."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def array(path: Path) -> NDArray[Any]:
    """An array of a .npy file; exit with the file's name where it cannot be read."""
    try:
        found: NDArray[Any] = np.load(path)
    except (EOFError, OSError, ValueError) as error:
        sys.exit(f"{path} is damaged ({_line(error)}); delete it, and it is made again")
    return found


def fields(path: Path) -> dict[str, Any]:
    """What a .json file beside an array says of it; exit with the file's name where it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        sys.exit(f"{path} is damaged ({_line(error)}); delete it, and it is made again")
    if not isinstance(found, dict):
        sys.exit(f"{path} is damaged (no object); delete it, and it is made again")
    return found


def _line(error: Exception) -> str:
    """The first line of an error's message: some of numpy's have several."""
    return (str(error).splitlines() or [type(error).__name__])[0]
