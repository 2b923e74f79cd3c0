"""`knn`, `logreg` and `topofilter` against slow implementations written from the definitions of EleutherAI/w2s."""

import numpy as np
import pytest
import torch

from surpass.artifacts import Targets
from surpass.errors import IncompatibleError, SpecError
from surpass.methods._logistic import Logistic
from surpass.methods._selection import disagreement
from surpass.methods.base import Given
from surpass.methods.knn import Knn
from surpass.methods.logreg import Logreg
from surpass.methods.topofilter import Topofilter
from surpass.testing import check_method
from surpass.testing._methods import sample_weak


def _prepare(method, weak, given):
    return method.prepare(weak, given, np.random.default_rng(0))


def _problem(classes, rows=60, gold=False):
    weak, given = sample_weak(classes, rows)
    return (weak if gold else Targets.of(weak.ids, weak.values)), given


def _slow_nearest(queries, table, k, *, skip=None):
    """For each query the k nearest rows by Euclidean distance, row by row; `skip` leaves row i out for query i."""
    found = []
    for i, query in enumerate(queries):
        distances = [
            (float(np.sqrt(((query - row) ** 2).sum())), j) for j, row in enumerate(table) if not (skip and j == i)
        ]
        found.append([j for _, j in sorted(distances)[:k]])
    return found


def _slow_mean(values, near):
    return np.array([np.mean([values[j] for j in others], axis=0) for others in near])


@pytest.mark.parametrize(
    "method",
    [
        Knn(),
        Knn(action="relabel", k=7),
        Knn(action="predict", k=7),
        Knn(itself=False, k=3),
        Knn(itself=False, k=500),
        Knn(contamination=1.0),
        Logreg(),
        Logreg(action="relabel", l2=0.01),
        Logreg(action="predict"),
        Topofilter(),
        Topofilter(k_cc=5, k_zeta=7),
        Topofilter(action="relabel", k_cc=5),
        Topofilter(action="predict", k_cc=5),
    ],
)
def test_probes_keep_their_contract(method):
    check_method(method)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("itself", [True, False])
def test_knn_relabels_with_the_mean_of_the_nearest(classes, itself):
    weak, given = _problem(classes)
    table = given.features.astype(np.float64)
    wanted = _slow_mean(weak.values, _slow_nearest(table, table, 7, skip=not itself))
    found = _prepare(Knn(action="relabel", k=7, itself=itself), weak, given)
    assert found.ids == weak.ids
    assert found.values == pytest.approx(wanted, abs=1e-9)


def test_published_quirk_a_row_is_its_own_nearest_neighbour():
    weak, given = _problem(2)
    alone = _prepare(Knn(action="relabel", k=1), weak, given)
    assert alone.values == pytest.approx(weak.values)  # so with k = 1 the probe agrees with everything
    assert _prepare(Knn(action="relabel", k=1, itself=False), weak, given).values != pytest.approx(weak.values)


@pytest.mark.parametrize("contamination", [0.1, 0.33])
def test_knn_drops_the_labels_that_its_neighbours_contradict_most(contamination):
    weak, given = _problem(2)
    table = given.features.astype(np.float64)
    p = _slow_mean(weak.values, _slow_nearest(table, table, 9))[:, 1]
    ranked = sorted(range(60), key=lambda i: -abs(p[i] - weak.values[i, 1]))
    dropped = {weak.ids[i] for i in ranked[: int(contamination * 60)]}
    kept = _prepare(Knn(k=9, contamination=contamination), weak, given)
    assert set(weak.ids) - set(kept.ids) == dropped
    assert kept.weight.tolist() == [1.0] * len(kept.ids)


def test_k_is_capped_by_the_rows_there_are():
    weak, given = _problem(2, rows=20)
    found = _prepare(Knn(action="relabel"), weak, given).values
    assert found == pytest.approx(np.tile(weak.values.mean(axis=0), (20, 1)))


def test_knn_predicts_new_rows_from_the_training_rows():
    weak, given = _problem(5)
    fresh = np.random.default_rng(3).normal(size=(11, given.features.shape[1])).astype(np.float32)
    near = _slow_nearest(fresh.astype(np.float64), given.features.astype(np.float64), 7)
    predictor = Knn(action="predict", k=7).solve(weak, given.features)
    assert predictor(fresh) == pytest.approx(_slow_mean(weak.values, near), abs=1e-9)


