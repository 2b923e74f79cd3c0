"""The kernel quantity against n x n matrices, and what projections must be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surpass.diagnostics import Views, kernel_gap, kernel_norm
from surpass.diagnostics.kernel import _influences
from surpass.errors import AlignmentError, DataError, SpecError
from surpass.methods._projection import projected


def projection(x, reg):
    """P as the definition has it, by an n x n kernel."""
    x = x - x.mean(axis=0)
    kernel = x @ x.T / len(x)
    ridge = reg * np.trace(kernel) / len(x) + 1e-12
    return kernel @ np.linalg.inv(kernel + ridge * np.eye(len(x)))


def tables(n, d, k, seed=0, common=2):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, common))
    strong = np.hstack([z, rng.normal(size=(n, d - common))]) @ rng.normal(size=(d, d)) + 1
    return strong, np.hstack([z, rng.normal(size=(n, k - common))]) - 1


def names(n):
    return [f"r{i}" for i in range(n)]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(4, 40), d=st.integers(1, 60), seed=st.integers(0, 99), reg=st.floats(1e-3, 10))
def test_projections_are_symmetric_with_eigenvalues_in_zero_one(n, d, seed, reg):
    x = np.random.default_rng(seed).normal(size=(n, d))
    p = projected(x, np.eye(n), reg)
    assert np.abs(p - p.T).max() < 1e-9
    values = np.linalg.eigvalsh((p + p.T) / 2)
    assert values.min() > -1e-9
    assert values.max() < 1
    # both forms, that of the columns and that of the rows, are the same matrix: pad with empty columns
    padded = np.hstack([x, np.zeros((n, max(0, n + 1 - d)))])
    assert np.abs(projected(padded, np.eye(n), reg) - p).max() < 1e-8


@pytest.mark.parametrize(("d", "k"), [(8, 5), (8, 90), (90, 5), (90, 100), (60, 60)])
def test_gap_and_norms_are_those_of_the_n_x_n_matrices(d, k):
    n, reg = 60, 0.1
    strong, weak = tables(n, d, k)
    y = np.random.default_rng(1).uniform(size=n)
    matrix = projection(strong, reg) @ (np.eye(n) - projection(weak, reg))
    v = matrix @ (y - y.mean())
    found = kernel_gap([Views(strong=strong, labels=np.stack([1 - y, y], axis=1), groups=names(n), weak=weak)])
    assert found.gap.value == pytest.approx((v**2).mean())
    assert found.share.value == pytest.approx((v**2).mean() / y.var())
    assert kernel_gap([Views(strong=strong, labels=y, groups=names(n), weak=weak)], classes=False).gap.value == (
        pytest.approx(found.gap.value)
    )
    norm = kernel_norm(strong, weak)
    assert norm.operator.value == pytest.approx(np.linalg.norm(matrix, 2))
    whole = np.linalg.norm(projection(strong, reg)) ** 2
    assert norm.share.value == pytest.approx(np.linalg.norm(matrix) ** 2 / whole, rel=1e-6)
    # the norm bounds what any labels can show
    assert np.linalg.norm(v) <= norm.operator.value * np.linalg.norm(y - y.mean()) * (1 + 1e-9)


@pytest.mark.parametrize("width", [10, 90])
def test_the_same_features_leave_nothing_as_reg_goes_to_zero(width):
    strong, _ = tables(60, width, 5)
    before = 1.0
    for reg in (1e-1, 1e-4, 1e-8):
        norm = kernel_norm(strong, strong @ np.diag([2.0] * width), reg=reg)
        assert norm.operator.value < before
        before = norm.operator.value
    assert before < 1e-3
    y = np.random.default_rng(0).uniform(size=(60, 2))
    assert kernel_gap([Views(strong=strong, labels=y, groups=names(60), weak=strong)], reg=1e-8).share.value < 1e-6


def test_what_only_the_strong_model_sees_is_its_gap():
    rng = np.random.default_rng(0)
    strong, weak = rng.normal(size=(400, 10)), rng.normal(size=(400, 10))

    def share(labels):
        seen = Views(strong=strong, labels=labels, groups=names(400), weak=weak)
        return kernel_gap([seen, seen], classes=False).share

    assert share(strong[:, :2]).low > 0.8
    assert share(weak[:, :2]).high < 0.1


def test_jackknife_intervals_cover_the_value_of_many_rows():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 4))

    def pair(n):
        strong = rng.normal(size=(n, 6))
        return strong, strong @ mix + 2 * rng.normal(size=(n, 4))

    true = kernel_norm(
        *pair(200_000), reg=0.1 * 1e3
    ).share.value  # r = reg * trace / n: the same ridge at 1,000 x fewer rows
    hits = 0
    for _ in range(60):
        found = kernel_norm(*pair(200), reg=0.1).share
        hits += found.low <= true <= found.high
    assert hits >= 50


def test_intervals_of_the_gap_cover_the_gap_of_many_rows():
    """Both projections are fitted on the rows, so the interval must hold how they would differ on others."""
    mix = np.random.default_rng(0).normal(size=(6, 4))

    def view(n, seed):
        rng = np.random.default_rng(seed)
        strong = rng.normal(size=(n, 6))
        labels = strong[:, 0] + strong[:, 1] * strong[:, 2] + rng.normal(size=n)
        return Views(strong, labels, np.arange(n) % 200, strong @ mix + 2 * rng.normal(size=(n, 4)))

    many, few = 100_000, 200
    true = kernel_gap([view(many, 1)], classes=False, reg=0.1 * many / few)  # the same ridge
    hits = np.zeros(2)
    for seed in range(60):
        found = kernel_gap([view(few, (2, seed))], classes=False)
        hits += [
            found.gap.low <= true.gap.value <= found.gap.high,
            found.share.low <= true.share.value <= found.share.high,
        ]
    assert (hits >= 52).all()


@pytest.mark.parametrize("reg", [0.1, 100.0])
def test_the_interval_of_the_gap_is_the_jackknife_of_the_whole_computation(reg):
    rng = np.random.default_rng(0)
    strong = rng.normal(size=(120, 5)) * rng.exponential(size=(120, 1))  # some rows are far out
    weak = strong[:, :3] + 2 * rng.normal(size=(120, 3))  # at an angle: neither the same directions nor others
    y = strong[:, 0] + strong[:, 4] + rng.normal(size=120)

    def gap(kept):
        views = [Views(strong[kept], y[kept], names(len(kept)), weak[kept])]
        return kernel_gap(views, classes=False, reg=reg * len(kept) / 120).gap

    every = np.arange(120)
    rest = np.array([gap(np.delete(every, i)).value for i in every])
    pseudo = 120 * gap(every).value - 119 * rest  # Quenouille's: what each row counts, to 1 / n
    influence = _influences(strong, weak, y[:, None], reg)[0][:, 0]
    assert np.abs(influence - pseudo).mean() < 0.06 * pseudo.std()
    spread = np.sqrt(119 * rest.var())
    found = gap(every)
    assert found.high - found.low == pytest.approx(2 * 1.98 * spread, rel=0.1)


def test_a_share_is_at_most_one_and_so_is_its_interval():
    rng = np.random.default_rng(1)
    strong = rng.normal(size=(8, 5))
    found = kernel_gap([Views(strong, strong[:, 0], names(8), rng.normal(size=(8, 1)))], classes=False, reg=1e-3)
    assert 0.5 < found.share.value <= found.share.high <= 1


def test_one_column_of_probabilities_is_that_of_the_second_class():
    strong, weak = tables(60, 6, 4)
    y = np.random.default_rng(1).uniform(size=60)
    alone, both = (kernel_gap([Views(strong, labels, names(60), weak)]) for labels in (y, np.stack([1 - y, y], 1)))
    assert alone.gap.value == pytest.approx(both.gap.value)
    assert alone.share.value == pytest.approx(both.share.value)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 1 / 3, 0.7, 1.0])
def test_constant_labels_of_any_value_are_undefined(p):
    strong, weak = tables(60, 6, 4)
    for labels, classes in ((np.tile([1 - p, p], (60, 1)), True), (np.full(60, 1000 * p + 0.1), False)):
        found = kernel_gap([Views(strong, labels, names(60), weak)], classes=classes)
        assert not found.gap.defined
        assert "labels are constant in 1 of 1 seeds" in found.share.note


def test_groups_are_left_out_together():
    strong, weak = tables(50, 6, 4)
    twice = [np.repeat(x, 2, axis=0) for x in (strong, weak)]
    alone, together = (kernel_norm(*twice, groups=groups, reg=0.2).share for groups in (None, np.repeat(names(50), 2)))
    assert (together.examples, alone.examples) == (50, 100)
    assert together.high - together.low > alone.high - alone.low
    one = kernel_norm(strong, weak, groups=["a"] * 50).share
    assert one.note == "needs at least two groups of rows, got 1"


def test_bad_tables_are_refused_and_empty_ones_undefined():
    strong, weak = tables(30, 4, 3)
    broken = strong.copy()
    broken[7, 2] = np.inf
    with pytest.raises(
        DataError, match="strong features hold values that are not finite in 1 of 30 rows, the first at row 7"
    ):
        kernel_norm(broken, weak)
    with pytest.raises(AlignmentError, match="weak features have 29 rows where 30 are expected"):
        kernel_norm(strong, weak[:-1])
    with pytest.raises(AlignmentError, match="groups have shape"):
        kernel_norm(strong, weak, ["a"])
    with pytest.raises(SpecError, match="reg=0"):
        kernel_norm(strong, weak, reg=0)
    with pytest.raises(SpecError, match="level=2"):
        kernel_norm(strong, weak, level=2)
    with pytest.raises(DataError, match="the supervisor has no features"):
        kernel_gap([Views(strong=strong, labels=strong, groups=names(30))])
    with pytest.raises(AlignmentError, match="labels have shape"):
        kernel_gap([Views(strong=strong, labels=strong[1:], groups=names(30), weak=weak)])
    with pytest.raises(DataError, match="labels hold"):
        kernel_gap([Views(strong=strong, labels=broken, groups=names(30), weak=weak)])
    constant = kernel_gap([Views(strong=strong, labels=np.full((30, 2), 0.5), groups=names(30), weak=weak)])
    assert "labels are constant in 1 of 1 seeds" in constant.share.note
    assert not constant.gap.defined
    assert "strong features are constant" in kernel_norm(np.ones((30, 4)), weak).share.note
    assert "at least 4 rows" in kernel_norm(strong[:3], weak[:3]).operator.note
    assert kernel_norm(strong, np.ones((30, 2))).share.value == pytest.approx(1)
