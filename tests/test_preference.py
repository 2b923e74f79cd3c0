"""Preferences: one score of a candidate in a probe's head and in finetuning, swapped candidates, whole studies."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from surpass.artifacts import Targets
from surpass.methods.base import Method, cross_entropy
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.base import Encoder, Work
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.registry import METHODS, MODELS
from surpass.route import Route
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.study import Pair, Study
from surpass.tasks.base import Example, Generated, Task

N, D = 120, 6
RNG = np.random.default_rng(4)
CANDIDATES = (RNG.normal(size=(N, 2, D)) * [1, 9, 0.2, 1, 1, 3] + [0, 3, 0, 0, -5, 0]).astype(np.float32)
DIFFERENCES = CANDIDATES[:, 0] - CANDIDATES[:, 1] + np.float32(0.3)  # a mean that a head must not lean on
NEW = RNG.normal(size=(20, D)).astype(np.float32)
FIRST = expit(DIFFERENCES @ [1, -0.1, 3, 0, 0, 0.5] + RNG.normal(size=N))
HEAD = Probe(backbone="path:none", precision="fp32", l2=0.05)
CPU = Runtime(device="cpu")


def chances(first: Any) -> np.ndarray:
    """Return the probabilities of "second" and "first" from those of "first"."""
    return np.stack([1 - np.asarray(first), np.asarray(first)], axis=1)


def work(
    first: np.ndarray = FIRST, differences: np.ndarray = DIFFERENCES, kept: np.ndarray | None = None, **changes: Any
) -> Work:
    """Return a fit to differences of frozen features."""
    kept = np.arange(len(first)) if kept is None else kept
    targets = Targets.of([f"r{i}" for i in kept], chances(first[kept]))
    settings = {"target": "preference", "method": Soft(), "seed": 0, "watch": NEW, **changes}
    return Work(inputs=differences[kept], targets=targets, classes=2, reference=differences, kept=kept, **settings)


def by_sklearn(differences: np.ndarray, first: np.ndarray, l2: float) -> np.ndarray:
    """Return the predictions of scikit-learn's regression without intercept, each row once per class."""
    spread = np.sqrt((differences.astype(np.float64) ** 2).mean(axis=0))
    rows, classes = np.nonzero(chances(first) > 0)
    model = LogisticRegression(C=1 / (len(first) * l2), fit_intercept=False, tol=1e-10, max_iter=10_000)
    model.fit((differences / spread)[rows], classes, sample_weight=chances(first)[rows, classes])
    return model.predict_proba(NEW / spread)


@pytest.mark.parametrize("l2", [0.001, 0.05, 2.0])
def test_exact_head_is_the_regression_without_intercept(l2):
    found = dataclasses.replace(HEAD, l2=l2).fit(work(), CPU).predict(NEW)
    assert found == pytest.approx(by_sklearn(DIFFERENCES, FIRST, l2), abs=1e-6)


def test_exact_head_of_more_columns_than_rows_and_of_few_rows():
    wide = np.random.default_rng(1).normal(size=(40, 90)).astype(np.float32)
    first, some = FIRST[:40], np.arange(0, N, 6)
    fitted = HEAD.fit(work(first, wide, watch=wide), CPU)
    matrix, bias = fitted.predictor[1:3]
    slope = matrix[:, 1]
    scaled = wide / np.sqrt((wide.astype(np.float64) ** 2).mean(axis=0))
    gradient = scaled.T @ (expit(scaled @ slope) - first) / 40 + HEAD.l2 * slope  # of the objective in the docstring
    assert np.abs(gradient).max() < 1e-7
    assert not bias.any()
    assert not matrix[:, 0].any()
    few = HEAD.fit(work(kept=some), CPU).predictor[1][:, 1]  # features are scaled by all rows, whichever a method keeps
    scaled = (DIFFERENCES / np.sqrt((DIFFERENCES.astype(np.float64) ** 2).mean(axis=0)))[some]
    assert np.abs(scaled.T @ (expit(scaled @ few) - FIRST[some]) / len(some) + HEAD.l2 * few).max() < 1e-7


