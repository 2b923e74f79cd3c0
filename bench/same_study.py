"""How much faster is a study than the same study as a plain script on `transformers.Trainer`, and are the scores the same?

    python bench/same_study.py [--rows 32] [--test 32] [--epochs 2] [--turns 2]

Film review snippets, SmolLM2-135M: supervisor, ceiling and the students `soft` and `logconf`, all with LoRA on all layers;
the same rows, epochs, batch size and learning rate, both on one core and one thread, both reading the test set after every
epoch. The plain script (`bench/plain_trainer.py`) has Trainer's defaults, fp32 and padded batches. Processor seconds in
turns, the study with an empty store each time. Needs `surpass assets fetch vader-ratings smollm2-135m`.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

from surpass.benching import Claim, in_turns, processor_seconds, ratios, script
from surpass.models import _precision

MODEL = {"model": "hf", "backbone": "package:smollm2-135m", "tune": "lora", "pool": "last"}
RATE = 5e-4
STUDENTS = ("soft", "logconf")


def study_of(rows: int, test: int, epochs: int) -> Any:
    """Return the study that both compute."""
    from surpass.studyfile import parse

    model = {**MODEL, "epochs": epochs, "points": epochs, "lr": RATE}
    return parse(
        {
            "name": "same-study",
            "tasks": ["movie-reviews"],
            "data": {"n_weak": rows, "n_transfer": rows, "n_val": 0, "n_test": test},
            "pairs": [{"weak": model, "strong": model}],
            "methods": list(STUDENTS),
            "seeds": 1,
        }
    )


def ours(study: Any, scores: dict[str, list[float]]) -> None:
    """Run the study with an empty store, in this process, and keep its scores."""
    from surpass.runner import run
    from surpass.runtime import Runtime
    from surpass.scoring import results
    from surpass.store import Store

    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        plan, outcomes = run(study, store=store, runtime=Runtime(jobs=0, device="cpu"))
        for row in results(plan, outcomes, store).rows:
            if row.metric == "accuracy":
                found = {"supervisor": row.floor, "ceiling": row.ceiling, row.method.split()[0]: row.student}
                for name, score in found.items():
                    scores.setdefault(name, []).append(score.value)


def parts_of(study: Any) -> dict[str, tuple[Any, np.ndarray]]:
    """Return texts and gold labels of the study's weak, transfer and test rows."""
    from surpass.splits import make_splits
    from surpass.study import cells

    data = cells(study.resolve())[0].student.data
    parts = {}
    for half in (data.training(), data.evaluation()):
        splits = make_splits(half)
        for name in {*splits.names()} & {"weak", "transfer", "test"}:
            rows = splits.part(name)
            parts[name] = (rows.inputs, np.asarray(rows.labels, dtype=np.int64))
    return parts


def plain(parts: dict[str, tuple[Any, np.ndarray]], epochs: int, scores: dict[str, list[float]]) -> None:
    """Run the plain script on the study's own rows and keep its scores."""
    import plain_trainer

    from surpass.assets import backbones

    folder = backbones.resolve(MODEL["backbone"])
    for name, score in plain_trainer.study(folder, parts, epochs=epochs, seed=0, lr=RATE).items():
        scores.setdefault(name, []).append(score)


def claims(rows: int = 32, test: int = 32, epochs: int = 2, turns: int = 2) -> list[Claim]:
    """Return the claims of this part; cases are run in turns without a first unmeasured one, which would cost a turn."""
    import plain_trainer  # noqa: F401  # imports of either side are not what is measured

    from surpass.models import _trainer  # noqa: F401

    study = study_of(rows, test, epochs)
    parts = parts_of(study)
    scores: dict[str, dict[str, list[float]]] = {"surpass": {}, "plain": {}}
    found = in_turns(
        {
            "plain": lambda: processor_seconds(lambda: plain(parts, epochs, scores["plain"])),
            "surpass": lambda: processor_seconds(lambda: ours(study, scores["surpass"])),
        },
        turns,
        warm=False,
    )
    both = "; ".join(
        f"{name}: {scores['surpass'][name][0]:.3f} against {scores['plain'][name][0]:.3f}" for name in scores["plain"]
    )
    units = _precision.resolve("auto") == "bf16"
    note = f"accuracy on {test} rows, standard error about {0.5 / np.sqrt(test):.3f}, surpass against plain: {both}"
    name = "the same study against a plain Trainer script"
    cases = {f"{name}, s": values for name, values in found.items()}
    return [
        Claim(name, "times", ratios(found["plain"], found["surpass"]), 5.0 if units else 2.0, cases=cases, note=note)
    ]


if __name__ == "__main__":
    script(claims, __doc__)
