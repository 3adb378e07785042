"""The arguments of the command: what is wrong with them is told before the work, which takes hours."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path

from benches.quality import tasks
from benches.quality.selections import WAYS

JUDGES = {
    "ngram": "A table of counts",
    "small": "A small network, trained from nothing",
    "pretrained": "SmolLM2-135M, fine-tuned",
}
"""Each with its heading."""

NAMES = tuple(dict.fromkeys(way.name for way in WAYS))
"""Of the ways, as in the tables."""

LEARNING_RATE = 1e-4
"""Of the pretrained model, at its highest. Another makes another judge, with tables of its own."""

PRETRAINED_WAYS = (
    "random",
    "BM25",
    "DSIR",
    "cross-entropy difference",
    "NCD, the paper's",
    "gain",
    "cover, beta 1",
    "cover, default beta",
)


def read(description: str, words: Sequence[str] | None) -> argparse.Namespace:
    """The options; exit with one line about the first that cannot be meant."""
    # In full the usage would be a page above the one line that tells what is wrong.
    prog, usage = "python -m benches.quality", "%(prog)s [options]"
    parser = argparse.ArgumentParser(prog=prog, usage=usage, description=description)
    _add_texts(parser)
    _add_judging(parser)
    _add_pretrained(parser)
    _add_told(parser)
    options = parser.parse_args(words)
    _check_files(parser, options)
    _check_tasks(parser, options)
    return options


def _add_texts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--directory", type=Path, help="what is kept: tasks, selections, results; another for another pool"
    )
    parser.add_argument("--source", type=Path, help="JSON Lines with fields text and kind (default: the demo's texts)")
    parser.add_argument(
        "--task",
        nargs=3,
        action="append",
        default=[],
        metavar=("NAME", "TARGET", "TEST"),
        help="a task from JSON Lines: its name, examples to choose by, texts to judge by; may be repeated",
    )
    parser.add_argument(
        "--kind",
        nargs="*",
        default=list(tasks.KINDS),
        help="kinds of rows of which tasks are made (default: %(default)s)",
    )
    parser.add_argument("--rows", type=_whole, default=60_000, help="of the pool, drawn by seed 0; 0 for all")


def _add_judging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--judge", nargs="+", choices=JUDGES, help="(default: all; for the demo's texts that which is done in a minute)"
    )
    parser.add_argument(
        "--way", nargs="+", choices=NAMES, metavar="NAME", help="names of ways, as in the tables (default: all)"
    )
    parser.add_argument(
        "--budget-bytes",
        type=_positive,
        nargs="+",
        default=[100_000, 400_000, 1_600_000, 6_400_000],
        help="those of the table of counts (default: %(default)s)",
    )
    parser.add_argument("--main-budget-bytes", type=_positive, default=400_000, help="that of the small network")
    parser.add_argument(
        "--threads", type=_positive, default=os.cpu_count(), help="of every way and judge (default: one a CPU)"
    )


def _add_pretrained(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=_positive, default=48, help="of the pretrained model, each on 1,024 tokens")
    parser.add_argument(
        "--more-steps",
        type=_positive,
        nargs="*",
        default=[4, 8, 12, 24, 96],
        help="of other runs of it, without a curve",
    )
    parser.add_argument(
        "--learning-rate", type=_rate, default=LEARNING_RATE, help="of it, at its highest (default: %(default)s)"
    )
    parser.add_argument(
        "--pretrained-task",
        nargs="*",
        default=["HumanEval", "ProofNet", "demo"],
        metavar="NAME",
        help="tasks that it judges (default: %(default)s)",
    )
    parser.add_argument(
        "--pretrained-way",
        nargs="*",
        choices=NAMES,
        metavar="NAME",
        default=list(PRETRAINED_WAYS),
        help="names of ways that it judges (default: %(default)s)",
    )
    parser.add_argument("--pretrained-seeds", type=_positive, default=1, help="of each way but random, which has three")


def _add_told(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--record", type=Path, help="a file to which results, versions and command are appended")
    parser.add_argument(
        "--earlier", type=Path, metavar="RECORD", help="tell its results too, but for those that were measured again"
    )
    parser.add_argument("--plot", type=Path, help="a picture to draw the pretrained model's curves to, .svg")
    parser.add_argument("--tables", type=Path, help="a page of Markdown to write the tables to")


def _check_files(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Files that are read must be there, and those that are written must have a folder."""
    for name in ("record", "tables", "plot"):
        path = getattr(options, name)
        if path and path.is_dir():
            parser.error(f"--{name} {path}: a folder; name a file")
        if path and not path.absolute().parent.is_dir():
            parser.error(f"{path}: there is no such folder")
    if bool(options.source) != bool(options.directory):
        parser.error("--source needs --directory, and the other way round: what the demo's texts give is not kept")
    if options.directory and options.directory.exists() and not options.directory.is_dir():
        parser.error(f"--directory {options.directory}: a file; name a folder, or one to be made")
    read = [("source", options.source), ("earlier", options.earlier)]
    read += [("task", Path(path)) for _, *paths in options.task for path in paths]
    for name, path in read:
        if path and not path.is_file():
            parser.error(f"--{name} {path}: no such file")


def _check_tasks(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """A task's name is that of its folder; without a task there is nothing to judge by."""
    if not options.source:
        if options.task:
            parser.error("--task needs --source and --directory: the demo's texts have a task of their own")
        return
    named = [("--task", name) for name, *_ in options.task] + [("--kind", name) for name in options.kind]
    if not named:
        parser.error("no task: name files by --task, or kinds of the source by --kind")
    names = set()
    for option, name in named:
        if name in ("", ".", "..") or set(name) & set('/\\:*?"<>|'):
            parser.error(f"{option} {name}: a task's name is that of its folder; name it without / and the like")
        if name in names:
            parser.error(f"{option} {name}: two tasks have this name")
        names.add(name)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text} is no whole number, 0 or above")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return rate
