"""``zipfit demo``: real rows picked out of real texts, with no file and no network.

The sources are the functions with docstrings of the running Python's standard library, some 5,000; the targets are
the first of one module, which leave the pool. A good score brings the module's other functions to the top.
"""

from __future__ import annotations

import ast
import json
import os
import shlex
import sysconfig
import textwrap
import time
import tokenize
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit import _core
from zipfit.api import rank
from zipfit.errors import ParameterError
from zipfit.progress import rows_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zipfit.ranking import Ranking

__all__ = ["DemoResult", "DemoRow", "Function", "run", "show"]

DEFAULT_MODULE = "statistics"
"""Has some 50 documented functions with a vocabulary of their own."""

TARGET_ROWS = 24
"""Functions that make up the target: few enough for seconds, enough for a style to show."""

JUDGED_ROWS = 20
"""Best rows that are counted by module."""

WRITTEN_NAMES = ("source.jsonl", "target.jsonl")

FOREIGN_DIRECTORIES = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}
"""Below the standard library, but not of it, or texts made for tests."""


@dataclass(frozen=True)
class Function:
    """A documented function of the standard library."""

    id: str
    """As in ``statistics.NormalDist.pdf``."""
    module: str
    text: str
    """Its source, dedented, docstring included."""
    first_line: str
    """Of its docstring."""


@dataclass(frozen=True)
class DemoRow:
    """One of the best rows."""

    rank: int
    alignment: float
    id: str
    module: str
    first_line: str


@dataclass(frozen=True)
class DemoResult:
    """What the demo has to show."""

    module: str
    source_rows: int
    target_rows: int
    pairs: int
    seconds: float
    threads: int
    best: list[DemoRow]
    module_rows: int
    """Functions of the module among the sources."""
    judged_rows: int
    """Best rows that were looked at; 20."""
    from_module: int
    """How many of them are the module's."""
    by_chance: float
    """How many a draw of rows at random would give, on average."""
    next_command: str


def run(
    *, module: str = DEFAULT_MODULE, top: int = 20, write: str | None = None, threads: int | None = None
) -> DemoResult:
    """Rank the standard library's functions by their alignment with those of one module.

    Parameters
    ----------
    module
        A module of the standard library with at least 25 documented functions.
    top
        Rows in the result, at least 1.
    write
        Directory to leave ``source.jsonl`` and ``target.jsonl`` in; None: write nothing.
    threads
        None: all CPUs that this process may use.

    Raises
    ------
    ParameterError
        The module has too few documented functions, `top` or `threads` is below 1, or this Python has no library
        in source form.
    OutputExistsError
        A file to write is there already.
    """
    if top < 1:
        raise ParameterError(f"--top must be at least 1, got {top}")
    threads = _core.available_threads() if threads is None else threads
    # First of all: the library is read in seconds, for nothing if the files are there already.
    with _files(write) as save:
        source, target = split(documented_functions(Path(sysconfig.get_path("stdlib"))), module)
        save(source, target)
        start = time.perf_counter()
        ranking = rank([row.text for row in source], [row.text for row in target], threads=threads, progress=True)
        seconds = time.perf_counter() - start
    judged = [source[i] for i in ranking.order[:JUDGED_ROWS]]
    module_rows = sum(row.module == module for row in source)
    return DemoResult(
        module=module,
        source_rows=len(source),
        target_rows=len(target),
        pairs=len(source) * len(target),
        seconds=seconds,
        threads=threads,
        best=_best(ranking, source, top),
        module_rows=module_rows,
        judged_rows=len(judged),
        from_module=sum(row.module == module for row in judged),
        by_chance=len(judged) * module_rows / len(source),
        next_command=_next_command(module, write),
    )


def documented_functions(library: Path) -> list[Function]:
    """Return the functions with docstrings of all modules below a directory, by path and position.

    Files that cannot be read or parsed are left out: a library may hold some on purpose.
    """
    paths = sorted(_python_files(library))
    found: list[Function] = []
    with rows_bar(len(paths), "reading the standard library", "files") as progress:
        for done, path in enumerate(paths, 1):
            found.extend(_functions_of(path, _module_name(path.relative_to(library))))
            if progress is not None:
                progress(done)
    if not found:
        message = f"{library} holds no Python source with docstrings, which the demo ranks"
        raise ParameterError(f"{message}; use a Python installed with its standard library as .py files")
    return found


