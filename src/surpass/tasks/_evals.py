"""Questions as the `evals` package holds them: one message with the question and its lettered answers."""

from __future__ import annotations

import re
from typing import NamedTuple

from surpass.errors import DataError
from surpass.tasks.base import Row


class Asked(NamedTuple):
    """A question, its answers in the order of their letters, and which of them is right."""

    question: str
    answers: tuple[str, ...]
    right: int


def asked(row: Row, letters: str, *, asset: str) -> Asked:
    r"""Return the question of a row of chat messages; DataError when its letters are not those of the set.

    Answers lose the full stop at their end: in Social IQa the last answer has one and no other, in QuaRTz some have.

    >>> row = {"input": [{"role": "user", "content": "Ice is\n\n A: cold\n B: hot"}], "ideal": "B"}
    >>> asked(row, "AB", asset="quartz")
    Asked(question='Ice is', answers=('cold', 'hot'), right=1)
    """
    text = "\n".join(message["content"] for message in row["input"] if message["role"] == "user")
    pieces = re.split(rf"\s([{letters}]): ", text)  # question, letter, answer, letter, answer, ...
    if "".join(pieces[1::2]) != letters or row["ideal"] not in letters or not all(map(str.strip, pieces)):
        raise DataError(
            f"asset '{asset}': the message {text[:60]!r} with ideal {row['ideal']!r} has not one question and the answers "
            f"{', '.join(letters)}. Fetch the asset again: surpass assets fetch {asset}"
        )
    question, *answers = (piece.strip() for piece in pieces[::2])
    return Asked(question, tuple(answer.rstrip(" ;.") for answer in answers), letters.index(row["ideal"]))
