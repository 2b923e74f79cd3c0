"""Advice in words: the verdict first, then the numbers it rests on, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from surpass.advice.buying import rows_to_see
from surpass.advice.deciding import about, signed
from surpass.own.evidence import MISFITS, from_json
from surpass.stats import outcome


def worded(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of `surpass.own.advising` with `told`, and with `verdict` where nothing could be measured."""
    if "verdict" not in facts:
        facts["verdict"] = {"answer": "unknown", "text": _unmeasured(facts), "label": _to_label(facts, 0.05)}
    facts["told"] = [*_rests_on(facts), *_choices(facts), *_buying(facts), *_label_free(facts)]
    return facts


def summary(facts: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what rich prints: verdict, numbers, sentences and what to do next."""
    yield facts["verdict"]["text"]
    if "expected" in facts:
        yield ""
        yield from _tables(facts)
        yield f"In brackets: {100 * facts['level']:g} % intervals over {facts['rows']['judges']:,} gold rows."
    yield ""
    for text in (*facts["data"]["told"], *facts["told"]):
        yield f"- {text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
    if "next" in facts:
        yield f"\n{facts['next']['text']}\n  {facts['next']['command']}"


def _unmeasured(facts: Mapping[str, Any]) -> str:
    rows, differ = facts["rows"], from_json(facts["differing"])
    why = "there are no gold labels"
    if rows["gold"]:
        tested = f" ({rows['left_for_test']:,} are left to surpass fit)" if rows["left_for_test"] else ""
        why = f"{rows['judges']:,} of the {rows['gold']:,} gold rows have a weak label and may judge{tested}, fewer than 20"
    bound = _short(differ.value)
    return (
        f"Cannot be known: {why}. Student and labels differ on {differ.value:.1%} of the rows, so that the gain in accuracy "
        f"is somewhere between -{bound} and +{bound}; only gold labels tell where."
    )


def _to_label(facts: Mapping[str, Any], gain: float) -> int | None:
    """Return how many more rows to label to see a gain of this size; None when the two differ on too few rows for it."""
    count = rows_to_see(gain, from_json(facts["differing"]), level=facts["level"])
    if not math.isfinite(count.value):
        return None
    return about(max(0, 2 * int(count.value) - facts["rows"]["gold"]))


def _tables(facts: Mapping[str, Any]) -> Iterator[Table | str]:
    table = _table("", *facts["expected"])
    roles = {"floor": f"the labels ({facts['use']['source']})", "student": f"student, {facts['cheap']}", "gain": "gain"}
    for role, name in roles.items():
        table.add_row(name, *(str(from_json(held[role])) for held in facts["expected"].values()))
    last = facts["gold_alone"]["points"][-1]
    table.add_row(f"{last['gold']:,} gold labels alone", str(from_json(last["score"])))
    table.add_row(f"predicted of {facts['strong']}", str(from_json(facts["forecast"]["student"])))
    table.add_row("predicted gain", str(from_json(facts["forecast"]["gain"])))
    yield table
    sources = [one for one in facts["sources"] if "floor" in one]
    if len(sources) > 1:
        yield ""
        table = _table("accuracy by source", "labels", "student", "gain")
        for one in sources:
            table.add_row(one["name"], *(str(from_json(one[role])) for role in ("floor", "student", "gain")))
        yield table


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(titles[0], overflow="fold")  # on a narrow terminal names wrap, and no number is cut
    for title in titles[1:]:
        table.add_column(title, no_wrap=True)
    return table


def _rests_on(facts: Mapping[str, Any]) -> Iterator[str]:
    rows = facts["rows"]
    model = "the strong model itself" if facts["cheap_is_strong"] else f"{facts['cheap']} in place of {facts['strong']}"
    few = "" if rows["trained_on"] == rows["could_train"] else f" of {rows['could_train']:,}"
    yield f"Measured with {model} on {rows['trained_on']:,}{few} training rows, each judged by models that did not see it."
    if rows["left_for_test"]:
        yield f"The {rows['left_for_test']:,} gold rows that surpass fit tests on were not read."
    if "forecast" in facts:
        for text in (facts["forecast"]["note"], facts["forecast"]["record"]):
            if text:
                yield text
    if facts["method_passed_over"]:
        yield f"The cheap student cannot have method {facts['method_passed_over']}: soft stands in for it."


def _choices(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield which labels and which method to take."""
    use, asked = facts["use"], facts["asked"]
    others = {one["name"]: from_json(one["over_asked"]) for one in facts["sources"] if "over_asked" in one}
    if use["source"] != asked:
        yield f"Labels: take {use['source']}. Its student is better than that of {asked}, by {others[use['source']]}."
    elif others:
        best = max(others, key=lambda name: others[name].value)
        yield f"Labels: keep {asked}. No other source gives a clearly better student (best: {best}, {signed(others[best])})."
    for one in facts["sources"]:
        if "problem" in one:
            yield f"Labels of {one['name']}: {one['problem']}."
    methods = {one["name"]: from_json(one["over_soft"]) for one in facts["methods"]}
    if use["method"] != "auto":
        yield f"Method: take {use['method']}, {signed(methods[use['method']])} against soft."
    elif methods:
        best = max(methods, key=lambda name: methods[name].value)
        yield f"Method: auto. None tried is clearly better than soft (best: {best}, {signed(methods[best])})."


def _buying(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what more weak rows and gold labels are worth."""
    if "expected" not in facts:
        return
    doubling, points = from_json(facts["more_rows"]["doubling"]), facts["more_rows"]["points"]
    said = {"win": "more pay", "loss": "more did harm", "tie": "no effect can be seen"}.get(
        outcome(doubling), "unclear"
    )
    from_to = f"from {points[-2]['rows']:,} to {points[-1]['rows']:,}"
    yield f"More weak rows: {from_to}, the student's accuracy changed by {signed(doubling)}: {said}."
    gold = facts["gold_alone"]
    over = signed(from_json(gold["over_student"]))
    yield f"Gold labels alone: {gold['points'][-1]['gold']:,} score {over} against the student; {_equal(gold)}."


def _equal(gold: Mapping[str, Any]) -> str:
    equals = gold["equals"]
    if equals["value"] is None:
        return f"they would equal it {equals['note']}"
    value, low, high = (
        None if equals[end] is None else f"{about(round(equals[end])):,}" for end in ("value", "low", "high")
    )
    return (
        f"about {value} would equal it ({f'{low} to {high}' if high else f'{low} or more'}; {gold['held']:,} are there)"
    )


def _label_free(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is known without gold labels, and how many would tell."""
    free = {name: from_json(held) for name, held in facts["label_free"].items()}
    misfits = ", ".join(f"{words} {free[name]}" for name, words in MISFITS.items())
    yield f"Without gold labels: student and labels agree on {free['agreement']} of the rows; misfit: {misfits}."
    told = {_short(float(gain)): held["value"] for gain, held in facts["needed"].items()}
    counts = [
        f"about {about(2 * int(n)):,} gold rows tell a gain of {gain}" for gain, n in told.items() if n is not None
    ]
    if counts:
        yield f"{', '.join(counts)} from none with power .8, half of them set aside for the test of surpass fit."
    if rare := [gain for gain, n in told.items() if n is None]:
        yield f"Student and labels differ too rarely for a gain of {' or '.join(rare)}: no number of gold rows tells it."


def _short(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".").replace("0.", ".", 1)
