"""A selection on disk: the chosen rows, where each comes from, what was left out, and the records of the run."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zipfit import _core, manifest, workplace
from zipfit.covering import Cover
from zipfit.errors import OutputExistsError, ParameterError
from zipfit.json_rows import json_rows
from zipfit.progress import rows_bar
from zipfit.scores import FILE_NAME as SCORES_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.inputs import TextData
    from zipfit.selection import Selection
    from zipfit.spool import Stamped
    from zipfit.workplace import Workplace

__all__ = [
    "ALL_NAMES",
    "LEFT_OUT_NAME",
    "MANIFEST_NAME",
    "RECORD_NAMES",
    "REJECTED_NAME",
    "copy_rows",
    "finish",
    "left_out_of_cover",
    "open_output",
    "refuse_own_input",
    "write_selection",
]

MANIFEST_NAME = "manifest.json"

RECORD_NAMES = ("run.json", MANIFEST_NAME)
"""What every run writes, last: a directory without a manifest is unfinished."""

LEFT_OUT_NAME = "left_out.jsonl"
"""Written only by runs that leave rows out one by one."""

REJECTED_NAME = "rejected.jsonl"
"""Written only by runs that skip bad rows."""

SELECTED_NAMES = ("selected.jsonl", "selected.parquet")
"""The chosen rows: the second where the sources are Parquet."""

ALL_NAMES = (REJECTED_NAME, LEFT_OUT_NAME, SCORES_NAME, *SELECTED_NAMES, "selection.jsonl", *RECORD_NAMES)
"""All that a run may write."""


@contextlib.contextmanager
def open_output(directory: str, *, overwrite: bool, resume: bool = False) -> Iterator[tuple[_core.Output, Workplace]]:
    """Hold a directory for one run, and receive its files; those of an earlier run are replaced or removed.

    Parameters
    ----------
    directory
        Made if needed, and removed again if nothing is written.
    overwrite
        Replace the files of an earlier run, and drop an unfinished one.
    resume
        An earlier run may be there, finished or not.

    Raises
    ------
    OutputExistsError
        A run is there and may not be, or works there now.
    """
    # A run that was killed leaves its lock file at least.
    known = resume and (Path(directory, MANIFEST_NAME).exists() or Path(directory, workplace.NAME).exists())
    with (
        _output(directory, overwrite or known) as output,
        workplace.hold(directory, resume=resume, overwrite=overwrite) as work,
    ):
        # Of runs that were killed: nobody else works here.
        for name in ALL_NAMES:
            for partial in Path(directory).glob(f".{name}.*.partial"):
                partial.unlink(missing_ok=True)
        yield output, work


def _output(directory: str, overwrite: bool) -> _core.Output:
    try:
        return _core.Output(directory, ALL_NAMES, overwrite)
    except OutputExistsError as error:
        message = f"{error}, or replace what is there by --overwrite (in Python overwrite=True)"
        raise OutputExistsError(message, path=error.path) from None


def refuse_own_input(directory: str, inputs: Sequence[str]) -> None:
    """Raise ParameterError for an input that is among the files to write."""
    outputs = {Path(directory, name).resolve() for name in ALL_NAMES}
    for path in inputs:
        if Path(path).resolve() in outputs:
            raise ParameterError(f"{path}: this input would be replaced by the output; choose another directory")


def write_selection(
    selection: Selection,
    directory: str | os.PathLike[str],
    source: TextData,
    *,
    keep_order: bool = False,
    overwrite: bool = False,
) -> None:
    """Write chosen rows and where they come from: what `Selection.write` does.

    Parameters
    ----------
    selection
        The rows.
    directory
        For the files, which are four, and one more for a `Cover`: the list of copies. Made if needed.
    source
        What was ranked. The lines of a ``pathlib.Path`` are copied as they are; rows in memory become one JSON
        object each, ``{"text": ...}`` for plain texts and the columns for tables.
    keep_order
        Write in the order of the source; False: best first.
    overwrite
        Replace files of an earlier run; False: refuse.

    Raises
    ------
    OutputExistsError
        One of the files is there already.
    ParameterError
        The source has fewer rows than were ranked, or is among the files to write.
    TextTypeError, InvalidTextError
        A value that JSON cannot hold, with its row and column.
    """
    started = datetime.now(UTC)
    directory = os.fspath(directory)
    paths = [os.fspath(source)] if isinstance(source, os.PathLike) else []
    ranked = selection.provenance["sources"]
    refuse_own_input(directory, paths)
    with open_output(directory, overwrite=overwrite) as (output, _):
        sources: list[_core.InputFile] = []
        reader = places = None
        if paths:
            reader, places = _core.Reader.scan(paths, ranked)
            sources = reader.files()
            outputs = copy_rows(output, reader, places.take(selection.rows), selection, keep_order)
        else:
            lines = json_rows(selection.take(source), selection.rows)
            order, ranks = _written_order(selection, keep_order)
            rows, scores = selection.rows[order], selection.scores[order]
            outputs = output.write_rows([lines[i] for i in order], rows, ranks, scores, _coverage(selection, order))
        if isinstance(selection, Cover):
            rows, reasons, others = left_out_of_cover(selection)
            places = None if places is None else places.take(rows)
            outputs.append(output.write_left_out(reader, places, rows, reasons, others))
        content = manifest.build(
            parameters={**selection.provenance, "keep_order": keep_order},
            library=None,
            sources=sources,
            targets=[],
            exclude=[],
            counts=_counts(selection),
            seed=selection.provenance.get("seed", manifest.DEFAULT_SEED),
            outputs=outputs,
        )
        inputs: list[Stamped] = [] if reader is None else [*reader.found()]
        finish(output, content, started, _core.available_threads(), inputs)


def _counts(selection: Selection) -> dict[str, int]:
    read, selected = selection.provenance["sources"], len(selection)
    if not isinstance(selection, Cover):
        return {"read": read, "scored": read, "rejected": 0, "selected": selected}
    left_out = {
        "left_out_by_where": selection.provenance.get("left_out_by_where", 0),
        "copies_of_target": len(selection.copies_of_target),
        "duplicates": len(selection.duplicates),
    }
    # A cover looks at the rows that are left, once more at each step; it scores none by itself.
    considered = read - sum(left_out.values())
    return {"read": read, "considered": considered, "rejected": 0, **left_out, "selected": selected}


def copy_rows(
    output: _core.Output, reader: _core.Reader, places: _core.Places, selection: Selection, keep_order: bool
) -> list[_core.OutputFile]:
    """Copy the chosen rows, which lie at `places`, out of their files, and say where each comes from."""
    order, ranks = _written_order(selection, keep_order)
    rows, scores, coverage = selection.rows[order], selection.scores[order], _coverage(selection, order)
    with rows_bar(len(selection), "writing") as progress:
        return output.copy_rows(reader, places.take(order), rows, ranks, scores, coverage, progress)


def left_out_of_cover(selection: Cover) -> tuple[NDArray[np.int64], list[str], NDArray[np.int64]]:
    """Return the rows that joint selection left out as copies, rising, why, and the row that speaks against each."""
    pairs = np.concatenate([selection.duplicates, selection.copies_of_target])
    names = ["duplicate"] * len(selection.duplicates) + ["copy_of_target"] * len(selection.copies_of_target)
    order = np.argsort(pairs[:, 0], kind="stable")
    return pairs[order, 0], [names[at] for at in order], pairs[order, 1]


def finish(
    output: _core.Output,
    content: dict[str, object],
    started: datetime,
    threads: int,
    inputs: Sequence[Stamped],
) -> None:
    """Write the two records, and let all files appear."""
    run = manifest.run_record(started=started, threads=threads, inputs=inputs)
    output.write("run.json", manifest.to_json(run))
    output.write(MANIFEST_NAME, manifest.to_json(content))
    output.commit()


def _written_order(selection: Selection, keep_order: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions in the selection in the order of writing, and the rank at each; rank is always by score."""
    positions = np.arange(len(selection), dtype=np.int64)
    order = np.argsort(selection.rows) if keep_order else positions
    return order, positions[order]


def _coverage(selection: Selection, order: NDArray[np.int64]) -> NDArray[np.float64] | None:
    return selection.coverage[order] if isinstance(selection, Cover) else None
