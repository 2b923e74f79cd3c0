"""More than two classes, end to end: every method, models, labels from a file, a study's report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny

from surpass.artifacts import Targets
from surpass.labels.blend import Blend
from surpass.labels.ensemble import Ensemble
from surpass.labels.file import File as Labels
from surpass.methods.base import FROM_LABELS, Given, Labelled, Method
from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.base import Work
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.registry import METHODS
from surpass.route import Route
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.study import Pair, Study
from surpass.tasks.base import Example, Generated, Task
from surpass.testing import _methods

CPU = Runtime(device="cpu", jobs=0)
INTERNAL = {"boosted"}  # a step of label source `boost`, whose tests fit it
NAMES = [n for n in METHODS.names() if n not in INTERNAL and "classification" in METHODS.get(n).targets]
WORDS = (*tiny.GOOD, *tiny.BAD, "film", "music")  # one word gives away each of ten classes
PLAIN = [word for word in tiny.PLAIN if word not in WORDS]


@pytest.mark.parametrize("classes", [3, 10])
@pytest.mark.parametrize("name", NAMES)
def test_contract_of_every_method(name, classes):
    """The suite that `check_method` runs for two and five classes."""
    method, what = METHODS.get(name)(), f"{name}, {classes} classes"
    _methods.check_prepare(what, method, classes)
    _methods._check_loss(what, method, classes)
    if method.neutral:
        _methods._check_neutral(what, method, classes)


def renamed(given: Given, order: np.ndarray) -> Given:
    """Return what was given with the classes in another order."""
    labelled = given.labelled
    return dataclasses.replace(
        given,
        members=None if given.members is None else given.members[..., order],
        pretrained=None if given.pretrained is None else given.pretrained[:, order],
        labelled=None
        if labelled is None
        else Labelled(labelled.ids, labelled.gold[:, order], labelled.supervisor_features),
    )


@pytest.mark.parametrize("classes", [3, 10])
@pytest.mark.parametrize("name", NAMES)
def test_no_method_knows_a_first_class(name, classes):
    """Classes in another order: the same rows, weights and losses, with targets and gradients in that order."""
    import torch

    method: Method = METHODS.get(name)()
    weak, given = _methods.sample_weak(classes, rows=120)
    given = _methods.asked_for(given, method)
    order = np.random.default_rng(7).permutation(classes)
    turned = dataclasses.replace(weak, values=weak.values[:, order])
    found, other = (
        method.prepare(labels, known, np.random.default_rng(0))
        for labels, known in ((weak, given), (turned, renamed(given, order)))
    )
    assert found.ids == other.ids
    assert other.values == pytest.approx(found.values[:, order], abs=1e-5)
    assert other.weight == pytest.approx(found.weight, abs=1e-5)
    if method.solves:
        features, known = given.features, {row: i for i, row in enumerate(weak.ids)}
        rows = [known[row] for row in found.ids]
        one, two = (method.solve(targets, features[rows])(features) for targets in (found, other))
        assert two == pytest.approx(one[:, order], abs=1e-5)
        return
    step = _methods._Step.of(method, classes)
    columns = step.columns[:, order] if step.columns.shape[1] == classes else step.columns
    moved = dataclasses.replace(step, targets=step.targets[:, order], recent=step.recent[:, order], columns=columns)
    logits = torch.randn(8, classes, generator=torch.Generator().manual_seed(3))
    for progress in _methods.PROGRESS:
        (loss, gradient), (same, back) = (
            step.loss(logits, range(8), progress),
            moved.loss(logits[:, order], range(8), progress),
        )
        assert torch.allclose(loss, same, atol=1e-5)
        assert torch.allclose(gradient[:, order], back, atol=1e-5)


@pytest.mark.parametrize("variant", ["paper", "openai", "eleuther"])
@pytest.mark.parametrize("classes", [3, 5, 10])
def test_confidence_keeps_the_shares_of_many_classes(variant, classes):
    """A student that leans to one class is not driven further there: what it hardens to has about the labels' shares."""
    import torch

    draw, rows = torch.Generator().manual_seed(classes), 400
    truth = torch.arange(rows) % classes
    leaning = torch.randn(rows, classes, generator=draw) + 2 * torch.nn.functional.one_hot(truth, classes)
    leaning[:, 0] += 2
    probs = torch.softmax(leaning, dim=-1)
    step = _methods._Step.of(Soft(), classes)
    from surpass.methods.base import Batch

    targets = torch.nn.functional.one_hot(truth, classes).float()
    batch = Batch(
        logits=leaning,
        targets=targets,
        gold=torch.zeros(rows, dtype=torch.bool),
        hidden=None,
        rows=torch.arange(rows),
        step_probs=probs,
        step_targets=targets,
        step_gold=torch.zeros(rows, dtype=torch.bool),
        recent_probs=probs,
        step=1000,
        columns=step.columns[:0],
    )
    shares = LogConf(variant=variant).hardened(batch).mean(dim=0)
    alone = torch.nn.functional.one_hot(probs.argmax(dim=-1), classes).float().mean(dim=0)
    assert alone[0] > 1.5 / classes
    assert (shares - 1 / classes).abs().max() < 0.6 / classes
    assert (shares - 1 / classes).abs().max() < (alone - 1 / classes).abs().max() / 2


