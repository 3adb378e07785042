"""``zipfit merge``: the shards of a run become the run over everything.

Numbers of rows and lines are put right, and what depends on all rows is done now: choosing, and with it random numbers,
which are drawn from the seed and the row.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit import _core, manifest, writing
from zipfit.choosing import choose_by_table
from zipfit.errors import MismatchError, ParameterError
from zipfit.options import CHOOSERS, ScoreOptions, SelectOptions, refuse_far_output
from zipfit.paths import named_by_run
from zipfit.run import Result, Run, sources_of
from zipfit.scores import FILE_NAME, Scores, open_table, read_manifest
from zipfit.scoring import ALL_REJECTED, bad_row, rejected_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["merge", "refuse_changed_output", "verified"]

OWN = ("shard", "sources", "counts", "outputs")
"""What the manifests of two shards of a run may differ in."""


@dataclass(frozen=True)
class _Shard:
    """A finished shard."""

    directory: str
    manifest: dict[str, Any]
    rows_before: int
    """Rows of the shards before it."""
    lines_before: int
    """Lines, before it, of the file in which it begins."""

    @property
    def file(self) -> int:
        """Number of the file in which it begins."""
        return int(self.manifest["shard"]["begins"]["file"])

    def rejected(self) -> Iterator[dict[str, Any]]:
        """Read the rows that it rejected, with the numbers that they have in the whole."""
        if self.manifest["parameters"]["on_bad_row"] == "error":
            return
        for line in verified(self.directory, self.manifest, writing.REJECTED_NAME).splitlines():
            row = json.loads(line)
            row["row"] += self.rows_before
            if "line_in_shard" in row:
                row = {"line" if name == "line_in_shard" else name: value for name, value in row.items()}
                row["line"] += self.lines_before
            yield row


def merge(directories: Sequence[str], output: str, *, overwrite: bool = False) -> Result:
    """Put the shards of a run together; if it was to choose rows, choose them.

    Parameters
    ----------
    directories
        Of all shards, in any order.
    output
        Directory for the files, which are those of the run without shards.
    overwrite
        Replace files of an earlier run; False: refuse.

    Returns
    -------
    Result
        As of the run without shards.

    Raises
    ------
    ParameterError
        A directory has no shard; one is missing, or there twice.
    MismatchError
        Shards of different runs, or of files that are no longer what they were.
    ZipfitError, OSError
        As `zipfit.pipeline.select`.
    """
    refuse_far_output(output)
    manifests = _ordered(directories)
    shards = _numbered(manifests)
    first = shards[0].manifest
    run = Run(_options_of(first, output, overwrite=overwrite))
    reader = _open_sources(shards)
    inputs = [file["name"] for side in ("sources", "targets", "exclude") for file in first[side]]
    writing.refuse_own_input(output, inputs)
    for shard in shards:
        if Path(shard.directory).resolve() == Path(output).resolve():
            raise ParameterError(f"-o is the directory of a shard, {shard.directory}; choose another one")
    with writing.open_output(output, overwrite=overwrite) as (out, _):
        counts = {
            name: sum(shard.manifest["counts"][name] for shard in shards)
            for name in first["counts"]
            if name != "selected"
        }
        if not counts["scored"]:
            raise _nothing(shards)
        outputs = _write_tables(out, shards)
        run.counts, run.metric, run.merged = counts, first["parameters"]["metric"], len(shards)
        if isinstance(run.options, SelectOptions):
            scores = Scores(out.partial(FILE_NAME), counts["read"])
            outputs += choose_by_table(run, out, scores, reader=reader, counts=counts)
        content = manifest.build(
            parameters=first["parameters"] | {"on_bad_row": _on_bad_row(shards)},
            library=first["library"],
            tokenizer=first["tokenizer"],
            sources=_whole_sources(shards),
            targets=first["targets"],
            exclude=first["exclude"],
            counts=run.counts,
            seed=first["seed"],
            outputs=outputs,
        )
        writing.finish(out, content, run.started, run.threads, [*reader.found()])
        run.files = [file["name"] for file in outputs]
    run.targets = sum(file["rows"] for file in first["targets"])
    return run.result()


def _ordered(directories: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return directories and manifests in the order of the shards, of which none may be missing."""
    if not directories:
        raise ParameterError("no shard is given; name the directories of all of them")
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    for directory in directories:
        content = read_manifest(directory, of_shard=True)
        number, of = content["shard"]["number"], content["shard"]["of"]
        if number in found:
            raise ParameterError(f"{directory}: shard {number}/{of} is in {found[number][0]}, too; leave out one")
        found[number] = (directory, content)
    first_directory, first = next(iter(found.values()))
    for directory, content in found.values():
        if content["shard"]["of"] != first["shard"]["of"]:
            of = [item["shard"]["of"] for item in (first, content)]
            raise MismatchError(f"{directory}: one of {of[1]} shards, but {first_directory} is one of {of[0]}")
        _check_same_run(first_directory, first, directory, content)
    missing = [number for number in range(1, first["shard"]["of"] + 1) if number not in found]
    if missing:
        names = ", ".join(f"{number}/{first['shard']['of']}" for number in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""  # noqa: PLR2004
        raise ParameterError(f"shard {names}{more} is missing; give the directories of all shards")
    return [found[number] for number in sorted(found)]


def _check_same_run(first_directory: str, first: dict[str, Any], directory: str, content: dict[str, Any]) -> None:
    different = [name for name in {**first, **content} if name not in OWN and first.get(name) != content.get(name)]
    if "parameters" in different:
        own, other = first["parameters"], content["parameters"]
        # Whether rows were skipped is settled shard by shard.
        changed = [name for name in {**own, **other} if name != "on_bad_row" and _differ(own, other, name)]
        different += [f"--{name.replace('_', '-')}" for name in changed]
        different.remove("parameters")
    files = [[(file["name"], file["bytes"]) for file in item["sources"]] for item in (first, content)]
    if files[0] != files[1]:
        different.append("the names or sizes of the sources")
    if different:
        names = ", ".join(different[:3])
        message = f"a shard of another run than {first_directory}: {names} differ; score it again"
        raise MismatchError(f"{directory}: {message}")


def _differ(own: dict[str, Any], other: dict[str, Any], name: str) -> bool:
    return name not in own or name not in other or own[name] != other[name]


def _numbered(manifests: Sequence[tuple[str, dict[str, Any]]]) -> list[_Shard]:
    """Find out what is before each shard, and that it begins where the one before ends."""
    shards: list[_Shard] = []
    rows = lines = 0
    end = None
    for directory, content in manifests:
        shard = content["shard"]
        begin = shard["begins"]
        if end is not None and begin != end:
            raise MismatchError(f"{directory}: it does not begin where the shard before it ends; score both again")
        shards.append(_Shard(directory, content, rows, lines if begin["at"] else 0))
        end = shard["ends"]
        same_file = bool(begin["at"]) and begin["file"] == end["file"]
        lines = shard["lines"] + (lines if same_file else 0)
        rows += content["counts"]["read"]
    return shards


def _options_of(content: dict[str, Any], output: str, *, overwrite: bool) -> ScoreOptions:
    """Return the options of the run, as far as choosing needs them."""
    parameters = content["parameters"]
    if "top_k" not in parameters:
        return ScoreOptions(output=output, overwrite=overwrite)
    names = (*CHOOSERS, "min_bytes", "max_bytes", "sample", "group", "keep_order")
    return SelectOptions(
        output=output,
        overwrite=overwrite,
        seed=content["seed"],
        **{name: parameters[name] for name in names},
    )


def _open_sources(shards: Sequence[_Shard]) -> _core.Reader:
    """Open the sources, which must be what they were."""
    content = shards[0].manifest
    parameters = content["parameters"]
    with named_by_run(shards[0].directory):
        reader = _core.Reader(
            [file["name"] for file in content["sources"]],
            parameters["text"],
            "source",
            id_field=parameters["id"],
            text_by=parameters["text_by"],
        )
    seen = [sources_of(shard.manifest, Path(shard.directory, writing.MANIFEST_NAME)) for shard in shards]
    for (name, size, now), parts in zip(reader.found(), zip(*seen, strict=True), strict=True):
        files = [file for file, _ in parts]
        # Of shards that have a part of it.
        times = {time for file, time in parts if time is not None and (file["rows"] or file["sha256"])}
        _check_source(name, files, times, (size, now))
    return reader


def _check_source(name: str, files: Sequence[dict[str, Any]], times: set[int | str], found: tuple[int, int]) -> None:
    """Raise if a file is not what shards have read; where that cannot be known of copies, warn."""
    size, now = found
    changed = MismatchError(f"{name}: the file changed since it was scored; score again", path=name)
    if size != files[0]["bytes"]:
        raise changed
    if times <= {now}:
        return
    if hashes := {file["sha256"] for file in files} - {None}:
        if hashes != {_hash(name)}:
            raise changed
    elif len(times) == 1:
        message = (
            "its time of change is not what it was when it was scored; score again, or keep times of copies (cp -p)"
        )
        raise MismatchError(f"{name}: {message}", path=name)
    else:
        message = "its time of change is not the same in all shards; unless they had copies of it, score again"
        warnings.warn(f"{name}: {message}", UserWarning, stacklevel=5)


def _hash(name: str) -> str:
    with Path(name).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _whole_sources(shards: Sequence[_Shard]) -> list[dict[str, Any]]:
    """Return the sources with all their rows; files that no shard had whole are hashed."""
    whole = []
    for parts in zip(*(shard.manifest["sources"] for shard in shards), strict=True):
        hashes = {part["sha256"] for part in parts} - {None}
        name = parts[0]["name"]
        rows = sum(part["rows"] for part in parts)
        sha256 = hashes.pop() if hashes else _hash(name)
        whole.append({"name": name, "bytes": parts[0]["bytes"], "sha256": sha256, "rows": rows})
    return whole


def _write_tables(output: _core.Output, shards: Sequence[_Shard]) -> list[_core.OutputFile]:
    """Write one table of scores, and one list of rejected rows if the shards have them."""
    columns = open_table(shards[0].directory, shards[0].manifest).columns
    writer = _core.ScoreWriter(
        output,
        parquet_places="row_group" in columns,
        tokens="tokens" in columns,
        groups="group" in columns,
        left_out="left_out" in columns,
    )
    for shard in shards:
        # One after the other: there may be more shards than a process may open files.
        table = open_table(shard.directory, shard.manifest)
        writer.add_table(table, shard.rows_before, shard.file, shard.lines_before)
        del table
    outputs = [writer.finish()]
    if _on_bad_row(shards) == "skip":
        rows = (rejected_line(row) for shard in shards for row in shard.rejected())
        outputs.append(output.write_pieces(writing.REJECTED_NAME, rows))
    return outputs


def _on_bad_row(shards: Sequence[_Shard]) -> str:
    """Return "skip" if any shard has skipped rows, or would have."""
    policies = {shard.manifest["parameters"]["on_bad_row"] for shard in shards}
    return "skip" if "skip" in policies else "error"


def _nothing(shards: Sequence[_Shard]) -> Exception:
    """Return the error that no row was scored."""
    for shard in shards:
        for row in shard.rejected():
            return bad_row(row, ALL_REJECTED)  # type: ignore[arg-type]
    name = shards[0].manifest["sources"][0]["name"]
    return ParameterError(f"{name}: source has 0 rows; there is nothing to choose from", path=name)


def verified(directory: str, content: dict[str, Any], name: str, remedy: str = "score the shard again") -> bytes:
    """Return a file of a finished run, which must be as its manifest says."""
    data = Path(directory, name).read_bytes()
    _refuse_other(directory, content, name, remedy, hashlib.sha256(data).hexdigest())
    return data


def refuse_changed_output(directory: str, content: dict[str, Any], name: str, remedy: str) -> None:
    """Raise MismatchError unless a file of a finished run, of any size, is as its manifest says."""
    with Path(directory, name).open("rb") as file:
        _refuse_other(directory, content, name, remedy, hashlib.file_digest(file, "sha256").hexdigest())


def _refuse_other(directory: str, content: dict[str, Any], name: str, remedy: str, found: str) -> None:
    path = os.fspath(Path(directory, name))
    expected = next((file["sha256"] for file in content["outputs"] if file["name"] == name), None)
    if found != expected:
        message = f"not the file that its manifest describes: it was changed or damaged; {remedy}"
        raise MismatchError(f"{path}: {message}", path=path)
