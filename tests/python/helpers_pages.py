"""Runs the code blocks of a page as they stand: for README.md and docs/*.md, `test_readme` and `tests/frameworks`.

The convention for whoever writes them:

- ``python`` blocks of a file share one namespace, ``sh`` blocks its directory (temporary, empty at first); all run in
  the order of the file. A block that raises or warns, or a line of shell that exits non-zero, fails.
- A ``text`` block right below (blank lines between at most) is what the block prints on standard output, to the
  letter, but for spaces at the ends of lines and ``...``, which stands for anything. Without one, nothing is claimed
  about what is printed. ``text`` blocks elsewhere are pictures.
- ``json`` and ``toml`` blocks must parse. A block of another kind, or of none, fails: it would go unchecked.

A line of shell runs by itself, so a variable or ``cd`` does not last; a ``\\`` at its end continues it. It sees a
terminal of 80 columns without colours. Some lines would need the network or never end, and only what they refer to is
checked; such a block cannot have a ``text`` block:

- ``make X``: the target exists (``make -n``, because ``make test`` runs this file);
- ``pip install X``: X is this distribution under the name in pyproject.toml, with extras that exist: a wheel file,
  ``.``, the name, or its git address;
- ``git clone X``: X is that same git address everywhere in the file, and an address in pyproject.toml if it has one;
- ``cd X``: X is the folder that such a clone makes.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SECONDS_PER_LINE = 300

HEADING = re.compile(r"^## +(?P<title>.+?) *$")
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<kind>[^`\n]*)$")
EXTRAS = r"(\[(?P<extras>[\w,-]+)\])?"
GIT_ADDRESS = re.compile(rf"^(?P<name>[\w.-]+)?{EXTRAS}( *@ *)?git\+(?P<address>https://[^@#\s]+)(@[\w./-]+)?$")


class Block(NamedTuple):
    """A fenced code block; ``section`` is the heading above it, ``printed`` the text block right below it."""

    kind: str
    line: int
    code: str
    section: str | None = None
    printed: str | None = None


def parse(markdown: str) -> list[Block]:
    """Give the code blocks of a page; ``line`` is that of a block's first line of code, from 1."""
    blocks: list[Block] = []
    opened: re.Match[str] | None = None
    section: str | None = None
    begin = end = 0
    lines = markdown.splitlines()
    for number, line in enumerate(lines, start=1):
        if opened is None:
            if opened := FENCE.match(line):
                begin = number + 1
            elif heading := HEADING.match(line):
                section = heading["title"]
        elif line.strip() == opened["fence"]:
            code = textwrap.dedent("\n".join(lines[begin - 1 : number - 1])) + "\n"
            block = Block(opened["kind"].strip(), begin, code, section)
            adjacent = blocks and not "".join(lines[end : begin - 2]).strip()
            if adjacent and block.kind == "text" and blocks[-1].kind in {"python", "sh"} and blocks[-1].printed is None:
                blocks[-1] = blocks[-1]._replace(printed=block.code)
            else:
                blocks.append(block)
            opened, end = None, number
    assert opened is None, f"line {begin - 1}: a code block without an end"
    return blocks


def run_page(page: Path, directory: Path, section: str | None = None) -> int:
    """Run the blocks of a page in ``directory`` and return how many there were.

    With a section, those above the first heading and those of that section.
    """
    markdown = page.read_text(encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    blocks = [block for block in parse(markdown) if section is None or block.section in {None, section}]
    for block in blocks:
        try:
            run_block(block, page.name, markdown, namespace, directory)
        except Exception as error:
            error.add_note(f"in the {block.kind} block at {page.name}:{block.line}")
            raise
    return len(blocks)


def run_block(block: Block, page: str, markdown: str, namespace: dict[str, Any], directory: Path) -> None:
    match block.kind:
        case "python":
            check_printed(block, run_python(block, page, namespace))
        case "sh":
            check_printed(block, run_shell(block, markdown, directory))
        case "json":
            json.loads(block.code)
        case "toml":
            tomllib.loads(block.code)
        case "text":
            pass
        case _:
            raise AssertionError(f"a block of kind {block.kind!r}; use python, sh, text, json or toml")


def check_printed(block: Block, printed: str | None) -> None:
    if block.printed is None:
        return
    assert printed is not None, "a line that is only checked, not run, prints nothing to compare the text block with"
    want, got = (re.sub(r" +$", "", text, flags=re.MULTILINE) for text in (block.printed, printed))
    checker, options = doctest.OutputChecker(), doctest.ELLIPSIS
    difference = checker.output_difference(doctest.Example(block.code, want), got, options)
    assert checker.check_output(want, got, options), difference


def run_python(block: Block, page: str, namespace: dict[str, Any]) -> str:
    # Blank lines in front, so that a traceback tells the line of the page.
    code = compile("\n" * (block.line - 1) + block.code, page, "exec", dont_inherit=True)
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, namespace)  # the page's own code
    return printed.getvalue()


