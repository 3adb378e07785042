"""The command ``zipfit``: arguments in, one call, the result printed.

Commands only parse; each returns the call to make, and `main` makes it outside of typer, which would turn some
errors into its own (an EOFError into an abort) and box others.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zipfit.demo import DEFAULT_MODULE
from zipfit.errors import InternalError, ZipfitError
from zipfit.inputs import DEFAULT_TEXT

if TYPE_CHECKING:
    from zipfit.pipeline import SelectResult

DONE, BUG, WRONG_INPUT, MACHINE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit statuses."""

INPUT_ERRORS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, FileExistsError)
"""Errors of the operating system that another argument would cure."""

Work = Callable[[], int]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Pick out of a huge pool of texts the rows that look most like a small target set, by exact compression "
    "distance. Start with `zipfit demo`.",
)

AMOUNT = "How much to choose: exactly one of"
WAY = "How to choose"
ROWS = "Rows and texts"
SCORE = "Score"
OUTPUT = "Output"

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="Threads; all CPUs that may be used, if not given. Results do not depend on it."),
]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> Work | None:
    """Return the work of the options that need no command."""
    if version:
        return _print_version
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
    return None


@app.command()
def select(
    source: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="JSON Lines files to choose from: plain, .gz or .zst.")
    ],
    *,
    target: Annotated[
        list[str],
        typer.Option(metavar="FILE", help="JSON Lines file with examples of what is wanted; may be repeated."),
    ],
    top_k: Annotated[int | None, typer.Option(metavar="K", help="The K best rows.", rich_help_panel=AMOUNT)] = None,
    top_fraction: Annotated[
        float | None, typer.Option(metavar="P", help="The best P of all rows, 0 < P <= 1.", rich_help_panel=AMOUNT)
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="T", help="All rows with a score of T or more.", rich_help_panel=AMOUNT)
    ] = None,
    budget_bytes: Annotated[
        int | None,
        typer.Option(
            metavar="B",
            help="The best rows, at most B bytes of text together; ends at the first row that does not fit, which "
            "--cover passes over.",
            rich_help_panel=AMOUNT,
        ),
    ] = None,
    budget_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="B",
            help="The same with at most B tokens together; needs --token-field or --tokenizer.",
            rich_help_panel=AMOUNT,
        ),
    ] = None,
    cover: Annotated[
        bool,
        typer.Option(
            "--cover",
            help="Choose rows that together cover what the target contains, not the best by a score of each; holds "
            "all texts in memory. With --top-k, --budget-bytes or --budget-tokens.",
            rich_help_panel=WAY,
        ),
    ] = False,
    beta: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Occurrences at which a piece of the target is half covered, for --cover; derived from the budget, if "
            "not given.",
            rich_help_panel=WAY,
        ),
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Draw --top-k rows in proportion to exp(score / T), in place of the best.",
            rich_help_panel=WAY,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="For --sample; 0, if not given.", rich_help_panel=WAY)
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Choose --top-k rows of each group that FIELD names.", rich_help_panel=WAY),
    ] = None,
    text: Annotated[
        str,
        typer.Option(
            metavar="FIELD|TEMPLATE",
            help="Field with the text; a path, meta.text; a template, '{prompt}\\n{answer}'; or a preset: messages "
            "(chat), sharegpt or alpaca.",
            rich_help_panel=ROWS,
        ),
    ] = DEFAULT_TEXT,
    target_text: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD|TEMPLATE", help="The same for the targets; --text, if not given.", rich_help_panel=ROWS
        ),
    ] = None,
    id_field: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="FIELD",
            help="Field to copy to selection.jsonl; the field id, if not given and there.",
            rich_help_panel=ROWS,
        ),
    ] = None,
    token_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Integer field with the tokens of a row.", rich_help_panel=ROWS),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Tokenizer that counts the tokens of a row: a tokenizer.json, or a name that tiktoken knows.",
            rich_help_panel=ROWS,
        ),
    ] = None,
    min_bytes: Annotated[
        int | None, typer.Option(metavar="N", help="Leave out rows with shorter texts.", rich_help_panel=ROWS)
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option(metavar="N", help="Leave out rows with longer texts.", rich_help_panel=ROWS)
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Leave out rows that hold a piece of a row of this JSON Lines file, an evaluation set say; may be "
            "repeated. A row shorter than --exclude-overlap counts whole, so one of a single word can leave out nearly "
            "all rows: drop such rows, or name a template of question and answer by --exclude-text.",
            rich_help_panel=ROWS,
        ),
    ] = None,
    exclude_text: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD|TEMPLATE",
            help="--text for the --exclude files; that of the sources, if not given.",
            rich_help_panel=ROWS,
        ),
    ] = None,
    exclude_overlap: Annotated[
        str | None,
        typer.Option(
            metavar="OVERLAP",
            help="Length of such a piece, as in 13-gram (words; used if not given) or 50-byte.",
            rich_help_panel=ROWS,
        ),
    ] = None,
    dedup: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Leave out rows that repeat an earlier row: equal texts for 1; for X below 1, as 0.8, texts with a "
            "Jaccard similarity of X or more, which holds all texts in memory.",
            rich_help_panel=ROWS,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Distance to each target: ncd (used if not given), cdm or clm; or what all together save: gain.",
            rich_help_panel=SCORE,
        ),
    ] = None,
    compressor: Annotated[
        str | None,
        typer.Option(
            help="Codec and level, as in gzip-9 (used if not given) or zstd-3 (used if not given for gain).",
            rich_help_panel=SCORE,
        ),
    ] = None,
    aggregate: Annotated[
        str | None,
        typer.Option(help="Over the targets: mean (used if not given), max or top-M.", rich_help_panel=SCORE),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Directory for the result; made if needed.", rich_help_panel=OUTPUT
        ),
    ],
    keep_order: Annotated[
        bool, typer.Option("--keep-order", help="Write rows in input order, not best first.", rich_help_panel=OUTPUT)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the files of an earlier run.", rich_help_panel=OUTPUT)
    ] = False,
    threads: Threads = None,
    as_json: AsJson = False,
) -> Work:
    """Choose the rows of SOURCE that look most like the target, and write them to a directory.

    The rows go to selected.jsonl, byte for byte; their places and scores to selection.jsonl; what they were made
    from to manifest.json; time and memory to run.json; rows that --exclude, --dedup or --cover left out to
    left_out.jsonl.
    """
    from zipfit import pipeline

    options = pipeline.SelectOptions(
        source=tuple(source),
        target=tuple(target),
        output=output,
        top_k=top_k,
        top_fraction=top_fraction,
        threshold=threshold,
        budget_bytes=budget_bytes,
        budget_tokens=budget_tokens,
        cover=cover,
        beta=beta,
        sample=sample,
        seed=seed,
        group=group,
        text=text,
        target_text=target_text,
        id=id_field,
        token_field=token_field,
        tokenizer=tokenizer,
        metric=metric,
        compressor=compressor,
        aggregate=aggregate,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        exclude=tuple(exclude or ()),
        exclude_text=exclude_text,
        exclude_overlap=exclude_overlap,
        dedup=dedup,
        keep_order=keep_order,
        threads=threads,
        overwrite=overwrite,
    )

    def work() -> int:
        result = pipeline.select(options)
        if as_json:
            _print_json(asdict(result))
        else:
            typer.echo(_describe(result), err=True)
        return DONE

    return work


