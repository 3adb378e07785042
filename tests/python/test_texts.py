"""What the text of a row is: fields, paths, templates and presets, as a user names them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from helpers_files import lines_of, read_rows, write_texts, zipfit_cli
from hypothesis import given
from hypothesis import strategies as st

import zipfit
from zipfit import _core
from zipfit.errors import BadRowError, ParameterError, TextTypeError

ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n{output}"
)
ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n{output}"
)


def texts_of(path: Path, text: str) -> list[str]:
    return [found.decode() for found in _core.Texts.from_files([str(path)], text, "source").to_list()]


def chatml(*messages: tuple[str, str]) -> str:
    return "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in messages)


def save(folder: Path, *rows: dict[str, Any], name: str = "pool.jsonl") -> Path:
    path = folder / name
    path.write_bytes(lines_of(rows))
    return path


# JSON with what Python's dict and dumps cannot say: equal keys, and escapes where none are needed.
KEYS = st.sampled_from(["a", "b", "a.b", "0", "1", "", "\u00e9", "\n", "\U0001f600"])


@st.composite
def strings(draw: st.DrawFn, characters: st.SearchStrategy[str]) -> str:
    text = draw(characters)
    if draw(st.booleans()):
        return json.dumps(text, ensure_ascii=draw(st.booleans()))
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)) + '"'


TEXT = strings(st.text(st.characters(exclude_categories=["Cs"]), max_size=5))
SCALARS = TEXT | st.sampled_from(["null", "true", "1.50", "-0"])


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(strings(KEYS), values), max_size=4)
    return pairs.map(lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}")


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda values: "[ " + ",".join(values) + " ]")


ROWS = objects(st.recursive(SCALARS, lambda inner: objects(inner) | arrays(inner), max_leaves=12))


def walk(row: Any, name: str) -> Any:
    """Return what docs/texts.md says that a field is; LookupError where there is none."""
    if name in row:
        return row[name]
    for step in name.split("."):
        if isinstance(row, list) and step.isascii() and step.isdecimal():
            row = row[int(step)]
        elif isinstance(row, dict):
            row = row[step]
        else:
            raise LookupError(name)
    return row


@given(row=ROWS, path=st.lists(KEYS, min_size=1, max_size=4))
def test_a_path_is_a_walk_through_what_python_parses(row: str, path: list[str]) -> None:
    name = ".".join(path) or "a"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "row.jsonl")
        file.write_text(row, encoding="utf-8")
        try:
            expected = walk(json.loads(row), name)
        except LookupError:
            with pytest.raises(BadRowError, match="no field "):
                texts_of(file, name)
            return
        if isinstance(expected, str):
            assert texts_of(file, name) == [expected]
            assert texts_of(file, f"<{{{name}}}>") == [f"<{expected}>"]
        elif expected is None:
            with pytest.raises(BadRowError, match=" is null, expected a string"):
                texts_of(file, name)
        else:
            # A list of objects is taken for messages, which these are not.
            with pytest.raises((TextTypeError, BadRowError), match="field "):
                texts_of(file, name)


def test_the_choice_between_a_key_and_a_path_is_made_for_each_row(tmp_path: Path) -> None:
    path = save(tmp_path, {"a.b": "key", "a": {"b": "path"}}, {"a": {"b": "path"}}, {"a.b": "key"})
    assert texts_of(path, "a.b") == ["key", "path", "key"]


def test_messages_are_written_as_chat(tmp_path: Path) -> None:
    system, user, answer = ("system", "Be brief."), ("user", "caf\u00e9?\n"), ("assistant", "")
    openai = [{"role": role, "content": content} for role, content in (system, user, answer)]
    parts = [{"role": "user", "content": [{"type": "text", "text": "caf\u00e9"}, {"type": "text", "text": "?\n"}]}]
    path = save(tmp_path, {"messages": openai}, {"messages": parts}, {"messages": "a text"})
    assert texts_of(path, "messages") == [chatml(system, user, answer), chatml(user), "a text"]


def test_sharegpt_is_written_as_chat(tmp_path: Path) -> None:
    speakers = [("system", "system"), ("human", "user"), ("gpt", "assistant"), ("observation", "observation")]
    row = {"conversations": [{"from": speaker, "value": f"by {speaker}"} for speaker, _ in speakers]}
    path = save(tmp_path, row, {"sharegpt": "a field of that name"})
    expected = chatml(*((role, f"by {speaker}") for speaker, role in speakers))
    assert texts_of(path, "sharegpt") == [expected, "a field of that name"]
    with pytest.raises(BadRowError, match=r'no field "conversations"; fields here: "sharegpt"$'):
        texts_of(path, "conversations")


def test_alpaca_is_written_as_its_prompt(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"instruction": "Add.", "input": "1, 2", "output": "3"},
        {"instruction": "Greet.", "input": "", "output": "Hello {name}"},
        {"instruction": "Greet.", "output": "Hello"},
    ]
    path = save(tmp_path, *rows, {"alpaca": "a field of that name"})
    prompts = [(ALPACA_WITH_INPUT if row.get("input") else ALPACA).format_map(row) for row in rows]
    assert texts_of(path, "alpaca") == [*prompts, "a field of that name"]


@pytest.mark.parametrize(
    ("row", "text", "sentence"),
    [
        ({"x": 1}, "alpaca", 'no field "instruction"; fields here: "x"; alpaca takes "instruction", "output" and, '),
        ({"x": 1}, "sharegpt", 'no field "conversations"; fields here: "x"; sharegpt takes "conversations"'),
        ({"x": {"y": 1}}, "x.z", 'no field "x.z"; fields in "x": "y"'),
        ({"x": ["y"]}, "x.1", 'no field "x.1"; "x" is an array of 1, counted from 0'),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
            "messages",
            'field "messages.0.tool_calls" is a call, which is no text; leave such rows out, or name what is text by',
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages",
            'field "messages.0.content.0" is a part of type "image_url" without text; leave such rows out, or name',
        ),
    ],
)
def test_a_row_that_does_not_fit_is_told_by_its_place(
    tmp_path: Path, row: dict[str, Any], text: str, sentence: str
) -> None:
    path = save(tmp_path, {"x": {"z": "good"}, "messages": "good", "sharegpt": "good", "alpaca": "good"}, row)
    if text == "x.1":
        path = save(tmp_path, {"x": ["good", "good"]}, row)
    with pytest.raises(BadRowError) as caught:
        zipfit.rank(path, ["a target"], text=text)
    assert sentence in str(caught.value)
    assert (caught.value.row, caught.value.line) == (1, 2)


def test_every_option_that_names_a_field_takes_a_path(tmp_path: Path) -> None:
    chats = [
        [{"role": "user", "content": f"Number {i}?"}, {"role": "assistant", "content": str(i * 7919)}] for i in range(4)
    ]
    rows = [{"meta": {"id": f"r{i}", "n": i, "lang": "de" * (i % 2)}, "messages": chats[i]} for i in range(4)]
    save(tmp_path, *rows)
    write_texts(tmp_path / "target.jsonl", ["Number 3?"])
    arguments = ["--text", "{messages.0.content}", "--target-text", "text", "--id", "meta.id", "-o", "out"]
    command = ["select", "pool.jsonl", "--target", "target.jsonl", "--overwrite", *arguments]
    for choice, ids in [
        (["--budget-tokens", "4", "--token-field", "meta.n"], ["r3", "r0", "r1"]),
        (["--top-k", "1", "--group", "meta.lang"], ["r3", "r0"]),
    ]:
        done = zipfit_cli(*command, *choice, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert {line["id"] for line in read_rows(tmp_path / "out" / "selection.jsonl")} == set(ids), choice
    assert all(row in rows for row in read_rows(tmp_path / "out" / "selected.jsonl"))


def test_alpaca_is_refused_where_its_prompt_would_be_found_in_every_row(tmp_path: Path) -> None:
    path = save(tmp_path, {"instruction": "Add.", "output": "3"})
    sentence = (
        "alpaca writes the same sentences into rows and evaluation rows, so each row would count as contaminated; "
        r"take the fields by a template, as in '{instruction}\n{output}'"
    )
    with pytest.raises(ParameterError) as caught:
        zipfit.contaminated(path, path, text="alpaca")
    assert str(caught.value) == sentence
    arguments = ["--target", path.name, "--exclude", path.name, "--text", "alpaca", "--top-k", "1", "-o", "out"]
    done = zipfit_cli("select", path.name, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"zipfit: {sentence}\n")
    assert zipfit.contaminated(path, path, text=r"{instruction}\n{output}").tolist() == [True]
    assert zipfit.contaminated(path, ["of something else"], text="alpaca").tolist() == [False]
