"""Write the tables of docs/misfit-molecules.md or docs/misfit-text.md from a finished study: python docs/misfit_table.py OUT.

Splits of a task are its cuts, where it has several, else its seeds.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from surpass.diagnostics import scatter

PARTS = "misfit", "supervisor", "student"

Values = np.typing.NDArray[np.float64]


class Table(NamedTuple):
    """The supervisors of one student on one problem: misfit and errors, (supervisors, splits, seeds, 3)."""

    task: str
    strong: str
    weak: list[str]
    numbers: Values
    ceiling: Values


def number(value: float) -> str:
    """Return a number with three significant digits or so, and no leading zero."""
    sign, size = "−" if value < 0 else "", f"{abs(value):.{3 if abs(value) < 3 else 2 if abs(value) < 10 else 1}f}"
    return sign + (size[1:] if size.startswith("0.") else size)


def spread(values: Values) -> str:
    """Return the mean of one number per split, and the lowest and highest of them."""
    return f"{number(float(values.mean()))} ({number(float(values.min()))} to {number(float(values.max()))})"


def ranged(item: Any) -> str:
    """Return an estimate with its interval, from results.json or from the library."""
    value, low, high = (
        item[name] if isinstance(item, dict) else getattr(item, name) for name in ("value", "low", "high")
    )
    return f"{number(value)} [{number(low)}, {number(high)}]"


def short(weak: str) -> str:
    """Return a supervisor's label without how its network was learned, which all networks of the recipe share."""
    return re.sub(r"(reads|depth|learn_epochs|learn_batch)=\w+(, )?", "", weak)


def problem(task: str) -> str:
    """Return a task's label without its cut."""
    return re.sub(r"\(\)", "", re.sub(r"cut=\d+(, )?", "", task))


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Yield the numbers of every problem and strong model."""
    rows = [row for row in results["misfits"] if (row["split"], row["domain"], row["loss"]) == ("test", "", "squared")]
    ceilings = {(row["task"], row["strong"]): row["ceiling"] for row in results["rows"] if row["metric"] == "mse"}
    for told in dict.fromkeys((problem(row["task"]), row["strong"]) for row in rows):
        mine = [row for row in rows if (problem(row["task"]), row["strong"]) == told]
        cuts, weak = (list(dict.fromkeys(row[name] for row in mine)) for name in ("task", "weak"))
        held = {(row["weak"], row["task"]): [[one[name] for name in PARTS] for one in row["seeds"]] for row in mine}
        numbers = np.array([[held[name, cut] for cut in cuts] for name in weak], dtype=np.float64)
        numbers = numbers if len(cuts) > 1 else numbers.swapaxes(1, 2)
        yield Table(*told, weak, numbers, np.array([ceilings[cut, told[1]] for cut in cuts]))


def supervisors(found: Table) -> Iterator[str]:
    """Yield a table like the paper's, from the best error - misfit to the worst."""
    splits = found.numbers.shape[1] * found.numbers.shape[2]
    yield f"**{found.task}, student {found.strong}; ceiling {spread(found.ceiling)}**"
    yield ""
    yield f"| supervisor | its error | misfit | error − misfit | student's error | picked, of {splits} | best, of {splits} |"
    yield "|:--|--:|--:|--:|--:|--:|--:|"
    misfit, error, student = np.moveaxis(found.numbers, -1, 0)
    bound = error - misfit
    for i in np.argsort(bound.mean(axis=(1, 2))):
        shown = (spread(part[i].mean(axis=1)) for part in (error, misfit, bound, student))
        counts = (f"{(part.argmin(axis=0) == i).sum()}" for part in (bound, student))
        yield f"| {short(found.weak[i])} | {' | '.join(shown)} | {' | '.join(counts)} |"
    yield ""


def verdict(found: Table) -> str:
    """Return a line of what the rule on averages and in each split costs, with the smallest error and chance beside it."""
    misfit, error, student = np.moveaxis(found.numbers, -1, 0)
    bound, best = error - misfit, student.min(axis=0)
    picks = {"rule": bound, "error": error}
    costs = {
        name: np.take_along_axis(student, part.argmin(axis=0)[None], axis=0)[0] - best for name, part in picks.items()
    }
    averages = [part.mean(axis=(1, 2)) for part in (bound, student)]
    right = averages[0].argmin() == averages[1].argmin()
    shown = [f"{(part <= 1e-12).sum()} of {part.size}, {number(float(part.mean()))}" for part in costs.values()]
    order = np.corrcoef(*(np.argsort(np.argsort(part)) for part in averages))[0, 1]
    chance = number(float((student - best).mean()))
    told = f"{short(found.weak[int(averages[0].argmin())])}, {'the best' if right else 'not the best'}"
    return f"| {found.task} | {found.strong} | {told} | {number(float(order))} | {' | '.join(shown)} | {chance} |"


def points(found: Table) -> str:
    """Return a line of how gain goes with misfit over supervisors and splits, and how many keep to either inequality.

    The second is that of a target outside the student's class, with the ceiling's error for that of the class's best.
    """
    misfit, error, student = np.moveaxis(found.numbers.mean(axis=2), -1, 0)
    slack = error - student - misfit
    lowest = -2 * np.sqrt(found.ceiling * misfit)
    shown = " | ".join(ranged(item) for item in scatter(misfit.ravel(), (error - student).ravel()))
    counts = (f"{int(part.sum())} of {part.size}" for part in (slack >= 0, slack >= lowest))
    return f"| {found.task} | {found.strong} | {shown} | {' | '.join(counts)} |"


def written(out: Path) -> str:
    """Return all tables of a study as Markdown."""
    results = json.loads((out / "results.json").read_text("utf-8"))
    every = list(tables(results))
    lines = [line for found in every for line in supervisors(found)]
    lines.append(
        "| task | student | smallest mean of error − misfit | rank correlation | "
        "rule: right, regret | smallest error: right, regret | regret at random |"
    )
    lines += ["|:--|:--|:--|--:|--:|--:|--:|", *map(verdict, every), ""]
    lines.append(
        "| task | student | correlation | slope | mean of gain − misfit | gain ≥ misfit | "
        "gain − misfit ≥ −2√(ceiling's error × misfit) |"
    )
    lines += ["|:--|:--|:--|:--|:--|--:|--:|", *map(points, every), ""]
    lines.append("| task | student | regret of the rule | of the smallest error | at random |")
    lines.append("|:--|:--|:--|:--|:--|")
    for row in results["selections"]:
        shown = (ranged(row[name]) for name in ("regret", "regret_error", "regret_random"))
        lines.append(f"| {row['task']} | {row['strong']} | {' | '.join(shown)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(written(Path(sys.argv[1])) + "\n")
