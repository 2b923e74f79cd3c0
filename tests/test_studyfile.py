"""Study files: read as people write them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from surpass.errors import SpecError, StudyError
from surpass.feasibility import problems_of
from surpass.inspection import defaults_of, first_line
from surpass.labels.ensemble import Ensemble
from surpass.labels.file import File
from surpass.methods.hard import Hard
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.study import Pair, Study
from surpass.studyfile import parse, read
from surpass.tasks.file import File as FileTask
from surpass.tasks.toy import Toy
from surpass.workers import check_sendable

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


OWN = """
import dataclasses
from beside import Flipped
from surpass import Pair, Sklearn, Study
from surpass.tasks.toy import Toy

@dataclasses.dataclass(frozen=True, kw_only=True)
class Own(Toy):
    '''The toy under another name.'''

def make():
    pairs = (Pair(weak=Sklearn(ngrams=1), strong=Sklearn()),)
    data = {"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": 60}
    return Study(name="own", tasks=(Own(),), pairs=pairs, methods=(Flipped(),), data=data, seeds=1)
"""
BESIDE = """
import dataclasses
from surpass.methods.base import Method

@dataclasses.dataclass(frozen=True, kw_only=True)
class Flipped(Method):
    '''The labels the other way round.'''

    def prepare(self, weak, given, rng):
        return dataclasses.replace(weak, values=weak.values[:, ::-1].copy())
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Return a function that writes a recipe of this name with classes of its own and one beside it; modules are let go."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def write(name: str, text: str = OWN) -> str:
        (tmp_path / "beside.py").write_text(BESIDE, encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
        return f"{tmp_path / name}:make"

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_recipe_finds_what_lies_beside_it_and_can_be_sent_to_workers(recipe):
    study = read(recipe("mine_own.py"))
    assert study.tasks[0].kind == "task/mine_own:Own"
    assert study.methods[0].kind == "method/beside:Flipped"
    check_sendable([study.resolve()])
    assert sys.modules["mine_own"].Own is type(study.tasks[0])
    assert sys.path[-1] == str(Path(sys.modules["mine_own"].__file__).parent)  # what is installed goes first


def test_a_recipe_read_again_is_the_file_as_it_is_now(recipe):
    read(recipe("mine_again.py"))
    again = read(recipe("mine_again.py", OWN.replace('name="own"', 'name="another"')))
    assert again.name == "another"
    check_sendable([again.resolve()])
    with pytest.raises(StudyError, match="NameError: name 'oops'"):
        read(recipe("mine_again.py", OWN + "\noops\n"))
    assert "mine_again" not in sys.modules


@pytest.mark.parametrize("name", ["colorsys.py", "mine.v2.py"])
def test_a_recipe_whose_name_no_worker_can_import_runs_in_this_process_alone(name, recipe, store):
    """It takes no module's place; classes of its own are refused before anything is handed to a worker."""
    import colorsys

    study = read(recipe(name))
    assert sys.modules["colorsys"] is colorsys
    with pytest.raises(SpecError, match=r"cannot be handed to worker processes: Can't pickle .*Own.*--jobs 0"):
        run(study, store=store, runtime=Runtime(jobs=1))
    assert not (store.root / "data").exists()
    _, outcomes = run(study, store=store)
    assert {outcome.status for outcome in outcomes} == {"done"}


def test_a_recipe_with_classes_of_its_own_runs_on_workers(recipe, tmp_path):
    """As a person calls it, in another folder; its report is made again with the folder on PYTHONPATH."""
    source, there = recipe("mine_run.py"), tmp_path / "elsewhere"
    there.mkdir()

    def surpass(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "surpass", *words]
        env = {**os.environ, **variables}
        return subprocess.run(command, cwd=there, env=env, capture_output=True, text=True, timeout=120, check=False)

    done = surpass("run", source, "--jobs", "1", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    lost = surpass("report", "out/own", "--quiet")
    assert lost.returncode == 2
    assert "on PYTHONPATH" in lost.stderr
    assert surpass("report", "out/own", "--quiet", PYTHONPATH=str(tmp_path)).returncode == 0
