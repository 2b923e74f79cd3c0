"""People as supervisors: the votes that a task's rows carry, of one of them, of some, or of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from surpass.artifacts import Predictions, Splits, Values
from surpass.draws import place
from surpass.errors import DataError, IncompatibleError, SpecError
from surpass.labels._dawid_skene import estimate
from surpass.labels.base import LabelSource
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Raters(LabelSource):
    """Each row's own votes as its label: the share of the votes that each class has, or the mean of numbers.

    The votes of a row are drawn by a hash of its id, without replacement, and fewer than `k` where there are fewer. A larger
    `k` keeps the votes of a smaller one. A vote that takes no side (NaN) can be drawn and says nothing: a row of nothing but
    such votes has all classes alike. Numbers have no such votes; what is NaN there, or in a column that is always the same
    rater's, was not given, and is not drawn.

    Where the ground truth is the mean of the same votes (the tasks of rated snippets), labels are nearer to it than the same
    people would be to the mean of others: a mean of k of n numbers has the squared error s^2 (1/k - 1/n) and not s^2/k, for
    k = n none at all. Floors are too good by that, and gains and PGRs too small: at 1 of 20 by a twentieth of the error.

    Attributes:
        k: votes of each row; none: all of them.
        combine: "mean", or "dawid-skene": each rater is believed as far as the votes of all show that rater to be right
            (Dawid & Skene 1979), of classes only, and only where a column is always the same rater's, such as the columns of
            a file; all votes are read, and raters are judged by the weak and transfer rows.
        seed: of the draws.
    """

    k: int | None = option(1, low=1)
    combine: Literal["mean", "dawid-skene"] = "mean"
    seed: int = option(0, low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.combine == "dawid-skene" and self.k is not None:
            raise SpecError(
                f"label 'raters': combine='dawid-skene' weighs all raters of a row, but k={self.k}. Set k: null."
            )

    @property
    def targets(self) -> frozenset[str]:  # type: ignore[override]  # here it depends on an option
        """Numbers have a mean, but no confusion matrix."""
        return LabelSource.targets if self.combine == "mean" else LabelSource.targets - {"regression"}

    def lacks(self, splits: Splits) -> str | None:
        """Return which rows have no votes, or that raters are not known by name where they must be."""
        if self.combine == "dawid-skene" and not splits.facts.get("named_raters"):
            return (
                "label 'raters': combine='dawid-skene' needs votes whose columns are raters, the same in every row; those of "
                "this task are of changing people. Use combine: mean."
            )
        return _unrated(splits, _votes(splits))

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return labels for all rows that have votes; rows of `weak` need none.

        Raises:
            DataError: a row of another split has no votes, or raters are not known by name where they must be.
            IncompatibleError: numbers are to be weighed by combine: dawid-skene.
        """
        if splits.target not in self.targets:
            raise IncompatibleError(
                "label 'raters': combine='dawid-skene' is for classes, but the labels are numbers. Use combine: mean."
            )
        if problem := self.lacks(splits):
            raise DataError(problem)
        votes = _votes(splits)
        every = [np.array(each, dtype=np.float64) for each in splits.rows.votes]
        known = np.array([i for i, each in enumerate(votes) if len(each)], dtype=np.int64)
        rows, split = splits.rows.take(known), tuple(splits.split[i] for i in known)
        classes = len(splits.classes)
        if self.combine == "dawid-skene":
            table = np.array([every[i] for i in known])
            training = np.isin(np.array(split), ("weak", "transfer"))
            return Predictions(rows.ids, split, estimate(table[training], classes).read(table))
        drawn = (self._drawn(name, votes[i]) for name, i in zip(rows.ids, known, strict=True))
        if splits.target == "regression":
            return Predictions(rows.ids, split, np.array([[each.mean()] for each in drawn]))
        return Predictions(rows.ids, split, np.array([_shares(each, classes) for each in drawn]))

    def _drawn(self, name: str, votes: Values) -> Values:
        """Return the row's first k votes in an order that its id and the seed draw."""
        if self.k is None or self.k >= len(votes):
            return votes
        order = [place(f"{name}/{i}", f"raters/{self.seed}") for i in range(len(votes))]
        return votes[np.argsort(order)[: self.k]]


def _votes(splits: Splits) -> list[Values]:
    """Return the votes that can be drawn for each row: of numbers and of known raters those that were given.

    A pair that its raters all call a tie, which is NaN as well, keeps these votes.
    """
    votes = [np.array(each, dtype=np.float64) for each in splits.rows.votes]
    if splits.target != "regression" and not splits.facts.get("named_raters"):
        return votes
    given = [each[~np.isnan(each)] for each in votes]
    return [
        some if len(some) or splits.target != "preference" else all_ for some, all_ in zip(given, votes, strict=True)
    ]


def _shares(votes: Values, classes: int) -> Values:
    """Return the share of the votes that each class has, (C,); all alike when no vote takes a side."""
    sided = votes[~np.isnan(votes)].astype(np.int64)
    return np.bincount(sided, minlength=classes) / len(sided) if len(sided) else np.full(classes, 1 / classes)


def _unrated(splits: Splits, votes: Sequence[Values]) -> str | None:
    """Return how many rows that need votes have none, or None."""
    needed = [i for i, split in enumerate(splits.split) if split != "weak"]
    lacking = [i for i in needed if not len(votes[i])]
    if not lacking:
        return None
    return (
        f"label 'raters': {len(lacking):,} of {len(needed):,} rows have no votes, for instance row "
        f"{splits.rows.ids[lacking[0]]!r}. Use a task whose rows people rated (movie-reviews, snippet-ratings), an option of "
        "the task that leaves such rows out (tweets: rated: true), or of a file its columns of votes, without rows that "
        "have none."
    )
