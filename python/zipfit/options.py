"""What ``zipfit select`` and ``zipfit score`` are told, and what is refused before any file is opened."""

from __future__ import annotations

import contextlib
import re
import warnings
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np

from zipfit import _core
from zipfit.errors import ParameterError
from zipfit.filters import refuse_equal_prompts
from zipfit.inputs import DEFAULT_TEXT, quoted
from zipfit.paths import STANDARD_INPUT, is_copied, is_url
from zipfit.ranking import Ranking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zipfit.selection import Selection

__all__ = [
    "CHOOSERS",
    "NOT_FOR_THE_RESULT",
    "ScoreOptions",
    "SelectOptions",
    "check",
    "check_scoring",
    "choose",
    "refuse_far_output",
    "shard_name",
    "shard_of",
]

CHOOSERS = ("top_k", "top_fraction", "threshold", "budget_bytes", "budget_tokens")

COVER_CHOOSERS = ("top_k", "budget_bytes", "budget_tokens")

SCORES_ALLOW = ("output", "group", "min_bytes", "max_bytes", "threads", "overwrite")
"""Options of scoring that may be given once more when choosing by scores that are there."""

MAX_MAX_ROW_BYTES = 2**32 - 1
"""Rows are places with lengths of 32 bits."""

NOT_FOR_COVER = ("top_fraction", "threshold", "metric", "compressor", "aggregate", "sample", "group")
"""Options that speak of a score of each row by itself, which joint selection does not have."""


ON_BAD_ROW = ("error", "skip")

