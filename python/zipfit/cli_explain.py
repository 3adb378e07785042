"""The command ``zipfit explain``, and how explanations are printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zipfit import cli_options as given

if TYPE_CHECKING:
    from rich.console import Console

    from zipfit.explain import Explanation
    from zipfit.explaining_files import ExplainedRow, ExplainedSelection

__all__ = ["explain"]

SHOWN_BYTES = 4000
"""Of the explained row, in a terminal's forty lines or so; more is told by its number of bytes."""


def explain(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="What zipfit select or zipfit score wrote.")],
    *,
    row: Annotated[
        int | None, typer.Option(metavar="N", help="Explain the row of this number over all sources, from 0.")
    ] = None,
    rank: Annotated[
        int | None, typer.Option(metavar="R", help="Explain the chosen row of this rank, 0 for the best.")
    ] = None,
    top: Annotated[int, typer.Option(metavar="K", help="Targets and rows to name, and pieces to print.")] = 5,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hold the sources against their hashes, not only their sizes and times.")
    ] = False,
    threads: given.Threads = None,
    as_json: given.AsJson = False,
) -> Callable[[], int]:
    """Tell why a row has its score, or what part of the target the chosen rows cover.

    With --row or --rank: the score in words, the nearest targets, the longest substrings that the row and a target
    share. Without: the share of the target that lies in substrings of 12 bytes or more that a chosen row holds, which
    rows bring most of it, and which targets are covered least. Of a substring the first 200 bytes are printed, in
    quotes; --json has all of it.
    """

    def work() -> int:
        from rich.console import Console

        from zipfit import explaining_files as files
        from zipfit.errors import ParameterError

        if verify and row is None:
            raise ParameterError("--verify goes with --row: what was chosen is read from the files of the run")

        console = Console(highlight=False, markup=False, emoji=False)
        if row is None and rank is None:
            selection = files.explain_selection(directory, top=top, threads=threads)
            _print_json(selection.to_dict()) if as_json else _show_selection(console, selection)
        else:
            explained = files.explain_row(directory, row=row, rank=rank, top=top, verify=verify, threads=threads)
            _print_json(explained.to_dict()) if as_json else _show_row(console, explained, top)
        return 0

    return work


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content))


def _show_row(console: Console, explained: ExplainedRow, top: int) -> None:
    from zipfit.explain import counted

    found = explained.explanation
    place = printable(explained.place)
    console.print(place if explained.note is None else f"{place}; {explained.note}", soft_wrap=True)
    console.print(found.meaning, soft_wrap=True)
    console.print(
        f"\nnearest targets, by NCD ({found.ncd_compressor}; near 0 for equal texts, about 1 for unrelated ones):",
        soft_wrap=True,
    )
    for near in found.nearest:
        console.print(f"  target {near.target:<6} {near.ncd:.4f}")
    console.print(
        f"\n{found.shared_bytes:,} of {counted(found.size, 'byte')} lie in substrings of 12 or more that a target has "
        f"too{'; the longest:' if found.pieces else ''}",
        soft_wrap=True,
    )
    for piece in found.longest(top):
        console.print(f"  {piece.length:4,} bytes, target {piece.target:<6} {found.quoted(piece)}", soft_wrap=True)
    console.print()
    _show_text(console, found)


def _show_text(console: Console, found: Explanation) -> None:
    """Print the text, what it shares with targets in colour."""
    from rich.text import Text

    from zipfit.explain import beginning, counted

    shown = beginning(found.text, SHOWN_BYTES)
    line, at = Text(), 0
    for start, length in sorted((piece.start, piece.length) for piece in found.pieces):
        for end, style in ((start, ""), (start + length, "bold green")):
            line.append(printable(shown[at:end].decode(errors="backslashreplace"), keep="\n\t"), style)
            at = max(at, min(end, len(shown)))
    line.append(printable(shown[at:].decode(errors="backslashreplace"), keep="\n\t"))
    console.print(line, soft_wrap=True)
    if len(found.text) > len(shown):
        console.print(f"... and {counted(len(found.text) - len(shown), 'byte')} more")


def _show_selection(console: Console, found: ExplainedSelection) -> None:
    from zipfit.explain import counted

    covered = found.coverage
    texts, size = counted(len(covered.covered_by_target), "text"), counted(covered.target_bytes, "byte")
    if not covered.target_bytes:
        console.print(f"the target ({texts}) has no bytes, so there is nothing to cover", soft_wrap=True)
        return
    if not covered.rows:
        console.print(f"no rows were chosen, so nothing of the target ({size} in {texts}) is covered", soft_wrap=True)
        return
    holder = "the chosen row" if covered.rows == 1 else f"one of the {covered.rows:,} chosen rows"
    console.print(
        f"{_percent(covered.covered)} of the target ({covered.covered_bytes:,} of {size} in {texts}) lie in substrings "
        f"of 12 bytes or more that {holder} holds",
        soft_wrap=True,
    )
    if covered.too_short:
        short = counted(len(covered.too_short), "target")
        console.print(f"{short} shorter than 12 bytes, which nothing can cover", soft_wrap=True)
    if found.best:
        console.print("\nrows that bring most of it, bytes that no better row has:")
    for entry in found.best:
        console.print(f"  rank {entry['rank']:<6} row {entry['row']:<9} {entry['covers']:6,} bytes")
    if found.lacking:
        console.print("\ntargets that are covered least:")
    elif covered.covered_bytes:
        console.print("\nall targets of 12 bytes or more are covered wholly")
    for entry in found.lacking:
        share = _percent(entry["covered"])
        console.print(f"  target {entry['target']:<6} {share:>6}  {printable(entry['begins'])}", soft_wrap=True)


def _percent(share: float) -> str:
    """Return the share in percent, 100 only for all of it."""
    return f"{share if share >= 1 else min(share, 0.999):.1%}"


def printable(text: str, keep: str = "") -> str:
    """Return the text with all that could move a terminal's cursor, or is not seen there, as escapes."""
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)
