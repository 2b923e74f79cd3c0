"""How much of what finetuning adds is already there: each way to use a backbone between its two ends on ground truth.

Burns et al. 2023 (section 5.2.3): a linear probe on frozen features, fitted on ground truth, is the lower end; finetuning on
ground truth the upper. A way to use the same backbone, such as a probe on ground truth after finetuning on weak labels,
closes the share (score - lower) / (upper - lower) of the gap between them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy.typing as npt

from surpass.stats import Estimate, Run, compare


class Closed(NamedTuple):
    """The score of one way to use a backbone, and the share of the gap that it closes; without both ends there is none."""

    score: Estimate
    share: Estimate | None


def closed(
    metric: str,
    runs: Sequence[Run],
    *,
    lower: Sequence[npt.ArrayLike] | None,
    upper: Sequence[npt.ArrayLike] | None,
    level: float = 0.95,
) -> Closed:
    """Return score and share of the gap closed, all paired by test row and seed.

    The share is a ratio like the PGR and has its interval by Fieller; it is undefined when the gap is not significant.

    Args:
        metric: of the scores.
        runs: one per seed; `student` is what is scored, the other predictions are not read.
        lower: of each seed the predictions of the probe on frozen features, fitted on ground truth, on the same rows.
        upper: of each seed the predictions of the finetuned model, fitted on ground truth, on the same rows.
        level: nominal coverage.

    Raises:
        DataError: no runs, or predictions that the metric cannot take.
    """
    if lower is None or upper is None:
        alone = [Run(run.labels, run.groups, run.student, floor=run.student, ceiling=run.student) for run in runs]
        return Closed(compare(metric, alone, level=level).student, None)
    between = [
        Run(run.labels, run.groups, run.student, floor=low, ceiling=high)
        for run, low, high in zip(runs, lower, upper, strict=True)
    ]
    found = compare(metric, between, level=level)
    note = found.pgr.note.replace("ceiling", "upper end").replace("floor", "lower end")
    return Closed(found.student, dataclasses.replace(found.pgr, note=note))
