"""Only the weak labels that a learned judge of the supervisor trusts.

Idea: whether a weak label is right can be learned, from what the supervisor's own features look like where it errs. A
small network is fitted on the labelled rows to predict "the label is right"; the most trusted weak labels are kept.

    trust_i = P(label i is right | supervisor features of i, log odds of label i);   weighted BCE: right and wrong count alike

Source: the neural trust function of Uzunoglu, Zhang and Khashabi 2026 (arXiv 2606.01000), read in summaries: an MLP on
the teacher's last hidden state, trained on labelled rows, whose top rows are kept. Second hand: 95.9 to 103.5 % of the
gap recovered on five question sets. A chain of them is `through` in a study.

What differs: our labelled rows are those the supervisor was fitted on, where its own labels are right too often. So a
logistic head on the supervisor's frozen features is refitted out of fold; the judge learns where *its* labels are right,
and is then asked about the supervisor's. The log odds that this head gives to the label in question are one more input,
and the k features are divided by sqrt k beside it: a few hundred labelled rows say little about hundreds of features. On
two draws of movie-reviews (300 labelled rows, 384 features) the AUROC of trust for "this label is right" was 0.54 and
0.55 with all inputs alike, 0.70 with features so scaled and l2 0.03, and 0.70 for the log odds alone. The weighting is by
repeating rows of the rarer outcome. Ground truth stays, with trust 1. When the refitted head is always right, or always
wrong, its log odds rank the rows. `share` matters most, then l2; share 1 with `filter` is `soft`.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Targets, Values
from surpass.errors import IncompatibleError
from surpass.methods._logistic import Logistic, out_of_fold, standardized
from surpass.methods._selection import best, by_id, needed, restored
from surpass.methods.base import Given, Labelled, Method, Need
from surpass.spec import option

EDGE = 1e-6
HEAD_L2 = 0.15  # half of the probe's 0.3, which has a half before its penalty


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trust(Method):
    """Weak labels that are probably right.

    Attributes:
        action: "filter" keeps the most trusted rows, "weight" keeps all and weighs them by trust.
        share: of the weak labels that "filter" keeps.
        judge: a network with one hidden layer, or a logistic regression.
        hidden: width of the network.
        folds: in which the supervisor's head is refitted.
        l2: penalty of the judge's weights, per row and without a half before it.
    """

    wants: ClassVar[frozenset[Need]] = frozenset({"supervisor_features"})
    neutral: ClassVar[dict[str, Any]] = {"action": "filter", "share": 1.0}

    action: Literal["filter", "weight"] = "filter"
    share: float = option(0.5, above=0.0, high=1.0)
    judge: Literal["mlp", "logistic"] = "mlp"
    hidden: int = option(64, low=1)
    folds: int = option(5, low=2)
    l2: float = option(0.03, above=0.0)

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        """Return the trusted rows, or all rows weighted."""
        order = by_id(weak.ids)
        table = needed(given.supervisor_features, "frozen features of the supervisor")[order]
        if given.labelled is None:
            raise IncompatibleError("method 'trust' learns from the supervisor's training rows, but there are none.")
        seed = int(rng.integers(2**31))
        trust = restored(order, self.trust(given.labelled, table, weak.values[order].argmax(axis=1), seed))
        if self.action == "filter":
            return best(weak, trust, self.share)
        weight = np.where(weak.gold, 1.0, trust)
        return dataclasses.replace(weak, weight=weight / weight.mean())

    def trust(self, labelled: Labelled, table: Values, labels: NDArray[np.int64], seed: int) -> Values:
        """Return the probability that each label is right, (n,) in (0, 1).

        Args:
            labelled: the rows with ground truth.
            table: (n, k) supervisor features of the rows to judge.
            labels: (n,) their weak classes.
            seed: of the network's start.
        """
        order = by_id(labelled.ids)
        known, gold = labelled.supervisor_features[order].astype(np.float64), labelled.gold[order]
        ids = [labelled.ids[i] for i in order]
        said = out_of_fold(known, gold, ids, self.folds, HEAD_L2)
        head = Logistic.fit(standardized(known), gold, HEAD_L2)
        odds = _log_odds(said, said.argmax(axis=1))
        asked = _log_odds(head(standardized(table, known)), labels)
        right = said.argmax(axis=1) == gold.argmax(axis=1)
        if right.all() or not right.any():
            return np.asarray(1 / (1 + np.exp(-asked)))
        return self._judged(_inputs(table, asked, known, odds), _inputs(known, odds, known, odds), right, seed)

    def _judged(self, asked: Values, known: Values, right: NDArray[np.bool_], seed: int) -> Values:
        """Return P(right) of the asked rows by a judge fitted on the known ones."""
        rare = right if right.sum() * 2 < len(right) else ~right
        times = np.where(rare, round((~rare).sum() / rare.sum()), 1)
        rows = np.repeat(np.arange(len(right)), times)
        outcome = right[rows].astype(np.int64)
        if self.judge == "logistic":
            return np.asarray(Logistic.fit(known[rows], np.eye(2)[outcome], self.l2)(asked)[:, 1])
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        # its penalty is alpha / 2 per row, divided by the rows
        alpha = 2 * self.l2 * len(rows)
        network = MLPClassifier((self.hidden,), alpha=alpha, solver="lbfgs", max_iter=200, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(known[rows], outcome)
        return np.asarray(np.clip(network.predict_proba(asked)[:, 1], EDGE, 1 - EDGE))


def _inputs(table: Values, odds: Values, known: Values, known_odds: Values) -> Values:
    """Return what the judge reads, (n, k + 1): by the known rows, all features together vary as much as the log odds do."""
    features = standardized(table, known) / np.sqrt(table.shape[1])
    return np.column_stack([features, standardized(odds, known_odds)])


def _log_odds(probs: Values, labels: NDArray[np.int64]) -> Values:
    """Return the log odds of each row's label, (n,)."""
    chosen = np.clip(probs[np.arange(len(labels)), labels], EDGE, 1 - EDGE)
    return np.asarray(np.log(chosen / (1 - chosen)))
