"""Bad input: every problem at once, each with the value, what is allowed, and what to do."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from surpass.errors import DataError, StudyError
from surpass.feasibility import problems_of
from surpass.labels.ensemble import Ensemble
from surpass.labels.file import File as FileLabel
from surpass.methods.base import Method
from surpass.methods.logconf import LogConf
from surpass.models.sklearn import Sklearn
from surpass.runner import plan, run
from surpass.splits import Data, make_splits
from surpass.study import Pair
from surpass.studyfile import parse, read
from surpass.tasks.base import Generated, Task
from surpass.tasks.file import File
from surpass.tasks.toy import Toy

EVERYTHING = """
name: wrong
tasks:
  - toy
  - tooy
  - {task: toy, noize: 0.1}
  - {task: toy, rows: 2}
  - {task: file, path: /nowhere/rows.csv}
  - {model: sklearn}
data: {n_weak: 90000, n_tets: 5, n_val: many}
pairs:
  - {weak: sklearn, strong: {model: sklearn, ngrams: two, features: bag}}
  - {weak: {label: file, path: /nowhere/labels.csv}, strong: sklearn, method: soft}
  - {weak: {method: soft}, strong: {modle: sklearn}}
  - {strong: sklearn}
  - {weak: sklearn, strong: sklearn, methods: [{method: logconf, strength: 2}, hrad], data: {n_test: -1}}
  - {weak: sklearn, strong: sklearn}
  - sklearn
