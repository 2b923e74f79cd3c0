"""Bounds on the student's error from expansion and robustness: the theorems of Lang et al. 2024 as functions.

Within one true class: the supervisor labels the rows of S (right: good, wrong: bad) and abstains on T.

    a           share of S that is bad, below 1/2
    weak_error  err(f, weak label | S): how often the student f differs from the weak label
    not_robust  P(f is not robust): f gives another class to some neighbour
    (c, q)      expansion of (A, B): of every set U in B with P(U | B) > q that f has right and robust (or wrong and
                robust), the neighbours take more than c P(U | B) of A

Each bound holds for the probabilities that go in; with estimates of these it is an estimate. It is about one class, with
two classes in mind; with more it stays valid (a student may correct a bad label to a third class, which only lowers the
left side). The neighbourhood must be symmetric. A bound of 1 or more says nothing; one below 0 says that the numbers
contradict each other, and does not hold.

Source: Lang, Vijayaraghavan and Sontag 2024 (arXiv 2405.16043), Theorems 4.1 and 4.2 and their sharper forms B.1 to B.3.
With not_robust = 0, B.1 gives the .050 and .374 of their Table 1; B.2 gives .35 and .34 from the rounded inputs of Table
4 where the table says .37 and .33: the first is very sensitive to rounding.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.diagnostics._rows import Values
from surpass.errors import SpecError

_ROUNDING = 1e-9


class Bound(NamedTuple):
    """A bound on the student's error; `holds` says whether all of its conditions do, `why` which do not."""

    value: float
    holds: bool
    why: str


def pseudolabel_bound(
    *, c: float, a: float, weak_error: float, not_robust: float = 0.0, away: float | None = None, q: float = 0.0
) -> Bound:
    """Return Theorem 4.1, a bound on err(f, y | S): 2a/(1-2a) not_robust + weak_error + a (1 - 3c/2).

    Conditions: a < 1/2, q < 3/4 (1 - 2a) and away <= (1 - a + 3ca)/4, for expansion of (bad, good) over sets that f has
    right and robust.

    Args:
        c: of the expansion.
        a: share of wrong weak labels.
        weak_error: err(f, weak label | S).
        not_robust: P(f not robust | S).
        away: P(f differs from the weak label or is not robust | S); weak_error + not_robust unless told.
        q: of the expansion.

    Raises:
        SpecError: a probability outside [0, 1], or c below 0.

    >>> round(pseudolabel_bound(c=0.848, a=0.11, weak_error=0.12).value, 3)
    0.09
    """
    _check(c=c, a=a, weak_error=weak_error, not_robust=not_robust, q=q)
    away = _away(away, weak_error, not_robust)
    least = (1 - a + 3 * c * a) / 4
    broken = [
        _broken("q", q, "3/4 (1 - 2a)", 3 / 4 * (1 - 2 * a), strict=True),
        _broken("away", away, "(1 - a + 3ca)/4", least),
    ]
    value = _times(not_robust, 2 * a, 1 - 2 * a) + weak_error + a * (1 - 3 * c / 2)
    return _made(value, [_half(a), *broken])


def tight_pseudolabel_bound(
    *, c: float, a: float, weak_error: float, not_robust: float = 0.0, away: float | None = None, q: float = 0.0
) -> Bound:
    """Return Theorem B.1, the tighter bound on err(f, y | S), with c' = c / (1 - a + ca).

        [weak_error - a (2c' - 1) + 2c' a not_robust] / (1 - 2c' a)

    Conditions: a < 1/2, 2c' a < 1 and away <= 1 - q - a. Arguments and errors as `pseudolabel_bound`.

    >>> published = [(0.848, 0.11, 0.12), (0.497, 0.33, 0.29)]
    >>> [round(tight_pseudolabel_bound(c=c, a=a, weak_error=error).value, 3) for c, a, error in published]
    [0.05, 0.374]
    """
    _check(c=c, a=a, weak_error=weak_error, not_robust=not_robust, q=q)
    away = _away(away, weak_error, not_robust)
    twice = 2 * a * _tight(c, a)
    broken = [_half(a), _broken("2c'a", twice, "1", 1.0, strict=True)]
    value = float(tight_values(c, a, weak_error, not_robust))
    return _made(value, [*broken, _broken("away", away, "1 - q - a", 1 - q - a)])


def tight_values(c: npt.ArrayLike, a: npt.ArrayLike, weak_error: npt.ArrayLike, not_robust: npt.ArrayLike) -> Values:
    """Return the value of Theorem B.1 for arrays of any one shape, NaN where 2c' a >= 1."""
    a, weak_error, not_robust = (np.asarray(values, dtype=np.float64) for values in (a, weak_error, not_robust))
    tight = np.asarray(_tight(np.asarray(c, dtype=np.float64), a))
    left = 1 - 2 * tight * a
    over = weak_error - a * (2 * tight - 1) + 2 * tight * a * not_robust
    return np.asarray(np.divide(over, left, out=np.full(np.shape(over), np.nan), where=left > 0))


