"""Gain is at least misfit, as theorem and as bound, on fitted heads.

Let P be the rows that a student s was fitted on, <a, b> = mean over P of a b, w the supervisor's labels, f the truth, V the
linear heads with bias on the student's representation, and s the least squares fit of w in V. With gain = |w - f|^2 -
|s - f|^2 and misfit = |s - w|^2,

    gain - misfit = 2 <w - s, s - f>                                       (expand |w - f|^2 = |(w - s) + (s - f)|^2)

Realizable, f in V: s is the projection of w on V, which is convex, so <w - s, s - f> >= 0; V is even a subspace, so it is 0
and gain equals misfit. Not realizable: let g be the best member of V and eps = |g - f|^2. Then <w - s, s - g> >= 0, so

    gain - misfit >= 2 <w - s, g - f> >= -2 sqrt(misfit * eps)             (Cauchy-Schwarz).

A class that is convex but no subspace (heads within a ball) has the inequality, not the equality.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surpass.artifacts import Array, Values
from surpass.labels.gold import Gold
from surpass.models._mlp import exact, predicted, rows_of
from surpass.models._network import perturbed
from surpass.models.mlp import Mlp
from surpass.runner import run
from surpass.stages import Fit
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks._relu import drawn, represent
from surpass.tasks.synthetic import Synthetic

LEAST = -1e-6  # gain - misfit, on labels whose variance is 1 to 13
PRECISION = 1e-9  # of the labels' variance: what rounding leaves of an equality
TASK = Synthetic(tasks=20)
ROWS = TASK.draw("transfer", 20 * 200, 0)


class PerTask(NamedTuple):
    """Of each task: gain, misfit, variance of its labels, (t,)."""

    gain: Values
    misfit: Values
    variance: Values


def features(layers: tuple[Array, ...]) -> Array:
    inputs = np.asarray(ROWS.inputs)
    return np.column_stack([inputs[:, 0], represent(layers, inputs[:, 1:].astype(np.float64))])


def projected(layers: tuple[Array, ...], labels: Values) -> Values:
    """Return the least squares heads' own predictions, (n,)."""
    vectors = features(layers)
    heads = exact(rows_of(vectors, labels[:, None], np.ones(len(labels)), numbered=True), l2=0.0, numbered=True)
    return predicted(heads, vectors)[:, 0]


def per_task(weak: Values, student: Values, truth: Values = ROWS.labels) -> PerTask:
    place = np.asarray(ROWS.inputs)[:, 0].astype(int)

    def mean(values: Values) -> Values:
        return np.bincount(place, weights=values) / np.bincount(place)

    gain = mean((weak - truth) ** 2) - mean((student - truth) ** 2)
    return PerTask(gain, mean((student - weak) ** 2), mean(truth**2) - mean(truth) ** 2)


supervisors = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(["network", "noisy", "noise", "constant"]))


def supervisor(drawn_from: tuple[int, str]) -> Values:
    """Return a supervisor's labels: heads of some network, of h* with noise, truth with noise, or one number."""
    seed, kind = drawn_from
    rng = np.random.default_rng(seed)
    if kind == "network":
        return projected(drawn(rng, 8, [16] * int(rng.integers(1, 4))), ROWS.labels)
    if kind == "noisy":
        return projected(perturbed(TASK.network(), float(rng.uniform(0.05, 1)), rng), ROWS.labels)
    if kind == "noise":
        return ROWS.labels + rng.normal(scale=rng.uniform(0, 10), size=len(ROWS))
    return np.full(len(ROWS), rng.normal(scale=10))


@given(supervisors)
@settings(max_examples=30, deadline=None)
def test_realizable_gain_is_misfit_on_every_task(drawn_from):
    weak = supervisor(drawn_from)
    found = per_task(weak, projected(TASK.network(), weak))
    slack = found.gain - found.misfit
    assert (slack >= LEAST).all()
    assert (slack <= PRECISION * (found.variance + found.misfit)).all()  # a subspace: equal, not only at least


