"""A ground-truth budget: weak labels with ground truth for a share of the rows to learn from, or for one domain of them.

Ground truth goes to `transfer` rows alone. On `val` and `test` the labels stay weak: a student is stopped by what its
supervisor would say, and the floor is the weak supervisor's own score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from surpass.artifacts import Predictions, Splits
from surpass.draws import place
from surpass.errors import DataError, IncompatibleError
from surpass.labels._rows import common, domains_there, rounded
from surpass.labels.base import LabelSource, gold_values
from surpass.runtime import Runtime
from surpass.spec import Spec, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blend(LabelSource):
    """Weak labels, but ground truth on some transfer rows; which ones is marked, for methods that treat them apart.

    A larger share holds the rows of a smaller one, by either way of picking.

    Attributes:
        weak: the supervisor: a model, or another label source.
        gold: share of the transfer rows that get ground truth, in [0, 1]; of those of `domain` when one is named. 0 is
            `weak` itself.
        pick: "random" draws by a hash of the row's id; "least_confident" takes the rows whose weak label has the smallest
            largest probability, of equals the one whose id comes first.
        domain: rows of other domains of the task get no ground truth; empty: all may.
        seed: of the draw.
    """

    weak: Spec
    gold: float = option(1.0, low=0.0, high=1.0)
    pick: Literal["random", "least_confident"] = "random"
    domain: str = ""
    seed: int = option(0, low=0)

    @property
    def targets(self) -> frozenset[str]:  # type: ignore[override]  # here it depends on an option
        """Numbers have no confidence."""
        known = LabelSource.targets | {"generation"}
        return known if self.pick == "random" else frozenset({"classification", "generation"})

    @property
    def marks_gold(self) -> bool:
        """Whether any row gets ground truth."""
        return self.gold > 0

    def sources(self) -> tuple[Spec, ...]:
        """Return the supervisor."""
        return (self.weak,)

    def lacks(self, splits: Splits) -> str | None:
        """Return that no transfer row is of the domain, and which domains there are."""
        domains = splits.part("transfer").domains
        if self.domain in ("", *domains):
            return None
        return f"label 'blend': no transfer row is of domain '{self.domain}'. {domains_there(domains, 'domain')}"

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the labels of the rows that the supervisor knows.

        Raises:
            DataError: no transfer row is of the domain.
            IncompatibleError: numbers are to be picked by their confidence.
        """
        if splits.target not in self.targets:
            raise IncompatibleError(
                f"label 'blend': pick='least_confident' is for classes, but the labels are {splits.target}. "
                "Use pick: random."
            )
        (weak,) = sources
        known = common(splits, sources)
        values, marks = weak.on(known.rows.ids), weak.gold_on(known.rows.ids)
        chosen = np.isin(np.array(known.rows.ids), self._chosen(known, weak))
        texts = None if weak.texts is None else weak.texts_on(known.rows.ids)
        if texts is not None:  # one text takes the place of several
            texts[chosen], values[chosen] = "", 0.0
            texts[chosen, 0] = known.rows.labels[chosen]
        values[chosen, : gold_values(known).shape[1]] = gold_values(known)[chosen]
        return Predictions(known.rows.ids, known.split, values, gold=marks | chosen, texts=texts)

    def _chosen(self, known: Splits, weak: Predictions) -> list[str]:
        """Return the ids of the rows that get ground truth."""
        if text := self.lacks(known):
            raise DataError(text)
        transfer = known.part("transfer")
        ids = [name for name, domain in zip(transfer.ids, transfer.domains, strict=True) if self.domain in ("", domain)]
        sure = weak.on(ids).max(axis=1)
        drawn = [place(name, f"blend/{self.seed}") for name in ids]
        by = dict(zip(ids, drawn if self.pick == "random" else sure, strict=True))
        return sorted(ids, key=lambda name: (by[name], name))[: rounded(self.gold, len(ids))]
