"""`overlap` and `rp` against loops over change points, similarities and n x n kernels."""

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.errors import IncompatibleError, SpecError
from surpass.methods._partition import threshold
from surpass.methods.base import Given
from surpass.methods.overlap import Overlap
from surpass.methods.rp import Rp
from surpass.testing import check_method
from surpass.testing._methods import sample_weak


def _prepare(method, weak, given):
    return method.prepare(weak, given, np.random.default_rng(0))


def _problem(classes, gold=False):
    weak, given = sample_weak(classes, 80)
    return (weak if gold else Targets.of(weak.ids, weak.values)), given


@pytest.mark.parametrize(
    "method",
    [
        Overlap(),
        Overlap(variant="inner"),
        Overlap(keep="overlap+easy"),
        Overlap(variant="aar"),
        Overlap(variant="aar", share=0.2, k=3),
        Overlap(variant="aar", k=500),
        Rp(),
        Rp(keep="low", share=0.3),
        Rp(reg=1.0),
    ],
)
def test_selections_keep_their_contract(method):
    check_method(method)


def _slow_cut(scores, places):
    """The value right of the cut with the least squared error around both sides' means; of equal cuts the last."""
    ordered = sorted(scores)
    costs = []
    for place in places:
        left, right = np.array(ordered[:place]), np.array(ordered[place:])
        costs.append(((left - left.mean()) ** 2).sum() + ((right - right.mean()) ** 2).sum())
    least = [place for place, cost in zip(places, costs, strict=True) if cost <= min(costs) + 1e-12]
    return ordered[least[-1]]


@pytest.mark.parametrize("n", [7, 8, 23, 60, 101])
def test_the_change_point_is_the_best_single_cut_at_every_fifth_place(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        scores = rng.beta(0.6, 0.9, size=n)
        places = [place for place in range(0, n, 5) if place >= 2 and n - place >= 2]  # ruptures: jump 5, min_size 2
        assert threshold(scores) == _slow_cut(scores, places)


def test_published_quirk_cuts_between_fifth_places_are_not_looked_for():
    scores = np.array([0.0] * 7 + [1.0] * 13)  # the exact cut is at 7; places 5 and 10 are looked at
    assert threshold(scores) == 0.0
    assert _slow_cut(scores, range(2, 19)) == 1.0


def test_published_quirk_of_equal_cuts_the_last_wins():
    assert threshold(np.repeat([0.0, 1.0, 2.0], 5)) == 2.0  # places 5 and 10 are as good


def test_too_few_values_are_cut_at_their_median():
    assert threshold(np.array([0.1, 0.5, 0.2])) == 0.2


def _slow_overlap(y, x, variant):
    """Their two detections (overlap_probing_experiment.py, data_source_selection_linear_probing.py), for two classes."""
    places = [place for place in range(0, len(y), 5) if place >= 2 and len(y) - place >= 2]
    confidence = [2 * abs(p - 0.5) for p in y]
    cut = _slow_cut(confidence, places)
    hard = [i for i, c in enumerate(confidence) if c < cut or (variant == "cosine" and c <= cut)]
    rest = [i for i in range(len(y)) if i not in hard]
    scores = []
    for i in rest:
        likeness = []
        for j in hard:
            product = float(x[i] @ x[j])
            likeness.append(abs(product / np.sqrt((x[i] @ x[i]) * (x[j] @ x[j]))) if variant == "cosine" else product)
        scores.append(max(likeness))
    cut = _slow_cut(scores, [place for place in range(0, len(rest), 5) if place >= 2 and len(rest) - place >= 2])
    return hard, [i for i, score in zip(rest, scores, strict=True) if score >= cut - 1e-12]


@pytest.mark.parametrize("variant", ["cosine", "inner"])
def test_overlap_is_its_published_detection(variant):
    weak, given = _problem(2)
    hard, overlap = _slow_overlap(weak.values[:, 1].tolist(), given.features.astype(np.float64), variant)
    assert _prepare(Overlap(variant=variant), weak, given).ids == tuple(weak.ids[i] for i in overlap)
    both = _prepare(Overlap(variant=variant, keep="overlap+easy"), weak, given).ids
    assert set(weak.ids) - set(both) == {weak.ids[i] for i in hard}
    assert 0 < len(overlap) < len(both) < 80


def test_published_quirk_a_row_at_the_threshold_is_hard_for_one_code_and_not_for_the_other():
    values = np.array([[0.5, 0.5]] * 10 + [[0.1, 0.9]] * 10)
    weak = Targets.of([f"r{i:02}" for i in range(20)], values)
    given = Given(features=np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))
    assert len(_prepare(Overlap(variant="inner", keep="overlap+easy"), weak, given).ids) == 10
    assert _prepare(Overlap(variant="cosine", keep="overlap+easy"), weak, given).ids == ()


def test_five_classes_are_cut_by_the_largest_probability():
    weak, given = _problem(5)
    top = weak.values.max(axis=1)
    cut = _slow_cut(top.tolist(), range(5, 79, 5))
    kept = _prepare(Overlap(keep="overlap+easy"), weak, given).ids
    assert kept == tuple(row for row, value in zip(weak.ids, top, strict=True) if value > cut)