def test_a_weak_penalty_takes_the_other_solver():
    loose = [dataclasses.replace(HEAD, l2=l2).fit(work(), CPU).predict(NEW) for l2 in (9e-6, 1.1e-5)]
    assert loose[0] == pytest.approx(loose[1], abs=1e-3)
    assert loose[0] == pytest.approx(by_sklearn(DIFFERENCES, FIRST, 9e-6), abs=1e-4)


@pytest.mark.parametrize("solver", ["exact", "adam"])
def test_which_candidate_is_called_the_first_changes_nothing(solver):
    """Swapped at prediction: swapped probabilities, bit for bit. Swapped in half of the training rows: the same head."""
    probe = dataclasses.replace(HEAD, solver=solver, epochs=5)
    fitted = probe.fit(work(), CPU)
    assert np.array_equal(fitted.predict(-NEW), fitted.predict(NEW)[:, ::-1])
    turned = np.where(np.arange(N) % 2, -1, 1)
    other = probe.fit(
        work(np.where(turned > 0, FIRST, 1 - FIRST), DIFFERENCES * turned[:, None].astype(np.float32)), CPU
    )
    assert other.predict(NEW) == pytest.approx(fitted.predict(NEW), abs=1e-6)


@pytest.mark.parametrize("changes", [{}, {"l2": 1e-6}, {"solver": "adam", "epochs": 20, "lr": 0.1}], ids=str)
def test_labels_that_all_name_the_first_are_no_single_class(changes):
    """Pairs written as (chosen, rejected), as hh-rlhf has them, teach a score as any others do."""
    better = (DIFFERENCES[:, 0] > 0)[:, None]
    sorted_pairs = np.where(better, DIFFERENCES, -DIFFERENCES)
    found = dataclasses.replace(HEAD, **changes).fit(work(np.ones(N), sorted_pairs), CPU).predict(NEW)
    assert ((found[:, 1] > 0.5) == (NEW[:, 0] > 0)).mean() > 0.8
    assert 0.2 < found[:, 1].mean() < 0.8


def test_adam_comes_to_the_exact_head(tmp_path):
    adam = dataclasses.replace(HEAD, solver="adam", epochs=400, lr=0.01, batch_size=N)
    fitted = adam.fit(work(), CPU)
    assert fitted.predict(NEW) == pytest.approx(HEAD.fit(work(), CPU).predict(NEW), abs=2e-3)
    fitted.save(tmp_path)
    import joblib

    from surpass.models.probe import _predict

    assert _predict(joblib.load(tmp_path / "model.joblib"), NEW) == pytest.approx(fitted.predict(NEW), abs=1e-6)


def test_heads_together_are_what_each_is_alone():
    some = np.arange(0, N, 2)
    jobs = [(dataclasses.replace(HEAD, l2=l2), work(np.roll(FIRST, seed))) for l2 in (0.05, 2.0) for seed in range(3)]
    jobs += [
        (HEAD, work(kept=some)),
        (HEAD, work(target="classification")),
        (dataclasses.replace(HEAD, first=3), work()),
    ]
    for (probe, each), found in zip(jobs, Probe.fit_all(iter(jobs), CPU), strict=True):
        assert not isinstance(found, Exception), found
        assert np.array_equal(found.predict(NEW), probe.fit(each, CPU).predict(NEW))


# Finetuning.


def pairs(n: int, seed: int = 3) -> tuple[tuple[tuple[str, str], ...], np.ndarray]:
    """Return n pairs of a good and a bad text, in either order, and where the good one is first."""
    texts, labels = tiny.texts(2 * n, seed=seed)
    good, bad = ([text for text, y in zip(texts, labels, strict=True) if y == kind] for kind in (1, 0))
    first = np.random.default_rng(seed).integers(2, size=n)
    return tuple((g, b) if f else (b, g) for g, b, f in zip(good, bad, first, strict=True)), first


