"""The rehearsal: which rows teach, which judge, and that no test label and no ground truth of transfer rows is read."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from surpass.advice.evidence import evidence
from surpass.advice.rehearsing import FOLDS, Ground, Part, stands_in
from surpass.errors import DataError, IncompatibleError, StageError
from surpass.methods.soft import Soft
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.route import Route
from surpass.spec import key
from surpass.splits import Data
from surpass.stages import Fit, label_stage
from surpass.store import Store
from surpass.study import cells

SOFT = Route(method=Soft())


def _part(study, store, runtime, *, folds=FOLDS):
    cell = cells(study.resolve())[0]
    ground = Ground.of(cell.data, folds=folds, most_transfer=2000, store=store, runtime=runtime)
    return Part(ground, cell.pair.weak, stands_in(cell.pair.strong)[0], cell.student.seed)


def test_a_fold_is_judged_by_models_that_never_saw_it(study, store, runtime):
    part = _part(study(), store, runtime)
    ground = part.ground
    weak = set(ground.splits.part("weak").ids)
    for fold in range(FOLDS):
        training, test = ground.artifact(ground.data, fold), ground.artifact(ground.data.evaluation(), fold)
        taught, judged = set(training.part("weak").ids), set(test.rows.ids)
        assert taught | judged == weak
        assert not taught & judged
        assert test.names() == ("test",)
    assert sorted(i for fold in range(FOLDS) for i in ground.rows_of(fold)) == list(range(60))


def test_no_row_teaches_a_fold_that_judges_its_group(study, store, runtime, table, monkeypatch):
    """Rows beyond those that judge train in every fold, but not those that belong with a judge."""
    from surpass.advice import rehearsing

    monkeypatch.setattr(rehearsing, "MOST_JUDGES", 40)
    path = str(table("grouped.csv"))
    one = study(tasks=[{"task": "file", "path": path, "part": "part", "group": "group"}])
    ground = _part(one, store, runtime).ground
    assert 40 <= (ground.fold >= 0).sum() < 60
    assert (ground.fold < 0).any()
    for fold in range(FOLDS):
        taught = set(ground.artifact(ground.data, fold).part("weak").groups)
        assert not taught & set(ground.artifact(ground.data.evaluation(), fold).rows.groups)


def test_the_rehearsal_is_the_study_with_other_rows(study, store, runtime):
    """What one fold says is what the same fits say that are computed by hand."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    part = _part(study(), store, runtime)
    found, ground = part.rehearse(SOFT), part.ground
    weak, transfer, fold = ground.splits.part("weak"), ground.splits.part("transfer"), ground.fold
    others = weak.take(np.flatnonzero(fold != 0))
    reader = TfidfVectorizer(ngram_range=(1, 1), sublinear_tf=True)
    supervisor = LogisticRegression(max_iter=1000).fit(reader.fit_transform(others.inputs), others.labels)
    labels = supervisor.predict_proba(reader.transform(transfer.inputs))
    second = TfidfVectorizer(ngram_range=(1, 1), sublinear_tf=True)
    matrix = second.fit_transform(transfer.inputs)
    rows, classes = np.nonzero(labels > 0)
    student = LogisticRegression(C=10.0, max_iter=1000).fit(matrix[rows], classes, sample_weight=labels[rows, classes])
    judged = weak.take(np.flatnonzero(fold == 0))
    assert found.floor[fold == 0] == pytest.approx(supervisor.predict_proba(reader.transform(judged.inputs)), abs=1e-6)
    assert found.student[fold == 0] == pytest.approx(student.predict_proba(second.transform(judged.inputs)), abs=1e-4)


def test_garbage_in_test_labels_changes_no_advice(study, store, runtime, table):
    found = []
    for name, garbage in (("honest.csv", False), ("garbage.csv", True)):
        one = study(tasks=[{"task": "file", "path": str(table(name, garbage=garbage)), "part": "part"}])
        found.append(_part(one, store, runtime).rehearse(SOFT))
    assert (found[0].floor == found[1].floor).all()
    assert (found[0].student == found[1].student).all()
    assert evidence(found[0]).gain == evidence(found[1]).gain


def test_only_rows_of_the_supervisor_lend_their_ground_truth(study, store, runtime, monkeypatch):
    """Garbage for ground truth of every other row, `transfer`, `val` and `test`, changes no prediction; of `weak` it does."""
    from surpass import computing

    real = computing.make_splits
    told = []
    for part in ((), ("transfer", "val", "test"), ("weak",)):

        def spoilt(data, *corpora, part=part):
            made = real(data, *corpora)
            wrong = np.isin(made.split, part)
            labels = np.where(wrong, 1 - made.rows.labels, made.rows.labels)
            return dataclasses.replace(made, rows=dataclasses.replace(made.rows, labels=labels))

        monkeypatch.setattr(computing, "make_splits", spoilt)
        sizes = {"n_weak": 60, "n_transfer": 200, "n_val": 40, "n_test": 100}
        fresh = Store.open(store.root.parent / f"store-{'-'.join(part)}")
        found = _part(study(data=sizes), fresh, runtime).rehearse(SOFT)
        told.append({name: value for name, value in vars(found).items() if name != "labels"})
    assert all(np.array_equal(told[0][name], told[1][name]) for name in told[0])
    assert not np.array_equal(told[0]["student"], told[2]["student"])


