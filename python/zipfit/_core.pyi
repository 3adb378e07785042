"""The compiled half of zipfit: what ``src/py`` exports. Private; the public names are in ``zipfit`` itself.

Every function here checks its arguments and raises the classes of ``zipfit.errors``. Those that can run long
release the GIL, answer Ctrl-C within half a second and call ``progress(done)`` from the calling thread some ten
times a second, ``done`` counting source rows.

One file of more than 500 lines, because the stub of a module cannot be split; its parts are in the order of ``src``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Literal, NotRequired, Self, TypeAlias, TypedDict, final, type_check_only

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAX_ROW_BYTES",
    "MIN_SHARED_BYTES",
    "Batch",
    "Contamination",
    "Cover",
    "CoverSearch",
    "Coverage",
    "ExactDuplicates",
    "NgramModel",
    "Output",
    "Places",
    "Reader",
    "ScoreTable",
    "ScoreWriter",
    "Scorer",
    "SharedIndex",
    "Texts",
    "__version__",
    "_panic_for_tests",
    "available_threads",
    "bootstrap",
    "codec_libraries",
    "compressed_size",
    "compressed_sizes",
    "debug_build",
    "draw",
    "duplicates",
    "fuse",
    "group_codes",
    "ncd",
    "ncd_matrix",
    "order",
    "peak_memory_bytes",
    "per_group",
    "read_lines",
    "resolve_compressor",
    "sample",
    "threshold",
    "top_fraction",
    "top_k",
    "within",
    "word_counts",
    "word_divergence",
]

_Progress: TypeAlias = Callable[[int], object]
_Side: TypeAlias = Literal["source", "target", "against", "held_out"]
_TextBy: TypeAlias = Literal["line", "document"]

__version__: str
MAX_ROW_BYTES: int
MIN_SHARED_BYTES: int
"""Of the shortest substring that `SharedIndex` and `Coverage` look at."""
debug_build: bool
"""True when built with Rust's debug assertions; such a build is several times slower."""

def available_threads() -> int:
    """CPUs that this process may use (affinity and cgroup quota respected): what ``threads=None`` means."""

def codec_libraries() -> list[tuple[str, str, str]]:
    """One ``(names, library, version)`` a codec, as in ``("gzip-1..9", "zlib", "1.3.2")``."""

def resolve_compressor(compressor: str) -> tuple[str, str, str]:
    """Check a compressor and return ``(compressor, library, version)``, as in ``("gzip-9", "zlib", "1.3.2")``."""

# texts.rs ---------------------------------------------------------------------------------------------------------