def test_ground_truth_stays_and_takes_no_part_in_the_cuts():
    weak, given = _problem(2, gold=True)
    rest = np.flatnonzero(~weak.gold)
    alone = _prepare(Overlap(), weak.take(rest), Given(features=given.features[rest]))
    found = _prepare(Overlap(), weak, given)
    assert set(found.ids) == {*alone.ids, *np.array(weak.ids)[weak.gold].tolist()}


def test_aar_sums_the_z_scores_of_its_four_parts():
    weak, given = _problem(2)
    x, y, k = given.features.astype(np.float64), weak.values, 6
    distances = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    near = [sorted(range(80), key=lambda j, i=i: distances[i, j])[:k] for i in range(80)]
    agreement = [np.mean([y[j] @ y[i] for j in near[i]]) for i in range(80)]
    density = [-np.mean([distances[i, j] for j in near[i]]) for i in range(80)]
    entropy = -(y * np.log(np.maximum(y, 1e-300))).sum(axis=1)
    bump = np.exp(-0.5 * ((entropy - 0.5 * np.log(2)) / (0.25 * np.log(2))) ** 2)
    fitted = _slow_out_of_fold(x, y, weak.ids)
    score = sum((np.array(part) - np.mean(part)) / np.std(part) for part in (fitted, agreement, density, bump))
    wanted = set()
    for c in (0, 1):
        rows = [i for i in range(80) if y[i].argmax() == c]
        wanted |= {weak.ids[i] for i in sorted(rows, key=lambda i: -score[i])[: -(-len(rows) // 2)]}
    assert set(_prepare(Overlap(variant="aar", k=k), weak, given).ids) == wanted


def _slow_out_of_fold(x, y, ids):
    """P(hard label) by scikit-learn on standardized features, in five folds by the rank of a hash."""
    import hashlib

    from sklearn.linear_model import LogisticRegression

    ranked = sorted(range(len(ids)), key=lambda i: hashlib.sha256(ids[i].encode()).hexdigest())
    fold = {i: place % 5 for place, i in enumerate(ranked)}
    labels, found = y.argmax(axis=1), np.empty(len(ids))
    for number in range(5):
        held = [i for i in range(len(ids)) if fold[i] == number]
        rest = [i for i in range(len(ids)) if fold[i] != number]
        mean, spread = x[rest].mean(axis=0), x[rest].std(axis=0)
        model = LogisticRegression(C=1 / (2 * 0.15 * len(rest)), tol=1e-10, max_iter=10_000)
        model.fit((x[rest] - mean) / spread, labels[rest])
        probs = model.predict_proba((x[held] - mean) / spread)
        found[held] = probs[np.arange(len(held)), labels[held]]
    return found


@pytest.mark.parametrize("widths", [(8, 5), (8, 200), (200, 8)])
def test_rp_is_the_gap_of_the_two_kernels(widths):
    rng, n = np.random.default_rng(sum(widths)), 60
    strong, supervisor = (rng.normal(size=(n, width)) + 1 for width in widths)
    y = rng.uniform(size=n)
    weak = Targets.of([f"r{i:02}" for i in range(n)], np.stack([1 - y, y], axis=1))

    def projection(x):
        x = x.astype(np.float32).astype(np.float64)
        x = x - x.mean(axis=0)
        kernel = x @ x.T / n
        return kernel @ np.linalg.inv(kernel + 0.1 * np.trace(kernel) / n * np.eye(n))

    score = np.abs(projection(strong) @ (np.eye(n) - projection(supervisor)) @ (y - y.mean()))
    ranked = sorted(range(n), key=lambda i: -score[i])
    given = Given(features=strong.astype(np.float32), supervisor_features=supervisor.astype(np.float32))
    assert set(_prepare(Rp(), weak, given).ids) == {weak.ids[i] for i in ranked[:30]}
    assert set(_prepare(Rp(keep="low", share=0.1), weak, given).ids) == {weak.ids[i] for i in ranked[-6:]}


def test_rp_of_labels_that_the_supervisor_explains_is_smaller():
    from surpass.methods.rp import gap

    rng = np.random.default_rng(0)
    strong, supervisor = rng.normal(size=(100, 10)), rng.normal(size=(100, 10))
    known, unknown = ((1 + np.sign(x[:, :1])) / 2 for x in (supervisor, strong))
    known, unknown = (np.hstack([1 - y, y]) for y in (known, unknown))
    assert gap(strong, supervisor, unknown, 0.1).mean() > 2 * gap(strong, supervisor, known, 0.1).mean()
    assert gap(strong, supervisor, np.full((100, 2), 0.5), 0.1).max() < 1e-12


def test_rp_asks_for_both_backbones_and_checks_its_options():
    weak, given = _problem(2)
    with pytest.raises(IncompatibleError, match="frozen features of the supervisor, but was given none"):
        _prepare(Rp(), weak, Given(features=given.features))
    with pytest.raises(SpecError, match="it must be above 0"):
        Rp(share=0.0)
    with pytest.raises(SpecError, match="it must be above 0"):
        Rp(reg=0.0)
    with pytest.raises(SpecError, match="'cosine' or 'inner' or 'aar'"):
        Overlap(variant="ucb")
