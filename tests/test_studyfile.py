"""Study files: read as people write them."""

from __future__ import annotations

import pytest

from surpass.errors import StudyError
from surpass.feasibility import problems_of
from surpass.inspection import defaults_of, first_line
from surpass.labels.ensemble import Ensemble
from surpass.labels.file import File
from surpass.methods.hard import Hard
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.study import Pair, Study
from surpass.studyfile import parse, read
from surpass.tasks.file import File as FileTask
from surpass.tasks.toy import Toy

TEXT = """
name: first
tasks: [toy, {task: file, path: rows.csv, names: [no, yes]}]
data: {n_weak: 40, balance: false}
pairs:
  - weak: {model: sklearn, ngrams: 1, params: {C: 1e-3, tol: 5E-4}}
    strong: sklearn
    methods: {method: logconf, strength: 1}
    tasks: toy
    data: {n_test: 50}
  - weak: {label: file, path: labels.csv, on: text, join: text}
    strong: {model: sklearn}
  - weak: {label: ensemble, members: [sklearn, {model: sklearn, ngrams: 3}], combine: vote}
    strong: sklearn
methods: [soft, {method: hard}]
seeds: 2
level: 9e-1
"""


@pytest.fixture
def study(tmp_path) -> Study:
    (tmp_path / "study.yaml").write_text(TEXT.replace("[sklearn, {", "[{model: sklearn}, {"), encoding="utf-8")
    return read(tmp_path / "study.yaml")


def test_a_study_file(study):
    assert (study.name, study.seeds, study.level) == ("first", 2, 0.9)
    assert study.tasks == (Toy(), FileTask(path="rows.csv", names=("no", "yes")))
    assert study.methods == (Soft(), Hard())
    assert dict(study.data) == {"n_weak": 40, "balance": False}
    weak = Sklearn(ngrams=1, params=(("C", 1e-3), ("tol", 5e-4)))
    assert study.pairs[0] == Pair(
        weak=weak, strong=Sklearn(), methods=(LogConf(strength=1.0),), tasks=("toy",), data=(("n_test", 50),)
    )


def test_words_that_yaml_takes_for_booleans_stay_words(study):
    assert study.tasks[1].names == ("no", "yes")
    assert study.pairs[1].weak == File(path="labels.csv", on="text", join="text")


def test_label_sources_hold_models(study):
    assert study.pairs[2].weak == Ensemble(members=(Sklearn(), Sklearn(ngrams=3)), combine="vote")


def test_a_study_of_plain_data_and_a_recipe_are_the_same(tmp_path, monkeypatch):
    plain = {"name": "r", "tasks": "toy", "pairs": {"weak": "sklearn", "strong": "sklearn"}, "seeds": 1}
    (tmp_path / "recipe.py").write_text(
        "from surpass.models.sklearn import Sklearn\nfrom surpass.study import Pair, Study\n"
        "from surpass.tasks.toy import Toy\n\ndef make():\n"
        "    return Study(name='r', tasks=(Toy(),), pairs=(Pair(weak=Sklearn(), strong=Sklearn()),), seeds=1)\n"
        "\ndef wrong():\n    return 3\n"
    )
    assert parse(plain) == read(f"{tmp_path / 'recipe.py'}:make")
    with pytest.raises(StudyError, match="returned 3; a function that returns a Study is needed"):
        read(f"{tmp_path / 'recipe.py'}:wrong")
    for lacks in ("none.py:make", "recipe.py"):
        with pytest.raises(StudyError, match=rf"recipe '.*{lacks}' cannot be read. Give FILE\.py:FUNCTION"):
            read(tmp_path / lacks)


def test_the_same_study_by_file_and_by_hand_has_one_key(tmp_path, small_study):
    (tmp_path / "s.yaml").write_text(
        "name: small\ntasks: [{task: toy, rows: 400}]\nseeds: 1\n"
        "data: {n_weak: 40, n_transfer: 60, n_val: 20, n_test: 60}\n"
        "pairs: [{weak: {model: sklearn, ngrams: 1}, strong: sklearn}]\n"
    )
    assert read(tmp_path / "s.yaml") == small_study()


def test_a_good_study_has_no_problems(small_study):
    assert problems_of(small_study()) == []


def test_defaults_and_first_lines_for_lists():
    assert defaults_of(LogConf) == {"variant": "paper", "strength": 0.5}
    assert defaults_of(FileTask)["path"] is None
    assert "fingerprint" not in defaults_of(Toy)
    assert first_line(Soft) == "Weak labels as they are."


def test_a_preset_is_read_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read("first-look").name == "first-look"


def test_a_metric_that_stands_twice_is_refused():
    text = {"name": "x", "tasks": "toy", "pairs": [{"weak": "sklearn", "strong": "sklearn"}], "metrics": ["ece", "ece"]}
    with pytest.raises(StudyError, match="has one twice"):
        parse(text)
