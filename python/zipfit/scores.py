"""``scores.parquet``: all rows of the sources with their scores, to choose from as often as one likes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit import _core
from zipfit.errors import MismatchError, ParameterError
from zipfit.filtering import BY_SIZE, BY_TEXT
from zipfit.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FILE_NAME", "Scores", "load", "open_scores", "open_table", "read_manifest"]

FILE_NAME = "scores.parquet"


class Scores:
    """A table of scores on disk, seen by the numbers of rows.

    A row that was rejected has a number, but no line in the table: there its score is NaN, its size 0.

    Parameters
    ----------
    path
        The file.
    read
        Rows of the sources, rejected ones too.
    """

    def __init__(self, path: str, read: int) -> None:
        self._table = _core.ScoreTable(path)
        self._read = read
        self._missing: NDArray[np.int64] | None = None
        """Rows without a line, rising; None where every row has one."""
        if self._table.rows != read:
            is_missing = np.ones(read, np.bool_)
            is_missing[self._table.int64("row")] = False
            self._missing = np.flatnonzero(is_missing)

    def __len__(self) -> int:
        """Rows that have a score."""
        return self._table.rows

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return self._table.columns

    def ranking(
        self, provenance: dict[str, Any], *, sizes: bool, min_bytes: int | None = None, max_bytes: int | None = None
    ) -> tuple[Ranking, dict[str, int]]:
        """Return the scores as a ranking, in which rows that were rejected or left out cannot be chosen.

        Parameters
        ----------
        provenance
            Of the ranking.
        sizes
            Whether it is to know the sizes, 8 bytes a row.
        min_bytes, max_bytes
            Rows with shorter or longer texts cannot be chosen either; None: no such limit.

        Returns
        -------
        Ranking
            With N rows, rejected ones too.
        dict
            How many rows the limits leave out that were not left out before.
        """
        scores = self._by_row(self._table.float64("score"), np.nan)
        found = self.sizes() if sizes or (min_bytes, max_bytes) != (None, None) else None
        where = None
        if "left_out" in self.columns:
            where = self._by_row(self._table.is_null("left_out"), False)
        elif self._missing is not None:
            where = self._present()
        counts = dict.fromkeys(BY_SIZE, 0)
        for name, limit in zip(BY_SIZE, (min_bytes, max_bytes), strict=True):
            if limit is not None and found is not None:
                beyond = found < limit if name == "below_min_bytes" else found > limit
                where = np.ones(self._read, np.bool_) if where is None else where
                counts[name] = int(np.count_nonzero(where & beyond))
                where &= ~beyond
        return Ranking.of_table(scores, found if sizes else None, where, provenance), counts

    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each text, 0 for rejected rows."""
        return self._by_row(self._table.int64("size"), 0)

    def tokens(self) -> NDArray[np.int64]:
        """Tokens of each row, 0 for rejected ones."""
        return self._by_row(self._table.int64("tokens"), 0)

    def groups(self) -> NDArray[np.int64]:
        """Number of each row's group, -1 for rejected ones."""
        return self._by_row(self._table.codes("group")[0], -1)

    def places(self, rows: NDArray[np.int64]) -> _core.Places:
        """Where rows lie, in any order."""
        order = np.argsort(rows, kind="stable")
        positions = rows[order]
        if self._missing is not None:
            positions -= np.searchsorted(self._missing, positions)
        places = self._table.places(positions)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return places.take(back)

    def left_out_by_text(self) -> tuple[NDArray[np.int64], list[str], NDArray[np.int64]]:
        """Return the rows that were left out for their texts, why, and the row that speaks against each."""
        codes, names = self._table.codes("left_out")
        wanted = [code for code, name in enumerate(names) if name in BY_TEXT]
        positions = np.flatnonzero(np.isin(codes, wanted))
        rows = positions if self._missing is None else np.flatnonzero(self._present())[positions]
        return rows, [names[code] for code in codes[positions]], self._table.int64("left_out_by")[positions]

    def _by_row(self, values: NDArray[Any], missing: float) -> NDArray[Any]:
        """Spread the values of the table over all rows."""
        if self._missing is None:
            return values
        spread = np.full(self._read, missing, values.dtype)
        spread[self._present()] = values
        return spread

    def _present(self) -> NDArray[np.bool_]:
        present = np.ones(self._read, np.bool_)
        present[self._missing] = False
        return present


def load(directory: str | os.PathLike[str]) -> Ranking:
    """Do what `zipfit.load_scores` says."""
    manifest = read_manifest(directory)
    table = open_scores(directory, manifest)
    parameters = manifest["parameters"]
    provenance = {
        "version": manifest["zipfit"],
        **{name: parameters[name] for name in ("metric", "compressor", "aggregate")},
        "library": f"{manifest['library']['name']} {manifest['library']['version']}",
        "scores_parquet_sha256": _entry(manifest)["sha256"],
    }
    return table.ranking(provenance, sizes=True)[0]


def open_scores(directory: str | os.PathLike[str], manifest: dict[str, Any]) -> Scores:
    """Open the table of a directory, whose manifest this is, and check that it is whole."""
    open_table(directory, manifest)
    return Scores(os.fspath(Path(directory, FILE_NAME)), manifest["counts"]["read"])


def open_table(directory: str | os.PathLike[str], manifest: dict[str, Any]) -> _core.ScoreTable:
    """Open the table of a directory as it is, and check that it is whole."""
    table = _core.ScoreTable(os.fspath(Path(directory, FILE_NAME)))
    table.verify(_entry(manifest)["sha256"])
    return table


def read_manifest(directory: str | os.PathLike[str], *, of_shard: bool = False) -> dict[str, Any]:
    """Return the manifest of a finished run that has scores: of a shard, or of everything.

    Raises
    ------
    ParameterError
        There is none, or it knows of no scores, or is of the other kind.
    MismatchError
        It is not valid.
    """
    path = Path(directory, "manifest.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        has_scores = any(file["name"] == FILE_NAME for file in content["outputs"])
    except (FileNotFoundError, NotADirectoryError):
        message = "no finished run is here (there is no manifest.json); name the directory that zipfit score wrote"
        raise ParameterError(f"{os.fspath(directory)}: {message}", path=os.fspath(directory)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise MismatchError(f"{path}: not a manifest of zipfit ({error}); score again", path=os.fspath(path)) from None
    if not has_scores:
        message = f"the run in this directory has no {FILE_NAME}; make one by zipfit score"
        raise ParameterError(f"{os.fspath(directory)}: {message}", path=os.fspath(directory))
    if ("shard" in content) != of_shard:
        message = "the scores of all rows are here, not of a shard; there is nothing to merge"
        if not of_shard:
            number, of = content["shard"]["number"], content["shard"]["of"]
            message = f"the scores of shard {number}/{of} are here; put all shards together by zipfit merge"
        raise ParameterError(f"{os.fspath(directory)}: {message}", path=os.fspath(directory))
    return dict(content)


def _entry(manifest: dict[str, Any]) -> dict[str, Any]:
    return next(dict(file) for file in manifest["outputs"] if file["name"] == FILE_NAME)