# Models.


@pytest.mark.parametrize(
    "model",
    [Probe(backbone="path:none", precision="fp32"), Sklearn(features="none")],
    ids=lambda model: model.kind,
)
def test_no_model_knows_a_first_class(model):
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(200, 12)).astype(np.float32)
    values = np.exp(2 * vectors[:, :10] + rng.normal(size=(200, 10)))
    values /= values.sum(axis=1, keepdims=True)
    order = rng.permutation(10)

    def predicted(targets: np.ndarray) -> np.ndarray:
        work = Work(
            inputs=vectors,
            targets=Targets.of([f"r{i}" for i in range(200)], targets),
            watch=vectors[:0],
            target="classification",
            classes=10,
            method=Soft(),
            seed=0,
        )
        return model.fit(work, CPU).predict(vectors)

    assert predicted(values[:, order]) == pytest.approx(predicted(values)[:, order], abs=1e-3)


# Studies.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topics(Task):
    """Sentences in which one word gives away the class; one label in ten is drawn. Licence: none."""

    classes: ClassVar[tuple[str, ...]] = tuple(f"about {word}" for word in WORDS)

    of: int = 10

    def class_names(self) -> tuple[str, ...]:
        return self.classes[: self.of]

    def source(self) -> Generated:
        return Generated(self._make)

    def _make(self) -> Iterator[dict[str, Any]]:
        rng, seen = np.random.default_rng(self.of), set[str]()
        while len(seen) < 900:
            label = len(seen) % self.of
            words = [str(word) for word in rng.choice(PLAIN, size=rng.integers(3, 9))]
            words.insert(int(rng.integers(len(words) + 1)), WORDS[label])
            text = " ".join(words)
            if text not in seen:
                seen.add(text)
                yield {
                    "id": str(len(seen)),
                    "text": text,
                    "label": label if rng.random() < 0.9 else int(rng.integers(self.of)),
                }

    def example(self, row, rng):
        return Example(row["text"], row["label"], id=row["id"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clouds(Task):
    """Vectors around ten centres. Licence: none."""

    input: ClassVar[str] = "vector"
    classes: ClassVar[tuple[str, ...]] = tuple("abcdefghij")

    def source(self) -> Generated:
        return Generated(self._make)

    def _make(self) -> Iterator[dict[str, Any]]:
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(10, 12)) * 0.9
        for i in range(1500):
            yield {"id": str(i), "vector": (centres[i % 10] + rng.normal(size=12)).tolist(), "label": i % 10}

    def example(self, row, rng):
        return Example(np.array(row["vector"]), row["label"], id=row["id"])


SIZES = {"n_weak": 100, "n_transfer": 150, "n_val": 30, "n_test": 120}


def study(pairs: Sequence[Pair], **changes: Any) -> Study:
    values = {
        "name": "many",
        "tasks": (Topics(),),
        "pairs": tuple(pairs),
        "methods": (Soft(),),
        "data": SIZES,
        "seeds": 1,
    }
    return Study(**{**values, **changes})


@pytest.fixture(scope="module")
def models(llama: str) -> dict[str, Any]:
    """Return a weak probe and the cheapest students, by what they can do for methods."""
    return {
        "weak": Probe(backbone=llama, layer=0, pool="mean", precision="fp32"),
        "exact": Probe(backbone=llama, precision="fp32"),
        "adam": Probe(backbone=llama, precision="fp32", solver="adam", epochs=5),
        "tuned": HF(backbone=llama, precision="fp32", epochs=1, lr=1e-3, points=2),
    }


@pytest.mark.slow
@pytest.mark.parametrize("student", ["exact", "adam", "tuned"])
def test_every_method_trains_a_student_of_ten_classes(student, models, store):
    """Each with the cheapest student that serves it; `anchored` asks for a real vocabulary and has its own test."""
    weak, other = models["weak"], Sklearn(ngrams=1)
    labels = {"plain": weak, "members": Ensemble(members=(weak, other)), "gold": Blend(weak=weak, gold=0.3)}
    served: dict[str, list[Method]] = {kind: [] for kind in labels}
    for method in (METHODS.get(name)() for name in NAMES if name != "anchored"):
        cheapest = next(m for m in ("exact", "adam", "tuned") if method.needs - FROM_LABELS <= models[m].can)
        if cheapest == student:
            served[next((need for need in ("members", "gold") if need in method.needs), "plain")].append(method)
    ways: dict[str, list[Any]] = {**served}
    if student == "tuned":
        ways["plain"] = [*served["plain"], Route(method=Soft(), reprobe=True), Route(method=Soft(), rounds=1)]
    pairs = [
        Pair(weak=labels[kind], strong=models[student], methods=tuple(each)) for kind, each in ways.items() if each
    ]
    made, outcomes = run(study(pairs), store=store, runtime=CPU)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    rows = [row for row in results(made, outcomes, store).rows if row.metric == "accuracy" and row.split == "test"]
    assert len({row.method for row in rows}) == sum(map(len, ways.values()))
    assert all(np.isfinite(row.student.value) for row in rows)


@pytest.mark.parametrize("how", ["names", "indices", "probabilities"])
def test_labels_from_a_file(how, tmp_path, store):
    """Written as class names, as class indices, and as one column of probabilities per class: the same floor."""
    task = Topics(of=5)
    rows = list(task.source().rows())
    rng = np.random.default_rng(0)
    given = [row["label"] if rng.random() < 0.7 else int(rng.integers(5)) for row in rows]
    path = tmp_path / "labels.csv"
    if how == "probabilities":
        chances = [np.where(np.arange(5) == label, 0.8, 0.05) for label in given]
        head, cells = "p0,p1,p2,p3,p4", [",".join(map(str, chance)) for chance in chances]
        source = Labels(path=str(path), columns=tuple(f"p{i}" for i in range(5)))
    else:
        head, cells = "label", [task.class_names()[label] if how == "names" else str(label) for label in given]
        source = Labels(path=str(path))
    lines = [f"{row['id']},{cell}" for row, cell in zip(rows, cells, strict=True)]
    path.write_text("\n".join([f"id,{head}", *lines]) + "\n", encoding="utf-8")
    made, outcomes = run(study([Pair(weak=source, strong=Sklearn(ngrams=1))], tasks=(task,)), store=store, runtime=CPU)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    (row,) = [row for row in results(made, outcomes, store).rows if row.metric == "accuracy" and row.split == "test"]
    assert 0.55 < row.floor.value < 0.85
    assert row.student.value > row.floor.value  # random errors average out


# From rows to pages.


def test_report_and_comparison_of_ten_classes(store, tmp_path):
    from surpass.report import write

    vectors = Sklearn(features="none")
    weak = Sklearn(features="none", estimator="sklearn.tree.DecisionTreeClassifier", params=(("max_depth", 5),))
    made, outcomes = run(
        study(
            [Pair(weak=weak, strong=vectors)],
            tasks=(Clouds(),),
            methods=tuple(METHODS.get(name)() for name in ("soft", "hard")),
            data={"n_weak": 300, "n_transfer": 400, "n_val": 50, "n_test": 300},
            seeds=3,
        ),
        store=store,
        runtime=CPU,
    )
    assert not [outcome.error for outcome in outcomes if outcome.error]
    found = results(made, outcomes, store)
    by_metric = {row.metric: row for row in found.rows if row.split == "test" and row.method.startswith("soft")}
    assert set(by_metric) == {"accuracy", "auroc", "log_loss", "brier", "ece"}
    accuracy = by_metric["accuracy"]
    assert 0.2 < accuracy.floor.value < accuracy.student.value < accuracy.ceiling.value < 1
    assert by_metric["auroc"].floor.value > 0.5
    files = write(found, tmp_path)
    page = files["report.html"].read_text(encoding="utf-8")
    assert "nan" not in page.lower().replace("finan", "")


@pytest.mark.parametrize(("classes", "border"), [(2, 0.75), (3, 2 / 3), (10, 0.55)])
def test_confident_asks_for_half_way_from_chance_to_certainty(classes, border):
    from surpass.methods.confident import Confident

    values = np.full((2, classes), 0.0)
    for row, top in enumerate((border + 0.01, border - 0.01)):
        values[row] = (1 - top) / (classes - 1)
        values[row, row] = top
    weak = Targets.of(["sure", "unsure"], values)
    assert Confident().prepare(weak, Given(), np.random.default_rng(0)).ids == ("sure",)
