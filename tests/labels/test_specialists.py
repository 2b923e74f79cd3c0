"""Specialists: each is fitted on its own rows, and their labels are combined by domain, mean or vote."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pytest
from test_stages import evaluate

from surpass.artifacts import Predictions
from surpass.errors import IncompatibleError, SpecError
from surpass.feasibility import problems_of
from surpass.labels.gold import Gold
from surpass.labels.specialists import Specialists
from surpass.methods.cosupervision import Cosupervision
from surpass.models.base import Model, Solved, TextEncoder
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.shelf import Shelf
from surpass.splits import Data
from surpass.stages import Fit
from surpass.study import Pair, bind, cells
from surpass.tasks.toy import Toy
from surpass.testing import check_label_source, sample_splits

spec = dataclasses.dataclass(frozen=True, kw_only=True)
NAMES = ("film", "food", "news")
WEAK = Sklearn(ngrams=1)


@spec
class _Kinds(Toy):
    """Sentences of three domains; in `news` pleasant words are bad news. Licence: none."""

    domains: ClassVar[tuple[str, ...]] = NAMES

    def example(self, row, rng):
        plain = super().example(row, rng)
        domain = NAMES[int(row["id"]) % 3]
        return plain._replace(label=1 - plain.label if domain == "news" else plain.label, domain=domain)


DATA = Data(task=_Kinds(rows=2000, noise=0.0), n_weak=300, n_transfer=200, n_val=40, n_test=200)


@pytest.mark.parametrize("options", [{"parts": 3}, {"domains": NAMES}, {"domains": NAMES, "combine": "own"}])
@pytest.mark.parametrize("combine", ["mean", "vote"])
def test_contract(options, combine):
    check_label_source(Specialists(**{"model": Gold(split="weak"), "combine": combine, **options}))


@spec
class _Remembers(Model):
    """Says 1 to the texts it was fitted on."""

    def fit(self, work, runtime):
        return Solved(frozenset(work.inputs), _known, {})


def _known(seen, inputs):
    return np.array([[0.0, 1.0] if text in seen else [1.0, 0.0] for text in inputs])


DONE: dict[str, Any] = {}


def trained_on(fit: Fit) -> list[str]:
    found = evaluate(fit, DONE)
    return [row for row in evaluate(DATA, DONE).part("weak").ids if found.on([row])[0, 1]]


def test_each_is_fitted_on_rows_of_its_own():
    bound = bind(Specialists(model=_Remembers(), parts=4), DATA, 5)
    parts = [trained_on(fit) for fit in bound.sources()]
    whole = evaluate(DATA, DONE).part("weak").ids
    assert sorted(name for part in parts for name in part) == sorted(whole)
    assert [len(part) for part in parts] == [75] * 4
    assert {fit.seed for fit in bound.sources()} == {5}
    rows = evaluate(DATA, DONE).part("weak")
    for name, fit in zip(NAMES, bind(Specialists(model=_Remembers(), domains=NAMES), DATA, 5).sources(), strict=True):
        assert trained_on(fit) == [row for row, domain in zip(rows.ids, rows.domains, strict=True) if domain == name]


def test_what_is_not_bound_has_as_many_sources_as_it_will_have():
    assert Specialists(model=WEAK, parts=4).sources() == (WEAK,) * 4
    assert Specialists(model=WEAK, domains=NAMES, parts=7).sources() == (WEAK,) * 3
    bound = bind(Specialists(model=WEAK, domains=NAMES), DATA, 0)
    assert bind(bound, DATA, 1) == bound
    assert bound.label() == Specialists(model=WEAK, domains=NAMES).label()
    assert bound.label() == "specialists(domains=film+food+news, model=tfidf LogisticRegression(ngrams=1))"


@pytest.mark.parametrize("combine", ["mean", "vote", "own"])
def test_combining_by_loops(combine):
    splits = sample_splits(5)
    domains = tuple((*NAMES, "poems")[i % 4] for i in range(60))
    splits = dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, domains=domains))
    rng = np.random.default_rng(0)
    given = [Predictions(splits.rows.ids, splits.split, rng.dirichlet([1] * 5, 60)) for _ in NAMES]
    found = Specialists(model=WEAK, domains=NAMES, combine=combine).compute(splits, given).values
    for i, domain in enumerate(domains):
        rows = [member.values[i] for member in given]
        mean = sum(rows) / 3
        vote = [sum(row.argmax() == c for row in rows) / 3 for c in range(5)]
        own = rows[NAMES.index(domain)] if domain in NAMES else mean
        assert found[i] == pytest.approx({"mean": mean, "vote": vote, "own": own}[combine])


def test_what_does_not_go_together():
    with pytest.raises(SpecError, match=r"domains=\['film'\]; two or more are needed, each once"):
        Specialists(model=WEAK, domains=("film",))
    with pytest.raises(SpecError, match="combine='own' goes by domains, but none are given"):
        Specialists(model=WEAK, combine="own")
    with pytest.raises(SpecError, match="label 'gold' cannot be fitted again on other rows or weights; give a model"):
        bind(Specialists(model=Gold(split="weak")), DATA, 0)
    numbers = sample_splits(0)
    given = [Predictions(numbers.rows.ids, numbers.split, np.ones((60, 1)))] * 2
    assert Specialists(model=WEAK).compute(numbers, given).values.tolist() == [[1.0]] * 60
    with pytest.raises(IncompatibleError, match="combine='vote' is for classes, but the labels are regression"):
        Specialists(model=WEAK, combine="vote").compute(numbers, given)


def test_a_study_in_which_own_rows_are_known_best(small_study, store):
    """One domain turns the meaning of words round: who knows the domain labels well, the mean of all does not."""
    ways = [Specialists(model=WEAK, domains=NAMES, combine="own"), Specialists(model=WEAK, domains=NAMES)]
    study = small_study(tasks=(DATA.task,), pairs=tuple(Pair(weak=w, strong=WEAK) for w in ways))
    study = dataclasses.replace(study, data=(("n_weak", 300), ("n_transfer", 200), ("n_val", 0), ("n_test", 200)))
    _, outcomes = run(study, store=store)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    shelf = Shelf(store)
    own, mean = (shelf.scored(cell) for cell in cells(study.resolve()))
    assert {fit.train_split for fit in own.cell.supervisor.source.sources()} == {"weak"}
    test, gold = own.test("test")
    right = [(one.supervisor.on(test.ids).argmax(axis=1) == gold.argmax(axis=1)) for one in (own, mean)]
    news = np.array(test.domains) == "news"
    assert right[0][news].mean() > 0.7
    assert right[1][news].mean() < 0.5


@spec
class _Reads(Sklearn):
    """A model that has frozen features."""

    @property
    def can(self):
        return frozenset({"features"})

    def encoder(self) -> TextEncoder:
        return TextEncoder(backbone="path:none")


def test_planning_takes_specialists_for_members(small_study):
    for weak, wrong in ((Specialists(model=WEAK), False), (WEAK, True)):
        study = small_study(pairs=(Pair(weak=weak, strong=_Reads()),), methods=(Cosupervision(),))
        found = [text for text in problems_of(study, read_rows=False) if "weighs the members" in text]
        assert bool(found) == wrong, found
