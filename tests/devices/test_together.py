"""One fit on two processes: what one process predicts, whatever each of them holds of the weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import together
import torch
from click.testing import CliRunner

from surpass.cli import main
from surpass.models._ranks import Ranks, _buckets
from surpass.store import Store


def launched(*command: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join(map(str, (Path(together.__file__).parent, Path(together.__file__).parents[1])))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_two_processes_predict_what_one_does(llama, tmp_path):
    """Full and LoRA, soft and logconf, copies (DDP) and shards (FSDP), steps of one row on two processes."""
    out = tmp_path / "found.npz"
    standalone = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = launched(*standalone, together.__file__, llama, str(out))
    assert done.returncode == 0, done.stderr
    found, alone = np.load(out), together.predictions(llama, alone=True)
    assert sorted(found) == sorted(alone)
    for name, values in alone.items():
        assert found[name] == pytest.approx(values, abs=1e-4), name
        assert values.std() > 1e-3


@pytest.mark.slow
def test_accelerate_launch_runs_a_study_once(llama, tmp_path):
    """Every stage once, one report, the numbers of one process; a loss that is no number fails its stage and no more."""
    (tmp_path / "study.yaml").write_text(
        "name: launched\ntasks: [{task: toy, rows: 300}]\npairs:\n"
        + "".join(
            "  - {weak: {model: sklearn, ngrams: 1}, strong: {model: hf, precision: fp32, batch_size: 16, "
            f"backbone: '{llama}', lr: {rate}}}}}\n"
            for rate in ("1.0e+30", "0.003")
        )
        + "methods: [soft]\nseeds: 1\ndata: {n_weak: 30, n_transfer: 40, n_val: 10, n_test: 40}\n"
    )

    def arguments(name: str) -> list[str]:
        return [
            "run",
            str(tmp_path / "study.yaml"),
            "--store",
            str(tmp_path / name),
            "--out",
            str(tmp_path / f"{name}-out"),
        ]

    two = ("--cpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
    launch = ("accelerate.commands.launch", *two, "--main_process_port", "0", "-m", "surpass")
    done = launched(*launch, *arguments("two"))
    assert "Failed: toy(rows=300), seed 0: ceiling" in done.stderr
    assert "at step 2 of 6, with learning rate" in done.stderr
    assert done.stderr.count("done: toy(rows=300): rows 30 weak, 40 transfer") == 1
    assert done.stdout.count("Report:") == 1
    assert CliRunner().invoke(main, [*arguments("one"), "--jobs", "0", "--quiet"]).exit_code == 1
    one, two = (Store.open(tmp_path / name) for name in ("one", "two"))
    fits = one.find("")
    assert sorted(fits) == sorted(two.find(""))
    for kind, key in fits:
        if kind == "fit":
            assert one.load(kind, key).values == pytest.approx(two.load(kind, key).values, abs=1e-4)


def test_jobs_are_refused_under_a_launcher(tmp_path, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["run", str(tmp_path / "study.yaml"), "--jobs", "4"])
    assert done.exit_code == 2
    assert "2 processes were launched" in done.output


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_every_row_is_one_process_s(count):
    lengths = np.random.default_rng(0).integers(3, 40, size=29)
    rows = [Ranks(rank, count).mine(lengths) for rank in range(count)]
    assert sorted(np.concatenate(rows)) == list(range(29))
    tokens = [int(lengths[mine].sum()) for mine in rows]
    assert max(tokens) - min(tokens) <= lengths.max()


def test_buckets_keep_order_type_and_bound(monkeypatch):
    monkeypatch.setattr("surpass.models._ranks.BUCKET", 10)
    grads = [torch.zeros(n, dtype=dtype) for n, dtype in ((4, torch.float32), (6, torch.float32), (1, torch.float32))]
    grads += [torch.zeros(50), torch.zeros(2, dtype=torch.float64)]
    assert [[g.numel() for g in bucket] for bucket in _buckets(grads)] == [[4, 6], [1], [50], [2]]
