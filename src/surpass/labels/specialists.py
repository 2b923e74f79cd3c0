"""Specialists: one model fitted many times, each time on a domain or a part of the `weak` rows of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal, Self

import numpy as np

from surpass.artifacts import Predictions, Splits
from surpass.errors import IncompatibleError, SpecError
from surpass.labels._rows import common, domains_there
from surpass.labels.base import LabelSource
from surpass.runtime import Runtime
from surpass.spec import Spec, name_of, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Specialists(LabelSource):
    """The labels of fits that saw different rows, combined; method `cosupervision` chooses among them row by row.

    Attributes:
        model: the model; once bound to a study, its fits.
        domains: one specialist for each of these domains of the task.
        parts: without domains: one for each of this many parts of the `weak` rows, about equal in size, which share no group.
        combine: "mean" averages probabilities, or numbers; "vote" gives each class its share of the specialists' decisions;
            "own" takes each row's label from the specialist of its domain, and the mean where there is none. A study in
            which the supervisor is not told the domain of a row has no use for "own" but as an upper mark.
    """

    model: Spec | tuple[Spec, ...]
    domains: tuple[str, ...] = ()
    parts: int = option(2, low=2)
    combine: Literal["mean", "vote", "own"] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.domains) == 1 or len(set(self.domains)) < len(self.domains):
            raise SpecError(f"label 'specialists': domains={list(self.domains)}; two or more are needed, each once.")
        if self.combine == "own" and not self.domains:
            raise SpecError("label 'specialists': combine='own' goes by domains, but none are given. Give `domains`.")

    @property
    def targets(self) -> frozenset[str]:  # type: ignore[override]  # here it depends on an option
        """Numbers have a mean, but no vote."""
        return LabelSource.targets if self.combine != "vote" else frozenset({"classification"})

    def sources(self) -> tuple[Spec, ...]:
        """Return the specialists; before they are bound, the model as often as there will be some."""
        return self.model if isinstance(self.model, tuple) else (self.model,) * (len(self.domains) or self.parts)

    def lacks(self, splits: Splits) -> str | None:
        """Return that a specialist would have no rows."""
        weak = splits.part("weak")
        if missing := [name for name in self.domains if name not in weak.domains]:
            named = ", ".join(f"'{name}'" for name in missing)
            return f"label 'specialists': no weak row is of domain {named}. {domains_there(weak.domains, 'domains')}"
        if not self.domains and self.parts > len(weak):
            return f"label 'specialists': parts={self.parts}, but there are {len(weak)} weak rows. Lower it, or raise n_weak."
        return None

    def bind(self, fit: Callable[..., Spec]) -> Self:
        """Return this source with one fit of the model for each domain or part."""
        if isinstance(self.model, tuple):
            return super().bind(fit)
        own: list[dict[str, object]] = [{"domain": name} for name in self.domains]
        own = own or [{"part": (i, self.parts)} for i in range(self.parts)]
        return dataclasses.replace(self, model=tuple(fit(self.model, **options) for options in own))

    def label(self) -> str:
        """Return a name that says the model once."""
        return name_of(dataclasses.replace(self, model=self.sources()[0]))

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the combined labels for the rows that every specialist knows.

        Raises:
            IncompatibleError: numbers are to be voted on.
        """
        if splits.target not in self.targets:
            raise IncompatibleError(
                f"label 'specialists': combine='vote' is for classes, but the labels are {splits.target}. "
                "Use combine: mean."
            )
        known = common(splits, sources)
        stacked = np.stack([one.on(known.rows.ids) for one in sources])
        if self.combine == "vote":
            stacked = np.eye(stacked.shape[2])[stacked.argmax(axis=2)]
        values = stacked.mean(axis=0)
        if self.combine == "own":
            for one, domain in zip(stacked, self.domains, strict=True):
                rows = np.array(known.rows.domains) == domain
                values[rows] = one[rows]
        return Predictions(known.rows.ids, known.split, values)
