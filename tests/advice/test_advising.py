"""Advice on whole studies, and trials, over generated sentences."""

from __future__ import annotations

import csv
import dataclasses
import json
from typing import ClassVar

import numpy as np
import pytest

from surpass import work
from surpass.advice import advise_study, run_trial
from surpass.advice.choosing import choose_supervisors
from surpass.advice.record import Record
from surpass.advice.tracking import over_tasks
from surpass.advice.words import sentences
from surpass.corpora.base import Corpus
from surpass.documents import Documents
from surpass.errors import StageError, StudyError
from surpass.models._pretrain import Pretrain
from surpass.models.generator import Generator
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.study import Pair, Study, describe
from surpass.tasks.base import Example, Task
from surpass.tasks.toy import Toy

EMPTY = Record(0.9, ())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weather(Corpus):
    """Sentences on the weather, each with what it is good for."""

    def build(self, runtime, sources):
        skies, places = ("rain", "sun", "hail", "warmth"), ("town", "hills", "fields", "harbour", "valley")
        texts = [f"day {i} : {skies[i % 4]} over the {places[i % 5]}" for i in range(500)]
        return Documents(tuple(map(str, range(500))), tuple(texts), columns={"good": [i % 2 for i in range(500)]})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Good(Task):
    """Is it good weather?"""

    classes: ClassVar[tuple[str, ...]] = ("no", "yes")
    weather: Corpus = Weather()

    def sources(self):
        return (self.weather,)

    def example(self, row, rng):
        return Example(row["text"], row["good"], id=row["id"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told(Good):
    """Is it good weather, in words?"""

    target: ClassVar[str] = "generation"

    def example(self, row, rng):
        return Example(row["text"], (" no", " yes")[row["good"]], id=row["id"])


def made_here(**options):
    return Pretrain(corpus=Weather(), layers=1, width=16, heads=2, context=32, vocabulary=300, **options)


SIZES = {"n_weak": 60, "n_transfer": 120, "n_val": 0, "n_test": 50}
TREE = {
    "model": "sklearn",
    "features": "tfidf",
    "estimator": "sklearn.tree.DecisionTreeClassifier",
    "params": {"max_depth": 2},
}
STRONG = {"model": "sklearn", "features": "tfidf", "ngrams": 1, "params": {"C": 10.0}}


def test_every_pair_is_advised_on_and_supervisors_are_ranked(study, store, runtime):
    words = {"model": "sklearn", "features": "tfidf", "ngrams": 1}
    made = study(pairs=[{"weak": weak, "strong": STRONG} for weak in (words, TREE)], methods=["soft", "balance"])
    seen: list[str] = []
    found = advise_study(made, store=store, runtime=runtime, record=EMPTY, progress=seen.append)
    assert len(found.pairs) == len(seen) == 2
    (choice,) = found.choices
    assert choice.ranked[0][0] == "tfidf LogisticRegression(ngrams=1)"
    assert choice.ranked[0][1].value > choice.ranked[1][1].value
    for one in found.pairs:
        tried = {method.method for method in one.methods}
        assert {"hard", "balance"} <= tried <= {"hard", "confident", "balance"}  # words have no neighbours
        assert [point.gold for point in one.gold_alone.points] == [12, 24, 48]
    text = found.text()
    assert "No test label was read" in text
    assert all(one.verdict.text in text for one in found.pairs)
    (first, _) = json.loads(json.dumps(found.to_json(), allow_nan=False))["pairs"]
    assert set(first["verdict"]) == {"answer", "text", "label"}
    assert set(first["gold_alone"]) == {"points", "held", "over_student", "equals"}
    assert set(first["gold_alone"]["points"][0]) == {"gold", "score"}
    assert {"finetuned", "forecast", "evidence"} <= set(first)
    assert "rows" not in first


def test_supervisors_are_compared_by_pairs_of_rows(study, store, runtime):
    """The choice is clear where the paired difference is, whatever the intervals of single students."""
    words = {"model": "sklearn", "features": "tfidf", "ngrams": 1}
    made = study(pairs=[{"weak": weak, "strong": STRONG} for weak in (words, TREE)])
    found = advise_study(made, store=store, runtime=runtime, record=EMPTY)
    (choice,) = found.choices
    (first, _), (second, _) = choice.ranked
    scores = {one.weak: one.rows.scores for one in found.pairs}
    assert choice.over[second].value == pytest.approx(np.mean(scores[first] - scores[second]))
    assert choice.clear == (choice.over[second].low > 0)
    same = [dataclasses.replace(one, rows=found.pairs[0].rows) for one in found.pairs]
    (tied,) = choose_supervisors(same, level=0.9)
    assert not tied.clear
    assert "may be as good" in tied.sentence


def test_gold_labels_that_serve_better_are_a_no_in_a_study_too(study, store, runtime):
    """A supervisor that knows next to nothing: what labels it was fitted to serve the strong model better."""
    worse = {"label": "simulated", "rate": 0.5}
    sizes = {"n_weak": 150, "n_transfer": 200, "n_val": 0, "n_test": 100}
    (found,) = advise_study(study(weak=worse, data=sizes), store=store, runtime=runtime, record=EMPTY).pairs
    assert found.gold_alone.over_student.low > 0
    assert found.verdict.answer == "no"
    assert "120 gold labels alone serve better" in found.verdict.text
    assert "use them instead" in "\n".join(sentences(found))


def test_numbers_that_are_all_the_same_cannot_be_advised_on(study, store, runtime, tmp_path):
    path = tmp_path / "numbers.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "part"])
        for i, row in enumerate(Toy(rows=600)._make()):
            writer.writerow([f"{row['text']} {i}", 2.5 if i % 3 else i / 7, "train" if i % 3 else "test"])
    task = {"task": "file", "path": str(path), "target": "regression", "part": "part"}
    pair = {"model": "sklearn", "features": "tfidf", "estimator": "sklearn.linear_model.Ridge"}
    made = study(tasks=[task], weak=pair, strong=pair)
    (found,) = advise_study(made, store=store, runtime=runtime, record=EMPTY).pairs
    assert (found.verdict.answer, found.forecast) == ("unknown", None)
    assert found.verdict.text.startswith("Cannot be known: all rows with ground truth have the same number")


def test_gold_labels_are_counted_with_those_that_judge_none(study, store, runtime, monkeypatch):
    """60 rows with ground truth of which 40 judge: in each of five folds 52 teach."""
    from surpass.advice import rehearsing

    monkeypatch.setattr(rehearsing, "MOST_JUDGES", 40)
    (found,) = advise_study(study(), store=store, runtime=runtime, record=EMPTY).pairs
    assert found.evidence.n_gold == 40
    assert [point.gold for point in found.gold_alone.points] == [13, 26, 52]


def test_supervisors_are_compared_on_the_same_rows_alone(study, store, runtime):
    words = {"model": "sklearn", "features": "tfidf", "ngrams": 1}
    more = {"n_transfer": 120}
    pairs = [{"weak": words, "strong": STRONG}, {"weak": TREE, "strong": STRONG, "data": more}]
    found = advise_study(study(pairs=pairs), store=store, runtime=runtime, record=EMPTY)
    assert found.choices == ()


def test_what_cannot_be_advised_on_says_why(study, store, runtime):
    one_row = study(data={"n_weak": 8, "n_transfer": 100, "n_val": 0, "n_test": 50})
    (found,) = advise_study(one_row, store=store, runtime=runtime, record=EMPTY).pairs
    assert found.verdict.answer == "unknown"
    assert "8 independent rows" in found.verdict.text


def test_a_study_that_cannot_run_is_refused(study, store, runtime):
    with pytest.raises(StudyError, match="frozen features"):
        advise_study(study(methods=["knn"]), store=store, runtime=runtime, record=EMPTY)


def test_garbage_in_test_labels_changes_no_advice(study, store, runtime, table):
    told = []
    for name, garbage in (("honest.csv", False), ("garbage.csv", True)):
        one = study(tasks=[{"task": "file", "path": str(table(name, garbage=garbage)), "part": "part"}])
        found = advise_study(one, store=store, runtime=runtime, record=EMPTY).to_json()
        told.append(json.dumps(found["pairs"]).replace(name, ""))
    assert told[0] == told[1]


@pytest.mark.parametrize("spoilt", ["test", "weak"])
def test_garbage_where_the_split_is_drawn_by_a_hash(study, store, runtime, tmp_path, spoilt):
    """All labels of `test`, `val` and `transfer` turned round: the advice is equal to the last digit. Some of `weak`: not."""
    from surpass.splits import make_splits
    from surpass.study import cells

    lines = [(f"{row['text']} {i}", row["pleasant"]) for i, row in enumerate(Toy(rows=900)._make())]
    wrong: set[str] = set()
    told = []
    for _ in range(2):
        path = tmp_path / "rows.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows((text, ("no", "yes")[label != (text in wrong)]) for text, label in lines)
        made = study(
            tasks=[{"task": "file", "path": str(path)}],
            data={"n_weak": 60, "n_transfer": 200, "n_val": 40, "n_test": 100, "balance": False},
            methods=["soft", "balance"],
        ).resolve()
        told.append(json.dumps(advise_study(made, store=store, runtime=runtime).to_json()))
        (cell,) = {one.data for one in cells(made)}
        splits = make_splits(cell)
        trained = splits.part("weak").inputs
        wrong = set(trained[:15]) if spoilt == "weak" else {text for text, _ in lines}.difference(trained)
    assert (told[0] == told[1]) == (spoilt == "test")


def test_a_trial_writes_what_was_predicted_beside_what_came_out(study, store, runtime, tmp_path):
    tasks = [{"task": "toy", "noise": noise / 100} for noise in (0, 5, 10, 15, 20, 25, 30)]
    words = {"model": "sklearn", "features": "tfidf", "ngrams": 1}
    made = study(tasks=tasks, pairs=[{"weak": weak, "strong": STRONG} for weak in (words, TREE)])
    found = run_trial(made, store=store, runtime=runtime, out=tmp_path / "trial")
    assert (found.track.cells, found.track.tasks, found.lost) == (14, 7, ())
    with (tmp_path / "trial" / "trial.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert {"finetuned", "predicted_gain", "predicted_low", "predicted_high"} <= set(rows[0])
    assert found.failed == ()
    for row in rows:
        assert float(row["student"]) - float(row["floor"]) == pytest.approx(float(row["gain"]), abs=2e-4)
    page = (tmp_path / "trial" / "report.html").read_text(encoding="utf-8")
    assert "Predicted and realised" in page
    assert page.count("<title>") >= 14
    assert (tmp_path / "trial" / "record.json").is_file()
    assert found.track.sentence in found.text()
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["track"]["cells"] == 14


def test_stages_that_fail_are_carried(study, store, runtime, tmp_path, monkeypatch):
    """A supervisor that cannot be fitted in the study itself: what failed is told by name, and no key is shown."""
    tasks = [{"task": "toy", "noise": noise / 100} for noise in (0, 10)]
    real, shown = work.compute, list[str]()

    def broken(spec, inputs, runtime):
        if spec.kind == "fit" and describe(spec).startswith("toy(noise=0.1)") and "student" in describe(spec):
            raise StageError("its loss is no number.")
        return real(spec, inputs, runtime)

    monkeypatch.setattr(work, "compute", broken)
    found = run_trial(study(tasks=tasks), store=store, runtime=runtime, out=tmp_path / "trial", progress=shown.append)
    assert len(found.failed) == 1
    assert "student" in found.failed[0]
    assert "its loss is no number" in found.failed[0]
    assert "failed: 1" in found.text()
    assert found.to_json()["failed"] == list(found.failed)
    assert "toy(noise=0.1)" in found.lost[0]
    assert any(text.startswith("done: toy") for text in shown), shown
    with pytest.raises(StageError, match="loss is no number"):
        run_trial(study(tasks=tasks[1:]), store=store, runtime=runtime, out=tmp_path / "none")


def test_a_cell_whose_gain_is_not_known_is_not_in_the_record(study, store, runtime):
    """Nine test rows have no interval, and a record with an unknown gain foretells nothing at all."""
    from surpass.advice.trial import collect

    sizes = {"n_weak": 60, "n_transfer": 200, "n_val": 0, "n_test": 9}
    record, lost, _ = collect(study(data=sizes), store=store, runtime=runtime)
    assert record.entries == ()
    assert "9 independent rows" in lost[0]


def test_what_came_out_is_what_the_study_reports(study, store, runtime, tmp_path):
    from surpass.runner import run
    from surpass.scoring import results

    made = study()
    found = run_trial_of(made, store, runtime, tmp_path)
    plan, outcomes = run(made, store=store, runtime=runtime)
    row = next(row for row in results(plan, outcomes, store).rows if row.metric == "accuracy" and row.split == "test")
    assert found.floor == pytest.approx(row.floor.value)
    assert found.student == pytest.approx(row.student.value)
    assert found.ceiling == pytest.approx(row.ceiling.value)


def run_trial_of(made, store, runtime, tmp_path):
    from surpass.advice.trial import collect

    record, lost, _ = collect(made, store=store, runtime=runtime)
    assert lost == ()
    return record.entries[0]


def test_intervals_over_tasks_need_tasks():
    assert not over_tasks([("a", 1.0), ("b", 2.0)], lambda held: sum(held) / len(held)).defined
    found = over_tasks([(str(i), float(i)) for i in range(6)], lambda held: sum(held) / len(held))
    assert found.low < 2.5 < found.high


def test_rows_and_backbones_that_are_made_here_are_made_once(store, runtime):
    """A task on a corpus, and a student on a backbone that the study trains: both are in the store for the study's run."""
    pair = Pair(weak=Sklearn(ngrams=1), strong=Probe(backbone=made_here()))
    made = Study(name="made", tasks=(Good(),), pairs=(pair,), data=SIZES, seeds=1)
    (one,) = advise_study(made, store=store, runtime=runtime, record=EMPTY).pairs
    assert one.evidence is not None, one.note
    assert one.verdict.answer in ("yes", "no", "unknown")
    assert [len(list((store.root / kind).iterdir())) for kind in ("corpus", "pretrain")] == [1, 1]


def test_a_study_of_texts_is_refused_before_anything_is_computed(store, runtime, tmp_path):
    writer = Generator(backbone=made_here(), max_new_tokens=4, max_length=32)
    made = Study(name="texts", tasks=(Told(),), pairs=(Pair(weak=writer, strong=writer),), data=SIZES, seeds=1)
    before = sorted(store.root.rglob("*"))
    for asked in (advise_study, run_trial):
        more = {"out": tmp_path / "trial"} if asked is run_trial else {}
        with pytest.raises(
            StudyError, match=r"Told' is generation, but advice is for classes, preferences and numbers"
        ):
            asked(made, store=store, runtime=runtime, **more)
    assert sorted(store.root.rglob("*")) == before
    assert not (tmp_path / "trial").exists()


def test_beside_a_task_of_texts_the_others_are_advised_on(store, runtime):
    writer, words = Generator(backbone=made_here(), max_new_tokens=4, max_length=32), Sklearn(ngrams=1)
    pairs = (
        Pair(weak=writer, strong=writer, tasks=(Told().label(),)),
        Pair(weak=words, strong=Sklearn(), tasks=("toy",)),
    )
    made = Study(name="both", tasks=(Told(), Toy()), pairs=pairs, data=SIZES, seeds=1)
    found = {one.task: one for one in advise_study(made, store=store, runtime=runtime, record=EMPTY).pairs}
    assert found["toy"].evidence is not None
    texts = found[Told().label()]
    assert (texts.evidence, texts.verdict.answer) == (None, "unknown")
    assert "advice is for classes" in texts.note
    assert not (store.root / "pretrain").exists()
