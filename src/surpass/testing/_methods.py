"""The contract of methods."""

from __future__ import annotations

import dataclasses
import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Targets, Values
from surpass.methods.base import Batch, Given, Labelled, Method, cross_entropy
from surpass.spec import describe_kind
from surpass.testing._samples import (
    ROWS,
    check_spec,
    check_values,
    hold,
    make,
)

EXTREME = 1e4
PROGRESS = (0.0, 0.05, 0.5, 0.99)
WIDTH = 8
MEMBERS = 3
TEXTS = 0  # classes of a problem whose labels are texts


def check_method(plugin: str | type[Method] | Method, **options: Any) -> None:
    """Check the hooks of a method, with 2 and 5 classes and with texts as far as it serves them.

    `loss` is checked where torch is installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        method: Method = make("method", plugin, options, folder=Path(folder))
    check_spec(method)
    served = [classes for classes in (2, 5) if classes <= (method.most_classes or 5)]
    if "classification" not in method.targets:
        served = []
    if "generation" in method.targets:
        check_prepare(f"{describe_kind(method)}, texts", method, TEXTS)
    for classes in served:
        check_prepare(f"{describe_kind(method)}, {classes} classes", method, classes)
    try:
        import torch  # noqa: F401
    except ImportError:
        return
    for classes in served:
        _check_loss(f"{describe_kind(method)}, {classes} classes", method, classes)
        if method.neutral:
            _check_neutral(f"{describe_kind(method)}, {classes} classes", method, classes)


def sample_weak(classes: int, rows: int = ROWS) -> tuple[Targets, Given]:
    """Return made-up weak labels with everything a method may ask for; features tell the classes apart, mostly."""
    rng = np.random.default_rng(classes)
    truth = rng.integers(classes, size=rows)
    centres = rng.normal(size=(classes, WIDTH)) * 2
    values = _doubtful(truth, classes, rng)
    members = np.stack([_doubtful(truth, classes, rng) for _ in range(MEMBERS)])
    labelled_truth = rng.integers(classes, size=rows)
    labelled = Labelled(
        tuple(f"weak{i}" for i in range(rows)),
        np.eye(classes)[labelled_truth],
        (centres[labelled_truth] + rng.normal(size=(rows, WIDTH)) * 2).astype(np.float32),
    )
    given = Given(
        features=(centres[truth] + rng.normal(size=(rows, WIDTH))).astype(np.float32),
        supervisor_features=(centres[truth] + rng.normal(size=(rows, WIDTH)) * 2).astype(np.float32),
        labelled=labelled,
        members=members,
        pretrained=_doubtful(truth, classes, rng),
    )
    gold = np.arange(rows) % 4 == 0
    values[gold] = np.eye(classes)[truth[gold]]
    return Targets.of([f"row{i}" for i in range(rows)], values, gold=gold), given


def sample_texts(rows: int = ROWS) -> tuple[Targets, Given]:
    """Return made-up weak texts, up to three a row, with what a method may ask for; a few rows have none."""
    rng = np.random.default_rng(0)
    values = -np.sort(-rng.dirichlet(np.ones(4), size=rows)[:, :3], axis=1)
    values[rng.random(rows) < 0.3, 1:] = 0.0
    gold, none = np.arange(rows) % 4 == 0, np.arange(rows) % 10 == 5
    values[gold], values[none] = (1.0, 0.0, 0.0), 0.0
    said = [[f"answer {j} to {i}" if values[i, j] else "" for j in range(3)] for i in range(rows)]
    accepted = rng.random((rows, 3)) < 0.6
    targets = Targets.of([f"row{i}" for i in range(rows)], values, gold=gold, texts=np.array(said, dtype=object))
    return targets, Given(accepted=accepted & (values > 0))


def _doubtful(truth: Any, classes: int, rng: np.random.Generator) -> Values:
    """Return probabilities (n, C) whose most probable class is the true one in about three of four rows."""
    values = rng.dirichlet(np.ones(classes), size=len(truth)) + np.eye(classes)[truth] * 0.6
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def moved(given: Given, order: Any) -> Given:
    """Return what was given for rows in another order."""
    return dataclasses.replace(
        given,
        features=None if given.features is None else given.features[order],
        supervisor_features=None if given.supervisor_features is None else given.supervisor_features[order],
        members=None if given.members is None else given.members[:, order],
        pretrained=None if given.pretrained is None else given.pretrained[order],
        accepted=None if given.accepted is None else given.accepted[order],
    )


def asked_for(given: Given, method: Method) -> Given:
    """Return what a study would give the method: nothing that its `wants` does not name."""
    named = {*method.needs, *(("labelled",) if "supervisor_features" in method.needs else ())}
    return Given(
        **{field.name: getattr(given, field.name) for field in dataclasses.fields(given) if field.name in named}
    )


def check_prepare(name: str, method: Method, classes: int) -> None:
    """Check `prepare`, and `solve` of a method that is the student itself."""
    weak, given = sample_weak(classes) if classes != TEXTS else sample_texts()
    given = asked_for(given, method)
    before = pickle.dumps(weak)
    try:
        first = method.prepare(weak, given, np.random.default_rng(0))
    except (TypeError, AttributeError) as error:
        named = ", ".join(sorted(method.needs)) or "nothing"
        raise AssertionError(f"{name}: `prepare` cannot do with what `wants` names, {named}: {error}") from error
    hold(pickle.dumps(weak) == before, f"{name}: `prepare` changes the weak labels it is given")
    known = {row: i for i, row in enumerate(weak.ids)}
    places = [known.get(row, -1) for row in first.ids]
    hold(bool(places) and min(places) >= 0, f"{name}: `prepare` returns no rows, or rows it was not given")
    hold(places == sorted(set(places)), f"{name}: `prepare` returns rows twice or in another order")
    if classes != TEXTS:
        check_values(name, first.values, rows=len(first.ids), columns=classes, target="classification")
    else:
        sums = first.values.sum(axis=1)
        hold(bool((first.values >= 0).all() and (sums <= 1 + 1e-6).all()), f"{name}: texts of a row have more than all")
        hold(first.texts is not None, f"{name}: `prepare` loses the texts; use `dataclasses.replace` and `take`")
    mean = float(first.weight.mean())
    hold(bool((first.weight >= 0).all()) and abs(mean - 1) < 1e-6, f"{name}: weights have mean {mean:.6g}, not 1")
    hold(bool((first.gold == weak.gold[places]).all()), f"{name}: `prepare` changes which rows are ground truth")
    again = method.prepare(weak, given, np.random.default_rng(0))
    hold(_equal(first, again, 0.0), f"{name}: the same seed gives other targets")
    order = np.random.default_rng(1).permutation(len(weak.ids))
    other = method.prepare(weak.take(order), moved(given, order), np.random.default_rng(0))
    back = other.take(np.argsort([known[row] for row in other.ids]))
    hold(_equal(first, back, 1e-6), f"{name}: a row's target depends on the order of the rows; draw by row id")
    if method.solves:
        if given.features is None:
            raise AssertionError(f"{name}: `solve` reads frozen features, which `wants` does not name")
        _check_solve(name, method, first, given.features[places], classes)


def _check_solve(name: str, method: Method, targets: Targets, features: Any, classes: int) -> None:
    fresh = np.random.default_rng(2).normal(size=(20, WIDTH)).astype(np.float32)
    found = method.solve(targets, features)(fresh)
    check_values(name, found, rows=20, columns=classes, target="classification")
    alone = method.solve(targets, features)(fresh[7:8])
    hold(np.allclose(alone[0], found[7], atol=1e-6), f"{name}: a row's prediction depends on the rows beside it")


def _equal(left: Targets, right: Targets, tolerance: float) -> bool:
    alike = left.texts is right.texts or np.array_equal(left.texts, right.texts)  # type: ignore[arg-type]
    return (
        alike
        and left.ids == right.ids
        and all(
            np.allclose(getattr(left, what), getattr(right, what), rtol=0, atol=tolerance)
            for what in ("values", "weight", "gold", "columns")
        )
    )


def _check_loss(name: str, method: Method, classes: int) -> None:
    import torch

    step = _Step.of(method, classes)
    draw = torch.Generator().manual_seed(classes)
    for scale in (1.0, EXTREME):
        logits = torch.randn(8, classes, generator=draw) * scale
        for progress in PROGRESS:
            where = f"{name}: at progress {progress} with logits of size {scale:g}"
            whole, gradient = step.loss(logits, range(8), progress)
            hold(whole.shape == (8,), f"{where} the loss has shape {tuple(whole.shape)}; one number per row is needed")
            hold(bool(torch.isfinite(whole).all()), f"{where} the loss is not finite")
            hold(bool(torch.isfinite(gradient).all()), f"{where} the gradient is not finite")
            for rows in ([5, 1, 7, 0, 3, 2, 6, 4], [2, 3], [6]):
                part, _ = step.loss(logits, rows, progress)
                close = torch.allclose(part, whole[rows], rtol=1e-4, atol=1e-5)
                hold(close, f"{where} a row's loss depends on how the step is cut or ordered into micro-batches")


def _check_neutral(name: str, method: Method, classes: int) -> None:
    """Check that the method at its neutral options trains as `soft` does: same rows, labels, weights and gradients."""
    import torch

    plain = dataclasses.replace(method, **method.neutral)
    weak, given = sample_weak(classes)
    same = plain.prepare(weak, asked_for(given, plain), np.random.default_rng(0))
    what = f"{name}: with {method.neutral} it"
    hold(same.ids == weak.ids and np.allclose(same.values, weak.values), f"{what} changes the weak labels")
    hold(np.allclose(same.weight, 1), f"{what} weighs rows differently")
    step = _Step.of(plain, classes)
    logits = torch.randn(8, classes, generator=torch.Generator().manual_seed(1))
    for progress in PROGRESS:
        _, gradient = step.loss(logits, range(8), progress)
        free = logits.clone().requires_grad_()
        (wanted,) = torch.autograd.grad(cross_entropy(free, step.targets).sum(), free)
        hold(torch.allclose(gradient, wanted, atol=1e-5), f"{what} has another gradient than `soft`")


@dataclasses.dataclass(frozen=True)
class _Step:
    """One optimizer step of 8 rows of what the method's `prepare` made."""

    method: Method
    targets: Any  # tensors, whose type would import torch here
    recent: Any
    gold: Any
    columns: Any
    companion: Any

    @classmethod
    def of(cls, method: Method, classes: int) -> _Step:
        import torch

        weak, given = sample_weak(classes)
        prepared = method.prepare(weak, asked_for(given, method), np.random.default_rng(0))
        places = np.resize(np.arange(len(prepared.ids)), 8)
        draw = torch.Generator().manual_seed(classes)
        return cls(
            method,
            torch.tensor(prepared.values[places], dtype=torch.float32),
            torch.softmax(torch.randn(8, classes, generator=draw), dim=-1),
            torch.tensor(prepared.gold[places]),
            torch.tensor(prepared.columns[places], dtype=torch.float32),
            method.companion(4, prepared.columns.shape[1]),
        )

    def loss(self, logits: Any, rows: Sequence[int], progress: float) -> tuple[Any, Any]:
        """Return the losses of the given rows of the step, and their gradient."""
        import torch

        chosen = torch.tensor(list(rows))
        part = logits[chosen].clone().requires_grad_()
        hidden = torch.ones(len(chosen), 4, requires_grad=True) * chosen[:, None]
        batch = Batch(
            logits=part,
            targets=self.targets[chosen],
            gold=self.gold[chosen],
            hidden=hidden if "hidden" in self.method.needs else None,
            rows=chosen,
            step_probs=torch.softmax(logits, dim=-1),
            step_targets=self.targets,
            step_gold=self.gold,
            recent_probs=self.recent,
            step=int(progress * 200),
            columns=self.columns[chosen],
            companion=self.companion,
        )
        loss = self.method.loss(batch, progress)
        (gradient,) = torch.autograd.grad(loss.sum(), part, allow_unused=True)
        return loss.detach(), torch.zeros_like(part) if gradient is None else gradient
