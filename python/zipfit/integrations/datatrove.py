"""datatrove: a filter that keeps the documents that score well, or only writes the scores down.

Unlike its neighbours this module needs its framework to be imported: a filter is a class made of datatrove's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zipfit.errors import ParameterError, ZipfitError
from zipfit.inputs import quoted
from zipfit.integrations.batches import missing
from zipfit.ranking import Ranking
from zipfit.scorer import Scorer

try:
    from datatrove.pipeline.filters.base_filter import BaseFilter
except ImportError as error:
    raise missing("datatrove", error) from None

if TYPE_CHECKING:
    from datatrove.data import Document
    from datatrove.pipeline.writers.disk_base import DiskWriter

__all__ = ["ZipfitFilter"]


class ZipfitFilter(BaseFilter):
    """Keeps documents whose score is at least `threshold`; each gets its score as ``metadata["zipfit_score"]``.

    Those are the documents of ``zipfit.rank(...).threshold(threshold)``, in the order in which they come. Dropped ones
    go to `exclusion_writer`, with the score and datatrove's ``filter_reason``, here "zipfit_below_threshold". A task
    scores on one thread, because datatrove runs one task a CPU.

    Parameters
    ----------
    scorer
        The target set.
    threshold
        In the unit of the scores. None, the default, keeps every document, and only writes down the scores.
    key
        Where in the metadata the score goes; "zipfit_score" by default.
    exclusion_writer
        A writer for the documents that are dropped. None, the default: they are gone.
    batch_size
        Documents scored at a time, 1,000 by default; no score depends on it.

    Raises
    ------
    MissingExtraError
        By the import of this module: datatrove is not installed, ``pip install "zipfit[datatrove]"``.
    ParameterError
        `threshold` is no number; when the pipeline runs: a document has metadata of the name `key` already.
    BadRowError, InvalidTextError, TextTypeError
        When the pipeline runs: a text that is null, not Unicode, or no text; the message names the document's id.
    """

    name = "🗜 zipfit"

    def __init__(
        self,
        scorer: Scorer,
        threshold: float | None = None,
        *,
        key: str = "zipfit_score",
        exclusion_writer: DiskWriter | None = None,
        batch_size: int = 1000,
    ) -> None:
        super().__init__(exclusion_writer, batch_size)
        if threshold is not None:
            Ranking([]).threshold(threshold)  # raises for what is no threshold
        self.scorer = scorer
        self.threshold = threshold
        self.key = key

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Score one document; say whether to keep it, or why not."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Document]) -> list[bool | tuple[bool, str]]:
        """Score documents; say for each whether to keep it, or why not."""
        results: list[bool | tuple[bool, str]] = []
        for document, score in zip(batch, self._scores(batch), strict=True):
            if self.key in document.metadata:
                name = quoted([document.id])
                message = f"document {name} has the metadata {quoted([self.key])} already; name another with key="
                raise ParameterError(message)
            document.metadata[self.key] = score
            kept = self.threshold is None or score >= self.threshold
            results.append(kept or (False, "zipfit_below_threshold"))
        return results

    def _scores(self, batch: list[Document]) -> list[float]:
        try:
            scores: list[Any] = self.scorer.score([document.text for document in batch], threads=1).tolist()
        except ZipfitError as error:
            if error.row is None:
                raise
            raise type(error)(f"document {quoted([batch[error.row].id])}: {error.message}", row=error.row) from None
        return scores