def test_two_classes_disagree_by_the_published_difference_and_more_by_the_total_variation():
    p, y = np.array([[0.3, 0.7], [0.5, 0.5]]), np.array([[0.9, 0.1], [0.4, 0.6]])
    assert disagreement(p, y) == pytest.approx([0.6, 0.1])
    assert disagreement(np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.5, 0.5]])) == pytest.approx([1.0])


@pytest.mark.parametrize("method", [Knn(contamination=1.0), Logreg(contamination=1.0), Topofilter(contamination=1.0)])
def test_ground_truth_is_never_dropped(method):
    weak, given = _problem(2, gold=True)
    assert _prepare(method, weak, given).ids == tuple(np.array(weak.ids)[weak.gold])


@pytest.mark.parametrize(
    "method", [Knn(action="relabel"), Logreg(action="relabel"), Topofilter(action="relabel", k_cc=5)]
)
def test_ground_truth_is_never_relabelled(method):
    weak, given = _problem(2, gold=True)
    found = _prepare(method, weak, given)
    assert (found.values[weak.gold] == weak.values[weak.gold]).all()
    assert (found.values[~weak.gold] != weak.values[~weak.gold]).any(axis=1).all()


def test_contamination_counts_the_weak_labels_only():
    weak, given = _problem(2, gold=True)  # 15 of 60 are ground truth
    assert len(_prepare(Knn(contamination=0.1), weak, given).ids) == 60 - int(0.1 * 45)


def _published_objective(x, y, w, b, l2):
    """Their loss (logistic.py): mean BCE with logits on soft labels, plus l2 times the sum of squares; torch, float64."""
    logits = torch.as_tensor(x, dtype=torch.float64) @ w + b
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.as_tensor(y))
    return loss + l2 * (w**2).sum()


@pytest.mark.parametrize("l2", [1e-3, 1e-2])
def test_logreg_is_the_minimum_of_the_published_objective(l2):
    weak, given = _problem(2)
    x, y = given.features.astype(np.float64), weak.values[:, 1]
    w = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [w, b], line_search_fn="strong_wolfe", max_iter=10_000, tolerance_grad=1e-12, tolerance_change=1e-16
    )

    def closure():
        optimizer.zero_grad()
        loss = _published_objective(x, y, w, b, l2)
        loss.backward()
        return loss

    optimizer.step(closure)
    p = torch.sigmoid(torch.as_tensor(x) @ w + b).detach().numpy()
    found = _prepare(Logreg(action="relabel", l2=l2), weak, given)
    assert found.values[:, 1] == pytest.approx(p, abs=1e-6)
    disagree = sorted(range(60), key=lambda i: -abs(p[i] - y[i]))
    kept = _prepare(Logreg(l2=l2), weak, given)
    assert set(weak.ids) - set(kept.ids) == {weak.ids[i] for i in disagree[:6]}


def test_published_default_has_no_half_before_its_penalty_and_takes_features_as_they_are():
    weak, given = _problem(2)
    larger = Given(features=given.features * 10)
    found = _prepare(Logreg(action="relabel"), weak, larger).values
    same = Logreg(action="relabel", l2=1e-5)  # ten times the features need a tenth of w: a hundredth of the penalty
    assert found == pytest.approx(_prepare(same, weak, given).values, abs=1e-5)
    assert Logreg().l2 == 1e-3
    assert _prepare(Logreg(action="relabel"), weak, given).values != pytest.approx(found, abs=1e-4)


@pytest.mark.parametrize(("rows", "width", "classes"), [(40, 5, 2), (40, 5, 4), (12, 30, 2), (12, 30, 3)])
def test_logistic_regression_has_no_slope_at_its_solution(rows, width, classes):
    rng = np.random.default_rng(rows + classes)
    x = rng.normal(size=(rows, width)) * np.geomspace(1e-2, 1e3, width)  # as unequal as hidden states are
    y = rng.dirichlet(np.ones(classes), size=rows)
    model, l2 = Logistic.fit(x, y, 1e-3), 1e-3
    w = torch.tensor(model.matrix[:, 1:] if classes == 2 else model.matrix, requires_grad=True)
    b = torch.tensor(model.bias[1:] if classes == 2 else model.bias, requires_grad=True)
    logits = torch.tensor(x) @ w + b
    if classes == 2:
        logits = torch.cat([torch.zeros(rows, 1, dtype=torch.float64), logits], dim=1)
    loss = -(torch.tensor(y) * torch.log_softmax(logits, dim=1)).sum(dim=1).mean() + l2 * (w**2).sum()
    slope, free = torch.autograd.grad(loss, (w, b))
    scale = torch.tensor(np.sqrt((x**2).mean(axis=0) + l2))[:, None]
    assert float((slope / scale).abs().max()) < 1e-6
    assert float(free.abs().max()) < 1e-6
    assert model(x).sum(axis=1) == pytest.approx(np.ones(rows))


