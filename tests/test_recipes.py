"""The recipes of the repository: each can be planned as it stands, and shares what can be shared."""

from __future__ import annotations

import pytest

from surpass import presets
from surpass.chess.needs import lacking
from surpass.feasibility import problems_of
from surpass.methods.base import Method
from surpass.registry import METHODS
from surpass.runner import graph
from surpass.study import Study, cells
from surpass.studyfile import read

INTERNAL = {"boosted"}  # a step of label source `boost`
OF_TEXTS = {"accepted", "weighted"}  # measured on chess


def methods_of(study: Study) -> set[str]:
    """Return the names of all methods that a study runs."""
    found: list[Method] = [route.method for pair in study.pairs for route in study.routes_of(pair)]
    return {METHODS.display(method.kind) for method in found}


@pytest.mark.assets
@pytest.mark.parametrize("name", presets.names())
def test_recipe_has_no_problem(name):
    found = problems_of(read(name))
    if (needed := lacking()) in found:
        pytest.skip(needed)
    assert found == []


def test_the_method_zoo_has_every_method_on_four_tasks_two_pairs_and_five_seeds():
    heads, tuned = read("method-zoo"), read("method-zoo-lora")
    assert methods_of(heads) | methods_of(tuned) == set(METHODS.names()) - INTERNAL - OF_TEXTS
    gradient = {name for name in set(METHODS.names()) - INTERNAL if "custom_loss" in METHODS.get(name)().needs}
    assert gradient <= methods_of(tuned)
    assert heads.seeds >= 5
    assert tuned.seeds >= 3
    assert len(heads.tasks) >= 4
    assert len(tuned.tasks) >= 2
    for name in methods_of(heads):
        pairs = {
            pair.weak
            for pair in heads.pairs
            if name in {METHODS.display(route.method.kind) for route in heads.routes_of(pair)}
        }
        assert len(pairs) >= 2, name


@pytest.mark.parametrize("name", ["method-zoo", "bootstrapping", "crowd"])
def test_equal_work_stands_once_in_the_graph(name):
    study = read(name)
    fits = [node for node in graph(study).values() if node.spec.kind == "fit"]
    assert len({node.spec for node in fits}) == len(fits)
    asked = sum(len(cell.stages) for cell in cells(study))
    assert len(fits) < asked
