"""The command ``zipfit evaluate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

import typer

from zipfit import cli_options as given

__all__ = ["evaluate"]


def evaluate(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="What zipfit select wrote.")],
    *,
    held_out: Annotated[
        list[str],
        typer.Option(metavar="FILE", help="File with examples of the task that are no targets; may be repeated."),
    ],
    held_out_text: Annotated[
        str | None,
        typer.Option(metavar="FIELD|TEMPLATE", help="Their text; --target-text of the selection, if not given."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Draws of random rows to compare with; more tell finer differences.")
    ] = 5,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the first draw.")] = 0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hold the sources against their hashes, not only their sizes and times.")
    ] = False,
    threads: given.Threads = None,
    progress: given.Progress = "auto",
    as_json: given.AsJson = False,
) -> Callable[[], int]:
    """Tell whether the rows in DIR would help, before any model is trained on them.

    A model of byte n-grams reads them and predicts the held-out examples, beside others that read random rows of as
    many bytes, and the shortest: bits per byte, lower is better, with the interval of the difference to random rows.
    """

    def work() -> int:
        from zipfit.evaluating_files import EvaluateOptions, evaluate_run
        from zipfit.progress import shown_as

        options = EvaluateOptions(
            directory=directory,
            held_out=tuple(held_out),
            held_out_text=held_out_text,
            seeds=seeds,
            seed=seed,
            verify=verify,
            threads=threads,
        )
        with shown_as(progress):
            result = evaluate_run(options)
        typer.echo(json.dumps(result.to_dict()) if as_json else str(result))
        return 0

    return work
