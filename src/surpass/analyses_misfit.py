"""Misfit beside gain for every comparison of a study, over all rows and by domain; and which supervisor misfit would pick."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from surpass.diagnostics import losses_for, misfits, select
from surpass.results import MisfitRow, SelectionRow
from surpass.shelf import Seeds, names, run_of, scored_splits, shared_runs, taken
from surpass.stats import Run
from surpass.study import Study

FEWEST_DOMAINS = 3
"""So many domains are points of a plot."""


def misfit_rows(study: Study, group: Seeds) -> Iterator[MisfitRow]:
    """Yield misfit, gain and slack of one comparison: of each split by every loss, of its domains by the first."""
    if group[0].cell.route.reprobe:
        return  # fitted on ground truth once more: neither its misfit nor its gain is weak labels' doing
    told, losses = names(group[0].cell), losses_for(group[0].splits.target)
    if not losses:
        return
    for split in scored_splits(group[0]):
        runs = [run_of(one, split, study.stopping) for one in group]
        for found in misfits(runs, losses, level=study.level):
            yield MisfitRow(split=split, domain="", **{**found._asdict(), **told})
        for domain, members in _by_domain(group, runs, split):
            for found in misfits(members, losses[:1], level=study.level):
                yield MisfitRow(split=split, domain=domain, **{**found._asdict(), **told})


def _by_domain(group: Seeds, runs: Sequence[Run], split: str) -> Iterator[tuple[str, list[Run]]]:
    """Yield each domain that all seeds have with its rows; a domain that is one single group is resampled by rows."""
    parts = [one.splits.part(split) for one in group]
    places = [_places(part.domains) for part in parts]
    common = [name for name in places[0] if name and all(name in held for held in places)]
    if len(common) < FEWEST_DOMAINS:
        return
    whole = [taken(run, np.arange(len(part))) for run, part in zip(runs, parts, strict=True)]  # arrays, made once
    ids = [np.array(part.ids) for part in parts]
    for domain in common:
        rows = [held[domain] for held in places]
        members = [taken(run, place) for run, place in zip(whole, rows, strict=True)]
        if len({name for run in members for name in run.groups}) == 1:
            members = [replace(run, groups=held[place]) for run, held, place in zip(members, ids, rows, strict=True)]
        yield domain, members


def _places(domains: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of each domain, in the order in which domains first appear."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(domains):
        found.setdefault(name, []).append(place)
    return {name: np.array(rows, dtype=np.int64) for name, rows in found.items()}


def selections(study: Study, groups: Sequence[Seeds]) -> Iterator[SelectionRow]:
    """Yield the supervisors, two or more, whose students share task, strong model and method, and what the rule picks."""
    found: dict[tuple[str, str, str], list[Seeds]] = {}
    for group in groups:
        told = names(group[0].cell)
        if not group[0].cell.route.reprobe:
            found.setdefault((told["task"], told["strong"], told["method"]), []).append(group)
    for place, members in found.items():
        losses = losses_for(members[0][0].splits.target)
        shared = shared_runs(members, study.stopping) if losses and len(members) > 1 else []
        if not shared:
            continue
        loss = losses[0]
        chosen = select(shared, loss=loss, level=study.level)
        rows = min(len(np.asarray(run.labels)) for run in shared[0])
        weak = tuple(names(member[0].cell)["weak"] for member in members)
        yield SelectionRow(*place, loss, weak, rows=rows, seeds=len(shared[0]), **chosen._asdict())
