"""The sure labels first, all of them later."""

import numpy as np
import pytest
import torch
from one_step import batch, losses, plain_cross_entropy

from surpass.artifacts import Targets
from surpass.errors import SpecError
from surpass.methods.base import Given
from surpass.methods.curriculum import Curriculum
from surpass.testing import check_method


def _marks(method, values, ids, gold=False):
    weak = Targets.of(ids, np.array(values), gold=gold)
    return method.prepare(weak, Given(), np.random.default_rng(0)).columns[:, 0].tolist()


def _two(*first):
    return [[p, 1 - p] for p in first]


@pytest.mark.parametrize("options", [{}, {"share": 0.1, "until": 1.0}, {"share": 1.0}])
def test_contract(options):
    check_method("curriculum", **options)


@pytest.mark.parametrize("option", [{"share": 0.0}, {"share": 1.1}, {"until": -0.1}, {"until": 1.1}])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(SpecError, match=next(iter(option))):
        Curriculum(**option)


def test_the_sure_share_starts_whichever_class_it_is():
    assert _marks(Curriculum(), _two(0.9, 0.6, 0.05, 0.5), "abcd") == [1, 0, 1, 0]
    three = [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]]
    assert _marks(Curriculum(share=0.34), three, "abc") == [0, 1, 0]


def test_at_least_one_row_starts():
    assert _marks(Curriculum(share=0.01), _two(0.6, 0.7, 0.5), "abc") == [0, 1, 0]


def test_ties_go_to_the_lower_id():
    assert _marks(Curriculum(), _two(0.8, 0.2, 0.8, 0.8), "dbca") == [0, 1, 0, 1]


def test_ground_truth_never_waits_and_takes_no_place():
    gold = np.array([True, False, False, True, False, False])
    assert _marks(Curriculum(), _two(1, 0.6, 0.7, 1, 0.8, 0.9), "abcdef", gold) == [1, 0, 0, 1, 1, 1]
    assert _marks(Curriculum(), _two(1, 0, 1), "abc", gold=True) == [1, 1, 1]


@pytest.mark.parametrize(("progress", "waits"), [(0.0, True), (0.39, True), (0.4, False), (0.99, False)])
def test_a_waiting_row_has_loss_zero_and_keeps_its_place_in_the_mean(progress, waits):
    """The mean over a step is over all its rows: early gradients shrink with the share of rows that train."""
    step = batch(columns=torch.tensor([[1.0], [0.0], [0.0], [1.0], [0.0], [0.0]]))
    full = [plain_cross_entropy(z, t) for z, t in zip(step.logits.tolist(), step.targets.tolist(), strict=True)]
    wanted = [full[0], 0.0, 0.0, full[3], 0.0, 0.0] if waits else full
    assert losses(Curriculum(), step, progress) == pytest.approx(wanted, abs=1e-5)
