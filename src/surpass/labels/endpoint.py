"""Labels from an API model: any server that speaks OpenAI's chat completions, hosted or on this machine.

Each transfer, val, test and shifted-test row is one question. Its label is what the answer says: the probabilities of the
answers as the first token, normalised over the answers, where the server tells them; else the class that the answer names,
or the shares of several sampled answers. See `surpass.labels._chat` for the key, retries, and the answers kept on disk.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

from surpass.artifacts import Predictions, Splits, Values
from surpass.errors import DataError, MissingPackageError, SpecError
from surpass.labels._chat import Choice, Reply, ask
from surpass.labels.base import LabelSource
from surpass.runtime import Runtime
from surpass.spec import option

_ASK = "{classes}? Answer with one of them and nothing else."
_SINGLE = "{text}\n\nWhich of these is it: " + _ASK
_PAIR = "First:\n{first}\n\nSecond:\n{second}\n\nWhich of these is it: " + _ASK
_BETTER = "First:\n{first}\n\nSecond:\n{second}\n\nWhich of the two is better: " + _ASK
_PLACE = re.compile(r"\{(text|first|second|classes)\}")
_TOP = 20  # the most alternatives that hosted servers tell
_AROUND = " \t\r\n\"'`*_.,:;()[]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Endpoint(LabelSource):
    """The answers of a model behind an address; the secret is in the environment, `SURPASS_ENDPOINT_KEY`.

    Attributes:
        base_url: of the server, such as `http://localhost:8000/v1`.
        model: its name there.
        prompt: the question, with {text}, or {first} and {second} for pairs, and {classes}; empty: a plain one.
        system: what the model is told before each question; empty: nothing.
        answers: what an answer may say and the class that it means, as (text, class) or a mapping; empty: the class names.
        logprobs: ask for token probabilities; a server that has none is asked without.
        samples: answers to each question; without token probabilities their shares are the label.
        temperature: of the answers; above 0 for more than one.
        max_tokens: the longest answer; 0 leaves it to the server.
        options: further options of the request, such as `reasoning_effort`.
        unmatched: the highest share of rows whose answers name no class; these get the uniform label.
    """

    targets: ClassVar[frozenset[str]] = frozenset({"classification", "preference"})

    base_url: str
    model: str
    prompt: str = ""
    system: str = ""
    answers: tuple[tuple[str, str], ...] = ()
    logprobs: bool = True
    samples: int = option(1, low=1, high=100)
    temperature: float = option(0.0, low=0.0, high=2.0)
    max_tokens: int = option(8, low=0)
    options: tuple[tuple[str, str | int | float | bool], ...] = ()
    unmatched: float = option(0.1, low=0.0, high=1.0)

    def __post_init__(self) -> None:
        for name in ("answers", "options"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value.items()) if isinstance(value, Mapping) else value)
        super().__post_init__()
        places = set(_PLACE.findall(self.prompt))
        if self.prompt and "text" not in places and not {"first", "second"} <= places:
            raise SpecError(
                f"label 'endpoint': prompt={self.prompt!r} shows no row. Give it {{text}}, or {{first}} and {{second}}."
            )
        if self.samples > 1 and self.temperature == 0:
            raise SpecError(
                f"label 'endpoint': samples={self.samples} at temperature 0 are one answer {self.samples} times. Raise it."
            )
        if taken := {"model", "messages", "n", "stream"} & dict(self.options).keys():
            raise SpecError(f"label 'endpoint': options may not hold {', '.join(sorted(taken))}.")

    def problem(self) -> str | None:
        """Return what is wrong with the address, or that `openai` is missing, or None; asks nobody."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return (
                f"label 'endpoint': base_url={self.base_url!r}; an address such as http://localhost:8000/v1 is needed."
            )
        if parts.username or parts.password or parts.query:
            return (
                "label 'endpoint': base_url holds more than an address. What is in a study is written to its report: put "
                "the key into SURPASS_ENDPOINT_KEY."
            )
        if importlib.util.find_spec("openai") is None:
            return str(MissingPackageError("openai", why="label 'endpoint' asks an API model", extra="endpoint"))
        return None

    def lacks(self, splits: Splits) -> str | None:
        """Return why such rows cannot be asked about: no text, another kind of prompt, answers for other classes."""
        inputs, classes = splits.rows.inputs, splits.classes
        if isinstance(inputs, np.ndarray):
            return "label 'endpoint' asks about texts, but the task's inputs are none. Use another task."
        pairs = any(not isinstance(item, str) for item in inputs)
        if self.prompt and pairs == ("text" in _PLACE.findall(self.prompt)):
            needed = (
                "{first} and {second}, for its rows are pairs" if pairs else "{text}, for its rows are single texts"
            )
            return f"label 'endpoint': prompt={self.prompt!r}, but this task needs {needed}."
        named = [name for _, name in self.answers] or classes
        if wrong := sorted({*named} ^ {*classes}):
            what = "is no class" if wrong[0] in named else "has no answer"
            return f"label 'endpoint': answers: '{wrong[0]}' {what}; the classes are {', '.join(classes)}."
        return None

    def compute(self, splits: Splits, sources: Sequence[Predictions], *, runtime: Runtime | None = None) -> Predictions:
        """Return the labels of all rows but the weak ones, with what they cost among the facts.

        Raises:
            DataError: rows that cannot be asked about, or too many answers that name no class.
            StageError: the endpoint failed; its answers so far are kept.
            MissingPackageError: `openai` is not installed.
        """
        if problem := self.lacks(splits):
            raise DataError(problem)
        rows = [i for i, name in enumerate(splits.split) if name != "weak"]
        said = self._said(splits.classes)
        texts = [self._asked(splits.rows.inputs[i], splits.target, said) for i in rows]
        replies = ask(self.base_url, [self._question(text) for text in texts])
        read = [_label(reply, said, len(splits.classes)) for reply in replies]
        lost = [i for i, values in enumerate(read) if values is None]
        if len(lost) > self.unmatched * len(rows):
            raise DataError(
                f"label 'endpoint': {len(lost)} of {len(rows)} answers name no class, for instance "
                f"{replies[lost[0]].choices[0].text[:80]!r}; at most {self.unmatched:.0%} may. Say in `prompt` what to "
                "answer, map answers in `answers`, or raise `unmatched`."
            )
        uniform = np.full(len(splits.classes), 1 / len(splits.classes))
        values = np.stack([uniform if found is None else found for found in read])
        ids, split = (tuple(column[i] for i in rows) for column in (splits.rows.ids, splits.split))
        return Predictions(
            ids, split, values, facts=_facts(dict(zip(texts, replies, strict=True)), len(lost), len(rows))
        )

    def _said(self, classes: Sequence[str]) -> list[tuple[str, int]]:
        """Return what an answer may say, with the index of the class that it means."""
        return [(text, classes.index(name)) for text, name in self.answers or zip(classes, classes, strict=True)]

    def _asked(self, item: Any, target: str, said: Sequence[tuple[str, int]]) -> str:
        """Return the question about one row; what stands in braces in a row's own text stays as it is."""
        pair = not isinstance(item, str)
        prompt = self.prompt or (_BETTER if target == "preference" else _PAIR if pair else _SINGLE)
        shown = {"first": str(item[0]), "second": str(item[1])} if pair else {"text": item}
        shown["classes"] = ", ".join(text for text, _ in said)
        return _PLACE.sub(lambda place: shown.get(place[1], place[0]), prompt)

    def _question(self, text: str) -> dict[str, Any]:
        system = [{"role": "system", "content": self.system}] if self.system else []
        question: dict[str, Any] = {
            "model": self.model,
            "messages": [*system, {"role": "user", "content": text}],
            "temperature": self.temperature,
        }
        if self.max_tokens:
            question["max_tokens"] = self.max_tokens
        if self.samples > 1:
            question["n"] = self.samples
        if self.logprobs:
            question |= {"logprobs": True, "top_logprobs": _TOP}
        if self.options:
            question["extra_body"] = dict(self.options)
        return question

    def label(self) -> str:
        """Return the model's name."""
        return f"endpoint({self.model})"


