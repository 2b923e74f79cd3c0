"""An invented study with something of everything: what the tests of the report show, and what a reader of them needs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from surpass.checks import Finding
from surpass.results import AgreementRow, Curve, ResultRow, Results, StageFact
from surpass.stats import Estimate

NAN = math.nan
METHOD = "invented: t interval, seeds and bootstrap over rows, 10000 resamples"
PAIRS = (("tfidf", "smollm2-135m/probe"), ("qwen-0.5b", "smollm2-135m/probe"))
METHODS = ("soft", "logconf(paper)")
TASKS = ("movie-reviews", "sarcasm")
SEEDS = 5
# accuracy of floor and ceiling, then of each method at the last step; sarcasm with the second pair has no gap
SCORES = {
    ("movie-reviews", 0): (0.742, 0.871, (0.803, 0.826)),
    ("movie-reviews", 1): (0.801, 0.871, (0.829, 0.838)),
    ("sarcasm", 0): (0.623, 0.741, (0.655, 0.611)),
    ("sarcasm", 1): (0.732, 0.741, (0.728, 0.734)),
}
SHIFT = 0.09  # what a shifted test split costs everybody
STOPPING = {"last": 0.0, "weak_val": 0.006, "oracle": 0.014}
NO_GAP = "the gap between floor and ceiling is not significant"


def estimate(value: float, half: float, *, note: str = "") -> Estimate:
    return Estimate(value, value - half, value + half, 0.95, SEEDS, 1000, METHOD, note)


def nothing(note: str) -> Estimate:
    return Estimate(NAN, NAN, NAN, 0.95, 0, 0, METHOD, note)


def key(*parts: object) -> str:
    """Eight hexadecimal digits that depend on the parts, the same in every process."""
    total = 0
    for character in "/".join(map(str, parts)):
        total = (total * 131 + ord(character)) % 2**32
    return f"{total:08x}"


def row(task: str, pair: int, method: int, *, split: str, stopping: str, metric: str) -> ResultRow:
    weak, strong = PAIRS[pair]
    floor, ceiling, students = SCORES[task, pair]
    less = (SHIFT if split != "test" else 0.0) - (0.04 if metric == "auroc" else 0.0)
    floor, ceiling, student = floor - less, ceiling - less, students[method] + STOPPING[stopping] - less
    gap, gain = ceiling - floor, student - floor
    defined = gap > 0.03
    pgr = estimate(gain / gap, 0.016 / gap) if defined else nothing(NO_GAP)
    names = (task, weak, strong, METHODS[method])
    return ResultRow(
        task=task,
        split=split,
        weak=weak,
        strong=strong,
        method=METHODS[method],
        stopping=stopping,
        metric=metric,
        floor=estimate(floor, 0.019),
        student=estimate(student, 0.017),
        ceiling=estimate(ceiling, 0.014),
        gap=estimate(gap, 0.018),
        gain=estimate(gain, 0.016),
        pgr=pgr,
        note="" if defined else NO_GAP,
        seeds=4 if (task, pair, method) == ("sarcasm", 0, 1) else SEEDS,
        n_test=1000 if task == "movie-reviews" else 180,
        key=key("student", *names, 0),
        keys={
            role: tuple(key(role, *names, seed) for seed in range(SEEDS))
            for role in ("student", "supervisor", "ceiling")
        },
        failed=1 if (task, pair, method) == ("sarcasm", 0, 1) else 0,
    )


def rows() -> tuple[ResultRow, ...]:
    return tuple(
        row(task, pair, method, split=split, stopping=stopping, metric=metric)
        for task in TASKS
        for split in (("test", "shift:forum") if task == "movie-reviews" else ("test",))
        for pair in range(2)
        for method in range(2)
        for stopping in STOPPING
        for metric in ("accuracy", "auroc")
    )


def curve(task: str, pair: int, method: int, seed: int) -> Curve:
    weak, strong = PAIRS[pair]
    floor, ceiling, students = SCORES[task, pair]
    steps = tuple(range(0, 401, 40))
    wobble = [0.012 * math.sin(1.7 * seed + 0.9 * i) for i in range(len(steps))]
    top = students[method] + STOPPING["oracle"]
    test = [0.5 + (top - 0.5) * (1 - math.exp(-step / 45)) for step in steps]
    test = [
        score - max(0, step - 160) * 0.00006 * (2 - method) + w
        for score, step, w in zip(test, steps, wobble, strict=True)
    ]
    weak_val = [0.5 + 0.36 * (1 - math.exp(-step / 70)) + 0.7 * w for step, w in zip(steps, wobble, strict=True)]
    return Curve(
        task=task,
        weak=weak,
        strong=strong,
        method=METHODS[method],
        metric="accuracy",
        seed=seed,
        steps=steps,
        test=tuple(test),
        weak_val=tuple(weak_val),
        chosen={
            "last": len(steps) - 1,
            "weak_val": max(range(len(steps)), key=weak_val.__getitem__),
            "oracle": max(range(len(steps)), key=test.__getitem__),
        },
        floor=floor,
        ceiling=ceiling,
    )


def agreement_row(task: str, pair: int, method: int, split: str) -> AgreementRow:
    weak, strong = PAIRS[pair]
    floor = SCORES[task, pair][0]
    right, wrong = 0.93 - 0.02 * method, 0.63 - 0.11 * method - 0.05 * pair
    overall = floor * right + (1 - floor) * wrong
    shares = (estimate(overall, 0.016), estimate(right, 0.012), estimate(wrong, 0.041))
    return AgreementRow(task, split, weak, strong, METHODS[method], *shares)


FINDINGS = (
    Finding(
        code="test-small",
        severity="warning",
        message="The test split of sarcasm holds 180 rows; intervals are wide.",
        where={"task": "sarcasm"},
        evidence={"n_test": 180, "wanted": 500},
    ),
    Finding(
        code="truncated",
        severity="note",
        message="4.2 % of the texts are longer than the model reads and were cut.",
        where={"task": "movie-reviews", "strong": "smollm2-135m/probe"},
        evidence={"share": 0.042},
    ),
    Finding(
        code="supervisor-collapsed",
        severity="error",
        message="The supervisor gives 97 % of the rows the same class in seed 3.",
        where={"task": "sarcasm", "weak": "tfidf", "strong": "smollm2-135m/probe", "seed": "3"},
        evidence={"seed": 3, "share": 0.97, "class": "no"},
    ),
    Finding(
        code="versions-mixed",
        severity="warning",
        message="Stages were computed with 2 versions of scikit-learn: 1.8.0 and 1.9.1.",
        where={},
        evidence={"package": "scikit-learn"},
    ),
)

TRACEBACK = "\n".join(
    [
        "Traceback (most recent call last):",
        *(f'  File "/lib/training.py", line {10 * i}, in step_{i}\n    loss = step(batch)' for i in range(1, 9)),
        "surpass.errors.StageError: the loss is no longer a number at step 31; lower lr, now 0.01.",
    ]
)


def stages() -> tuple[StageFact, ...]:
    versions = {"scikit-learn": "1.9.1", "torch": "2.13.0"}
    names = [(task, weak) for task in TASKS for weak, _ in PAIRS]
    done = [
        StageFact(key("supervisor", *name), f"supervisor {name[1]} on {name[0]}, seed 0", "cached", 4.25, versions)
        for name in names
    ]
    done += [
        StageFact(key("student", *name), f"student soft of {name[1]} on {name[0]}, seed 0", "done", 75.5, versions)
        for name in names
    ]
    return (
        *done,
        StageFact("deadbeef", "student logconf(paper) of tfidf on sarcasm, seed 3", "failed", 2.0, versions, TRACEBACK),
        StageFact("feedbeef", "scores of logconf(paper) of tfidf on sarcasm, seed 3", "skipped", 0.0, {}, ""),
    )


STUDY = {
    "name": "first-look",
    "tasks": list(TASKS),
    "data": {"n_weak": 1000, "n_transfer": 2000, "n_val": 300, "n_test": 1000},
    "pairs": [{"weak": weak, "strong": strong} for weak, strong in PAIRS],
    "methods": ["soft", {"method": "logconf", "variant": "paper"}],
    "seeds": SEEDS,
}


def sample() -> Results:
    """Two tasks, two pairs, two methods, three stopping rules, two metrics; one pair without a gap, one shift."""
    cells = [(task, pair, method) for task in TASKS for pair in range(2) for method in range(2)]
    return Results(
        name="first-look",
        study=STUDY,
        level=0.95,
        rows=rows(),
        agreement=(
            *(agreement_row(*cell, "test") for cell in cells),
            *(agreement_row(*cell, "shift:forum") for cell in cells if cell[0] == "movie-reviews"),
        ),
        curves=tuple(curve(*cell, seed) for cell in cells for seed in range(SEEDS)),
        findings=FINDINGS,
        stages=stages(),
        versions={"surpass": "0.1.0", "python": "3.11.7", "scikit-learn": "1.9.1", "torch": "2.13.0"},
        primary_metric="accuracy",
    )


def empty() -> Results:
    """A study of which nothing has run."""
    return Results("empty", {"name": "empty"}, 0.95, (), (), (), (), (), {}, "accuracy")


def all_failed() -> Results:
    """A study of which every student failed: rows are there, numbers are not."""
    unscored = nothing("no seed was scored")
    found = [r for r in rows() if r.stopping == "last" and r.metric == "accuracy" and r.split == "test"]
    bare = tuple(
        ResultRow(
            *(r.task, r.split, r.weak, r.strong, r.method, r.stopping, r.metric),
            *([unscored] * 6),
            note="no seed was scored",
            seeds=0,
            n_test=0,
            key=r.key,
            keys=r.keys,
            failed=SEEDS,
        )
        for r in found
    )
    failed = tuple(StageFact(r.key, f"student {r.method} on {r.task}", "failed", 1.0, {}, TRACEBACK) for r in found)
    return Results("all-failed", STUDY, 0.95, bare, (), (), (), failed, {"surpass": "0.1.0"}, "accuracy")


def change(results: Results, **options: Any) -> Results:
    """The results with the same change in every row."""
    return dataclasses.replace(results, rows=tuple(dataclasses.replace(row, **options) for row in results.rows))


def only(results: Results, **wanted: str) -> Results:
    """The results with the rows that agree."""
    rows = tuple(r for r in results.rows if all(getattr(r, name) == value for name, value in wanted.items()))
    return dataclasses.replace(results, rows=rows)
