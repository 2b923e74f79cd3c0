"""Want of memory: a stage starts over with smaller batches, with the same result, before it fails in words."""

from __future__ import annotations

import dataclasses
import errno
import textwrap
from typing import Any

import numpy as np
import pytest
import tiny

from surpass import work as work_module
from surpass.artifacts import Predictions, Targets
from surpass.errors import StoreError
from surpass.methods.base import Given, Method
from surpass.models import _backbone
from surpass.models.hf import HF
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.spec import key
from surpass.store import KINDS, Store
from surpass.study import Pair, Study, cells
from surpass.work import LEAST, PROCESSOR, halved, out_of_memory

spec = dataclasses.dataclass(frozen=True, kw_only=True)


@spec
class Hungry(HF):
    """Asks torch for more memory than there is as long as a batch has more than `most` tokens; notes what it was given."""

    most: int = 100

    def fit(self, work: Any, runtime: Runtime) -> Any:
        import torch

        GIVEN.append(runtime.tokens_per_batch)
        if runtime.tokens_per_batch > self.most:
            torch.empty(1 << 60, dtype=torch.uint8)
        return super().fit(work, runtime)


GIVEN: list[int] = []


def finetuned(small_study: Any, strong: HF) -> Study:
    sizes = {"n_weak": 20, "n_transfer": 24, "n_val": 6, "n_test": 20}
    return small_study(pairs=(Pair(weak=Sklearn(ngrams=1), strong=strong),), data=sizes)


def students(study: Study, store: Store, runtime: Runtime) -> tuple[list[Any], list[Any]]:
    made, outcomes = run(study, store=store, runtime=runtime)
    names = [key(cell.student) for cell in cells(made.study)]
    return outcomes, [store.load("fit", name) for name in names if store.has("fit", name)]


@pytest.mark.slow
def test_a_fit_out_of_memory_starts_over_with_half_the_budget_and_comes_to_the_same(
    small_study, tmp_path, llama, caplog
):
    options = dataclasses.asdict(tiny.hf(llama, epochs=1))
    GIVEN.clear()
    with caplog.at_level("WARNING"):
        outcomes, hungry = students(
            finetuned(small_study, Hungry(**options)), Store.open(tmp_path / "hungry"), Runtime(device="cpu")
        )
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert GIVEN == [4096, 768, 384, 192, 96, 96]  # the second fit of the process begins where the first one ended
    assert "DefaultCPUAllocator" in caplog.text
    assert "It starts over with batches of 768 tokens." in caplog.text
    _, plenty = students(finetuned(small_study, HF(**options)), Store.open(tmp_path / "plenty"), Runtime(device="cpu"))
    assert hungry[0].ids == plenty[0].ids
    assert hungry[0].values == pytest.approx(plenty[0].values, abs=1e-5)


@spec
class Bottomless(Method):
    """Wants more memory than any machine has."""

    def prepare(self, weak: Targets, given: Given, rng: np.random.Generator) -> Targets:
        np.empty(1 << 60, dtype=np.uint8)
        return weak


def test_a_stage_that_never_has_enough_fails_in_words(small_study, store):
    _, outcomes = run(small_study(methods=(Bottomless(),)), store=store, runtime=Runtime(device="cpu"))
    (failed,) = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert failed.error.startswith(f"out of memory, also with batches of {LEAST} tokens")
    assert "Use fewer jobs, or a smaller model." in failed.error
    assert failed.trace == ""


def test_what_the_process_keeps_is_let_go_first(small_study, store, monkeypatch):
    runtime, tries = Runtime(device="cpu"), []
    compute = work_module.compute

    def wanting(stage: Any, inputs: Any, given: Runtime) -> Any:
        tries.append(("big" in given.memo, given.tokens_per_batch))
        if "big" in given.memo:
            raise MemoryError
        return compute(stage, inputs, given)

    monkeypatch.setattr(work_module, "compute", wanting)
    runtime.memo["big"] = np.zeros(10)
    _, outcomes = run(small_study(), store=store, runtime=runtime)
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert tries[:2] == [(True, 4096), (False, PROCESSOR // 2)]


def test_want_of_memory_while_an_artifact_is_read_is_not_called_damage(small_study, store, monkeypatch):
    run(small_study(), store=store)
    name = next(name for kind, name in store.find("") if kind == "fit")
    monkeypatch.setitem(KINDS, "fit", lambda folder: np.empty(1 << 60, dtype=np.uint8))
    with pytest.raises(StoreError, match="too little memory to read it"):
        store.load("fit", name)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_want_of_memory_while_writing_lets_go_then_fails_in_words(small_study, store, monkeypatch, error):
    runtime, save = Runtime(device="cpu"), Predictions.save

    def wanting(self: Any, folder: Any) -> None:
        if "big" in runtime.memo:
            raise error
        save(self, folder)

    monkeypatch.setattr(Predictions, "save", wanting)
    runtime.memo["big"] = np.zeros(10)
    made, outcomes = run(small_study(), store=store, runtime=runtime)
    assert {outcome.status for outcome in outcomes} == {"done"}
    monkeypatch.setattr(Predictions, "save", lambda *_: (_ for _ in ()).throw(error))
    name = key(cells(made.study)[0].student)
    store.discard("fit", name)
    _, outcomes = run(small_study(), store=store, runtime=runtime)
    (failed,) = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert failed.error.startswith(f"too little memory to write fit {name} (")
    assert failed.error.endswith("). Use fewer jobs.")
    assert failed.trace == ""
    assert not list((store.root / "tmp").iterdir())


def test_memory_that_the_system_refuses(python):
    """A real limit: a process that may take 200 MiB more than it has, and a model whose memory goes with the batch budget."""
    code = textwrap.dedent("""
        import resource
        from pathlib import Path
        import numpy as np
        from surpass.work import _within_memory
        from surpass import work
        from surpass.runtime import Runtime
        from surpass.splits import Data
        from surpass.tasks.toy import Toy

        def compute(spec, inputs, runtime):
            given.append(runtime.tokens_per_batch)
            return len(np.zeros(runtime.tokens_per_batch << 20, dtype=np.uint8))  # a mebibyte a token

        given, work.compute = [], compute
        spec = Data(task=Toy(), n_weak=1, n_transfer=1, n_val=1, n_test=1)
        with work.math_threads(1):
            pass
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + 200 * 2**20, -1))
        print(_within_memory(spec, [], Runtime(device="cpu")), given)
    """)
    assert python(code) == f"{192 << 20} [4096, 768, 384, 192]"


@pytest.mark.parametrize(
    ("error", "wanting"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory of the past"), False),
    ],
)
def test_what_counts_as_want_of_memory(error, wanting):
    assert out_of_memory(error) is wanting


def test_halves_begin_with_what_a_batch_really_takes():
    assert PROCESSOR == _backbone.CPU_TRAINING_TOKENS
    assert halved(4096) == PROCESSOR // 2
    assert halved(4096, processor=False) == 2048
    assert halved(100) == halved(LEAST) == LEAST
