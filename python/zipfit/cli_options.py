"""The options of ``zipfit select`` and ``zipfit score``, as typer takes them: names, types, help."""

from __future__ import annotations

from typing import Annotated

import typer

AMOUNT = "How much to choose: exactly one of"
WAY = "How to choose"
ROWS = "Rows and texts"
SCORE = "Score"
OUTPUT = "Output"

FORMATS = (
    "Files to choose from: JSON Lines, .csv, .tsv or .txt (each plain, .gz or .zst), or .parquet, as the suffix says. "
    "URLs (s3://..., hf://...) need zipfit[remote]; - is standard input, JSON Lines."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]

Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="Threads; all CPUs that may be used, if not given. Results do not depend on it."),
]

Source = Annotated[list[str], typer.Argument(metavar="SOURCE...", help=FORMATS)]

SourceOrScores = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE...", help=f"{FORMATS} None with --scores."),
]

Scores = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Choose by the scores that zipfit score, or an earlier zipfit select, left in DIR; in place of SOURCE, "
        "--target and all that says how to score.",
        rich_help_panel=WAY,
    ),
]

Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Hold the sources of --scores against their hashes, not only their sizes and times.",
        rich_help_panel=WAY,
    ),
]

TextBy = Annotated[
    str,
    typer.Option(
        metavar="line|document",
        help="What a row of a text file (.txt, .text, .md) is: a line, or the whole file.",
        rich_help_panel=ROWS,
    ),
]

OnBadRow = Annotated[
    str,
    typer.Option(
        metavar="error|skip",
        help="What to do with a source row that cannot be read: stop, or leave it out and list it in rejected.jsonl.",
        rich_help_panel=ROWS,
    ),
]

MaxRejected = Annotated[
    int | None,
    typer.Option(metavar="N", help="Stop when more than N rows were skipped.", rich_help_panel=ROWS),
]

MaxRowBytes = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="A row with a longer line is a bad row; 64 MiB, if not given.", rich_help_panel=ROWS
    ),
]

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Tell how many rows and pairs there are, and what time, memory and disk they will take, measured on the "
        "beginnings of the sources; write nothing.",
        rich_help_panel=OUTPUT,
    ),
]

Progress = Annotated[
    str,
    typer.Option(
        metavar="auto|json|none",
        help="How to show how far the run is: a bar if standard error is a terminal, lines of JSON on it, or nothing.",
        rich_help_panel=OUTPUT,
    ),
]

Shard = Annotated[
    str | None,
    typer.Option(
        metavar="K/N",
        help="Score only part K of N of the sources, on a machine of its own; zipfit merge puts the parts together.",
        rich_help_panel=OUTPUT,
    ),
]

Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with a run that was interrupted or killed; start if there is none, do nothing if it is finished.",
        rich_help_panel=OUTPUT,
    ),
]

Target = Annotated[
    list[str],
    typer.Option(metavar="FILE", help="File with examples of what is wanted; may be repeated."),
]

TargetOrScores = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="File with examples of what is wanted; may be repeated."),
]

TopK = Annotated[int | None, typer.Option(metavar="K", help="The K best rows.", rich_help_panel=AMOUNT)]

TopFraction = Annotated[
    float | None, typer.Option(metavar="P", help="The best P of all rows, 0 < P <= 1.", rich_help_panel=AMOUNT)
]

Threshold = Annotated[
    float | None, typer.Option(metavar="T", help="All rows with a score of T or more.", rich_help_panel=AMOUNT)
]

BudgetBytes = Annotated[
    int | None,
    typer.Option(
        metavar="B",
        help="The best rows, at most B bytes of text together; ends at the first row that does not fit, which "
        "--cover passes over.",
        rich_help_panel=AMOUNT,
    ),
]

BudgetTokens = Annotated[
    int | None,
    typer.Option(
        metavar="B",
        help="The same with at most B tokens together; needs --token-field or --tokenizer.",
        rich_help_panel=AMOUNT,
    ),
]

