"""By a table of scores to the rows that are chosen, and these to their files."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from zipfit import _core, writing
from zipfit.filtering import BY_SIZE, nothing_left
from zipfit.options import SelectOptions, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zipfit.ranking import Ranking
    from zipfit.run import Run
    from zipfit.scores import Scores
    from zipfit.selection import Selection

__all__ = ["choose_by_table"]


def choose_by_table(
    run: Run, output: _core.Output, scores: Scores, *, reader: _core.Reader, counts: dict[str, int]
) -> list[_core.OutputFile]:
    """Choose rows by a table of scores, and write them."""
    options = run.options
    if not isinstance(options, SelectOptions):
        raise TypeError("expected options that say how to choose")
    ranking, beyond = scores.ranking(
        {"version": _core.__version__},
        sizes=False,
        min_bytes=options.min_bytes,
        max_bytes=options.max_bytes,
    )
    counts = counts | {name: counts[name] + beyond[name] for name in BY_SIZE}
    counts.pop("selected", None)
    if options.sample is None:
        # Sorted now, while memory has not yet to hold what rows cost.
        _ = ranking.order
    if options.budget_bytes is not None:
        ranking = ranking.with_sizes(scores.sizes())
    tokens = scores.tokens() if options.budget_tokens is not None else None
    groups = scores.groups() if options.group is not None else None
    run.selection = _choose_rows(ranking, options, counts, tokens, groups)
    rows = run.selection.rows
    if options.budget_bytes is not None and ranking.sizes is not None:
        run.spent = int(ranking.sizes[rows].sum())
    if tokens is not None:
        run.spent = int(tokens[rows].sum())
    if groups is not None:
        run.groups = len(np.unique(groups[rows]))
    # Some 30 bytes a row that the rest needs no more.
    del ranking, tokens, groups
    run.counts = counts | {"selected": len(rows)}
    outputs = writing.copy_rows(output, reader, scores.places(rows), run.selection, options.keep_order)
    if any(name in counts for name in ("contaminated", "duplicates")):
        left_out, reasons, others = scores.left_out_by_text()
        outputs.append(output.write_left_out(reader, scores.places(left_out), left_out, reasons, others))
    return outputs


def _choose_rows(
    ranking: Ranking,
    options: SelectOptions,
    counts: dict[str, int],
    tokens: NDArray[np.int64] | None,
    groups: NDArray[np.int64] | None,
) -> Selection:
    """Choose rows by their scores, and warn if there are none."""
    where = ranking.eligible
    left = len(ranking) if where is None else int(np.count_nonzero(where))
    if note := nothing_left(counts, left):
        warnings.warn(note, UserWarning, stacklevel=5)
        # That all of 0 rows are chosen would be said by some ways of choosing.
        with warnings.catch_warnings(action="ignore"):
            return choose(ranking, options, None, tokens, groups)
    selection = choose(ranking, options, None, tokens, groups)
    if not len(selection) and options.threshold is not None:
        best = ranking.scores.max() if where is None else ranking.scores[where].max()
        message = f"--threshold is {options.threshold:g}, above the best score, {best:.6g}; nothing is selected"
        warnings.warn(message, UserWarning, stacklevel=5)
    if groups is not None and (note := _small_groups(groups, where, options.top_k or 0)):
        warnings.warn(note, UserWarning, stacklevel=5)
    return selection


def _small_groups(groups: NDArray[np.int64], where: NDArray[np.bool_] | None, k: int) -> str | None:
    """Say how many groups have fewer rows that can be chosen than are wanted of each; None where all have enough."""
    rows = np.bincount(groups if where is None else groups[where], minlength=groups.max() + 1)
    if not (few := int((rows < k).sum())):
        return None
    have = "has" if few == 1 else "have"
    return (
        f"top_k is {k}, but {few} of {len(rows)} groups {have} fewer rows that can be chosen; all of them are selected"
    )
