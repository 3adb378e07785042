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

from zipfit import cli_evaluate, cli_explain
from zipfit import cli_options as given
from zipfit.demo import DEFAULT_MODULE
from zipfit.errors import InternalError, ZipfitError
from zipfit.inputs import DEFAULT_TEXT

if TYPE_CHECKING:
    from zipfit.pipeline import Result, ScoreOptions

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
    source: given.SourceOrScores = None,
    *,
    target: given.TargetOrScores = None,
    top_k: given.TopK = None,
    top_fraction: given.TopFraction = None,
    threshold: given.Threshold = None,
    budget_bytes: given.BudgetBytes = None,
    budget_tokens: given.BudgetTokens = None,
    scores: given.Scores = None,
    verify: given.Verify = False,
    cover: given.Cover = False,
    beta: given.Beta = None,
    sample: given.Sample = None,
    seed: given.Seed = None,
    group: given.Group = None,
    text: given.Text = DEFAULT_TEXT,
    target_text: given.TargetText = None,
    text_by: given.TextBy = "line",
    id_field: given.IdField = None,
    token_field: given.TokenField = None,
    tokenizer: given.Tokenizer = None,
    min_bytes: given.MinBytes = None,
    max_bytes: given.MaxBytes = None,
    exclude: given.Exclude = None,
    exclude_text: given.ExcludeText = None,
    exclude_overlap: given.ExcludeOverlap = None,
    dedup: given.Dedup = None,
    on_bad_row: given.OnBadRow = "error",
    max_rejected: given.MaxRejected = None,
    max_row_bytes: given.MaxRowBytes = None,
    metric: given.Metric = None,
    compressor: given.Compressor = None,
    aggregate: given.Aggregate = None,
    output: given.Output,
    keep_order: given.KeepOrder = False,
    overwrite: given.Overwrite = False,
    resume: given.Resume = False,
    dry_run: given.DryRun = False,
    shard: given.Shard = None,
    threads: given.Threads = None,
    progress: given.Progress = "auto",
    as_json: given.AsJson = False,
) -> Work:
    """Choose the rows of SOURCE that look most like the target, and write them to a directory.

    The rows go to selected.jsonl, byte for byte (selected.parquet for Parquet); their places and scores to
    selection.jsonl; the scores of all rows to scores.parquet (not with --cover); what they were made from to
    manifest.json; time and memory to run.json; rows that --exclude, --dedup or --cover left out to left_out.jsonl; rows
    that could not be read to rejected.jsonl.
    """
    options = _fields(locals())

    def work() -> int:
        from zipfit import pipeline
        from zipfit.progress import shown_as

        chosen = pipeline.SelectOptions(**options)
        with shown_as(progress):
            return _tell_estimate(chosen, as_json) if dry_run else _report(pipeline.select(chosen), as_json)

    return work


@app.command()
def score(
    source: given.Source,
    *,
    target: given.Target,
    group: given.Group = None,
    text: given.Text = DEFAULT_TEXT,
    target_text: given.TargetText = None,
    text_by: given.TextBy = "line",
    id_field: given.IdField = None,
    token_field: given.TokenField = None,
    tokenizer: given.Tokenizer = None,
    min_bytes: given.MinBytes = None,
    max_bytes: given.MaxBytes = None,
    exclude: given.Exclude = None,
    exclude_text: given.ExcludeText = None,
    exclude_overlap: given.ExcludeOverlap = None,
    dedup: given.Dedup = None,
    on_bad_row: given.OnBadRow = "error",
    max_rejected: given.MaxRejected = None,
    max_row_bytes: given.MaxRowBytes = None,
    metric: given.Metric = None,
    compressor: given.Compressor = None,
    aggregate: given.Aggregate = None,
    output: given.Output,
    overwrite: given.Overwrite = False,
    resume: given.Resume = False,
    dry_run: given.DryRun = False,
    shard: given.Shard = None,
    threads: given.Threads = None,
    progress: given.Progress = "auto",
    as_json: given.AsJson = False,
) -> Work:
    """Score all rows of SOURCE once, to choose among them as often as one likes.

    Writes scores.parquet, for zipfit select --scores, zipfit.load_scores, or any reader of Parquet; manifest.json and
    run.json as zipfit select does. --group, --token-field and --tokenizer make columns for later choices; rows that
    --min-bytes, --max-bytes, --exclude or --dedup leave out have a score, but cannot be chosen.
    """
    options = _fields(locals())

    def work() -> int:
        from zipfit import pipeline
        from zipfit.progress import shown_as

        chosen = pipeline.ScoreOptions(**options)
        with shown_as(progress):
            return _tell_estimate(chosen, as_json) if dry_run else _report(pipeline.score(chosen), as_json)

    return work


@app.command()
def merge(
    shards: Annotated[list[str], typer.Argument(metavar="DIR...", help="Directories of all shards, in any order.")],
    *,
    output: given.Output,
    overwrite: given.Overwrite = False,
    as_json: given.AsJson = False,
) -> Work:
    """Put the shards of zipfit score --shard, or zipfit select --shard, together.

    The files are those of the run without --shard, to the byte: with zipfit select --shard the rows are chosen now.
    """

    def work() -> int:
        from zipfit.merge import merge

        return _report(merge(shards, output, overwrite=overwrite), as_json)

    return work


app.command()(cli_evaluate.evaluate)
app.command()(cli_explain.explain)


