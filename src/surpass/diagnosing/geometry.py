"""Diagnostics of frozen features: overlap, the kernel's gap, dimensions, and neighbourhoods in which errors are corrected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from surpass.artifacts import Values
from surpass.diagnosing.evidence import Evidence, Side
from surpass.diagnosing.measure import CLASSES, Found, Measure
from surpass.diagnostics import (
    ClassExpansion,
    Neighbourhood,
    Views,
    correlation_dimension,
    expansion,
    kernel_gap,
    kernel_norm,
    nearest_dimension,
    overlap_density,
    shared_dimension,
)
from surpass.results_diagnoses import undefined
from surpass.stats import Estimate

Seeds = Sequence[Evidence]
SIDES: tuple[Side, ...] = ("strong", "weak")
_BOTH = "both"
_WEAK, _GOLD, _NEITHER = "weak labels, transfer rows", "ground truth, test rows", "no labels, transfer rows"


def _view(one: Evidence, *, weak: bool) -> Views:
    rows = one.transfer
    return Views(
        one.features("strong", rows), one.supervisor(rows), rows.groups, one.features("weak", rows) if weak else None
    )


def _overlap(seeds: Seeds, level: float) -> Iterator[Found]:
    found = overlap_density([_view(one, weak=False) for one in seeds], level=level)
    for quantity in ("density", "easy", "hard"):
        yield Found(quantity, getattr(found, quantity))


def _gap(seeds: Seeds, level: float) -> Iterator[Found]:
    return _gaps([_view(one, weak=True) for one in seeds], seeds, level, _WEAK)


def _true_gap(seeds: Seeds, level: float) -> Iterator[Found]:
    return _gaps([_tested(one) for one in seeds], seeds, level, _GOLD)


def _tested(one: Evidence) -> Views:
    """Return the test rows with their ground truth, as the published quantity has them."""
    rows, gold = one.scored.test("test")
    strong, weak = (one.features(side, rows, "evaluation") for side in SIDES)
    return Views(strong, gold, rows.groups, weak)


def _gaps(views: Sequence[Views], seeds: Seeds, level: float, part: str) -> Iterator[Found]:
    found = kernel_gap(views, classes=seeds[0].target != "regression", level=level)
    yield Found("gap", found.gap, part)
    yield Found("gap share", found.share, part)


def _norm(seeds: Seeds, level: float) -> Iterator[Found]:
    found = _of_both(seeds[0], "norm", lambda s, w, groups: kernel_norm(s, w, groups, level=level))
    yield Found("operator", found.operator, _NEITHER)
    yield Found("norm share", found.share, _NEITHER)


def _shared(seeds: Seeds, level: float) -> Iterator[Found]:
    found = _of_both(seeds[0], "shared", lambda s, w, groups: shared_dimension(s, w, groups, level=level))
    yield Found("shared", found.shared, _BOTH)


def _of_both(one: Evidence, what: str, make: Callable[[Values, Values, Sequence[str]], Any]) -> Any:
    """Return what is made of the features of both models on the transfer rows, once for each pair of encoders."""
    rows = one.transfer
    name = (what, *one.of_rows("strong", rows), *one.of_rows("weak", rows))
    return one.desk.once(name, lambda: make(one.features("strong", rows), one.features("weak", rows), rows.groups))


def _dimension(side: Side) -> Callable[[Seeds, float], Iterator[Found]]:
    ways: dict[str, Callable[..., Estimate]] = {"correlation": correlation_dimension, "nearest": nearest_dimension}

    def find(seeds: Seeds, level: float) -> Iterator[Found]:
        one = seeds[0]
        rows = one.transfer

        def made(way: Callable[..., Estimate]) -> Estimate:
            return way(one.features(side, rows), rows.groups, level=level)

        for quantity, way in ways.items():
            name = (quantity, *one.of_rows(side, rows))
            yield Found(quantity, one.desk.once(name, partial(made, way)), side)

    return find


def _expansion(seeds: Seeds, level: float) -> Iterator[Found]:
    places = []
    for one in seeds:
        rows, run = one.scored.splits.part("test"), one.test()
        features = one.features("strong", rows, "evaluation")
        places.append(Neighbourhood(run.labels, run.floor, run.student, features, rows.groups))
    for found in expansion(places, classes=seeds[0].scored.splits.classes, level=level):
        for quantity in _EXPANSION[:-1]:
            yield Found(quantity, getattr(found, quantity), found.name)
        yield Found("bound", _bound(found, level), found.name)


def _bound(found: ClassExpansion, level: float) -> Estimate:
    """Return the bound where the theorem's conditions hold; elsewhere it is no bound, and undefined."""
    if found.holds or math.isnan(found.bound.value):
        return found.bound
    return undefined(f"would be {found.bound.value:.3f}, but {found.why}", level)


_EXPANSION = ("weak_error", "student_error", "not_robust", "c", "bound")
_NO_CLASSES = "it needs classes, which {target} does not have"

MEASURES = (
    Measure("overlap", ("density", "easy", "hard"), _overlap, "pair", targets=CLASSES, why_not=_NO_CLASSES),
    Measure("kernel", ("gap", "gap share"), _gap, "pair", part=_WEAK),
    Measure("kernel", ("gap", "gap share"), _true_gap, "pair", "test", True, part=_GOLD),
    Measure("kernel", ("operator", "norm share"), _norm, "pair", part=_NEITHER),
    *(Measure("dimension", ("correlation", "nearest"), _dimension(side), "pair", part=side) for side in SIDES),
    Measure("dimension", ("shared",), _shared, "pair", part=_BOTH),
    Measure(
        "expansion",
        _EXPANSION,
        _expansion,
        rows="test",
        gold=True,
        targets=CLASSES,
        why_not=_NO_CLASSES,
    ),
)
