"""`surpass fit` from a table to what is known: every kind of label, every kind of evidence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import reviews
import tiny
from click.testing import CliRunner

from surpass.cli import main
from surpass.errors import DataError, SpecError, SurpassError
from surpass.own import bundle
from surpass.own.job import Request, run
from surpass.own.parts import for_few_rows, sized
from surpass.own.reading import Wanted

VOTES = ("v1", "v2", "v3")


def fitted(folder: Path, held, *, name: str = "model", strong="tfidf", **options):
    columns = {name: options.pop(name) for name in list(options) if name in Wanted.__dataclass_fields__}
    wanted = Wanted(**{"text": "text", "gold": "label", **columns})
    table = reviews.write(folder / f"{name}.csv", held)
    return run(Request(source=str(table), wanted=wanted, out=folder / name, strong=strong, **options))


def accuracy(facts, role):
    return facts["evidence"]["metrics"]["accuracy"][role]


def test_a_crowd_with_some_gold(tmp_path):
    held = reviews.rows(600, gold=200)
    facts = fitted(tmp_path, held, weak=VOTES)
    assert facts["rows"]["test"] == 100
    assert facts["rows"]["training, gold label used"] == 100
    assert facts["student"]["trained_on"] == facts["rows"]["training"] == 500 - facts["data"]["counts"]["unlabelled"]
    assert facts["rows"]["on which raters disagree"] > 100
    assert {"floor", "student", "gain", "gold_only", "over_gold_only"} == set(facts["evidence"]["metrics"]["accuracy"])
    assert accuracy(facts, "student")["examples"] == 100
    assert any("No PGR" in note for note in facts["evidence"]["notes"])
    loaded = bundle.load(tmp_path / "model")
    truth = np.array([reviews.NAMES.index(row["truth"]) for row in held])
    right = (loaded.predict([row["text"] for row in held]).argmax(1) == truth).mean()
    assert right > accuracy(facts, "floor")["value"]


def test_the_floor_is_the_crowds_own_score(tmp_path):
    held = reviews.rows(300, gold=300, accuracies=(0.8,))
    facts = fitted(tmp_path, held, weak=("v1",))
    share = np.mean([row["v1"] == row["truth"] for row in held])
    assert accuracy(facts, "floor")["value"] == pytest.approx(share, abs=0.08)
    assert accuracy(facts, "floor")["value"] != 1


def test_gold_everywhere_gives_a_fair_pgr(tmp_path):
    facts = fitted(tmp_path, reviews.rows(800, gold=800, accuracies=(0.75,)), weak=("v1",))
    found = facts["evidence"]["metrics"]["accuracy"]
    assert "training, gold label used" not in facts["rows"] or facts["rows"]["training, gold label used"] == 0
    assert found["ceiling"]["value"] > found["floor"]["value"]
    expected = (found["student"]["value"] - found["floor"]["value"]) / (
        found["ceiling"]["value"] - found["floor"]["value"]
    )
    assert found["pgr"]["value"] == pytest.approx(expected)
    assert any("may be the better one" in note for note in facts["evidence"]["notes"])


def test_a_supervisor_with_few_gold_labels(tmp_path):
    facts = fitted(tmp_path, reviews.rows(600, gold=80), supervisor="tfidf", supervised=True)
    assert facts["rows"]["gold, used by the supervisor"] == facts["rows"]["test"] == 40
    assert facts["labels"].startswith("predictions of the supervisor tfidf")
    assert "supervisor" in facts["evidence"]["notes"][0]


def test_n_gold_makes_a_study_of_ones_own_data(tmp_path):
    facts = fitted(tmp_path, reviews.rows(600, gold=600), supervisor="tfidf", supervised=True, n_gold=60)
    assert facts["rows"]["gold, used by the supervisor"] == 60
    assert {"ceiling", "pgr"} <= set(facts["evidence"]["metrics"]["accuracy"])
    assert facts["student"]["trained_on"] == 600 - 60 - facts["rows"]["test"]


def test_without_gold_nothing_is_said_of_accuracy(tmp_path):
    facts = fitted(tmp_path, reviews.rows(300, gold=0), weak=VOTES, gold="")
    assert set(facts["evidence"]["metrics"]) == {"weak labels"}
    assert "not known" in facts["evidence"]["basis"]
    assert facts["rows"]["held out without gold"] > 20
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "no accuracy" in text
    assert "| floor" not in text


def test_probabilities_in_one_column_or_one_for_each_class(tmp_path):
    rng = np.random.default_rng(0)
    held = reviews.rows(200, gold=100)
    for row in held:
        p = np.clip(0.7 * (row["truth"] == "good") + 0.15 + rng.normal() / 10, 0, 1)
        row |= {"good": p, "bad": 1 - p, "label": row["label"]}
    names = ("bad", "good")
    one = fitted(tmp_path, held, name="one", probabilities=("good",), classes=names)
    two = fitted(tmp_path, held, name="two", probabilities=names)
    assert one["classes"] == two["classes"] == list(names)
    assert accuracy(one, "student") == accuracy(two, "student")
    sides = [bundle.load(tmp_path / name).predict(["great actors"]) for name in ("one", "two")]
    assert sides[0] == pytest.approx(sides[1])


def test_three_classes_with_missing_votes(tmp_path):
    held = reviews.rows(300, gold=150)
    for i, row in enumerate(held):
        if i % 3 == 0:
            row |= {"text": f"numbers {i % 7} and {i}", "v1": "other", "v2": "", "label": row["label"] and "other"}
    facts = fitted(tmp_path, held, weak=VOTES, combine="dawid-skene")
    assert facts["classes"] == ["bad", "good", "other"]
    assert bundle.load(tmp_path / "model").predict(["numbers 3 and"]).shape == (1, 3)


def test_a_preference_becomes_a_scoring_model(tmp_path, tiny_backbone, llama):
    texts, labels = tiny.texts(200, seed=4)
    rng = np.random.default_rng(0)
    good, bad = ([t for t, c in zip(texts, labels, strict=True) if c == kind] for kind in (1, 0))
    held = []
    for better, worse in zip(good, bad, strict=True):
        first = rng.random() < 0.5
        pair = (better, worse) if first else (worse, better)
        said = first if rng.random() < 0.9 else not first
        held.append({"a": pair[0], "b": pair[1], "says": "a" if said else "b", "label": "a" if first else "b"})
    strong = tiny.hf(llama, tune="top", layers=1, epochs=4)
    facts = fitted(tmp_path, held, strong=strong, text="", first="a", second="b", weak=("says",), method="soft")
    assert facts["target"] == "preference"
    assert facts["reload_difference"] < 1e-3
    loaded = bundle.load(tmp_path / "model")
    one, other = loaded.prefer(["a great film"], ["a dull film"]), loaded.prefer(["a dull film"], ["a great film"])
    assert one == pytest.approx(other[:, ::-1])
    with pytest.raises(DataError, match="scores candidates"):
        loaded.predict(["a great film"])


def test_a_long_table_is_sampled_gold_first(tmp_path):
    held = reviews.rows(500, gold=60)
    facts = fitted(tmp_path, held, weak=VOTES, max_rows=200)
    assert facts["rows"]["kept"] == 200
    assert facts["rows"]["with a gold label"] == 60
    assert any("200 of" in text for text in facts["data"]["told"])
    again = fitted(tmp_path, held[::-1], name="again", weak=VOTES, max_rows=200)
    assert again["evidence"]["metrics"] == facts["evidence"]["metrics"]  # the order of the file decides nothing


def test_bad_lines_are_counted_and_strict_stops(tmp_path):
    held = reviews.rows(200, gold=80)
    held[7]["text"] = "  "
    facts = fitted(tmp_path, held, weak=VOTES)
    assert facts["data"]["counts"]["empty"] == 1
    assert "line 9" in facts["data"]["told"][0]
    with pytest.raises(DataError, match=r"line 9 .*text is empty"):
        fitted(tmp_path, held, name="strict", weak=VOTES, strict=True)
    assert not (tmp_path / "strict").exists()


def test_seeds_widen_what_the_intervals_cover(tmp_path, llama):
    strong = tiny.hf(llama, tune="top", layers=1, batch_size=64)
    facts = fitted(tmp_path, reviews.rows(160, gold=80), strong=strong, weak=VOTES, method="soft", seeds=3, seed=5)
    assert accuracy(facts, "student")["seeds"] == 3
    assert facts["student"]["seed"] == 5
    assert facts["evidence"]["rests_on"] == "test rows and 3 seeds"


def test_few_rows_get_more_epochs(llama):
    model = tiny.hf(llama)
    assert for_few_rows(model, 32).epochs == 20  # 2 steps an epoch, at most ten times its 2 epochs
    assert for_few_rows(model, 320).epochs == 3  # 20 steps an epoch
    assert for_few_rows(model, 4000) == model
    assert sized(model.backbone, model, 320).epochs == 3
    assert sized(model, model, 320) == model  # a person's own epochs stay


def test_findings_of_the_guard_are_kept(tmp_path):
    held = reviews.rows(300, gold=120, accuracies=(0.9,))
    for row in held:
        row["text"] = f"{row['text']} {'leaks' if row['truth'] == 'good' else 'safe'}"
        row["v1"] = row["truth"]
    facts = fitted(tmp_path, held, weak=("v1",))
    codes = {one["code"] for one in facts["findings"]}
    assert "tiny-test" in codes
    assert any(code.startswith("surface") or code == "phrase-leak" for code in codes)


BASE = ("--text", "text", "--gold", "label", "--strong", "tfidf")
CROWD = ("--weak-label", "v1", "--weak-label", "v2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*BASE, "--weak-label", "v9"), "no column 'v9'"),
        (("--text", "texts", *CROWD, "--strong", "tfidf"), "Did you mean 'text'"),
        (BASE, "nothing labels the rows"),
        ((*BASE, *CROWD, "--supervisor", "tfidf"), "not both"),
        (("--text", "text", "--supervisor", "tfidf", "--strong", "tfidf"), "--gold"),
        ((*BASE, *CROWD, "--n-gold", "50"), "--n-gold"),
        ((*BASE, *CROWD, "--classes", "bad,ugly"), "'good'.*none of bad, ugly"),
        ((*BASE, *CROWD, "--classes", "bad"), "two different names"),
        ((*BASE, *CROWD, "--method", "softt"), "Did you mean 'soft'"),
        ((*BASE, *CROWD, "--method", "logconf"), "gradient"),
        ((*BASE, *CROWD, "--strong", "package:nothing"), "package:nothing"),
        ((*BASE, *CROWD, "--combine", "median"), "'median'"),
        ((*BASE, "--weak-probability", "v1"), "--classes bad,good"),
        ((*BASE, "--weak-probability", "v1", "--classes", "bad,good"), "probabilities between 0 and 1"),
        (("--first", "text", *CROWD, "--strong", "tfidf"), "--second"),
        ((*BASE, *CROWD, "--encoding", "latin-17"), "latin-17"),
        ((*BASE, *CROWD, "--max-rows", "0"), "--max-rows 0"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(arguments, words, tmp_path):
    table = reviews.write(tmp_path / "data.csv", reviews.rows(60, gold=30))
    done = CliRunner().invoke(
        main, ["fit", str(table), *arguments, "--out", str(tmp_path / "model")], standalone_mode=True
    )
    assert done.exit_code == 2, done.output
    import re

    assert re.search(words, done.output, re.DOTALL), done.output
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: row | {"v1": "good", "v2": "good", "label": "good"}, "one class only, 'good'"),
        (lambda row: row | {"v1": "", "v2": "", "label": ""}, "no row with a text and a label"),
        (lambda row: row | {"text": ""}, "no row with a text"),
    ],
)
def test_tables_that_cannot_serve_are_told(change, words, tmp_path):
    with pytest.raises(SurpassError, match=words):
        fitted(tmp_path, [change(row) for row in reviews.rows(60, gold=30)], weak=("v1", "v2"))
    assert [path.name for path in tmp_path.iterdir()] == ["model.csv"]


def test_wanted_columns_must_make_sense():
    with pytest.raises(SpecError, match="not both"):
        Wanted(text="t", weak=("a",), probabilities=("b",))
    with pytest.raises(SpecError, match="--text"):
        Wanted(text="t", first="a", second="b", weak=("w",))


def test_the_command_prints_json_a_table_and_progress(tmp_path):
    table = reviews.write(tmp_path / "data.csv", reviews.rows(200, gold=80))
    arguments = ["fit", str(table), *BASE, *CROWD, "--out"]
    shown = CliRunner().invoke(main, [*arguments, str(tmp_path / "one")])
    assert shown.exit_code == 0, shown.output
    for words in ("floor", "student", "gold only", "No PGR", "tiny-test", "Model:"):
        assert words in shown.stdout
    assert "fitting the student" in shown.stderr
    told = CliRunner().invoke(main, [*arguments, str(tmp_path / "two"), "--json"])
    assert json.loads(told.stdout)["rows"]["test"] == 40
    assert told.stderr == ""
    quiet = CliRunner().invoke(main, [*arguments, str(tmp_path / "three"), "--quiet"])
    assert quiet.output == ""
