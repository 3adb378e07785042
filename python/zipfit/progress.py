"""How far work is: a bar on a terminal or in a notebook, or lines of JSON; nothing where nobody looks.

Whoever works says what is done as often as it likes; a look at the clock later most calls return. What is shown is the
same everywhere: see `Status`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import deque
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zipfit.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MODES", "Meter", "Status", "bytes_bar", "rows_bar", "shown_as"]

MODES = ("auto", "json", "none")
"""What may be asked for: a bar where somebody looks, lines of JSON on standard error, or nothing."""

_BAR_SECONDS, _JSON_SECONDS, _NOTEBOOK_SECONDS = 0.1, 0.5, 0.25
"""Between two looks: smooth to the eye; few enough for a log; few enough for a browser."""

_RATE_SECONDS = 30.0
"""Rates are those of this time: shorter jumps with every batch, longer is late to notice that a machine is busy."""

_WIDE_TERMINAL, _WIDE_BAR, _NARROW_BAR = 120, 24, 8

_mode: ContextVar[str] = ContextVar("zipfit_progress", default="auto")


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a phase of the work is; None for what is not known, or not counted in it."""

    phase: str
    rows: int | None
    rows_total: int | None
    bytes: int | None
    """On disk, of the files that are read."""
    bytes_total: int | None
    rows_per_second: float | None
    seconds: float
    """Since the phase began."""
    seconds_left: float | None
    rejected: int | None
    """Rows that could not be read, until now."""
    best_score: float | None
    """Of the rows scored until now."""


class Meter:
    """Counts what is done, and shows it now and then.

    Parameters
    ----------
    phase
        What is being done, in one or two words.
    total
        Of the whole phase; None where it is not known.
    counts_bytes
        Whether the total is one of bytes; False: of rows.
    show
        To be called with the status.
    seconds
        Between two calls of it.
    """

    def __init__(
        self, phase: str, total: int | None, show: Callable[[Status], None], seconds: float, *, counts_bytes: bool
    ) -> None:
        self._phase, self._total, self._counts_bytes = phase, total, counts_bytes
        self._show, self._seconds = show, seconds
        self._began = self._shown = time.monotonic()
        self._done = 0
        self._rows: int | None = None if counts_bytes else 0
        self._samples: deque[tuple[float, int, int]] = deque()
        self.rejected: int | None = None
        self.best_score: float | None = None
        self._show(self._status(self._began))

    def __call__(self, done: int, rows: int | None) -> None:
        """Say what is done of the total, and how many rows that is."""
        self._done, self._rows = done, rows
        now = time.monotonic()
        if not self._samples:
            # Where a run goes on, this is not the start.
            self._sample(now)
        if now - self._shown >= self._seconds:
            self._sample(now)
            self._shown = now
            self._show(self._status(now))

    def finish(self) -> None:
        """Show the last status."""
        now = time.monotonic()
        self._sample(now)
        self._show(self._status(now))

    def _sample(self, now: float) -> None:
        self._samples.append((now, self._done, self._rows or 0))
        while now - self._samples[0][0] > _RATE_SECONDS and len(self._samples) > 2:  # noqa: PLR2004 - a rate needs two
            self._samples.popleft()

    def _status(self, now: float) -> Status:
        total, done = self._total, self._done
        rate = left = None
        if len(self._samples) > 1:
            (since, done_before, rows_before), (until, done_now, rows_now) = self._samples[0], self._samples[-1]
            if until > since and self._rows is not None and rows_now > rows_before:
                rate = (rows_now - rows_before) / (until - since)
            if total is not None and done_now > done_before:
                left = max(total - done, 0) * (until - since) / (done_now - done_before)
        return Status(
            phase=self._phase,
            rows=self._rows,
            rows_total=None if self._counts_bytes else total,
            bytes=done if self._counts_bytes else None,
            bytes_total=total if self._counts_bytes else None,
            rows_per_second=None if rate is None else round(rate, 2),
            seconds=round(now - self._began, 2),
            seconds_left=None if left is None else round(left, 1),
            rejected=self.rejected,
            best_score=self.best_score,
        )


@contextlib.contextmanager
def shown_as(mode: str) -> Iterator[None]:
    """Show all work within the block in one of the `MODES`.

    Raises
    ------
    ParameterError
        There is no such mode.
    """
    if mode not in MODES:
        raise ParameterError(f"--progress is {json.dumps(mode[:80])}; expected auto, json or none")
    token = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(token)


@contextlib.contextmanager
def rows_bar(total: int, description: str, unit: str = "rows") -> Iterator[Callable[[int], None] | None]:
    """Show how far work is of which the number of rows is known.

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
        To be called with the number done; None where nothing is shown.
    """
    with _meter(total, description, unit, counts_bytes=False) as meter:
        yield None if meter is None else lambda done: meter(done, done)


