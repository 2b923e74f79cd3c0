"""Writing a model folder: into a temporary folder beside its place first, so that nothing half-written is ever there."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Values, candidates
from surpass.disk import as_new
from surpass.errors import DataError, IncompatibleError, StageError
from surpass.methods.base import Method
from surpass.models.base import Model
from surpass.own import bundle
from surpass.own.card import card
from surpass.own.fitting import Pool, Student
from surpass.spec import describe_kind

SAVED = ("model/hf", "model/probe", "model/sklearn", "model/generator")
TRIED, FAR = 32, 0.03
"""So many rows are read again with the written folder. Rounding of bf16 moves single rows by more than FAR, but not their
mean; a wrong pooling or a lost layer moves all of them."""


def check_model(strong: Model, method: Method | None, *, preference: bool = False) -> None:
    """Raise when a student of this model and method could not be written anywhere."""
    name = describe_kind(strong)
    if strong.kind not in SAVED:
        raise IncompatibleError(
            f"{name} cannot be written as a model folder. Use hf, probe or sklearn as the strong model."
        )
    if preference and strong.kind != "model/hf":
        raise IncompatibleError(
            f"{name} cannot be written as a scoring model of a preference. Use hf as the strong model."
        )
    if method is not None and method.solves:
        raise IncompatibleError(
            f"{describe_kind(method)} is no model that can be written. Use another method, such as soft."
        )


def check(strong: Model, method: Method | None, out: Path, *, overwrite: bool, preference: bool = False) -> None:
    """Raise before anything is computed when the student could not be written, or not there."""
    check_model(strong, method, preference=preference)
    if out.exists() and not overwrite:
        raise DataError(f"'{out}' is there already. Give another folder with --out, or replace it with --overwrite.")
    if out.exists() and not (out / bundle.FACTS).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            f"'{out}' is no model folder, so --overwrite does not replace it. Give another folder with --out."
        )
    there = next(folder for folder in (out.absolute().parent, *out.absolute().parents) if folder.exists())
    try:
        tempfile.TemporaryDirectory(dir=there).cleanup()  # its mode bits do not tell: it may be full or read-only
    except OSError as error:
        raise DataError(
            f"output folder '{out}' cannot be made: '{there}' cannot be written ({error.strerror}). Give another with --out."
        ) from error


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of `out` when the block ends well, and is gone when it does not."""
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise DataError(f"output folder '{out}' cannot be made: {error.strerror}. Give another with --out.") from error
    try:
        made.chmod(0o755)
        yield made
        as_new(made)
        old = made.with_name(made.name + ".old")
        if out.exists():
            out.rename(old)
        try:
            made.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"output folder '{out}' cannot be written: {error.strerror or error}. Make room there."
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write(folder: Path, student: Student, pool: Pool, facts: dict[str, Any]) -> dict[str, Any]:
    """Write student, card and facts into an empty folder, read it back, and return the facts as written.

    Raises:
        StageError: the folder does not give the student's own predictions.
    """
    facts |= _write_student(folder, student, pool.classes)
    (folder / bundle.CARD).write_text(card(facts), encoding="utf-8")
    facts["files"] = bundle.digests(folder)
    write_facts(folder, facts)
    off = _differences(folder, student, pool)
    if off.mean() > FAR:
        raise StageError(
            f"the written model gives probabilities {off.mean():.3f} away from those of the fitted one, so it is not kept. "
            "Give another strong model; this one's architecture is not written faithfully."
        )
    facts["reload_difference"] = float(off.max())
    write_facts(folder, facts)
    return facts


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write `surpass.json`."""
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / bundle.FACTS).write_text(text + "\n", encoding="utf-8")


def _write_student(folder: Path, student: Student, classes: tuple[str, ...]) -> dict[str, Any]:
    """Write the student and return its form and the tokens at which it cuts a text (0: nowhere)."""
    model: Any = student.model
    if model.kind == "model/sklearn":
        from surpass.models import _skops

        vectorizer, estimator, *_ = student.fitted.predictor  # type: ignore[attr-defined]
        _skops.save(folder, vectorizer, estimator)
        return {"form": "skops", "max_length": 0}
    from surpass.models import _export

    if model.kind == "model/probe":
        head = _export.head_of(student.fitted)
        form = _export.save_probe(model, head, folder, classes, student.runtime)
    else:
        form = _export.save_finetuned(model, student.fitted, folder, classes)
    return {"form": form, "max_length": _export.limit_of(folder)}


def _differences(folder: Path, student: Student, pool: Pool) -> Values:
    """Return how far probabilities by the written folder are from the student's own, on a few rows."""
    places = np.arange(min(TRIED, len(pool.inputs)))
    read = bundle.load(folder)
    rows: Any = pool.inputs[: len(places)]
    found: Values
    if pool.target == "preference":
        found = read.prefer(*candidates(rows))  # type: ignore[arg-type]
    else:
        found = read.predict(rows)
    return np.asarray(np.abs(found - pool.predict(student, places)))