@final
class Texts:
    """Many byte strings, immutable; cheap to share between threads."""

    @staticmethod
    def from_iterable(rows: Iterable[object], side: _Side) -> Texts:
        """Copy str (as UTF-8) and bytes; None, NaN, a lone surrogate or another type is an error naming the row."""
    @staticmethod
    def from_arrow(data: object, column: str | None, side: _Side) -> Texts:
        """Take an object with ``__arrow_c_stream__`` or ``__arrow_c_array__`` without copying its texts."""
    @staticmethod
    def from_files(
        paths: Sequence[str], text: str, side: _Side, threads: int | None = None, text_by: _TextBy = "line"
    ) -> Texts:
        """Read the texts of files as a `Reader` does; ``text`` is a field, a path, a template or a preset."""
    @staticmethod
    def concat(sets: Sequence[Texts]) -> Texts:
        """The texts of several sets, one set after another, without copying them."""
    def take(self, rows: NDArray[np.int64]) -> Texts:
        """A copy of some texts, in this order."""
    def __len__(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each text, int64 (N,)."""
    def sha256(self) -> str:
        """Hash of all texts, each preceded by its length as 8 little-endian bytes, however they are stored."""
    def to_list(self) -> list[bytes]: ...
    def strings(self, start: int, max_bytes: int) -> list[str]:
        """The texts from row `start` on that fit `max_bytes`, at least one; InvalidTextError if not UTF-8."""

# codec/, pairs/, dictionary.rs, rank.rs ---------------------------------------------------------------------------

def compressed_size(text: bytes, compressor: str) -> int: ...
def compressed_sizes(
    source: Texts, compressor: str, threads: int | None = None, progress: _Progress | None = None
) -> NDArray[np.int64]: ...
def ncd(x: bytes, y: bytes, compressor: str) -> float: ...
def ncd_matrix(
    source: Texts, target: Texts, compressor: str, threads: int | None = None, progress: _Progress | None = None
) -> NDArray[np.float64]:
    """Shape (N, n), C order."""

@final
class Scorer:
    """A target set prepared once. Immutable and shared by threads."""

    def __new__(
        cls, target: Texts, metric: str, compressor: str | None, aggregate: str, threads: int | None = None
    ) -> Self:
        """``compressor=None``: "zstd-3" for the metric "gain", "gzip-9" for the others."""
    @property
    def target(self) -> Texts: ...
    @property
    def metric(self) -> str: ...
    @property
    def compressor(self) -> str:
        """The resolved one, never None."""
    @property
    def library(self) -> tuple[str, str]:
        """Name and version of the codec's library."""
    @property
    def aggregate(self) -> str: ...
    def score(
        self, source: Texts, threads: int | None = None, progress: _Progress | None = None
    ) -> NDArray[np.float64]: ...

# cover/ -----------------------------------------------------------------------------------------------------------

@final
class Cover:
    """Rows chosen together, in the order of their choice."""

    @property
    def rows(self) -> NDArray[np.int64]: ...
    @property
    def scores(self) -> NDArray[np.float64]:
        """What each added to the coverage when it was chosen, per byte; falling."""
    @property
    def coverage(self) -> NDArray[np.float64]:
        """F of the rows up to each over the weight of the target; rising."""
    @property
    def beta(self) -> float:
        """The resolved one."""
    @property
    def copies_of_target(self) -> NDArray[np.int64]:
        """Shape (m, 2): a row that was left out and the target that it equals."""
    @property
    def duplicates(self) -> NDArray[np.int64]:
        """Shape (m, 2): a row that was left out and the earlier row that it equals."""
    @property
    def exhausted(self) -> bool:
        """Whether budget remains although every row that holds an n-gram of the target was chosen."""

@final
class CoverSearch:
    """Rows to choose from, batch by batch, and then the choice among them.

    In memory stay the target's index and 24 bytes a row. The texts, and about as much again, stay there too, or wait in
    files without a name in a ``directory``. A search that failed is over.
    """

    def __new__(
        cls,
        target: Texts,
        *,
        budget_bytes: int | None = None,
        budget_tokens: int | None = None,
        top_k: int | None = None,
        beta: float | None = None,
        directory: str | None = None,
    ) -> Self: ...
    @property
    def stored_bytes(self) -> int:
        """Bytes of the files; in memory, of what is kept besides the texts."""
    def add(
        self,
        source: Texts,
        tokens: NDArray[np.int64] | None = None,
        where: NDArray[np.bool_] | None = None,
        threads: int | None = None,
        progress: _Progress | None = None,
    ) -> None:
        """Take the next rows apart."""
    def choose(self, threads: int | None = None, progress: _Progress | None = None) -> Cover:
        """Choose, once; ``progress`` counts the rows that may be chosen as they are bounded, before the search."""

# duplicates/, contamination/ --------------------------------------------------------------------------------------

def duplicates(
    source: Texts,
    threshold: float,
    where: NDArray[np.bool_] | None = None,
    threads: int | None = None,
    progress: _Progress | None = None,
) -> NDArray[np.int64]:
    """Of each row the earlier row that it repeats, -1 for rows that stay; rows left out by ``where`` stay."""

@final
class ExactDuplicates:
    """Equal texts among batches; keeps a hash of each text and no text."""

    def __new__(cls) -> Self: ...
    def add(
        self, texts: Texts, where: NDArray[np.bool_] | None = None, threads: int | None = None
    ) -> NDArray[np.int64]:
        """As `duplicates` with threshold 1 for the next rows; rows are numbered over all batches."""
    def find(
        self, texts: Texts, where: NDArray[np.bool_] | None = None, threads: int | None = None
    ) -> NDArray[np.int64]:
        """Of each text the first row added that it equals, -1 for none; nothing is added."""

@final
class Contamination:
    """The pieces of an evaluation set."""

    def __new__(cls, against: Texts, overlap: str, reader: Reader | None = None) -> Self:
        """A text without a word (or byte) is a ParameterError, with its file and line if ``reader`` read the texts."""
    def find(self, source: Texts, threads: int | None = None) -> NDArray[np.int64]:
        """Of each row the first row of ``against`` that it holds a piece of, -1 for clean rows."""

# evaluate/ --------------------------------------------------------------------------------------------------------

@final
class NgramModel:
    """A byte n-gram model, interpolated Witten-Bell with contexts of up to 6 bytes, that will predict some texts.

    Of what it reads it counts what occurs in these, so that memory does not grow with it.
    """

    def __new__(cls, predicted: Texts) -> Self: ...
    def fresh(self) -> NgramModel:
        """A model that has read nothing and predicts the same texts; they share what is known of these."""
    def read(self, texts: Texts, where: NDArray[np.bool_] | None = None, threads: int | None = None) -> None:
        """Read texts (those where `where` is True), after what was read before. After Ctrl-C, give the model up."""
    def bits(self, threads: int | None = None) -> NDArray[np.float64]:
        """Sum of -log2 p over the bytes of each of the texts to predict, float64 (n,)."""

def word_counts(texts: Texts, where: NDArray[np.bool_] | None = None, threads: int | None = None) -> NDArray[np.int64]:
    """Words and pairs of words, hashed into 10,000 buckets: int64 (10000,)."""

def word_divergence(target: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Kullback-Leibler divergence, in nats, of the shares of such counts, each plus 1e-8 in a logarithm."""

def bootstrap(
    judged: NDArray[np.float64],
    random: Sequence[NDArray[np.float64]],
    sizes: NDArray[np.int64],
    seed: int,
    threads: int | None = None,
) -> tuple[float, float]:
    """95% interval of the difference in bits per byte between some rows and one more draw of random rows.

    Bits of each held-out row by the rows in question and by each of two or more draws, and its bytes.
    """

# select.rs: rows, best first, int64 (k,). `order` is what `order()` gave; False in `where` (bool, N) leaves a row out.

def order(scores: NDArray[np.float64], nan_last: bool = False) -> NDArray[np.int64]:
    """Rows by falling score, ties by row; infinity, and NaN unless ``nan_last``, is a ParameterError naming its row."""

def top_k(order: NDArray[np.int64], where: NDArray[np.bool_] | None, k: int) -> NDArray[np.int64]: ...
def top_fraction(order: NDArray[np.int64], where: NDArray[np.bool_] | None, fraction: float) -> NDArray[np.int64]: ...
def threshold(
    order: NDArray[np.int64], where: NDArray[np.bool_] | None, scores: NDArray[np.float64], threshold: float
) -> NDArray[np.int64]: ...
def within(
    order: NDArray[np.int64], where: NDArray[np.bool_] | None, costs: NDArray[np.int64], budget: int
) -> NDArray[np.int64]:
    """Longest prefix of the order whose costs sum to at most the budget; a negative cost is an error."""

def sample(
    scores: NDArray[np.float64],
    where: NDArray[np.bool_] | None,
    k: int,
    temperature: float,
    seed: int,
) -> NDArray[np.int64]:
    """Draw k rows in proportion to exp(score / temperature), best first; ``seed`` below 2^64."""

def draw(costs: NDArray[np.int64], where: NDArray[np.bool_] | None, budget: int, seed: int) -> NDArray[np.int64]:
    """Rows drawn at random, in the order of their draw, as many as fit; those that do not fit are passed over."""

def per_group(
    order: NDArray[np.int64], where: NDArray[np.bool_] | None, groups: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """The k best rows of every group, in the order of ``order``; ``groups`` (N,) numbers the group of each row."""

def group_codes(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Equal labels get one number, in the order of their coming; and how many numbers there are."""

# fuse.rs

def fuse(rankings: Sequence[tuple[float, NDArray[np.float64]]], where: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Weighted mean of percentile ranks, NaN where ``where`` (bool, N) is False; a weight and scores (N,) a ranking."""

# shared/

@final
class SharedIndex:
    """The substrings of some targets."""

    def __new__(cls, target: Texts) -> Self: ...
    def shared(self, text: bytes) -> list[tuple[int, int, int, int]]:
        """Substrings that a target has too, longest first, none overlapping: start, length, target, start in it."""

@final
class Coverage:
    """Which bytes of some targets lie in a substring that a row holds; rows are added batch by batch."""

    def __new__(cls, target: Texts) -> Self: ...
    def add(self, rows: Texts) -> NDArray[np.int64]:
        """For each row, int64 (N,), the bytes that it covers and no row before it."""
    def by_target(self) -> NDArray[np.int64]:
        """Covered bytes of each target, int64 (n,)."""

# read/, write/ ----------------------------------------------------------------------------------------------------

@type_check_only
class InputFile(TypedDict):
    name: str
    """The path as it was given."""
    bytes: int
    """Size on disk (compressed, if it is)."""
    sha256: str | None
    """Of the bytes on disk; None for a file of which a shard has but a part."""
    rows: int

@type_check_only
class RejectedRow(TypedDict):
    row: int
    file: str
    line: NotRequired[int]
    line_in_shard: NotRequired[int]
    """In place of ``line`` in a file in the middle of which a shard begins: counted from there."""
    byte: NotRequired[int]
    row_group: NotRequired[int]
    """With ``index`` in place of ``line`` and ``byte`` for a row of a Parquet file."""
    index: NotRequired[int]
    code: str
    message: str

@final
class Batch:
    """Some 4 MiB of consecutive rows, without those that are rejected."""

    def __len__(self) -> int: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def tokens(self) -> NDArray[np.int64] | None:
        """The values of ``token_field``; None when there is none."""
    @property
    def places(self) -> Places:
        """Where the rows lie."""
    def columns(self) -> dict[str, _Column]:
        """The columns of `ScoreWriter`, as far as they are known from reading.

        All but ``score``, ``left_out`` and ``left_out_by``; ``group`` holds JSON, so that 1, 1.0 and "1" are three.
        """
    @property
    def rejected(self) -> list[RejectedRow]:
        """Rows that cannot be read, for ``skip_bad_rows``; the message has nothing of their text."""

@final
class Reader:
    """Rows of files, in the order of the files. Reads ahead on a thread of its own.

    The suffix decides: .csv is comma-separated, .tsv and .tab are tab-separated, .txt, .text and .md are text, .parquet
    and .pq are Parquet, all others are JSON Lines; all but Parquet plain, or with .gz or .zst behind.
    The constructor opens every file, so that a missing one is told before the work begins; so are Parquet beside other
    files, a Parquet file without a column that is needed, and sources in Parquet whose columns are not the same.
    """

    def __new__(
        cls,
        paths: Sequence[str],
        text: str,
        side: _Side = "source",
        *,
        id_field: str | None = None,
        token_field: str | None = None,
        group_field: str | None = None,
        batch_rows: int | None = None,
        max_row_bytes: int | None = None,
        skip_bad_rows: bool = False,
        keep_places: bool = False,
        text_by: _TextBy = "line",
        names: Sequence[str] | None = None,
        shard: tuple[int, int] | None = None,
    ) -> Self:
        """Every field is a key of the row, or a path such as ``meta.id``; ``text`` may be a template or a preset, too.

        ``id_field=None``: the field ``id`` where a row has one. A row without a field named here is a bad one, and so
        is one with more than ``max_row_bytes`` (None: 64 MiB). Bad rows are an error, or with ``skip_bad_rows`` in
        ``Batch.rejected``. ``batch_rows=None``: as many as make 4 MiB. ``keep_places``: for errors about rows.
        ``text_by``: what a row of a text file is. ``names``: what to call the files in messages and records, where
        that is not their paths. ``shard=(k, n)``: part k of n, from 1, of the bytes of all files, cut where a line, or
        a Parquet row group, begins; compressed files, CSV and documents are not cut. A part may have no rows.
        """
    def next_batch(self, threads: int | None = None) -> Batch | None:
        """The next rows; None after the last. No row at all is a ParameterError, for targets an EmptyTargetError."""
    def rest(self, threads: int | None = None) -> Texts:
        """The texts of all rows that are left."""
    @property
    def position(self) -> tuple[int, int, int, int]:
        """The end of the last batch: file, bytes and lines read of it, rows of all files (rejected ones too).

        In Parquet rows of the row group and row groups take the places of bytes and lines.
        """
    def resume(self, position: tuple[int, int, int, int], finished: Sequence[InputFile]) -> None:
        """Go on from the ``position`` of another reader of the same files, whose ``files()`` were ``finished``."""
    @staticmethod
    def scan(paths: Sequence[str], total: int, text_by: _TextBy = "line") -> tuple[Reader, Places]:
        """Only find the places of all rows; ParameterError when there are not `total` of them."""
    @property
    def cuts(self) -> list[tuple[int, int]]:
        """Where this part begins and ends: file, and offset in it (in Parquet, row group); 0 is before the file."""
    @property
    def is_parquet(self) -> bool:
        """Whether the files are Parquet: for ``ScoreWriter(parquet_places=...)``."""
    @property
    def bytes_read(self) -> int:
        """Bytes on disk read until now, over all files."""
    @property
    def bytes_total(self) -> int:
        """Bytes on disk of all files, or of the part that is read."""
    def found(self) -> list[tuple[str, int, int]]:
        """Path or name, bytes and time of change (nanoseconds since 1970) of each file, as it was found."""
    def files(self, first: int = 0) -> list[InputFile]:
        """One entry a file that was read to its end, from number ``first`` on."""

@type_check_only
class OutputFile(TypedDict):
    name: str
    bytes: int
    sha256: str

@final
class Output:
    """A directory that receives files all at once: each is written as ``.NAME.partial``, ``commit`` renames them all.

    The constructor refuses (OutputExistsError) a directory that already holds one of ``names`` unless ``overwrite``,
    and makes the directory if needed. With ``overwrite``, those of ``names`` that are not written are removed by
    ``commit``. Leaving the ``with`` block without ``commit`` removes what was begun.
    """

    def __new__(cls, directory: str, names: Sequence[str], overwrite: bool = False) -> Self: ...
    def write(self, name: str, data: bytes) -> OutputFile: ...
    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> OutputFile: ...
    def partial(self, name: str) -> str:
        """Where a file is until it is committed."""
    def copy_rows(
        self,
        reader: Reader,
        places: Places,
        rows: NDArray[np.int64],
        ranks: NDArray[np.int64],
        scores: NDArray[np.float64],
        coverage: NDArray[np.float64] | None = None,
        progress: _Progress | None = None,
    ) -> list[OutputFile]:
        """Write ``selected.jsonl`` (the rows as `read_lines` gives them, in this order) and ``selection.jsonl``.

        Rows of Parquet files become ``selected.parquet``, with every column and the first file's metadata, and have
        ``row_group`` and ``index`` in place of ``line``. The files come back in this order.

        Only the files and the field of the id are asked of the reader, which need not have read anything.
        """
    def write_rows(
        self,
        lines: Sequence[bytes],
        rows: NDArray[np.int64],
        ranks: NDArray[np.int64],
        scores: NDArray[np.float64],
        coverage: NDArray[np.float64] | None = None,
    ) -> list[OutputFile]:
        """The same two files from lines that are already in memory; their ``file`` and ``line`` are null."""
    def write_left_out(
        self,
        reader: Reader | None,
        places: Places | None,
        rows: NDArray[np.int64],
        reasons: Sequence[str],
        others: NDArray[np.int64],
    ) -> OutputFile:
        """Write ``left_out.jsonl``, in the order given: rows, why each is left out, and the row that speaks against it.

        Reasons are contaminated, duplicate and copy_of_target. Without a reader the rows are in memory; their ``file``
        and ``line`` are null. Rows of Parquet files have ``row_group`` and ``index`` in place of ``line``.
        """
    def commit(self) -> None:
        """Flush everything to disk and rename, in the order of writing (so write the manifest last)."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

# The table of scores. Strings of a column are a pair: bytes of each (int32, -1 for a null) and the UTF-8 of all.

_Strings: TypeAlias = tuple[NDArray[np.int32], bytes]
_Column: TypeAlias = NDArray[np.int64] | NDArray[np.int32] | NDArray[np.float64] | _Strings

@final
class ScoreWriter:
    """Writes ``scores.parquet`` into an `Output`, which does not commit before ``finish``.

    Columns: ``row`` (int64), ``file`` (int32); ``line``, ``byte``, ``length`` (int64), or with ``parquet_places``
    ``row_group`` (int32), ``index`` (int64); ``id`` (strings, nullable), ``size`` (int64), ``score`` (float64); with
    ``tokens`` ``tokens`` (int64), with ``groups`` ``group`` (strings), with ``left_out`` ``left_out`` (strings,
    nullable) and ``left_out_by`` (int64, -1 for a null). No number but a score may be negative.
    """

    def __new__(
        cls,
        output: Output,
        *,
        parquet_places: bool = False,
        tokens: bool = False,
        groups: bool = False,
        left_out: bool = False,
    ) -> Self: ...
    def add(self, columns: Mapping[str, _Column]) -> None:
        """Append rows, all columns of one length; the file's bytes do not depend on how rows are cut into calls.

        An error about the columns leaves the table as it was; after any other one, and after Ctrl-C, give it up.
        """
    def add_table(self, table: ScoreTable, rows_before: int, file: int, lines_before: int) -> None:
        """Append the rows of a shard: ``rows_before`` are added to each row, ``lines_before`` to lines of ``file``."""
    def finish(self) -> OutputFile: ...

@final
class ScoreTable:
    """A ``scores.parquet``. The constructor reads its description only; columns are read when they are asked for.

    A damaged file is a MismatchError or a TruncatedInputError, but a flipped bit in a page may give another score:
    ``verify`` against the manifest finds every change.
    """

    def __new__(cls, path: str) -> Self: ...
    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> list[str]: ...
    def verify(self, sha256: str) -> None:
        """MismatchError unless this is the hash of the whole file."""
    def int64(self, name: str) -> NDArray[np.int64]:
        """A column of whole numbers, int64 (N,); -1 for a null."""
    def float64(self, name: str) -> NDArray[np.float64]: ...
    def strings(self, name: str, positions: NDArray[np.int64] | None = None) -> _Strings:
        """A column of strings: all, or those of the lines ``positions`` of the table (from 0, rising)."""
    def codes(self, name: str) -> tuple[NDArray[np.int64], list[str]]:
        """A column of strings as numbers, in the order of their coming, -1 for a null; and the strings."""
    def is_null(self, name: str) -> NDArray[np.bool_]:
        """Where a column of strings has a null."""
    def places(self, positions: NDArray[np.int64]) -> Places:
        """Where the rows of the lines ``positions`` of the table lie; only their row groups are read."""

@final
class Places:
    """Where rows lie in their source files."""

    @staticmethod
    def from_columns(columns: Mapping[str, NDArray[np.int64] | NDArray[np.int32]]) -> Places:
        """The inverse of ``columns``; other columns are passed over."""
    def take(self, positions: NDArray[np.int64]) -> Places:
        """Those at ``positions``, in any order."""
    def __len__(self) -> int: ...
    def columns(self) -> dict[str, NDArray[np.int64] | NDArray[np.int32]]:
        """The columns of places as `ScoreWriter` takes them."""

def read_lines(paths: Sequence[str], rows: NDArray[np.int64], total: int, text_by: _TextBy = "line") -> list[str]:
    """The given rows (any order): lines of JSON Lines as they stand in the files, others as JSON objects.

    ``total`` is the number of rows that were ranked; other files than those are a ParameterError, and so is a
    Parquet file, whose rows are no lines.
    """

def peak_memory_bytes() -> int | None:
    """Largest resident size of this process until now; None where the system does not tell."""

def _panic_for_tests() -> None:
    """Panics inside a worker; shows that a panic arrives as InternalError."""
