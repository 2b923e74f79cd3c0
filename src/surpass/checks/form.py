"""Numbers that describe the form of a text and nothing of what it says: lengths, marks, letters, how it ends.

The ending is what follows the last colon, line break or bar, and the last word of a text without any.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

import numpy as np

from surpass.artifacts import Inputs, Values

_MARKS = ".,;:!?'\"-()/"
_LETTER = re.compile(r"[(\[]?[A-Ea-e1-5][)\].]?")
_NUMBER = re.compile(r"[-+$€£]?\d[\d.,]*\s?%?")
_LETTER_FORM = re.compile(r"\b(?:answer|option|choice)s?\b[ :]*[(\[]?[A-E1-5][)\].]?\s*$", re.IGNORECASE)
_ENDING = re.compile(r"[:\n\t|]")
_SPACE = re.compile(r"\s")
_SEPARATOR = re.compile(r"[,;\n\t|]")
_YES_NO = frozenset(("yes", "no", "true", "false"))

NAMES: tuple[str, ...] = (
    "characters",
    "words",
    "lines",
    "characters per word",
    "capital letters",
    "digits",
    "other marks",
    "letters beyond ASCII",
    *(f"count of {mark}" for mark in _MARKS),
    "kind of first character",
    "kind of last character",
    "characters of the ending",
    "words of the ending",
    "ending is a single letter",
    "letter of the ending",
    "ending is a number",
    "ending is yes or no",
    "ending begins with a capital",
    "ends in 'Answer: B' style",
    "place of the ending in a list above it",
)


def describe(texts: Sequence[str]) -> Values:
    """Return the surface features of texts, (n, len(NAMES)).

    >>> dict(zip(NAMES, describe(["Which? Answer: B"])[0].tolist()))["ending is a single letter"]
    1.0
    """
    return np.array([_described(text) for text in texts], dtype=np.float64).reshape(len(texts), len(NAMES))


def of_inputs(inputs: Inputs) -> tuple[Values, tuple[str, ...]]:
    """Return features (n, d) and their names; of pairs those of both texts and their differences, first - second."""
    if not len(inputs) or isinstance(inputs[0], str):
        return describe([str(text) for text in inputs]), NAMES
    first, second = (describe([pair[side] for pair in inputs]) for side in (0, 1))
    parts = (("first text: ", first), ("second text: ", second), ("difference: ", first - second))
    return np.hstack([values for _, values in parts]), tuple(f"{head}{name}" for head, _ in parts for name in NAMES)


def is_prose(inputs: Inputs) -> bool:
    """Whether inputs are texts or pairs of texts most of which hold a space: the form of a molecule is its content."""
    if isinstance(inputs, np.ndarray) or not len(inputs):
        return False
    texts = [item if isinstance(item, str) else "".join(item) for item in inputs]
    return 2 * sum(bool(_SPACE.search(text.strip())) for text in texts) > len(texts)


def _described(text: str) -> list[float]:
    text = text.strip()
    words = text.split()
    ending = (_ENDING.split(text) if _ENDING.search(text) else [*words[-1:], ""][:1])[-1].strip()
    counts = [text.count(mark) for mark in _MARKS]
    marks = sum(character in string.punctuation for character in text)
    return [
        len(text),
        len(words),
        text.count("\n"),
        len(text) / max(len(words), 1),
        sum(map(str.isupper, text)),
        sum(map(str.isdigit, text)),
        marks - sum(counts),
        sum(not character.isascii() for character in text),
        *counts,
        _kind(text[:1]),
        _kind(text[-1:]),
        len(ending),
        len(ending.split()),
        _LETTER.fullmatch(ending) is not None,
        float(ord(ending.strip("()[].")[0].upper())) if _LETTER.fullmatch(ending) else 0.0,
        _NUMBER.fullmatch(ending) is not None,
        ending.casefold().rstrip(".") in _YES_NO,
        ending[:1].isupper(),
        _LETTER_FORM.search(text) is not None,
        _place_in_list(text, ending),
    ]


def _place_in_list(text: str, ending: str) -> int:
    """Return how many commas, lines and the like stand between the first mention of the ending and itself; 0: no mention."""
    first, last = text.find(ending), text.rfind(ending)
    return len(_SEPARATOR.findall(text, first, last)) if ending and first < last else 0


def _kind(character: str) -> int:
    """Return 0 for none, 1 lower case, 2 upper case, 3 digit, 4 full stop, 5 question mark, 6 other."""
    if not character:
        return 0
    tests = (character.islower(), character.isupper(), character.isdigit(), character == ".", character == "?")
    return next((i for i, holds in enumerate(tests, 1) if holds), 6)
