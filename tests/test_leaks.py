"""No ground truth reaches a student but what it is given: labels of other rows are turned round, and nothing may change."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import save_llama, texts

from surpass.artifacts import Predictions
from surpass.labels.blend import Blend
from surpass.labels.boost import Boost
from surpass.labels.ensemble import Ensemble
from surpass.labels.imitation import Imitation
from surpass.labels.simulated import Simulated
from surpass.labels.specialists import Specialists
from surpass.methods.base import FROM_LABELS
from surpass.methods.confident import Confident
from surpass.methods.soft import Soft
from surpass.models.base import Model
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.models.prompt import Prompt
from surpass.registry import METHODS
from surpass.route import Route
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.shelf import Shelf
from surpass.spec import Spec
from surpass.splits import Data, make_splits
from surpass.store import Store
from surpass.study import Pair, Study, cells
from surpass.tasks.file import File

SIZES = {"n_weak": 60, "n_transfer": 120, "n_val": 20, "n_test": 60, "balance": False}
INPUTS, LABELS = texts(700, seed=5)
GIVEN_GOLD = {Blend.kind, Simulated.kind}
ALONE = {"boosted", "gold-only"}  # of no use with a supervisor's labels alone

pytestmark = pytest.mark.slow


def pairs(backbone: str, digits: str) -> tuple[Pair, ...]:
    """Return every method with the cheapest student that serves it, and every kind of label source and route.

    Prompts need a backbone that knows digits.
    """
    weak = Probe(backbone=backbone, precision="fp32", first=6)
    other = Probe(backbone=backbone, precision="fp32", layer=0, first=5)
    exact = Probe(backbone=backbone, precision="fp32")
    adam = Probe(backbone=backbone, precision="fp32", solver="adam", epochs=3)
    tuned = HF(backbone=backbone, precision="fp32", epochs=1, lr=1e-3, points=2)
    asked = Prompt(backbone=digits, precision="fp32", shots=2)
    both = Ensemble(members=(weak, other))
    found: dict[tuple[Spec, Model], list[Any]] = {}
    for name in METHODS.names():
        if name in ALONE:
            continue
        method: Any = METHODS.get(name)(**({"share": 0.5} if name == "confident" else {}))
        if method.problem() or "classification" not in method.targets:  # cleanlab is optional
            continue
        if "pretrained" in method.needs:
            tuned = dataclasses.replace(tuned, backbone=digits)
        able = next(model for model in (exact, adam, tuned) if method.needs - FROM_LABELS <= model.can)
        found.setdefault((both if "members" in method.needs else weak, able), []).append(method)
    tries = tuple(Confident(share=share) for share in (0.2, 0.6, 1.0))
    found[weak, exact] += [
        *(METHODS.get(name)(action=how) for name in ("knn", "logreg", "topofilter") for how in ("relabel", "predict")),
        *(Route(method=Soft(), through=(other,), fresh=fresh) for fresh in (False, True)),
        Route(method=Soft(), rounds=1),
        Route(method=tries[0], tries=tries),
        Route(method=tries[0], tries=tries, through=(other,)),
    ]
    found |= {(weak, asked): [Soft()]}
    sources = (
        Specialists(model=weak, parts=2),
        Boost(model=weak, rounds=3),
        Imitation(weak=weak),
        Blend(weak=weak, gold=0.3),
        Blend(weak=weak, gold=0.3, pick="least_confident"),
        Simulated(like=weak),
        Simulated(like=weak, errors="confidently_right", by=exact),
    )
    found |= {(source, exact): [Soft()] for source in sources}
    return tuple(Pair(weak=w, strong=s, methods=tuple(ways)) for (w, s), ways in found.items())


Told = dict[tuple[str, str, str], tuple[int, Predictions, Predictions]]
"""By labels, model and way: the setting chosen, and what student and ceiling predict."""


@pytest.fixture(scope="module")
def told(tiny_backbone, tmp_path_factory):
    """Return what a study yields when the labels of some splits are turned round."""
    folder: Path = tmp_path_factory.mktemp("leaks")
    backbone = save_llama(folder / "llama", layers=2)
    store, number = Store.open(folder / "store"), itertools.count()

    def table(turned: set[str]) -> File:
        path = folder / f"{next(number)}.csv"
        lines = [f"{text},{label ^ (text in turned)}" for text, label in zip(INPUTS, LABELS, strict=True)]
        path.write_text("\n".join(["text,label", *lines]) + "\n")
        return File(path=str(path))

    splits = make_splits(Data(task=table(set()), **SIZES).resolve())

    def run_with(*names: str) -> Told:
        task = table(set(splits.part(*names).inputs) if names else set())
        study = Study(
            name="leaks",
            tasks=(task,),
            pairs=pairs(backbone, tiny_backbone),
            data=SIZES,
            seeds=1,
            metrics=("accuracy",),
        )
        made, outcomes = run(study, store=store, runtime=Runtime(jobs=0))
        assert not [outcome.error for outcome in outcomes if outcome.error]
        shelf, found = Shelf(store), Told()
        for cell in cells(made.study):
            scored = shelf.scored(cell)
            assert scored
            place = (cell.pair.weak.kind, cell.pair.strong.label(), cell.route.label() + str(cell.pair.weak))
            chosen = cell.students.index(scored.student.fit)
            found[place] = (chosen, scored.student.predictions, scored.ceiling.predictions)
        return found

    return run_with


@pytest.fixture(scope="module")
def plain(told) -> Told:
    return told()


def same(one: Predictions, other: Predictions) -> bool:
    return (
        one.ids == other.ids and np.array_equal(one.values, other.values) and np.array_equal(one.watched, other.watched)
    )


def test_validation_and_test_labels_change_no_prediction_and_no_choice(told, plain):
    turned = told("val", "test")
    assert turned.keys() == plain.keys()
    for place, (chosen, student, ceiling) in turned.items():
        known, *both = plain[place]
        assert (chosen, same(student, both[0]), same(ceiling, both[1])) == (known, True, True), place


def test_ground_truth_of_the_transfer_rows_reaches_ceilings_and_those_who_are_given_it_alone(told, plain):
    turned = told("transfer", "val", "test")
    kinds: dict[bool, set[str]] = {True: set(), False: set()}
    for place, (chosen, student, ceiling) in turned.items():
        known, *both = plain[place]
        assert "prompt" in place[1] or not same(ceiling, both[1])  # else this shows nothing
        kinds[same(student, both[0]) and chosen == known].add(place[0])
    assert kinds[False] == GIVEN_GOLD
    assert not kinds[True].intersection(GIVEN_GOLD)
