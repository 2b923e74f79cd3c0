"""How texts are judged: by their task's check or their target, by likeness to it, and whether they are answers at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from surpass.artifacts import Rows, Values
from surpass.errors import DataError, SurpassError, reason

if TYPE_CHECKING:
    from surpass.tasks.base import Task

SHOWN = 60  # characters of a prompt or an answer in an error, by which a person finds it


def judge(task: Task, rows: Rows, texts: Sequence[str]) -> Values:
    """Return the scores of a text for each row of a generation task, (n, 3) in [0, 1].

    The columns are the metrics `exact_match` (`Task.right`), `edit_similarity` to the target, and `accepted`
    (`Task.accepts`).
    """
    close = similarity(texts, rows.labels.tolist())
    return np.column_stack([task.right(rows, texts), close, task.accepts(rows.inputs, texts)])


def same(texts: Sequence[str], wanted: Sequence[str]) -> Values:
    """Return 1 where a text is the wanted one, spaces at the ends aside, else 0, (n,).

    >>> same([" yes", "no"], ["yes", "No"]).tolist()
    [1.0, 0.0]
    """
    pairs = zip(texts, wanted, strict=True)
    return np.array([str(text).strip() == str(target).strip() for text, target in pairs], dtype=np.float64)


def similarity(texts: Sequence[str], wanted: Sequence[str]) -> Values:
    """Return 1 - d / max(length) of each pair, (n,), with d its edit distance (Levenshtein 1966); ends stripped.

    Two empty texts are the same.

    >>> similarity(["kitten"], ["sitting"]).round(3).tolist()
    [0.571]
    """
    from rapidfuzz.distance import Levenshtein

    pairs = zip(texts, wanted, strict=True)
    found = [Levenshtein.normalized_similarity(str(text).strip(), str(target).strip()) for text, target in pairs]
    return np.array(found, dtype=np.float64)


def named(candidates: Callable[[str], Any], prompt: str) -> tuple[str, ...]:
    """Return the texts that a task's `candidates` names for a prompt, each once; those of a set in alphabetical order.

    A set's own order differs between runs.

    Raises:
        DataError: it fails, or returns anything but texts.

    >>> named(lambda prompt: {"b", "a"}, "?"), named(lambda prompt: (text for text in "bab"), "?")
    (('a', 'b'), ('b', 'a'))
    """
    where = f"the task's `candidates` for prompt {ending(prompt)}"
    needed = "It must return the texts that could answer the prompt: a list of str, or another collection of them."
    try:
        given = candidates(prompt)
        texts = () if isinstance(given, str | bytes) or not isinstance(given, Iterable) else tuple(given)
    except SurpassError:
        raise
    except Exception as error:  # a person's own code may raise anything
        raise DataError(f"{where} failed: {reason(error)}. {needed}") from error
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise DataError(f"{where} returned {_typed(given)}. {needed}")
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise DataError(f"{where} hold {_typed(wrong[0])}. {needed}")
    return tuple(dict.fromkeys(sorted(texts) if isinstance(given, Set) else texts))


def beginning(text: str) -> str:
    """Return a text's beginning in quotes."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def ending(prompt: str) -> str:
    """Return a prompt's end in quotes, which tells more than its beginning where prompts are games."""
    return repr(prompt if len(prompt) <= SHOWN else f"...{prompt[-SHOWN:]}")


def _typed(value: Any) -> str:
    said = repr(value)
    return f"{said if len(said) <= SHOWN else f'{said[:SHOWN]}...'} ({type(value).__name__})"
