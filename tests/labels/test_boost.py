"""Boosting: the rounds of fits, their votes, and that they learn what one weak fit does not."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from test_stages import evaluate

from surpass.artifacts import Predictions
from surpass.labels.boost import Boost
from surpass.labels.gold import Gold
from surpass.methods.boosted import Boosted
from surpass.methods.soft import Soft
from surpass.models.base import Model, Solved
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.spec import encode, key
from surpass.splits import Data
from surpass.stages import Fit, Label, inputs_of
from surpass.study import Pair, bind
from surpass.tasks.toy import Toy
from surpass.testing import check_label_source, sample_splits

spec = dataclasses.dataclass(frozen=True, kw_only=True)
DATA = Data(task=Toy(rows=2000, noise=0.0), n_weak=300, n_transfer=100, n_val=0, n_test=300)


@spec
class _Word(Model):
    """A stump: the one word that tells most of the weighted rows right says which class a text is of."""

    def fit(self, work, runtime):
        texts = [set(text.split()) for text in work.inputs]
        weight, gold = work.targets.weight, work.targets.values.argmax(axis=1)
        best, found = -1.0, ("", 0)
        for word in sorted(set().union(*texts)):
            has = np.array([word in text for text in texts])
            share = float(weight[has == (gold == 1)].sum())
            for score, side in ((share, 1), (weight.sum() - share, 0)):
                if score > best + 1e-9:
                    best, found = score, (word, side)
        return Solved(found, _says, {})


def _says(rule, inputs):
    word, side = rule
    return np.array([np.eye(2)[side if word in text.split() else 1 - side] for text in inputs])


@pytest.mark.parametrize("combine", ["mean", "vote"])
def test_contract(combine):
    check_label_source(Boost(model=Gold(split="weak"), rounds=4, combine=combine))


def test_each_round_knows_the_rounds_before_it():
    bound = bind(Boost(model=_Word(), rounds=4), DATA, 7)
    fits = bound.sources()
    assert bound.model == fits[-1]
    assert fits[0] == Fit(data=DATA, model=_Word(), labels=Gold(split="weak"), seed=7)
    assert fits[0].method == Soft()
    for t, fit in enumerate(fits[1:], 1):
        assert fit.method == Boosted(before=fits[t - 1])
        assert fit.method.sources() == fits[:t]
        assert fit.labels == Gold(split="weak")
        assert [item for item in inputs_of(fit) if isinstance(item, Fit)] == list(fits[:t])
    assert len({key(fit) for fit in fits}) == 4
    assert Boost(model=_Word(), rounds=4).sources() == (_Word(),) * 4
    assert bound.label() == Boost(model=_Word(), rounds=4).label()


def test_a_spec_grows_with_its_rounds_and_no_faster():
    size = {n: len(json.dumps(encode(bind(Boost(model=_Word(), rounds=n), DATA, 0)))) for n in (10, 20, 40)}
    assert size[40] - size[20] == pytest.approx(2 * (size[20] - size[10]), rel=0.01)


def slow_samme(texts, gold, rounds):
    """Return the stumps and votes of AdaBoost, written out from its definition."""
    weight, found = [1 / len(texts)] * len(texts), []
    words = sorted({word for text in texts for word in text.split()})
    for _ in range(rounds):
        scored = []
        for word in words:
            for side in (1, 0):
                right = [(side if word in text.split() else 1 - side) == y for text, y in zip(texts, gold, strict=True)]
                scored.append((sum(w for w, r in zip(weight, right, strict=True) if r), word, side, right))
        best = max(score for score, *_ in scored)
        _, word, side, right = next(item for item in scored if item[0] > best - 1e-9)
        error = sum(w for w, r in zip(weight, right, strict=True) if not r)
        vote = math.log((1 - error) / error)
        found.append((word, side, vote))
        weight = [w * (1 if r else math.exp(vote)) for w, r in zip(weight, right, strict=True)]
        weight = [w / sum(weight) for w in weight]
    return found


def test_labels_are_those_of_adaboost_written_out():
    rounds = 8
    source = bind(Boost(model=_Word(), rounds=rounds), DATA, 0)
    rows = evaluate(DATA).part("weak")
    rules = slow_samme(rows.inputs, rows.labels, rounds)
    assert len({word for word, *_ in rules}) == rounds  # every round learns another word
    test = evaluate(DATA).part("test")
    total = sum(vote for *_, vote in rules)
    wanted = []
    for text in test.inputs:
        yes = sum(vote for word, side, vote in rules if (side if word in text.split() else 1 - side) == 1)
        wanted.append([1 - yes / total, yes / total])
    found: Predictions = evaluate(Label(data=DATA, source=source))
    assert found.on(test.ids) == pytest.approx(np.array(wanted), abs=1e-9)


def test_rounds_learn_what_one_stump_does_not():
    test = evaluate(DATA).part("test")
    scores = []
    for source in (Fit(data=DATA, model=_Word(), labels=Gold(split="weak")), Boost(model=_Word(), rounds=20)):
        bound = bind(source, DATA, 0)
        labels = evaluate(bound if isinstance(bound, Fit) else Label(data=DATA, source=bound))
        scores.append((labels.on(test.ids).argmax(axis=1) == test.labels).mean())
    assert scores[1] > scores[0] + 0.15, scores


def test_rounds_without_errors_are_all_alike():
    """A model that fits its rows has no errors to boost, as the module says."""
    source = bind(Boost(model=Sklearn(ngrams=2, params=(("C", 1e6),)), rounds=3), DATA, 0)
    first, *others = (evaluate(fit) for fit in source.sources())
    assert all(np.allclose(one.values, first.values) for one in others)


def labels_wrong_on(rows, sure) -> Predictions:
    """Return labels of the sample rows, wrong on the given ones; their first 15 rows are `weak`."""
    splits = sample_splits(2)
    said = np.where(np.isin(np.arange(60), rows), 1 - splits.rows.labels, splits.rows.labels)
    return Predictions(splits.rows.ids, splits.split, np.eye(2)[said] * (2 * sure - 1) + (1 - sure))


@pytest.mark.parametrize("combine", ["mean", "vote"])
def test_mean_weighs_probabilities_and_vote_decisions(combine):
    given = [labels_wrong_on(range(3), 0.6), labels_wrong_on(range(3, 8), 0.9)]
    first = math.log(12 / 3)  # 3 of 15 rows; each of them then weighs 4, where 12 weigh 1
    votes = [first, math.log(19 / 5)]
    found = Boost(model=Gold(), rounds=2, combine=combine).compute(sample_splits(2), given).values
    for i in range(60):
        said = [one.values[i] if combine == "mean" else np.round(one.values[i]) for one in given]
        assert found[i] == pytest.approx((votes[0] * said[0] + votes[1] * said[1]) / sum(votes))


def test_a_round_no_better_than_chance_has_no_say():
    given = [labels_wrong_on(range(3), 0.6), labels_wrong_on(range(5), 0.9)]  # it repeats the errors that now weigh 4
    found = Boost(model=Gold(), rounds=2).compute(sample_splits(2), given).values
    assert found == pytest.approx(given[0].values)


def test_when_all_are_worse_than_chance_all_count_alike():
    given = [labels_wrong_on(range(9), 0.6), labels_wrong_on(range(12), 0.9)]
    found = Boost(model=Gold(), rounds=2).compute(sample_splits(2), given).values
    assert found == pytest.approx((given[0].values + given[1].values) / 2)


def test_a_study(small_study, store):
    weak = Boost(model=Sklearn(ngrams=1, params=(("C", 0.01),)), rounds=3)
    study = small_study(pairs=(Pair(weak=weak, strong=Sklearn()),))
    _, outcomes = run(study, store=store)
    assert not [outcome.error for outcome in outcomes if outcome.error]
