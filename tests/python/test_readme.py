"""Every code block of README.md and docs/*.md does what the page says, by the convention of ``helpers_pages``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from helpers_pages import PROJECT, ROOT, run_page

# The page about other frameworks is run where they are: by `make test-frameworks`.
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "frameworks.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_code_block_does_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that runs a page with the given text, ``'''`` standing for the fence."""
    monkeypatch.chdir(tmp_path)

    def run_text(markdown: str) -> int:
        page = tmp_path / "page.md"
        page.write_text(markdown.replace("'''", "```"), encoding="utf-8")
        return run_page(page, tmp_path)

    return run_text


@pytest.mark.parametrize(
    "page",
    [
        "'''python\nx = 1\n'''\nprose\n'''python\nprint(x + 1)\n'''\n\n'''text\n2\n'''",
        "'''sh\necho one > f\ncat f  # a comment\n'''\n'''text\none\n'''",
        "'''sh\necho one > f\n'''\n'''python\nfrom pathlib import Path\nassert Path('f').exists()\n'''",
        "'''sh\necho one \\\n  two\n'''\n'''text\no... two\n'''",
        "1. in a list\n   '''python\n   if True:\n       print('a')\n   '''\n   '''text\n   a\n   '''",
        "'''python\nprint('a')\n'''\nprose makes the next block a picture\n'''text\nb\n'''",
        "'''json\n{\"a\": 1}\n'''\n'''toml\na = 1\n'''",
        "'''sh\nmake demo\nmake test\n'''",
        f"'''sh\npip install . dist/*.whl {PROJECT['name']}\n'''",
        "'''sh\ngit clone https://a.org/b/zipfit.git\ncd zipfit\npip install git+https://a.org/b/zipfit\n'''",
    ],
)
def test_a_page_that_tells_the_truth_passes(page: str, run: Any) -> None:
    assert run(page) >= 1


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("'''python\nprint(1)\n'''\n'''text\n2\n'''", "Expected"),
        ("'''sh\necho 1\n'''\n\n'''text\n2\n'''", "Expected"),
        ("'''python\n1 / 0\n'''", "division by zero"),
        ("'''sh\nfalse\n'''", "exit status 1"),
        ("'''sh\nno-such-command\n'''", "exit status 127"),
        ("'''python\nx = 1", "line 1: a code block without an end"),
        ("'''\nx\n'''", "kind ''"),
        ("'''console\n$ true\n'''", "kind 'console'"),
        ("'''json\n{\n'''", "Expecting property name"),
        ("'''sh\nmake no-such-target\n'''", "no-such-target"),
        ("'''sh\nmake demo\n'''\n'''text\nzipfit\n'''", "only checked"),
        ("'''sh\npip install another-name\n'''", "the distribution is named"),
        ("'''sh\npip install dist/another-1.0-cp311-abi3-any.whl\n'''", "the distribution is named"),
        ("'''sh\npip install '.[no-such]'\n'''", "no such extra"),
        ("'''sh\ngit clone https://a.org/b\npip install git+https://a.org/c\n'''", "another address"),
        ("'''sh\ncd elsewhere\n'''", "no clone makes that folder"),
    ],
)
def test_a_page_that_does_not_fails_with_the_reason(page: str, reason: str, run: Any) -> None:
    with pytest.raises(Exception, match=re.escape(reason)):
        run(page)


def test_a_failure_names_the_line_of_the_page(run: Any) -> None:
    with pytest.raises(ZeroDivisionError) as failure:
        run("# title\n\n'''python\nx = 1\nx / 0\n'''")
    assert failure.value.__notes__ == ["in the python block at page.md:4"]
    assert failure.traceback[-1].lineno + 1 == 5
