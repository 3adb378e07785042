"""Progress bars on standard error: rows, rate and time left; nothing at all where it is not a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["bytes_bar", "rows_bar"]


@contextmanager
def rows_bar(total: int, description: str, unit: str = "rows") -> Iterator[Callable[[int], None] | None]:
    """Show a bar for work of which the number of rows is known.

    Parameters
    ----------
    total
        Rows of the whole work.
    description
        What is being done, in one or two words.
    unit
        What is counted.

    Yields
    ------
    callable or None
        To be called with the number done; None where standard error is no terminal.
    """
    with _bar(total, description, unit) as advance:
        yield None if advance is None else lambda done: advance(done, done)


@contextmanager
def bytes_bar(total: int, description: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar for files of which only the bytes are known before they are read.

    Parameters
    ----------
    total
        Bytes on disk of all files.
    description
        What is being done, in one or two words.

    Yields
    ------
    callable or None
        To be called with the bytes and the rows done; None where standard error is no terminal.
    """
    with _bar(total, description, "rows") as advance:
        yield advance


@contextmanager
def _bar(total: int, description: str, unit: str) -> Iterator[Callable[[int, int], None] | None]:
    # The question is put to the stream and not to rich, which takes a pipe for a terminal under FORCE_COLOR.
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[words]}"),
        console=console,
        # Results may be on their way to a pipe: standard output is left alone.
        redirect_stdout=False,
        transient=True,
        # Callers come back some ten times a second, which is refresh enough without a thread.
        auto_refresh=False,
    )
    with bar:
        task = bar.add_task(description, total=total, words="")

        def advance(done: int, rows: int) -> None:
            bar.update(task, completed=done)
            speed, left = bar.tasks[0].speed, bar.tasks[0].time_remaining
            rate = None if speed is None or done == 0 else speed * rows / done
            bar.update(task, words=_words(rows, unit, rate, left), refresh=True)

        yield advance


def _words(done: int, unit: str, per_second: float | None, seconds_left: float | None) -> str:
    words = f"{done:,} {unit}"
    if per_second is not None:
        words += f", {per_second:,.0f} {unit}/s"
    if seconds_left is not None:
        minutes, seconds = divmod(round(seconds_left), 60)
        hours, minutes = divmod(minutes, 60)
        words += f", {hours}:{minutes:02}:{seconds:02} left" if hours else f", {minutes}:{seconds:02} left"
    return words
