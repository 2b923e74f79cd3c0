"""A writer's fit that was killed goes on from its last checkpoint and says the same, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import letters
import pytest
import torch
from sample_stores import contents

from surpass.methods.confident import Confident
from surpass.methods.soft import Soft
from surpass.models import _callbacks, _decoding
from surpass.models._generation import TargetLoss
from surpass.models.generator import Finetuned
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.store import Store
from surpass.study import Pair, Study

POINTS = 4


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    """Let every step leave a checkpoint where `checkpoint_seconds` is 0."""
    monkeypatch.setattr(_callbacks, "SHARE", 0)
    torch.set_num_threads(1)


@pytest.fixture
def seen(monkeypatch) -> dict[str, list[int]]:
    """Return the steps that were trained and how many prompts were written at a time, from now on."""
    found: dict[str, list[int]] = {"steps": [], "written": []}
    part, write = TargetLoss.part, _decoding.write

    def parted(self, *args):
        found["steps"].append(self.step)
        return part(self, *args)

    def wrote(author, script, prompts, *args):
        found["written"].append(len(prompts))
        return write(author, script, prompts, *args)

    monkeypatch.setattr(TargetLoss, "part", parted)
    monkeypatch.setattr(_decoding, "write", wrote)
    return found


def runtime(folder: Path | None) -> Runtime:
    return Runtime(scratch=folder, checkpoint_seconds=0.0)


def stopped(place: type, name: str, monkeypatch, model: Any, work: Any, folder: Path, *, at: int = -1) -> None:
    """Start the fit and end it where a method of some class is called, `at` step or at once."""
    called = getattr(place, name)

    def ends(self, *args):
        if at < 0 or self.step == at:
            raise KeyboardInterrupt
        return called(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, ends)
        with pytest.raises(KeyboardInterrupt):
            model.fit(work, runtime(folder))


def said(fitted: Finetuned) -> tuple[Any, ...]:
    """Return all that a fit yields, as bytes and texts: readings, facts, and what it writes for rows it never saw."""
    values, texts = fitted.write(letters.rows(100)[0][80:])
    read = fitted.steps, fitted.watched.tobytes(), fitted.watched_texts.tolist()
    return *read, dict(fitted.facts), values.tobytes(), texts.tolist()


@pytest.mark.parametrize(
    "options",
    [{}, {"tune": "lora"}, {"tune": "top", "layers": 1}, {"samples": 3}],
    ids=["full", "lora", "top", "samples"],
)
def test_a_killed_fit_goes_on_to_the_same_texts(tmp_path, monkeypatch, seen, options):
    """24 steps; the kill comes after the second of four readings, which stand in the checkpoint and are not made again."""
    model = letters.generator(letters.save_model(tmp_path / "llama"), points=POINTS, **options)
    work, folder = letters.work(), tmp_path / "scratch"
    whole = model.fit(work, runtime(None))
    assert seen["written"] == [16] * POINTS
    wanted = said(whole)
    middle = whole.steps[1]
    stopped(TargetLoss, "end", monkeypatch, model, work, folder, at=middle + 1)
    assert [file.name for file in folder.iterdir()] == ["targets.safetensors"]
    for held in seen.values():
        held.clear()
    again = model.fit(work, runtime(folder))
    assert min(seen["steps"]) == middle + 1
    assert seen["written"] == [16] * (POINTS - 2)
    assert said(again) == wanted
    assert len({tuple(texts) for texts in again.watched_texts.tolist()}) > 1


def test_a_fit_killed_after_its_last_step_only_writes(tmp_path, monkeypatch, seen):
    model = letters.generator(letters.save_model(tmp_path / "llama"), points=POINTS)
    work, folder = letters.work(), tmp_path / "scratch"
    wanted = said(model.fit(work, runtime(None)))
    stopped(Finetuned, "take", monkeypatch, model, work, folder)
    for held in seen.values():
        held.clear()
    assert said(model.fit(work, runtime(folder))) == wanted
    assert seen["steps"] == []
    assert seen["written"] == [20]  # what it is asked for after the fit


def study(folder: Path) -> Study:
    """Return a study of two writers, whose models are in a folder."""
    weak, strong = (letters.generator(f"path:{folder / name}", points=POINTS) for name in ("weak", "strong"))
    return Study(
        name="killed",
        tasks=(letters.Doubled(),),
        pairs=(Pair(weak=weak, strong=strong),),
        methods=(Soft(), Confident(share=0.5)),
        data={"n_weak": 48, "n_transfer": 48, "n_val": 10, "n_test": 40},
        seeds=1,
    )


KILLED = """
import os, signal, sys
from pathlib import Path
import test_resuming
from surpass.models import _callbacks
from surpass.models._generation import TargetLoss
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.store import Store

_callbacks.SHARE = 0
ends = TargetLoss.end
fits = []
def end(self, *args):
    if self.step == 0:
        fits.append(self)
    if self.step == 11 and len(fits) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    ends(self, *args)
TargetLoss.end = end
folder = Path(sys.argv[1])
run(test_resuming.study(folder), store=Store.open(folder / "store"), runtime=Runtime(checkpoint_seconds=0.0))
"""


@pytest.mark.slow
def test_a_killed_study_of_texts_goes_on_inside_its_fits(tmp_path, seen):
    """SIGKILL inside the first fit and, started again, inside the second: then as if nothing had happened."""
    for name, seed in (("weak", 2), ("strong", 1)):
        letters.save_model(tmp_path / name, seed=seed)
    tests = Path(__file__).parent
    here = {**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    for _ in range(2):  # a fit that goes on does not begin, so that the second kill strikes the next one
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=here, timeout=120)
        assert done.returncode == -signal.SIGKILL
        assert len(list((tmp_path / "store" / "tmp").glob("*/targets.safetensors"))) == 1
    stores = Store.open(tmp_path / "store"), Store.open(tmp_path / "undisturbed")
    first = []
    for store in stores:
        seen["steps"].clear()
        _, outcomes = run(study(tmp_path), store=store, runtime=Runtime())
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        first.append(seen["steps"][0])
    assert first == [11, 0]
    assert contents(stores[0].root) == contents(stores[1].root)
    assert not list((tmp_path / "store" / "tmp").iterdir())