def test_only_training_rows_are_ever_made(study, store, runtime, monkeypatch):
    from surpass import computing

    asked = []
    real = computing.make_splits
    monkeypatch.setattr(computing, "make_splits", lambda data, *corpora: asked.append(data) or real(data, *corpora))
    _part(study(), store, runtime).rehearse(SOFT)
    assert asked
    assert all(isinstance(data, Data) and data.n_test == data.n_val == 0 for data in asked)


def test_ground_truth_of_transfer_rows_is_blanked(study, store, runtime):
    ground = _part(study(), store, runtime).ground
    assert ground.splits.part("transfer").labels.any()
    assert not ground.artifact(ground.data, 0).part("transfer").labels.any()


def test_a_label_source_is_judged_by_its_labels_of_the_weak_rows(study, store, runtime):
    part = _part(study(weak={"label": "simulated", "rate": 0.3}), store, runtime)
    found = part.rehearse(SOFT)
    assert set(np.unique(found.floor)) == {0.0, 1.0}
    assert 0.5 < evidence(found).floor.value < 0.85


def test_each_transfer_row_is_read_by_students_of_the_other_half(study, store, runtime):
    part = _part(study(), store, runtime)
    found = part.rehearse(SOFT)
    rows = part.ground.splits.part("transfer")
    label = part.ground.artifact(label_stage(part.labels, part.ground.data), 2)
    assert found.weak_labels[2::FOLDS] == pytest.approx(label.on(rows.ids)[2::FOLDS])
    assert found.away.shape == found.weak_labels.shape == (200, 2)
    assert len(found.halves) == 2


def test_heads_solved_together_are_those_solved_alone(study, store, runtime, tiny_backbone, monkeypatch):
    strong = {"model": "probe", "backbone": f"path:{tiny_backbone.removeprefix('path:')}", "precision": "fp32"}
    together = _part(study(strong=strong), store, runtime)
    alone = _part(study(strong=strong), store, runtime)
    monkeypatch.setattr(alone.ground, "solve", lambda fits: None)
    assert (together.rehearse(SOFT).student == alone.rehearse(SOFT).student).all()
    solved = [name for name in together.ground.memo if name[0] == key(together.student(SOFT))]
    assert len(solved) == FOLDS


def test_a_probe_stands_in_for_what_is_finetuned():
    probe, finetuned = stands_in(HF(backbone="path:some/model", max_length=64, digest="d"))
    assert finetuned
    assert isinstance(probe, Probe)
    assert (probe.backbone, probe.max_length, probe.digest) == ("path:some/model", 64, "d")
    assert stands_in(probe) == (probe, False)


def test_too_few_rows_with_ground_truth_are_an_error(study, store, runtime):
    few = study(data={"n_weak": 8, "n_transfer": 100, "n_val": 0, "n_test": 50})
    with pytest.raises(DataError, match="8 independent rows"):
        _part(few, store, runtime)
    none = study(weak={"label": "simulated"}, data={"n_weak": 0, "n_transfer": 100, "n_val": 0, "n_test": 50})
    with pytest.raises(DataError, match="n_weak=0"):
        _part(none, store, runtime)


def test_labels_that_leave_out_the_weak_rows_cannot_be_judged(study, store, runtime, table, tmp_path):
    path = table("rows.csv")
    labels = tmp_path / "labels.csv"
    made = _part(study(tasks=[{"task": "file", "path": str(path), "part": "part"}]), store, runtime).ground
    rows = made.splits.part("transfer")
    lines = [f'"{text}",{"no" if i % 3 else "yes"}' for i, text in enumerate(rows.inputs)]
    labels.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    weak = {"label": "file", "path": str(labels), "join": "text", "on": "text"}
    part = _part(study(weak=weak, tasks=[{"task": "file", "path": str(path), "part": "part"}]), store, runtime)
    with pytest.raises(IncompatibleError, match="weak"):
        part.rehearse(SOFT)


def test_a_supervisor_may_be_the_model_of_the_student(study, store, runtime):
    """Then what is fitted to ground truth is the supervisor itself, and gains nothing on it."""
    words = {"model": "sklearn", "features": "tfidf", "ngrams": 1}
    found = _part(study(weak=words, strong=words), store, runtime).rehearse(SOFT)
    assert (found.gold == found.floor).all()
    assert (found.gold_away == found.weak_labels).all()


def test_parts_of_a_ground_are_fits_of_the_study(study, store, runtime):
    part = _part(study(), store, runtime)
    cell = cells(study().resolve())[0]
    assert dataclasses.replace(part.student(SOFT), data=cell.data, labels=cell.student.labels) == cell.student
    assert isinstance(part.labels, Fit)


@pytest.mark.parametrize(
    ("error", "told"), [(ValueError("one class"), True), (StageError("no rows"), True), (KeyError("bug"), False)]
)
def test_only_what_a_fold_may_lack_is_told_and_a_bug_is_a_bug(study, store, runtime, monkeypatch, error, told):
    part = _part(study(), store, runtime)
    ground = part.ground

    def fail(stage, fold):
        raise error

    monkeypatch.setattr(ground, "artifact", fail)
    if not told:
        with pytest.raises(KeyError):
            ground.judged([part.gold()] * FOLDS)
        return
    assert ground.judged([part.gold()] * FOLDS).problem == str(error)