@contextlib.contextmanager
def bytes_bar(total: int | None, description: str) -> Iterator[Meter | None]:
    """Show how far work on files is, of which only the bytes are known before they are read.

    Parameters
    ----------
    total
        Bytes on disk of all files; None where not even these are known.
    description
        What is being done, in one or two words.

    Yields
    ------
    Meter or None
        To be called with the bytes and the rows done (None where rows are not looked at); None where nothing is shown.
    """
    with _meter(total, description, "rows", counts_bytes=True) as meter:
        yield meter


@contextlib.contextmanager
def _meter(total: int | None, phase: str, unit: str, *, counts_bytes: bool) -> Iterator[Meter | None]:
    mode = _mode.get()
    with contextlib.ExitStack() as stack:
        show: Callable[[Status], None] | None = None
        seconds = _BAR_SECONDS
        if mode == "json" and sys.stderr is not None:
            show, seconds = _json_line, _JSON_SECONDS
        elif mode == "auto" and (kernel := _kernel()) is not None:
            show, seconds = _notebook_line(kernel, unit), _NOTEBOOK_SECONDS
        elif mode == "auto":
            show = stack.enter_context(_terminal_bar(total, phase, unit))
        if show is None:
            yield None
            return
        meter = Meter(phase, total, show, seconds, counts_bytes=counts_bytes)
        yield meter
        meter.finish()


def _json_line(status: Status) -> None:
    # Whoever read the lines may have gone away, which is no reason to stop.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(json.dumps(asdict(status)) + "\n")
        sys.stderr.flush()


class _Kernel(Protocol):
    """What shows things in a notebook: IPython's `display`."""

    def __call__(self, content: dict[str, str], *, raw: bool, display_id: bool) -> Any: ...


def _kernel() -> _Kernel | None:
    """Return what shows things in a notebook; None outside of one."""
    # Whoever runs in a notebook has imported it.
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    # A terminal's IPython has no kernel: there standard error is a terminal.
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    shows: _Kernel = display
    return shows


def _notebook_line(display: _Kernel, unit: str) -> Callable[[Status], None]:
    """Return what shows one line that changes: a bar where HTML is shown, and words."""
    import html

    handle: Any = None

    def show(status: Status) -> None:
        nonlocal handle
        words = f"{status.phase}: {_words(status, unit)}"
        content = {"text/plain": words, "text/html": f"<div>{_html_bar(status)} {html.escape(words)}</div>"}
        if handle is None:
            handle = display(content, raw=True, display_id=True)
        else:
            handle.update(content, raw=True)

    return show


def _html_bar(status: Status) -> str:
    done, total = _share(status)
    return "<progress></progress>" if total is None else f'<progress value="{done}" max="{max(total, 1)}"></progress>'


@contextlib.contextmanager
def _terminal_bar(total: int | None, phase: str, unit: str) -> Iterator[Callable[[Status], None] | None]:
    # The question is put to the stream and not to rich, which takes a pipe for a terminal under FORCE_COLOR.
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield None
        return
    percentage = [] if total is None else [TextColumn("{task.percentage:>3.0f}%")]
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=_WIDE_BAR if console.width >= _WIDE_TERMINAL else _NARROW_BAR),
        *percentage,
        # What does not fit is cut: a second line would stay on the screen.
        TextColumn("{task.fields[words]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
        # Results may be on their way to a pipe: standard output is left alone.
        redirect_stdout=False,
        transient=True,
        # Callers come back some ten times a second, which is refresh enough without a thread.
        auto_refresh=False,
    )
    with bar:
        task = bar.add_task(phase, total=total, words="")

        def show(status: Status) -> None:
            bar.update(task, completed=_share(status)[0], words=_words(status, unit), refresh=True)

        yield show


def _share(status: Status) -> tuple[int, int | None]:
    """Return what is done, and of how much."""
    if status.bytes is not None:
        return status.bytes, status.bytes_total
    return status.rows or 0, status.rows_total


def _words(status: Status, unit: str) -> str:
    """Say it in words, the most important first, since a narrow terminal cuts them."""
    words = [] if status.rows is None else [f"{status.rows:,} {unit}"]
    if status.rows_per_second is not None:
        words.append(f"{status.rows_per_second:,.0f} {unit}/s")
    done, total = _share(status)
    if total and done >= total:
        words.append(f"{_duration(status.seconds)} in all")
    elif status.seconds_left is not None:
        words.append(f"{_duration(status.seconds_left)} left")
    if status.rejected:
        words.append(f"{status.rejected:,} rejected")
    if status.best_score is not None:
        words.append(f"best {status.best_score:.4f}")
    if status.bytes is not None:
        of = "" if total is None else f" of {total / 1e6:,.1f}"
        words.append(f"{done / 1e6:,.1f}{of} MB")
    return ", ".join(words)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