def _label(reply: Reply, said: Sequence[tuple[str, int]], classes: int) -> Values | None:
    """Return the mean of what the choices say, (C,), or None when none of them names a class."""
    found = [values for choice in reply.choices if (values := _of_choice(choice, said, classes)) is not None]
    return np.asarray(np.mean(found, axis=0)) if found else None


def _of_choice(choice: Choice, said: Sequence[tuple[str, int]], classes: int) -> Values | None:
    """Return the token probabilities of the classes, else one-hot the class that the text names, else None.

    Tokens count only where the answer's first token begins an answer of one class, and its text names no other.
    """
    named, began = _named(choice.text, said), _begun(choice.token, said)
    values: Values = np.zeros(classes)
    if choice.top and began is not None and named in (None, began):
        for token, logprob in choice.top:
            if (place := _begun(token, said)) is not None:
                values[place] += math.exp(logprob)
        if values.sum() > 0:
            values /= values.sum()
            return values
    if named is None:
        return None
    values[:] = np.arange(classes) == named
    return values


def _named(text: str, said: Sequence[tuple[str, int]]) -> int | None:
    """Return the class of the answer that stands first in the text, as words of its own; of several there the longest.

    >>> _named("Not negative: Positive.", [("negative", 0), ("positive", 1), ("not negative", 1)])
    1
    """
    found = []
    for answer, place in said:
        if at := re.search(rf"(?<!\w){re.escape(answer.strip())}(?!\w)", text, re.IGNORECASE):
            found.append((at.start(), -len(answer), place))
    return min(found)[2] if found else None


def _begun(token: str, said: Sequence[tuple[str, int]]) -> int | None:
    """Return the class whose answers a token begins; None when it begins none, or those of several classes.

    >>> [_begun(token, [("Yes", 1), ("No", 0), ("None", 2)]) for token in (" Ye", "yes.", "no", "non", "N", "!")]
    [1, 1, 0, 2, None, None]
    """
    begin = token.strip(_AROUND).casefold()
    exact = {place for answer, place in said if answer.strip(_AROUND).casefold() == begin}
    places = exact or {place for answer, place in said if answer.strip(_AROUND).casefold().startswith(begin)}
    return places.pop() if begin and len(places) == 1 else None


def _facts(replies: Mapping[str, Reply], lost: int, rows: int) -> dict[str, float | int | str]:
    """Return what the labels cost, whenever it was paid; equal rows are asked about once."""
    return {
        "requests": len(replies),
        "prompt_tokens": sum(reply.prompt_tokens for reply in replies.values()),
        "completion_tokens": sum(reply.completion_tokens for reply in replies.values()),
        "unmatched": lost / rows if rows else 0.0,
    }