def _fields(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a command as fields of its options."""
    others = {"as_json", "dry_run", "id_field", "progress"}
    fields = {name: value for name, value in arguments.items() if name not in others}
    return fields | {
        "id": arguments["id_field"],
        **{name: tuple(arguments[name] or ()) for name in ("source", "target", "exclude")},
    }


@app.command()
def demo(
    module: Annotated[
        str, typer.Option(metavar="NAME", help="Module whose functions are the target.")
    ] = DEFAULT_MODULE,
    top: Annotated[int, typer.Option(metavar="K", help="Rows to show.")] = 20,
    write: Annotated[
        str | None, typer.Option(metavar="DIR", help="Leave source.jsonl and target.jsonl for zipfit select.")
    ] = None,
    threads: given.Threads = None,
    as_json: given.AsJson = False,
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
def doctor(as_json: given.AsJson = False) -> Work:
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


def _report(result: Result, as_json: bool) -> int:
    if as_json:
        _print_json(asdict(result))
    else:
        typer.echo(_describe(result), err=True)
    return DONE


def _tell_estimate(options: ScoreOptions, as_json: bool) -> int:
    from zipfit.estimate import estimate

    found = estimate(options)
    if as_json:
        _print_json(asdict(found))
        return DONE
    about = "" if found.sample_rows == found.rows else "about "
    copied = found.copied_bytes
    copies = f", and {copied / 1e6:,.1f} MB for copies of inputs that are no files, until it ends" if copied else ""
    typer.echo(
        f"{about}{_rows(found.rows)}, {_rows(found.targets)} of the target, {found.pairs:,} pairs\n"
        f"about {_duration(found.seconds)} on {found.threads} thread{'s' * (found.threads != 1)}, "
        f"by {_rows(found.sample_rows)} that were measured\n"
        f"about {found.memory_bytes / 1e6:,.0f} MB of memory, {found.disk_bytes / 1e6:,.0f} MB of disk beside the rows "
        f"chosen{copies}\n"
        "nothing was written",
        err=True,
    )
    return DONE


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004
        return f"{max(seconds, 0.1):.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def _describe(result: Result) -> str:
    counts = result.counts
    if result.already_done:
        return f"nothing to do: the run in {result.output} is finished ({', '.join(result.files)})"
    if result.covered is not None:
        did = "looked for what covers"
    else:
        did = "compressed each with the help of" if result.metric == "gain" else "compared each with"
    seconds = f"{result.seconds:.1f} s"
    if result.scores is not None:
        lines = [f"took the scores of {_rows(counts['scored'])} from {result.scores} in {seconds}"]
    elif result.merged is not None:
        lines = [f"put {result.merged} shards together, {_rows(counts['read'])}, in {seconds}"]
    else:
        lines = [f"read {_rows(counts['read'])} and {did} {_rows(result.targets or 0)} of the target in {seconds}"]
    if counts["rejected"]:
        lines.append(f"rejected {_rows(counts['rejected'])} that could not be read; rejected.jsonl says why")
    left_out = {
        "by size": counts["below_min_bytes"] + counts["above_max_bytes"] or None,
        # Told if there are none, too: that is what somebody who excludes a file wants to know.
        "with a piece of an --exclude file": counts.get("contaminated"),
        "as copies of a target": counts.get("copies_of_target") or None,
        "as repeats of an earlier row": counts.get("duplicates") or None,
    }
    lines += [f"left out {_rows(count)} {why}" for why, count in left_out.items() if count is not None]
    if "selected" in counts:
        lines.append(_describe_choice(result))
    lines.append(f"wrote {', '.join(result.files)} in {result.output}")
    if result.shard is not None:
        lines.append(f"this is shard {result.shard}; when all are there, zipfit merge puts them together")
    return "\n".join(lines)


def _describe_choice(result: Result) -> str:
    chose = f"chose {_rows(result.counts['selected'])}"
    if result.groups is not None:
        chose += f" of {result.groups:,} group{'s' * (result.groups != 1)}"
    if result.spent is not None:
        chose += f", {result.spent:,} of {result.budget:,} {result.budget_unit}"
    if result.best_score is not None:
        chose += f", scores {result.best_score:.4f} to {result.last_score:.4f}"
    if result.covered is not None:
        # No percentage: it would be read as a share of n-grams held, and compared over runs of other betas.
        chose += f", coverage {result.covered:.3f} at beta {result.beta:.4g}"
    return chose


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
        if work == INTERRUPTED:
            # What typer makes of a Ctrl-C while it parses.
            raise KeyboardInterrupt  # noqa: TRY301 - told where any other is
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
        # As other tools say it.
        is_stdin = error.path == "-" and str(error).startswith("-")
        verdict = f"<stdin>{str(error)[1:]}" if is_stdin else str(error), WRONG_INPUT
    elif hasattr(error, "format_message"):
        # Newer versions of typer carry a copy of click with classes of its own; this method they have in common.
        command = getattr(getattr(error, "ctx", None), "command_path", "zipfit")
        verdict = f"{_clause(error.format_message())}; see {command} --help", WRONG_INPUT
    elif isinstance(error, INPUT_ERRORS):
        verdict = _os_sentence(error), WRONG_INPUT
    elif isinstance(error, OSError):
        verdict = _os_sentence(error), MACHINE_FAILED
    elif isinstance(error, MemoryError):
        verdict = "out of memory", MACHINE_FAILED
    sentence, status = verdict
    # What can be gone on with, if anything.
    notes = getattr(error, "__notes__", ["nothing was left behind"] * (status == MACHINE_FAILED))
    return "; ".join([sentence, *notes]), status


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
