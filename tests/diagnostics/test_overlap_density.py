"""Overlap density on planted easy, hard and overlap rows, and where no partition exists."""

import numpy as np
import pytest

from surpass.artifacts import Targets
from surpass.diagnostics import Views, overlap_density
from surpass.errors import AlignmentError, DataError
from surpass.methods.base import Given
from surpass.methods.overlap import Overlap


def planted(easy, overlap, hard, seed=0):
    """Rows whose weak label is sure unless hard; overlap and hard rows share the hard directions of the strong features."""
    rng = np.random.default_rng(seed)
    n = easy + overlap + hard
    kind = np.repeat([0, 1, 2], [easy, overlap, hard])
    p = np.where(kind == 2, rng.uniform(0.5, 0.55, n), rng.uniform(0.95, 1, n))
    features = 0.1 * rng.normal(size=(n, 6))
    features[kind != 2, 0] += 3
    features[kind != 0, 1] += 3
    shuffled = rng.permutation(n)
    return Views(
        strong=features[shuffled].astype(np.float32),
        labels=np.stack([1 - p, p], axis=1)[shuffled],
        groups=[f"r{i:03}" for i in range(n)],
    )


@pytest.mark.parametrize("counts", [(100, 50, 50), (41, 122, 63), (300, 20, 80)])
def test_planted_rows_are_counted(counts):
    found = overlap_density([planted(*counts)])
    n = sum(counts)
    for estimate, count in zip((found.easy, found.density, found.hard), counts, strict=True):
        assert estimate.value == pytest.approx(count / n)
        assert estimate.low < estimate.value < estimate.high
    assert found.easy.value + found.density.value + found.hard.value == pytest.approx(1)


def test_the_published_code_turns_easy_rows_into_overlap_when_its_threshold_row_is_easy():
    assert overlap_density([planted(300, 20, 80)], variant="cosine").easy.value == pytest.approx(20 / 400)


@pytest.mark.parametrize("variant", ["cosine", "inner"])
def test_the_rows_are_those_of_the_method(variant):
    view = planted(60, 40, 50)
    weak = Targets.of(view.groups, view.labels)
    kept = Overlap(variant=variant).prepare(weak, Given(features=view.strong), np.random.default_rng(0))
    assert overlap_density([view], variant=variant).density.value == pytest.approx(len(kept.ids) / 150)


def test_seeds_are_averaged_and_rows_may_come_in_any_order():
    views = [planted(60, 40, 50, seed) for seed in range(3)]
    each = [overlap_density([view]).density.value for view in views]
    assert overlap_density(views).density.value == pytest.approx(np.mean(each))
    turned = Views(strong=views[0].strong[::-1], labels=views[0].labels[::-1], groups=views[0].groups[::-1])
    assert overlap_density([turned]).density == overlap_density(views[:1]).density


def undefined_for(confidences):
    p = np.asarray(confidences)
    view = Views(strong=np.eye(len(p), 4), labels=np.stack([1 - p, p], axis=1), groups=[str(i) for i in range(len(p))])
    found = overlap_density([view])
    assert not any(estimate.defined for estimate in found)
    return found.density.note


def test_without_a_partition_the_density_is_undefined_with_the_reason():
    assert undefined_for([0.6, 0.7, 0.8, 0.9, 0.5, 0.55]) == "6 rows; a change point needs at least 7"
    assert undefined_for([1.0, 0.0] * 20).startswith("all weak labels are equally sure (1)")
    assert undefined_for([0.3, 0.7] * 20).startswith("all weak labels are equally sure (0.7)")
    assert undefined_for([*np.linspace(0.5, 0.52, 9), 0.99, 0.98]) == (
        "9 of 11 rows are hard; it needs one, and 7 others for a second change point"
    )
    two = planted(60, 40, 50), Views(strong=np.eye(3), labels=np.full((3, 2), 0.5), groups=list("abc"))
    assert overlap_density(two).density.note.startswith("seed 2 of 2: 3 rows")


def test_bad_input_is_refused():
    view = planted(60, 40, 50)
    with pytest.raises(AlignmentError, match="149 rows where 150"):
        overlap_density([Views(strong=view.strong[1:], labels=view.labels, groups=view.groups)])
    with pytest.raises(DataError, match="probabilities"):
        overlap_density([Views(strong=view.strong, labels=view.labels * 3, groups=view.groups)])
    with pytest.raises(DataError, match="not finite"):
        overlap_density([Views(strong=view.strong * np.nan, labels=view.labels, groups=view.groups)])
    with pytest.raises(DataError, match="no seeds"):
        overlap_density([])
