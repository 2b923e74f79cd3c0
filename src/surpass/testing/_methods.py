"""The contract of methods."""

from __future__ import annotations

import dataclasses
import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Targets
from surpass.methods.base import Batch, Method
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


def check_method(plugin: str | type[Method] | Method, **options: Any) -> None:
    """Check both hooks of a method, with 2 and with 5 classes; `loss` only where torch is installed."""
    with tempfile.TemporaryDirectory() as folder:
        method: Method = make("method", plugin, options, folder=Path(folder))
    check_spec(method)
    for classes in (2, 5):
        _check_prepare(f"{describe_kind(method)}, {classes} classes", method, classes)
    try:
        import torch  # noqa: F401
    except ImportError:
        return
    for classes in (2, 5):
        _check_loss(f"{describe_kind(method)}, {classes} classes", method, classes)


def _check_prepare(name: str, method: Method, classes: int) -> None:
    rng = np.random.default_rng(classes)
    weak = Targets.of([f"row{i}" for i in range(ROWS)], rng.dirichlet(np.ones(classes), size=ROWS))
    features = rng.normal(size=(ROWS, 8)).astype(np.float32) if "features" in method.needs else None
    before = pickle.dumps(weak)
    first = method.prepare(weak, features=features, rng=np.random.default_rng(0))
    hold(pickle.dumps(weak) == before, f"{name}: `prepare` changes the weak labels it is given")
    known = {row: i for i, row in enumerate(weak.ids)}
    places = [known.get(row, -1) for row in first.ids]
    hold(bool(places) and min(places) >= 0, f"{name}: `prepare` returns no rows, or rows it was not given")
    hold(places == sorted(set(places)), f"{name}: `prepare` returns rows twice or in another order")
    check_values(name, first.values, rows=len(first.ids), columns=classes, target="classification")
    mean = float(first.weight.mean())
    hold(bool((first.weight >= 0).all()) and abs(mean - 1) < 1e-6, f"{name}: weights have mean {mean:.6g}, not 1")
    again = method.prepare(weak, features=features, rng=np.random.default_rng(0))
    hold(_equal(first, again, 0.0), f"{name}: the same seed gives other targets")
    order = rng.permutation(ROWS)
    moved_features = None if features is None else features[order]
    moved = method.prepare(weak.take(order), features=moved_features, rng=np.random.default_rng(0))
    back = moved.take(np.argsort([known[row] for row in moved.ids]))
    hold(_equal(first, back, 1e-6), f"{name}: a row's target depends on the order of the rows; draw by row id")


def _equal(left: Targets, right: Targets, tolerance: float) -> bool:
    return left.ids == right.ids and all(
        np.allclose(getattr(left, what), getattr(right, what), rtol=0, atol=tolerance)
        for what in ("values", "weight", "gold")
    )


def _check_loss(name: str, method: Method, classes: int) -> None:
    import torch

    make_rng = torch.Generator().manual_seed(classes)
    for scale in (1.0, EXTREME):
        logits = torch.randn(8, classes, generator=make_rng) * scale
        targets = torch.softmax(torch.randn(8, classes, generator=make_rng), dim=-1)
        recent = torch.softmax(torch.randn(8, classes, generator=make_rng), dim=-1)
        for progress in PROGRESS:
            where = f"{name}: at progress {progress} with logits of size {scale:g}"
            run = _Loss(method, targets, recent, progress)
            whole, gradient = run.of(logits, range(8))
            hold(whole.shape == (8,), f"{where} the loss has shape {tuple(whole.shape)}; one number per row is needed")
            hold(bool(torch.isfinite(whole).all()), f"{where} the loss is not finite")
            hold(bool(torch.isfinite(gradient).all()), f"{where} the gradient is not finite")
            for rows in ([5, 1, 7, 0, 3, 2, 6, 4], [2, 3], [6]):
                part, _ = run.of(logits, rows)
                close = torch.allclose(part, whole[rows], rtol=1e-4, atol=1e-5)
                hold(close, f"{where} a row's loss depends on how the step is cut or ordered into micro-batches")


@dataclasses.dataclass(frozen=True)
class _Loss:
    """The loss of micro-batches of one step of 8 rows."""

    method: Method
    targets: Any  # tensors, whose type would import torch here
    recent: Any
    progress: float

    def of(self, logits: Any, rows: Sequence[int]) -> tuple[Any, Any]:
        """Return the losses of the given rows of the step, and their gradient."""
        import torch

        chosen = torch.tensor(list(rows))
        part = logits[chosen].clone().requires_grad_()
        hidden = torch.ones(len(chosen), 4, requires_grad=True) * chosen[:, None]
        batch = Batch(
            logits=part,
            targets=self.targets[chosen],
            gold=torch.zeros(len(chosen), dtype=torch.bool),
            hidden=hidden,
            rows=chosen,
            step_probs=torch.softmax(logits, dim=-1),
            step_targets=self.targets,
            recent_probs=self.recent,
            step=int(self.progress * 200),
        )
        loss = self.method.loss(batch, self.progress)
        (gradient,) = torch.autograd.grad(loss.sum(), part)
        return loss.detach(), gradient
