"""The model folder: a student that others can load, with what is known of it in `surpass.json` and a card in `README.md`.

    model/  surpass.json  README.md  and the student: a transformers folder, or `model.skops` of a scikit-learn student

No pickle is written or read. `surpass.json` has the SHA-256 of every other file.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from surpass.artifacts import Values
from surpass.disk import sha256
from surpass.errors import DataError

FACTS, CARD, FORMAT = "surpass.json", "README.md", 1
NEEDED = (
    "format",
    "form",
    "files",
    "target",
    "classes",
    "columns",
    "candidates",
    "text_column",
    "evidence",
    "versions",
)


class Reader(Protocol):
    """What reads texts with a loaded student."""

    def __call__(self, texts: Sequence[str]) -> Values:
        """Return probabilities (n, C), or scores (n, 1) of a preference."""


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A model folder that was loaded.

    Attributes:
        folder: where it is.
        facts: what `surpass.json` holds.
        read: the student.
    """

    folder: Path
    facts: Mapping[str, Any]
    read: Reader

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns of `predict`."""
        return tuple(self.facts["classes"])

    @property
    def text_column(self) -> str:
        """The column of the training file that held the texts."""
        return str(self.facts["text_column"])

    def preprocess(self, text: Any) -> str:
        """Return a cell as the student was shown cells: as text, otherwise as it stands."""
        return "" if text is None else str(text)

    @property
    def scores(self) -> bool:
        """Whether the student scores single texts of a preference, so that `prefer` is what to ask."""
        return bool(self.facts["target"] == "preference")

    def predict(self, texts: Sequence[str]) -> Values:
        """Return probabilities (n, C) of n texts; their order and number do not matter to a row's result.

        Raises:
            DataError: the student was fitted to preferences, which are of two texts; see `prefer`.
        """
        if self.scores:
            raise DataError(f"'{self.folder}' scores candidates of a preference; it has no classes for single texts.")
        if not len(texts):
            return np.zeros((0, len(self.classes)))
        return self._read(texts)

    def prefer(self, first: Sequence[str], second: Sequence[str]) -> Values:
        """Return probabilities (n, 2) that the second, or the first, of two candidates is better."""
        score = self._read([*first, *second])[:, 0]
        odds = score[: len(first)] - score[len(first) :]
        chance = 1 / (1 + np.exp(-odds))
        return np.column_stack([1 - chance, chance])

    def _read(self, texts: Sequence[str]) -> Values:
        return np.asarray(self.read([self.preprocess(text) for text in texts]), dtype=np.float64)


def load(folder: Path) -> Bundle:
    """Return the bundle in a folder that `surpass fit` wrote.

    Raises:
        DataError: there is no such folder, it is none of ours, or a file of it is missing or was changed in length.
    """
    facts = read_facts(folder)
    if missing := [name for name in facts["files"] if not (folder / name).is_file()]:
        raise DataError(f"model folder '{folder}' lacks {', '.join(missing)}. Copy the whole folder, or fit again.")
    return Bundle(folder, facts, _reader(folder, facts))


def _reader(folder: Path, facts: Mapping[str, Any]) -> Reader:
    if facts["form"] == "skops":
        from surpass.models import _skops

        pipeline: Reader = _skops.load(folder, len(facts["classes"]))
        return pipeline
    from scipy.special import softmax

    from surpass.models import _export

    logits: Reader = _export.load(folder, facts["form"], int(facts["max_length"]))
    if facts["target"] == "preference":
        return logits
    return lambda texts: np.asarray(softmax(logits(texts), axis=1))


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what a model folder says of itself; DataError when it is none of ours."""
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if lacking := [name for name in NEEDED if name not in facts]:
            raise ValueError(f"it has no {', '.join(lacking)}")
        if facts["format"] > FORMAT:
            raise DataError(
                f"model folder '{folder}' has format {facts['format']}, which a newer surpass wrote; this one reads up to "
                f"{FORMAT}. Update surpass."
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            f"'{folder}' is no model folder: {FACTS} cannot be read ({what}). Give the folder that surpass fit wrote."
        ) from error
    return facts


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in the folder but `surpass.json`, by its path inside."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != FACTS:
            found[name] = sha256(path)
    return found
