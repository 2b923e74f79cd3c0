"""A shelf holds what was read from a store, and nothing outlives it."""

from __future__ import annotations

import gc
import weakref

from surpass.runner import run
from surpass.runtime import Runtime
from surpass.shelf import Shelf, run_of
from surpass.study import cells


def test_a_run_is_made_once_and_goes_with_its_shelf(small_study, store):
    plan, _ = run(small_study(), store=store, runtime=Runtime())
    shelf = Shelf(store)
    scored = shelf.scored(cells(plan.study)[0])
    made = run_of(scored, "test", "last")
    assert run_of(scored, "test", "last") is made
    held = [weakref.ref(scored.student.predictions), weakref.ref(made)]
    del shelf, scored, made
    gc.collect()
    assert [ref() for ref in held] == [None, None]
