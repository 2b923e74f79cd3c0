"""Fits on tiny models as one process of several computes them; started by `torchrun`, writes what process 0 predicts.

torchrun --standalone --nproc-per-node 2 together.py BACKBONE OUT
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tiny

from surpass.methods.logconf import LogConf
from surpass.methods.soft import Soft
from surpass.models.base import Work
from surpass.models.hf import HF
from surpass.runtime import Runtime

TEAMS: tuple[Any, ...] = ("copies", "shards")


def fits(backbone: str, team: str) -> dict[str, tuple[HF, Work]]:
    """Return what is computed: 35 rows in steps of 8, the last of an epoch with 3, and steps of fewer rows than processes."""
    found = {}
    options = {"dropout": 0.2, "batch_size": 8, "lr": 3e-3, "epochs": 1, "points": 2}
    tunes: dict[str, dict[str, Any]] = {"full": {"tune": "full"}, "lora": {"tune": "lora"}}
    if team == "copies":
        tunes["full"] |= {"ema": 0.9, "l2_sp": 0.01}
        tunes["lora"] |= {"layers": 2}
    for name, tune in tunes.items():
        for method in (Soft(), LogConf(variant="eleuther", strength=1.0)):
            model = tiny.hf(backbone, **options, **tune)
            found[f"{team} {name} {type(method).__name__}"] = (model, tiny.work(35, method=method))
    if team == "copies":
        found["top"] = (tiny.hf(backbone, tune="top", layers=2, **options), tiny.work(35))
        found["generative"] = (tiny.hf(backbone, generative=1, head="probe", **options), tiny.work(35))
    found[f"{team} one row"] = (tiny.hf(backbone, batch_size=1, epochs=1), tiny.work(5, method=LogConf()))
    return found


def predictions(backbone: str, *, alone: bool = False) -> dict[str, np.ndarray]:
    """Return the watched and other predictions of each fit, by a team of each kind or in one process `alone`."""
    found = {}
    for team in TEAMS:
        runtime = Runtime(tokens_per_batch=128, team="" if alone else team)
        for name, (model, work) in fits(backbone, team).items():
            fitted = model.fit(work, runtime)
            found[name] = np.concatenate([fitted.watched.ravel(), fitted.predict(work.inputs).ravel()])
    return found


if __name__ == "__main__":
    from surpass import team
    from surpass.runtime import launched

    launch = launched()
    assert launch is not None
    with team.assembled(launch) as leads:
        found = predictions(sys.argv[1])
        if leads:
            np.savez(Path(sys.argv[2]), **found)
        else:
            team.follow()
