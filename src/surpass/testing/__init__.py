"""Contract suites: what every plug-in must hold, checked without a test of its own.

    from surpass.testing import check_method
    check_method("my-method")                 # a name, `module:CLASS`, a class or a spec

Each check raises AssertionError saying what does not hold. A field without a default is given by keyword; fields called
`path` get a small file, those that take a spec get ground truth.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, get_args

import numpy as np

from surpass.artifacts import Rows
from surpass.columns import written
from surpass.spec import describe_kind
from surpass.tasks.base import Example, Protocol, Task
from surpass.testing._labels import check_label_source
from surpass.testing._methods import check_method
from surpass.testing._models import check_model
from surpass.testing._samples import check_spec, hold, make, sample_file, sample_splits

__all__ = [
    "check_label_source",
    "check_method",
    "check_model",
    "check_spec",
    "check_task",
    "sample_file",
    "sample_splits",
]

TARGETS = ("classification", "preference", "regression", "generation")
INPUTS = ("text", "pair", "vector", "image")


def check_task(plugin: str | type[Task] | Task, **options: Any) -> None:
    """Check a task on its sample rows, without its source."""
    with tempfile.TemporaryDirectory() as folder:
        task: Task = make("task", plugin, options, folder=Path(folder))
        if "path" in {field.name for field in dataclasses.fields(task)} and not task.problem():
            task = task.resolve()
    name = describe_kind(task)
    check_spec(task)
    text = (type(task).__doc__ or "").lower()
    hold("licence" in text or "license" in text, f"{name}: the class docstring does not name the licence")
    hold(bool(task.licence), f"{name}: `licence` is empty")
    hold(task.target in TARGETS, f"{name}: target {task.target!r}; allowed are {', '.join(TARGETS)}")
    hold(task.input in INPUTS, f"{name}: input {task.input!r}; allowed are {', '.join(INPUTS)}")
    hold(task.size >= 0, f"{name}: size {task.size} is no number of rows")
    hold(len(task.sample) >= 2, f"{name}: `sample` has {len(task.sample)} rows; two or three are needed")
    for protocol in get_args(Protocol):
        _check_examples(name, task, protocol)


def _check_examples(name: str, task: Task, protocol: Protocol) -> None:
    found = list(task.examples(task.sample, protocol=protocol))
    kept = [example for example in found if example is not None]
    hold(bool(kept), f"{name}: `example` leaves out every sample row")
    for example in kept:
        _check_example(name, task, example)
    written = list(map(repr, found))
    again = list(map(repr, task.examples(task.sample, protocol=protocol)))
    hold(written == again, f"{name}: `example` gives other examples each time")
    backwards = sorted(map(repr, task.examples(task.sample[::-1], protocol=protocol)))
    hold(sorted(written) == backwards, f"{name}: an example depends on the rows before it")
    for row in task.sample:
        own = [repr(example.input) for example in task.expand(row, Random(0), protocol) if example is not None]
        hold(len(set(own)) == len(own), f"{name}: a row becomes the same input twice")


def _check_example(name: str, task: Task, example: Example) -> None:
    classes = task.class_names()
    if task.target == "generation":
        _check_text(name, task, example)
    elif task.target != "regression":
        inside = example.label in range(len(classes))
        hold(inside, f"{name}: label {example.label!r} is no index of its classes {', '.join(classes)}")
    if task.target == "regression":
        hold(bool(np.isfinite(example.label)), f"{name}: label {example.label!r} is not a finite number")
    if task.target == "preference":
        hold(len(example.input) == 2, f"{name}: a preference is between two candidates, not {len(example.input)}")
        first, second = map(repr, example.input)
        hold(first != second, f"{name}: both candidates are {first}; leave such rows out")
    for what in ("group", "id", "part", "domain"):
        value = getattr(example, what)
        hold(isinstance(value, str), f"{name}: {what} {value!r} is {type(value).__name__}; text is needed")
    for vote in example.votes:
        known = np.isnan(vote) or (vote in range(len(classes)) if task.target != "regression" else np.isfinite(vote))
        hold(bool(known), f"{name}: vote {vote!r} is no label of this task, nor NaN for none")
    part = example.part
    hold(part in ("", "train", "test") or part.startswith("shift:"), f"{name}: part {part!r} is none that splits know")
    fits: dict[str, Callable[[Any], bool]] = {
        "text": lambda x: isinstance(x, str) and bool(x.strip()),
        "pair": lambda x: isinstance(x, tuple) and len(x) == 2 and all(isinstance(item, str) for item in x),
    }
    numbers: Callable[[Any], bool] = lambda x: bool(np.isfinite(np.asarray(x, dtype=float)).all())  # noqa: E731
    hold(fits.get(task.input, numbers)(example.input), f"{name}: input {example.input!r} is no {task.input}")


def _check_text(name: str, task: Task, example: Example) -> None:
    """Check that a target is a text which its own task takes for an answer, and for the right one."""
    label = example.label
    hold(isinstance(label, str) and bool(label.strip()), f"{name}: label {label!r} is no text; leave empty ones out")
    rows = Rows(("row",), (example.input,), written([label]), ("row",))
    right = task.right(rows, [label])
    hold(right.shape == (1,), f"{name}: `right` gives scores of shape {right.shape} for one text; (1,) is needed")
    accepted = task.accepts(rows.inputs, [label])
    hold(bool(right[0] == 1), f"{name}: `right` says {right[0]:g} of the target itself, {label!r}; 1 is needed")
    hold(bool(accepted[0]), f"{name}: `accepts` refuses the target itself, {label!r}")
    known = [text.strip() for text in task.candidates(example.input)]
    hold(not known or label.strip() in known, f"{name}: `candidates` lack the target itself, {label!r}")
