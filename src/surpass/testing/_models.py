"""The contract of model families."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Inputs, Targets, take
from surpass.columns import written
from surpass.errors import IncompatibleError
from surpass.labels.base import gold_values
from surpass.methods.base import Batch, Method, cross_entropy
from surpass.methods.soft import Soft
from surpass.models.base import Fitted, Model, Work
from surpass.runtime import Runtime
from surpass.spec import describe_kind
from surpass.testing._samples import (
    ROWS,
    WORDS,
    check_spec,
    check_values,
    hold,
    make,
    sample_splits,
)

SWAPPED = 1e-5  # of what two orders of a batch may differ by in fp32
PROBLEMS = (("classification", 2), ("classification", 5), ("regression", 0), ("preference", 2), ("generation", 0))


class _Contrary(Method):
    """The weak labels turned round; shows whether a model trains on the method's loss."""

    def loss(self, batch: Batch, progress: float) -> Any:
        return cross_entropy(batch.logits, batch.targets.flip(-1))


def check_model(plugin: str | type[Model] | Model, **options: Any) -> None:
    """Check a model family on small easy problems of every input and target it names."""
    with tempfile.TemporaryDirectory() as folder:
        model: Model = make("model", plugin, options, folder=Path(folder))
        name, served = describe_kind(model), 0
        check_spec(model)
        if not model.reads_features:
            problem = model.problem()
            hold(problem is None, f"{name} cannot run here: {problem}")
            model = model.resolve()
        for input_kind in ("vector",) if model.reads_features else sorted(model.inputs):
            for target, classes in PROBLEMS:
                if target not in model.targets or (target == "preference" and input_kind not in ("pair", "vector")):
                    continue
                work = _easy(input_kind, target, classes, differences=model.reads_features)
                try:
                    fitted = model.fit(work, Runtime())
                except IncompatibleError:  # another setting of the model reads these inputs
                    continue
                served += 1
                where = f"{name} on {input_kind}, {target}{f' of {classes} classes' if classes else ''}"
                if target == "generation":
                    _check_writer(where, model, work, fitted)
                else:
                    _check_fitted(where, model, work, fitted)
                if target == "preference":
                    _check_swapped(where, fitted, work.inputs, differences=model.reads_features)
                if model.together:
                    _check_together(where, model, work)
                _check_kept(where, fitted, Path(folder) / f"saved{served}")
        hold(served > 0, f"{name}: none of its inputs {sorted(model.inputs)} and targets {sorted(model.targets)} works")
        if "custom_loss" in model.can:
            _check_custom_loss(name, model, "vector" if model.reads_features else sorted(model.inputs)[-1])


def _easy(
    input_kind: str, target: str, classes: int, method: Method | None = None, *, differences: bool = False
) -> Work:
    """Return a problem that one word, or one direction, decides; of a preference frozen features are `differences`."""
    splits = sample_splits(classes)
    texts: Any = splits.rows.inputs
    others = (*texts[1:], texts[0])  # classes alternate, so the better candidate is now the first, now the second
    inputs: Inputs = texts
    if input_kind == "pair":
        inputs = tuple(zip(texts, others if target == "preference" else ["a second text"] * ROWS, strict=True))
    elif input_kind in ("vector", "image"):
        shown = np.eye(5, 8)[[WORDS.index(text.split()[0]) for text in texts]]
        vectors = (4 * shown + np.random.default_rng(0).normal(scale=0.3, size=shown.shape)).astype(np.float32)
        pairs = np.stack([vectors, np.roll(vectors, -1, axis=0)], axis=1)
        inputs = vectors if target != "preference" else pairs[:, 0] - pairs[:, 1] if differences else pairs
    values = gold_values(splits)
    if classes:
        values = 0.9 * values + 0.1 / classes
    targets = Targets.of(splits.rows.ids, values)
    if target == "generation":  # write the word that the text begins with
        told = written([[text.split()[0]] for text in texts])
        targets = Targets.of(splits.rows.ids, np.ones((ROWS, 1)), texts=told)
    watch = take(inputs, np.arange(20))
    return Work(
        inputs=inputs,
        targets=targets,
        watch=watch,
        target=target,
        classes=values.shape[1],
        method=method or Soft(),
        seed=3,
    )


