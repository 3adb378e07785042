"""The results as tables and as a picture."""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zipfit import _core

Result = dict[str, Any]

KEY = ("judge", "task", "budget", "way", "seed")
"""What a result is known by."""

LEGEND = (
    "± half the range over seeds; + better, - worse than one more draw of random rows (95%, of test rows and draws).\n"
    "Seconds and megabytes are of choosing; of a way that starts several processes, DSIR and zip-fit, those of one.\n"
    "The pool is embedded once, and each way that needs it is told with that; in older directories only the first."
)


class Store:
    """A file of results, a line each; what is there is not measured again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = path.read_bytes() if path.exists() else b""
        # Without a newline at its end the last line was cut off by what stopped the run.
        whole = text[: text.rfind(b"\n") + 1]
        found = [_of_line(line, f"{path}:{number}") for number, line in enumerate(whole.splitlines(), 1)]
        self._results = {_key(result): result for result in found}
        if not all("bits" in result for result in found):
            sys.exit(f"{path} is of an earlier version of this benchmark; name another directory")
        if whole != text:
            path.write_bytes(whole)

    def __contains__(self, result: Result) -> bool:
        return _key(result) in self._results

    def add(self, result: Result) -> None:
        """Keep a result."""
        # As it will be read again: JSON's keys are strings.
        self._results[_key(result)] = json.loads(json.dumps(result))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")

    def all(self) -> list[Result]:
        """All results, the oldest first."""
        return list(self._results.values())


def _of_line(line: bytes, where: str) -> Result:
    """A line of the file of results; exit with the place of one that is damaged."""
    try:
        found = json.loads(line)
    except ValueError as error:
        sys.exit(f"{where}: invalid JSON: {error}; delete the line, and its result is measured again")
    if not _is_result(found, ()):
        sys.exit(f"{where}: no result of this benchmark; delete the line, and what is missing is measured again")
    return dict(found)


def _is_result(found: object, more: Sequence[str]) -> bool:
    return isinstance(found, dict) and all(name in found for name in (*KEY, *more))


def _key(result: Result) -> tuple[Any, ...]:
    return tuple(result[name] for name in KEY)


def judged(results: Iterable[Result], sizes: Mapping[str, Sequence[int]]) -> list[Result]:
    """Turn the bits of each test row into bits per byte of all, and into the difference to random rows.

    The difference is a 95% interval, below 0 if the way is better, and that of `zipfit.evaluate`: paired by test row,
    and against one more random draw rather than the mean of those made. Several seeds of a way count as their mean.

    Parameters
    ----------
    results
        Of any judges.
    sizes
        Bytes of each row of the test, by task.
    """
    found = list(results)
    alike: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for result in found:
        alike[_key(result)[:-1]].append(result)
    made = []
    for result in found:
        of_task = np.array(sizes[result["task"]], np.int64)
        kept = {name: value for name, value in result.items() if name != "bits"}
        if result["judge"].startswith("pretrained"):
            # They are few, and hours of work.
            kept["bits"] = [round(value, 2) for value in result["bits"]]
        kept["bits per byte"] = round(math.fsum(result["bits"]) / int(of_task.sum()), 4)
        random = [np.array(other["bits"]) for other in alike[*_key(result)[:3], "random"]]
        if len(random) > 1 and result["way"] not in ("random", "untrained"):
            mean = np.mean([other["bits"] for other in alike[_key(result)[:-1]]], axis=0)
            kept["against random"] = _core.bootstrap(mean, random, of_task, 0)
        made.append(kept)
    return made


def of_record(record: Path, made_of: Mapping[str, Any]) -> list[Result]:
    """Judged results of a record, which must be of the same pool and tasks; of its several reports the newest ones."""
    found: list[Result] = []
    for report in _reports(record):
        if report["made of"] != made_of:
            sys.exit(f"{record} is of another source, tasks, kinds or rows")
        found = merged(found, report["results"])
    return found


def _reports(record: Path) -> list[dict[str, Any]]:
    """The reports of a record, one after another; exit if it is none of this benchmark."""
    advice = "name a file that --record of this benchmark has written"
    found: list[dict[str, Any]] = []
    try:
        text = record.read_text(encoding="utf-8").rstrip()
        end = 0
        while end < len(text) or not found:
            start = len(text) - len(text[end:].lstrip())
            report, end = json.JSONDecoder().raw_decode(text, start)
            found.append(report)
    except (OSError, ValueError) as error:
        sys.exit(f"{record} is no record: {error}; {advice}")
    for report in found:
        listed = report.get("results") if isinstance(report, dict) and "made of" in report else None
        if not isinstance(listed, list) or not all(_is_result(result, ["bits per byte"]) for result in listed):
            sys.exit(f"{record} is no record of this benchmark; {advice}")
    return found


def merged(earlier: Iterable[Result], later: Iterable[Result]) -> list[Result]:
    """Judged results, of those that are the same the later ones."""
    return list(({_key(result): result for result in earlier} | {_key(result): result for result in later}).values())


def tables(results: Iterable[Result], judge: str, ways: Sequence[str]) -> str:
    """What one judge says, as Markdown: a table for each budget, with a line for each way and a column for each task.

    The last two columns are what choosing took, at most: seconds and megabytes of the process, that reads the pool too.
    """
    found = [result for result in results if result["judge"] == judge and result["way"] in ways]
    budgets = sorted({result["budget"] for result in found}, key=lambda name: int(name.split()[0].replace(",", "")))
    return "\n\n".join(_table(budget, [r for r in found if r["budget"] == budget], ways) for budget in budgets)


def _table(budget: str, found: Sequence[Result], ways: Sequence[str]) -> str:
    tasks = list(dict.fromkeys(result["task"] for result in found))
    rows = [[f"bits per byte, {budget}", *tasks, "seconds", "MB"]]
    rows.append(["---"] * len(rows[0]))
    for way in ways:
        cells = [
            _cell([result for result in found if (result["task"], result["way"]) == (task, way)]) for task in tasks
        ]
        if any(cells):
            rows.append([way, *cells, *(_most(found, way, name) for name in ("choosing seconds", "choosing MB"))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _most(results: Iterable[Result], way: str, name: str) -> str:
    """The largest value of a field among the results of a way; nothing where it is not there."""
    values = [result[name] for result in results if result["way"] == way and name in result]
    return f"{max(values):,.0f}" if values else ""


def _cell(results: Sequence[Result]) -> str:
    """One value, or the mean of several with half their range; nothing where there is none.

    The range is over the seeds of the model, and for random rows over those of the draw too.
    """
    if not results:
        return ""
    values = [result["bits per byte"] for result in results]
    cell = f"{np.mean(values):.3f}"
    if len(values) > 1:
        cell += f" ± {np.ptp(values) / 2:.3f}"
    low, high = results[0].get("against random", (0, 0))
    return f"{cell} +" if high < 0 else f"{cell} -" if low > 0 else cell


def runs_needed(results: Iterable[Result], ways: Sequence[str], goals: Sequence[str], long: int) -> str:
    """Steps of the shortest run after which each way's model is as good as those of each goal after a long one.

    As Markdown. Every run is whole: it chooses for its own budget, and its learning rate falls to 0. The verdicts are
    those on all rows of the test, the mean over the seeds; a long run has `long` steps or more. A goal that is worse
    than the untrained model is none; nothing without a goal. The results are those of the pretrained judge.
    """
    found = list(results)
    columns = []
    for task in dict.fromkeys(result["task"] for result in found):
        untrained = next((r["bits per byte"] for r in found if r["task"] == task and "few rows" in r), np.inf)
        for goal in goals:
            for steps, value in verdicts(found, task, goal).items():
                if steps >= long and value < untrained:
                    columns.append((task, goal, steps, value))
    if not columns:
        return ""
    heads = [f"{goal} after {steps}, {task}: {value:.3f}" for task, goal, steps, value in columns]
    rows = [["a run as good as", *heads]]
    rows.append(["---"] * len(rows[0]))
    for way in ways:
        cells = []
        for task, _, _, goal in columns:
            of_way = verdicts(found, task, way)
            reached = [steps for steps, value in of_way.items() if value <= goal]
            cells.append(f"{reached[0]}" if reached else f"not in {max(of_way)}" if of_way else "")
        if any(cells):
            rows.append([way, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def verdicts(results: Iterable[Result], task: str, way: str) -> dict[int, float]:
    """Bits per byte of all test rows by the steps of the run, the fewest first; the mean over the seeds."""
    of_way = [result for result in results if (result["task"], result["way"]) == (task, way)]
    return {steps: float(np.mean(values)) for steps, values in _by_length(of_way).items()}


def _by_length(results: Iterable[Result]) -> dict[int, list[float]]:
    """Bits per byte of the runs of one task and way, by their steps, the fewest first; one value a seed."""
    found: dict[int, list[float]] = defaultdict(list)
    for result in results:
        if "steps" in result:
            found[result["steps"]].append(result["bits per byte"])
    return dict(sorted(found.items()))


def steps_needed(results: Iterable[Result], ways: Sequence[str], goals: Sequence[str], steps: int) -> str:
    """Steps after which each way's model was as good as those of each goal became, as Markdown.

    The paper's headline. The goal is the lowest point of the goal's curve, the mean of its seeds; a way reaches it at
    the first step at which its own curve is that low. A goal that is never below the untrained model is none; nothing
    without a goal. The results are those of the pretrained judge; only runs of `steps` steps count.
    """
    found = [result for result in results if result.get("steps", steps) == steps]
    columns = []
    for task in dict.fromkeys(result["task"] for result in found):
        untrained = next((r["few rows"] for r in found if r["task"] == task and "few rows" in r), np.inf)
        for goal in goals:
            values = list(mean_curve(found, task, goal).values())
            if values and min(values) < untrained:
                columns.append((task, goal, min(values)))
    if not columns:
        return ""
    rows = [["steps to the lowest of", *[f"{goal}, {task}: {lowest:.3f}" for task, goal, lowest in columns]]]
    rows.append(["---"] * len(rows[0]))
    for way in ways:
        cells = []
        for task, _, lowest in columns:
            curve = mean_curve(found, task, way)
            reached = [step for step, value in curve.items() if value <= lowest]
            total = max(curve, default=0)
            cells.append(f"{reached[0]} of {total}" if reached else f"not in {total}" if curve else "")
        if any(cells):
            rows.append([way, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def mean_curve(results: Iterable[Result], task: str, way: str) -> dict[int, float]:
    """Bits per byte by step, the mean over the seeds; of results with one budget."""
    curves = [_curve(r) for r in results if (r["task"], r["way"]) == (task, way) and "curve" in r]
    return {step: float(np.mean([curve[step] for curve in curves])) for step in (curves[0] if curves else ())}


def _curve(result: Result) -> dict[int, float]:
    return {int(step): value for step, value in result["curve"].items()}


def plot(results: Sequence[Result], curve_steps: int, ways: Sequence[str], path: Path) -> None:
    """Draw how the pretrained model learns from each way's rows, a column a task.

    Above, what whole runs of each length end with, on all test rows; below, the curve of those of `curve_steps` steps,
    on few test rows. The results are those of the pretrained judge.
    """
    import matplotlib as mpl

    mpl.use("svg")
    # The same picture for the same numbers.
    mpl.rcParams["svg.hashsalt"] = "zipfit"
    from matplotlib import pyplot as plt

    found = list(results)
    tasks = list(dict.fromkeys(result["task"] for result in found))
    drawn = [way for way in ways if any(result["way"] == way for result in found)]
    color = plt.get_cmap("tab10" if len(drawn) <= 10 else "tab20")  # noqa: PLR2004 - tab10 has 10
    figure, panels = plt.subplots(2, len(tasks), figsize=(5.5 * len(tasks), 8.4), squeeze=False, layout="constrained")
    for (above, below), task in zip(panels.T, tasks, strict=True):
        of_task = [result for result in found if result["task"] == task]
        for number, way in enumerate(drawn):
            of_way = [result for result in of_task if result["way"] == way]
            curves = [_curve(result) for result in of_way if "curve" in result and result["steps"] == curve_steps]
            within = {step: [curve[step] for curve in curves] for step in (curves[0] if curves else ())}
            for panel, values in ((above, _by_length(of_way)), (below, within)):
                means = [np.mean(value) for value in values.values()]
                panel.plot(list(values), means, marker="o", markersize=3, color=color(number), label=way)
                low, high = ([end(value) for value in values.values()] for end in (min, max))
                panel.fill_between(list(values), low, high, color=color(number), alpha=0.15)
        for panel, name in ((above, "bits per byte"), (below, "few rows")):
            if untrained := [result[name] for result in of_task if "few rows" in result]:
                panel.axhline(untrained[0], color="black", linestyle=":", label="untrained")
        above.set(title=f"{task}: whole runs", xlabel="steps of the run", ylabel="bits per byte of all test rows")
        below.set(
            title=f"{task}: within runs of {curve_steps} steps",
            xlabel="steps of 1,024 tokens",
            ylabel="bits per byte of few test rows",
        )
        lengths = {result["steps"] for result in of_task if "steps" in result}
        of_curves = {step for r in of_task if "curve" in r and r["steps"] == curve_steps for step in _curve(r)}
        for panel, steps in ((above, sorted(lengths)), (below, sorted(of_curves))):
            panel.set_xscale("log")
            panel.set_xticks(steps, [str(step) for step in steps])
            panel.minorticks_off()
    figure.legend(*panels[1][0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    figure.savefig(path, metadata={"Date": None})
