"""An output folder: the study as it was run and how its stages ended, so that its report can be made again."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from surpass.disk import write_atomically
from surpass.errors import DataError, SurpassError
from surpass.runner import Plan, lookup
from surpass.spec import decode, encode
from surpass.store import ONE_SLASH, Store
from surpass.study import Study
from surpass.work import Outcome

FILE = "study.json"
GONE = "this stage is not in the store"


def check_writable(out: Path, store: Store) -> None:
    """Raise a DataError when the output folder cannot be made or written, before anything is computed for it."""
    if ONE_SLASH.match(str(out)):  # what a Path makes of an address
        raise DataError(f"output folder '{out}' is an address. Give a folder with --out; only --store takes addresses.")
    with writing(out):
        there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise NotADirectoryError(f"'{there}' is a file")
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write to '{there}'")
    if out.resolve() == store.root.resolve():
        raise DataError(f"output folder '{out}' is the store. Give another folder with --out or --store.")


@contextlib.contextmanager
def writing(out: Path, remedy: str = "Give a writable folder with --out") -> Iterator[None]:
    """Turn an error of the file system into one that says what to do about the output folder."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"output folder '{out}' cannot be written: {error.strerror or error}. {remedy}; "
            "what was computed is kept in the store."
        ) from error


def remember(out: Path, plan: Plan, outcomes: Sequence[Outcome], store: Store) -> None:
    """Write what `recall` needs into the output folder."""
    out.mkdir(parents=True, exist_ok=True)
    ended = [outcome._asdict() for outcome in outcomes if outcome.status in ("failed", "skipped")]
    body = {"study": encode(plan.study), "store": _place(store, out), "ended": ended}
    write_atomically(out / FILE, json.dumps(body, indent=1))


def _place(store: Store, out: Path) -> str:
    """Return the store's address, or its folder as seen from the output folder: both may be moved together."""
    return store.address if "://" in store.address else os.path.relpath(store.root, out.absolute())


def recall(out: Path, store: str | Path | None = None) -> tuple[Plan, list[Outcome], Store]:
    """Return the plan of a finished study, how its stages ended, and its store.

    Raises:
        DataError: the folder holds no study of ours, names an address that only a person may give, or the store has none
            of its stages.
        StoreError: there is no store where the folder says, or at `store`.
    """
    try:
        body = json.loads((out / FILE).read_text(encoding="utf-8"))
        study, place = decode(body["study"]), body["store"]
        if not isinstance(place, str):
            raise TypeError(f"its store is {place!r}")
        where = (out.absolute() / place).resolve()
        ended = {item["key"]: Outcome(**item) for item in body["ended"]}
    except (OSError, ValueError, KeyError, TypeError, SurpassError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        killed = " A run that was killed has none: give its command again, and it goes on from the store."
        raise DataError(
            f"'{out}' is not the output of a study: {FILE} cannot be read ({what}). Give the folder that surpass run wrote."
            + (killed if isinstance(error, FileNotFoundError) else "")
        ) from error
    if not isinstance(study, Study):
        raise DataError(f"'{out / FILE}' holds a {study.kind}, not a study. Give the folder that surpass run wrote.")
    if not store and "://" in place:  # who made the folder chose it: whoever opens it would reach there with their keys
        raise DataError(
            f"'{out}' names its store by an address, '{place}', which is opened for nobody but who gives it. "
            f"Give it yourself, if you trust it: --store {place}"
        )
    root = Store.open(store or where, create=False)
    plan = lookup(study, root)
    if not plan.cached and not ended:
        raise DataError(
            f"store '{root.address}' has no stage of the study in '{out}'. Give the study's store with --store."
        )
    outcomes = [
        Outcome(name, "cached", 0.0) if name in plan.cached else ended.get(name, Outcome(name, "skipped", 0.0, GONE))
        for name in plan.nodes
    ]
    return plan, outcomes, root
