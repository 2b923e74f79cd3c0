"""`surpass diagnose` on finished studies: real artifacts, what it reads of them, and what it says when it cannot."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import tiny
from candidates import pairs as candidate_pairs
from click.testing import CliRunner, Result

from surpass import diagnosing
from surpass.artifacts import Predictions
from surpass.cli import main
from surpass.diagnostics import (
    Views,
    calibration,
    error_similarity,
    kernel_gap,
    kernel_norm,
    misfits,
    nearest_dimension,
)
from surpass.errors import DataError
from surpass.folder import recall, remember
from surpass.methods.soft import Soft
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.report import write
from surpass.results_diagnoses import DiagnosisRow
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.shelf import Shelf, run_of
from surpass.stages import Features
from surpass.stats import Run
from surpass.store import Store
from surpass.study import Pair, Study, cells
from surpass.tasks.base import Example, Generated, Row, Task

DATA = {"n_weak": 60, "n_transfer": 90, "n_val": 20, "n_test": 80}
LEAST_MISFIT = "reverse_kl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moods(Task):
    """The texts of the tiny models."""

    classes: ClassVar[tuple[str, ...]] = ("bad", "good")

    def source(self) -> Generated:
        return Generated(self._make)

    def _make(self) -> Iterator[Row]:
        texts, labels = tiny.texts(400)
        for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
            yield {"id": str(i), "text": text, "label": int(label)}

    def example(self, row: Row, rng: Random) -> Example:
        return Example(row["text"], row["label"], id=row["id"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lengths(Moods):
    """How many words a text has, more or less."""

    target: ClassVar[str] = "regression"
    classes: ClassVar[tuple[str, ...]] = ()

    def example(self, row: Row, rng: Random) -> Example:
        return Example(row["text"], len(row["text"].split()) + rng.gauss(0, 0.1), id=row["id"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choices(Task):
    """Which of two texts is the good one."""

    target: ClassVar[str] = "preference"
    input: ClassVar[str] = "pair"

    def source(self) -> Generated:
        return Generated(self._make)

    def _make(self) -> Iterator[Row]:
        texts, first = candidate_pairs(400)
        for i, (pair, label) in enumerate(zip(texts, first, strict=True)):
            yield {"id": str(i), "pair": pair, "label": int(label)}

    def example(self, row: Row, rng: Random) -> Example:
        return Example(tuple(row["pair"]), row["label"], id=row["id"])


class Finished(NamedTuple):
    """A study that ran, its store and its output folder."""

    study: Study
    store: Store
    out: Path

    def copy(self, folder: Path) -> Path:
        """Return a copy of the output folder that a test may change."""
        shutil.copytree(self.out, folder)
        return folder

    def diagnose(self, *words: str) -> Result:
        return diagnose(self.out, "--store", str(self.store.root), *words)


def diagnose(out: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["diagnose", str(out), *words])


def report(out: Path, store: Store) -> Result:
    return CliRunner().invoke(main, ["report", str(out), "--store", str(store.root)])


def finish(folder: Path, tasks: tuple[Task, ...], pairs: tuple[Pair, ...], **changes: Any) -> Finished:
    store, out = Store.open(folder / "store"), folder / "out"
    study = Study(name="small", tasks=tasks, pairs=pairs, data=DATA, **{"seeds": 2, **changes})
    made, outcomes = run(study, store=store, runtime=Runtime(jobs=0, device="cpu"))
    assert not [outcome.error for outcome in outcomes if outcome.error]
    remember(out, made, outcomes, store)
    write(results(made, outcomes, store), out)
    return Finished(made.study, store, out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, llama: str, bert: str) -> Finished:
    """Return a study of classes, numbers and preferences; of two pairs, one has a supervisor without features."""
    strong = Probe(backbone=bert, precision="fp32", solver="adam", epochs=4, points=3)
    weak = Probe(backbone=llama, precision="fp32")
    pairs = (Pair(weak=weak, strong=strong), Pair(weak=Sklearn(), strong=strong, tasks=("test_diagnose:Moods",)))
    tasks = (Moods(), Lengths(), Choices())
    names = {task.label() for task in tasks}
    assert pairs[1].tasks[0] in names, names
    return finish(tmp_path_factory.mktemp("diagnose"), tasks, pairs)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, bert: str) -> Finished:
    """Return a study that is diagnosed in a second: one pair, only the strong model has features."""
    strong = Probe(backbone=bert, precision="fp32")
    pairs = (Pair(weak=Sklearn(), strong=strong),)
    return finish(tmp_path_factory.mktemp("short"), (Moods(),), pairs, metrics=("accuracy",))


@pytest.fixture(scope="module")
def looked(finished: Finished) -> tuple[tuple[DiagnosisRow, ...], list[str]]:
    """Return the diagnoses of the study, and the keys of the artifacts in the order in which they were read."""
    made, _, store = recall(finished.out, finished.store.root)
    read: list[str] = []
    load = Store.load

    def counted(self: Store, kind: str, key: str) -> Any:
        read.append(key)
        return load(self, kind, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "load", counted)
        return diagnosing.diagnose(made, store), read


@pytest.fixture(scope="module")
def rows(looked: tuple[tuple[DiagnosisRow, ...], list[str]]) -> tuple[DiagnosisRow, ...]:
    return looked[0]


def of(rows: tuple[DiagnosisRow, ...], task: str, diagnostic: str, weak: str = "probe") -> list[DiagnosisRow]:
    return [row for row in rows if task in row.task and row.diagnostic == diagnostic and weak in row.weak]


def test_every_diagnostic_has_a_number_where_both_models_have_features(rows):
    for name in {measure.name for measure in diagnosing.MEASURES}:
        found = of(rows, "Moods", name)
        assert found, name
        assert any(not math.isnan(row.estimate.value) for row in found), (name, found[0].estimate.note)


def test_nothing_crashed_and_what_is_undefined_says_why(rows):
    assert not [row for row in rows if row.crashed]
    assert not [row for row in rows if math.isnan(row.estimate.value) and not row.estimate.note]
    subjects = [(r.task, r.weak, r.strong, r.method, r.diagnostic, r.quantity, r.part) for r in rows]
    assert len(set(subjects)) == len(subjects)


def test_what_reads_no_ground_truth_is_of_transfer_rows(rows):
    assert {(row.rows, row.gold) for row in rows} == {("transfer", False), ("test", True)}


def test_misfit_is_the_mean_over_the_stored_predictions(finished, rows):
    shelf, expected = Shelf(finished.store), []
    for cell in cells(finished.study):
        if "Lengths" in cell.task.label():
            scored = shelf.scored(cell)
            ids = scored.splits.part("transfer").ids
            expected.append(np.mean((scored.student.predictions.on(ids) - scored.supervisor.on(ids)) ** 2))
    [row] = of(rows, "Lengths", "misfit")
    assert row.quantity == "squared"
    assert row.estimate.value == pytest.approx(np.mean(expected), rel=1e-9)
    assert row.estimate.low < row.estimate.value < row.estimate.high
    assert row.estimate.seeds == 2


def test_misfit_of_classes_is_that_of_the_function_on_the_same_rows(finished, rows):
    shelf, expected = Shelf(finished.store), []
    for cell in cells(finished.study):
        if "Moods" in cell.task.label() and "probe" in cell.pair.weak.label():
            scored = shelf.scored(cell)
            known = scored.splits.part("transfer")
            student, weak = scored.student.predictions.on(known.ids), scored.supervisor.on(known.ids)
            nothing = dataclasses.replace(run_of(scored, "test", "last"), labels=np.zeros(len(known)))
            one = dataclasses.replace(nothing, groups=known.groups, student=student, floor=weak, ceiling=weak)
            expected.append(misfits([one], [LEAST_MISFIT])[0].misfit.value)
    [row] = [row for row in of(rows, "Moods", "misfit") if row.quantity == LEAST_MISFIT]
    assert row.estimate.value == pytest.approx(np.mean(expected), rel=1e-9)


class Held(NamedTuple):
    """What the store holds of one seed, read without the code that is tested."""

    transfer: Any
    test: Any
    gold: np.ndarray
    weak: Predictions
    student: Predictions
    ceiling: Predictions
    features: dict[tuple[str, str], Any]


def held(finished: Finished) -> list[Held]:
    shelf, found = Shelf(finished.store), []
    for cell in cells(finished.study):
        if "Moods" not in cell.task.label() or "probe" not in cell.pair.weak.label():
            continue
        one, tables = shelf.scored(cell), {}
        for side, model in (("strong", cell.pair.strong), ("weak", cell.pair.weak)):
            for part, data in (("transfer", cell.data.training()), ("evaluation", cell.data.evaluation())):
                tables[side, part] = shelf.get(Features(data=data, part=part, encoder=model.encoder()))
        weak, student, ceiling = one.supervisor, shelf.get(cell.student), shelf.get(cell.ceiling)
        test = one.splits.part("test")
        found.append(Held(one.splits.part("transfer"), test, np.array(test.labels), weak, student, ceiling, tables))
    return found


def value(rows: tuple[DiagnosisRow, ...], diagnostic: str, quantity: str, part: str) -> float:
    [row] = [row for row in of(rows, "Moods", diagnostic) if (row.quantity, row.part) == (quantity, part)]
    return row.estimate.value


def test_features_are_those_of_the_side_and_the_rows_that_are_said(finished, rows):
    seeds = held(finished)

    def tables(one: Held, part: str, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        return tuple(one.features[side, part].on(ids) for side in ("strong", "weak"))

    weak, gold = [], []
    for one in seeds:
        strong, supervisor = tables(one, "transfer", one.transfer.ids)
        weak.append(Views(strong, one.weak.on(one.transfer.ids), one.transfer.groups, supervisor))
        strong, supervisor = tables(one, "evaluation", one.test.ids)
        gold.append(Views(strong, np.eye(2)[one.gold.astype(int)], one.test.groups, supervisor))
    expected = {"weak labels, transfer rows": kernel_gap(weak), "ground truth, test rows": kernel_gap(gold)}
    assert expected["weak labels, transfer rows"].share.value != pytest.approx(
        expected["ground truth, test rows"].share.value, rel=0.01
    )
    for part, found in expected.items():
        assert value(rows, "kernel", "gap", part) == pytest.approx(found.gap.value, rel=1e-6)
        assert value(rows, "kernel", "gap share", part) == pytest.approx(found.share.value, rel=1e-6)
    first = tables(seeds[0], "transfer", seeds[0].transfer.ids)
    norm = kernel_norm(*first, seeds[0].transfer.groups)
    assert value(rows, "kernel", "norm share", "no labels, transfer rows") == pytest.approx(norm.share.value, rel=1e-6)
    for side, table in zip(("strong", "weak"), first, strict=True):
        wanted = nearest_dimension(table, seeds[0].transfer.groups).value
        assert value(rows, "dimension", "nearest", side) == pytest.approx(wanted, rel=1e-6)


def test_test_rows_are_those_of_the_role_that_is_said(finished, rows):
    seeds = held(finished)
    runs = [
        Run(one.gold, one.test.groups, *(part.on(one.test.ids) for part in (one.student, one.weak, one.ceiling)))
        for one in seeds
    ]
    assert finished.study.stopping == "last"
    for first in ("student", "ceiling"):
        wanted = error_similarity(runs, first=first).kappa.value
        assert value(rows, "similarity", "similarity", f"{first} and supervisor") == pytest.approx(wanted)
    for found in calibration(runs)[:2]:
        part = {"floor": "supervisor", "student": "student"}[found.role]
        assert value(rows, "calibration", "ece", part) == pytest.approx(found.ece.value)
        assert value(rows, "calibration", "overconfidence", part) == pytest.approx(found.overconfidence.value)
    for name, wrong in (("bad", 0), ("good", 1)):
        shares = [(one.weak.on(one.test.ids).argmax(axis=1) != wrong)[one.gold == wrong].mean() for one in seeds]
        errors = [(one.student.on(one.test.ids).argmax(axis=1) != wrong)[one.gold == wrong].mean() for one in seeds]
        assert value(rows, "expansion", "weak_error", name) == pytest.approx(np.mean(shares))
        assert value(rows, "expansion", "student_error", name) == pytest.approx(np.mean(errors))


def test_speed_is_of_right_and_of_wrong_weak_labels(finished, rows):
    for part, wanted in (("right weak labels", True), ("wrong weak labels", False)):
        last = []
        for one in held(finished):
            weak = one.weak.on(one.test.ids).argmax(axis=1)
            among = (weak == one.gold) == wanted
            last.append(one.student.on(one.test.ids)[np.arange(len(weak)), weak][among].mean())
        assert value(rows, "speed", "last", part) == pytest.approx(np.mean(last))


def test_other_rows_have_numbers_of_their_own(finished):
    """Two supervisors may each leave out other rows, as many of them."""
    made, _, store = recall(finished.out, finished.store.root)
    scored = Shelf(store).scored(cells(made.study)[0])
    one = diagnosing.Evidence(scored, "last", diagnosing.Desk(store))
    front, back = (one.transfer.take(np.arange(start, start + 60)) for start in (0, 30))
    assert one.of_rows("strong", front) == one.of_rows("strong", front)
    assert one.of_rows("strong", front) != one.of_rows("strong", back)


def test_a_supervisor_without_features_costs_only_what_needs_them(rows):
    mine = [row for row in rows if "tfidf" in row.weak]
    lost = {(row.diagnostic, row.part) for row in mine if "has no frozen features" in row.estimate.note}
    kernel = {("kernel", row.part) for row in mine if row.diagnostic == "kernel"}
    assert lost == kernel | {("dimension", "weak"), ("dimension", "both")}
    strong = [row for row in mine if (row.diagnostic, row.part) == ("dimension", "strong")]
    assert any(row.estimate.value > 0 for row in strong)
    twin = [row for row in of(rows, "Moods", "dimension") if row.part == "strong"]
    # the same features, whoever labels them
    assert [str(row.estimate) for row in strong] == [str(row.estimate) for row in twin]


def test_numbers_have_no_classes_to_compare(rows):
    for name in ("agreement", "similarity", "overlap", "expansion", "calibration", "speed"):
        found = of(rows, "Lengths", name)
        assert found
        assert all(math.isnan(row.estimate.value) and "regression" in row.estimate.note for row in found)
    assert all(row.estimate.value >= 0 for row in of(rows, "Lengths", "kernel"))


def test_preferences_are_classes(rows):
    agreement = of(rows, "Choices", "agreement")[0].estimate
    assert 0 < agreement.low <= agreement.value <= 1
    assert of(rows, "Choices", "kernel")[0].estimate.value >= 0


def test_ground_truth_among_the_labels_is_no_agreement_with_the_supervisor(finished):
    made, _, store = recall(finished.out, finished.store.root)
    scored = Shelf(store).scored(cells(made.study)[0])
    ids = scored.splits.part("transfer").ids
    marked = dataclasses.replace(scored.supervisor, gold=np.isin(np.array(scored.supervisor.ids), ids[:50]))
    one = diagnosing.Evidence(dataclasses.replace(scored, supervisor=marked), "last", diagnosing.Desk(store))
    assert one.transfer.ids == ids[50:]
    every = dataclasses.replace(marked, gold=np.ones(len(marked.ids), dtype=bool))
    one = dataclasses.replace(one, scored=dataclasses.replace(scored, supervisor=every))
    with pytest.raises(DataError, match="no transfer row has a weak label"):
        _ = one.transfer


def test_a_diagnostic_that_fails_costs_the_others_nothing(short, monkeypatch):
    def broken(seeds: Any, level: float) -> Any:
        raise ZeroDivisionError("by chance")

    measures = [dataclasses.replace(m, find=broken) if m.name == "overlap" else m for m in diagnosing.MEASURES]
    monkeypatch.setattr(diagnosing, "MEASURES", tuple(measures))
    made, _, store = recall(short.out, short.store.root)
    found = diagnosing.diagnose(made, store)
    lost = of(found, "Moods", "overlap", "tfidf")
    assert {row.estimate.note for row in lost} == {"it failed: ZeroDivisionError: by chance"}
    assert {row.diagnostic for row in found if row.crashed} == {"overlap"}
    assert not math.isnan(of(found, "Moods", "agreement", "tfidf")[0].estimate.value)
    done = short.diagnose()
    assert done.exit_code == 1
    assert "overlap failed" in done.output


def test_every_artifact_is_read_once(looked):
    read = looked[1]
    assert read
    assert len(set(read)) == len(read)


def test_room_for_features_is_kept(finished):
    made, _, store = recall(finished.out, finished.store.root)
    stages = [node.spec for node in made.nodes.values() if node.spec.kind == "features"]
    desk = diagnosing.Desk(store, room=1)
    for stage in stages:
        assert len(desk.table(stage).ids)
        assert len(desk._tables) == 1


def test_the_command_writes_both_files_and_the_section(short, tmp_path):
    out = short.copy(tmp_path / "out")
    done = diagnose(out, "--store", str(short.store.root))
    assert done.exit_code == 0, done.output
    assert "undefined" in done.output
    assert not re.search(r"\b1 (numbers|times)\b", done.output)
    with (out / "diagnoses.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    data = json.loads((out / "diagnoses.json").read_text(encoding="utf-8"))
    assert len(lines) == len(data["rows"]) > 30
    assert {line["gold"] for line in lines} == {"yes", "no"}
    assert all(line["value"] or line["note"] for line in lines)
    for page in ("report.html", "report.md"):
        assert "Diagnostics" in (out / page).read_text(encoding="utf-8")
    before = (out / "report.html").read_bytes()
    again = report(out, short.store)
    assert again.exit_code == 0
    assert (out / "report.html").read_bytes() == before  # the report keeps them, and nothing was computed for it


def test_json_and_quiet(short, tmp_path):
    out = short.copy(tmp_path / "out")
    where = ("--store", str(short.store.root))
    assert json.loads(CliRunner().invoke(main, ["diagnose", str(out), *where, "--json"]).stdout)["name"] == "small"
    assert diagnose(out, *where, "--quiet").output == ""


@pytest.mark.parametrize("change", ["study", "fits", "damage"])
def test_diagnoses_of_another_study_are_left_out_with_a_word(short, tmp_path, change):
    out = short.copy(tmp_path / "out")
    assert diagnose(out, "--store", str(short.store.root)).exit_code == 0
    file = out / "diagnoses.json"
    if change == "damage":
        file.write_text(file.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    elif change == "study":
        body = json.loads((out / "study.json").read_text(encoding="utf-8"))
        body["study"]["level"] = 0.9
        (out / "study.json").write_text(json.dumps(body), encoding="utf-8")
    else:
        _without_a_student(short, tmp_path / "store")
    store = Store.open(tmp_path / "store") if change == "fits" else short.store
    done = report(out, store)
    assert ("cannot be read" if change == "damage" else "is of another study") in done.output
    assert "surpass diagnose" in done.output
    assert 'id="diagnostics"' not in (out / "report.html").read_text(encoding="utf-8")


def _without_a_student(short: Finished, root: Path) -> None:
    """Copy the store, less the student of the first cell."""
    from surpass.spec import key

    shutil.copytree(short.store.root, root)
    Store.open(root).discard("fit", key(cells(short.study)[0].student))


def test_a_study_of_which_a_part_is_gone_is_diagnosed_as_far_as_it_goes(short, tmp_path):
    _without_a_student(short, tmp_path / "store")
    out = short.copy(tmp_path / "out")
    done = diagnose(out, "--store", str(tmp_path / "store"))
    assert done.exit_code == 1
    assert "lacks 1 of" in done.output
    rows = json.loads((out / "diagnoses.json").read_text(encoding="utf-8"))["rows"]
    first = next(row for row in rows if row["diagnostic"] == "misfit")
    assert first["estimate"]["seeds"] == 1


def test_missing_features_are_said_with_their_name(short, tmp_path):
    shutil.copytree(short.store.root, tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "features")
    out = short.copy(tmp_path / "out")
    done = diagnose(out, "--store", str(tmp_path / "store"))
    assert done.exit_code == 1  # the store lacks stages
    rows = json.loads((out / "diagnoses.json").read_text(encoding="utf-8"))["rows"]
    lost = [row for row in rows if row["diagnostic"] == "overlap"]
    assert all("the store has no features of path:" in row["estimate"]["note"] for row in lost)
    kept = [row for row in rows if row["diagnostic"] == "agreement" and "Moods" in row["task"]]
    assert all(row["estimate"]["value"] is not None for row in kept)


def test_a_folder_that_is_no_study_and_a_store_that_is_gone(short, tmp_path):
    for words, said in (
        ((tmp_path,), "is not the output of a study"),
        ((short.out, "--store", str(tmp_path / "nowhere")), "there is no store"),
    ):
        done = diagnose(*words)
        assert done.exit_code == 2
        assert said in done.output
        assert "Traceback" not in done.output


def test_a_study_without_a_finished_cell(short, tmp_path):
    shutil.copytree(short.store.root, tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "fit")
    done = diagnose(short.copy(tmp_path / "out"), "--store", str(tmp_path / "store"))
    assert done.exit_code == 2
    assert "no finished cell in store" in done.output
    assert "with --store" in done.output


def test_a_report_that_cannot_be_written_names_no_option_that_the_command_lacks(short, tmp_path):
    out = short.copy(tmp_path / "out")
    (out / "report.html").unlink(missing_ok=True)
    (out / "report.html").mkdir()
    done = diagnose(out, "--store", str(short.store.root))
    assert done.exit_code == 2
    assert "cannot be written" in done.output
    assert "--out" not in done.output


def test_predictions_that_are_not_there_at_several_points_have_no_speed(small_study, store):
    made, _ = run(small_study(), store=store, runtime=Runtime(jobs=0))
    found = diagnosing.diagnose(made, store)
    speed = of(found, "toy", "speed", "tfidf")
    assert all(math.isnan(row.estimate.value) and "one reading" in row.estimate.note for row in speed)
    assert {row.estimate.note for row in found if row.diagnostic == "overlap"} == {
        "the strong model (tfidf LogisticRegression) has no frozen features"
    }
    shares = next(row.estimate for row in found if row.diagnostic == "agreement")
    assert isinstance(Shelf(store).get(cells(made.study)[0].student), Predictions)
    assert shares.value == pytest.approx(_agreement(Shelf(store), made.study))


def _agreement(shelf: Shelf, study: Study) -> float:
    scored = shelf.scored(cells(study)[0])
    ids = scored.splits.part("transfer").ids
    student, weak = scored.student.predictions.on(ids), scored.supervisor.on(ids)
    return float(np.mean(student.argmax(axis=1) == weak.argmax(axis=1)))


@pytest.mark.assets
def test_real_features(tmp_path):
    strong = Probe(backbone="package:smollm2-135m")
    pair = Pair(weak=Probe(backbone="package:minilm", layer="last", pool="mean"), strong=strong)
    from surpass.registry import TASKS

    found = finish(tmp_path, (TASKS.get("sarcasm")(),), (pair,), methods=(Soft(),), seeds=1)
    assert found.diagnose().exit_code == 0
    rows = json.loads((found.out / "diagnoses.json").read_text(encoding="utf-8"))["rows"]
    numbers = {(row["quantity"], row["part"]): row["estimate"]["value"] for row in rows}
    assert 2 < numbers["nearest", "strong"] < 60  # sentences spread in some ten to twenty directions
    assert 0 < numbers["norm share", "no labels, transfer rows"] < 1
