"""The Slurm recipe, dry: Slurm, Ray and surpass are programs that note how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from surpass import presets

RECIPE = presets.folder() / "slurm" / "ray.sbatch"
NOTE = '#!/bin/bash\necho "$(basename "$0") $*" >> "$CALLS"\n'
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


@pytest.fixture
def submit(tmp_path):
    """Return a function that runs the recipe on nodes and returns its exit code and the calls it made, in order."""

    def run(*nodes: str, arguments: tuple[str, ...] = ("study.yaml",), fails: str = "") -> tuple[int, list[str]]:
        calls, programs = tmp_path / "calls", tmp_path / "bin"
        programs.mkdir()
        answers = {"scontrol": "printf '%s\\n' " + " ".join(nodes), "srun": "", "ray": "", "surpass": ""}
        for name, answer in answers.items():
            (programs / name).write_text(NOTE + answer + ("\nexit 3\n" if name == fails else "\n"), encoding="utf-8")
            (programs / name).chmod(0o755)
        facts = {"SLURM_JOB_NODELIST": "node[1-3]", "SLURM_JOB_ID": "20042", "SLURM_CPUS_ON_NODE": "16"}
        where = {"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(calls), "SLURM_GPUS_ON_NODE": "8"}
        done = subprocess.run(["bash", str(RECIPE), *arguments], env={**os.environ, **facts, **where}, timeout=60)
        return done.returncode, calls.read_text(encoding="utf-8").splitlines()

    return run


def test_the_head_is_on_the_first_node_and_ray_on_the_others(submit):
    code, calls = submit("node1", "node2", "node3", arguments=("a study.yaml", "--store", "/shared"))
    head, others = sorted((call for call in calls if call.startswith("srun")), key=lambda call: "--head" not in call)
    assert code == 0
    assert "--nodelist=node1" in head
    assert "ray start --head --node-ip-address=node1 --port=20042" in head
    assert "--nodes=2 --ntasks=2 --exclude=node1" in others
    assert "ray start --address=node1:20042" in others
    for call in (head, others):
        assert "--num-cpus=16 --num-gpus=8 --disable-usage-stats --block" in call
    assert "surpass run a study.yaml --store /shared --executor ray --address node1:20042" in calls
    assert calls.index("ray health-check --address node1:20042") < calls.index(others)


def test_one_node_has_a_head_alone(submit):
    code, calls = submit("node1")
    assert code == 0
    assert sum(call.startswith("srun") for call in calls) == 1


def test_a_failed_study_fails_the_job(submit):
    assert submit("node1", fails="surpass")[0] == 3


def test_slurm_reads_its_options_before_the_first_command():
    lines = Path(RECIPE).read_text(encoding="utf-8").splitlines()
    last = max(i for i, line in enumerate(lines) if line.startswith("#SBATCH"))
    assert all(line.startswith("#") for line in lines[: last + 1])
