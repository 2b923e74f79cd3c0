"""What a newcomer does wrong, and what a run meets: told in words, and nothing that was good is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from surpass.cli import main
from surpass.errors import DataError, SpecError, StoreError, StudyError
from surpass.feasibility import problems_of
from surpass.folder import check_writable, recall
from surpass.inspection import manifest
from surpass.runner import plan
from surpass.store import MARKER, Store
from surpass.studyfile import parse, read

STUDY = """
name: first
tasks: [{task: toy, rows: 400}]
data: {n_weak: 40, n_transfer: 60, n_val: 20, n_test: 60}
pairs: [{weak: {model: sklearn, ngrams: 1}, strong: sklearn}]
seeds: 1
"""


def surpass(*arguments: str, cwd: Path, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "surpass", *arguments],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
        env={**os.environ, **variables},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def here(tmp_path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    surpass("run", "study.yaml", "--jobs", "0", "--quiet", cwd=folder)
    return folder


@pytest.fixture
def finished(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def said_of(text: str, folder: Path) -> str:
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        read(folder / "s.yaml")
    return str(caught.value)


@pytest.mark.parametrize("name", ["../up", "a/b", "/abs", "''", '"a\\0b"', ".", "..", "x" * 101])
def test_a_name_that_is_no_folder_name_is_refused(name, tmp_path):
    assert "but it names a folder" in said_of(STUDY.replace("name: first", f"name: {name}"), tmp_path)


@pytest.mark.parametrize("name", ["first", "Größe 2.1", "a_b-c", "x" * 100])
def test_ordinary_names_are_taken(name, small_study):
    assert small_study(name=name).name == name


@pytest.mark.parametrize(
    ("place", "word", "lacking"),
    [
        ("strong: sklearn", "strong: {model: surpass.models.base:Model}", "fit or fit_all"),
        ("weak: {model: sklearn, ngrams: 1}", "weak: {label: surpass.labels.base:LabelSource}", "compute"),
        ("task: toy, rows: 400", "task: surpass.tasks.base:Task", "source or sources, and example, expand or draw"),
    ],
)
def test_a_base_class_is_no_plug_in(place, word, lacking, tmp_path):
    text = said_of(STUDY.replace(place, word), tmp_path)
    assert text.startswith("1 problem")
    assert f"has no {lacking} of its own" in text


@pytest.mark.parametrize(
    ("strong", "said"),
    [
        (
            "estimator: sklearn.cluster.KMeans",
            "sklearn.cluster.KMeans learns from no labels: it is neither a classifier",
        ),
        ("estimator: sklearn.svm.SVC", "sklearn.svm.SVC with {} gives classes without probabilities"),
        (
            "params: [C]",
            "params=['C'], but allowed is a mapping such as {name: value}, each value text or a whole number",
        ),
    ],
)
def test_a_wrong_estimator_is_one_problem_that_says_what_it_is(strong, said, tmp_path):
    study = STUDY.replace("strong: sklearn", f"strong: {{model: sklearn, {strong}}}")
    (tmp_path / "s.yaml").write_text(study, encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        plan(read(tmp_path / "s.yaml"), Store(tmp_path), read_rows=False)
    assert str(caught.value).startswith("1 problem")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("place", "said"),
    [("name: first", "but it names a folder"), ("task: toy", "toy, train-choices"), ("strong: sklearn", "Known: ")],
)
def test_what_is_long_leaves_room_for_what_to_do(place, said, here):
    before = place.partition(" ")[0]
    (here / "long.yaml").write_text(STUDY.replace(place, f"{before} {'x' * 100_000}"), encoding="utf-8")
    done = CliRunner().invoke(main, ["plan", str(here / "long.yaml")])
    assert done.exit_code == 2
    assert "[...]" in done.output
    assert said in done.output
    assert len(done.output) < 3000


@pytest.mark.parametrize(
    "words",
    [("plan", "{long}.yaml"), ("report", "{long}"), ("plan", "labels.yaml"), ("run", "study.yaml", "--out", "{long}")],
)
def test_a_path_that_no_file_can_have_is_told_in_words(words, here, monkeypatch):
    monkeypatch.chdir(here)
    long = "x" * 5000
    (here / "labels.yaml").write_text(
        STUDY.replace("{model: sklearn, ngrams: 1}", f"{{label: file, path: {long}}}"), encoding="utf-8"
    )
    done = CliRunner().invoke(main, [word.format(long=long) for word in words])
    assert done.exit_code == 2
    assert "too long" in done.output


def test_a_field_that_stands_twice_is_refused(tmp_path):
    assert "field 'seeds' stands twice in \"<unicode string>\", line 7" in said_of(STUDY + "seeds: 3\n", tmp_path)
    assert "field 'weak' stands twice" in said_of(STUDY.replace("weak:", "weak: sklearn, weak:"), tmp_path)


def test_every_empty_section_is_named_at_once(tmp_path):
    text = said_of("name: x\ntasks:\npairs: []\nmethods:\nseeds: 0\n", tmp_path)
    for name in ("tasks", "pairs", "methods"):
        assert f"study: {name} is empty; at least one is needed" in text
    assert "seeds=0" in text


def test_a_wrong_size_is_not_followed_by_a_problem_of_the_default_size(tmp_path):
    text = said_of(STUDY.replace("n_weak: 40", "n_weak: many"), tmp_path)
    assert text.startswith("1 problem")
    assert "n_weak='many', but allowed is a whole number" in text


def test_a_task_of_one_class_is_refused_before_it_runs(tmp_path):
    rows = "".join(f"text {i},yes\n" for i in range(400))
    (tmp_path / "rows.csv").write_text("text,label\n" + rows, encoding="utf-8")
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("{task: toy, rows: 400}", f"{{task: file, path: {tmp_path / 'rows.csv'}}}"))
    problems = problems_of(read(path))
    (problem,) = problems
    assert "holds one class only, 'yes'. Two classes or more are needed" in problem


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def make(:\n", "SyntaxError"),
        ("def make():\n    raise ValueError('a slip')\n", "ValueError: a slip"),
        ("def make(x):\n    return x\n", "TypeError"),
        ("def made():\n    return 1\n", "has no attribute 'make'"),
    ],
)
def test_a_recipe_with_a_mistake_is_told_in_words(code, said, tmp_path):
    (tmp_path / "r.py").write_text(code, encoding="utf-8")
    with pytest.raises(StudyError, match=r"r\.py:make' cannot be run: .*Mend that file") as caught:
        read(f"{tmp_path / 'r.py'}:make")
    assert said in str(caught.value)


def test_errors_of_surpass_inside_a_recipe_stay_what_they_are(tmp_path):
    (tmp_path / "r.py").write_text("from surpass import Sklearn\n\ndef make():\n    return Sklearn(ngrams=-1)\n")
    with pytest.raises(SpecError, match="ngrams=-1"):
        read(f"{tmp_path / 'r.py'}:make")


def test_an_output_folder_that_cannot_be_is_refused_before_anything_runs(here):
    for out in ("study.yaml", "study.yaml/inside"):
        text = surpass("run", "study.yaml", "--out", out, "--jobs", "0", cwd=here, code=2).stderr
        assert f"output folder '{out}' cannot be written" in text
    text = surpass("run", "study.yaml", "--out", "out/store", "--jobs", "0", cwd=here, code=2).stderr
    assert "output folder 'out/store' is the store" in text
    assert sorted(path.name for path in (here / "out/store").iterdir()) == [MARKER]


def test_an_output_folder_at_an_address_is_refused(store):
    with pytest.raises(DataError, match="only --store takes addresses"):
        check_writable(Path("s3://bucket/out"), store)


def test_a_name_too_long_for_the_file_system_is_told_in_words(store, tmp_path):
    with pytest.raises(DataError, match="File name too long"):
        check_writable(tmp_path / ("x" * 400), store)
    check_writable(tmp_path / "new" / "folder", store)
    assert not (tmp_path / "new").exists()


def test_a_store_is_only_made_where_something_is_to_be_kept(finished):
    text = surpass("show", "abc", "--store", "nowhere", cwd=finished, code=2).stderr
    assert "there is no store at" in text
    assert not (finished / "nowhere").exists()


def test_a_plan_makes_no_store_and_says_that_there_is_none(here):
    for place in (f"{here}/typo", f"file://{here}/typo"):
        for words in (("plan",), ("run", "--dry-run")):
            done = CliRunner().invoke(main, [*words, str(here / "study.yaml"), "--store", place])
            assert f"7 stages: 0 cached (there is no store at '{place}' yet), 7 to run" in done.output
    assert [path.name for path in here.iterdir()] == ["study.yaml"]
    (here / "full").mkdir()
    (here / "full/diary.txt").touch()
    with pytest.raises(StoreError, match="is not a surpass store"):
        Store.look(here / "full")


def test_an_address_that_an_output_folder_names_is_not_opened(finished):
    place = f"file://{finished}/out/store"
    path = finished / "out/first/study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "store": place}))
    text = surpass("report", "out/first", cwd=finished, code=2).stderr
    assert f"'out/first' names its store by an address, '{place}'" in text
    assert f"Give it yourself, if you trust it: --store {place}" in text


def test_the_report_of_a_killed_run_says_how_to_go_on(here):
    with pytest.raises(DataError, match=r"A run that was killed has none: give its command again"):
        recall(here / "out/first")


def test_a_moved_output_folder_keeps_its_report(finished):
    (finished / "far" / "away").mkdir(parents=True)
    moved = Path(shutil.move(finished / "out/first", finished / "far/away/first"))
    before = (moved / "results.csv").read_bytes()
    assert "there is no store at" in surpass("report", "far/away/first", cwd=finished, code=2).stderr
    assert "there is no store at" in surpass("check", "far/away/first", cwd=finished, code=2).stderr
    Store.open(finished / "empty")
    with pytest.raises(DataError, match=r"store '[^']*/empty' has no stage of the study"):
        recall(moved, finished / "empty")
    assert (moved / "results.csv").read_bytes() == before
    assert not (finished / "far/store").exists()
    surpass("report", "far/away/first", "--store", "out/store", "--quiet", cwd=finished)
    assert (moved / "results.csv").read_bytes() == before


def test_a_report_that_lacks_a_damaged_stage_says_so(finished):
    next((finished / "out/store/fit").glob("*/*/arrays.npz")).write_bytes(b"altered")
    text = surpass("report", "out/first", "--quiet", cwd=finished, code=1).stderr
    assert "the report lacks 1 of" in text
    assert "Run the study again" in text


@pytest.mark.parametrize("change", ["store", "ended", "Outcome"])
def test_a_damaged_study_json_is_told_in_words(change, finished):
    path = finished / "out/first/study.json"
    body = json.loads(path.read_text())
    body = {**body, "ended": [{"key": "x", "colour": 1}]} if change == "Outcome" else {**body, change: None}
    path.write_text(json.dumps(body))
    with pytest.raises(DataError, match="is not the output of a study"):
        recall(finished / "out/first")


def test_nonsense_for_a_key_finds_nothing(finished):
    store = Store.open(finished / "out/store")
    for nonsense in ("*", "**", "[", "../", "?"):
        with pytest.raises(StoreError, match=r"no artifact in store .* has a key that begins with"):
            manifest(store, nonsense)


def test_a_damaged_manifest_is_told_in_words(finished):
    store = Store.open(finished / "out/store")
    path = next((store.root / "fit").glob("*/*/manifest.json"))
    path.write_text("{")
    with pytest.raises(StoreError, match=r"has a damaged manifest\. Run its study again"):
        manifest(store, path.parent.name)


def test_a_marker_that_is_no_mapping_is_another_layout(tmp_path):
    (tmp_path / MARKER).write_text("[]")
    with pytest.raises(StoreError, match=r"has layout \[\]"):
        Store.open(tmp_path)


def test_a_device_that_does_not_exist_is_refused(here):
    text = surpass("run", "study.yaml", "--device", "gpu", cwd=here, code=2).stderr
    assert "'gpu' is not auto, cpu, cuda, cuda:N or map" in text
    text = surpass("run", "study.yaml", "--device", "cuda:99", "--jobs", "0", cwd=here, code=2).stderr
    assert "GPUs here. Use cpu, or auto" in text
    assert not (here / "out/first").exists()


@pytest.mark.parametrize("option", ["--price", "--tflops"])
def test_numbers_of_a_plan_are_finite(option, here):
    for text in ("nan", "inf"):
        said = surpass("plan", "study.yaml", option, text, cwd=here, code=2).stderr
        assert f"{text} is not a finite number" in said


def test_a_launch_without_its_numbers_or_its_meeting_place_is_told_in_words(here):
    text = surpass("run", "study.yaml", cwd=here, code=2, WORLD_SIZE="two", RANK="0").stderr
    assert "WORLD_SIZE='two' in the environment" in text
    text = surpass("run", "study.yaml", cwd=here, code=2, WORLD_SIZE="2", RANK="0").stderr
    assert "the 2 processes of this launch did not meet" in text
    assert "unset RANK and WORLD_SIZE" in text


def test_settings_of_a_run_in_a_study_file_are_told_where_they_belong(tmp_path):
    text = said_of(STUDY + "device: map\n", tmp_path)
    assert "unknown field 'device'. How a study runs is no part of it: give --device to surpass run" in text
    assert "Did you mean" not in text


def test_what_would_steer_the_terminal_is_spelt_out(here):
    (here / "bad.yaml").write_text(STUDY.replace("task: toy", 'task: "\\x1b[31mtoy"'), encoding="utf-8")
    text = surpass("plan", "bad.yaml", cwd=here, code=2).stderr
    assert "\x1b" not in text
    assert r"unknown task '\x1b[31mtoy'" in text


def test_a_terminal_that_cannot_show_an_arrow_shows_the_rest(finished):
    done = surpass("run", "study.yaml", "--jobs", "0", cwd=finished, PYTHONIOENCODING="ascii")
    assert "floor" in done.stdout
    assert "Report: out/first/report.html" in done.stdout


def test_a_quiet_dry_run_says_nothing(finished):
    assert surpass("run", "study.yaml", "--dry-run", "--quiet", cwd=finished).stdout == ""


def test_ctrl_c_is_told_in_words_wherever_it_comes(finished):
    code = (
        "import sys, surpass.report\n"
        "def stopped(*a): raise KeyboardInterrupt\n"
        "surpass.report.write = stopped\n"
        "sys.argv = ['surpass', 'report', 'out/first']\n"
        "from surpass.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=finished, capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGINT
    assert "stopped. What was finished is kept" in done.stderr


def test_a_misspelt_preset_is_told_apart_from_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match=r"unknown preset 'crowdd'\. Did you mean 'crowd'\?.* Or give a YAML file"):
        read("crowdd")
    with pytest.raises(StudyError, match=r"study file 'crowdd\.yaml' cannot be read"):
        read("crowdd.yaml")


def test_a_label_that_holds_a_name_where_a_mapping_belongs_is_told_what_to_write():
    blend = {"label": "blend", "weak": "sklearn"}
    with pytest.raises(
        StudyError, match=r"weak='sklearn', but allowed is a model or a label source, as a mapping such as"
    ):
        parse({"name": "x", "tasks": ["toy"], "pairs": [{"weak": blend, "strong": "sklearn"}]})


def test_a_folder_that_is_no_output_is_told_without_python_words(tmp_path):
    with pytest.raises(DataError, match=r"study\.json cannot be read \(No such file or directory\)\. Give the folder"):
        recall(tmp_path)
