"""A fit that was killed goes on from its checkpoint and ends with the same bytes."""

from __future__ import annotations

import dataclasses
import logging
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from click.testing import CliRunner

from surpass.cli import main
from surpass.methods.logconf import LogConf
from surpass.methods.representation import Representation
from surpass.methods.soft import Soft
from surpass.models import _callbacks
from surpass.models._language import TokenLoss
from surpass.models._steps import StepLoss
from surpass.runtime import Runtime

ALL = {"ema": 0.9, "dropout": 0.2, "l2_sp": 0.01, "warmup": 0.2, "epochs": 3, "batch_size": 8, "points": 4}


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    monkeypatch.setattr(_callbacks, "SHARE", 0)
    torch.set_num_threads(1)


def runtime(folder: Path | None, seconds: float = 0.0) -> Runtime:
    return Runtime(scratch=folder, checkpoint_seconds=seconds)


def killed(model, work, folder, monkeypatch, *, at: int, loss: type = StepLoss, seconds: float = 0.0) -> None:
    """Start the fit and let it fail at the end of a step, before the optimizer takes it."""
    ends = loss.end

    def end(self, *args):
        if self.step == at:
            raise KeyboardInterrupt
        ends(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(loss, "end", end)
        with pytest.raises(KeyboardInterrupt):
            model.fit(work, runtime(folder, seconds))


def same(one, two) -> bool:
    weights = tiny.weights(two)
    equal = all(torch.equal(value, weights[name]) for name, value in tiny.weights(one).items())
    return equal and one.watched.tobytes() == two.watched.tobytes() and one.facts == two.facts


@pytest.mark.parametrize("method", [Soft(), LogConf(variant="eleuther", strength=1.0)], ids=["soft", "logconf"])
@pytest.mark.parametrize("tune", [{"tune": "full"}, {"tune": "lora", "layers": 2}], ids=str)
def test_killed_fit_ends_with_the_same_bytes(llama, tmp_path, monkeypatch, method, tune):
    """36 rows in steps of 8 leave short steps; step 7 lies in the second epoch, after two of four readings."""
    model, work = tiny.hf(llama, **tune, **ALL), tiny.work(36, method=method)
    whole = model.fit(work, runtime(None))
    killed(model, work, tmp_path, monkeypatch, at=7)
    seen = []
    begins = StepLoss.part
    monkeypatch.setattr(StepLoss, "part", lambda self, *args: [seen.append(self.step), begins(self, *args)][1])
    assert same(whole, model.fit(work, runtime(tmp_path)))
    assert min(seen) == 7


def test_companion_goes_on(llama, tmp_path, monkeypatch):
    work = tiny.work(36, method=Representation())
    columns = np.random.default_rng(0).normal(size=(36, 3))
    work = dataclasses.replace(work, targets=dataclasses.replace(work.targets, columns=columns))
    model = tiny.hf(llama, **ALL)
    whole = model.fit(work, runtime(None))
    killed(model, work, tmp_path, monkeypatch, at=6)
    assert same(whole, model.fit(work, runtime(tmp_path)))


@pytest.mark.parametrize("at", ["language", "targets"])
def test_generative_phase_goes_on_in_its_own_place(llama, tmp_path, monkeypatch, at):
    model = tiny.hf(llama, generative=1, head="probe", **ALL)
    work = tiny.work(36)
    whole = model.fit(work, runtime(None))
    killed(model, work, tmp_path, monkeypatch, at=3, loss=TokenLoss if at == "language" else StepLoss)
    assert sorted(file.stem for file in tmp_path.glob("*")) == (
        ["language"] if at == "language" else ["language", "targets"]
    )
    assert same(whole, model.fit(work, runtime(tmp_path)))


def test_checkpoint_of_other_work_or_damaged_is_left_alone(llama, tmp_path, monkeypatch, caplog):
    model, work = tiny.hf(llama, **ALL), tiny.work(36)
    killed(model, work, tmp_path, monkeypatch, at=7)
    file, other = tmp_path / "targets.safetensors", tiny.hf(llama, **{**ALL, "lr": 1e-3})
    good = file.read_bytes()
    with caplog.at_level(logging.WARNING):
        assert same(other.fit(work, runtime(None)), other.fit(work, runtime(tmp_path, 1e9)))
        assert "belongs to other work" in caplog.text
        whole = model.fit(work, runtime(None))
        bent = bytearray(good)
        bent[-9] ^= 1
        for bad in (good[: len(good) // 2], bytes(bent), b"", b"{}" * 40):
            caplog.clear()
            file.write_bytes(bad)
            assert same(whole, model.fit(work, runtime(tmp_path, 1e9)))
            assert "is damaged" in caplog.text


def test_readings_of_other_watched_rows_are_not_taken(llama, tmp_path, monkeypatch, caplog):
    """Their readings before the kill stand in the checkpoint."""
    model, work = tiny.hf(llama), tiny.work(16)
    killed(model, work, tmp_path, monkeypatch, at=1)
    work = dataclasses.replace(work, watch=tuple(reversed(work.watch)))
    with caplog.at_level(logging.WARNING):
        assert same(model.fit(work, runtime(None)), model.fit(work, runtime(tmp_path)))
    assert "belongs to other work" in caplog.text


def test_no_room_for_a_checkpoint_costs_no_fit(llama, tmp_path, monkeypatch, caplog):
    (tmp_path / "taken").write_text("a file where a folder should be")
    model, work = tiny.hf(llama), tiny.work(16)
    assert same(model.fit(work, runtime(None)), model.fit(work, runtime(tmp_path / "taken")))
    assert "no checkpoint" in caplog.text


KILLED = """
import os, signal, sys
from surpass.cli import main
from surpass.models import _callbacks
from surpass.models._steps import StepLoss
_callbacks.SHARE = 0
ends, due = StepLoss.end, _callbacks.Saver.due
def end(self, *args):
    if self.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    ends(self, *args)
StepLoss.end = end
_callbacks.Saver.due = lambda self, step: True
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_killed_study_goes_on_inside_its_fit(llama, tmp_path, monkeypatch):
    """SIGKILL in the middle of a fit: the next run resumes it, ends as an undisturbed run does, and leaves nothing behind."""
    study = tmp_path / "study.yaml"
    model = f"{{model: hf, backbone: '{llama}', precision: fp32, batch_size: 8, lr: 0.003}}"
    study.write_text(
        "name: killed\ntasks: [{task: toy, rows: 300}]\npairs:\n"
        f"  - {{weak: {{model: sklearn, ngrams: 1}}, strong: {model}}}\n"
        "methods: [soft]\nseeds: 1\ndata: {n_weak: 30, n_transfer: 60, n_val: 10, n_test: 40}\n"
    )

    def arguments(store: str) -> list[str]:
        places = ["--store", str(tmp_path / store), "--out", str(tmp_path / f"{store}-out")]
        return ["run", str(study), "--jobs", "0", "--quiet", *places]

    done = subprocess.run([sys.executable, "-c", KILLED, *arguments("one")], timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "one" / "tmp").glob("*/targets.safetensors"))
    first = []
    begins = StepLoss.part
    monkeypatch.setattr(StepLoss, "part", lambda self, *args: [first.append(self.step), begins(self, *args)][1])
    for store in ("one", "two"):
        first.clear()
        assert CliRunner().invoke(main, arguments(store)).exit_code == 0
        assert first[0] == (5 if store == "one" else 0)
    assert not list((tmp_path / "one" / "tmp").glob("*"))
    results = [(tmp_path / f"{name}-out" / "results.csv").read_text() for name in ("one", "two")]
    assert results[0] == results[1]
