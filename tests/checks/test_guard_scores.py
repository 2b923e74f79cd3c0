"""What the estimates and the stages of a study say."""

from __future__ import annotations

import numpy as np
import pytest
from planted import (
    Line,
    codes,
    estimate,
    line,
    one,
)

from surpass.checks import check_scores, check_versions
from surpass.checks.finding import percent
from surpass.checks.scores import rows_needed
from surpass.stats import Estimate, Run, compare


def test_a_clear_gap_and_five_seeds_raise_nothing() -> None:
    assert check_scores([line(0.7, 0.9), line(0.6, 0.4, metric="log_loss")]) == []
    assert check_scores([]) == []


@pytest.mark.parametrize(("floor", "ceiling", "metric"), [(0.7, 0.6, "accuracy"), (0.4, 0.6, "log_loss")])
def test_ceiling_below_floor(floor: float, ceiling: float, metric: str) -> None:
    (found,) = check_scores([line(floor, ceiling, metric=metric)])
    assert (found.code, found.severity) == ("ceiling-below-floor", "error")
    assert found.where == {
        "task": "toy", "split": "test", "weak": "tfidf", "strong": "bert", "stopping": "last", "metric": metric,
    }  # fmt: skip
    assert found.evidence["gap"] == pytest.approx(ceiling - floor)


def test_gap_within_noise_whichever_its_sign() -> None:
    found = check_scores([line(0.7, 0.71), line(0.7, 0.69, task="other")])
    assert [(f.code, f.severity) for f in found] == [("gap-not-significant", "warning")] * 2
    assert found[0].evidence["low"] == pytest.approx(-0.01)
    assert "noise over noise" in found[0].message


def test_rows_that_a_gap_would_take() -> None:
    """A half width of .02 on 1,000 rows shrinks with their root: .01 takes 4,000."""
    (found,) = check_scores([line(0.7, 0.71)])
    assert found.evidence["needed"] == 4000
    assert "about 4,000 independent rows for a gap of this size, here 1,000" in found.message
    (hopeless,) = check_scores([line(0.7, 0.70001)])
    assert "independent rows" not in hopeless.message  # 4 thousand million rows are no advice


def test_a_pgr_too_wide_to_say_anything() -> None:
    wide = [line(0.7, 0.9, pgr=estimate(0.5, half), method=str(half)) for half in (0.2, 0.5, 0.4)]
    (found,) = check_scores(wide)
    assert (found.code, found.severity) == ("imprecise-pgr", "note")
    assert found.where == {
        "task": "toy", "split": "test", "weak": "tfidf", "strong": "bert", "stopping": "last", "metric": "accuracy",
    }  # fmt: skip
    assert found.evidence == {"half_width": pytest.approx(0.5), "precision": 0.25, "needed": 4000, "rows": 1000}
    assert "the PGR of 0.5 is .500 [.000, 1.000], that is +-0.50; +-0.25 takes about 4,000" in found.message
    assert check_scores(wide[:1]) == []


def test_an_undefined_pgr_is_told_by_its_gap_alone() -> None:
    nan = float("nan")
    undefined = Estimate(nan, nan, nan, 0.95, 5, 1000, "test", "the gap may be 0")
    assert codes(check_scores([line(0.7, 0.71, pgr=undefined)])) == ["gap-not-significant"]


def test_more_rows_bring_the_width_that_was_foretold() -> None:
    """On simulated rows of no seed effects, n (half/precision)^2 rows give an interval of about that precision."""
    rng = np.random.default_rng(0)

    def pgr(n: int) -> Estimate:
        gold, names = rng.integers(2, size=n), [str(i) for i in range(n)]
        student, floor, ceiling = (np.where(rng.random(n) < share, gold, 1 - gold) for share in (0.8, 0.7, 0.9))
        runs = [Run(gold, names, student, floor, ceiling)] * 2
        return compare("accuracy", runs).pgr

    first = pgr(400)
    needed = rows_needed(first, 0.12)
    assert needed > 800
    second = pgr(needed)
    assert (second.high - second.low) / 2 == pytest.approx(0.12, rel=0.35)


def test_pgr_of_noise_over_noise() -> None:
    """One reply shown without its rival: floor, student and ceiling are all at chance, and a PGR was printed."""
    rng = np.random.default_rng(1)
    gold = rng.integers(2, size=300)
    rows = [str(i) for i in range(300)]
    runs = [Run(gold, rows, rng.random(300), rng.random(300), rng.random(300)) for _ in range(3)]
    found = compare("accuracy", runs)
    assert not found.pgr.defined
    finding = one(check_scores([Line(found.floor, found.ceiling, found.gap)]), "gap-not-significant")
    assert float(finding.evidence["low"]) <= 0 <= float(finding.evidence["high"])


def test_undefined_gap() -> None:
    nan = float("nan")
    gap = Estimate(nan, nan, nan, 0.95, 5, 1, "test", "needs at least two examples, got 1")
    (found,) = check_scores([Line(estimate(0.7, 0.1), estimate(0.8, 0.1), gap)])
    assert found.code == "gap-not-significant"
    assert "needs at least two examples, got 1" in found.message
    assert set(found.evidence) == {"floor", "ceiling"}


def test_methods_of_a_pair_share_the_finding_of_their_gap() -> None:
    lines = [line(0.7, 0.71, method=name) for name in ("soft", "hard", "logconf")]
    assert codes(check_scores(lines)) == ["gap-not-significant"]


@pytest.mark.parametrize(("seeds", "severity"), [(1, "warning"), (2, "note"), (4, "note"), (5, None)])
def test_few_seeds_of_a_study(seeds: int, severity: str | None) -> None:
    found = check_scores([line(0.7, 0.9, seeds=seeds, method=name) for name in ("soft", "hard")])
    assert [(f.code, f.severity, f.where) for f in found] == ([("few-seeds", severity, {})] if severity else [])
    assert all("a claim needs 5" in f.message and f.evidence == {"seeds": seeds} for f in found)


def test_few_seeds_of_one_cell_name_it() -> None:
    found = check_scores([line(0.7, 0.9, seeds=5), line(0.7, 0.9, seeds=1, method="hard")])
    (finding,) = found
    assert finding.where == {"task": "toy", "weak": "tfidf", "strong": "bert", "method": "hard"}


def test_mixed_versions() -> None:
    old = {"torch": "2.5.0", "numpy": "2.0.0", "python": "3.11.7"}
    (found,) = check_versions([old, {**old, "torch": "2.6.0"}, {"numpy": "2.0.0"}, {}])
    assert (found.code, found.severity, found.where) == ("mixed-versions", "warning", {})
    assert found.evidence == {"torch": "2.5.0, 2.6.0"}
    assert "torch 2.5.0, 2.6.0" in found.message
    assert check_versions([old, old, {"scikit-learn": "1.5"}]) == []
    assert check_versions([]) == []


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.5, "50 %"), (0.9997, "99.97 %"), (0.0004, "0.04 %")]
)
def test_shares_are_never_rounded_to_certainty(share: float, text: str) -> None:
    assert percent(share) == text
