"""How fast a student takes on its weak labels, by group of rows: right weak labels against wrong ones, easy against hard.

Networks fit what is regular before what is arbitrary (Arpit et al. 2017; Liu et al. 2020, "early learning"): right weak
labels are learned early, wrong ones late, and stopping between the two keeps the first without the second. Whether this
student does so is read from its predictions at the points of training that a run records.

At step t the student gives the weak label of row i (its top class) the probability p_i(t). Over the rows of a group:

    first, last   the mean of p_i at the first and the last reading
    area          1 / (t_end - t_first) integral of the mean of p_i, by trapezoids: the mean over training; the larger, the
                  faster (and the more completely) the labels are taken on
    half          share of training, t / t_end, at which the mean has gone half the way from its first to its last value, by
                  straight lines between readings: speed alone. Half of the last value itself would say nothing with two
                  classes, where an untrained student starts there

Assumptions: readings from near the start of training; what happens before the first is not seen, and `half` is no finer
than the readings. The rows are those that the run watches (val and test), which the student is not fitted on: it is the
speed at which it generalizes like its supervisor, not at which it memorizes. With ground truth the groups are rows whose
weak label is right or wrong; without, for instance rows whose weak label is sure or unsure.

Ranges: first, last, area in [0, 1]; half in [0, 1]. Undefined with one reading (heads solved at once, such as `probe`);
half where the mean does not rise, or an interval of it where resampled rows often do not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.diagnostics._rows import Groups, Values, check_level, names_of, undefined
from surpass.errors import AlignmentError, DataError
from surpass.metrics import hard
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, combined_estimates


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """The readings of one seed.

    Attributes:
        steps: (p,) optimizer steps of the readings, ascending.
        watched: (p, m, C) probabilities of m rows at each.
        weak: (m, C) weak labels of these rows, of which the top class counts.
        among: (m, g) which rows belong to each of g groups of rows; a row may belong to several.
        groups: (m,) names; rows of a group are resampled together.
    """

    steps: Sequence[int]
    watched: npt.ArrayLike
    weak: npt.ArrayLike
    among: npt.ArrayLike
    groups: Groups


class Speed(NamedTuple):
    """How fast the weak labels of one group of rows are taken on; `rows` over all seeds."""

    name: str
    rows: int
    first: Estimate
    last: Estimate
    area: Estimate
    half: Estimate


_NAMES = ("first probability", "last probability", "area", "half way")


def learning_speed(
    trainings: Sequence[Training],
    names: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES_SLOW,
    seed: int = 0,
) -> list[Speed]:
    """Return for each group of rows how fast the student takes on its weak labels; see the module's text.

    Args:
        trainings: one per seed.
        names: of the g groups of rows.
        level: nominal coverage.
        resamples: draws of the rows.
        seed: of the draws.

    Raises:
        AlignmentError: other rows or readings in some of the inputs.
        DataError: no seeds, or probabilities that are not finite or outside [0, 1].
        SpecError: a level outside (0, 1).
    """
    check_level(level)
    if not trainings:
        raise DataError("there are no seeds; learning speed needs at least one. Look for seeds that failed.")
    given = [_given(one) for one in trainings]
    marks = [_marks(one, len(values), len(names)) for one, values in zip(trainings, given, strict=True)]
    found = []
    for g, name in enumerate(names):
        rows = sum(int(mark[:, g].sum()) for mark in marks)
        why = _problem(name, given, [mark[:, g] for mark in marks])
        if why:
            nothing = [undefined(why, seeds=len(given), examples=rows, level=level)] * 4
            found.append(Speed(name, rows, *nothing))
            continue
        parts = [_ratios(one, values, mark[:, g]) for one, values, mark in zip(trainings, given, marks, strict=True)]
        made = combined_estimates(
            parts, _NAMES, _combined, bounds=(0.0, 1.0), level=level, resamples=resamples, seed=seed
        )
        if np.isnan(made[3].value) and made[2].defined:
            note = "the probability of the weak label does not rise in every seed"
            made[3] = undefined(note, seeds=len(given), examples=rows, level=level)
        found.append(Speed(name, rows, *made))
    return found


def _given(one: Training) -> Values:
    """Return the probability of the weak label at each reading, (m, p)."""
    watched = np.asarray(one.watched, dtype=np.float64)
    weak = np.asarray(one.weak, dtype=np.float64)
    steps = np.asarray(one.steps)
    if watched.ndim != 3 or len(steps) != len(watched) or weak.shape != watched.shape[1:]:
        raise AlignmentError(
            f"readings have shape {watched.shape} for {len(steps)} steps and weak labels of shape {weak.shape}; allowed "
            "are (p, m, C), p and (m, C). Join them by row id first."
        )
    if watched.shape[2] < 2:
        raise DataError(
            "learning speed needs probabilities of at least 2 classes; numbers have no weak class. Leave it out."
        )
    if not np.isfinite(watched).all() or not np.isfinite(weak).all():
        raise DataError("readings or weak labels hold values that are not finite. Look for a fit that diverged.")
    if watched.size and not (watched.min() >= -1e-6 and watched.max() <= 1 + 1e-6):
        raise DataError("readings hold numbers outside [0, 1]; they must be probabilities. Pass no logits.")
    if (np.diff(steps) <= 0).any():
        raise DataError(f"steps={list(one.steps)} do not ascend. Pass readings in the order of training.")
    return np.asarray(watched[:, np.arange(watched.shape[1]), hard(weak)].T)


def _marks(one: Training, rows: int, count: int) -> npt.NDArray[np.bool_]:
    among = np.asarray(one.among, dtype=bool)
    if among.shape != (rows, count):
        raise AlignmentError(f"among has shape {among.shape} for {rows} rows and {count} names. Pass (m, g) marks.")
    return among


def _problem(name: str, given: Sequence[Values], marks: Sequence[npt.NDArray[np.bool_]]) -> str:
    if any(values.shape[1] < 2 for values in given):
        return "one reading of training has no speed; raise `points` of a model that is trained by steps"
    if len({values.shape[1] for values in given}) > 1:
        return "seeds have different numbers of readings, so they have no mean"
    empty = sum(not mark.any() for mark in marks)
    return f"no row is '{name}' in {empty} of {len(marks)} seeds" if empty else ""


def _ratios(one: Training, given: Values, mark: npt.NDArray[np.bool_]) -> Ratios:
    """Return first and last probability, area, and the probability with its share of training at each reading."""
    steps = np.asarray(one.steps, dtype=np.float64)
    area = ((given[:, 1:] + given[:, :-1]) / 2 * np.diff(steps)).sum(axis=1) / (steps[-1] - steps[0])
    when = np.broadcast_to(steps / steps[-1], given.shape)
    tops = np.column_stack([given[:, 0], given[:, -1], area, given, when])
    among = mark[:, None].astype(np.float64)
    return Ratios(tops * among, np.broadcast_to(among, tops.shape), names_of(one.groups, len(given)))


def _combined(shares: Values) -> Values:
    """Return first, last, area and half from shares (..., 3 + 2 p)."""
    readings = (shares.shape[-1] - 3) // 2
    curve, when = shares[..., 3 : 3 + readings], shares[..., 3 + readings :]
    goal = (curve[..., 0] + curve[..., -1])[..., None] / 2
    risen = curve[..., -1] > curve[..., 0] + 1e-9
    place = np.argmax(curve >= goal, axis=-1)[
        ..., None
    ]  # the first reading at or above: not the first of all if it rises
    before = np.maximum(place - 1, 0)
    low, high, start, end = (
        np.take_along_axis(values, at, axis=-1) for values in (curve, when) for at in (before, place)
    )
    half = (start + (goal - low) / (high - low) * (end - start))[..., 0]
    return np.concatenate([shares[..., :3], np.where(risen, half, np.nan)[..., None]], axis=-1)