def run_shell(block: Block, markdown: str, directory: Path) -> str | None:
    """Run a block's lines and return what they print; None if some line is only checked."""
    if sys.platform == "win32":
        pytest.skip("the shell blocks are written for a Unix shell")
    commands = str(Path(sys.executable).parent)  # where the installed `zipfit` is
    printed: str | None = ""
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if check_without_running(words, markdown):
            printed = None
            continue
        output = subprocess.run(
            line,
            shell=True,
            cwd=directory,
            env=os.environ
            | {"PATH": os.pathsep.join([commands, os.environ["PATH"]]), "COLUMNS": "80", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS_PER_LINE,
            check=False,
        )
        assert output.returncode == 0, f"{line}\nexit status {output.returncode}\n{output.stdout}{output.stderr}"
        if printed is not None:
            printed += output.stdout
    return printed


def check_without_running(words: list[str], markdown: str) -> bool:
    """Tell whether this is a line that is only checked, and check it."""
    match words:
        case ["make", *targets]:
            # The variables of the make that runs this test would change what this one does.
            env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
            output = subprocess.run(
                ["make", "-n", *targets], cwd=ROOT, env=env, capture_output=True, text=True, check=False
            )
            assert output.returncode == 0, f"make -n {targets}: {output.stderr}"
        case ["pip", "install", *requirements] | ["python" | "python3", "-m", "pip", "install", *requirements]:
            for requirement in requirements:
                check_requirement(requirement, markdown)
        case ["git", "clone", address]:
            check_address(address, markdown)
        case ["git", *_]:
            raise AssertionError("of git only `git clone ADDRESS` can be checked")
        case ["cd", folder]:
            clones = re.findall(r"git clone \S*/([\w.-]+)", markdown)
            assert folder in [clone.removesuffix(".git") for clone in clones], (
                f"cd {folder}: no clone makes that folder"
            )
        case _:
            return False
    return True


def check_requirement(requirement: str, markdown: str) -> None:
    own = PROJECT["name"]
    if git := GIT_ADDRESS.match(requirement):
        check_address(git["address"], markdown)
        name, extras = git["name"] or own, git["extras"]
    elif wheel := re.search(rf"(?P<name>[^/-]+)(-[^/]*)?\.whl{EXTRAS}$", requirement):
        name, extras = wheel["name"], wheel["extras"]
        # A wheel's file name has underscores for hyphens; `dist/*.whl` names none.
        name = own if name in {"*", own.replace("-", "_")} else name
    else:
        plain = re.fullmatch(rf"(?P<name>\.|[\w.-]+){EXTRAS}", requirement)
        assert plain, f"pip install {requirement}: not a form that can be checked"
        name, extras = own if plain["name"] == "." else plain["name"], plain["extras"]
    assert name == own, f"pip install {requirement}: the distribution is named {own}"
    unknown = set((extras or "").split(",")) - {"", *PROJECT["optional-dependencies"]}
    assert not unknown, f"pip install {requirement}: no such extra: {unknown}"


def check_address(address: str, markdown: str) -> None:
    clones = re.findall(r"git clone (https://\S+)", markdown)
    installs = re.findall(r"git\+(https://[^@#\s'\"]+)", markdown)
    known = PROJECT.get("urls", {}).get("Repository", address)
    others = {other.removesuffix(".git") for other in [*clones, *installs, known]} - {address.removesuffix(".git")}
    assert not others, f"{address}: the repository has another address elsewhere: {others}"
