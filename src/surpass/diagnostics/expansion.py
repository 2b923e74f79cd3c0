"""Whether a student can correct its supervisor's errors: expansion and robustness, measured, and the bound they give.

Bad rows (wrong weak label) whose neighbours are good rows (right weak label) that the student has right must be right
too, if the student treats neighbours alike. Within each true class:

    a            share of rows with a wrong weak label
    neighbours   of a bad row: the k good rows nearest in the strong model's features. The relation is made symmetric: a
                 good row's neighbours are the bad rows that have it as theirs
    not robust   share of rows with a neighbour to which the student gives another class (eta = 0)
    c            min over f of P(N(U_f) | bad) / P(U_f | good), U_f the good rows that f has right and robust, N(U_f) the
                 bad rows with a neighbour in it; f runs over the student and, when given, refits of it
    bound        Theorem B.1 (`surpass.diagnostics.bounds`) with these numbers and q = 0

Assumptions: the nearest rows in the strong features stand in for the neighbourhood of the theory (Lang et al. 2024 use
paraphrases); refits on random 80 % of the rows (they use 5) stand in for the student's whole family of classifiers, so c
from the student alone describes this student and promises nothing about another. It needs ground truth.

Reading: the larger c (1: as often as good rows), the more can be corrected; the bound is useful where it is below a, the
supervisor's own error. On the very rows that it was computed from, with the student among the candidates, the bound
cannot be below the student's error; the test suite checks that. It is a statement about other rows only as far as c is.

Fails: classes without wrong weak labels (nothing to correct) or without right ones: undefined. c = 0 when no bad row has
a right and robust neighbour. A minimum is biased low where sets are small, and its bootstrap interval is rough. The
condition away <= 1 - a often fails for students that are barely robust: then `holds` is False and the bound is a number
only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.diagnostics._rows import Groups, Values, check_level, names_of, table, undefined
from surpass.diagnostics.bounds import tight_pseudolabel_bound, tight_values
from surpass.errors import AlignmentError, DataError, SpecError
from surpass.methods._selection import nearest
from surpass.metrics import hard
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, combined_estimates

Classes = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The labelled rows of one seed; classes are (n,) numbers, or (n, C) probabilities of which the top counts.

    Attributes:
        labels: (n,) ground truth.
        weak: weak labels; as numbers -1 says that the supervisor abstains, and the row is left out.
        student: the student's predictions.
        features: (n, d) frozen features of the strong model.
        groups: (n,) names; rows of a group are resampled together.
        refits: predictions of classifiers like the student, fitted on random parts of its rows.
    """

    labels: npt.ArrayLike
    weak: npt.ArrayLike
    student: npt.ArrayLike
    features: npt.ArrayLike
    groups: Groups
    refits: Sequence[npt.ArrayLike] = ()


class ClassExpansion(NamedTuple):
    """One true class, with its rows over all seeds.

    `bound` is Theorem B.1; `holds` says whether its conditions do, and `why` which do not.
    """

    name: str
    rows: int
    weak_error: Estimate
    student_weak_error: Estimate
    student_error: Estimate
    not_robust: Estimate
    c: Estimate
    bound: Estimate
    holds: bool
    why: str


_NAMES = (
    "share of wrong weak labels",
    "student's difference from the weak labels",
    "student's error",
    "share that is not robust",
    "expansion",
    "bound",
)
_PARTS = (
    5  # shares before those of the candidates: bad, off the weak label, wrong, not robust, either of the 2nd and 4th
)


def expansion(
    seeds: Sequence[Neighbourhood],
    *,
    classes: Sequence[str] | None = None,
    k: int = 1,
    level: float = 0.95,
    resamples: int = RESAMPLES_SLOW,
    seed: int = 0,
) -> list[ClassExpansion]:
    """Return expansion, robustness and the bound for each true class, means over seeds; see the module's text.

    Args:
        seeds: the rows of each seed.
        classes: their names; their numbers unless told.
        k: good neighbours of a bad row. More make c larger and the student less robust.
        level: nominal coverage.
        resamples: draws of the rows, which take the neighbours as given.
        seed: of the draws.

    Raises:
        AlignmentError: other rows in some of the inputs.
        DataError: no seeds, features that are not finite, labels or predictions that are no classes, only abstentions, or
            fewer names than classes.
        SpecError: k below 1, or a level outside (0, 1).
    """
    check_level(level)
    if k < 1:
        raise SpecError(f"k={k}; allowed are whole numbers from 1. Leave it out for 1.")
    if not seeds:
        raise DataError("there are no seeds; expansion needs at least one. Look for seeds that failed.")
    read = [_read(one) for one in seeds]
    known = sorted({int(label) for rows in read for label in rows.labels})
    if classes is not None and known[-1] >= len(classes):
        raise DataError(f"{len(classes)} names for classes up to number {known[-1]}. Name every class, in their order.")
    settings: dict[str, Any] = {"level": level, "resamples": resamples, "seed": seed}
    return [_of_class(label, classes[label] if classes else str(label), read, k, settings) for label in known]


@dataclasses.dataclass(frozen=True, eq=False)
class _Rows:
    labels: Classes
    weak: Classes
    candidates: Classes  # (m, n): the student first
    features: npt.NDArray[np.floating]
    groups: npt.NDArray[np.str_]