def coverage_bound(*, c: float, a: float, weak_error: float, not_robust: float = 0.0, q: float = 0.0) -> Bound:
    """Return Theorem 4.2, a bound on err(f, y | T), the rows on which the supervisor abstains.

        (1 + a/(1-2a)) not_robust + max(q, (weak_error - c a) / (c (1 - 2a)))

    Conditions: a < 1/2, c > 0 and weak_error + not_robust < c (1 - q - a), for expansion of (good, T) over sets that f
    has wrong and robust and of (bad, T) over sets that it has right and robust, both with c. `not_robust` is P(f not
    robust | T); other arguments and errors as `pseudolabel_bound`.
    """
    _check(c=c, a=a, weak_error=weak_error, not_robust=not_robust, q=q)
    broken = [_half(a), _broken("0", 0.0, "c", c, strict=True)]
    broken.append(
        _broken("weak_error + not_robust", weak_error + not_robust, "c (1 - q - a)", c * (1 - q - a), strict=True)
    )
    if not (a < 0.5 and c > 0):
        return _made(math.nan, broken)
    value = (1 + a / (1 - 2 * a)) * not_robust + max(q, (weak_error - c * a) / (c * (1 - 2 * a)))
    return _made(value, broken)


def two_sided_coverage_bound(
    *, c_good: float, c_bad: float, a: float, weak_error: float, not_robust: float = 0.0, q: float = 0.0
) -> Bound:
    """Return Theorem B.2, the bound on err(f, y | T) with its own expansion from the good and the bad rows.

        (1 + a / (c_min/c_max - 2a)) not_robust + max(q, (weak_error - c_bad a) / (c_good - (c_good + c_bad) a))

    Conditions: c_good > (c_good + c_bad) a; c_min/c_max > 2a unless not_robust is 0; and, derived here because the paper's
    own was not available, weak_error / (c_good (1 - a)) + not_robust < 1 - q, without which the right and robust rows of T
    may be too few for c_bad to speak. Other arguments and errors as `coverage_bound`.

    >>> round(two_sided_coverage_bound(c_good=0.75, c_bad=0.55, a=0.33, weak_error=0.29).value, 2)
    0.34
    """
    _check(c_good=c_good, c_bad=c_bad, a=a, weak_error=weak_error, not_robust=not_robust, q=q)
    left = c_good - (c_good + c_bad) * a
    broken = [_broken("(c_good + c_bad) a", (c_good + c_bad) * a, "c_good", c_good, strict=True)]
    ratio = min(c_good, c_bad) / max(c_good, c_bad) if max(c_good, c_bad) > 0 else 0.0
    if not_robust > 0:
        broken.append(_broken("2a", 2 * a, "c_min/c_max", ratio, strict=True))
    if left > 0:
        away = weak_error / (c_good * (1 - a)) + not_robust
        broken.append(_broken("weak_error / (c_good (1 - a)) + not_robust", away, "1 - q", 1 - q, strict=True))
    if not left > 0 or (not_robust > 0 and not ratio > 2 * a):
        return _made(math.nan, broken)
    extra = not_robust + _times(not_robust, a, ratio - 2 * a)
    return _made(extra + max(q, (weak_error - c_bad * a) / left), broken)


def simple_coverage_bound(*, c: float, a: float, weak_error: float, not_robust: float = 0.0, q: float = 0.0) -> Bound:
    """Return Theorem B.3, a bound on err(f, y | T): not_robust + max(q, weak_error / (c (1 - a))).

    It needs expansion of (good, T) alone, over sets that f has wrong and robust. Conditions: c > 0 and a < 1. Arguments and
    errors as `coverage_bound`.
    """
    _check(c=c, a=a, weak_error=weak_error, not_robust=not_robust, q=q)
    broken = [_broken("0", 0.0, "c", c, strict=True), _broken("a", a, "1", 1.0, strict=True)]
    value = not_robust + max(q, weak_error / (c * (1 - a))) if c > 0 and a < 1 else math.nan
    return _made(value, broken)


def _tight(c: Any, a: Any) -> Any:  # numbers or arrays
    return c / np.maximum(1 - a + c * a, 1e-300)


def _check(**given: float) -> None:
    for name, value in given.items():
        top = math.inf if name.startswith("c") else 1.0
        if not 0 <= value <= top or math.isinf(value):
            raise SpecError(
                f"{name}={value}; allowed are {'numbers from 0' if top > 1 else 'probabilities in [0, 1]'}."
            )


def _away(away: float | None, weak_error: float, not_robust: float) -> float:
    if away is None:
        return min(weak_error + not_robust, 1.0)
    _check(probability=away)
    return away


def _half(a: float) -> str:
    return _broken("a", a, "1/2", 0.5, strict=True)


def _broken(name: str, value: float, limit: str, most: float, *, strict: bool = False) -> str:
    """Return "" for value <= most (< when strict), else what is broken."""
    if value < most or (value == most and not strict):
        return ""
    return f"{name} = {value:.3g} must be {'below' if strict else 'at most'} {limit} = {most:.3g}"


def _times(factor: float, top: float, bottom: float) -> float:
    """Return factor * top / bottom; 0 for no factor, NaN where the quotient does not exist."""
    if factor == 0:
        return 0.0
    return factor * top / bottom if bottom > 0 else math.nan


def _made(value: float, broken: list[str]) -> Bound:
    found = [text for text in broken if text]
    if value < -_ROUNDING:
        found.append("the bound is below 0, so no student has these numbers")
    if not found and value >= 1:
        return Bound(value, True, "1 or more: says nothing")
    return Bound(value, not found, "; ".join(found))
