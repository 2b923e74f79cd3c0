"""Weak-to-strong generalization: what a strong model learns from weak labels, with numbers that hold up.

The public names load on first use, so that `import surpass` costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Accepted": "surpass.methods.accepted",
    "Blend": "surpass.labels.blend",
    "Data": "surpass.splits",
    "Encoder": "surpass.models.base",
    "Ensemble": "surpass.labels.ensemble",
    "Estimate": "surpass.stats",
    "Fit": "surpass.stages",
    "Generator": "surpass.models.generator",
    "Gold": "surpass.labels.gold",
    "HF": "surpass.models.hf",
    "Hard": "surpass.methods.hard",
    "LogConf": "surpass.methods.logconf",
    "Pair": "surpass.study",
    "Pretrain": "surpass.models._pretrain",
    "Probe": "surpass.models.probe",
    "Route": "surpass.route",
    "Runtime": "surpass.runtime",
    "Sklearn": "surpass.models.sklearn",
    "Soft": "surpass.methods.soft",
    "Store": "surpass.store",
    "Study": "surpass.study",
    "SurpassError": "surpass.errors",
    "TextEncoder": "surpass.models.base",
    "WeakToStrongClassifier": "surpass.estimator",
    "Weighted": "surpass.methods.weighted",
    "run": "surpass.runner",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'surpass' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
