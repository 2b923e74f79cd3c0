"""No fit and no choice is judged by rows that it has seen in another guise."""

from __future__ import annotations

import numpy as np
import pytest
import reviews
import tiny

from surpass import WeakToStrongClassifier
from surpass.errors import SpecError
from surpass.own import choosing
from surpass.own.crowd import combined
from surpass.own.evidence import Predicted, divide, with_gold
from surpass.own.fitting import Pool, one_hot
from surpass.own.guarding import splits_of
from surpass.own.notes import notes, rests_on
from surpass.own.reading import Wanted, names_of, read
from surpass.runtime import Runtime
from surpass.tables import open_table


def test_a_pair_the_other_way_round_stays_on_its_side(tmp_path):
    pairs = [(f"answer {i} is short", f"answer {i} is long") for i in range(60)]
    held = [{"a": a, "b": b, "winner": "a", "gold": "a"} for a, b in pairs]
    held += [{"a": b, "b": a, "winner": "b", "gold": "b"} for a, b in pairs]
    wanted = Wanted(first="a", second="b", weak=("winner",), gold="gold")
    own = read(open_table(str(reviews.write(tmp_path / "pairs.csv", held))), wanted)
    found = divide(np.isfinite(own.gold), own.labelled, own.groups)
    tested, trained = ({frozenset(own.inputs[i]) for i in part} for part in (found.test, found.train))
    assert len(found.test)
    assert not tested & trained


def test_names_of_rows_are_short_however_long_a_text_is():
    """Intervals sort the names in an array as wide as the longest one."""
    one, other, same = names_of(("x" * 1_000_000, "y", "  Y "))
    assert len(one) < 50
    assert one != other == same
    first, second = names_of(("A fine film!", "a fine  film."))  # one text to the guard, which compares splits
    assert first == second


def test_a_supervisor_leaves_no_gold_to_choose_by(llama):
    texts, labels = tiny.texts(240)
    gold = [label if i < 120 else None for i, label in enumerate(labels)]
    student = WeakToStrongClassifier(strong=tiny.hf(llama, tune="top", layers=1), supervisor="tfidf").fit(
        texts, gold=gold
    )
    assert student.choice_.why.startswith("soft: the gold labels fitted the supervisor")
    assert student.choice_.scores == {}


def test_texts_of_judges_are_left_out_where_methods_are_tried(llama, monkeypatch):
    texts, labels = tiny.texts(120)
    pool = Pool(tuple(texts) * 2 + ("something else", "not the same"), ("0", "1"), Runtime())
    seen = []
    fit = Pool.fit
    monkeypatch.setattr(Pool, "fit", lambda self, *args, **kw: seen.append(args[2]) or fit(self, *args, **kw))
    train = np.arange(120, 242)
    weak = one_hot(np.array([*labels, 0, 1]), 2)
    strong = tiny.hf(llama, tune="top", layers=1).resolve()
    choosing.choose(pool, strong, train, weak, np.arange(120), np.asarray(labels))
    assert [rows.tolist() for rows in seen] == [[240, 241]] * 2


@pytest.mark.parametrize(
    "named", [{"weak": ("a",), "gold": "a"}, {"weak": ("a", "b", "a")}, {"probabilities": ("a", "a")}]
)
def test_a_column_serves_once(named):
    with pytest.raises(SpecError, match="column 'a' is named twice"):
        Wanted(text="text", **named)


def test_ties_of_the_floor_are_told(tmp_path):
    """Two raters who disagree name no class: the floor's first class is the order of the alphabet and no opinion."""
    held = [{"text": f"text {i}", "v": "ok", "w": "fraud" if i % 4 == 0 else "ok", "label": "ok"} for i in range(40)]
    held[1]["label"] = "fraud"
    wanted = Wanted(text="text", weak=("v", "w"), gold="label")
    own = read(open_table(str(reviews.write(tmp_path / "t.csv", held))), wanted)
    found = divide(np.isfinite(own.gold), own.labelled, own.groups)
    ties = [i for i, text in enumerate(own.inputs) if int(str(text).split()[1]) % 4 == 0]
    floor = np.where(np.isin(np.arange(40), ties)[:, None], 0.5, [0.0, 1.0])
    student = np.tile([0.1, 0.9], (40, 1))
    predicted = Predicted(own.gold, own.groups, floor, (student,))
    told = notes(own, found, predicted, with_gold(predicted), supervised=False)
    (tied,) = [note for note in told if "tied" in note]
    assert "10 of 40 test rows are tied" in tied
    assert "('fraud' before the others)" in tied
    assert "its accuracy is 0.850" in tied  # .725 with all ties as fraud: 29 of 40 are right, and half of 10


def test_a_supervisor_labels_no_text_that_it_was_fitted_on():
    names = [f"text {i % 200}" for i in range(400)] + [f"other {i}" for i in range(100)]
    gold = np.arange(500) < 200  # the next 200 have the same texts
    found = divide(gold, ~gold, names, supervised=True)
    labelled = np.setdiff1d(found.train, found.known)
    assert not {names[i] for i in labelled} & {names[i] for i in found.known}


def test_ties_of_raters_are_no_imbalance_to_the_guard(tmp_path):
    held = [{"text": f"text {i}", "v": "ab"[i % 2], "w": "ab"[i // 2 % 2], "label": ""} for i in range(400)]
    own = read(
        open_table(str(reviews.write(tmp_path / "t.csv", held))), Wanted(text="text", weak=("v", "w"), gold="label")
    )
    weak = combined(own.votes, 2)
    splits = splits_of(own, divide(np.isfinite(own.gold), own.labelled, own.groups), weak, supervised=False)
    assert 0.4 < splits.part("transfer").labels.mean() < 0.6  # half of the rows are tied, a quarter is of either class


def test_no_error_is_no_proof_of_perfection(tmp_path):
    held = [{"text": f"text {i}", "v": "ab"[i % 2], "label": "ab"[i % 2]} for i in range(100)]
    own = read(open_table(str(reviews.write(tmp_path / "t.csv", held))), Wanted(text="text", weak=("v",), gold="label"))
    found = divide(np.isfinite(own.gold), own.labelled, own.groups)
    right = one_hot(own.gold.astype(int), 2)
    one_error = right.copy()
    one_error[0] = one_error[0, ::-1]
    predicted = Predicted(own.gold, own.groups, one_error, (right,))
    (told,) = [
        note for note in notes(own, found, predicted, with_gold(predicted), supervised=False) if "no width" in note
    ]
    assert "100 independent test rows (student)" in told
    assert "accuracy 0.964" in told  # .025 ** (1 / 100)


def test_seeds_of_the_student_are_no_seeds_of_its_supervisor():
    assert rests_on(3, None, supervised=True) == "held-out rows and 3 seeds of the student, of one supervisor"
    assert rests_on(3, None) == "held-out rows and 3 seeds"
