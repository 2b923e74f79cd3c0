"""The published bounds, and expansion measured on small graphs against loops over rows."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surpass.diagnostics import (
    Neighbourhood,
    coverage_bound,
    expansion,
    pseudolabel_bound,
    simple_coverage_bound,
    tight_pseudolabel_bound,
    two_sided_coverage_bound,
)
from surpass.errors import AlignmentError, DataError, SpecError


@pytest.mark.parametrize(
    ("c", "a", "weak_error", "published", "true"), [(0.848, 0.11, 0.12, 0.050, 0.04), (0.497, 0.33, 0.29, 0.374, 0.35)]
)
def test_table_1_of_the_paper(c, a, weak_error, published, true):
    bound = tight_pseudolabel_bound(c=c, a=a, weak_error=weak_error)
    assert bound.value == pytest.approx(published, abs=5e-4)
    assert bound.holds
    assert true <= bound.value
    assert bound.value < pseudolabel_bound(c=c, a=a, weak_error=weak_error).value


def test_table_4_of_the_paper_as_far_as_its_rounded_inputs_allow():
    # the table has .37 and .33; the first moves by .1 within the rounding of its inputs
    first = two_sided_coverage_bound(c_good=0.16, c_bad=0.98, a=0.11, weak_error=0.12)
    second = two_sided_coverage_bound(c_good=0.75, c_bad=0.55, a=0.33, weak_error=0.29)
    assert first.value == pytest.approx(0.35, abs=0.005)
    assert second.value == pytest.approx(0.34, abs=0.005)
    moved = [
        two_sided_coverage_bound(c_good=good, c_bad=0.98, a=a, weak_error=error).value
        for good, a, error in itertools.product((0.155, 0.165), (0.105, 0.115), (0.115, 0.125))
    ]
    assert min(moved) < 0.30
    assert max(moved) > 0.40


def test_bounds_are_their_formulas():
    c, a, e, r, q = 0.7, 0.2, 0.15, 0.05, 0.01
    assert pseudolabel_bound(c=c, a=a, weak_error=e, not_robust=r).value == pytest.approx(
        2 * a / (1 - 2 * a) * r + e + a * (1 - 1.5 * c)
    )
    assert coverage_bound(c=c, a=a, weak_error=e, not_robust=r, q=q).value == pytest.approx(
        (1 + a / (1 - 2 * a)) * r + max(q, (e - c * a) / (c * (1 - 2 * a)))
    )
    tight = c / (1 - a + c * a)
    assert tight_pseudolabel_bound(c=c, a=a, weak_error=e, not_robust=r).value == pytest.approx(
        (e - a * (2 * tight - 1) + 2 * tight * a * r) / (1 - 2 * tight * a)
    )
    assert simple_coverage_bound(c=c, a=a, weak_error=e, not_robust=r).value == pytest.approx(r + e / (c * (1 - a)))
    # with equal expansion on both sides B.2 is 4.2
    assert two_sided_coverage_bound(c_good=c, c_bad=c, a=a, weak_error=e, not_robust=r, q=q).value == pytest.approx(
        coverage_bound(c=c, a=a, weak_error=e, not_robust=r, q=q).value
    )


def test_broken_conditions_are_named_with_their_values():
    assert tight_pseudolabel_bound(c=0.8, a=0.6, weak_error=0.1).why.startswith("a = 0.6 must be below 1/2 = 0.5")
    far = tight_pseudolabel_bound(c=0.8, a=0.2, weak_error=0.9)
    assert not far.holds
    assert far.why == "away = 0.9 must be at most 1 - q - a = 0.8"
    assert "q = 0.9 must be below 3/4 (1 - 2a)" in pseudolabel_bound(c=0.8, a=0.2, weak_error=0.1, q=0.9).why
    assert "c (1 - q - a) = 0.08" in coverage_bound(c=0.1, a=0.2, weak_error=0.1).why
    assert math.isnan(coverage_bound(c=0.0, a=0.2, weak_error=0.1).value)
    assert math.isnan(simple_coverage_bound(c=0.0, a=0.2, weak_error=0.1).value)
    assert math.isnan(two_sided_coverage_bound(c_good=0.01, c_bad=0.9, a=0.3, weak_error=0.1).value)
    narrow = two_sided_coverage_bound(c_good=0.16, c_bad=0.98, a=0.11, weak_error=0.12, not_robust=0.01)
    assert not narrow.holds
    assert "2a = 0.22 must be below c_min/c_max = 0.163" in narrow.why
    below = tight_pseudolabel_bound(c=0.9, a=0.2, weak_error=0.1)  # so few corrections leave no room for this c
    assert below.value < 0
    assert not below.holds
    assert below.why == "the bound is below 0, so no student has these numbers"
    assert not pseudolabel_bound(c=1, a=0.2, weak_error=0).holds
    vacuous = simple_coverage_bound(c=0.1, a=0.2, weak_error=0.5)
    assert vacuous.why == "1 or more: says nothing"
    for wrong in ({"a": 1.5}, {"weak_error": -0.1}, {"c": math.nan}, {"c": -1}):
        with pytest.raises(SpecError, match="allowed are"):
            tight_pseudolabel_bound(**{"c": 0.5, "a": 0.1, "weak_error": 0.1} | wrong)


def slow(one, label, k):
    """Shares of one class by loops over its rows: a, the four errors, and c of the student and each refit."""
    rows = [i for i in range(len(one.labels)) if one.labels[i] == label and one.weak[i] >= 0]
    bad, good = ([i for i in rows if (one.weak[i] != label) == wrong] for wrong in (True, False))
    edges = set()
    for i in bad:
        near = sorted(good, key=lambda j: np.linalg.norm(one.features[i] - one.features[j]))[:k]
        edges |= {(i, j) for j in near}

    def shaky(f):
        return {i for edge in edges if f[edge[0]] != f[edge[1]] for i in edge}

    ratios = []
    for f in (one.student, *one.refits):
        inside = {j for j in good if f[j] == label} - shaky(f)
        if inside:
            reached = {i for i, j in edges if j in inside}
            ratios.append((len(reached) / len(bad)) / (len(inside) / len(good)))
    f = one.student
    return {
        "weak_error": len(bad) / len(rows),
        "student_weak_error": sum(f[i] != one.weak[i] for i in rows) / len(rows),
        "student_error": sum(f[i] != label for i in rows) / len(rows),
        "not_robust": len(shaky(f)) / len(rows),
        "c": min(ratios) if ratios else math.nan,
    }


def names(n):
    return [f"r{i}" for i in range(n)]


def sample(seed, n=60, classes=2, skill=0.8, abstains=False):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    features = rng.normal(size=(n, 4)) + 2 * np.eye(4)[labels]

    def guess(right):
        return np.where(rng.uniform(size=n) < right, labels, rng.integers(classes, size=n))

    weak = np.where(rng.uniform(size=n) < 0.2, -1, guess(0.7)) if abstains else guess(0.7)
    return Neighbourhood(labels, weak, guess(skill), features, [f"r{i}" for i in range(n)], [guess(0.7), guess(0.9)])


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("abstains", [False, True])
def test_expansion_is_that_of_a_loop_over_rows(k, classes, abstains):
    one = sample(classes, classes=classes, abstains=abstains)
    found = expansion([one], k=k, classes=["first", "second", "third"])
    assert [line.name for line in found] == ["first", "second", "third"][:classes]
    for label, line in enumerate(found):
        for name, wanted in slow(one, label, k).items():
            assert getattr(line, name).value == pytest.approx(wanted), name
        wanted = tight_pseudolabel_bound(
            c=line.c.value,
            a=line.weak_error.value,
            weak_error=line.student_weak_error.value,
            not_robust=line.not_robust.value,
        )
        assert line.bound.value == pytest.approx(wanted.value)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 4), classes=st.integers(2, 4), skill=st.floats(0, 1))
def test_the_bound_is_never_below_the_error_on_the_rows_it_is_made_of(seed, k, classes, skill):
    for line in expansion([sample(seed, classes=classes, skill=skill)], k=k, resamples=100):
        if not np.isnan(line.bound.value):
            assert line.bound.value >= line.student_error.value - 1e-9


def test_a_student_that_follows_the_features_corrects_and_its_bound_is_below_the_supervisors_error():
    rng = np.random.default_rng(0)
    n = 600
    labels = rng.integers(2, size=n)
    features = 0.3 * rng.normal(size=(n, 2)) + 3 * labels[:, None]
    weak = np.where(rng.uniform(size=n) < 0.25, 1 - labels, labels)
    probs = np.eye(2)[(features.sum(axis=1) > 3).astype(int)]
    seeds = [Neighbourhood(labels, np.eye(2)[weak], probs, features.astype(np.float32), np.arange(n))] * 2
    for line in expansion(seeds):
        assert line.holds
        assert line.student_error.value == 0
        assert line.bound.value < 0.05 < line.weak_error.low
        assert line.c.value == pytest.approx(1)
        assert line.weak_error.seeds == 2


def test_the_condition_counts_rows_that_are_off_the_weak_label_or_not_robust_once():
    # of 20 rows four are bad, each beside one good; of these pairs the student has (wrong, right) twice, (right, wrong) and
    # (right, right), and of the twelve far rows ten wrong
    places = np.array([0, 10, 20, 30, 1, 11, 21, 31, *range(100, 112)], dtype=float)
    weak, student = np.repeat([1, 0], [4, 16]), np.array([1, 1, 0, 0, 0, 0, 1, 0, *[1] * 10, 0, 0])
    features = (places + 1000 * np.arange(5)[:, None]).reshape(-1, 1)
    one = Neighbourhood(np.zeros(100, dtype=int), np.tile(weak, 5), np.tile(student, 5), features, names(100))
    [found] = expansion([one])
    assert (found.student_weak_error.value, found.not_robust.value) == pytest.approx((13 / 20, 6 / 20))
    assert found.why == "away = 0.85 must be at most 1 - q - a = 0.8"
    assert not found.holds


def test_classes_without_wrong_or_right_weak_labels_are_undefined():
    labels = np.array([0, 0, 0, 1, 1, 1])
    one = Neighbourhood(labels, np.array([0, 0, 0, 0, 0, 0]), labels, np.eye(6), list("abcdef"))
    first, second = expansion([one])
    assert "no wrong weak label among 3 rows" in first.why
    assert "no right weak label among 3 rows" in second.bound.note
    assert not first.holds
    assert not first.c.defined


def test_bad_input_is_refused():
    one = sample(0)
    with pytest.raises(DataError, match="not finite"):
        expansion([Neighbourhood(one.labels, one.weak, one.student, one.features * np.nan, one.groups)])
    with pytest.raises(AlignmentError, match="59 rows where 60"):
        expansion([Neighbourhood(one.labels, one.weak, one.student, one.features[1:], one.groups)])
    with pytest.raises(AlignmentError, match="predictions have shape"):
        expansion([Neighbourhood(one.labels, one.weak[1:], one.student, one.features, one.groups)])
    with pytest.raises(SpecError, match="k=0"):
        expansion([one], k=0)
    with pytest.raises(DataError, match="1 names for classes up to number 1"):
        expansion([one], classes=["only"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"student": np.full((60, 2), np.nan)}, "predictions hold values that are not finite"),
        ({"weak": np.full(60, np.nan)}, "predictions hold values that are not finite"),
        ({"labels": np.full(60, np.nan)}, "labels hold values that are not finite"),
        ({"student": np.linspace(0, 1, 60)}, r"predictions hold 0.01\d* at row 1, which is no class"),
        ({"labels": np.full(60, 0.5)}, "labels hold 0.5 at row 0, which is no class"),
        ({"student": np.zeros((60, 2, 2))}, "predictions have shape"),
        ({"labels": np.zeros((60, 2))}, "labels have shape"),
        ({"weak": np.full(60, -1)}, "abstains on all 60 rows"),
        ({"labels": np.full(60, -1)}, "labels hold -1 at row 0"),
    ],
)
def test_what_is_no_class_is_refused(change, said):
    with pytest.raises((DataError, AlignmentError), match=said):
        expansion([dataclasses.replace(sample(0), **change)])
    with pytest.raises(DataError, match="no seeds"):
        expansion([])
