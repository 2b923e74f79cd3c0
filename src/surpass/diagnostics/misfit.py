"""Misfit: how far a student is from its supervisor, which needs no labels, beside what it gains on it, which does.

Let D(a, b) = phi(a) - phi(b) - <grad phi(b), a - b> be the Bregman divergence of a convex phi, w the supervisor, V a convex
set of functions, s = argmin_{f in V} E D(f, w) the student, g the target. If g is in V (realizable), then

    E D(g, w) >= E D(g, s) + E D(s, w),        that is  gain = E D(g, w) - E D(g, s) >= misfit = E D(s, w).

phi(x) = |x|^2 gives squared error and squared misfit (Charikar, Pabbaraju & Shiragur 2024, theorem 1, arXiv 2405.15116);
phi(p) = sum p log p gives KL, with the student in the first slot (Mulgund & Pabbaraju 2025, arXiv 2501.19105), that is
reverse KL(student || supervisor). For a label y, D(g, w) is then the log loss -log w[y].

What it assumes: a convex class (linear heads on frozen features, mixtures of many logistic heads; not one logistic head, not
a finetuned network); a target within it; the student fitted to the end, on the divergence that is measured, on the
population; the same rows on both sides. For labels y drawn from q(y | x) the target is q: its entropy cancels in the gain.

How it fails: with a best member g of the class that has squared error eps against the target, the slack = gain - misfit can
be as low as -2 sqrt(eps x misfit) (it is 2 <w - s, s - f>, and the projection leaves the part of g - f); fitted on few rows,
the student follows their noise, which is misfit without gain; fitted by cross-entropy it has the other order,
KL(supervisor || student), for which no such inequality is known. The theorem says that slack is not below 0. That it is
near 0 is what the first paper observed, and no theorem.

Misfit needs no labels; error, gain and slack need ground truth on the rows they are measured on. Logarithms are of
`surpass.metrics.clipped` probabilities, as in the log loss: a supervisor that says 0 where its student does not has no
finite KL, and up to 36 nats here; `clipped` counts such rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from surpass.artifacts import Predictions
from surpass.errors import AlignmentError, DataError, UnknownNameError
from surpass.metrics import METRICS, checked_predictions, clipped
from surpass.stats import RESAMPLES_SLOW, Estimate, Ratios, Run, ratio_estimates

Values = npt.NDArray[np.float64]
RowDivergence = Callable[[Values, Values], Values]
"""(student, supervisor) -> the divergence of each row, (n,)."""


class Generator(NamedTuple):
    """A convex function of the rows (n, k): its value (n,) and its gradient (n, k)."""

    value: Callable[[Values], Values]
    gradient: Callable[[Values], Values]


SQUARES = Generator(lambda x: np.asarray((x**2).sum(axis=1)), lambda x: 2 * x)
"""|x|^2, of which the divergence is the squared distance."""
NEGATIVE_ENTROPY = Generator(
    lambda p: np.asarray((clipped(p) * np.log(clipped(p))).sum(axis=1)), lambda p: np.asarray(np.log(clipped(p)) + 1)
)
"""sum p log p, of which the divergence is KL(first || second)."""


def bregman(first: npt.ArrayLike, second: npt.ArrayLike, generator: Generator) -> Values:
    """Return the Bregman divergence D(first, second) of each row, (n,), for points (n, k); convex in the first slot.

    Raises:
        AlignmentError: shapes that differ.
        DataError: numbers that are not finite, or a generator that is not at these points.

    >>> bregman([[1.0, 2.0]], [[0.0, 0.0]], SQUARES).tolist()
    [5.0]
    """
    a, b = (np.asarray(part, dtype=np.float64) for part in (first, second))
    if a.shape != b.shape or a.ndim != 2:
        raise AlignmentError(f"points have shapes {a.shape} and {b.shape}; both must be (n, k). Join them by row id.")
    with np.errstate(invalid="ignore", divide="ignore"):
        found = generator.value(a) - generator.value(b) - (generator.gradient(b) * (a - b)).sum(axis=1)
    if not np.isfinite(found).all():
        rows = int((~np.isfinite(found)).sum())
        raise DataError(f"the divergence of {rows} of {len(found)} rows is not finite. Look at points and generator.")
    return np.asarray(found)


def _squares(student: Values, supervisor: Values) -> Values:
    return np.asarray((student - supervisor) ** 2)


def _brier(student: Values, supervisor: Values) -> Values:
    """As the metric `brier`, whose difference is the gain: of p(1) for two classes, else summed over all."""
    squares = (student - supervisor) ** 2
    return np.asarray(squares[:, 1] if squares.shape[1] == 2 else squares.sum(axis=1))


def _kl(first: Values, second: Values) -> Values:
    """KL(first || second); the sums of both count too, so that rounded probabilities cannot make it negative."""
    from scipy.special import kl_div

    return np.asarray(kl_div(clipped(first), clipped(second)).sum(axis=1).clip(min=0))


class Loss(NamedTuple):
    """A way to measure misfit, and the metric in whose units it is: that of errors and gain.

    `leads` marks the one that theory is about, for numbers and for probabilities.
    """

    name: str
    metric: str
    rows: RowDivergence
    words: str
    leads: bool = False


_ALL = (
    Loss("squared", "mse", _squares, "mean (student − supervisor)²", leads=True),
    Loss("reverse_kl", "log_loss", _kl, "KL(student || supervisor)", leads=True),
    Loss("forward_kl", "log_loss", lambda s, w: _kl(w, s), "KL(supervisor || student)"),
    Loss("brier", "brier", _brier, "mean squared difference of probabilities"),
)
LOSSES: Mapping[str, Loss] = MappingProxyType({one.name: one for one in _ALL})
"""Every misfit by name: `squared` for numbers, the others for probabilities."""


def losses_for(target: str) -> tuple[str, ...]:
    """Return the misfits of a kind of label, the one that theory is about first; texts have none.

    >>> losses_for("regression"), losses_for("classification")
    (('squared',), ('reverse_kl', 'forward_kl', 'brier'))
    """
    if target == "generation":
        return ()
    return ("squared",) if target == "regression" else ("reverse_kl", "forward_kl", "brier")


def loss_of(name: str) -> Loss:
    """Return the misfit of that name; UnknownNameError names the nearest one."""
    if name not in LOSSES:
        raise UnknownNameError("misfit", name, LOSSES)
    return LOSSES[name]


class Outputs(NamedTuple):
    """What student and supervisor say of the same rows in one seed, without labels: (n, C), or (n,) numbers; groups (n,)."""

    student: npt.ArrayLike
    supervisor: npt.ArrayLike
    groups: Sequence[str]


def paired(student: Predictions, supervisor: Predictions, groups: Mapping[str, str]) -> Outputs:
    """Return both on the rows of `groups` (row id to group) that both predict, in the order of `groups`.

    Raises:
        AlignmentError: they have none of these rows in common.
    """
    both = set(student.ids).intersection(supervisor.ids)
    ids = [name for name in groups if name in both]
    if not ids:
        raise AlignmentError(
            f"student ({len(student.ids)} rows) and supervisor ({len(supervisor.ids)}) have none of the {len(groups)} "
            "asked rows in common. Both must come from the same data spec; join predictions by row id."
        )
    return Outputs(student.on(ids), supervisor.on(ids), [groups[name] for name in ids])


def misfit_rows(student: npt.ArrayLike, supervisor: npt.ArrayLike, *, loss: str) -> Values:
    """Return the misfit of each row, (n,), at least 0 and 0 for a copy of the supervisor; `loss` as in `LOSSES`.

    Raises:
        AlignmentError: shapes that differ.
        DataError: no rows, values that are not finite, probabilities outside [0, 1] or not summing to 1.
        UnknownNameError: no such misfit.

    >>> misfit_rows([1.0, 2.0], [1.0, 0.0], loss="squared").tolist()
    [0.0, 4.0]
    """
    chosen, shape = loss_of(loss), np.shape(student)
    _check_alike(student, supervisor)
    kind = METRICS[chosen.metric].kinds[0]
    nothing = np.zeros(shape[0] if shape else 0)  # stands for the labels, which misfit does not read
    first, second = (checked_predictions(kind, nothing, part)[1] for part in (student, supervisor))
    return chosen.rows(first, second)


def _check_alike(student: npt.ArrayLike, supervisor: npt.ArrayLike) -> None:
    if np.shape(student) != np.shape(supervisor):
        raise AlignmentError(
            f"student has shape {np.shape(student)}, supervisor {np.shape(supervisor)}; both must be of the same rows and "
            "classes. Join them by row id first."
        )


def predicted_gain(
    outputs: Sequence[Outputs], *, loss: str, level: float = 0.95, resamples: int = RESAMPLES_SLOW, seed: int = 0
) -> Estimate:
    """Return the misfit as a mean over seeds with its interval: what the theory predicts as gain, without any label.

    A lower bound of the gain where the assumptions above hold; elsewhere a number beside it. The interval is that of the
    misfit: it holds nothing of how far the gain is from it.

    Raises:
        AlignmentError, DataError, UnknownNameError: as `misfit_rows`.
    """
    parts = [_column(one, loss) for one in outputs]
    found = ratio_estimates(parts, [f"misfit, {loss}"], level=level, resamples=resamples, seed=seed)[0]
    return _positive(found)


def _column(one: Outputs, loss: str) -> Ratios:
    rows = misfit_rows(one.student, one.supervisor, loss=loss)
    return Ratios(rows[:, None], np.ones((len(rows), 1)), one.groups)


class SeedMisfit(NamedTuple):
    """The means of one seed: misfit, and the errors of supervisor and student in the same loss."""

    misfit: float
    supervisor: float
    student: float


class Misfit(NamedTuple):
    """Misfit beside gain in one loss, as means over seeds, paired by row.

    Attributes:
        loss: of `LOSSES`.
        misfit: student against supervisor; reads no labels.
        supervisor: its error (mean squared error, log loss or Brier score).
        student: the student's.
        gain: the supervisor's error - the student's.
        slack: gain - misfit; not below 0 where the theorem holds.
        bound: the supervisor's error - misfit, which then bounds the student's error from above.
        clipped: share of rows on which a probability of 0 had to be clipped.
        seeds: the means of each seed.
    """

    loss: str
    misfit: Estimate
    supervisor: Estimate
    student: Estimate
    gain: Estimate
    slack: Estimate
    bound: Estimate
    clipped: float
    seeds: tuple[SeedMisfit, ...]


_CONTRASTS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, -1], [-1, 1, -1], [-1, 1, 0]], dtype=np.float64)
"""misfit, supervisor, student, gain, slack, bound from (misfit, supervisor, student)."""


def misfits(
    runs: Sequence[Run], losses: Sequence[str], *, level: float = 0.95, resamples: int = RESAMPLES_SLOW, seed: int = 0
) -> tuple[Misfit, ...]:
    """Return misfit, errors, gain and slack in each loss over the runs of one cell, one run per seed.

    Seeds and groups are resampled together (`surpass.stats`); the floor of a run is its supervisor.

    Raises:
        AlignmentError, DataError, UnknownNameError: as `misfit_rows`; no runs.

    >>> run = Run([0.0, 0.0], ["a", "b"], student=[1.0, 1.0], floor=[2.0, 2.0], ceiling=[0.0, 0.0])
    >>> found = misfits([run], ["squared"])[0]
    >>> found.misfit.value, found.gain.value, found.slack.value
    (1.0, 3.0, 2.0)
    """
    tops = [np.column_stack([part for name in losses for part in columns(run, name)]) for run in runs]
    parts = [Ratios(top, np.ones((len(top), 1)), run.groups) for top, run in zip(tops, runs, strict=True)]
    names = [f"{what}, {name}" for name in losses for what in ("misfit", "supervisor's error", "student's error")]
    contrasts = np.kron(np.eye(len(losses)), _CONTRASTS)
    found = ratio_estimates(parts, names, contrasts, level=level, resamples=resamples, seed=seed)
    made = []
    for i, name in enumerate(losses):
        misfit, supervisor, student, gain, slack, bound = found[6 * i : 6 * i + 6]
        misfit, supervisor, student = map(_positive, (misfit, supervisor, student))
        seeds = tuple(SeedMisfit(*map(float, top[:, 3 * i : 3 * i + 3].mean(axis=0))) for top in tops)
        made.append(Misfit(name, misfit, supervisor, student, gain, slack, bound, _clipped_share(runs, name), seeds))
    return tuple(made)


def columns(run: Run, loss: str) -> tuple[Values, Values, Values]:
    """Return the misfit, the supervisor's error and the student's error of each row, (n,) each."""
    chosen = loss_of(loss)
    score = METRICS[chosen.metric]
    _check_alike(run.student, run.floor)
    (labels, supervisor), (_, student) = (run.read(score.kinds[0], role) for role in ("floor", "student"))
    assert score.per_row is not None  # the metrics of `LOSSES` are means over rows
    return chosen.rows(student, supervisor), score.per_row(labels, supervisor), score.per_row(labels, student)


def _clipped_share(runs: Sequence[Run], loss: str) -> float:
    """Return the share of rows whose second probability is 0 to the log where the first is not."""
    if not loss.endswith("kl"):
        return 0.0
    hit = []
    for run in runs:
        first, second = (run.read("classification", role)[1] for role in ("student", "floor"))
        first, second = (first, second) if loss == "reverse_kl" else (second, first)
        hit.append(((second < clipped(second)) & (first > clipped(second))).any(axis=1))
    return float(np.concatenate(hit).mean())


def _positive(item: Estimate) -> Estimate:
    """Return the estimate of a number that cannot be below 0; an interval of none stays so."""
    return replace(item, low=0.0) if item.low < 0 else item
