"""`zipfit demo`: what a stranger sees first."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from helpers_files import environment, read_rows, zipfit_cli

from zipfit import demo
from zipfit.errors import ParameterError


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder and the JSON result of `zipfit demo --write DIR`."""
    folder = tmp_path_factory.mktemp("demo")
    done = zipfit_cli("demo", "--write", "my demo", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, json.loads(done.stdout)


def test_the_other_functions_of_the_module_come_first(written: tuple[Path, dict[str, Any]]) -> None:
    _, result = written
    assert result["module"] == "statistics"
    assert result["target_rows"] == 24
    assert result["source_rows"] > 2_000
    assert result["pairs"] == 24 * result["source_rows"]
    assert result["judged_rows"] == 20
    assert result["by_chance"] == 20 * result["module_rows"] / result["source_rows"]
    # What the demo is there to show: alignment finds the module, a draw at random does not.
    assert result["from_module"] >= 10 * result["by_chance"] > 0
    assert result["from_module"] == sum(row["module"] == "statistics" for row in result["best"])
    assert [row["rank"] for row in result["best"]] == list(range(1, 21))


def test_the_written_files_hold_the_same_sources_and_targets(written: tuple[Path, dict[str, Any]]) -> None:
    folder, result = written
    source = read_rows(folder / "my demo" / "source.jsonl")
    target = read_rows(folder / "my demo" / "target.jsonl")
    assert (len(source), len(target)) == (result["source_rows"], result["target_rows"])
    assert all(list(row) == ["id", "text", "module"] for row in source + target)
    assert {row["module"] for row in target} == {"statistics"}
    assert not {row["text"] for row in source} & {row["text"] for row in target}
    assert sum(row["module"] == "statistics" for row in source) == result["module_rows"]


def test_the_next_command_works_and_gives_the_same_rows(written: tuple[Path, dict[str, Any]]) -> None:
    folder, result = written
    program, *arguments = shlex.split(result["next_command"])
    assert (program, arguments[0]) == ("zipfit", "select")
    done = zipfit_cli(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    chosen = read_rows(folder / "my demo" / "selected" / "selection.jsonl")
    expected = [(row["id"], row["alignment"]) for row in result["best"]]
    assert [(row["id"], row["score"]) for row in chosen] == expected


def test_files_that_exist_are_not_overwritten(written: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = written
    done = zipfit_cli("demo", "--write", "my demo", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "zipfit: my demo: source.jsonl is there already; choose another directory\n"


def test_the_printed_demo_explains_itself_and_names_the_next_command() -> None:
    done = zipfit_cli("demo", "--module", "mailbox", "--top", "3", "--threads", "1", env=environment(COLUMNS="100"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert all(len(line) <= 100 for line in lines)
    start = next(i for i, line in enumerate(lines) if line.split()[:3] == ["rank", "alignment", "function"])
    rows = lines[start + 1 : start + 4]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert lines[start + 4] == ""
    assert "of the best 20 are other functions of mailbox" in done.stdout
    assert "chance would give" in done.stdout
    assert "1 thread" in done.stdout
    assert lines[-1].strip() == "zipfit demo --module mailbox --write zipfit-demo"


def test_a_module_with_too_few_functions_is_told_how_many_it_has_and_three_that_fit(
    written: tuple[Path, dict[str, Any]],
) -> None:
    done = zipfit_cli("demo", "--module", "keyword")
    assert (done.returncode, done.stdout) == (2, "")
    beginning = (
        'zipfit: module "keyword" has 0 documented functions in this standard library; the demo needs 25, as in '
    )
    assert done.stderr.startswith(beginning)
    rows = [row for name in demo.WRITTEN_NAMES for row in read_rows(written[0] / "my demo" / name)]
    functions = [demo.Function(row["id"], row["module"], row["text"], "") for row in rows]
    fitting = done.stderr.removeprefix(beginning).strip().split(", ")
    assert len(fitting) == 3
    for module in fitting:
        source, target = demo.split(functions, module)
        assert len(target) == 24
        assert module in {row.module for row in source}


def test_top_is_at_least_1() -> None:
    done = zipfit_cli("demo", "--top", "0")
    assert (done.returncode, done.stderr) == (2, "zipfit: --top must be at least 1, got 0\n")


MODULE = '''
"""Docstring of the module."""
if True:
    def first(a):
        """Say first.

        More.
        """
        def inner():
            """Belongs to first."""
class Outer:
    """No function."""
    def undocumented(self): pass
    @property
    def method(self):
        "A method."
    class Inner:
        async def deep(self):
            """Go deep."""
try:
    def tried(): """Tried."""
except ImportError:
    def fallback(): """Fall back."""
'''


def test_functions_are_found_by_path_and_position(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "__init__.py").write_text('def f():\n    """Naïve."""\n', encoding="utf-8")
    (tmp_path / "b" / "latin.py").write_bytes(b'# coding: latin-1\ndef g():\n    """Caf\xe9."""\n')
    (tmp_path / "b" / "broken.py").write_text("def (", encoding="utf-8")
    (tmp_path / "b" / "bytes.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "a.py").write_text(MODULE, encoding="utf-8")
    for foreign in ("site-packages", "test"):
        (tmp_path / foreign).mkdir()
        (tmp_path / foreign / "c.py").write_text('def h():\n    """Not of the library."""\n', encoding="utf-8")
    found = demo.documented_functions(tmp_path)
    assert [row.id for row in found] == [
        "a.first",
        "a.Outer.method",
        "a.Outer.Inner.deep",
        "a.tried",
        "a.fallback",
        "b.f",
        "b.latin.g",
    ]
    assert found[0].text == (
        'def first(a):\n    """Say first.\n\n    More.\n    """\n    def inner():\n        """Belongs to first."""'
    )
    assert [row.first_line for row in found[:2]] == ["Say first.", "A method."]
    assert found[2].text == 'async def deep(self):\n    """Go deep."""'
    assert [row.module for row in found[4:]] == ["a", "b", "b.latin"]
    assert found[6].text == 'def g():\n    """Café."""'


def test_copies_of_a_target_leave_the_pool_too() -> None:
    functions = [demo.Function(f"m.f{i}", "m", f"def f{i}", "") for i in range(30)]
    copies = [demo.Function("n.f0", "n", "def f0", ""), demo.Function("n.f25", "n", "def f25", "")]
    source, target = demo.split(functions + copies, "m")
    assert [row.id for row in target] == [f"m.f{i}" for i in range(24)]
    assert [row.id for row in source] == [f"m.f{i}" for i in range(24, 30)] + ["n.f25"]


def test_a_python_without_source_files_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        demo.documented_functions(tmp_path)
    message = f"{tmp_path} holds no Python source with docstrings, which the demo ranks"
    assert str(caught.value) == f"{message}; use a Python installed with its standard library as .py files"
