"""Questions to an OpenAI-compatible endpoint: many at once, tried again when it is busy, each answer kept on disk.

What only changes speed comes from the environment and is in no key: `SURPASS_ENDPOINT_CONCURRENCY` (questions at once, 8),
`SURPASS_ENDPOINT_TIMEOUT` (seconds for one answer, 120) and `SURPASS_ENDPOINT_RETRIES` (6, with growing pauses or those that
the server asks for). `SURPASS_ENDPOINT_KEY` holds the secret, which goes to whatever address a study names and nowhere else.

Answers lie in CACHE/endpoint, one file for each address and model, under a hash of the whole question. Each is written as it
comes, so that a killed run loses only the questions in flight and a rerun asks, and pays, for nothing twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

from surpass.assets.cache import cache_root
from surpass.errors import MissingPackageError, SpecError, StageError

log = logging.getLogger(__name__)

KEY = "SURPASS_ENDPOINT_KEY"
CONCURRENCY, TIMEOUT, RETRIES = (
    (f"SURPASS_ENDPOINT_{name}", n) for name, n in (("CONCURRENCY", 8), ("TIMEOUT", 120), ("RETRIES", 6))
)
OFFERS = "logprobs", "top_logprobs"
"""What a server may refuse; the question is then asked without."""

Question = Mapping[str, Any]
"""What `chat.completions.create` takes: model, messages, ..."""


class Choice(NamedTuple):
    """One answer: its text, its first token that is no space, and what else that could have been, as (token, logprob)."""

    text: str
    token: str = ""
    top: tuple[tuple[str, float], ...] = ()


class Reply(NamedTuple):
    """What came back for one question."""

    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int


def ask(base_url: str, questions: Sequence[Question]) -> list[Reply]:
    """Return a reply for each question, from the disk where it is there.

    Raises:
        MissingPackageError: there are questions to send, but `openai` is not installed.
        StageError: the endpoint failed; what it answered before is kept.
    """
    names = [_name(base_url, question) for question in questions]
    with _Kept(base_url, str(questions[0]["model"]) if questions else "") as kept:
        missing = {name: question for name, question in zip(names, questions, strict=True) if name not in kept}
        if missing:
            log.info(
                "endpoint %s: %d questions, %d of them known", base_url, len(set(names)), len(set(names)) - len(missing)
            )
            for name, reply in _answered(base_url, missing):
                kept.put(name, reply)
        return [kept.get(name) for name in names]


def _name(base_url: str, question: Question) -> str:
    written = json.dumps([base_url.rstrip("/"), question], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()


class _Kept:
    """The answers of one endpoint and model on disk; several processes may write."""

    def __init__(self, base_url: str, model: str) -> None:
        place = hashlib.sha256(f"{base_url.rstrip('/')}\n{model}".encode()).hexdigest()[:16]
        self._path = cache_root() / "endpoint" / f"{place}.sqlite"

    def __enter__(self) -> _Kept:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = _opened(self._path)
        except sqlite3.DatabaseError as error:
            raise StageError(
                f"the kept answers in '{self._path}' cannot be read: {error}. Delete that file."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return self._file.execute("SELECT 1 FROM answers WHERE name = ?", (name,)).fetchone() is not None

    def get(self, name: str) -> Reply:
        (written,) = self._file.execute("SELECT reply FROM answers WHERE name = ?", (name,)).fetchone()
        choices, prompt, completion = json.loads(written)
        found = (Choice(text, token, tuple((t, p) for t, p in top)) for text, token, top in choices)
        return Reply(tuple(found), prompt, completion)

    def put(self, name: str, reply: Reply) -> None:
        with self._file:
            self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (name, json.dumps(reply)))


def _opened(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=60)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("CREATE TABLE IF NOT EXISTS answers (name TEXT PRIMARY KEY, reply TEXT NOT NULL)")
    return file


def _answered(base_url: str, questions: Mapping[str, Question]) -> Iterator[tuple[str, Reply]]:
    """Yield names and replies as they come; when one fails, those in flight are still taken, and the rest is not sent."""
    asker, failure, done = _Asker(base_url), None, 0
    with ThreadPoolExecutor(max(1, int(_setting(*CONCURRENCY)))) as pool:
        sent = {pool.submit(asker, question): name for name, question in questions.items()}
        left = dict(sent)
        try:
            for future in as_completed(sent):
                if failure := future.exception():
                    break
                done += 1
                yield left.pop(future), future.result()
        finally:  # neither a failure nor an interrupt waits for every question
            pool.shutdown(wait=False, cancel_futures=True)
        for future in left if failure else ():  # `as_completed` would wait for ever for cancelled ones
            if not future.cancelled() and not future.exception():
                done += 1
                yield left[future], future.result()
    if isinstance(failure, asker.errors):
        raise StageError(_complaint(base_url, failure, done, len(questions))) from None  # its cause may hold the key
    if failure is not None:
        raise failure


class _Asker:
    """Sends one question; a server that refuses token probabilities is asked without from then on."""

    def __init__(self, base_url: str) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingPackageError("openai", why="label 'endpoint' asks an API model", extra="endpoint") from error
        # every option is given, so that nothing of the environment but the key meant for this goes to the address
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=os.environ.get(KEY) or "none",
            organization="",
            project="",
            timeout=_setting(*TIMEOUT),
            max_retries=int(_setting(*RETRIES)),
        )
        self._base_url, self._refused = base_url, threading.Event()
        self._refusals = (openai.BadRequestError, openai.UnprocessableEntityError)
        self.errors = (openai.OpenAIError, KeyError, TypeError, ValueError)

    def __call__(self, question: Question) -> Reply:
        offers = any(name in question for name in OFFERS)
        if not offers:
            return self._sent(question)
        if not self._refused.is_set():
            with contextlib.suppress(*self._refusals):
                return self._sent(question)
        reply = self._sent({name: value for name, value in question.items() if name not in OFFERS})
        if not self._refused.is_set():  # it answers without, so these are what it refused
            self._refused.set()
            log.warning("endpoint %s gives no token probabilities; labels are its answers alone.", self._base_url)
        return reply

    def _sent(self, question: Question) -> Reply:
        return _read(self._client.chat.completions.create(**question).model_dump())


def _read(answer: Mapping[str, Any]) -> Reply:
    """Return what labels need of a completion; ValueError when it is none."""
    if not answer.get("choices"):
        raise ValueError("its answer holds no choices")
    usage = answer.get("usage") or {}
    tokens = (int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))
    return Reply(tuple(map(_choice, answer["choices"])), *tokens)


def _choice(choice: Mapping[str, Any]) -> Choice:
    text = str((choice.get("message") or {}).get("content") or "")
    tokens = (choice.get("logprobs") or {}).get("content") or ()
    first = next((token for token in tokens if str(token["token"]).strip()), None)
    if first is None:
        return Choice(text)
    top = tuple((str(one["token"]), float(one["logprob"])) for one in first.get("top_logprobs") or ())
    return Choice(text, str(first["token"]), top)


def _setting(name: str, default: int) -> float:
    written = os.environ.get(name, "")
    try:
        value = float(written or default)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise SpecError(f"{name}={written!r} in the environment; a number of at least 0 is needed.")
    return value


def _complaint(base_url: str, failure: BaseException, done: int, total: int) -> str:
    words = " ".join(f"{type(failure).__name__}: {failure}".split())[:300]
    if secret := os.environ.get(KEY):
        words = words.replace(secret, "***")
    kept = f"{done} of {total} answers came and are kept" if done else "no answer came"
    remedy = f"Put the key into {KEY}." if getattr(failure, "status_code", 0) in (401, 403) else "Run again to go on."
    return f"endpoint {base_url} failed after {int(_setting(*RETRIES))} retries: {words}; {kept}. {remedy}"