TEXT_BY = ("line", "document")


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What ``zipfit score`` is told; each field is the option of that name.

    Parameters
    ----------
    source, target
        Files of rows: JSON Lines, CSV (``.csv``), TSV (``.tsv``, ``.tab``), text (``.txt``, ``.text``, ``.md``) or
        Parquet (``.parquet``, ``.pq``) as their suffix says, all but Parquet plain or with ``.gz`` or ``.zst`` behind.
        Patterns as of a shell stand for the files that they match, in the order of their names. URLs as ``s3://...``
        and ``hf://...`` are read by fsspec; ``-`` is standard input, JSON Lines, and may stand for one of the files.
    output
        Directory for the files; made if needed.
    text, target_text
        Field, path, template or preset of the texts, as in `zipfit.rank`; ``target_text=None`` means the same as
        ``text``.
    text_by
        What a row of a text file is: a "line" (default), or the whole file, "document".
    id
        Field to copy to ``selection.jsonl``; None means the field ``id`` where a row has one. This, ``group`` and
        ``token_field`` may be paths, as "meta.id".
    group
        Field with the group of a row. None: no groups.
    token_field
        Integer field with the tokens of each row.
    tokenizer
        File or name of the tokenizer that counts them, as in `zipfit.count_tokens`.
    metric, compressor, aggregate
        As in `zipfit.rank`; None: "ncd", the metric's own compressor, "mean".
    min_bytes, max_bytes
        Rows with shorter or longer texts are not chosen; None: no such limit.
    exclude, exclude_text, exclude_overlap
        Files with evaluation rows: rows that hold a piece of one are not chosen, as by `zipfit.contaminated`
        with ``against_text`` (None: as ``text``) and ``overlap`` (None: "13-gram"). No files: no such filter.
    dedup
        Threshold of `zipfit.duplicates`: rows that repeat an earlier row, of those that the filters above let pass, are
        not chosen. Below 1 the texts are held in memory. None: no such filter.
    on_bad_row
        What to do with a source row that cannot be read: "error" (default) stops; "skip" leaves it out, and lists it in
        ``rejected.jsonl``. Rows of targets and evaluation files must be good.
    max_rejected
        Stop when more rows than this were skipped; None: never.
    max_row_bytes
        A row with a longer line is a bad row; None: 64 MiB.
    threads
        None: all CPUs that this process may use. No result depends on it.
    overwrite
        Replace files of an earlier run; False: refuse.
    resume
        Go on with an unfinished run of the same options; where there is none, start. False: refuse if there is one.
    batch_rows
        Rows of a work unit; None: as many as make 4 MiB. No result depends on it.
    shard
        "K/N": only part K of N of the sources is scored, for `zipfit.merge.merge`. None: all of them.
    """

    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    output: str
    text: str = DEFAULT_TEXT
    target_text: str | None = None
    text_by: Literal["line", "document"] = "line"
    id: str | None = None
    group: str | None = None
    token_field: str | None = None
    tokenizer: str | None = None
    metric: str | None = None
    compressor: str | None = None
    aggregate: str | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    exclude: tuple[str, ...] = ()
    exclude_text: str | None = None
    exclude_overlap: str | None = None
    dedup: float | None = None
    on_bad_row: str = "error"
    max_rejected: int | None = None
    max_row_bytes: int | None = None
    threads: int | None = None
    overwrite: bool = False
    resume: bool = False
    batch_rows: int | None = None
    shard: str | None = None


NOT_FOR_THE_RESULT = (
    "source",
    "target",
    "exclude",
    "output",
    "max_rejected",
    "threads",
    "overwrite",
    "resume",
    "shard",
)
"""Options that are recorded elsewhere, or that no file depends on."""


@dataclass(frozen=True, kw_only=True)
class SelectOptions(ScoreOptions):
    """What ``zipfit select`` is told: as `ScoreOptions`, and how to choose.

    Parameters
    ----------
    scores
        Directory with the scores of an earlier run to choose by, in place of ``source``, ``target`` and everything that
        says how to score. None: score now.
    verify
        Hold the sources against the hashes in the manifest of ``scores``; False: their sizes and times only.
    top_k, top_fraction, threshold, budget_bytes, budget_tokens
        How much to choose; exactly one of them. The second and the third do not go with ``cover``. ``budget_tokens``
        needs ``token_field`` or ``tokenizer``.
    group
        ``top_k`` rows of each group are chosen. None: no groups.
    cover
        Choose rows jointly, as `zipfit.cover` does. False: by a score of each row.
    beta
        As in `zipfit.cover`; None: derived from the budget.
    sample, seed
        Temperature and seed with which ``top_k`` rows are drawn, as by `Ranking.sample`. None: the best rows; seed 0.
    keep_order
        Write in input order; False: best first.
    """

    scores: str | None = None
    verify: bool = False
    top_k: int | None = None
    top_fraction: float | None = None
    threshold: float | None = None
    budget_bytes: int | None = None
    budget_tokens: int | None = None
    cover: bool = False
    beta: float | None = None
    sample: float | None = None
    seed: int | None = None
    keep_order: bool = False


def check_scoring(options: ScoreOptions) -> None:
    """Refuse what can be refused of scoring before any file is opened.

    Raises
    ------
    ParameterError
        A value that means nothing, or options that do not go together.
    """
    _check_inputs(options)
    _check_one_tokens(options)
    _check_limits(options)
    _check_filters(options)
    _check_shard(options)


def shard_of(options: ScoreOptions) -> tuple[int, int] | None:
    """Return the number of the shard and how many there are; None for a run over everything."""
    if options.shard is None:
        return None
    numbers = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", options.shard)
    if numbers is None or not 1 <= int(numbers[1]) <= int(numbers[2]):
        raise ParameterError(f"--shard is {quoted([options.shard])}; give K/N with K from 1 to N, as 2/7")
    return int(numbers[1]), int(numbers[2])


def shard_name(options: ScoreOptions) -> str | None:
    """Return "2/7", however it was written."""
    shard = shard_of(options)
    return None if shard is None else f"{shard[0]}/{shard[1]}"


def check(options: SelectOptions) -> None:
    """Refuse what can be refused before any file is opened.

    Raises
    ------
    ParameterError
        A value that means nothing, or options that do not go together.
    """
    _check_amount(options)
    _check_pairs(options)
    if options.scores is None:
        if options.verify:
            raise ParameterError("--verify has no effect without --scores; leave it out or give both")
        check_scoring(options)
    else:
        _check_scores(options)
        _check_limits(options)
    # Tried on one row, so that a wrong number is told now and not after hours of work.
    with warnings.catch_warnings(action="ignore"):
        one = np.zeros(1, np.int64)
        tokens = None if options.budget_tokens is None else one
        if options.cover:
            text = _core.Texts.from_iterable(["a text"], "source")
            amounts = {name: getattr(options, name) for name in COVER_CHOOSERS}
            with _names_of_options():
                _core.CoverSearch(text, **amounts, beta=options.beta)
        else:
            choose(Ranking(np.zeros(1), one), options, None, tokens, one)


@contextlib.contextmanager
def _names_of_options() -> Iterator[None]:
    """Put the option in place of the argument of a function by which an error or a warning begins."""
    options = {name: _option(name) for name in (*CHOOSERS, "beta", "seed")}
    options |= {"k": "--top-k", "temperature": "--sample"}

    def translated(message: str) -> str:
        name, space, rest = message.partition(" ")
        return options.get(name, name) + space + rest

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except ParameterError as error:
            error.message = translated(error.message)
            raise
    for warning in caught:
        warnings.warn(translated(str(warning.message)), warning.category, stacklevel=5)


@_names_of_options()
def choose(
    ranking: Ranking,
    options: SelectOptions,
    where: NDArray[np.bool_] | None,
    tokens: NDArray[np.int64] | None,
    groups: NDArray[np.int64] | None,
) -> Selection:
    """Choose rows by their scores in the way that the options say; errors and warnings speak of the options."""
    if options.sample is not None:
        return ranking.sample(options.top_k or 0, options.sample, options.seed or 0, where=where)
    if options.group is not None and groups is not None:
        return ranking.per_group(groups, options.top_k or 0, where=where)
    if options.budget_bytes is not None or options.budget_tokens is not None:
        budgets = {name: getattr(options, name) for name in ("budget_bytes", "budget_tokens")}
        return ranking.within(**budgets, tokens=tokens, where=where)
    if options.top_fraction is not None:
        return ranking.top_fraction(options.top_fraction, where=where)
    if options.threshold is not None:
        return ranking.threshold(options.threshold, where=where)
    return ranking.top_k(options.top_k or 0, where=where)


def _check_amount(options: SelectOptions) -> None:
    given = [name for name in CHOOSERS if getattr(options, name) is not None]
    wrong = [name for name in NOT_FOR_COVER if getattr(options, name) is not None]
    if options.cover and wrong:
        names = _options(wrong)
        message = f"--cover chooses rows together and not by a score of each, so it does not go with {names}"
        raise ParameterError(f"{message}; leave out --cover or {names}")
    allowed = COVER_CHOOSERS if options.cover else CHOOSERS
    if len(given) != 1:
        choosers = ", ".join(_option(name) for name in allowed)
        raise ParameterError(f"say how much to choose by exactly one of {choosers}; got {_options(given) or 'none'}")


def _check_pairs(options: SelectOptions) -> None:
    """Refuse options that have no effect without another, or not beside another."""
    _check_tokens(options)
    if options.beta is not None and not options.cover:
        raise ParameterError("--beta has no effect without --cover; leave it out or give both")
    if options.seed is not None and options.sample is None:
        raise ParameterError("--seed has no effect without --sample; leave it out or give both")
    if options.sample is not None and options.group is not None:
        raise ParameterError("--sample does not go with --group; leave one of them out")
    if options.sample is not None and options.top_k is None:
        raise ParameterError("--sample goes with --top-k, the number of rows to draw; give that as the amount")
    if options.group is not None and options.top_k is None:
        raise ParameterError("--group goes with --top-k, the number of rows of each group; give that as the amount")


def _check_scores(options: SelectOptions) -> None:
    """Refuse what was settled when the scores were made."""
    if options.resume:
        raise ParameterError("--resume has nothing to go on with where --scores are there: choosing takes seconds")
    plain = ScoreOptions(output=options.output)
    settled = [
        name
        for name in (*(field.name for field in fields(ScoreOptions)), "cover")
        if name not in SCORES_ALLOW and getattr(options, name) != getattr(plain, name, False)
    ]
    if settled:
        names = " and ".join("SOURCE" if name == "source" else _option(name) for name in settled)
        verb = "does" if len(settled) == 1 else "do"
        raise ParameterError(
            f"{names} {verb} not go with --scores: what the scores say was settled when they were made"
        )


def _check_inputs(options: ScoreOptions) -> None:
    if not options.source:
        raise ParameterError("no source file is given; name one or more, or --scores DIR to choose by earlier scores")
    if not options.target:
        raise ParameterError("no target file is given; name it by --target")
    if [*options.source, *options.target, *options.exclude].count(STANDARD_INPUT) > 1:
        raise ParameterError("- stands for standard input, which can be read only once; name it once")


def _check_tokens(options: SelectOptions) -> None:
    ways = {"--token-field": options.token_field, "--tokenizer": options.tokenizer}
    given = [name for name, value in ways.items() if value is not None]
    if options.budget_tokens is None:
        for name in given:
            raise ParameterError(f"{name} has no effect without --budget-tokens; leave it out or give both")
    elif not given and options.scores is None:
        field = "--token-field, the integer field that holds the tokens of each row"
        raise ParameterError(f"--budget-tokens needs {field}, or --tokenizer, which counts them")


def _check_one_tokens(options: ScoreOptions) -> None:
    if options.token_field is not None and options.tokenizer is not None:
        raise ParameterError("--token-field does not go with --tokenizer; leave one of them out")


def _check_limits(options: ScoreOptions) -> None:
    refuse_far_output(options.output)
    if options.text_by not in TEXT_BY:
        raise ParameterError(f"--text-by is {quoted([options.text_by])}; expected line or document")
    if options.on_bad_row not in ON_BAD_ROW:
        raise ParameterError(f"--on-bad-row is {quoted([options.on_bad_row])}; expected error or skip")
    if options.max_rejected is not None:
        if options.on_bad_row != "skip":
            raise ParameterError("--max-rejected has no effect without --on-bad-row skip; leave it out or give both")
        if options.max_rejected < 0:
            raise ParameterError(
                f"--max-rejected is {options.max_rejected}; give the rows that may be skipped, 0 or more"
            )
    if options.max_row_bytes is not None and not 0 < options.max_row_bytes <= MAX_MAX_ROW_BYTES:
        raise ParameterError(f"--max-row-bytes is {options.max_row_bytes}; give 1 to {MAX_MAX_ROW_BYTES} bytes")
    if options.resume and options.overwrite:
        raise ParameterError(
            "--resume does not go with --overwrite: one goes on with what is there, the other drops it"
        )
    low, high = options.min_bytes, options.max_bytes
    for name, limit in (("min_bytes", low), ("max_bytes", high)):
        if limit is not None and limit < 0:
            raise ParameterError(f"{_option(name)} is {limit}; sizes are 0 bytes or more")
    if options.threads is not None and options.threads < 1:
        raise ParameterError(f"--threads must be at least 1, got {options.threads}")
    if low is not None and high is not None and low > high:
        raise ParameterError(f"--min-bytes {low} is above --max-bytes {high}, which leaves out every row")


def refuse_far_output(output: str) -> None:
    """Raise for a directory that is a URL."""
    if is_url(output):
        raise ParameterError(f"{output}: results go to a directory of this machine; copy them from there")


def _check_filters(options: ScoreOptions) -> None:
    for name in ("exclude_text", "exclude_overlap"):
        if getattr(options, name) is not None and not options.exclude:
            raise ParameterError(f"{_option(name)} has no effect without --exclude; leave it out or give both")
    if options.exclude:
        refuse_equal_prompts(options.text, options.text if options.exclude_text is None else options.exclude_text)
    if options.exclude_overlap is not None:
        # Any text will do: what is tried is the word for the length.
        _core.Contamination(_core.Texts.from_iterable(["a text"], "against"), options.exclude_overlap)
    if options.dedup is not None and not 0 < options.dedup <= 1:
        raise ParameterError(f"--dedup is {options.dedup:g}; give 1 for equal texts, or a similarity between 0 and 1")


def _check_shard(options: ScoreOptions) -> None:
    if shard_of(options) is None:
        return
    if copied := [name for name in options.source if is_copied(name)]:
        message = f"--shard does not go with {copied[0]}, of which every machine would copy all"
        raise ParameterError(f"{message}; name files that all of them see")
    for name in ("dedup", "cover"):
        if getattr(options, name, None):
            message = f"{_option(name)} looks at all rows, and a shard has but a part of them"
            raise ParameterError(f"{message}; leave out {_option(name)} or --shard")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _options(names: list[str]) -> str:
    return " and ".join(_option(name) for name in names)