methods: [soft, logconf]
seeds: 0
level: high
colour: red
"""
EXPECTED = [
    r"unknown task 'tooy'\. Did you mean 'toy'\?",
    r"task 'toy': unknown field 'noize'\. Did you mean 'noise'\? Allowed: rows, noise\.",
    r"task 'toy': rows=2, but at least 10 is needed\.",
    r"file '/nowhere/rows\.csv' is not there",
    r"data: unknown field 'n_tets'\. Did you mean 'n_test'\?",
    r"data: n_val='many', but allowed is a whole number\.",
    r"model 'sklearn': ngrams='two', but allowed is a whole number\.",
    r"model 'sklearn': features='bag', but allowed is 'tfidf' or 'chars' or 'descriptors' or 'morgan' or ",
    r"pair 2: unknown field 'method'\. Did you mean 'methods'\?",
    r"\{'modle': 'sklearn'\} names no model\. Add model: NAME; known: .*sklearn",
    r"pair 4: field 'weak' is missing\.",
    r"method 'logconf': strength=2, but at most 1 is allowed\.",
    r"unknown method 'hrad'\. Did you mean 'hard'\?",
    r"pair 5: data: n_test=-1, but at least 0 is needed\.",
    r"pair 7 is 'sklearn'; a mapping with weak and strong is needed\.",
    r"study: seeds=0, but at least 1 is needed\.",
    r"study: level='high', but allowed is a number\.",
    r"study: unknown field 'colour'\.",
    r"model 'sklearn' stands where a task is needed\.",
    r"method 'soft' stands where a model or a label is needed\.",
    # found in what can be read all the same
    r"method 'logconf' needs gradient training on its loss, which model 'sklearn' cannot do as it is set",
    r"n_weak=90000 and n_transfer=2000, but task 'toy' has \d+ rows in equal numbers of each class on its training side",
    r"The largest that fit in this proportion are n_weak=\d+ and n_transfer=\d+\.",
]


@pytest.fixture(scope="module")
def everything(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("studies") / "wrong.yaml"
    path.write_text(EVERYTHING, encoding="utf-8")
    with pytest.raises(StudyError, match=r"^\d+ problems in this study:\n  1\. ") as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("problem", EXPECTED)
def test_a_study_file_with_every_mistake_names_them_all_at_once(problem, everything):
    assert re.search(problem, everything), everything


def test_no_problem_stands_twice(everything):
    lines = [re.sub(r"^ +\d+\. ", "", line) for line in everything.splitlines()[1:]]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "a study is a mapping with name, tasks and pairs, but this is a list"),
        ("", "a study is a mapping with name, tasks and pairs, but this is empty"),
        ("name: [", r"study file '.*s\.yaml' is not valid YAML: while parsing"),
        ("name: x\ntasks: toy", "study: field 'pairs' is missing"),
        ("name: x\ntasks: []\npairs: []", "study: tasks is empty; at least one is needed"),
        ("name: 3\ntasks: toy\npairs: {weak: sklearn, strong: sklearn}", "study: name=3, but allowed is text"),
        ("name: x\ntasks: toy\npairs: {weak: sklearn, strong: sklearn}\ndata: 5", "data is 5; a mapping such as"),
        ("name: x\ntasks: [5]\npairs: {weak: sklearn, strong: sklearn}", "task 5: give a name, or a mapping such as"),
        ("name: x\ntasks: toy\npairs: {weak: sklearn, strong: gold}", r"unknown model 'gold'\."),
        ("name: x\ntasks: toy\npairs: {weak: sklearn, strong: {label: gold}}", "label 'gold' stands where a model is"),
        ("name: x\ntasks: toy\npairs: {weak: {label: ensemble, members: [{model: skl}]}, strong: sklearn}", "'skl'"),
    ],
)
def test_study_files_that_are_no_study(text, message, tmp_path):
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=message):
        read(tmp_path / "s.yaml")


def test_study_files_that_cannot_be_read(tmp_path):
    with pytest.raises(StudyError, match=r"study file '.*none\.yaml' cannot be read: No such file or directory"):
        read(tmp_path / "none.yaml")
    (tmp_path / "s.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(StudyError, match="is not valid YAML"):
        read(tmp_path / "s.yaml")


def test_an_empty_data_section_is_no_problem():
    plain = {"name": "x", "tasks": ["toy"], "pairs": [{"weak": "sklearn", "strong": "sklearn"}], "data": None}
    assert parse(plain).data == ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vectors(Task):
    """Numbers to predict numbers from. Licence: none."""

    target = "regression"
    input = "vector"

    def source(self) -> Generated:
        return Generated(lambda: iter(()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextsOnly(Sklearn):
    """Classifies texts."""

    inputs = frozenset({"text"})
    targets = frozenset({"classification"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moods(Toy):
    """Sentences of three moods. Licence: none."""

    classes = ("grim", "plain", "merry")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfTwo(Method):
    """Weak labels, of two classes only."""

    most_classes = 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": (LogConf(),)}, r"pair 1, method 'logconf' needs gradient training .* method soft or hard"),
        (
            {"tasks": (Vectors(),)},
            "cannot serve task '.*Vectors', which is regression; as it is set it does classification",
        ),
        ({"tasks": (Vectors(),)}, "cannot read task '.*Vectors', whose input is vector; as it is set it reads text"),
        ({"tasks": (Toy(rows=400), Toy(rows=400))}, r"task 'toy\(rows=400\)' stands twice in tasks"),
        (
            {"tasks": (Moods(),), "methods": (OfTwo(),)},
            r"method '.*OfTwo' is defined for 2 classes, but task '.*Moods' has 3\.",
        ),
        ({"metrics": ("mse",)}, "metric 'mse' is not one for classification; allowed are accuracy"),
        ({"data": {"n_test": 0}}, r"n_test=0, but every study needs test rows\. Set data: \{n_test: \.\.\.\}"),
        ({"data": {"n_weak": 0}}, "n_weak=0, but every study needs weak rows"),
        ({"data": {"n_test": 999}}, r"n_test=999 and n_val=300, but task .* on its evaluation side"),
        ({"pairs": "other task"}, r"pair 1: task 'sarcasm' is not in the study, which has toy\(rows=400\)"),
        ({"pairs": "inside"}, r"pair 1, model '.*TextsOnly' cannot read task .* whose input is vector"),
        ({"pairs": "no file"}, r"label 'file': file '/nowhere/l\.csv' is not there"),
    ],
)
def test_studies_that_cannot_run_are_refused_before_anything_runs(changes, message, small_study, store):
    strong = TextsOnly()
    pairs: dict[str, Any] = {
        "other task": Pair(weak=strong, strong=strong, tasks=("sarcasm",)),
        "inside": Pair(weak=Ensemble(members=(strong, strong)), strong=Sklearn(features="none")),
        "no file": Pair(weak=FileLabel(path="/nowhere/l.csv"), strong=strong),
    }
    if changes.get("pairs") == "inside":
        changes = {**changes, "tasks": (Vectors(),)}
    values = {"pairs": (Pair(weak=strong, strong=strong),), **changes}
    if isinstance(values["pairs"], str):
        values["pairs"] = (pairs[values["pairs"]],)
    study = small_study(**values)
    assert any(re.search(message, text) for text in problems_of(study)), problems_of(study)
    with pytest.raises(StudyError, match=message):
        run(study, store=store)
    assert not (store.root / "fit").exists()


def test_a_plan_names_the_rows_beside_the_other_problems(small_study, store):
    study = small_study(methods=(LogConf(),), data={"n_test": 9999})
    with pytest.raises(StudyError, match=r"(?s)method 'logconf' needs gradient.*n_test=9999 and n_val=300"):
        plan(study, store)


def test_a_study_of_labels_needs_no_weak_rows(small_study, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n" + "".join(f"{i},pleasant\n" for i in range(400)))
    pair = Pair(weak=FileLabel(path=str(path)), strong=Sklearn())
    assert (
        problems_of(small_study(pairs=(pair,), data={"n_weak": 0, "n_transfer": 50, "n_val": 10, "n_test": 50})) == []
    )


# Files of rows


def rows_file(path, text: str, **options: Any) -> File:
    path.write_text(text, encoding="utf-8")
    return File(path=str(path), **options)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", b"text,label\ncaf\xe9,a\n", r"task 'file': '.*' cannot be read as UTF-8 \.csv: .* Save it as UTF-8"),
        ("r.csv", b"text,label\na,b,c\n", "line 2 of '.*': it has 3 cells, the first line has 2. Mend it, or read"),
        ("r.csv", b"", r"task 'file': '.*r\.csv' is empty"),
        ("r.csv", b"text,label\n", r"'.*r\.csv' has no rows"),
        ("r.csv", b"words,lable\nx,y\n", r"no column 'text', 'label'. It has 'words', 'lable'. Did you mean 'lable'\?"),
        ("r.jsonl", b'{"text": "a"\n', r"task 'file': '.*' holds no JSON object in any line"),
        ("r.jsonl", b'{"text": "a", "label": "x"}\n[1, 2]\n', "line 2 of '.*': it is no JSON object"),
        ("r.txt", b"text,label\na,x\n", r"the suffix \.txt, which tells no format. Readable are \.csv"),
    ],
)
def test_files_of_rows_that_cannot_serve(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    task = File(path=str(tmp_path / name))
    with pytest.raises(DataError, match=message):
        raise DataError(problem) if (problem := task.problem()) else task.resolve()


def test_a_bad_row_further_down_is_an_error_in_words(tmp_path):
    task = rows_file(tmp_path / "r.csv", "text,label\na,x\nb,y\nc,x,more\n")
    assert task.problem() is None
    with pytest.raises(DataError, match=r"line 4 of '.*': it has 3 cells, the first line has 2"):
        task.resolve()


def test_bad_lines_and_empty_cells_are_left_out_and_make_no_class(tmp_path):
    task = rows_file(tmp_path / "r.csv", "text,label\na,x\nb,y\nc\n,x\nd, \n", strict=False).resolve()
    assert task.class_names() == ("x", "y")
    assert [example is None for example in task.examples()] == [False, False, True, True, True]
    assert make_splits(Data(task=task, n_weak=1, n_transfer=0, n_val=0, n_test=0, balance=False)).facts["left_out"] == 3


def test_zero_and_false_are_labels(tmp_path):
    lines = "".join(f'{{"text": "t{i}", "label": {i % 2}, "author": {i % 3}}}\n' for i in range(6)) + '{"text": "u"}\n'
    task = rows_file(tmp_path / "r.jsonl", lines, group="author").resolve()
    assert task.class_names() == ("0", "1")
    found = list(task.examples())
    assert [example.label for example in found[:6]] == [0, 1, 0, 1, 0, 1]
    assert [example.group for example in found[:3]] == ["0", "1", "2"]
    assert found[6] is None


def test_a_label_outside_the_given_names_is_named(tmp_path):
    task = rows_file(tmp_path / "r.csv", "text,label\na,x\nb,z\n", names=("x", "y"))
    with pytest.raises(DataError, match=r"line 3 of '.*r\.csv': column 'label' has 'z', which is none of x, y"):
        task.resolve()


def test_a_missing_file_is_said_without_the_folders_above(tmp_path):
    assert "file 'gone.csv' is not there" in str(File(path="gone.csv").problem())
    with pytest.raises(DataError, match=r"file 'gone.csv' is not there"):
        File(path="gone.csv", names=("a", "b")).resolve()
