"""What a run of the pipeline finds out, and what it has to tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit import _core, manifest, shards, writing
from zipfit.covering import Cover
from zipfit.errors import MismatchError
from zipfit.options import shard_name
from zipfit.spool import far_away

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.options import ScoreOptions
    from zipfit.scoring import Task
    from zipfit.selection import Selection

__all__ = ["Result", "Run", "sources_of"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run has to tell."""

    output: str
    """Directory that the files are in."""
    files: tuple[str, ...]
    """Their names."""
    counts: dict[str, int]
    """As in the manifest."""
    already_done: bool = False
    """An earlier run had finished, and nothing was done now; what follows is then not known."""
    scores: str | None = None
    """Directory of the scores that were chosen by; None when the rows were scored now."""
    shard: str | None = None
    """Which part of the sources was scored, as "2/7"; None when it was all."""
    merged: int | None = None
    """How many shards were put together; None when none were."""
    targets: int | None = None
    metric: str | None = None
    """None when rows were not chosen by a score of each."""
    budget: int | None = None
    """None when how much to choose was not said in bytes or tokens."""
    budget_unit: str | None = None
    """"bytes" or "tokens"; None without a budget."""
    spent: int | None = None
    """What the chosen rows have of it; None without a budget."""
    groups: int | None = None
    """Groups among the rows chosen; None when none were asked for."""
    beta: float | None = None
    """The one that was used; None when rows were not chosen jointly."""
    covered: float | None = None
    """Coverage of all chosen rows, as in `Cover.coverage`; None when rows were not chosen jointly."""
    best_score: float | None = None
    """None when no row was chosen."""
    last_score: float | None = None
    seconds: float
    threads: int


class Run:
    """What is found out about a run while it goes on."""

    def __init__(self, options: ScoreOptions) -> None:
        self.started = datetime.now(UTC)
        self.options = options
        self.threads = _core.available_threads() if options.threads is None else options.threads
        self.counts: dict[str, int] = {}
        self.files: list[str] = []
        self.selection: Selection | None = None
        self.targets: int | None = None
        self.metric: str | None = None
        self.spent: int | None = None
        self.groups: int | None = None
        self.beta: float | None = None
        self.merged: int | None = None

    @property
    def seed(self) -> int:
        """As recorded."""
        seed = getattr(self.options, "seed", None)
        return manifest.DEFAULT_SEED if seed is None else seed

    def finish(
        self,
        output: _core.Output,
        parameters: dict[str, object],
        library: dict[str, object] | None,
        task: Task,
        outputs: Sequence[_core.OutputFile],
    ) -> None:
        """Write the records, and let all files appear."""
        content = manifest.build(
            parameters=parameters,
            library=library,
            tokenizer=None if task.counter is None else task.counter.record,
            sources=shards.sources(task),
            targets=task.target_reader.files(),
            exclude=task.filters.files(),
            counts=self.counts,
            seed=self.seed,
            outputs=outputs,
            shard=shards.record(task),
        )
        self.files = [file["name"] for file in outputs]
        writing.finish(output, content, self.started, self.threads, task.spool.stamped(task.reader.found()))

    def is_done(self, parameters: dict[str, object], library: dict[str, object] | None, task: Task) -> bool:
        """Whether the output is that of a run with these parameters and inputs; raises if it is of another one."""
        path = Path(self.options.output, writing.MANIFEST_NAME)
        try:
            former = json.loads(path.read_text(encoding="utf-8"))
            found = {"zipfit": former["zipfit"], "seed": former["seed"], **former["parameters"]}
            found |= {name: former[name] for name in ("library", "tokenizer", "targets", "exclude")}
            found["shard"] = shards.name(former.get("shard"))
            sources = sources_of(former, path)
            found["sources"] = [[file["name"], file["bytes"], stamp] for file, stamp in sources]
            self.counts, self.files = former["counts"], [file["name"] for file in former["outputs"]]
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError):
            message = f"{path}: this file is no manifest of zipfit; give another directory"
            raise MismatchError(message, path=str(path)) from None
        wanted: dict[str, object] = {"zipfit": _core.__version__, "seed": self.seed, "shard": shard_name(self.options)}
        wanted |= json.loads(json.dumps(parameters))
        if wanted.get("beta") is None:
            # Of joint selection it is found by the run.
            wanted["beta"] = found.setdefault("beta", None)
        wanted |= {"library": library, "tokenizer": None if task.counter is None else task.counter.record}
        wanted |= {"targets": task.target_reader.files(), "exclude": task.filters.files()}
        if far := far_away(task.options.source):
            # Nothing has to be copied for this.
            wanted["sources"] = [list(file) for file in far]
        else:
            opened, spool = task.reader.found(), task.spool
            found["sources"] = [
                [file["name"], file["bytes"], file["sha256"] if file["name"] in spool.paths else stamp]
                for file, stamp in sources
            ]
            wanted["sources"] = [
                [name, size, spool.sha256(name) if name in spool.paths else modified] for name, size, modified in opened
            ]
        if different := [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]:
            names = ", ".join(different[:3])
            message = f"a finished run is here, and it was another one: {names} differ; give another directory"
            raise MismatchError(f"{self.options.output}: {message}, or start afresh with --overwrite")
        return True

    def done(self) -> Result:
        """Return the result of a run that an earlier one had finished."""
        return Result(
            output=self.options.output,
            files=tuple(self.files),
            counts=self.counts,
            already_done=True,
            seconds=(datetime.now(UTC) - self.started).total_seconds(),
            threads=self.threads,
        )

    def result(self) -> Result:
        """Return what there is to tell."""
        budgets = {unit: getattr(self.options, f"budget_{unit}", None) for unit in ("bytes", "tokens")}
        unit, budget = next(((unit, amount) for unit, amount in budgets.items() if amount is not None), (None, None))
        scores = np.empty(0) if self.selection is None else self.selection.scores
        covered = None
        if isinstance(self.selection, Cover):
            covered = float(self.selection.coverage[-1]) if len(scores) else 0.0
        return Result(
            output=self.options.output,
            files=tuple(name for name in writing.ALL_NAMES if name in {*self.files, *writing.RECORD_NAMES}),
            counts=self.counts,
            scores=getattr(self.options, "scores", None),
            shard=shard_name(self.options),
            merged=self.merged,
            targets=self.targets,
            metric=self.metric,
            budget=budget,
            budget_unit=unit,
            spent=self.spent,
            groups=self.groups,
            beta=self.beta,
            covered=covered,
            best_score=float(scores[0]) if len(scores) else None,
            last_score=float(scores[-1]) if len(scores) else None,
            seconds=(datetime.now(UTC) - self.started).total_seconds(),
            threads=self.threads,
        )


def sources_of(former: dict[str, Any], manifest_path: Path) -> list[tuple[dict[str, Any], int | str | None]]:
    """Return the sources of a finished run, each with its time of change, or version, where that is known."""
    sources = former["sources"]
    try:
        run = json.loads(manifest_path.with_name("run.json").read_text(encoding="utf-8"))
        stamps = [file.get("version", file.get("modified_ns")) for file in run["sources"]]
    except (OSError, ValueError, KeyError, TypeError):
        stamps = []
    if len(stamps) != len(sources):
        # It is no part of the result, and may have been left behind: sizes are known from the manifest.
        stamps = [None] * len(sources)
    return list(zip(sources, stamps, strict=True))
