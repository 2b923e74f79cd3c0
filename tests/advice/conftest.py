"""Small studies to be advised on, over generated sentences."""

from __future__ import annotations

import csv

import pytest

from surpass.runtime import Runtime
from surpass.store import Store
from surpass.studyfile import parse
from surpass.tasks.toy import Toy

WORDS = {"model": "sklearn", "features": "tfidf", "ngrams": 1}
STRONGER = {"model": "sklearn", "features": "tfidf", "ngrams": 1, "params": {"C": 10.0}}


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store")


@pytest.fixture
def runtime():
    return Runtime()


@pytest.fixture
def study():
    """Return a function that makes a study of one pair on the toy task; options of the study may be given."""

    def make(weak=WORDS, strong=STRONGER, **options):
        base = {
            "name": "small",
            "tasks": ["toy"],
            "data": {"n_weak": 60, "n_transfer": 200, "n_val": 0, "n_test": 100},
            "pairs": [{"weak": weak, "strong": strong}],
            "seeds": 1,
        }
        return parse({**base, **options})

    return make


@pytest.fixture
def table(tmp_path):
    """Return a function that writes the toy sentences as a table whose test rows may carry garbage."""

    def write(name, *, garbage=False, rows=600):
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label", "part", "group"])
            for i, row in enumerate(Toy(rows=rows)._make()):
                part, label = ("test" if i % 3 == 0 else "train"), row["pleasant"]
                flipped = (i // 3) % 2 if garbage and part == "test" else label
                writer.writerow([f"{row['text']} {i}", ("no", "yes")[flipped], part, i // 3])
        return path

    return write
