"""Weak labels without those that confident learning takes for errors.

Idea: compare hard weak labels with out-of-fold predictions of a probe that was fitted to them. Confident learning
estimates from both how often each class is taken for each other one, and names the rows that are the errors.

    issues = cleanlab.filter.find_label_issues(argmax y, P),   P_i from a logistic regression on the other folds

Source: Northcutt, Jiang and Chuang 2021, "Confident Learning" (arXiv 1911.00068), by the package cleanlab. P comes from
strong features, standardized, in 5 folds by a hash of the ids; the regression minimizes mean CE + l2 ||W||^2, whose
default is half of our probe's 0.3, as the probe has a half before its penalty.

What differs: nothing in the rule. The rows that stay keep their soft labels. Ground truth counts in the estimates and is
never dropped. It is optional: `pip install 'surpass[cleanlab]'`. Versions from 2.8.0 on are Apache-2.0; 2.7.1 and older
are AGPL-3.0-or-later, so the extra asks for 2.8. It brings pandas and termcolor. `rule` matters most: it decides how many
rows go.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import ClassVar, Literal

import numpy as np

from surpass.artifacts import Targets
from surpass.methods._logistic import out_of_fold
from surpass.methods._selection import by_id, needed, restored, those
from surpass.methods.base import Given, Method, Need
from surpass.spec import option

Rule = Literal["prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cleanlab(Method):
    """Weak labels that cleanlab finds no issue with.

    Attributes:
        rule: cleanlab's `filter_by`; its own default is "prune_by_noise_rate".
        folds: of the regression whose predictions are compared with the labels.
        l2: penalty of that regression on standardized features.
    """

    wants: ClassVar[frozenset[Need]] = frozenset({"features"})

    rule: Rule = "prune_by_noise_rate"
    folds: int = option(5, low=2)
    l2: float = option(0.15, above=0.0)

    def problem(self) -> str | None:
        """Return that cleanlab is missing, or None."""
        if importlib.util.find_spec("cleanlab") is None:
            return "method 'cleanlab' needs the package of that name, which is not installed. pip install 'surpass[cleanlab]'"
        return None

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the rows without label issues."""
        from cleanlab.filter import find_label_issues

        order = by_id(weak.ids)
        table = needed(given.features, "frozen features of the strong model")[order]
        labels = weak.values[order].argmax(axis=1)
        if len(np.unique(labels)) < 2:
            return weak  # cleanlab refuses these; the model that is fitted to them says what is wrong
        hard = np.eye(weak.values.shape[1])[labels]
        found = out_of_fold(table, hard, [weak.ids[i] for i in order], self.folds, self.l2)
        issues = find_label_issues(labels, found, filter_by=self.rule, n_jobs=1)
        return those(weak, ~restored(order, np.asarray(issues, dtype=bool)))
