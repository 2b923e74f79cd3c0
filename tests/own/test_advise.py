"""Advice on a person's own table: what it rests on, what it says, and what it must not read."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest
import reviews
import tiny

from surpass.advice.choosing import METHODS
from surpass.advice.deciding import about
from surpass.errors import DataError, IncompatibleError, SpecError
from surpass.own.advising import Question, advise
from surpass.own.crossfit import FOLDS, crossfit
from surpass.own.evidence import divide, from_json
from surpass.own.fitting import one_hot
from surpass.own.parts import method, model
from surpass.own.reading import Wanted, read
from surpass.runtime import Runtime
from surpass.tables import open_table

VOTES = ("v1", "v2", "v3")


def advice(folder, held, *, strong="tfidf", name="table", **options):
    columns = {name: options.pop(name) for name in list(options) if name in Wanted.__dataclass_fields__}
    wanted = Wanted(**{"text": "text", "gold": "label", **columns})
    table = reviews.write(folder / f"{name}.csv", held)
    return advise(Question(source=str(table), wanted=wanted, strong=strong, **{"level": 0.9, **options}))


def test_weak_labels_that_a_student_repairs(tmp_path):
    found = advice(tmp_path, reviews.rows(1200, gold=200, accuracies=(0.7,)), weak=("v1",))
    gain = from_json(found["expected"]["accuracy"]["gain"])
    assert found["verdict"]["answer"] == "yes"
    assert gain.low > 0
    assert found["verdict"]["text"].startswith("Yes: predicted gain +.")
    assert found["rows"]["judges"] == 100  # the other half is what fit tests on
    assert found["rows"]["left_for_test"] == 100
    assert gain.level == found["level"] == 0.9


def test_labels_that_are_right_need_no_student(tmp_path):
    held = reviews.rows(500, gold=300, accuracies=(0.99,), seed=3)
    found = advice(tmp_path, held, weak=("v1",))
    assert found["verdict"]["answer"] in ("no", "unknown")
    assert from_json(found["expected"]["accuracy"]["gain"]).value <= 0


def test_what_the_strong_model_cannot_learn_is_a_no(tmp_path):
    held = reviews.rows(300, gold=240, accuracies=(0.9,), seed=1)
    rng = np.random.default_rng(0)
    for row in held:
        row["text"] = " ".join(rng.choice(tiny.PLAIN, 8))
    found = advice(tmp_path, held, weak=("v1",))
    assert found["verdict"]["answer"] == "no"
    assert from_json(found["expected"]["accuracy"]["gain"]).high < 0


def test_no_gold_label_that_fit_tests_on_is_read(tmp_path):
    """Wrong labels in the rows that `surpass fit` tests on change nothing."""
    held = reviews.rows(400, gold=200, accuracies=(0.8,))
    plain = advice(tmp_path, held, weak=("v1",))
    wanted = Wanted(text="text", gold="label", weak=("v1",))
    own = read(open_table(str(tmp_path / "table.csv")), wanted)
    test = set(divide(np.isfinite(own.gold), own.labelled, own.groups).test.tolist())
    texts = {own.inputs[i] for i in test}
    assert len(texts) == 100
    for row in held:
        if row["text"] in texts:
            row["label"] = reviews.NAMES[1 - reviews.NAMES.index(row["label"])]
    assert advice(tmp_path, held, weak=("v1",)) == plain
    for row in held:
        if row["label"] and row["text"] not in texts:
            row["label"] = reviews.NAMES[1 - reviews.NAMES.index(row["label"])]
    assert advice(tmp_path, held, weak=("v1",))["expected"] != plain["expected"]


def rows_of(folder, held, *, strong="tfidf", supervised=False, **options):
    wanted = Wanted(text="text", gold="label", weak=() if supervised else ("v1",), supervised=supervised)
    own = read(open_table(str(reviews.write(folder / "t.csv", held))), wanted)
    division = divide(np.isfinite(own.gold), own.labelled, own.groups, supervised=supervised)
    made = crossfit(
        own,
        division,
        model(strong),
        method("soft"),
        supervised=supervised,
        runtime=Runtime(),
        seed=0,
        **options,
    )
    return own, division, made


def test_students_are_given_the_gold_labels_that_fit_gives_them(tmp_path):
    """Some gold labels are given in place of weak ones; where all rows have them, they judge alone."""
    _, division, rows = rows_of(tmp_path, reviews.rows(300, gold=100))
    assert set(rows.places[rows.given]) == set(division.known)
    seen = []
    old = rows.pool.fit
    rows.pool.fit = lambda *args, **options: (seen.append((args, options)), old(*args, **options))[1]
    wrong = np.tile([0.5, 0.5], (300, 1))
    rows.student(rows.labels(wrong))
    for args, options in seen:
        assert options["gold"].sum() == (args[3].max(axis=1) == 1).sum() > 20
    _, division, rows = rows_of(tmp_path, reviews.rows(300, gold=300))
    assert division.fair
    assert not rows.given.any()
    assert rows.known.sum() > 100


def test_a_row_is_predicted_by_models_that_did_not_see_it(tmp_path):
    """A student of labels that only the row itself could teach is right on half of the rows, not on all."""
    held = reviews.rows(400, gold=400, seed=2)
    for i, row in enumerate(held):
        row["text"] = f"word{i} said nothing of use{i}"
    own, _, rows = rows_of(tmp_path, held)
    labels = rows.labels(one_hot(own.gold.astype(int), 2))
    right = (rows.student(labels).argmax(axis=1) == rows.gold)[np.isfinite(rows.gold)]
    assert 0.3 < right.mean() < 0.65
    assert set(rows.folds) == set(range(FOLDS))


def test_equal_texts_are_in_one_fold(tmp_path):
    held = reviews.rows(100, gold=100)
    _, _, rows = rows_of(tmp_path, held + [dict(row, text=row["text"].upper()) for row in held])
    folds: dict[str, set[int]] = {}
    for group, fold in zip(rows.groups, rows.folds, strict=True):
        folds.setdefault(group, set()).add(int(fold))
    assert len(folds) < len(rows.groups)
    assert all(len(found) == 1 for found in folds.values())


def test_a_supervisor_never_labels_rows_that_it_was_fitted_on(tmp_path):
    _, _, rows = rows_of(tmp_path, reviews.rows(300, gold=160), supervised=True)
    fitted = []
    labels = rows.supervised(model("tfidf"), method("soft"))
    old = rows.pool.fit
    rows.pool.fit = lambda *args, **options: (fitted.append(set(args[2].tolist())), old(*args, **options))[1]
    rows.weak(labels)
    assert len(fitted) == FOLDS
    for fold, seen in enumerate(fitted):
        assert seen
        assert not seen & set(np.flatnonzero(rows.folds == fold).tolist())


def test_sizes_bound_what_is_read(tmp_path):
    _, division, rows = rows_of(tmp_path, reviews.rows(600, gold=300), sizes=(200, 50))
    assert rows.train.sum() == 200
    assert 50 <= rows.known.sum() < 150
    assert len(division.test) > 100
    assert not set(division.test) & set(rows.places)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    held = reviews.rows(400, gold=300, accuracies=(0.9, 0.65, 0.6))
    return advice(tmp_path_factory.mktemp("crowd"), held, weak=VOTES)


def test_several_raters_are_compared(crowd):
    found = crowd
    names = [one["name"] for one in found["sources"]]
    assert names == ["mean", "dawid-skene", *VOTES]
    floor = {one["name"]: one["floor"]["value"] for one in found["sources"]}
    assert floor["v1"] > floor["v2"]
    assert "over_asked" not in found["sources"][0]
    assert {one["over_asked"]["level"] for one in found["sources"][1:]} == {1 - (1 - 0.9) / 4}
    assert (
        found["use"]["source"] == "mean"
        or from_json(next(one for one in found["sources"] if one["name"] == found["use"]["source"])["over_asked"]).low
        > 0
    )


def test_a_rater_who_is_wrong_on_purpose_is_left_out(tmp_path):
    held = reviews.rows(400, gold=300, accuracies=(0.95, 0.1, 0.15))
    found = advice(tmp_path, held, weak=VOTES)
    assert found["use"]["source"] in ("v1", "dawid-skene")
    assert any(text.startswith("Labels: take") for text in found["told"])
    assert found["expected"]["accuracy"]["floor"]["value"] > 0.7  # of the labels to take, not of those asked for


def test_a_rater_with_too_few_votes_is_told_not_scored(tmp_path):
    held = reviews.rows(300, gold=200)
    for row in held[5:]:
        row["v3"] = ""
    found = advice(tmp_path, held, weak=VOTES)
    (told,) = [one for one in found["sources"] if one["name"] == "v3"]
    assert "too few" in told["problem"]
    assert any("Labels of v3" in text for text in found["told"])


def test_without_gold_the_honest_answer_is_that_it_cannot_be_known(tmp_path):
    held = reviews.rows(400, gold=0)
    found = advice(tmp_path, held, weak=VOTES, gold="")
    assert found["verdict"]["answer"] == "unknown"
    assert "Cannot be known: there are no gold labels" in found["verdict"]["text"]
    assert found["verdict"]["label"] > 50
    assert "expected" not in found
    agreement = found["label_free"]["agreement"]["value"]
    assert f"{1 - agreement:.1%} of the rows" in found["verdict"]["text"]
    (sentence,) = [text for text in found["told"] if text.startswith("Without gold labels")]
    assert "KL(labels || student) ." in sentence
    counts = [one["value"] for one in found["needed"].values()]
    assert counts[0] > counts[1] > 0


def test_the_bound_without_gold_holds_with_gold(crowd):
    """|gain| is at most the share of rows on which student and labels differ."""
    gain = from_json(crowd["expected"]["accuracy"]["gain"])
    assert 0 < abs(gain.value) <= from_json(crowd["differing"]).high


def test_few_gold_labels_give_no_number(tmp_path):
    found = advice(tmp_path, reviews.rows(300, gold=30), weak=VOTES)
    assert found["verdict"]["answer"] == "unknown"
    assert "of the 30 gold rows" in found["verdict"]["text"]
    assert "expected" not in found


def test_gold_labels_alone_may_be_the_better_buy(tmp_path):
    held = reviews.rows(400, gold=400, accuracies=(0.5,), seed=5)
    found = advice(tmp_path, held, weak=("v1",))
    assert found["verdict"]["answer"] == "no"
    assert "gold labels alone serve better" in found["verdict"]["text"]
    assert from_json(found["gold_alone"]["over_student"]).low > 0
    assert set(found["verdict"]) == {"answer", "text", "label"}
    assert set(found["gold_alone"]) == {"points", "held", "over_student", "equals"}


def test_curves_have_three_points(crowd):
    found = crowd
    rows, gold = found["more_rows"]["points"], found["gold_alone"]["points"]
    assert len(gold) == 3
    assert [one["rows"] for one in rows] == [round(s * found["rows"]["trained_on"]) for s in (0.25, 0.5, 1)]
    assert all(a["gold"] < b["gold"] for a, b in pairwise(gold))
    assert rows[-1]["student"]["value"] == found["expected"]["accuracy"]["student"]["value"]


def test_a_supervisor_fitted_on_gold(tmp_path):
    found = advice(tmp_path, reviews.rows(400, gold=160), supervisor="tfidf", supervised=True)
    assert found["use"]["source"] == "supervisor"
    assert {"floor", "student", "gain"} <= set(found["expected"]["accuracy"])
    assert found["rows"]["judges"] == 80


def test_probabilities_are_labels(tmp_path):
    rng = np.random.default_rng(0)
    held = reviews.rows(300, gold=200)
    for row in held:
        row["p"] = float(np.clip(0.7 * (row["truth"] == "good") + 0.15 + rng.normal() / 10, 0, 1))
    found = advice(tmp_path, held, probabilities=("p",), classes=reviews.NAMES)
    assert [one["name"] for one in found["sources"]] == ["probabilities"]


def test_a_backbone_is_rehearsed_by_a_probe(tmp_path, tiny_backbone, llama):
    strong = {"model": "hf", "backbone": llama, "precision": "fp32"}
    found = advice(tmp_path, reviews.rows(200, gold=120), weak=VOTES, strong=strong)
    assert "probe" in found["cheap"]
    assert not found["cheap_is_strong"]
    assert {"knn", "hard"} <= {re.split(r"\W", one["name"])[0] for one in found["methods"]} <= set(METHODS)
    for one in found["methods"]:  # each of those compared has the level of them together
        assert one["over_soft"]["level"] == pytest.approx(1 - 0.1 / len(found["methods"]))


def test_preferences(tmp_path, llama):
    texts, labels = tiny.texts(240, seed=4)
    good = [text for text, label in zip(texts, labels, strict=True) if label]
    bad = [text for text, label in zip(texts, labels, strict=True) if not label]
    rng = np.random.default_rng(0)
    held = []
    for i, (g, b) in enumerate(zip(good, bad, strict=True)):
        swap = bool(rng.random() < 0.5)
        best = "one" if not swap else "two"
        vote = best if rng.random() < 0.8 else {"one": "two", "two": "one"}[best]
        held.append({"one": b if swap else g, "two": g if swap else b, "vote": vote, "gold": best if i < 100 else ""})
    options = {"text": "", "first": "one", "second": "two", "weak": ("vote",), "gold": "gold"}
    strong = {"model": "hf", "backbone": llama, "precision": "fp32"}
    found = advice(tmp_path, held, strong=strong, **options)
    assert found["target"] == "preference"
    assert found["rows"]["judges"] == 50
    with pytest.raises(IncompatibleError, match="hf"):
        advice(tmp_path, held, strong="tfidf", **options)


def test_advice_is_plain_data_and_the_same_each_time(tmp_path):
    held = reviews.rows(300, gold=200)
    first = advice(tmp_path, held, weak=VOTES[:1])
    assert json.loads(json.dumps(first, allow_nan=False)) == advice(tmp_path, held, weak=VOTES[:1])


def test_gold_of_one_class_is_refused(tmp_path):
    held = reviews.rows(300, gold=200)
    for row in held:
        row["label"] = row["label"] and "good"
    with pytest.raises(DataError, match=r"all of one class \(good\)"):
        advice(tmp_path, held, weak=VOTES)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"weak": ("votes",)}, DataError, "votes"),
        ({"weak": ()}, SpecError, "nothing labels the rows"),
        ({"weak": ("v1",), "combine": "dawid-skene"}, SpecError, "compares raters"),
        ({"weak": ("v1",), "n_gold": 5}, DataError, "--supervisor"),
        ({"weak": ("v1",), "strong": "path:nowhere"}, SpecError, "nowhere"),
        ({"weak": ("v1",), "strong": "nonsense"}, SpecError, "nonsense"),
        ({"weak": (), "supervisor": "tfidf", "supervised": True, "gold": "few"}, DataError, "at least 20"),
    ],
)
def test_what_a_person_can_mend(tmp_path, options, kind, words):
    held = [dict(row, few=row["label"] if i < 40 else "") for i, row in enumerate(reviews.rows(120, gold=60))]
    with pytest.raises(kind, match=words):
        advice(tmp_path, held, **options)


def test_the_words_round_up():
    assert [about(n) for n in (0, 7, 99, 100, 626, 12345)] == [0, 10, 100, 100, 630, 13000]
