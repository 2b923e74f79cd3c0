"""A study passed on to experiment trackers while it runs: TensorBoard, MLflow, Weights & Biases, trackio.

The trackers are accelerate's, which have one interface. One run of a tracker is one study: its configuration, the seconds
of each stage that was computed, each fit's readings over its training, and at the end floor, student, ceiling and PGR of
every cell with their intervals. Everything comes from the driver, after the store has it. Whatever a tracker raises is told
once, as a warning, and that tracker is asked no more: no result depends on it.

Beside OUT/tracking, where TensorBoard and MLflow write unless MLflow was given an address of its own
(MLFLOW_TRACKING_URI), each obeys its own environment variables.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from surpass.artifacts import Predictions, Splits
from surpass.errors import MissingPackageError, reason
from surpass.labels.base import gold_values
from surpass.spec import encode
from surpass.stages import Fit
from surpass.stats import Estimate
from surpass.stopping import point_scores
from surpass.store import Store
from surpass.study import Study, describe

if TYPE_CHECKING:
    from surpass.results import Results
    from surpass.runner import Plan
    from surpass.work import Outcome

log = logging.getLogger(__name__)
NAMES = ("tensorboard", "mlflow", "wandb", "trackio")
OWN_STEPS = ("wandb", "trackio")
"""Their steps may only ascend; ours, of one fit after another, go as a value beside the reading."""
PROJECT = "surpass"
LONGEST = 500
"""Characters of a configuration's value, which some trackers bound."""
LONGEST_NAME = 240
"""Characters of a metric's name; MLflow takes 250."""


class Trackers:
    """Several trackers of one study; called with each outcome of its run, as a progress bar is."""

    def __init__(self, names: Sequence[str], study: Study, store: Store, folder: Path) -> None:
        """Take their names; they start with the first thing to tell. `folder` is where those write that write files.

        Raises:
            MissingPackageError: a tracker is not installed.
        """
        self._study, self._store, self._folder = study, store, folder
        self._seen, self._splits = Counter[str](), dict[tuple[str, ...], Splits]()
        self._asked, self._running = tuple(dict.fromkeys(names)), dict[str, Any]()
        for name in self._asked:
            for package in (name, "accelerate"):
                if importlib.util.find_spec(package) is None:
                    extra = "hf" if package == "accelerate" else "tracking" if name in NAMES[:2] else name
                    raise MissingPackageError(package, why=f"--track {name} writes with it", extra=extra)

    def _begin(self) -> None:
        """Open a run of each tracker, once."""
        names, self._asked = self._asked, ()
        self._running |= dict.fromkeys(names)
        for name in names:
            self._tell(name, partial(self._start, name))

    def __call__(self, plan: Plan, outcome: Outcome) -> None:
        """Pass on the seconds of a stage that was computed, and a fit's readings."""
        self._begin()
        if not self._running or outcome.status not in ("done", "failed"):
            return
        self._seen[outcome.status] += 1
        spec, status = plan.nodes[outcome.key].spec, outcome.status
        values = {f"seconds/{spec.kind}": outcome.seconds, f"stages/{status}": self._seen[status]}
        self._log(values, self._seen.total())
        if outcome.status == "done" and isinstance(spec, Fit):
            try:
                self._log_readings(plan, outcome.key, spec)
            except Exception as error:  # what is passed on costs no study
                log.warning("the readings of %s could not be passed on: %s.", describe(spec), reason(error))

    def finish(self, results: Results) -> None:
        """Pass on the scores of every cell by the study's own stopping rule, and end all runs."""
        self._begin()
        for row in results.rows:
            if row.stopping == self._study.stopping and row.metric == results.primary_metric:
                where = "/".join((row.task, row.weak, row.strong, row.method, row.split))
                self._log(_cell(f"cells/{where}", row), self._seen.total())
        for name in list(self._running):
            self._tell(name, self._running[name].finish)
            self._running.pop(name, None)

    def _start(self, name: str) -> None:
        """Open a run of the study and give it the configuration."""
        from accelerate import PartialState
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        PartialState()  # its loggers ask for it
        self._folder.mkdir(parents=True, exist_ok=True)
        options: dict[str, Callable[[], dict[str, Any]]] = {
            "tensorboard": lambda: {"run_name": self._study.name, "logging_dir": str(self._folder / name)},
            "mlflow": lambda: _mlflow(self._folder, self._study.name),
            "wandb": lambda: {"run_name": PROJECT, "name": self._study.name, "dir": str(self._folder)},
            "trackio": lambda: {"run_name": PROJECT, "name": self._study.name},
        }
        tracker = LOGGER_TYPE_TO_CLASS[name](**options[name]())
        tracker.start()
        tracker.store_init_configuration(_flat(self._study))
        self._running[name] = tracker

    def _log(self, values: Mapping[str, float], step: int) -> None:
        kept = {_clean(name): float(value) for name, value in values.items() if math.isfinite(value)}
        for name, tracker in list(self._running.items()):
            if name in OWN_STEPS:
                place = {f"{_clean(next(iter(values)))}/step": step}
                self._tell(name, partial(tracker.log, {**kept, **place}))
            else:
                self._tell(name, partial(tracker.log, kept, step=step))

    def _tell(self, name: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception as error:  # whatever it is, the study is worth more
            log.warning("tracker '%s' failed (%s). The study goes on without it.", name, reason(error))
            del self._running[name]

    def _log_readings(self, plan: Plan, key: str, fit: Fit) -> None:
        """Pass on how well the fit met the ground truth of the test rows at each point of its training."""
        inputs = plan.nodes[key].inputs[:2]
        if inputs not in self._splits:
            halves: Any = [self._store.load("data", name) for name in inputs]
            self._splits = {inputs: Splits.joined(halves)}
        splits, found = self._splits[inputs], self._store.load("fit", key)
        if not isinstance(found, Predictions):
            return
        test = [name for name, split in zip(splits.rows.ids, splits.split, strict=True) if split == "test"]
        gold = dict(
            zip(splits.rows.ids, splits.rows.labels if found.texts is not None else gold_values(splits), strict=True)
        )
        if not test:
            return
        scores = point_scores(found, test, np.stack([gold[name] for name in test]), splits.target)
        what = "test accuracy" if splits.target != "regression" else "test squared error"
        for step, score in zip(found.steps, scores, strict=True):
            self._log({f"fits/{describe(fit)} {key[:6]}/{what}": abs(float(score))}, step)


def _mlflow(folder: Path, name: str) -> dict[str, Any]:
    """Return the options of MLflow's tracker; without an address of its own it writes a SQLite file."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    if not mlflow.is_tracking_uri_set():
        mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').absolute()}")
    return {"experiment_name": PROJECT, "run_name": name, "logging_dir": (folder / "mlflow").absolute().as_uri()}


def _flat(study: Study) -> dict[str, str]:
    """Return a study's fields as text; long ones are cut, since the report's results.json has them whole."""
    fields: Any = encode(study)
    return {name: (held if isinstance(held, str) else json.dumps(held))[:LONGEST] for name, held in fields.items()}


def _cell(where: str, row: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for role in ("floor", "student", "ceiling", "pgr"):
        item: Estimate = getattr(row, role)
        found |= {f"{where}/{role}": item.value, f"{where}/{role} low": item.low, f"{where}/{role} high": item.high}
    return found


def _clean(name: str) -> str:
    """Return a name of letters, digits and what every tracker takes besides, with a digest in place of its middle if long."""
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name[: LONGEST_NAME // 2]}..{digest}..{name[-LONGEST_NAME // 3 :]}"
    return re.sub(r"[^\w\-./ ]", "_", name)