def _check_fitted(name: str, model: Model, work: Work, fitted: Fitted) -> None:
    values = fitted.predict(work.inputs)
    check_values(name, values, rows=ROWS, columns=work.classes, target=work.target)
    again = model.fit(work, Runtime()).predict(work.inputs)
    hold(np.array_equal(values, again), f"{name}: the same seed gives other predictions")
    order = np.random.default_rng(2).permutation(ROWS)
    moved = fitted.predict(take(work.inputs, order))
    hold(np.allclose(moved, values[order], atol=1e-4), f"{name}: a prediction depends on the rows beside it")
    if not model.learns:
        pass  # it is only asked
    elif work.target != "regression":
        share = float((values.argmax(axis=1) == work.targets.values.argmax(axis=1)).mean())
        hold(share > 0.8, f"{name}: an easy problem is learned on {share:.0%} of its own rows; above 80% is needed")
    else:
        fit = float(np.corrcoef(values[:, 0], work.targets.values[:, 0])[0, 1])
        hold(fit > 0.8, f"{name}: predictions of an easy problem correlate by {fit:.2f}; above 0.8 is needed")
    steps, watched = fitted.steps, fitted.watched
    hold(len(steps) > 0 and list(steps) == sorted(set(steps)), f"{name}: steps {steps} do not ascend")
    hold(len(watched) == len(steps), f"{name}: {len(watched)} readings of watched rows at {len(steps)} steps")
    for reading in watched if watched.shape[1] else ():
        check_values(f"{name}, watched", reading, rows=len(work.watch), columns=work.classes, target=work.target)
    if watched.shape[1]:
        end = np.allclose(watched[-1], fitted.predict(work.watch), atol=1e-4)
        hold(end, f"{name}: the last reading of the watched rows is not the final prediction")


def _check_writer(name: str, model: Model, work: Work, fitted: Any) -> None:
    """Check a model that answers with texts."""
    values, texts = fitted.write(work.inputs)
    hold(
        values.shape == texts.shape == (ROWS, values.shape[1]),
        f"{name}: {texts.shape} texts have {values.shape} values",
    )
    inside = bool((values >= 0).all() and (values.sum(axis=1) <= 1 + 1e-6).all())
    hold(inside, f"{name}: probabilities of a row's texts are negative, or sum to more than 1")
    again = model.fit(work, Runtime()).write(work.inputs)  # type: ignore[attr-defined]
    same = np.array_equal(values, again[0]) and np.array_equal(texts, again[1])
    hold(same, f"{name}: the same seed gives other texts")
    order = np.random.default_rng(2).permutation(ROWS)
    moved = fitted.write(take(work.inputs, order))[1]
    hold(np.array_equal(moved, texts[order]), f"{name}: a text depends on the rows beside it")
    wanted = work.targets.texts
    share = float(np.mean(texts[:, 0] == wanted[:, 0])) if wanted is not None else 0.0
    hold(share > 0.8, f"{name}: an easy problem is learned on {share:.0%} of its own rows; above 80% is needed")
    steps = fitted.steps
    hold(list(steps) == sorted(set(steps)) and len(steps) > 0, f"{name}: steps {steps} do not ascend")
    if len(steps) > 1:
        shape = fitted.watched_texts.shape
        hold(shape == (len(steps), len(work.watch)), f"{name}: watched texts have shape {shape}")


def _check_swapped(name: str, fitted: Fitted, inputs: Inputs, *, differences: bool) -> None:
    """Check that of swapped candidates the other one is better, by the same probability."""
    if not isinstance(inputs, np.ndarray):
        swapped: Inputs = tuple((str(pair[1]), str(pair[0])) for pair in inputs)
    else:
        swapped = -inputs if differences else inputs[:, ::-1]
    off = float(np.abs(fitted.predict(swapped) - fitted.predict(inputs)[:, ::-1]).max())
    hold(
        off <= SWAPPED, f"{name}: probabilities of swapped candidates are off by {off:.2g}; swap them and nothing else"
    )


def _check_together(name: str, model: Model, work: Work) -> None:
    """Check that models fitted together are what each is alone, bit for bit, in any order."""
    turned = dataclasses.replace(work.targets, values=np.roll(work.targets.values, 1, axis=0))
    jobs = [work, dataclasses.replace(work, targets=turned), dataclasses.replace(work, seed=work.seed + 1)]
    alone = [model.fit(job, Runtime()).predict(work.inputs) for job in jobs]
    for order in ((0, 1, 2), (1, 2, 0)):
        found = model.fit_all(((model, jobs[i]) for i in order), Runtime())
        hold(len(found) == len(jobs), f"{name}: `fit_all` returns {len(found)} models for {len(jobs)} jobs")
        for i, one in zip(order, found, strict=True):
            if isinstance(one, Exception):
                raise AssertionError(f"{name}: `fit_all` fails where `fit` does not: {one!r}") from one
            same = np.array_equal(one.predict(work.inputs), alone[i])
            hold(same, f"{name}: fitted together with others it predicts otherwise than alone")


def _check_kept(name: str, fitted: Fitted, folder: Path) -> None:
    for fact, value in fitted.facts.items():
        hold(isinstance(value, float | int | str), f"{name}: fact {fact}={value!r} is no plain number or text")
    folder.mkdir()
    fitted.save(folder)
    hold(any(folder.iterdir()), f"{name}: `save` wrote nothing")


def _check_custom_loss(name: str, model: Model, input_kind: str) -> None:
    work = _easy(input_kind, "classification", 2, _Contrary())
    values = model.fit(work, Runtime()).predict(work.inputs)
    share = float((values.argmax(axis=1) == work.targets.values.argmax(axis=1)).mean())
    hold(share < 0.2, f"{name}: it says it trains on a method's loss, but a contrary loss leaves it {share:.0%} right")
