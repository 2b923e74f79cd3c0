"""Write the tables of docs/misfit-mixtures.md from a finished study: python docs/mixtures_table.py OUT."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from surpass.artifacts import Values
from surpass.diagnostics.misfit import columns, misfit_rows
from surpass.folder import recall
from surpass.metrics import METRICS
from surpass.models.mixture import Mixture
from surpass.shelf import Scored, Shelf, run_of
from surpass.stats import Estimate, Ratios, Run, ratio_estimates
from surpass.study import cells

GAIN_MISFIT_SLACK = np.array([[1, -1, 0], [0, 0, 1], [1, -1, -1]], dtype=np.float64)
"""From the supervisor's error, the student's, and misfit."""


def number(value: float) -> str:
    """Return a number with three digits and no leading zero."""
    sign, size = "−" if value < 0 else "", f"{abs(value):.3f}"
    return sign + (size[1:] if size.startswith("0.") else size)


def ranged(item: Estimate) -> str:
    """Return an estimate with its interval."""
    return f"{number(item.value)} [{number(item.low)}, {number(item.high)}]"


def against_ceiling(supervisor: Values, student: Values, ceiling: Values) -> Values:
    """Return KL(ceiling || supervisor), KL(ceiling || student) and misfit of each row, (n, 3)."""
    pairs = (ceiling, supervisor), (ceiling, student), (student, supervisor)
    return np.column_stack([misfit_rows(*pair, loss="reverse_kl") for pair in pairs])


def estimates(tops: list[Values], groups: list[tuple[str, ...]]) -> list[Estimate]:
    """Return gain, misfit and slack from (n, 3) numbers of each seed."""
    parts = [Ratios(top, np.ones_like(top), names) for top, names in zip(tops, groups, strict=True)]
    return ratio_estimates(parts, ("supervisor's error", "student's error", "misfit"), GAIN_MISFIT_SLACK)


def scores(runs: list[Run]) -> Iterator[tuple[float, ...]]:
    """Yield accuracy, then log loss, of supervisor, student and ceiling, as means over seeds."""
    for name in ("accuracy", "log_loss"):
        score = METRICS[name]
        yield tuple(
            float(np.mean([score.value(*score.checked(run.labels, getattr(run, role))) for run in runs]))
            for role in ("floor", "student", "ceiling")
        )


def line(seeds: list[Scored]) -> tuple[str, str]:
    """Return one line of the table of scores, and one of that of slack."""
    runs = [run_of(one, "test", "last") for one in seeds]
    tests = [(run.floor, run.student, run.ceiling) for run in runs]
    rows = [one.splits.part("transfer") for one in seeds]
    taught = [
        tuple(part.on(held.ids) for part in (one.supervisor, one.student.predictions, one.ceiling.predictions))
        for one, held in zip(seeds, rows, strict=True)
    ]
    labels = [np.column_stack([columns(run, "reverse_kl")[i] for i in (1, 2, 0)]) for run in runs]
    names = [tuple(map(str, run.groups)) for run in runs]
    gain, misfit, slack = estimates(labels, names)
    of_ceiling = estimates([against_ceiling(*map(np.asarray, test)) for test in tests], names)
    in_sample = estimates([against_ceiling(*parts) for parts in taught], [held.groups for held in rows])
    (low, right, high), (first, second, third) = scores(runs)
    ends = " | ".join(map(number, (low, right, high, first, second, third)))
    return ends, " | ".join(
        [number(gain.value), number(misfit.value), *map(ranged, (slack, of_ceiling[2], in_sample[2]))]
    )


def tables(out: Path) -> str:
    """Return the table of scores and the table of slack against the number of heads, as Markdown."""
    plan, _, store = recall(out)
    shelf, held = Shelf(store), dict[tuple[str, str, int], list[Scored]]()
    for cell in cells(plan.study):
        strong = cell.pair.strong
        if isinstance(strong, Mixture) and (found := shelf.scored(cell)):
            place = cell.task.label(), cell.route.label(), strong.heads
            held.setdefault(place, []).append(found)
    lines = {place: line(seeds) for place, seeds in sorted(held.items())}
    top = [
        "| task | method | k | floor | student | ceiling | floor's log loss | student's | ceiling's |",
        "|:--|:--|--:|--:|--:|--:|--:|--:|--:|",
    ]
    top += [f"| {task} | {method} | {k} | {ends} |" for (task, method, k), (ends, _) in lines.items()]
    low = [
        "| task | method | k | gain | misfit | slack | against the ceiling, test rows | against the ceiling, training rows |",
        "|:--|:--|--:|--:|--:|:--|:--|:--|",
    ]
    low += [f"| {task} | {method} | {k} | {slacks} |" for (task, method, k), (_, slacks) in lines.items()]
    return "\n".join([*top, "", *low])


if __name__ == "__main__":
    sys.stdout.write(tables(Path(sys.argv[1])) + "\n")