@app.command()
def demo(
    module: Annotated[
        str, typer.Option(metavar="NAME", help="Module whose functions are the target.")
    ] = DEFAULT_MODULE,
    top: Annotated[int, typer.Option(metavar="K", help="Rows to show.")] = 20,
    write: Annotated[
        str | None, typer.Option(metavar="DIR", help="Leave source.jsonl and target.jsonl for zipfit select.")
    ] = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> Work:
    """Rank the functions of Python's standard library by their likeness to those of one module."""

    def work() -> int:
        from zipfit import demo

        result = demo.run(module=module, top=top, write=write, threads=threads)
        if as_json:
            _print_json(asdict(result))
        else:
            demo.show(result)
        return DONE

    return work


@app.command()
def doctor(as_json: AsJson = False) -> Work:
    """Show versions, and check that sizes are exact and scores the same on any number of threads."""

    def work() -> int:
        from zipfit import doctor

        report = doctor.examine()
        if as_json:
            _print_json(asdict(report))
        else:
            typer.echo(doctor.describe(report))
        return DONE if report.passed else BUG

    return work


def _print_version() -> int:
    from zipfit import __version__

    typer.echo(f"zipfit {__version__}")
    return DONE


def _describe(result: SelectResult) -> str:
    counts = result.counts
    if result.covered is not None:
        did = "looked for what covers"
    else:
        did = "compressed each with the help of" if result.metric == "gain" else "compared each with"
    seconds = f"{result.seconds:.1f} s"
    lines = [f"read {_rows(counts['read'])} and {did} {_rows(result.targets)} of the target in {seconds}"]
    left_out = {
        "by size": counts["below_min_bytes"] + counts["above_max_bytes"] or None,
        # Told if there are none, too: that is what somebody who excludes a file wants to know.
        "with a piece of an --exclude file": counts.get("contaminated"),
        "as copies of a target": counts.get("copies_of_target") or None,
        "as repeats of an earlier row": counts.get("duplicates") or None,
    }
    lines += [f"left out {_rows(count)} {why}" for why, count in left_out.items() if count is not None]
    chose = f"chose {_rows(counts['selected'])}"
    if result.groups is not None:
        chose += f" of {result.groups:,} group{'s' * (result.groups != 1)}"
    if result.spent is not None:
        chose += f", {result.spent:,} of {result.budget:,} {result.budget_unit}"
    if result.best_score is not None:
        chose += f", scores {result.best_score:.4f} to {result.last_score:.4f}"
    if result.covered is not None:
        # No percentage: it would be read as a share of n-grams held, and compared over runs of other betas.
        chose += f", coverage {result.covered:.3f} at beta {result.beta:.4g}"
    lines.append(chose)
    lines.append(f"wrote {', '.join(result.files)} in {result.output}")
    return "\n".join(lines)


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content))


