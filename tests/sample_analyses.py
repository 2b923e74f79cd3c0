"""The invented study of `sample_results` with its analyses: errors, calibration, a ladder, ways to use a backbone."""

from __future__ import annotations

import dataclasses

from sample_results import METHODS, PAIRS, SCORES, TASKS, estimate, nothing, sample

from surpass.diagnostics import ReliabilityBin
from surpass.results import CalibrationRow, ErrorRow, LadderRow, Results, Rung, SaliencyRow, Way

GONE = "inheritance over all rows does not exist in 5 of 5 seeds"


def error_rows(task: str, pair: int, method: int, split: str = "test") -> tuple[ErrorRow, ...]:
    """All rows and three bins; the supervisor is never wrong in the last."""
    found = []
    for place, (low, high) in enumerate([(0.5, 1.0), (0.5, 0.62), (0.62, 0.81), (0.81, 1.0)]):
        taken, wrong = 0.4 + 0.12 * place + 0.05 * method, (120, 70, 50, 0)[place]
        shares = (
            [estimate(taken, 0.04), estimate(0.97 - taken, 0.04), estimate(0.03, 0.01)]
            if wrong
            else [nothing(GONE)] * 3
        )
        names = (task, split, *PAIRS[pair], METHODS[method])
        found.append(ErrorRow(*names, place, low, high, 500 if place else 1500, wrong, *shares, estimate(0.06, 0.02)))
    return tuple(found)


def calibration_rows(task: str, pair: int, method: int, split: str = "test") -> tuple[CalibrationRow, ...]:
    """Supervisor and ceiling are the same for both methods; the student of the second is too sure."""
    found = []
    for role, over in (("floor", -0.02), ("student", 0.09 * method), ("ceiling", 0.01)):
        curve = tuple(
            ReliabilityBin(i / 15, (i + 1) / 15, 10 * i, (i + 0.5) / 15, (i + 0.5) / 15 - over) for i in range(8, 15)
        )
        scores = (estimate(abs(over), 0.01), estimate(0.2, 0.01), estimate(0.8 + over, 0.01), estimate(over, 0.03))
        found.append(CalibrationRow(task, split, *PAIRS[pair], METHODS[method], role, *scores, curve))
    return tuple(found)


def ladder(*, sized: bool = True, method: str = METHODS[0]) -> LadderRow:
    """Three students, the largest of which copies fewer errors."""
    rungs = tuple(
        Rung(
            f"student of {name}",
            size if sized else None,
            estimate(0.7 + 0.05 * i, 0.02),
            estimate(0.2 + 0.2 * i, 0.1) if i else nothing("no gap"),
            *(estimate(value - 0.05 * i, 0.02) for value in (0.85, 0.95, 0.6)),
        )
        for i, (name, size) in enumerate([("tiny", 22_713_216), ("middle", 134_515_008), ("large", 1_500_000_000)])
    )
    differences = (estimate(0.1, 0.02), *(estimate(-0.1, 0.03) for _ in range(3)))
    return LadderRow(TASKS[0], "tfidf", "probe", method, "accuracy", sized, rungs, *differences)


def saliency_row(task: str = TASKS[0]) -> SaliencyRow:
    """The numbers of Burns et al. 2023, section 5.2.3."""
    ways = (
        Way("probe on frozen features, gold labels", "smollm2-135m probe", "", 500, estimate(0.72, 0.01), None),
        Way("finetuned, gold labels", "smollm2-135m lora", "", 500, estimate(0.82, 0.01), None),
        Way("finetuned, weak labels", "smollm2-135m lora", "soft", 500, estimate(0.75, 0.01), estimate(0.3, 0.1)),
        Way(
            "finetuned, then a probe on ground truth",
            "smollm2-135m lora",
            "soft",
            500,
            estimate(0.78, 0.01),
            estimate(0.6, 0.1),
        ),
        Way("prompted without examples", "smollm2-135m prompt", "", 0, estimate(0.6, 0.02), nothing("no answer")),
    )
    return SaliencyRow(task, "tfidf", "smollm2-135m", "accuracy", ways, (0, 1))


def full() -> Results:
    """The sample with everything that analyses can say."""
    cells = [(task, pair, method) for task, pair in SCORES for method in range(2)]
    splits = [
        (*cell, split) for cell in cells for split in ("test", "shift:forum") if split == "test" or cell[0] == TASKS[0]
    ]
    return dataclasses.replace(
        sample(),
        errors=tuple(row for one in splits for row in error_rows(*one)),
        calibration=tuple(row for one in splits for row in calibration_rows(*one)),
        ladders=(ladder(), ladder(sized=False, method=METHODS[1])),
        saliency=(saliency_row(),),
    )
