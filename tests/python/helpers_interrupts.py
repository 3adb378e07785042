"""What the tests of Ctrl-C share."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SECONDS = 0.5
"""Between a signal and the end of what it interrupts."""


def assert_quick(interrupt: Callable[[], float]) -> None:
    """Interrupt something up to three times; it must once be quick: a busy machine may stall once, not three times.

    Parameters
    ----------
    interrupt
        Starts it, interrupts it, looks at what it left behind, and returns the seconds between signal and end.
    """
    seconds: list[float] = []
    while len(seconds) < 3 and min(seconds, default=LONGEST_SECONDS) >= LONGEST_SECONDS:
        seconds.append(interrupt())
    assert min(seconds) < LONGEST_SECONDS, seconds


def interrupt_python(code: str, *arguments: str) -> float:
    """Interrupt a program that prints a line when it begins and ``interrupted`` on `KeyboardInterrupt`."""
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "beginning\n"
            time.sleep(0.5)
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            answer = process.stdout.readline()
            seconds = time.monotonic() - start
        finally:
            process.kill()
    assert answer == "interrupted\n"
    return seconds