def main() -> int:
    """Run the command line and return its exit status."""
    warnings.showwarning = _show_warning
    # A character that the terminal's encoding lacks must not end the run.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        work = typer.main.get_command(app).main(prog_name="zipfit", standalone_mode=False)
        status: int = work() if callable(work) else work or DONE
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read standard output has enough (`zipfit doctor | head -1`); Python would complain while exiting.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = DONE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort: each gets its sentence and status
        sentence, status = _verdict(error)
        _say(sentence)
        if status == BUG:
            traceback.print_exception(error)
    return status


def _verdict(error: BaseException) -> tuple[str, int]:
    """Return what went wrong in one sentence, and the exit status."""
    verdict = f"{type(error).__name__}: {error}; this is a bug in zipfit, please report it with the lines below", BUG
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        verdict = "interrupted", INTERRUPTED
    elif isinstance(error, InternalError):
        verdict = str(error), BUG
    elif isinstance(error, ZipfitError):
        verdict = str(error), WRONG_INPUT
    elif hasattr(error, "format_message"):
        # Newer versions of typer carry a copy of click with classes of its own; this method they have in common.
        command = getattr(getattr(error, "ctx", None), "command_path", "zipfit")
        verdict = f"{_clause(error.format_message())}; see {command} --help", WRONG_INPUT
    elif isinstance(error, INPUT_ERRORS):
        verdict = _os_sentence(error), WRONG_INPUT
    elif isinstance(error, OSError):
        verdict = f"{_os_sentence(error)}; nothing was left behind", MACHINE_FAILED
    elif isinstance(error, MemoryError):
        verdict = "out of memory; nothing was left behind", MACHINE_FAILED
    return verdict


def _os_sentence(error: OSError) -> str:
    reason = _clause(error.strerror or str(error))
    if not isinstance(error.filename, (str, bytes)):
        return reason
    # An empty name is what an unset variable of the shell leaves.
    return f"{os.fsdecode(error.filename) or '(empty name)'}: {reason}"


def _clause(message: str) -> str:
    """Put a message of others (capital letters, full stops) into the form of ours."""
    sentences = " ".join(message.split()).rstrip(".?").split(". ")
    return "; ".join(sentence[:1].lower() + sentence[1:] for sentence in sentences)


def _show_warning(message: Warning | str, *_place: object, **_file: object) -> None:
    _say(f"warning: {message}")


def _say(sentence: str) -> None:
    typer.echo(f"zipfit: {sentence}", err=True)