Cover = Annotated[
    bool,
    typer.Option(
        "--cover",
        help="Choose rows that together cover what the target contains, not the best by a score of each. "
        "With --top-k, --budget-bytes or --budget-tokens.",
        rich_help_panel=WAY,
    ),
]

Beta = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Occurrences at which a piece of the target is half covered, for --cover; derived from the budget, if "
        "not given.",
        rich_help_panel=WAY,
    ),
]

Sample = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        help="Draw --top-k rows in proportion to exp(score / T), in place of the best.",
        rich_help_panel=WAY,
    ),
]

Seed = Annotated[int | None, typer.Option(metavar="N", help="For --sample; 0, if not given.", rich_help_panel=WAY)]

Group = Annotated[
    str | None,
    typer.Option(metavar="FIELD", help="Choose --top-k rows of each group that FIELD names.", rich_help_panel=WAY),
]

Text = Annotated[
    str,
    typer.Option(
        metavar="FIELD|TEMPLATE",
        help="Field with the text; a path, meta.text; a template, '{prompt}\\n{answer}'; or a preset: messages "
        "(chat), sharegpt or alpaca.",
        rich_help_panel=ROWS,
    ),
]

TargetText = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD|TEMPLATE", help="The same for the targets; --text, if not given.", rich_help_panel=ROWS
    ),
]

IdField = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="FIELD",
        help="Field to copy to selection.jsonl; the field id, if not given and there.",
        rich_help_panel=ROWS,
    ),
]

TokenField = Annotated[
    str | None,
    typer.Option(metavar="FIELD", help="Integer field with the tokens of a row.", rich_help_panel=ROWS),
]

Tokenizer = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        help="Tokenizer that counts the tokens of a row: a tokenizer.json, or a name that tiktoken knows.",
        rich_help_panel=ROWS,
    ),
]

MinBytes = Annotated[
    int | None, typer.Option(metavar="N", help="Leave out rows with shorter texts.", rich_help_panel=ROWS)
]

MaxBytes = Annotated[
    int | None, typer.Option(metavar="N", help="Leave out rows with longer texts.", rich_help_panel=ROWS)
]

Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Leave out rows that hold a piece of a row of this file, an evaluation set say; may be "
        "repeated. A row shorter than --exclude-overlap counts whole, so one of a single word can leave out nearly "
        "all rows: drop such rows, or name a template of question and answer by --exclude-text.",
        rich_help_panel=ROWS,
    ),
]

ExcludeText = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD|TEMPLATE",
        help="--text for the --exclude files; that of the sources, if not given.",
        rich_help_panel=ROWS,
    ),
]

ExcludeOverlap = Annotated[
    str | None,
    typer.Option(
        metavar="OVERLAP",
        help="Length of such a piece, as in 13-gram (words; used if not given) or 50-byte.",
        rich_help_panel=ROWS,
    ),
]

Dedup = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Leave out rows that repeat an earlier row: equal texts for 1; for X below 1, as 0.8, texts with a "
        "Jaccard similarity of X or more, which holds all texts in memory.",
        rich_help_panel=ROWS,
    ),
]

Metric = Annotated[
    str | None,
    typer.Option(
        help="Distance to each target: ncd (used if not given), cdm or clm; or what all together save: gain.",
        rich_help_panel=SCORE,
    ),
]

Compressor = Annotated[
    str | None,
    typer.Option(
        help="Codec and level, as in gzip-9 (used if not given) or zstd-3 (used if not given for gain).",
        rich_help_panel=SCORE,
    ),
]

Aggregate = Annotated[
    str | None,
    typer.Option(help="Over the targets: mean (used if not given), max or top-M.", rich_help_panel=SCORE),
]

Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="DIR", help="Directory for the result; made if needed.", rich_help_panel=OUTPUT
    ),
]

KeepOrder = Annotated[
    bool, typer.Option("--keep-order", help="Write rows in input order, not best first.", rich_help_panel=OUTPUT)
]

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the files of an earlier run.", rich_help_panel=OUTPUT)
]
