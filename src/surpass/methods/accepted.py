"""Only the weak texts that could be an answer at all, by a check that knows no answer.

Idea: a supervisor that writes an illegal move, a number that is none or a program that does not run is wrong there for
certain, and anybody can tell. Leave such texts out and train on the rest.

    keep row i when accepts(input_i, text_ij) for some j; the other texts of the row are left out

Source: filtering by a verifier is common (rejection sampling); nothing is published under this name in weak-to-strong
generalization. The check is the task's `accepts`, which never sees the target. Ground truth stays. It has no parameter.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from surpass.artifacts import Targets
from surpass.errors import IncompatibleError
from surpass.methods.base import Given, Method, Need


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accepted(Method):
    """Weak texts that the task takes for answers."""

    wants: ClassVar[frozenset[Need]] = frozenset({"accepted"})
    targets: ClassVar[frozenset[str]] = frozenset({"generation"})

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the rows with an accepted text, and of those the accepted texts."""
        if given.accepted is None:
            raise IncompatibleError("method 'accepted' reads which texts could be an answer. Use a task of texts.")
        kept = given.accepted | weak.gold[:, None]
        values = np.where(kept, weak.values, 0.0)
        rows = np.flatnonzero((values > 0).any(axis=1))
        return dataclasses.replace(weak, values=values).take(rows)