def split(functions: Sequence[Function], module: str) -> tuple[list[Function], list[Function]]:
    """Return sources and targets: the first functions of a module leave the pool, and every copy of one too."""
    target = [row for row in functions if row.module == module][:TARGET_ROWS]
    taken = {row.text for row in target}
    source = [row for row in functions if row.text not in taken]
    left = sum(row.module == module for row in source)
    if len(target) < TARGET_ROWS or left == 0:
        counts = Counter(row.module for row in functions)
        fitting = ", ".join(name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3])
        message = f'module "{module}" has {counts[module]} documented functions in this standard library'
        raise ParameterError(f"{message}; the demo needs {TARGET_ROWS + 1}, as in {fitting}")
    return source, target


def _python_files(library: Path) -> Iterator[Path]:
    for directory, subdirectories, names in os.walk(library):
        subdirectories[:] = [name for name in subdirectories if name not in FOREIGN_DIRECTORIES]
        yield from (Path(directory, name) for name in names if name.endswith(".py"))


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _functions_of(path: Path, module: str) -> list[Function]:
    try:
        with tokenize.open(path) as file:
            source = file.read()
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    lines = source.split("\n")
    found = []
    for name, node in _definitions(tree):
        if docstring := ast.get_docstring(node):
            text = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
            found.append(Function(f"{module}.{name}", module, text, docstring.split("\n")[0]))
    return found


def _definitions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods in source order, by qualified name; a function within a function is part of it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _definitions(child, f"{prefix}{child.name}.")
        elif isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield from _definitions(child, prefix)


def _best(ranking: Ranking, source: Sequence[Function], top: int) -> list[DemoRow]:
    rows = ranking.order[:top].tolist()
    return [
        DemoRow(place, float(ranking.scores[row]), source[row].id, source[row].module, source[row].first_line)
        for place, row in enumerate(rows, 1)
    ]


@contextmanager
def _files(directory: str | None) -> Iterator[Callable[[Sequence[Function], Sequence[Function]], None]]:
    """Give a way to write both sides as JSON Lines, to stay if the work within succeeds."""
    if directory is None:
        yield lambda _source, _target: None
        return
    with _core.Output(directory, WRITTEN_NAMES) as output:

        def save(source: Sequence[Function], target: Sequence[Function]) -> None:
            for name, rows in zip(WRITTEN_NAMES, (source, target), strict=True):
                output.write(name, _json_lines(rows))

        yield save
        output.commit()


def _next_command(module: str, directory: str | None) -> str:
    if directory is None:
        chosen = [] if module == DEFAULT_MODULE else ["--module", module]
        return shlex.join(["zipfit", "demo", *chosen, "--write", "zipfit-demo"])
    source, target, selected = (str(Path(directory, name)) for name in (*WRITTEN_NAMES, "selected"))
    return shlex.join(["zipfit", "select", source, "--target", target, "--top-k", "20", "-o", selected])


def _json_lines(functions: Sequence[Function]) -> bytes:
    rows = ({"id": row.id, "text": row.text, "module": row.module} for row in functions)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def show(result: DemoResult) -> None:
    """Print a result for a reader who sees it for the first time."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    console.print(
        f"Which of the {result.source_rows:,} documented functions of Python's standard library look most like "
        f"{result.target_rows} functions of the module {result.module}? These {result.target_rows} are not among them. "
        "Alignment answers by compression alone: texts that share phrases take less room together than apart. "
        "It is about 1 for equal texts and about 0 for unrelated ones.\n"
    )
    names, first_lines = _column_widths(result.best, console.width)
    console.print(f"rank  alignment  {'function':{names}}  first line of its docstring", style="bold")
    for row in result.best:
        line = f"{row.rank:4}  {row.alignment:9.4f}  {_cut(row.id, names):{names}}  {_cut(row.first_line, first_lines)}"
        console.print(line, style="green" if row.module == result.module else None, soft_wrap=True)
    threads = f"{result.threads} thread" if result.threads == 1 else f"{result.threads} threads"
    console.print(
        f"\n{result.from_module} of the best {result.judged_rows} are other functions of {result.module}, which has "
        f"{result.module_rows} among the {result.source_rows:,}; chance would give {result.by_chance:.1f}. "
        f"Scoring {result.pairs:,} pairs took {result.seconds:.1f} s on {threads}.\n"
    )
    console.print("Next, the same from files:")
    console.print("  " + result.next_command, style="bold", soft_wrap=True)


def _column_widths(rows: Sequence[DemoRow], width: int) -> tuple[int, int]:
    """Return the widths of names and first lines: names get what they need, but at most half of what is left."""
    left = max(width - len("rank  alignment    "), 40)
    names = min(max(len(row.id) for row in rows), left // 2)
    return names, left - names - 1


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
