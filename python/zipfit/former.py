"""A finished run of ``zipfit select`` or ``zipfit score``, for those who come later: its manifest, inputs and rows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit import _core, writing
from zipfit.errors import MismatchError, ParameterError
from zipfit.merge import refuse_changed_output, verified
from zipfit.options import MAX_MAX_ROW_BYTES
from zipfit.paths import STANDARD_INPUT, located, named_by_run
from zipfit.pipeline import refuse_changed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.spool import Spool

__all__ = ["SELECT_AGAIN", "FormerRun"]

SELECT_AGAIN = "select again"

IN_PYTHON = (
    "these rows were written from Python, which does not record by what targets they were chosen; go on there, "
    "with zipfit.evaluate or Scorer.explain"
)


class FormerRun:
    """A finished run over all rows.

    Parameters
    ----------
    directory
        What it wrote.

    Raises
    ------
    ParameterError
        No finished run is there, or one of a shard, or one of `Selection.write`, which knows no targets.
    MismatchError
        Its manifest is none.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._path = Path(directory, writing.MANIFEST_NAME)
        try:
            self._manifest: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            self._outputs = [file["name"] for file in self._manifest["outputs"]]
            self.parameters: dict[str, Any] = self._manifest["parameters"]
            """As resolved."""
            self.sources: list[str] = [file["name"] for file in self._manifest["sources"]]
            """Their names, in the order of their rows."""
            self.rows_read = int(self._manifest["counts"]["read"])
            """Rows of all sources, rejected ones too."""
        except (FileNotFoundError, NotADirectoryError):
            message = "no finished run is here (there is no manifest.json); name the directory that zipfit select wrote"
            raise self.wrong(message) from None
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self._path}: not a manifest of zipfit ({error}); {SELECT_AGAIN}"
            raise MismatchError(message, path=os.fspath(self._path)) from None
        if "shard" in self._manifest:
            number, of = self._manifest["shard"]["number"], self._manifest["shard"]["of"]
            raise self.wrong(f"shard {number}/{of} is here; put all shards together by zipfit merge")
        if not self.sources or "text_by" not in self.parameters:
            raise self.wrong(IN_PYTHON)

    def wrong(self, message: str) -> ParameterError:
        """Return the error that this directory is not what is needed."""
        return ParameterError(f"{self.directory}: {message}", path=self.directory)

    @property
    def has_selection(self) -> bool:
        """Whether rows were chosen, and not only scored."""
        return "selection.jsonl" in self._outputs

    def selection(self) -> list[dict[str, Any]]:
        """Read where the chosen rows come from, as they lie in ``selection.jsonl``."""
        if not self.has_selection:
            raise self.wrong("scores are here, but no rows were chosen; choose some by zipfit select --scores")
        return self._lines("selection.jsonl")

    def left_out(self) -> list[dict[str, Any]]:
        """Read which rows were left out one by one, and why, as they lie in ``left_out.jsonl``."""
        return self._lines(writing.LEFT_OUT_NAME) if writing.LEFT_OUT_NAME in self._outputs else []

    def _lines(self, name: str) -> list[dict[str, Any]]:
        lines = verified(self.directory, self._manifest, name, SELECT_AGAIN).splitlines()
        return [json.loads(line) for line in lines]

    def refuse_changed_rows(self) -> str:
        """Return the name of the file of the chosen rows, and raise MismatchError if it is not what it was."""
        name = next(name for name in writing.SELECTED_NAMES if name in self._outputs)
        refuse_changed_output(self.directory, self._manifest, name, SELECT_AGAIN)
        return name

    def chosen_texts(self, threads: int | None) -> _core.Texts:
        """Read the texts of the chosen rows, in the order of ``selection.jsonl``."""
        path = os.fspath(Path(self.directory, self.refuse_changed_rows()))
        # No limit: what was read once may be read again.
        reader = _core.Reader([path], self.parameters["text"], "source", max_row_bytes=MAX_MAX_ROW_BYTES)
        return reader.rest(threads)

    def open_sources(self, spool: Spool, *, verify: bool = False) -> _core.Reader:
        """Open the sources as the run has read them, and raise MismatchError unless they are what they were."""
        if STANDARD_INPUT in self.sources:
            message = "the rows that were chosen from came by standard input and are gone"
            raise self.wrong(f"{message}; save them to a file and select from that")
        with named_by_run(self.directory):
            spool.fill(self.sources)
            reader = _core.Reader(
                located(self.sources, spool.paths),
                self.parameters["text"],
                "source",
                id_field=self.parameters["id"],
                token_field=self.parameters["token_field"],
                group_field=self.parameters["group"],
                max_row_bytes=self.parameters["max_row_bytes"],
                skip_bad_rows=self.parameters["on_bad_row"] == "skip",
                text_by=self.parameters["text_by"],
                names=self.sources,
            )
        refuse_changed(reader, self._manifest, self._path, spool, verify=verify, remedy=SELECT_AGAIN)
        return reader

    def read_targets(self, spool: Spool, threads: int | None) -> _core.Texts:
        """Read the targets.

        Raises
        ------
        ParameterError
            They came by standard input.
        MismatchError
            They are not what they were.
        ZipfitError, OSError
            They cannot be read.
        """
        files = self._manifest["targets"]
        names = [file["name"] for file in files]
        if STANDARD_INPUT in names:
            raise self.wrong(f"the targets came by standard input and are gone; save them to a file and {SELECT_AGAIN}")
        with named_by_run(self.directory):
            reader = self.open_rows(names, self.parameters["target_text"], "target", spool)
        texts = reader.rest(threads)
        for former, now in zip(files, reader.files(), strict=True):
            if former != dict(now):
                name = former["name"]
                raise MismatchError(f"{name}: the file changed since rows were chosen by it; {SELECT_AGAIN}", path=name)
        return texts

    def open_rows(self, names: Sequence[str], text: str, side: _core._Side, spool: Spool) -> _core.Reader:
        """Open other files of rows, of the kinds that the run takes."""
        spool.fill(names)
        by = self.parameters["text_by"]
        return _core.Reader(located(names, spool.paths), text, side, text_by=by, names=names)