@given(supervisors, st.floats(0.01, 1.5), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_not_realizable_the_slack_is_bounded_by_the_measured_epsilon(drawn_from, size, seed):
    strong = perturbed(TASK.network(), size, np.random.default_rng(seed))
    weak = supervisor(drawn_from)
    best, student = projected(strong, ROWS.labels), projected(strong, weak)
    found = per_task(weak, student)
    epsilon = per_task(ROWS.labels, best).misfit
    bound = -2 * np.sqrt(found.misfit * epsilon)
    assert (found.gain - found.misfit >= bound - PRECISION * found.variance).all()


def test_without_the_epsilon_the_inequality_fails():
    strong = perturbed(TASK.network(), 0.4, np.random.default_rng(2))
    weak = projected(perturbed(TASK.network(), 0.4, np.random.default_rng(1)), ROWS.labels)
    found = per_task(weak, projected(strong, weak))
    assert (found.gain - found.misfit < -0.01 * found.variance).mean() > 0.9


@given(supervisors, st.floats(0.1, 3.0), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_heads_within_a_ball_gain_at_least_the_misfit(drawn_from, radius, seed):
    own = np.asarray(ROWS.inputs)[:, 0] == 3
    state = np.column_stack([features(TASK.network())[own, 1:], np.ones(own.sum())])
    axes = np.linalg.svd(state, full_matrices=False)[0] * np.sqrt(own.sum())  # orthonormal under the mean over rows
    rng = np.random.default_rng(seed)
    inside = rng.normal(size=axes.shape[1])
    truth = axes @ (inside * radius * rng.uniform() ** 0.1 / np.linalg.norm(inside))
    weak = supervisor(drawn_from)[own]
    weak = weak / max(weak.std(), 1e-9) * radius * 2
    head = axes.T @ weak / len(weak)
    student = axes @ (head * min(1.0, radius / np.linalg.norm(head)))  # the projection on the ball
    gain = ((weak - truth) ** 2).mean() - ((student - truth) ** 2).mean()
    misfit = ((student - weak) ** 2).mean()
    assert gain - misfit >= -PRECISION * radius**2


@given(supervisors)
@settings(max_examples=10, deadline=None)
def test_a_copy_of_the_supervisor_has_no_misfit(drawn_from):
    layers = perturbed(TASK.network(), 0.3, np.random.default_rng(drawn_from[0]))
    weak = projected(layers, ROWS.labels)
    found = per_task(weak, projected(layers, weak))
    assert (found.misfit <= PRECISION**2 * found.variance).all()
    assert (np.abs(found.gain) <= PRECISION * found.variance).all()


@pytest.mark.parametrize("fresh", [True, False])
def test_the_theorem_holds_on_the_artifacts_of_a_study(tmp_path: Path, fresh: bool):
    task = Synthetic(tasks=10, fresh=fresh)
    weak = Mlp(learned_on=task, depth=2, learn_epochs=1)
    kinds = ("target", "perturbed")
    pairs = tuple(Pair(weak=weak, strong=Mlp(learned_on=task, representation=kind, size=0.05)) for kind in kinds)
    data = {"n_weak": 3000, "n_transfer": 3000, "n_val": 0, "n_test": 500}
    study = Study(name="theorem", tasks=(task,), pairs=pairs, data=data, seeds=1)
    store = Store.open(tmp_path)
    plan, outcomes = run(study, store=store)
    assert {outcome.status for outcome in outcomes} == {"done"}
    fits = {node.key: node.spec for node in plan.nodes.values() if isinstance(node.spec, Fit)}
    rows = task.draw("transfer", 3000, 0)
    place = np.asarray(rows.inputs)[:, 0].astype(int)

    def on_rows(spec: Fit) -> Values:
        key = next(name for name, fit in fits.items() if fit == spec)
        return store.load("fit", key).on(rows.ids)[:, 0]  # type: ignore[union-attr, return-value]

    def mean(values: Values) -> Values:
        return np.bincount(place, weights=values) / np.bincount(place)

    variance = mean(rows.labels**2) - mean(rows.labels) ** 2
    for student in (fit for fit in fits.values() if isinstance(fit.labels, Fit)):
        ceiling = next(f for f in fits.values() if f.model == student.model and f.labels == Gold(split="transfer"))
        w, s, best = on_rows(student.labels), on_rows(student), on_rows(ceiling)  # type: ignore[arg-type]
        misfit = mean((s - w) ** 2)
        slack = mean((w - rows.labels) ** 2) - mean((s - rows.labels) ** 2) - misfit
        epsilon = mean((best - rows.labels) ** 2)  # the ceiling on the rows it was fitted on is the best member
        assert (misfit > 0.001 * variance).mean() > 0.5
        if student.model.representation == "target":  # type: ignore[attr-defined]
            assert (epsilon <= 1e-9 * variance).all()
            assert (slack >= LEAST).all()
        else:
            assert (slack >= -2 * np.sqrt(misfit * epsilon) - PRECISION * variance).all()
