"""Fitted models in files without pickles: skops writes them, and reads only types that are known to be safe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import skops.io
from sklearn.pipeline import make_pipeline

from surpass.artifacts import Values
from surpass.errors import DataError, IncompatibleError

FILE = "model.skops"
TRUSTED = ("sklearn.", "numpy.", "scipy.")
"""Packages whose types may stand in a file beside those that skops itself knows to be safe."""


def save(folder: Path, vectorizer: Any, estimator: Any) -> None:
    """Write vectorizer and estimator as one pipeline; IncompatibleError when they hold types that `load` would refuse."""
    path = folder / FILE
    skops.io.dump(make_pipeline(vectorizer, estimator), path)
    strange = [name for name in skops.io.get_untrusted_types(file=path) if not name.startswith(TRUSTED)]
    if strange:
        path.unlink()
        raise IncompatibleError(
            f"the student holds {', '.join(strange)}, which cannot be read back safely without a pickle. "
            "Use an estimator of scikit-learn as the strong model."
        )


def keep(folder: Path, predictor: Any) -> None:
    """Write a fitted predictor of any family, as arrays and estimators, without a pickle."""
    skops.io.dump(predictor, folder / FILE)


def load(folder: Path, classes: int) -> Any:
    """Return a function from texts to probabilities (n, classes).

    Raises:
        DataError: the file holds a type from elsewhere than scikit-learn, NumPy and SciPy, or is damaged.
    """
    path = folder / FILE
    try:
        beside = skops.io.get_untrusted_types(file=path)
        if strange := [name for name in beside if not name.startswith(TRUSTED)]:
            raise DataError(
                f"'{path}' holds {', '.join(strange)}; allowed are types of scikit-learn, NumPy and SciPy, because "
                "reading others can run code. Do not load files from people you do not trust."
            )
        held = skops.io.load(path, trusted=beside)
    except (OSError, BadZipFile, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' cannot be read as a skops file: {error}. Copy it again, or fit again.") from error

    def read(texts: Sequence[str]) -> Values:
        values = np.zeros((len(texts), classes))
        values[:, held.classes_] = held.predict_proba(list(texts))
        return values

    return read