def tuning(n: int = 32, *, method: Method | None = None, watch: int = 12, seed: int = 0) -> Work:
    """Return a fit of n pairs with soft labels, watching others."""
    inputs, first = pairs(n + watch)
    return Work(
        inputs=inputs[:n],
        targets=Targets.of([f"row-{i}" for i in range(n)], chances(0.1 + 0.8 * first[:n])),
        watch=inputs[n:],
        target="preference",
        classes=2,
        method=method or Soft(),
        seed=seed,
    )


def swapped(inputs: Any) -> Any:
    return tuple((second, first) for first, second in inputs)


def test_finetuning_is_the_textbook_bradley_terry_loop(llama):
    """Written out with torch alone: one score s, loss -p log sigmoid(s1 - s2) - (1 - p) log sigmoid(s2 - s1), AdamW."""
    import torch
    from torch.nn.functional import logsigmoid
    from transformers import AutoModel, AutoTokenizer

    given = tuning(24)
    settings = {"epochs": 5, "batch_size": 8, "schedule": "constant", "clip": 0.0, "points": 3}
    fitted = tiny.hf(llama, **settings).fit(given, CPU)
    folder = llama.removeprefix("path:")
    model, tokenizer = AutoModel.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
    score = torch.nn.Parameter(torch.zeros(1, 32))
    optimizer = torch.optim.AdamW([*model.parameters(), score], lr=3e-3, weight_decay=0.0)

    def margin(rows: Any) -> torch.Tensor:
        def scored(text: str) -> torch.Tensor:
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
            return (states[0, -1] @ score.T)[0]

        return torch.stack([scored(first) - scored(second) for first, second in rows])

    p, order, losses = torch.tensor(given.targets.values[:, 1]).float(), np.random.default_rng(0), []
    for _ in range(5):
        for drawn in np.split(order.permutation(24), 3):
            gap = margin([given.inputs[i] for i in drawn])
            loss = -(p[drawn] * logsigmoid(gap) + (1 - p[drawn]) * logsigmoid(-gap)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    with torch.no_grad():
        wanted = torch.sigmoid(margin(given.watch)).numpy()
    assert np.ptp(wanted) > 0.3  # it moved
    assert fitted.watched[-1][:, 1] == pytest.approx(wanted, abs=2e-4)
    assert fitted.facts["train_loss"] == pytest.approx(losses[-1], abs=1e-4)
    assert fitted.model.head.weight.detach().numpy() == pytest.approx(score.detach().numpy(), abs=1e-4)


@pytest.mark.parametrize(
    "tune", [{"tune": "full"}, {"tune": "lora", "layers": 2}, {"tune": "top", "layers": 2}], ids=str
)
@pytest.mark.parametrize("method", [Soft(), LogConf(variant="openai")], ids=lambda m: m.kind)
def test_the_cut_of_a_step_changes_nothing(llama, tune, method):
    given = tuning(40, method=method)
    model = tiny.hf(llama, **tune, clip=0.0, dropout=0.2)
    fits = [model.fit(given, Runtime(device="cpu", tokens_per_batch=tokens)) for tokens in (100_000, 60, 1)]
    for other in fits[1:]:
        assert other.watched == pytest.approx(fits[0].watched, abs=2e-4)


@pytest.mark.parametrize("backbone", ["llama", "bert"])
@pytest.mark.parametrize("tune", [{"tune": "full"}, {"tune": "lora"}, {"tune": "top", "layers": 2}], ids=str)
def test_swapped_candidates_have_swapped_probabilities(backbone, tune, request):
    given = tuning()
    fitted = tiny.hf(request.getfixturevalue(backbone), **tune, epochs=4).fit(given, CPU)
    for inputs in (given.inputs, given.watch):
        found = fitted.predict(inputs)
        assert fitted.predict(swapped(inputs)) == pytest.approx(found[:, ::-1], abs=1e-6)
    assert fitted.watched[-1] == pytest.approx(fitted.predict(given.watch), abs=1e-6)
    states = fitted.states(given.inputs)
    assert states.shape == (32, 32)
    assert fitted.states(swapped(given.inputs)) == pytest.approx(-states, abs=1e-5)


def test_a_text_against_itself_is_even_odds(llama):
    fitted = tiny.hf(llama).fit(tuning(), CPU)
    assert np.array_equal(fitted.predict((("fine film", "fine film"),)), [[0.5, 0.5]])


def test_frozen_lower_layers_are_run_once_for_both_candidates(llama, monkeypatch):
    from surpass.models import _lower

    given, runtime = tuning(), Runtime(device="cpu")
    model = tiny.hf(llama, tune="top", layers=1)
    kept = model.fit(given, runtime)
    held = [memo for name, memo in runtime.memo.items() if name[0] == "lower"]
    assert [len(states) for states in held] == [64, 24]  # two texts for each row to train on, and to watch
    monkeypatch.setattr(_lower, "can_skip", lambda *args: False)
    assert model.fit(given, CPU).watched == pytest.approx(kept.watched, abs=1e-5)


def test_truncation_counts_both_candidates(llama):
    long = tuple((" ".join(["film"] * 20), "fine") for _ in range(8))
    given = dataclasses.replace(tuning(8), inputs=long)
    assert tiny.hf(llama, max_length=10).fit(given, CPU).facts["truncated"] == 0.5


def test_generative_finetuning_reads_both_candidates(llama):
    """As many next tokens as there are texts: the same training as on a list of the same texts."""
    given, model = tuning(), tiny.hf(llama, generative=2, epochs=1)
    texts = tuple(text for side in (0, 1) for text in (pair[side] for pair in given.inputs))
    plain = dataclasses.replace(tiny.work(64), inputs=texts)
    found, wanted = (model.fit(each, CPU).facts for each in (given, plain))
    for name in ("language_loss_start", "language_loss"):
        assert found[name] == pytest.approx(wanted[name], abs=1e-5)
    assert found["language_loss"] < found["language_loss_start"]


@pytest.mark.parametrize("backbone", ["llama", "bert"])
def test_head_starts_as_the_probe_of_the_differences(backbone, request):
    given = tuning()
    model = tiny.hf(request.getfixturevalue(backbone), head="probe", epochs=1, lr=1e-12)
    fitted = model.fit(given, CPU)
    states, wanted = fitted.states(given.inputs), FIRST
    spread = np.sqrt((states**2).mean(axis=0))
    slope = fitted.model.head.weight.detach().numpy()[0] * spread
    wanted = given.targets.values[:, 1]
    gradient = (states / spread).T @ (expit(states / spread @ slope) - wanted) / 32 + 0.3 * slope
    assert np.abs(gradient).max() < 1e-3
    assert np.abs(slope).max() > 0.05


@pytest.mark.parametrize(
    "changes",
    [{"ema": 0.9}, {"l2_sp": 0.1}, {"head": "probe", "tune": "lora"}, {"pool": "mean", "tune": "top", "layers": 2}],
)
def test_other_ways_to_train_learn_the_preference(llama, changes):
    given = tuning(256, watch=100)
    fitted = tiny.hf(llama, epochs=6, **changes).fit(given, CPU)
    good = np.array([any(word in first.split() for word in tiny.GOOD) for first, _ in given.watch])
    assert ((fitted.watched[-1][:, 1] > 0.5) == good).mean() > 0.7  # four standard errors above chance


def test_methods_see_the_difference_of_the_pooled_states(llama):
    seen = []

    class Spy(Method):
        def loss(self, batch, progress):
            seen.append(batch)
            return cross_entropy(batch.logits, batch.targets)

    given = tuning(8, method=Spy())
    fitted = tiny.hf(llama, epochs=1, batch_size=8).fit(given, CPU)
    (batch,) = seen
    assert batch.hidden.shape == (8, 32)
    assert batch.logits.shape == (8, 2)
    assert not batch.logits.sum(dim=1).any()
    fresh = tiny.hf(llama, epochs=1, lr=1e-12).fit(tuning(8), CPU)
    assert sorted(batch.hidden[:, 0].tolist()) == pytest.approx(sorted(fresh.states(given.inputs)[:, 0]), abs=1e-4)
    assert fitted.model.head.weight.shape == (1, 32)


# Whole studies.


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
    encoder = Encoder(backbone=llama, max_length=6, precision="fp32").resolve()
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
