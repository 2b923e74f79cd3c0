"""Bregman divergences and the inequality gain >= misfit, for students that are projections on random convex classes."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import softmax
from scipy.stats import ortho_group

from surpass.artifacts import Targets
from surpass.diagnostics.misfit import NEGATIVE_ENTROPY, SQUARES, Generator, bregman
from surpass.methods.kl import KL
from surpass.models.base import Work
from surpass.models.mixture import Mixture
from surpass.runtime import Runtime

ITAKURA_SAITO = Generator(lambda x: -np.log(x).sum(axis=1), lambda x: -1 / x)
TURN = ortho_group.rvs(4, random_state=0) * [1, 2, 3, 4]
LENGTHS = Generator(lambda x: ((x @ TURN) ** 2).sum(axis=1), lambda x: 2 * x @ TURN @ TURN.T)  # Mahalanobis
QUARTIC = Generator(lambda x: (x**4).sum(axis=1), lambda x: 4 * x**3)
GENERATORS = {
    "squares": SQUARES,
    "negative entropy": NEGATIVE_ENTROPY,
    "Itakura-Saito": ITAKURA_SAITO,
    "lengths": LENGTHS,
    "quartic": QUARTIC,
}
SEEDS = st.integers(0, 100_000)


def mean(first, second, generator):
    return bregman(first, second, generator).mean()


def points(rng, *shape, name):
    """Probabilities over four classes, kept off 0; squares, lengths and quartic take any numbers."""
    if name in ("negative entropy", "Itakura-Saito"):
        return softmax(2 * rng.normal(size=(*shape, 4)), axis=-1)
    return rng.normal(size=(*shape, 4))


@pytest.mark.parametrize("name", GENERATORS)
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_three_points(name, seed):
    """D(g, w) = D(g, s) + D(s, w) + <grad phi(s) - grad phi(w), g - s>, row by row."""
    g, s, w = points(np.random.default_rng(seed), 3, 20, name=name)
    generator = GENERATORS[name]
    angle = ((generator.gradient(s) - generator.gradient(w)) * (g - s)).sum(axis=1)
    left, right = bregman(g, w, generator), bregman(g, s, generator) + bregman(s, w, generator) + angle
    size = 1 + np.abs(generator.gradient(np.stack([s, w]).reshape(-1, 4))).max()  # of what is added and rounded
    assert np.abs(left - right).max() < 1e-10 * size


@pytest.mark.parametrize("name", GENERATORS)
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_divergences_are_convex_in_the_first_slot_and_0_only_for_copies(name, seed):
    rng = np.random.default_rng(seed)
    (a, b, w), share = points(rng, 3, 20, name=name), rng.random()
    generator = GENERATORS[name]
    between = bregman(share * a + (1 - share) * b, w, generator)
    assert (between <= share * bregman(a, w, generator) + (1 - share) * bregman(b, w, generator) + 1e-8).all()
    assert np.abs(bregman(a, a, generator)).max() == 0
    assert (bregman(a, w, generator) > 0).all()


def projected(members, w, generator):
    """Return argmin_a E D(sum_j a_j f_j, w) over the simplex, and how much a member could still improve it by."""

    def value(a):
        return mean(np.tensordot(a, members, 1), w, generator)

    def slope(a):
        s = np.tensordot(a, members, 1)
        pull = generator.gradient(s) - generator.gradient(w)
        return (members * pull).sum(axis=2).mean(axis=1)

    count = len(members)
    found = minimize(
        value,
        np.full(count, 1 / count),
        jac=slope,
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    a = found.x.clip(0) / found.x.clip(0).sum()
    return a, float(slope(a) @ a - slope(a).min())


@pytest.mark.parametrize("name", GENERATORS)
@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 5))
def test_gain_is_not_below_misfit_for_a_projection_on_a_convex_class(name, seed, count):
    """E D(g, w) >= E D(g, s) + E D(s, w) for every g in the hull of some functions and s its point nearest to w."""
    rng, generator = np.random.default_rng(seed), GENERATORS[name]
    members, w = points(rng, count, 15, name=name), points(rng, 15, name=name)
    a, left_over = projected(members, w, generator)
    s, size = np.tensordot(a, members, 1), 1 + mean(members[0], w, generator)
    assert left_over < 1e-4 * size  # it is the projection, to what the solver can do
    for shares in (*np.eye(count), *rng.dirichlet(np.ones(count), size=5)):
        g = np.tensordot(shares, members, 1)
        slack = mean(g, w, generator) - mean(g, s, generator) - mean(s, w, generator)
        assert slack >= -left_over - 1e-9 * size


def test_a_class_that_is_not_convex_can_gain_less_than_its_misfit():
    """Two functions and nothing between: the student is one of them, the target the other."""
    s, g, w = (np.array([[value]]) for value in (0.0, 3.0, 1.0))
    assert mean(s, w, SQUARES) < mean(g, w, SQUARES)
    assert mean(g, w, SQUARES) - mean(g, s, SQUARES) < mean(s, w, SQUARES)


def test_a_student_of_the_other_order_can_gain_less_than_its_misfit_though_its_class_is_convex():
    """Cross-entropy minimizes KL(w || s); with the student first the same three functions obey the inequality."""
    g, other = np.array([[0.08, 0.02, 0.9], [0.06, 0.02, 0.92]]), np.array([[0.94, 0.02, 0.04], [0.5, 0.06, 0.44]])
    w = np.array([[0.31, 0.64, 0.05], [0.02, 0.86, 0.12]])

    def kl(first, second):
        return mean(first, second, NEGATIVE_ENTROPY)

    hull = [share * g + (1 - share) * other for share in np.linspace(0, 1, 2001)]
    forward, reverse = min(hull, key=lambda s: kl(w, s)), min(hull, key=lambda s: kl(s, w))
    gain = kl(g, w) - kl(g, forward)
    assert gain < kl(w, forward) - 0.5
    assert gain < kl(forward, w) - 0.5
    assert kl(g, w) - kl(g, reverse) > kl(reverse, w) - 1e-3


def test_a_trained_mixture_obeys_it_against_every_mixture_of_its_own_heads():
    """What its own heads can mix is a convex class; the student is its projection once the mixing weights are fitted."""
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(300, 4)).astype(np.float32)
    w = softmax(2 * np.sin(2 * vectors @ rng.normal(size=(4, 3))), axis=1)  # no linear head has it
    work = Work(
        inputs=vectors,
        targets=Targets.of([str(i) for i in range(300)], w),
        watch=vectors[:3],
        target="classification",
        classes=3,
        method=KL(direction="reverse"),
        seed=0,
    )
    model = Mixture(heads=6, lr=0.02, epochs=1500, batch_size=300, held_out=0.0, weight_decay=0.0)
    fitted = model.fit(work, Runtime())
    s = fitted.predict(vectors)
    misfit = mean(s, w, NEGATIVE_ENTROPY)
    assert misfit > 0.1
    slacks = []
    for shares in (*np.eye(6), *rng.dirichlet(np.ones(6), size=20)):
        g = mixed(fitted, vectors, shares)
        slacks.append(mean(g, w, NEGATIVE_ENTROPY) - mean(g, s, NEGATIVE_ENTROPY) - misfit)
    assert min(slacks) > -1e-3 * misfit
    stopped = dataclasses.replace(model, epochs=20).fit(work, Runtime())  # not fitted to the end
    early = stopped.predict(vectors)
    assert any(
        mean(g, w, NEGATIVE_ENTROPY) - mean(g, early, NEGATIVE_ENTROPY)
        < mean(early, w, NEGATIVE_ENTROPY) - 1e-3 * misfit
        for g in (mixed(stopped, vectors, shares) for shares in np.eye(6))
    )


def mixed(fitted, vectors, shares):
    """Return what the heads of a fitted mixture say, mixed by other shares."""
    import torch

    with torch.no_grad():
        logits = fitted.heads.linear(torch.from_numpy(fitted.scale(vectors))).view(len(vectors), len(shares), -1)
    return np.tensordot(shares, softmax(logits.double().numpy(), axis=-1), axes=(0, 1))
