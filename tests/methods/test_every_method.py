"""Every method through a real study: a pretrained backbone, frozen features, a probe or a finetuned student, scores."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tiny import texts

from surpass.labels.blend import Blend
from surpass.labels.ensemble import Ensemble
from surpass.methods.base import FROM_LABELS, Method
from surpass.models.base import Model
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.registry import METHODS, MODELS
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.scoring import results
from surpass.spec import Spec
from surpass.study import Pair, Study
from surpass.tasks.file import File

INTERNAL = {"boosted"}  # a step of label source `boost`, whose tests fit it
SIZES = {"n_weak": 60, "n_transfer": 120, "n_val": 20, "n_test": 60}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> File:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    inputs, labels = texts(700, seed=5)
    lines = [f"{text},{label}" for text, label in zip(inputs, labels, strict=True)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return File(path=str(path))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tiny import save_llama

    return save_llama(tmp_path_factory.mktemp("llama"))


def labels_for(method: Method, weak: Model, other: Model) -> Spec:
    """Return what labels the rows: an ensemble, a blend with ground truth, or the supervisor alone, as the method needs."""
    if "members" in method.needs:
        return Ensemble(members=(weak, other))
    return Blend(weak=weak, gold=0.3) if method.kind.endswith(("gold-only", "consistency", "ranking")) else weak


def student_for(method: Method, backbone: str) -> Model:
    """Return the cheapest student that can serve the method."""
    exact = Probe(backbone=backbone, precision="fp32")
    adam = Probe(backbone=backbone, precision="fp32", solver="adam", epochs=5)
    tuned = HF(backbone=backbone, precision="fp32", epochs=1, lr=1e-3, points=2)
    wanted = method.needs - FROM_LABELS
    return next(model for model in (exact, adam, tuned) if wanted <= model.can)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n in METHODS.names() if n not in INTERNAL and "classification" in METHODS.get(n).targets]
)
def test_method_trains_a_student(name, task, backbone, tiny_backbone, store):
    method = METHODS.get(name)()
    if "pretrained" in method.needs:
        backbone = tiny_backbone  # whose vocabulary has the answers 0 and 1
    assert method.problem() is None
    weak = Probe(backbone=backbone, layer=0, precision="fp32")
    other = MODELS.get("sklearn")(ngrams=1)
    study = Study(
        name="every-method",
        tasks=(task,),
        pairs=(Pair(weak=labels_for(method, weak, other), strong=student_for(method, backbone)),),
        methods=(method,),
        data=SIZES,
        seeds=1,
    )
    made, outcomes = run(study, store=store, runtime=Runtime(jobs=0))
    assert not [outcome.error for outcome in outcomes if outcome.error]
    found: Any = [
        row for row in results(made, outcomes, store).rows if row.metric == "accuracy" and row.split == "test"
    ]
    assert found
    assert all(math.isfinite(row.student.value) for row in found)
