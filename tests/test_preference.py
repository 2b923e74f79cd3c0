"""Preferences in whole studies: from rows to report, every method, what is saved."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny
from candidates import CPU, pairs, tuning
from scipy.special import expit

from surpass.methods.base import Method
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.base import TextEncoder
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.registry import METHODS, MODELS
from surpass.route import Route
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.study import Pair, Study
from surpass.tasks.base import Example, Generated, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moods(Task):
    """Pairs of sentences, of which the pleasant one is better. Licence: none."""

    target: ClassVar[str] = "preference"
    input: ClassVar[str] = "pair"

    def source(self) -> Generated:
        return Generated(self._make)

    def _make(self) -> Iterator[dict[str, Any]]:
        inputs, first = pairs(500, seed=8)
        for i, (pair, label) in enumerate(zip(inputs, first, strict=True)):
            wrong = Random(i).random() < 0.1
            yield {"id": str(i), "pair": pair, "first": int(label) ^ wrong}

    def example(self, row, rng):
        return Example(tuple(row["pair"]), row["first"], id=row["id"])


SIZES = {"n_weak": 80, "n_transfer": 120, "n_val": 20, "n_test": 100}
BESIDE_PREFERENCES = {"boosted", "anchored"}  # a step of label source `boost`; asks a model that answers in words


def study(weak: Any, strong: Any, *methods: Any, **changes: Any) -> Study:
    pair = Pair(weak=weak, strong=strong)
    values = {"name": "moods", "tasks": (Moods(),), "pairs": (pair,), "methods": methods, "data": SIZES, "seeds": 1}
    return Study(**{**values, **changes})


@pytest.fixture(scope="module")
def encoders(llama: str) -> dict[str, Any]:
    """Return a weak probe and the cheapest students, by what they can do for methods."""
    return {
        "weak": Probe(backbone=llama, layer=0, pool="mean", precision="fp32"),
        "exact": Probe(backbone=llama, precision="fp32"),
        "adam": Probe(backbone=llama, precision="fp32", solver="adam", epochs=5),
        "tuned": HF(backbone=llama, precision="fp32", epochs=2, lr=1e-3, points=2),
    }


def test_features_of_a_pair_are_a_difference_and_its_facts_are_of_both(llama):
    from surpass.computing import compute
    from surpass.splits import Data
    from surpass.stages import Features

    data = Data(task=Moods().resolve(), n_weak=20, n_transfer=20, n_val=0, n_test=20)
    rows = compute(data, (), CPU)
    encoder = TextEncoder(backbone=llama, max_length=6, precision="fp32").resolve()
    table = compute(Features(data=data, part="weak", encoder=encoder), (rows,), CPU)
    inputs = rows.part("weak").inputs
    sides = [encoder.encode(tuple(pair[side] for pair in inputs), CPU) for side in (0, 1)]
    assert np.array_equal(table.vectors, sides[0][0] - sides[1][0])
    assert sides[0][1]["truncated"] != sides[1][1]["truncated"]
    for fact in ("truncated", "tokens"):
        assert table.facts[fact] == pytest.approx(np.mean([side[1][fact] for side in sides]))


@pytest.mark.parametrize("student", ["exact", "adam", "tuned"])
def test_every_method_trains_a_student_of_preferences(student, encoders, store):
    """Each with the cheapest student that serves it, on labels of an ensemble or a blend where it asks for them."""
    from surpass.labels.blend import Blend
    from surpass.labels.ensemble import Ensemble
    from surpass.methods.base import FROM_LABELS

    weak, strong = encoders["weak"], encoders[student]
    served: dict[str, list[Method]] = {"plain": [], "members": [], "gold": []}
    for name in METHODS.names():
        if name in BESIDE_PREFERENCES:
            continue
        method = METHODS.get(name)()
        cheapest = next((m for m in ("exact", "adam", "tuned") if method.needs - FROM_LABELS <= encoders[m].can), None)
        if cheapest == student:
            kind = next((need for need in ("members", "gold") if need in method.needs), "plain")
            served[kind].append(method)
    labels = {
        "plain": weak,
        "members": Ensemble(members=(weak, dataclasses.replace(weak, l2=3.0))),
        "gold": Blend(weak=weak, gold=0.3),
    }
    found = tuple(Pair(weak=labels[kind], strong=strong, methods=tuple(each)) for kind, each in served.items() if each)
    made, outcomes = run(study(weak, strong, Soft(), pairs=found), store=store, runtime=Runtime(device="cpu", jobs=0))
    assert not [outcome.error for outcome in outcomes if outcome.error]
    rows = [row for row in results(made, outcomes, store).rows if row.metric == "accuracy" and row.split == "test"]
    assert len({row.method for row in rows}) == sum(map(len, served.values()))
    assert all(np.isfinite(row.student.value) for row in rows)


def test_a_study_of_preferences_from_rows_to_report(encoders, store, tmp_path):
    from surpass.report import write

    made, outcomes = run(
        study(
            encoders["weak"],
            dataclasses.replace(encoders["tuned"], epochs=4),
            Soft(),
            LogConf(),
            Route(method=Soft(), reprobe=True),
            Route(method=Soft(), rounds=1),
            seeds=2,
        ),
        store=store,
        runtime=Runtime(device="cpu", jobs=0),
    )
    found = results(made, outcomes, store)
    tested = [row for row in found.rows if row.metric == "accuracy" and row.split == "test"]
    assert len(tested) >= 4
    for row in tested:
        assert row.floor.value > 0.6
        assert row.ceiling.value > 0.6
        assert row.student.value > 0.6
    assert {row.metric for row in found.rows} >= {"accuracy", "log_loss"}
    files = write(found, tmp_path)
    page = files["report.html"].read_text(encoding="utf-8")
    assert "moods" in page


@pytest.mark.parametrize(
    ("strong", "method", "message"),
    [
        ("prompt", "soft", "model 'prompt' cannot serve task"),
        ("hf", "anchored", "method 'anchored' asks the pretrained model by model 'prompt', which cannot serve task"),
    ],
)
def test_what_answers_in_words_is_refused_while_planning(strong, method, message, encoders, tiny_backbone, store):
    from surpass.errors import StudyError
    from surpass.runner import plan

    model = MODELS.get(strong)(backbone=tiny_backbone, precision="fp32")
    with pytest.raises(StudyError, match=message):
        plan(study(encoders["weak"], model, METHODS.get(method)()), store)


@pytest.mark.parametrize("tune", [{"tune": "full"}, {"tune": "lora"}], ids=str)
def test_what_is_saved_is_a_scoring_model(llama, tune, tmp_path):
    """A saved backbone with the one row of its head scores texts: the difference of two is the log odds."""
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    given = tuning()
    fitted = tiny.hf(llama, **tune, epochs=4).fit(given, CPU)
    fitted.save(tmp_path)
    folder = llama.removeprefix("path:")
    if tune["tune"] == "lora":
        model = PeftModel.from_pretrained(AutoModel.from_pretrained(folder), tmp_path).eval()
    else:
        model = AutoModel.from_pretrained(tmp_path).eval()
    tokenizer, head = AutoTokenizer.from_pretrained(folder), load_file(tmp_path / "head.safetensors")["weight"]
    assert head.shape == (1, 32)

    def score(text: str) -> float:
        with torch.no_grad():
            return float(head @ model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1])

    wanted = [expit(score(first) - score(second)) for first, second in given.watch]
    assert fitted.predict(given.watch)[:, 1] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.slow
@pytest.mark.assets
def test_real_models_learn_real_preferences(store):
    """From 150 pairs of rated film review sentences, judged on 200 others: chance is .5, the standard error .035."""
    from surpass.registry import TASKS

    minilm, smollm = "package:minilm", "package:smollm2-135m"
    weak = Probe(backbone=minilm, layer="last", pool="mean")
    tuned = {"tune": "top", "layers": 2, "points": 1}
    strong = (HF(backbone=minilm, epochs=4, **tuned), HF(backbone=smollm, **tuned))
    made, outcomes = run(
        study(
            weak,
            weak,
            Soft(),
            tasks=(TASKS.get("snippet-preferences")(domain="movie"),),
            pairs=tuple(Pair(weak=weak, strong=model) for model in strong),
            data={"n_weak": 150, "n_transfer": 150, "n_val": 0, "n_test": 200},
        ),
        store=store,
        runtime=Runtime(device="cpu", jobs=0),
    )
    tested = [row for row in results(made, outcomes, store).rows if row.metric == "accuracy" and row.split == "test"]
    assert len(tested) == len(strong)
    for row in tested:
        assert min(row.floor.value, row.student.value, row.ceiling.value) > 0.6
