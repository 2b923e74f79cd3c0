"""The stages as pure functions from a spec and its inputs to an artifact. They never see the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from surpass.artifacts import Artifact, FeatureTable, Predictions, Splits, candidates
from surpass.corpora.base import Corpus
from surpass.fits import Job, told
from surpass.models._pretrain import Pretrain, placed
from surpass.models.base import Encoder
from surpass.runtime import Runtime
from surpass.splits import Data, make_splits
from surpass.stages import Features, Fit, Label, Stage, named_inputs, pretrains_of

_OnModels = TypeVar("_OnModels", bound=Features | Label | Fit)


def compute(spec: Stage, inputs: Sequence[Artifact], runtime: Runtime) -> Artifact:
    """Return the artifact of a stage from the artifacts of `inputs_of(spec)`."""
    named = _by_name(spec, inputs)
    if isinstance(spec, Corpus):
        return spec.build(runtime, named.get("source", ()))
    if isinstance(spec, Data):
        return make_splits(spec, named.get("source", ()))
    if isinstance(spec, Pretrain):
        return spec.compute(named["source"][0], runtime)
    if isinstance(spec, Encoder):
        return spec.learn(runtime)
    spec = _placed(spec, named)
    if isinstance(spec, Features):
        learned = {"learned": named["encoder"][0]} if spec.encoder.learns else {}
        encode = partial(spec.encoder.encode, runtime=runtime, **learned)
        return _extract(spec, named["data"][0], next(iter(named.get("hint", ())), None), encode)
    splits = Splits.joined(named["data"])
    if isinstance(spec, Label):
        return spec.source.compute(splits, named.get("source", ()), runtime=runtime)
    job = Job.of(spec, splits, named, _features(named))
    return job.finished(job.fit(runtime), runtime)


def compute_all(
    specs: Sequence[Fit], inputs: Sequence[Sequence[Artifact]], runtime: Runtime
) -> list[Predictions | None]:
    """Return what `compute` returns for each of some fits over the same rows and features, fitted together by their model.

    None stands for a fit that fails; computing it alone says why.
    """
    named = [_by_name(spec, given) for spec, given in zip(specs, inputs, strict=True)]
    splits, features = Splits.joined(named[0]["data"]), _features(named[0])
    jobs, memo = dict[int, Job](), dict[str, Any]()
    for i, spec in enumerate(specs):
        with suppress(Exception):
            job = Job.of(_placed(spec, named[i]), splits, named[i], features)
            jobs[i] = dataclasses.replace(job, memo=memo)
    fits = type(specs[0].model).fit_all(((job.spec.model, job.work()) for job in jobs.values()), runtime)
    found: list[Predictions | None] = [None] * len(specs)
    for (i, job), fitted in zip(jobs.items(), fits, strict=True):
        if not isinstance(fitted, Exception):
            with suppress(Exception):
                found[i] = job.finished(fitted, runtime)
    return found


def _features(named: Mapping[str, Sequence[Any]]) -> FeatureTable | None:
    return FeatureTable.joined(named["features"]) if "features" in named else None


def _placed(spec: _OnModels, named: Mapping[str, Sequence[Any]]) -> _OnModels:
    """Return the stage with the folders of the backbones that were trained for it in the places of their specs."""
    made = dict(zip(pretrains_of(spec), named.get("backbone", ()), strict=True))
    name = "encoder" if isinstance(spec, Features) else "source" if isinstance(spec, Label) else "model"
    return dataclasses.replace(spec, **{name: placed(getattr(spec, name), made)}) if made else spec


def _by_name(spec: Stage, inputs: Sequence[Artifact]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for (name, _), artifact in zip(named_inputs(spec), inputs, strict=True):
        found.setdefault(name, []).append(artifact)
    return found


def _extract(spec: Features, splits: Splits, hint: Predictions | None, encode: Callable[..., Any]) -> FeatureTable:
    rows = splits.rows if spec.part == "evaluation" else splits.part(spec.part)
    inputs = told(rows, hint, splits.classes).inputs
    if (
        splits.target == "preference"
    ):  # a pair is the difference of its candidates: one linear score tells which is better
        sides = [FeatureTable(rows.ids, *encode(side)) for side in candidates(inputs)]
        facts = FeatureTable.joined(sides).facts
        return FeatureTable(rows.ids, sides[0].vectors - sides[1].vectors, facts)
    return FeatureTable(rows.ids, *encode(inputs))
