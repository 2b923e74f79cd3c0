"""An output folder: the study as it was run and how its stages ended, so that its report can be made again."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from surpass.errors import DataError, SurpassError
from surpass.runner import Plan, lookup
from surpass.spec import decode, encode
from surpass.store import Store, write_atomically
from surpass.study import Study
from surpass.work import Outcome

FILE = "study.json"


def remember(out: Path, plan: Plan, outcomes: Sequence[Outcome], store: Store) -> None:
    """Write what `recall` needs into the output folder."""
    out.mkdir(parents=True, exist_ok=True)
    ended = [outcome._asdict() for outcome in outcomes if outcome.status in ("failed", "skipped")]
    body = {"study": encode(plan.study), "store": os.path.relpath(store.root, out.absolute()), "ended": ended}
    write_atomically(out / FILE, json.dumps(body, indent=1))


def recall(out: Path, store: Path | None = None) -> tuple[Plan, list[Outcome], Store]:
    """Return the plan of a finished study, how its stages ended, and its store.

    Raises:
        DataError: the folder holds no study of ours.
    """
    try:
        body = json.loads((out / FILE).read_text(encoding="utf-8"))
        study = decode(body["study"])
    except (OSError, ValueError, KeyError, TypeError, SurpassError) as error:
        raise DataError(
            f"'{out}' is not the output of a study: {FILE} cannot be read ({error}). Give the folder that surpass run wrote."
        ) from error
    if not isinstance(study, Study):
        raise DataError(f"'{out / FILE}' holds a {study.kind}, not a study. Give the folder that surpass run wrote.")
    root = Store.open(store or (out.absolute() / body["store"]).resolve())
    plan = lookup(study, root)
    ended = {item["key"]: Outcome(**item) for item in body["ended"]}
    gone = "this stage is not in the store"
    outcomes = [
        Outcome(name, "cached", 0.0) if name in plan.cached else ended.get(name, Outcome(name, "skipped", 0.0, gone))
        for name in plan.nodes
    ]
    return plan, outcomes, root
