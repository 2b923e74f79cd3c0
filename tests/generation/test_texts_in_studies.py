"""Labels that are texts, from the task to the report: kept on disk, split, judged, learned by every method for them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import letters
import numpy as np
import pytest

from surpass import report
from surpass.artifacts import Predictions, Splits, Targets
from surpass.columns import written
from surpass.errors import AlignmentError, DataError, StageError
from surpass.fits import Job
from surpass.labels.blend import Blend
from surpass.labels.file import File
from surpass.labels.gold import Gold
from surpass.methods.accepted import Accepted
from surpass.methods.confident import Confident
from surpass.methods.gold_only import GoldOnly
from surpass.methods.hard import Hard
from surpass.methods.soft import Soft
from surpass.methods.weighted import Weighted
from surpass.metrics import JUDGED
from surpass.own import completions
from surpass.own.reading import Wanted
from surpass.route import Route
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.shelf import Shelf, agreement_run, run_of, sides
from surpass.splits import Data, make_splits
from surpass.stages import Fit
from surpass.stats import agreement_estimate
from surpass.stopping import point_scores, wanted_of
from surpass.study import Pair, Study, cells
from surpass.tables import open_table
from surpass.tasks._judging import judge
from surpass.tasks.base import Example

SIZES = {"n_weak": 60, "n_transfer": 160, "n_val": 40, "n_test": 80}


def splits(**options: Any) -> Splits:
    return make_splits(Data(task=letters.Doubled(**options).resolve(), **SIZES))


def labels(rows: Splits, k: int = 2) -> Predictions:
    """Return labels whose first text is right for two rows of three, and which are missing for one of ten."""
    said, values = [], []
    for i, target in enumerate(rows.rows.labels.tolist()):
        first = target if i % 3 else "wrong"
        said.append([first, "aaa"][:k] if i % 10 else [""] * k)
        values.append([0.1 + 0.8 * (i % 7) / 7, 0.05][:k] if i % 10 else [0.0] * k)
    return Predictions(rows.rows.ids, rows.split, np.array(values), texts=written(said))


def test_splits_hold_texts_and_count_what_is_empty(tmp_path):
    found = splits(empty=10)
    assert found.target == "generation"
    assert found.classes == ()
    assert found.facts["empty_targets"] == 52
    assert found.rows.labels.dtype == object
    assert all(text and text[0] * 2 + text[2] for text in found.rows.labels)
    found.save(tmp_path)
    again = Splits.load(tmp_path)
    assert again.rows.labels.tolist() == found.rows.labels.tolist()
    assert again.part("test").labels.tolist() == found.part("test").labels.tolist()


def test_a_label_that_is_no_text_is_refused():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Numbered(letters.Doubled):
        def example(self, row: Any, rng: Any) -> Example:
            return Example(row["text"], row["number"])

    with pytest.raises(DataError, match="`example` must return the text to write"):
        make_splits(Data(task=Numbered().resolve(), **SIZES))


def test_predictions_keep_their_texts(tmp_path):
    watched = written([["a", "b"], ["c", "d\u00e9\n"]])
    found = Predictions(
        ("x", "y", "z"), ("transfer", "test", "test"), np.array([[0.5, 0.2], [0.9, 0.0], [0.0, 0.0]]), (3, 6),
        np.full((2, 2, 1), 0.5), ("y", "z"), texts=written([["p", "q"], ["r", ""], ["", ""]]), watched_texts=watched,
    )  # fmt: skip
    found.save(tmp_path)
    again = Predictions.load(tmp_path)
    assert again.texts is not None
    assert again.texts.tolist() == [["p", "q"], ["r", ""], ["", ""]]
    assert again.texts_at(0, ["z", "y"]) == ("b", "a")
    assert again.texts_at(-1, ["z", "x"]) == ("", "p")
    with pytest.raises(DataError, match="these predictions are numbers"):
        Predictions(("x",), ("test",), np.ones((1, 2))).texts_on(["x"])
    with pytest.raises(AlignmentError, match=r"texts of shape \(1, 1\) stand beside values of shape \(1, 2\)"):
        Predictions(("x",), ("test",), np.ones((1, 2)), texts=written([["a"]]))
    with pytest.raises(AlignmentError, match="Give one probability for each text"):
        Targets.of(["x"], np.ones((1, 2)), texts=written([["a"]]))


def test_texts_are_judged_by_equality_by_likeness_and_by_the_task():
    rows = splits().part("test")
    texts = [rows.labels[0], f" {rows.labels[1]} ", "xyz", "", "abcabc", *rows.labels[5:]]
    found = judge(letters.Doubled(), rows, texts)
    assert found.shape == (80, len(JUDGED))
    assert found[:6, 0].tolist() == [1, 1, 0, 0, 0, 1]
    assert found[0, 1] == found[1, 1] == 1.0
    assert found[3, 1] == 0.0
    assert 0 < found[4, 1] < 1
    assert found[:6, 2].tolist() == [1, 0, 0, 0, 0, 1]  # its own check wants three letters and no spaces


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        (Soft(), lambda value, text: True),
        (Confident(), lambda value, text: value >= 0.5),
        (Accepted(), lambda value, text: True),  # the second text is always a word of three letters
        (Weighted(strength=0.5), lambda value, text: True),
        (Hard(), lambda value, text: True),
    ],
)
def test_methods_leave_what_they_say_and_never_rows_without_a_text(method, kept):
    from surpass.models.generator import Generator

    found = splits()
    weak = labels(found)
    fit = Fit(data=Data(task=letters.Doubled().resolve(), **SIZES), model=Generator(backbone="path:none"),
              labels=Fit(data=Data(task=letters.Doubled().resolve(), **SIZES), model=Generator(backbone="path:none"),
                         labels=Gold(split="weak")), method=method)  # fmt: skip
    job = Job.of(fit, found, {"labels": [weak]})
    rows = found.part("transfer")
    values, texts = weak.on(rows.ids), weak.texts_on(rows.ids)
    wanted = [name for name, value, text in zip(rows.ids, values, texts, strict=True)
              if value[0] > 0 and kept(value[0], text[0])]  # fmt: skip
    assert list(job.targets.ids) == wanted
    assert job.targets.texts is not None
    if isinstance(method, Accepted):
        said = [text for row, shown in zip(job.targets.values, job.targets.texts, strict=True)
                for share, text in zip(row, shown, strict=True) if share > 0]  # fmt: skip
        assert "wrong" not in said
        assert "aaa" in said
    if isinstance(method, Hard):
        assert job.targets.texts.shape == (len(wanted), 1)
    if isinstance(method, Weighted):
        ratio = job.targets.weight / job.targets.values[:, 0] ** 0.5
        assert np.allclose(ratio, ratio[0])


def test_a_supervisor_that_writes_nothing_is_told():
    from surpass.models.generator import Generator

    found = splits()
    silent = Predictions(found.rows.ids, found.split, np.zeros((320, 1)), texts=written([[" "]] * 320))
    fit = Fit(data=Data(task=letters.Doubled().resolve(), **SIZES), model=Generator(backbone="path:none"),
              labels=File(path="said.csv", column="said"), method=Soft())  # fmt: skip
    with pytest.raises(StageError, match="all 160 weak texts are empty: the supervisor writes nothing"):
        Job.of(fit, found, {"labels": [silent]})


def test_a_method_that_is_not_for_texts_is_one_problem():
    from surpass.feasibility import problems_of
    from surpass.methods.logconf import LogConf
    from surpass.models.generator import Generator

    model = Generator(backbone="path:none")
    pairs = (Pair(weak=model, strong=model),)
    study = Study(name="s", tasks=(letters.Doubled(),), pairs=pairs, methods=(LogConf(),), data=tuple(SIZES.items()))
    told = [text for text in problems_of(study) if "logconf" in text]
    assert len(told) == 1
    assert "cannot serve task" in told[0]


def test_a_blend_has_one_text_where_it_is_ground_truth():
    found = splits()
    weak = labels(found)
    mixed = Blend(weak=Gold(), gold=0.25).compute(found, [weak])
    rows = found.part("transfer")
    gold = mixed.gold_on(rows.ids)
    assert gold.sum() == 40
    assert mixed.texts_on(rows.ids)[gold, 0].tolist() == rows.labels[gold].tolist()
    assert mixed.on(rows.ids)[gold].tolist() == [[1.0, 0.0]] * 40
    assert mixed.texts_on(rows.ids)[~gold].tolist() == weak.texts_on(rows.ids)[~gold].tolist()


def test_a_file_gives_texts(tmp_path):
    found = splits()
    path = tmp_path / "said.csv"
    said = dict(zip(found.rows.ids, found.rows.labels, strict=True)) | {found.part("val").ids[0]: ""}
    path.write_text("id,said\n" + "".join(f"{name},{text}\n" for name, text in said.items()), encoding="utf-8")
    labelled = File(path=str(path), column="said").resolve().compute(found, [])
    test = found.part("test")
    assert labelled.texts_at(-1, test.ids) == tuple(test.labels)
    assert labelled.on(found.part("val").ids[:2])[:, 0].tolist() == [0.0, 1.0]


def test_texts_of_a_file_are_learned_as_they_stand(tmp_path):
    found = splits()
    path = tmp_path / "said.jsonl"
    odd = [" Nf6", "3.0", "+7.0", "    return x\n", "nan", "Nan"]
    said = {name: odd[i % len(odd)] for i, name in enumerate(found.rows.ids)}
    path.write_text("".join(json.dumps({"id": name, "said": text}) + "\n" for name, text in said.items()))
    labelled = File(path=str(path), column="said").resolve().compute(found, [])
    assert labelled.texts_on(found.rows.ids)[:, 0].tolist() == list(said.values())
    wanted = Wanted(text="id", weak=("said",))
    _, texts = completions._read(open_table(str(path)), wanted)
    assert sorted(texts[:, 0]) == sorted(said.values())


def test_points_are_read_by_equal_texts():
    found = Predictions(
        ("x", "y"), ("val", "val"), np.ones((2, 1)), (1, 2), np.ones((2, 2, 1)), ("x", "y"),
        texts=written([["a"], ["b"]]), watched_texts=written([["a", "c"], ["a", "b"]]),
    )  # fmt: skip
    weak = Predictions(("y", "x"), ("val", "val"), np.ones((2, 1)), texts=written([["c "], ["a"]]))
    scores = point_scores(found, ("x", "y"), wanted_of(weak, ("x", "y")), "generation")
    assert scores.tolist() == [1.0, 0.5]


@pytest.mark.slow
def test_a_study_of_texts_runs_from_the_task_to_the_report(store, tmp_path):
    weak, strong = (letters.save_model(tmp_path / name, seed=seed) for name, seed in (("weak", 2), ("strong", 1)))
    strong_model = letters.generator(strong)
    study = Study(
        name="texts",
        tasks=(letters.Doubled(),),
        pairs=(
            Pair(weak=letters.generator(weak, samples=2), strong=strong_model),
            Pair(
                weak=Blend(weak=letters.generator(weak), gold=0.5),
                strong=strong_model,
                methods=(GoldOnly(),),
            ),
        ),
        methods=(Soft(), Accepted(), Route(method=Soft(), through=(letters.generator(weak),), fresh=True)),
        data={"n_weak": 120, "n_transfer": 200, "n_val": 20, "n_test": 100},
        seeds=1,
        stopping="weak_val",
    )
    plan, outcomes = run(study, store=store, runtime=Runtime())
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    found = results(plan, outcomes, store)
    assert {row.metric for row in found.rows} == set(JUDGED)
    by_name = {(row.method, row.metric): row for row in found.rows if row.stopping == "last"}
    assert by_name["soft", "exact_match"].ceiling.value > 0.5
    assert by_name["accepted", "accepted"].student.value > 0.1
    assert "gold-only" in {row.method for row in found.rows}
    assert found.curves[0].metric == "exact_match"
    assert found.errors == found.calibration == found.misfits == ()
    shelf, cell = Shelf(store), cells(plan.study)[0]
    scored = shelf.scored(cell)
    assert scored is not None
    texts, made = sides(scored, "test", "last"), run_of(scored, "test", "last")
    alike = np.mean([a == b for a, b in zip(texts["student"], texts["floor"], strict=True)])
    assert agreement_estimate([agreement_run(scored, "test", "last")]).overall.value == pytest.approx(alike)
    gold = scored.splits.part("test").labels.tolist()
    assert np.asarray(made.student)[:, 0].mean() == np.mean(
        [a == b for a, b in zip(texts["student"], gold, strict=True)]
    )
    report.write(found, tmp_path / "out")
    assert "exact match" in (tmp_path / "out" / "report.md").read_text()
