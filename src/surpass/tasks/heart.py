"""Patients with and without heart disease."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np

from surpass.errors import DataError
from surpass.tables import read_rows
from surpass.tasks.base import Example, Packaged, Row, Task

NUMBERS = (
    "Age",
    "Resting blood pressure",
    "Serum cholesterol",
    "Max heart rate achieved",
    "Oldpeak",
)
EITHER = {
    "Sex": ("Male", "Female"),
    "Fasting blood sugar": ("> 120 mg/dl", "<= 120 mg/dl"),
    "Exercise induced angina": ("Yes", "No"),
}
"""One column each: 1 for the first of the two values, 0 for the other."""
KINDS = {
    "Chest pain type": ("Typical Angina", "Atypical Angina", "Non-Anginal Pain", "Asymptomatic"),
    "Resting ECG results": ("Normal", "ST-T wave abnormality", "Left ventricular hypertrophy"),
    "ST Slope": ("Upsloping", "Flat", "Downsloping"),
}
"""One column for each value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heart(Task):
    """Has a patient heart disease? From eleven clinical findings.

    The rows are 918 patients, 508 with heart disease and 410 without: four hospitals' records of the Heart Disease set of
    1989 and one more, merged by Kaggle's Heart Failure Prediction set, as the `evals` package holds them as sentences. An
    input is 18 numbers: age, resting blood pressure, cholesterol, highest heart rate and oldpeak (ST depression) as they are;
    1 or 0 for male, fasting blood sugar above 120 mg/dl and angina on exercise; then one column for each kind of chest pain
    (4), of resting ECG (3) and of ST slope (3).

    Licence: the package is MIT and states none for the records.

    Units differ: linear models need features "standard". Cholesterol is 0 for the 172 patients in whom it was not measured,
    most of them of one hospital and ill; the source does not say which hospital a row is from, so nothing groups the rows.
    """

    input: ClassVar[str] = "vector"
    classes: ClassVar[tuple[str, ...]] = ("healthy", "ill")
    licence: ClassVar[str] = "MIT (packaging); none stated for the records"
    citation: ClassVar[str] = (
        "fedesoriano (2021). Heart Failure Prediction Dataset; Janosi et al. (1989). Heart Disease. UCI Machine Learning "
        "Repository"
    )
    size: ClassVar[int] = 918
    sample: ClassVar[tuple[Row, ...]] = (
        {
            "input": [
                {
                    "role": "user",
                    "content": "Age: 61 years, Sex: Male, Chest pain type: Asymptomatic, Resting blood pressure: 139 mm Hg, "
                    "Serum cholesterol: 0 mg/dl, Fasting blood sugar: > 120 mg/dl, Resting ECG results: Normal, "
                    "Max heart rate achieved: 101, Exercise induced angina: Yes, Oldpeak: 1.7, ST Slope: Flat",
                }
            ],
            "ideal": "1",
        },
        {
            "input": [
                {
                    "role": "user",
                    "content": "Age: 38 years, Sex: Female, Chest pain type: Atypical Angina, Resting blood pressure: 118 mm "
                    "Hg, Serum cholesterol: 211 mg/dl, Fasting blood sugar: <= 120 mg/dl, Resting ECG results: ST-T wave "
                    "abnormality, Max heart rate achieved: 171, Exercise induced angina: No, Oldpeak: -0.1, "
                    "ST Slope: Upsloping",
                }
            ],
            "ideal": "0",
        },
    )

    def source(self) -> Packaged:
        """Return the packaged records."""
        return Packaged("heart", read)

    def example(self, row: Row, rng: Random) -> Example:
        """Return the findings as 18 numbers with the diagnosis; DataError names a finding that is not as above."""
        text = " ".join(item["content"] for item in row["input"] if item["role"] == "user")
        if row["ideal"] not in ("0", "1"):
            raise DataError(f"task 'heart': ideal {row['ideal']!r} of '{text[:60]}' is neither '0' nor '1'. {_AGAIN}")
        return Example(np.array(findings(text)), int(row["ideal"]))


_AGAIN = "Fetch the asset again: surpass assets fetch heart"


def findings(text: str) -> list[float]:
    """Return the 18 numbers of a patient's sentence: NUMBERS, then EITHER, then KINDS."""
    held = dict(part.split(": ", 1) for part in text.split(", ") if ": " in part)
    found = []
    for name in NUMBERS:
        number = re.match(r"-?\d+(\.\d+)?(?= |$)", held.get(name, ""))
        if number is None:
            raise DataError(f"task 'heart': '{name}' is {held.get(name)!r} in '{text[:60]}'; a number is due. {_AGAIN}")
        found.append(float(number[0]))
    for name, kinds in (EITHER | KINDS).items():
        value = held.get(name)
        if value not in kinds:
            allowed = ", ".join(kinds)
            raise DataError(f"task 'heart': '{name}' is {value!r} in '{text[:60]}'; allowed are {allowed}. {_AGAIN}")
        found += [float(value == kind) for kind in (kinds[:1] if name in EITHER else kinds)]
    return found


def read(folder: Path) -> Iterator[Row]:
    """Yield the rows of the samples, one JSON object per line."""
    return read_rows(folder / "samples.jsonl")
