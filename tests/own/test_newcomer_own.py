"""What a newcomer does wrong with `surpass fit`, `predict` and `audit`: told in one paragraph, with nothing written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import reviews
import tiny
from click.testing import CliRunner

from surpass.cli import main
from surpass.errors import DataError, SpecError
from surpass.own import saving
from surpass.own.job import Request, run
from surpass.own.reading import Wanted
from surpass.own.terminal import summary

FIT = ("--text", "text", "--strong", "tfidf")


def told(folder: Path, held, *options: str, code: int = 2, name: str = "reviews.csv") -> str:
    """Return what `surpass fit` says of a table; nothing is written where it fails."""
    table = reviews.write(folder / name, held)
    out = folder / "model"
    done = CliRunner().invoke(main, ["fit", str(table), *FIT, *options, "--out", str(out)])
    assert done.exit_code == code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    if code:
        assert sorted(path.name for path in folder.iterdir()) == [name]
    return " ".join(done.output.split())


def changed(held, **columns):
    """Return rows with some cells rewritten by functions of the cell."""
    return [row | {name: change(row[name]) for name, change in columns.items()} for row in held]


def test_gold_and_weak_labels_that_are_spelled_in_two_ways_are_no_four_classes(tmp_path):
    held = changed(reviews.rows(80, gold=40), label=str.capitalize)
    text = told(tmp_path, held, "--weak-label", "v1", "--gold", "label")
    assert "'good' and 'Good' would be two classes" in text


def test_a_column_of_other_names_than_the_rest_is_told(tmp_path):
    digits = {"good": "1", "bad": "0", "": ""}
    held = changed(reviews.rows(80, gold=40), v1=digits.get)
    text = told(tmp_path, held, "--weak-label", "v1", "--weak-label", "v2", "--gold", "label")
    assert "'v1' names '0', '1', and the others 'bad', 'good': not one class in common" in text
    # classes that are named are meant
    named = ("--gold", "label", "--classes", "0,1,bad,good")
    assert "classes 0, 1, bad, good" in told(tmp_path, held, "--weak-label", "v1", *named, code=0)


@pytest.mark.parametrize("column", ["chance", "words"])
def test_probabilities_and_free_text_are_no_classes(column, tmp_path):
    held = [
        row | {"chance": f"{(i % 50) / 50 + 0.001:.3f}", "words": f"word {i}"}
        for i, row in enumerate(reviews.rows(160))
    ]
    assert "are no classes" in told(tmp_path, held, "--weak-label", column)


def test_twenty_classes_of_few_labels_are_classes(tmp_path):
    held = [row | {"v1": f"grade {i % 20}"} for i, row in enumerate(reviews.rows(60))]
    told(tmp_path, held, "--weak-label", "v1", code=0)


def test_a_weak_column_without_any_label_is_told(tmp_path):
    held = changed(reviews.rows(80, gold=40), v1=lambda cell: "")
    assert "no row with a weak label in 'v1'" in told(tmp_path, held, "--weak-label", "v1", "--gold", "label")


def test_weak_labels_of_one_class_and_rows_without_any_are_counted(tmp_path):
    held = changed(reviews.rows(80, gold=40), v1=lambda cell: "good")
    text = told(tmp_path, held, "--weak-label", "v1", "--gold", "label", code=0)
    assert "all labels of column 'v1' are good" in text
    held = reviews.rows(80, gold=40)
    without = sum(bool(row["label"]) and not row["v1"] for row in held)
    assert without
    text = told(tmp_path, held, "--weak-label", "v1", "--gold", "label", "--overwrite", code=0)
    assert f"rows with a gold label and no weak one: {without}" in text


def test_gold_on_other_rows_than_weak_labels_is_not_said_to_be_missing(tmp_path):
    held = [
        row | ({"label": row["truth"], "v1": ""} if i % 3 == 0 else {"label": "", "v1": row["truth"]})
        for i, row in enumerate(reviews.rows(300))
    ]
    table = reviews.write(tmp_path / "apart.csv", held)
    wanted = Wanted(text="text", weak=("v1",), gold="label")
    facts = run(Request(source=str(table), wanted=wanted, out=tmp_path / "model", strong="tfidf"))
    evidence = facts["evidence"]
    assert "There are no gold labels" not in evidence["basis"]
    assert "100 rows with gold labels" in evidence["basis"]
    assert evidence["metrics"]["weak labels"]["agreement"]["examples"] == 20
    assert facts["rows"]["training, gold label used"] > 90


def test_an_agreement_is_no_more_than_one(tmp_path):
    table = reviews.write(tmp_path / "few.csv", reviews.rows(110, gold=0, accuracies=(0.95,)))
    wanted = Wanted(text="text", weak=("v1",))
    facts = run(Request(source=str(table), wanted=wanted, out=tmp_path / "model", strong="tfidf"))
    found = facts["evidence"]["metrics"]["weak labels"]
    assert found["agreement"]["value"] < 1
    assert found["agreement"]["high"] == 1  # of so few rows it would reach beyond
    assert found["confident_disagreement"]["high"] <= 1
    assert found["misfit_brier"]["high"] <= 1


def test_more_gold_than_there_are_is_told(tmp_path):
    held = reviews.rows(200, gold=100)
    options = ("--supervisor", "tfidf", "--gold", "label", "--n-gold", "5000")
    assert "50 gold labels fit the supervisor, not 5,000 (--n-gold)" in told(tmp_path, held, *options, code=0)


def test_the_names_of_the_estimates_are_shown_however_narrow_the_terminal(tmp_path):
    from rich.console import Console

    held = [row | {"label": row["truth"]} for row in reviews.rows(400)]
    table = reviews.write(tmp_path / "all.csv", held)
    wanted = Wanted(text="text", gold="label", supervised=True)
    request = Request(
        source=str(table), wanted=wanted, out=tmp_path / "model", strong="tfidf", supervisor="tfidf", n_gold=300
    )
    facts = run(request)
    assert facts["evidence"]["metrics"]["accuracy"]["pgr"]["note"]  # undefined, with a reason longer than a line
    console = Console(width=80, record=True)
    for part in summary(facts):
        console.print(part, highlight=False, markup=False, soft_wrap=isinstance(part, str))
    lines = console.export_text().splitlines()
    for name in ("floor", "student", "ceiling", "gain", "gap", "PGR"):
        assert any(line.startswith(f"{name} ") for line in lines), name
    assert not any("…" in line for line in lines)


def test_the_kinds_of_misfit_are_told_apart(tmp_path):
    text = told(tmp_path, reviews.rows(120), "--weak-label", "v1", code=0)
    for kind in ("KL(student || labels), nats", "KL(labels || student), nats", "Brier"):
        assert f"misfit ({kind})" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "gpu"), "not auto, cpu, cuda, cuda:N or map"),
        (("--combine", "bogus"), "'mean', 'dawid-skene'"),
        (("--combine", "dawid-skene"), "compares raters: name two columns"),
        (("--strong", "{model: sklearn, params: {C: -1}}"), "must be a float in the range"),
        (("--strong", "{model: sklearn, estimator: LinearSVC}"), "Give the whole path of the class"),
        (("--encoding", "base64"), "encoding 'base64' is not known"),
    ],
)
def test_settings_that_cannot_be(options, said, tmp_path):
    assert said in told(tmp_path, reviews.rows(60), "--weak-label", "v1", *options)


def test_a_gpu_that_is_not_there(bert, tmp_path):
    strong = f"{{model: hf, backbone: '{bert}'}}"
    held = reviews.rows(60)
    assert "PyTorch sees" in told(tmp_path, held, "--weak-label", "v1", "--device", "cuda:99", "--strong", strong)


def test_texts_of_one_letter_have_no_words(tmp_path):
    held = [row | {"text": "abcdefgh"[i % 8]} for i, row in enumerate(reviews.rows(80))]
    assert "no word of two letters or more" in told(tmp_path, held, "--weak-label", "v1")


def test_classes_of_a_preference_are_not_named():
    with pytest.raises(SpecError, match="of labels of texts"):
        Wanted(first="a", second="b", weak=("v1",), classes=("x", "y"))


def test_the_number_zero_is_a_text_and_a_list_is_none(tmp_path):
    rows = [{"text": i % 10, "v1": "ab"[i % 2]} for i in range(100)] + [{"text": ["a film"], "v1": "a"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    strong = {"model": "sklearn", "features": "chars"}
    wanted = Wanted(text="text", weak=("v1",))
    facts = run(Request(source=str(path), wanted=wanted, out=tmp_path / "model", strong=strong))
    assert facts["data"]["counts"]["usable"] == 100
    assert "line 101: its text is a list" in " ".join(facts["data"]["told"])
    done = CliRunner().invoke(main, ["predict", str(tmp_path / "model"), str(path), "--out", str(tmp_path / "s.csv")])
    assert "100 rows" in done.output
    assert "line 101: its text is a list" in done.output


def test_a_list_is_no_class(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"text": "a film", "v1": [i % 2]}) for i in range(50)), encoding="utf-8")
    with pytest.raises(DataError, match="no name of a class"):
        run(Request(source=str(path), wanted=Wanted(text="text", weak=("v1",)), out=tmp_path / "m", strong="tfidf"))


def test_a_place_that_cannot_be_written_is_told_before_the_fit(tmp_path):
    if not Path("/proc").is_dir():
        pytest.skip("no /proc here")
    held = reviews.rows(60)
    table = reviews.write(tmp_path / "reviews.csv", held)
    done = CliRunner().invoke(main, ["fit", str(table), *FIT, "--weak-label", "v1", "--out", "/proc/model"])
    assert done.exit_code == 2
    assert "cannot be made" in done.output
    assert "reading" not in done.output  # a root's /proc looks writable until it is tried


def test_the_earlier_model_stays_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    out = tmp_path / "model"
    out.mkdir()
    (out / "surpass.json").write_text("{}")
    rename = Path.rename

    def fails(self, target):
        if Path(target) == out and not self.name.endswith(".old"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(DataError, match="No space left"), saving.replacing(out) as made:
        (made / "surpass.json").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (out / "surpass.json").read_text() == "{}"


@pytest.mark.parametrize("content", ["[1]", '{"format": 1}', "{"])
def test_a_folder_whose_facts_are_not_whole(content, tmp_path):
    (tmp_path / "surpass.json").write_text(content)
    table = str(reviews.write(tmp_path / "new.csv", reviews.rows(3)))
    for command in (["audit", str(tmp_path)], ["predict", str(tmp_path), table, "--out", str(tmp_path / "y.csv")]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 2
        assert isinstance(done.exception, SystemExit)


def test_nobody_is_asked_about_code_in_the_folder(bert, tmp_path, monkeypatch, capfd):
    """An encoder's folder has code for transformers; surpass reads it with its own, and transformers shall not ask."""
    asked = []
    monkeypatch.setattr("builtins.input", lambda *words: asked.append(words) or "n")
    table = reviews.write(tmp_path / "reviews.csv", reviews.rows(60))
    wanted = Wanted(text="text", weak=("v1",))
    facts = run(Request(source=str(table), wanted=wanted, out=tmp_path / "model", strong=tiny.hf(bert, tune="full")))
    assert facts["form"] == "transformers-remote"
    out, err = capfd.readouterr()
    assert not asked
    assert "custom code" not in out
    assert "model shards" not in err


def test_a_table_given_for_a_study_is_not_printed_whole(tmp_path):
    table = reviews.write(tmp_path / "reviews.csv", reviews.rows(300))
    done = CliRunner().invoke(main, ["check", str(table)])
    assert done.exit_code == 2
    assert len(done.output) < 400


def test_the_keyboard_stops_a_fit_and_nothing_is_left(tmp_path):
    held = reviews.rows(400)
    table = reviews.write(tmp_path / "large.csv", [row for _ in range(150) for row in held])
    code = "from surpass.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "fit",
        str(table),
        *FIT,
        "--weak-label",
        "v1",
        "--out",
        str(tmp_path / "model"),
    ]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert started.stderr is not None
    assert "reading" in started.stderr.readline()
    time.sleep(0.2)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "Nothing was written" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["large.csv"]
