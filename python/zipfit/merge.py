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
from zipfit.options import CHOOSERS, ScoreOptions, SelectOptions
from zipfit.run import Result, Run, sources_of
from zipfit.scores import FILE_NAME, Scores, open_table, read_manifest
from zipfit.scoring import ALL_REJECTED, bad_row, rejected_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["merge"]

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
        for line in _verified(self.directory, self.manifest, writing.REJECTED_NAME).splitlines():
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
            parameters=first["parameters"],
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
        different += [f"--{name.replace('_', '-')}" for name in own if own[name] != other.get(name)]
        different.remove("parameters")
    files = [[(file["name"], file["bytes"]) for file in item["sources"]] for item in (first, content)]
    if files[0] != files[1]:
        different.append("the names or sizes of the sources")
    if different:
        names = ", ".join(different[:3])
        message = f"a shard of another run than {first_directory}: {names} differ; score it again"
        raise MismatchError(f"{directory}: {message}")


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
    """Open the sources, which must have the sizes that they had."""
    content = shards[0].manifest
    parameters = content["parameters"]
    reader = _core.Reader(
        [file["name"] for file in content["sources"]],
        parameters["text"],
        "source",
        id_field=parameters["id"],
        text_by=parameters["text_by"],
    )
    for file, (name, size, _) in zip(content["sources"], reader.found(), strict=True):
        if size != file["bytes"]:
            raise MismatchError(f"{name}: the file changed since it was scored; score again", path=name)
    _warn_of_times(shards)
    return reader


def _warn_of_times(shards: Sequence[_Shard]) -> None:
    """Warn if shards saw a file with several times of change, as copies of it have, but a changed file, too."""
    seen: dict[str, set[int | str]] = {}
    for shard in shards:
        for file, time in sources_of(shard.manifest, Path(shard.directory, writing.MANIFEST_NAME)):
            if time is not None and (file["rows"] or file["sha256"]):
                seen.setdefault(file["name"], set()).add(time)
    for name, times in seen.items():
        if len(times) > 1:
            message = "its time of change is not the same in all shards; unless they had copies of it, score again"
            warnings.warn(f"{name}: {message}", UserWarning, stacklevel=4)


def _whole_sources(shards: Sequence[_Shard]) -> list[dict[str, Any]]:
    """Return the sources with all their rows; files that no shard had whole are hashed."""
    whole = []
    for parts in zip(*(shard.manifest["sources"] for shard in shards), strict=True):
        hashes = {part["sha256"] for part in parts} - {None}
        name = parts[0]["name"]
        if not hashes:
            with Path(name).open("rb") as content:
                hashes = {hashlib.file_digest(content, "sha256").hexdigest()}
        rows = sum(part["rows"] for part in parts)
        whole.append({"name": name, "bytes": parts[0]["bytes"], "sha256": hashes.pop(), "rows": rows})
    return whole


def _write_tables(output: _core.Output, shards: Sequence[_Shard]) -> list[_core.OutputFile]:
    """Write one table of scores, and one list of rejected rows if the shards have them."""
    tables = [open_table(shard.directory, shard.manifest) for shard in shards]
    columns = tables[0].columns
    writer = _core.ScoreWriter(
        output,
        parquet_places="row_group" in columns,
        tokens="tokens" in columns,
        groups="group" in columns,
        left_out="left_out" in columns,
    )
    for shard, table in zip(shards, tables, strict=True):
        writer.add_table(table, shard.rows_before, shard.file, shard.lines_before)
    outputs = [writer.finish()]
    if shards[0].manifest["parameters"]["on_bad_row"] == "skip":
        rows = (rejected_line(row) for shard in shards for row in shard.rejected())
        outputs.append(output.write_pieces(writing.REJECTED_NAME, rows))
    return outputs


def _nothing(shards: Sequence[_Shard]) -> Exception:
    """Return the error that no row was scored."""
    for shard in shards:
        for row in shard.rejected():
            return bad_row(row, ALL_REJECTED)  # type: ignore[arg-type]
    return ParameterError("source has 0 rows; there is nothing to choose from")


def _verified(directory: str, content: dict[str, Any], name: str) -> bytes:
    """Return a file of a finished run, which must be as its manifest says."""
    path = Path(directory, name)
    data = path.read_bytes()
    expected = next((file["sha256"] for file in content["outputs"] if file["name"] == name), None)
    if hashlib.sha256(data).hexdigest() != expected:
        message = "not the file that its manifest describes: it was changed or damaged; score the shard again"
        raise MismatchError(f"{path}: {message}", path=os.fspath(path))
    return data
