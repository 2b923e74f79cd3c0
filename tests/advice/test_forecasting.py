"""Forecasts and their track record, on made-up records whose truth is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from surpass.advice.deciding import verdict
from surpass.advice.evidence import Rehearsal, evidence
from surpass.advice.forecasting import forecast, foretell
from surpass.advice.record import Entry, Record, Sight, read_record
from surpass.advice.tracking import foretold, track_record
from surpass.errors import DataError


def _record(*, tasks=12, cells=6, signal=1.0, seed=0, target="classification"):
    """Cells whose true gain is 0.5 x what there is to gain; `signal` is how much of it the rehearsal sees."""
    rng = np.random.default_rng(seed)
    entries = []
    for task in range(tasks):
        for cell in range(cells):
            true = float(rng.normal(0.02, 0.05))
            seen = signal * true + float(rng.normal(0, 0.02))
            lead = 2 * signal * true + float(rng.normal(0, 0.03))
            floor = float(rng.uniform(0.6, 0.8))
            sight = Sight(target, 300, floor, floor + seen, seen, 0.033, seen, 0.03, floor + lead, lead, 0.2, seen, 0.0)
            gain = true + float(rng.normal(0, 0.01))
            entries.append(
                Entry(
                    f"task-{task}",
                    f"weak-{cell}",
                    "strong",
                    "soft",
                    0,
                    False,
                    sight,
                    floor,
                    floor + gain,
                    0.9,
                    gain,
                    0.02,
                )
            )
    return Record(0.9, tuple(entries))


def _sight(gain, target="classification"):
    return dataclasses.replace(_record().entries[0].seen, gain=gain, judged=gain, lead=2 * gain, target=target)


def test_a_record_with_signal_foretells_and_one_without_does_not():
    good, none = track_record(_record()), track_record(_record(signal=0.0))
    assert good.correlation.low > 0.6
    assert none.correlation.low < 0.1 < 0.3 > none.correlation.value
    assert good.error.value < none.error.value
    assert f"{good.cells} trial cells over 12 tasks" in good.sentence


def test_intervals_hold_about_as_often_as_they_say():
    shares = [
        track_record(_record(signal=signal, seed=seed)).coverage.value for signal in (0.0, 1.0) for seed in range(3)
    ]
    assert 0.84 < np.mean(shares) < 0.97


def test_a_task_is_foretold_from_the_others_alone():
    record = _record()
    cells = foretold(record)
    changed = tuple(
        dataclasses.replace(one, gain=one.gain + 0.5) if one.task == "task-3" else one for one in record.entries
    )
    again = foretold(Record(0.9, changed))
    for before, after in zip(cells, again, strict=True):
        same = before.gain.value == after.gain.value
        assert same == (before.entry.task == "task-3")


def test_a_noisy_gain_is_believed_less():
    record = _record()
    sure, unsure = _sight(0.08), dataclasses.replace(_sight(0.08), gain_width=0.3)
    values = [foretell(one, dear=False, record=record, level=0.9) for one in (sure, unsure)]
    assert values[0].gain.value > values[1].gain.value
    assert values[0].calibrated


def test_too_few_tasks_of_a_kind_leave_the_gain_as_it_is():
    found = foretell(_sight(0.08, "regression"), dear=False, record=_record(), level=0.9)
    assert not found.calibrated
    assert found.gain.value == pytest.approx(0.08)
    assert "0 tasks" in found.note


def test_wider_levels_have_wider_intervals():
    widths = [
        (one := foretell(_sight(0.05), dear=False, record=_record(), level=level).gain).high - one.low
        for level in (0.5, 0.8, 0.95)
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_what_is_not_known_is_said():
    found = foretell(dataclasses.replace(_sight(0.05), judged=None), dear=False, record=_record(), level=0.9)
    assert "judged" in found.note


@pytest.mark.parametrize(("gain", "answer"), [(0.2, "yes"), (-0.2, "no"), (0.02, "unknown")])
def test_the_answer_goes_by_the_interval(gain, answer):
    seen = _evidence()
    found = foretell(_sight(gain), dear=False, record=_record(), level=0.9)
    told = verdict(found, seen)
    assert told.answer == answer
    if answer != "unknown":
        assert told.labels is None


def test_more_rows_are_asked_for_only_where_they_would_tell():
    seen = _evidence()
    noisy = foretell(
        dataclasses.replace(_sight(0.03, "regression"), gain_width=0.06), dear=False, record=_record(), level=0.9
    )
    told = verdict(noisy, seen)
    assert told.answer == "unknown"
    assert told.labels == pytest.approx(4 * seen.n_gold, abs=2)  # half the width takes four times the rows
    surprising = dataclasses.replace(noisy, surprise=0.05)
    assert verdict(surprising, seen).labels is None


def test_undefined_evidence_is_answered_with_why():
    seen = _evidence(n=6)
    told = verdict(forecast(seen, record=_record()), seen)
    assert (told.answer, "6 independent rows" in told.sentence) == ("unknown", True)


def _evidence(n=100):
    labels = np.arange(n) % 2
    values = np.eye(2)[labels]
    return evidence(Rehearsal("classification", labels, tuple(map(str, range(n))), values, values))


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = _record(tasks=2)
    record.save(tmp_path / "record.json")
    again = read_record(tmp_path / "record.json")
    assert again.level == record.level
    assert again.entries[3].seen.gain == pytest.approx(record.entries[3].seen.gain, abs=1e-4)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DataError, match="no track record"):
        read_record(tmp_path / "bad.json")


def test_no_record_is_no_number():
    found = track_record(Record(0.9, ()))
    assert found.cells == 0
    assert not found.correlation.defined
    assert "no track record" in found.sentence


def test_the_shipped_record_is_the_one_the_docs_quote():
    from surpass.advice.record import shipped

    found = track_record(shipped())
    assert found.cells >= 60
    assert found.tasks >= 14
    assert found.correlation.defined
