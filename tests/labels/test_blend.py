"""Blends: how many rows get ground truth, which ones, and that nothing else changes."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools

import numpy as np
import pytest

from surpass.artifacts import Predictions, Splits
from surpass.errors import DataError, IncompatibleError, SpecError
from surpass.labels.base import gold_values
from surpass.labels.blend import Blend
from surpass.labels.gold import Gold
from surpass.methods.base import Method
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.shelf import Shelf, names
from surpass.spec import key
from surpass.splits import Data
from surpass.stages import Fit, Label, supervisor_of
from surpass.study import Pair, cells
from surpass.tasks.toy import Toy
from surpass.testing import check_label_source, sample_splits

spec = dataclasses.dataclass(frozen=True, kw_only=True)
WEAK = Sklearn(ngrams=1)


def weak_labels(splits: Splits, seed: int = 0) -> Predictions:
    values = np.random.default_rng(seed).dirichlet([1, 1], len(splits.rows))
    return Predictions(splits.rows.ids, splits.split, np.asarray(values))


def blended(splits: Splits | None = None, **options) -> Predictions:
    splits = splits or sample_splits(2)
    return Blend(weak=Gold(split="weak"), **options).compute(splits, [weak_labels(splits)])


def gold_ids(labels: Predictions) -> set[str]:
    return {name for name, mark in zip(labels.ids, labels.gold, strict=True) if mark}


def with_domains(*names: str) -> Splits:
    splits = sample_splits(2)
    domains = tuple(names[i % len(names)] for i in range(len(splits.rows)))
    return dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, domains=domains))


@pytest.mark.parametrize("pick", ["random", "least_confident"])
@pytest.mark.parametrize("gold", [0.0, 0.3, 1.0])
def test_contract(pick, gold):
    check_label_source(Blend(weak=Gold(split="weak"), pick=pick, gold=gold))


def test_nothing_is_the_supervisor_itself_and_everything_the_ground_truth():
    splits, weak = sample_splits(2), weak_labels(sample_splits(2))
    none, whole = blended(gold=0.0), blended(gold=1.0)
    assert none.values.tolist() == weak.values.tolist()
    assert not none.gold.any()
    transfer = np.array(splits.split) == "transfer"
    assert whole.values[transfer].tolist() == gold_values(splits)[transfer].tolist()
    assert whole.values[~transfer].tolist() == weak.values[~transfer].tolist()
    assert whole.gold.tolist() == transfer.tolist()


@pytest.mark.parametrize("pick", ["random", "least_confident"])
@pytest.mark.parametrize(("share", "rows"), [(0.1, 2), (0.2, 3), (0.5, 8), (0.9, 14)])  # of 15; a half goes up
def test_the_share_is_met_to_the_row_and_marked(pick, share, rows):
    splits, weak = sample_splits(2), weak_labels(sample_splits(2))
    found = blended(gold=share, pick=pick)
    assert len(gold_ids(found)) == rows
    assert found.values[found.gold].tolist() == gold_values(splits)[found.gold].tolist()
    assert found.values[~found.gold].tolist() == weak.values[~found.gold].tolist()
    assert {s for s, mark in zip(found.split, found.gold, strict=True) if mark} == {"transfer"}


@pytest.mark.parametrize("pick", ["random", "least_confident"])
def test_a_larger_share_contains_the_smaller(pick):
    sets = [gold_ids(blended(gold=i / 20, pick=pick)) for i in range(21)]
    assert all(small <= large for small, large in itertools.pairwise(sets))


def test_the_draw_is_a_hash_of_id_and_seed():
    def place(name: str, seed: int) -> bytes:
        return hashlib.blake2b(f"blend/{seed}/{name}".encode(), digest_size=7).digest()

    transfer = sample_splits(2).part("transfer").ids
    for seed in (0, 1):
        assert gold_ids(blended(gold=0.4, seed=seed)) == set(sorted(transfer, key=lambda name: place(name, seed))[:6])
    assert gold_ids(blended(gold=0.4)) != gold_ids(blended(gold=0.4, seed=1))


def test_least_confident_by_loops_with_ties_by_id():
    splits = sample_splits(2)
    weak = weak_labels(splits)
    weak.values[:] = np.where(np.arange(60)[:, None] % 4 == 1, [[0.55, 0.45]], weak.values)  # ties
    source = Blend(weak=Gold(), pick="least_confident", gold=0.4)
    transfer = splits.part("transfer").ids
    confidence = {name: max(weak.on([name])[0]) for name in transfer}
    wanted = sorted(transfer, key=lambda name: (confidence[name], name))[:6]
    assert len({confidence[name] for name in wanted}) < 6
    assert gold_ids(source.compute(splits, [weak])) == set(wanted)


def test_a_domain_gets_ground_truth_and_the_others_stay_weak():
    splits = with_domains("film", "food", "news")
    film = {n for n, d in zip(splits.rows.ids, splits.rows.domains, strict=True) if d == "film"}
    transfer = set(splits.part("transfer").ids)
    assert gold_ids(blended(splits, domain="film")) == film & transfer
    half = gold_ids(blended(splits, domain="film", gold=0.4))
    assert len(half) == 2
    assert half < film & transfer


def test_a_domain_that_no_row_has():
    with pytest.raises(DataError, match=r"no transfer row is of domain 'poems'. The domains are film, food\."):
        blended(with_domains("food", "film"), domain="poems")
    with pytest.raises(DataError, match="The task's rows have no domains; leave `domain` out"):
        blended(domain="film")


def test_numbers_have_no_least_confident():
    splits = sample_splits(0)
    weak = Predictions(splits.rows.ids, splits.split, np.zeros((60, 1)))
    drawn = Blend(weak=Gold(), gold=0.5).compute(splits, [weak])
    assert drawn.values[drawn.gold].ravel().tolist() == splits.rows.labels[drawn.gold].tolist()
    with pytest.raises(IncompatibleError, match="pick='least_confident' is for classes, but the labels are regression"):
        Blend(weak=Gold(), pick="least_confident").compute(splits, [weak])
    with pytest.raises(SpecError, match=r"gold=1.5, but at most 1 is allowed"):
        Blend(weak=Gold(), gold=1.5)


def test_a_blend_of_a_blend_keeps_its_marks():
    splits = sample_splits(2)
    first = blended(gold=0.2)
    both = Blend(weak=Gold(), gold=0.2, seed=1).compute(splits, [first])
    assert gold_ids(both) == gold_ids(first) | gold_ids(blended(gold=0.2, seed=1))


@spec
class _GoldOnly(Method):
    """Keeps the rows with ground truth."""

    def prepare(self, weak, given, rng):
        return weak.take(np.flatnonzero(weak.gold))


def test_a_study_with_a_budget(small_study, store):
    """The floor is the weak supervisor's, the ceiling stays, and a method sees which rows hold ground truth."""
    pairs = [Pair(weak=source, strong=Sklearn()) for source in (WEAK, Blend(weak=WEAK, gold=0.25))]
    study = small_study(pairs=(pairs[0], dataclasses.replace(pairs[1], methods=(_GoldOnly(),))))
    _, outcomes = run(study, store=store)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    plain, budget = cells(study.resolve())
    assert budget.ceiling == plain.ceiling
    assert isinstance(budget.supervisor, Label)
    assert isinstance(plain.supervisor, Fit)
    assert supervisor_of(budget.supervisor.source) == plain.supervisor
    shelf = Shelf(store)
    labels, supervisor = shelf.get(budget.supervisor), shelf.get(plain.supervisor)
    test = [name for name, split in zip(labels.ids, labels.split, strict=True) if split in ("val", "test")]
    assert labels.on(test).tolist() == supervisor.on(test).tolist()
    assert labels.gold.sum() == 15  # read back from the store
    assert shelf.get(budget.student).facts["trained_on"] == 15
    assert names(budget)["weak"] == "blend(gold=0.25, weak=tfidf LogisticRegression(ngrams=1))"


def test_the_share_is_in_the_key():
    few, many = (Label(data=Data(task=Toy()), source=Blend(weak=Gold(), gold=share)) for share in (0.1, 0.2))
    assert key(few) != key(many)