def _slow_component(edges, rows):
    """The largest set of rows that reach each other along the edges, by search from every row."""

    def reached(start):
        seen, todo = {start}, [start]
        while todo:
            for other in edges.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    reach = {row: reached(row) for row in rows}
    return max(({b for b in rows if b in reach[a] and a in reach[b]} for a in rows), key=len)


def _slow_topofilter(weak, table, k_cc, k_zeta, contamination):
    values, gold = weak.values, set(np.flatnonzero(weak.gold).tolist())
    n, classes = values.shape
    near = _slow_nearest(table, table, k_cc, skip=True)
    labels = values.argmax(axis=1).tolist()
    core = set()
    for c in range(classes):
        edges = {i: near[i] for i in range(n) if labels[i] == c}
        core |= _slow_component(edges, list(edges))
    core |= gold
    members = sorted(core)
    others = _slow_nearest(table[members], table[members], k_zeta, skip=True)
    d = np.abs(_slow_mean(values[members], others) - values[members]).sum(axis=1) / 2
    m = max(0, round(contamination * (n - len(gold))) - (n - len(members)))
    ranked = [j for j in sorted(range(len(members)), key=lambda j: -d[j]) if members[j] not in gold]
    dropped = {members[j] for j in ranked[:m]}
    return core, core - dropped


@pytest.mark.parametrize(("classes", "k_cc", "contamination"), [(2, 8, 0.1), (2, 20, 0.31), (2, 3, 0.1), (5, 20, 0.61)])
@pytest.mark.parametrize("gold", [False, True])
def test_topofilter_is_its_definition(classes, k_cc, contamination, gold):
    weak, given = _problem(classes, gold=gold)
    table = given.features.astype(np.float64)
    core, left = _slow_topofilter(weak, table, k_cc, 6, contamination)
    method = Topofilter(k_cc=k_cc, k_zeta=6, contamination=contamination)
    assert _prepare(method, weak, given).ids == tuple(weak.ids[i] for i in sorted(left))
    assert 0 < len(core) < 60
    members = sorted(core)
    wanted = _slow_mean(weak.values[members], _slow_nearest(table, table[members], 6))
    relabelled = _prepare(Topofilter(action="relabel", k_cc=k_cc, k_zeta=6), weak, given)
    assert relabelled.values[~weak.gold] == pytest.approx(wanted[~weak.gold], abs=1e-9)
    predictor = Topofilter(action="predict", k_cc=k_cc, k_zeta=6).solve(weak, given.features)
    assert predictor(given.features) == pytest.approx(wanted, abs=1e-9)


def test_published_quirk_components_may_drop_more_than_the_contamination():
    weak, given = _problem(2)
    kept = _prepare(Topofilter(k_cc=3, contamination=0.0), weak, given)
    assert len(kept.ids) < 60
    assert _prepare(Topofilter(k_cc=3, contamination=0.1), weak, given).ids == kept.ids  # step 2 has nothing left to do


def test_a_class_without_labels_adds_nothing_and_a_lone_row_is_its_own_component():
    features = np.array([[0.0], [0.1], [0.2], [9.0]], dtype=np.float32)
    weak = Targets.of(["a", "b", "c", "d"], np.array([[0.9, 0.1, 0]] * 3 + [[0, 1, 0]]))
    kept = _prepare(Topofilter(k_cc=2, contamination=0.0), weak, Given(features=features))
    assert kept.ids == ("a", "b", "c", "d")


@pytest.mark.parametrize("method", [Knn, Logreg, Topofilter])
def test_probes_say_what_is_missing_or_out_of_range(method):
    weak, _ = _problem(2)
    with pytest.raises(IncompatibleError, match="reads frozen features of the strong model, but was given none"):
        _prepare(method(), weak, Given())
    with pytest.raises(SpecError, match="at most 1 is allowed"):
        method(contamination=1.2)
    with pytest.raises(SpecError, match="'filter' or 'relabel' or 'predict'"):
        method(action="drop")
    assert method(action="predict").solves
    assert not method(action="relabel").solves
