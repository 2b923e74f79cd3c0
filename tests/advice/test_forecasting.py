"""Forecasts and their track record, on made-up records whose truth is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from surpass.advice.deciding import settling, verdict
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
        unlike = before.gain.method == "cross-fitted"  # beyond all others: nothing is taken from them
        assert same == (before.entry.task == "task-3" or unlike)
    assert sum(one.gain.method == "cross-fitted" for one in cells) < len(cells) / 10


def test_a_noisy_gain_is_believed_less():
    record = _record()
    sure, unsure = _sight(0.08), dataclasses.replace(_sight(0.08), gain_width=0.3)
    values = [foretell(one, finetuned=False, record=record, level=0.9) for one in (sure, unsure)]
    assert values[0].gain.value > values[1].gain.value
    assert values[0].calibrated


def test_too_few_tasks_of_a_kind_leave_the_gain_as_it_is():
    found = foretell(_sight(0.08, "regression"), finetuned=False, record=_record(), level=0.9)
    assert not found.calibrated
    assert found.gain.value == pytest.approx(0.08)
    assert "0 tasks" in found.note


def test_wider_levels_have_wider_intervals():
    widths = [
        (one := foretell(_sight(0.05), finetuned=False, record=_record(), level=level).gain).high - one.low
        for level in (0.5, 0.8, 0.95)
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_the_expected_gain_does_not_hang_on_the_level_of_the_intervals():
    """The same rows say the same, whatever interval is asked for."""
    labels, n = np.arange(80) % 2, np.arange(80)
    floor, student = (np.where(n % each == 0, 1 - labels, labels) for each in (4, 6))
    rehearsal = Rehearsal("classification", labels, tuple(map(str, n)), np.eye(2)[floor], np.eye(2)[student])
    for record in (_record(), Record(0.9, ())):
        told = [forecast(evidence(rehearsal, level=level), record=record, level=level) for level in (0.5, 0.9, 0.99)]
        for one in told:
            assert one.gain.value == pytest.approx(told[1].gain.value, abs=1e-12)
            assert one.chance == pytest.approx(told[1].chance, abs=1e-12)
        assert told[0].gain.high < told[1].gain.high < told[2].gain.high


def test_a_level_beyond_the_record_is_drawn_out_and_says_so():
    """Seventy cells know no interval that one cell in a thousand leaves; the widest of theirs is none."""
    few = _record(tasks=8, cells=3)
    found = [foretell(_sight(0.05), finetuned=False, record=few, level=level) for level in (0.9, 0.97, 0.99, 0.999)]
    widths = [one.gain.high - one.gain.low for one in found]
    assert widths[0] < widths[1] < widths[2] < widths[3]
    assert not found[0].note
    assert "24 cells" in found[3].note


def test_a_score_is_a_score():
    high = dataclasses.replace(_sight(0.08), floor=0.99)
    for record in (_record(), Record(0.9, ())):
        found = foretell(high, finetuned=False, record=record, level=0.9).student
        assert 0 <= found.low < found.value <= found.high <= 1


def test_rows_on_which_nothing_differs_are_no_proof_of_no_gain():
    """Twelve rows alike: of all rows a fifth may differ. Three hundred: not one in a hundred."""
    bare = Record(0.9, ())
    answers = [verdict(forecast(_evidence(n), record=bare), None).answer for n in (12, 300)]
    assert answers == ["unknown", "no"]


def test_intervals_are_as_wide_as_the_record_says_of_so_many_rows():
    """Where noisy gains were foretold worse, an interval of few rows is wider; where not, it is not."""
    for share, wider in ((1.0, True), (0.0, False)):
        rng, cells = np.random.default_rng(0), []
        for one in _record(tasks=16).entries:
            noise = float(rng.choice([0.005, 0.06]))
            seen = dataclasses.replace(one.seen, gain_width=1.645 * noise)
            gain = one.gain + float(rng.normal(0, noise if share else 0.04))
            cells.append(dataclasses.replace(one, seen=seen, gain=gain))
        sharp, vague = (dataclasses.replace(_sight(0.05), gain_width=1.645 * noise) for noise in (0.005, 0.06))
        told = [foretell(one, finetuned=False, record=Record(0.9, tuple(cells)), level=0.9) for one in (sharp, vague)]
        ratio = (told[1].gain.high - told[1].gain.low) / (told[0].gain.high - told[0].gain.low)
        assert (ratio > 1.5) == wider
        assert (told[0].surprise > 0.9 * (told[1].gain.high - told[1].gain.value)) != wider


@pytest.mark.parametrize(("name", "value"), [("gain", 0.35), ("lead", -0.6), ("judged", 0.4), ("floor", 0.2)])
def test_a_cell_unlike_any_in_the_record_is_told_so_and_not_drawn_towards_it(name, value):
    seen = dataclasses.replace(_sight(0.05), **{name: value})
    found = foretell(seen, finetuned=False, record=_record(), level=0.9)
    assert not found.calibrated
    assert found.gain.value == pytest.approx(seen.gain)
    assert name in found.note
    bare = foretell(seen, finetuned=False, record=Record(0.9, ()), level=0.9)
    assert found.gain.high > bare.gain.high  # what the record says of surprises is in it
    assert 0 < found.surprise < found.gain.high - found.gain.value


def test_what_is_not_known_is_said():
    found = foretell(dataclasses.replace(_sight(0.05), judged=None), finetuned=False, record=_record(), level=0.9)
    assert "judged" in found.note


@pytest.mark.parametrize(("gain", "answer"), [(0.2, "yes"), (-0.2, "no"), (0.02, "unknown")])
def test_the_answer_goes_by_the_interval(gain, answer):
    found = foretell(_sight(gain), finetuned=False, record=_record(), level=0.9)
    told = verdict(found, None)
    assert told.answer == answer
    assert (told.label == 0) == (answer != "unknown")
    assert "predicted gain" in told.text
    assert ("worse than its labels" in told.text) == (gain < -0.1)
    assert "by -" not in told.text  # of a loss, no double negative


def test_more_rows_are_asked_for_only_where_they_would_tell():
    noisy = foretell(
        dataclasses.replace(_sight(0.03, "regression"), gain_width=0.06), finetuned=False, record=_record(), level=0.9
    )
    told = verdict(noisy, None)
    assert told.answer == "unknown"
    rows = noisy.gain.examples
    assert settling(noisy) == pytest.approx(4 * rows, abs=2)  # half the width: four times the rows
    assert told.label is None  # more than advice reads
    surprising = dataclasses.replace(noisy, surprise=0.05)
    assert settling(surprising) is None


def test_undefined_evidence_is_answered_with_why():
    seen = _evidence(n=6)
    told = verdict(forecast(seen, record=_record()), None)
    assert (told.answer, "6 independent rows" in told.text) == ("unknown", True)


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


def test_a_record_of_old_says_dear_of_a_finetuned_cell(tmp_path):
    record = _record(tasks=2)
    probes = Record(0.9, tuple(dataclasses.replace(one, finetuned=True) for one in record.entries))
    probes.save(tmp_path / "new.json")
    text = (tmp_path / "new.json").read_text()
    assert "dear" not in text
    (tmp_path / "old.json").write_text(text.replace('"finetuned"', '"dear"'))
    assert read_record(tmp_path / "old.json") == read_record(tmp_path / "new.json")


@pytest.mark.parametrize("record", [_record(), Record(0.9, ())])
@pytest.mark.parametrize("gain", [0.05, 0.35])
def test_a_finetuned_student_without_its_like_in_the_record_is_told_so(record, gain):
    said = "no finetuned cell is in the record"
    assert said in foretell(_sight(gain), finetuned=True, record=record, level=0.9).note
    assert said not in foretell(_sight(gain), finetuned=False, record=record, level=0.9).note
    like = Record(0.9, tuple(dataclasses.replace(one, finetuned=i % 2 == 0) for i, one in enumerate(record.entries)))
    if like.entries:
        assert said not in foretell(_sight(gain), finetuned=True, record=like, level=0.9).note


def test_no_record_is_no_number():
    found = track_record(Record(0.9, ()))
    assert found.cells == 0
    assert not found.correlation.defined
    assert "no track record" in found.sentence


def test_the_shipped_record_is_the_one_the_docs_quote():
    from surpass.advice.record import shipped

    found = track_record(shipped())
    page = (Path(__file__).parents[2] / "docs" / "advice-trial.md").read_text(encoding="utf-8")
    assert found.cells >= 60
    assert f"{found.cells} cells: {found.tasks} packaged tasks" in page
    for value in (
        found.correlation,
        found.of_classes,
        found.raw,
        found.coverage,
        found.error,
        found.regret,
        found.random,
    ):
        assert f"| {value} |" in page
