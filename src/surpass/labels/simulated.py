"""A made-up supervisor: right as often as a real one, or as often as you say, but wrong on other rows.

Source: Burns et al. 2023 (arXiv 2312.09390), appendix E.1 and E.2: start from ground truth, flip as many labels as the weak
model gets wrong, and choose which: at random, the longest or the shortest texts, those on which a strong model fitted to
ground truth is least confident, or those that it gets right most confidently. Labels are hard.

What differs: that strong model (`by`) is fitted to ground truth of the `weak` rows here, so it judges rows that it has not
seen; the paper does not say which rows its own had seen. More than two classes, which the paper does not have, flip to
another class drawn by a hash. As in the paper, rows are ranked whatever their class, so flips may unbalance the classes.

The paper's other supervisors need no source of their own. The weak model's real errors are the model itself with method
`hard`; labels by the first k features (E.1a) are a probe with `first: k` as the weak model; a model's labels with further
random flips (E.1c) are `base` with `rate`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Predictions, Rows, Splits, Values
from surpass.draws import place
from surpass.errors import DataError, SpecError
from surpass.labels._rows import common, rounded
from surpass.labels.base import LabelSource, gold_values
from surpass.runtime import Runtime
from surpass.spec import Spec, option

Errors = Literal["random", "longest", "shortest", "least_confident", "confidently_right"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulated(LabelSource):
    """Hard labels with a given number of flips in each split, in chosen places.

    Attributes:
        rate: share of flipped rows, in [0, 1], where `like` is not given.
        like: a weak model or label source: in each split as many rows are flipped as it gets wrong there.
        errors: which rows are flipped first; "longest" and "shortest" count characters, of both texts of a pair. Ties are
            broken by a draw.
        by: the model whose confidence "least_confident" and "confidently_right" go by; `strong` of the pair is the paper's.
        base: whose hardened labels are flipped; none: ground truth.
        seed: of the draws, which go by a hash of the row's id.
    """

    targets: ClassVar[frozenset[str]] = frozenset({"classification"})

    rate: float = option(0.25, low=0.0, high=1.0)
    like: Spec | None = None
    errors: Errors = "random"
    by: Spec | None = None
    base: Spec | None = None
    seed: int = option(0, low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.like is not None and self.rate != type(self).rate:
            raise SpecError(
                f"label 'simulated': rate={self.rate:g} and `like` are both given. They are two rules for how many labels "
                "are wrong: leave one out."
            )
        judged = self.errors in ("least_confident", "confidently_right")
        if judged and self.by is None:
            raise SpecError(
                f"label 'simulated': errors='{self.errors}' goes by a model's confidence. Give `by`, for instance the strong "
                "model of the pair."
            )
        if self.by is not None and not judged:
            raise SpecError(f"label 'simulated': errors='{self.errors}' does not look at `by`. Leave `by` out.")

    def sources(self) -> tuple[Spec, ...]:
        """Return the labels to start from, whose errors to count and whose confidence to go by, as far as there are any."""
        return tuple(source for source in (self.base, self.like, self.by) if source is not None)

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return one-hot labels for the rows that every source knows.

        Raises:
            DataError: lengths are asked for, but the inputs are no texts.
        """
        given = iter(sources)
        base, like, by = (None if spec is None else next(given) for spec in (self.base, self.like, self.by))
        known = common(splits, sources)
        gold, ids = gold_values(known).argmax(axis=1), known.rows.ids
        labels = gold if base is None else base.on(ids).argmax(axis=1)
        wrong = None if like is None else like.on(ids).argmax(axis=1) != gold
        first = self._first(known.rows, None if by is None else by.on(ids), labels)
        flipped = np.zeros(len(ids), dtype=bool)
        for name in known.names():
            rows = np.flatnonzero(np.array(known.split) == name)
            count = rounded(self.rate, len(rows)) if wrong is None else int(wrong[rows].sum())
            flipped[rows[np.argsort(first[rows], kind="stable")][:count]] = True
        classes = len(known.classes)
        steps = np.array([1 + int(place(name, f"simulated/class/{self.seed}") * (classes - 1)) for name in ids])
        labels = np.where(flipped, (labels + steps) % classes, labels)
        return Predictions(ids, known.split, np.eye(classes)[labels])

    def _first(self, rows: Rows, judged: Values | None, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each row's rank in the order in which rows are flipped, (n,)."""
        drawn = np.array([place(name, f"simulated/{self.seed}") for name in rows.ids])
        keys: list[NDArray[np.float64]] = [drawn]  # the last key counts first
        if self.errors in ("longest", "shortest"):
            keys.append(_lengths(rows) * (-1 if self.errors == "longest" else 1))
        elif judged is not None and self.errors == "least_confident":
            keys.append(judged.max(axis=1))
        elif judged is not None and self.errors == "confidently_right":
            keys += [-judged.max(axis=1), judged.argmax(axis=1) != labels]
        return np.argsort(np.lexsort(keys))


def _lengths(rows: Rows) -> NDArray[np.float64]:
    """Return the characters of each row's text, or of both texts of a pair."""
    if isinstance(rows.inputs, np.ndarray):
        raise DataError("label 'simulated' goes by the length of texts, but the inputs are no texts. Change `errors`.")
    return np.array([len(item) if isinstance(item, str) else sum(map(len, item)) for item in rows.inputs], dtype=float)