def _read(one: Neighbourhood) -> _Rows:
    shape = np.shape(one.labels)
    if len(shape) != 1:
        raise AlignmentError(f"labels have shape {shape}; allowed is (n,). Pass one class number per row.")
    labels = _numbers("labels", np.asarray(one.labels), least=0)
    features = table("strong features", one.features, rows=len(labels))
    given = [
        _classes(values, len(labels), least=least)
        for values, least in ((one.weak, -1), *((part, 0) for part in (one.student, *one.refits)))
    ]
    kept = given[0] >= 0
    if not kept.any():
        raise DataError(
            f"the supervisor abstains on all {len(labels)} rows of a seed, so no weak label can be corrected."
        )
    groups = names_of(one.groups, len(labels))
    return _Rows(labels[kept], given[0][kept], np.stack(given[1:])[:, kept], features[kept], groups[kept])


def _classes(values: npt.ArrayLike, rows: int, *, least: int) -> Classes:
    array = np.asarray(values)
    if array.ndim not in (1, 2) or len(array) != rows:
        raise AlignmentError(f"predictions have shape {array.shape} for {rows} labels. Join them by row id first.")
    if array.ndim == 1:
        return _numbers("predictions", array, least=least)
    if not np.isfinite(array).all():
        raise DataError("predictions hold values that are not finite. Look for a fit that diverged.")
    return hard(array)


def _numbers(what: str, values: npt.NDArray[Any], *, least: int) -> Classes:
    """Return classes as numbers; a probability of one class is none, and must not be cut to 0."""
    given = np.asarray(values, dtype=np.float64)
    if not np.isfinite(given).all():
        raise DataError(f"{what} hold values that are not finite. Look for a fit that diverged.")
    wrong = np.flatnonzero((given != np.rint(given)) | (given < least))
    if len(wrong):
        raise DataError(
            f"{what} hold {given[wrong[0]]:.3g} at row {wrong[0]}, which is no class. Pass class numbers from {least}, or "
            "probabilities (n, C)."
        )
    return given.astype(np.int64)


def _of_class(label: int, name: str, read: Sequence[_Rows], k: int, settings: dict[str, Any]) -> ClassExpansion:
    """Return the line of one class; undefined where a seed has no bad or no good row of it."""
    rows = [np.flatnonzero(one.labels == label) for one in read]
    wrong = [int((one.weak[held] != label).sum()) for one, held in zip(read, rows, strict=True)]
    total = sum(map(len, rows))
    for bad, held in zip(wrong, rows, strict=True):
        if bad in (0, len(held)):
            kind = "wrong" if bad == 0 else "right"
            why = f"class {name}: no {kind} weak label among {len(held)} rows of a seed"
            nothing = undefined(why, seeds=len(read), examples=total, level=settings["level"])
            return ClassExpansion(name, total, *_six([nothing] * 6), False, why)
    parts = [_ratios(one, held, label, k) for one, held in zip(read, rows, strict=True)]
    found = combined_estimates(parts, _NAMES, _combined, **settings)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.mean([part.tops.sum(axis=0) / part.bottoms.sum(axis=0) for part in parts], axis=0)
    why, holds = "", False
    if found[5].defined:
        bound = tight_pseudolabel_bound(
            c=found[4].value, a=shares[0], weak_error=shares[1], not_robust=shares[3], away=shares[4]
        )
        holds, why = bound.holds, bound.why
    return ClassExpansion(name, total, *_six(found), holds, why if holds else why or found[5].note)


def _six(found: Sequence[Estimate]) -> tuple[Estimate, Estimate, Estimate, Estimate, Estimate, Estimate]:
    one, two, three, four, five, six = found
    return one, two, three, four, five, six


def _ratios(one: _Rows, held: Classes, label: int, k: int) -> Ratios:
    """Return, within a class, the five shares and for each candidate P(N(U) | bad) and P(U | good), (n, 5 + 2 m)."""
    weak, student = one.weak[held], one.candidates[0][held]
    bad, good = np.flatnonzero(weak != label), np.flatnonzero(weak == label)
    x = one.features[held].astype(np.float64)
    near = nearest(x[good], k, x[bad])  # (bad, k) positions among the good
    every = np.ones(len(held))
    shaky = _not_robust(student, bad, good, near)
    off = student != weak
    tops: list[npt.NDArray[Any]] = [weak != label, off, student != label, shaky, off | shaky]
    bottoms: list[npt.NDArray[Any]] = [every] * _PARTS
    is_bad = np.isin(np.arange(len(held)), bad)
    for candidate in one.candidates[:, held]:
        inside = (candidate == label) & ~is_bad & ~_not_robust(candidate, bad, good, near)
        reached = np.zeros(len(held), dtype=bool)
        reached[bad] = inside[good][near].any(axis=1)
        tops += [reached, inside]
        bottoms += [is_bad, ~is_bad]
    over, under = (np.column_stack(columns).astype(np.float64) for columns in (tops, bottoms))
    return Ratios(over, under, one.groups[held])


def _not_robust(given: Classes, bad: Classes, good: Classes, near: Classes) -> npt.NDArray[np.bool_]:
    """Return which rows of a class have a neighbour, on the other side, to which another class is given, (n,)."""
    other = given[good][near] != given[bad][:, None]
    found = np.zeros(len(given), dtype=bool)
    found[bad] = other.any(axis=1)
    found[good[near[other]]] = True
    return found


def _combined(shares: Values) -> Values:
    """Return the first four shares, c and the bound of Theorem B.1 from shares (..., 5 + 2 m)."""
    a, off, wrong, shaky = np.moveaxis(shares[..., :4], -1, 0)
    reached, inside = shares[..., _PARTS::2], shares[..., _PARTS + 1 :: 2]
    ratio = np.where(inside > 0, reached / inside, np.inf)
    c = ratio.min(axis=-1)
    c = np.where(np.isfinite(c), c, np.nan)
    return np.stack([a, off, wrong, shaky, c, tight_values(c, a, off, shaky)], axis=-1)
