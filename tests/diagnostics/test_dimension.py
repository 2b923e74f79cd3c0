"""Dimensions of manifolds whose dimension is known, and of subspaces that share a known part."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from surpass.diagnostics import correlation_dimension, nearest_dimension, shared_dimension
from surpass.diagnostics._rows import jackknifed
from surpass.diagnostics.dimension import _by_block, _left
from surpass.errors import AlignmentError, DataError, SpecError

BOTH = pytest.mark.parametrize("dimension", [correlation_dimension, nearest_dimension])


def curve(rng, n):
    t = rng.uniform(0, 6, size=n)
    return np.stack([np.cos(t), np.sin(t), t], axis=1)


MANIFOLDS = {
    "curve": (1, curve),
    "plane": (2, lambda rng, n: rng.uniform(size=(n, 2))),
    "sphere": (2, lambda rng, n: (x := rng.normal(size=(n, 3))) / np.linalg.norm(x, axis=1, keepdims=True)),
    "normal": (5, lambda rng, n: rng.normal(size=(n, 5))),
}


@BOTH
@pytest.mark.parametrize("name", MANIFOLDS)
def test_known_manifolds_have_their_dimension(dimension, name):
    true, draw = MANIFOLDS[name]
    rng = np.random.default_rng(0)
    x = draw(rng, 1500)
    x = x @ rng.normal(size=(x.shape[1], 40)) + 7  # a linear map into 40 columns leaves a manifold's dimension as it is
    found = dimension(x)
    assert found.value == pytest.approx(true, rel=0.1)
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.35 * true


def test_pairs_without_a_block_are_those_of_the_other_rows():
    x = np.random.default_rng(0).normal(size=(30, 2))
    block, near = np.arange(30) % 4, pdist(x) < 1.0
    for b in range(4):
        assert _left(_by_block(near, block), b) == (pdist(x[block != b]) < 1.0).sum()


def test_the_jackknife_of_a_mean_is_its_standard_error():
    blocks = np.random.default_rng(0).normal(size=(10, 7)).mean(axis=1)  # of as many rows each
    without = (blocks.sum() - blocks) / 9
    found = jackknifed(blocks.mean(), without, groups=70, level=0.95)
    half = 2.262157 * blocks.std(ddof=1) / np.sqrt(10)
    assert (found.low, found.high) == pytest.approx((blocks.mean() - half, blocks.mean() + half))


@BOTH
def test_scale_rotation_and_the_order_of_rows_change_nothing(dimension):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert dimension(1e3 * x @ turn).value == pytest.approx(dimension(x).value)
    assert dimension(x[::-1]).value == pytest.approx(dimension(x).value)


@BOTH
def test_many_rows_are_drawn_with_the_seed(dimension):
    x = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    found = dimension(x, rows=800, seed=1)
    assert found == dimension(x, rows=800, seed=1)
    assert found.value != dimension(x, rows=800, seed=2).value
    assert found.examples == 800


def test_high_dimensions_are_underestimated_as_the_text_says():
    x = np.random.default_rng(0).normal(size=(2000, 20))
    assert correlation_dimension(x).value == pytest.approx(13.6, abs=0.5)
    assert nearest_dimension(x).value == pytest.approx(17.7, abs=1)


@BOTH
def test_bad_input_is_refused_or_undefined_with_the_reason(dimension):
    x = np.random.default_rng(0).normal(size=(300, 3))
    assert not dimension(np.ones((300, 3))).defined
    assert "distance" in dimension(np.ones((300, 3))).note
    assert "needs" in dimension(x[:2]).note
    with pytest.raises(DataError, match="not finite in 300 of 300 rows"):
        dimension(x * np.nan)
    with pytest.raises(DataError, match="shape"):
        dimension(x[:, 0])
    with pytest.raises(AlignmentError, match="groups"):
        dimension(x, list("abc"))
    with pytest.raises(SpecError, match="level"):
        dimension(x, level=1)
    with pytest.raises(SpecError, match="rows=2"):
        dimension(x, rows=2)


def test_copies_of_rows_are_left_out_or_told():
    x = np.random.default_rng(0).normal(size=(150, 2))
    twice = np.vstack([x, x])
    assert not nearest_dimension(twice).defined  # every nearest is a copy
    some = np.vstack([x, x[:20]])
    assert nearest_dimension(some).examples == 130
    assert "same distance 0" in correlation_dimension(np.vstack([x] * 8)).note
    with pytest.raises(SpecError, match="near"):
        correlation_dimension(x, near=(0.1, 0.01))


def test_subspaces_share_what_they_have_in_common():
    rng = np.random.default_rng(0)
    n = 3000
    common, one, other = (rng.normal(size=(n, k)) for k in (4, 6, 3))
    strong = np.hstack([common, one]) @ rng.normal(size=(10, 30))
    weak = np.hstack([common, other]) @ np.linalg.qr(rng.normal(size=(7, 7)))[0]
    found = shared_dimension(strong, weak, share=1 - 1e-9)
    assert (found.strong, found.weak) == (10, 7)
    # 4 in common, and of the other 6 x 3 what chance gives
    assert found.shared.value == pytest.approx(4 + 6 * 3 / n, abs=0.02)
    assert found.by_chance == pytest.approx(70 / (n - 1))
    same = shared_dimension(strong, strong @ rng.normal(size=(30, 30)), share=1 - 1e-9)
    assert same.shared.value == pytest.approx(10)
    apart = shared_dimension(one, other, share=1 - 1e-9)
    assert 0 <= apart.shared.value < 0.05


def test_sharing_is_that_of_canonical_correlations():
    rng = np.random.default_rng(1)
    strong = rng.normal(size=(200, 5)) + 3
    weak = strong[:, :2] + rng.normal(size=(200, 2))
    bases = [np.linalg.qr(x - x.mean(axis=0))[0] for x in (strong, weak)]
    squared = np.linalg.svd(bases[0].T @ bases[1])[1] ** 2
    assert shared_dimension(strong, weak, share=0.9999).shared.value == pytest.approx(squared.sum())


def test_shared_dimension_without_room_is_undefined_with_the_reason():
    rng = np.random.default_rng(0)
    found = shared_dimension(rng.normal(size=(20, 40)), rng.normal(size=(20, 30)))
    assert not found.shared.defined
    assert "among 20 rows always meet" in found.shared.note
    constant = shared_dimension(rng.normal(size=(20, 4)), np.ones((20, 4)))
    assert constant.weak == 0
    assert "weak features are constant" in constant.shared.note
    with pytest.raises(SpecError, match="share=1"):
        shared_dimension(np.eye(4), np.eye(4), share=1)
    with pytest.raises(AlignmentError, match="weak features have 3 rows"):
        shared_dimension(np.eye(4), np.eye(3))
