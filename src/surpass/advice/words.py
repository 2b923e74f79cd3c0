"""Advice on a study in words, for a terminal, and as plain data, for scripts."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from surpass.advice.deciding import clearly_better, signed
from surpass.report.files import plain_estimate
from surpass.report.text import plain
from surpass.stats import Estimate

if TYPE_CHECKING:
    from surpass.advice.advising import Advice, StudyAdvice
    from surpass.advice.buying import GoldCurve


def text_of(advice: StudyAdvice) -> str:
    """Return the advice as a terminal shows it: the choices, then each pair, then the track record."""
    parts = [
        "\n".join([f"{one.task}, student {one.strong}: {one.sentence}" for one in advice.choices]),
        *("\n".join(sentences(one)) for one in advice.pairs),
        f"{advice.record.sentence} No test label was read.",
    ]
    return "\n\n".join(filter(None, parts))


def sentences(one: Advice) -> list[str]:
    """Return what is to be said of one pair, the verdict first."""
    found = [f"{one.task}: {one.weak} -> {one.strong}", f"  {one.verdict.text}"]
    seen, made = one.evidence, one.forecast
    if seen is None or made is None:
        return found
    found.append(
        f"  Predicted student {made.student}; supervisor {seen.floor}, cheap student {seen.student} on {seen.n_gold:,} "
        "rows, each by models that had not seen it."
    )
    better = [method for method in one.methods if method.better]
    found.append(
        f"  Method: {_method(better[0].method, better[0].difference) if better else 'soft; no other was clearly better.'}"
    )
    found.append(f"  Weak rows: {_slope(seen.slope)}")
    if one.gold_alone is not None:
        found.append(f"  Gold labels alone: {_gold(one.gold_alone)}")
    notes = "; ".join(filter(None, (one.note, made.note)))
    return [*found, f"  Note: {notes}."] if notes else found


def _method(name: str, difference: Estimate) -> str:
    return f"{name}; its cheap student was {signed(difference)} above that of soft."


def _slope(slope: Estimate) -> str:
    if not slope.defined:
        return f"not known ({slope.note})."
    last = f"the last doubling brought {signed(slope)}"
    if slope.low > 0:
        return f"more of them will help; {last}."
    return (
        f"more of them will hardly help; {last}."
        if slope.high < 0.02
        else f"{last}, which leaves open whether more help."
    )


def _gold(curve: GoldCurve) -> str:
    equals, (most, score) = curve.equals, curve.points[-1]
    alone = f"on {most:,} of them the cheap student had {score}"
    if clearly_better(curve.over_student):
        return f"{alone}, clearly more than from the weak labels: use them instead."
    if not math.isfinite(equals.value):
        return f"{alone}; {equals.note}."
    far = f"{equals.high:,.0f}" if math.isfinite(equals.high) else "beyond ten times what you have"
    return f"{alone}; about {equals.value:,.0f} ({equals.low:,.0f} to {far}) would do as well as the weak labels."


def json_of(advice: StudyAdvice) -> dict[str, Any]:
    """Return the advice as plain data, estimates as mappings."""
    found: dict[str, Any] = plain(_held(advice))
    return found


def _held(value: Any) -> Any:
    if isinstance(value, Estimate):
        return plain_estimate(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = [field.name for field in dataclasses.fields(value) if field.metadata.get("plain", True)]
        return {name: _held(getattr(value, name)) for name in shown}
    if isinstance(value, dict):
        return {name: _held(item) for name, item in value.items()}
    if hasattr(value, "_asdict"):
        return {name: _held(item) for name, item in value._asdict().items()}
    return [_held(item) for item in value] if isinstance(value, tuple | list) else value
