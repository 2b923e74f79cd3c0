"""Label source `endpoint`, against a server in a process of its own that can misbehave."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surpass.artifacts import Predictions, Rows, Splits
from surpass.errors import DataError, MissingPackageError, SpecError, StageError
from surpass.feasibility import problems_of
from surpass.inspection import manifest
from surpass.labels import _chat
from surpass.labels.endpoint import Endpoint
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.scoring import results
from surpass.spec import decode, encode, key
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.studyfile import read
from surpass.tasks.toy import Toy
from surpass.testing import check_label_source, sample_splits

SERVER = Path(__file__).parents[1] / "endpoint_server.py"


class Server:
    """The address of the process, and what it was asked."""

    def __init__(self, url: str, log: Path) -> None:
        self.url, self._log = url, log

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SURPASS_ENDPOINT_RETRIES", "2")
    monkeypatch.delenv("SURPASS_ENDPOINT_KEY", raising=False)
    log = tmp_path / "asked.jsonl"
    log.touch()
    with subprocess.Popen([sys.executable, str(SERVER), str(log)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Server(f"http://127.0.0.1:{process.stdout.readline().strip()}/v1", log)
        process.kill()


def endpoint(server: Server, model: str = "words", **options: Any) -> Endpoint:
    return Endpoint(base_url=server.url, model=model, **options)


def labelled(server: Server, model: str = "words", **options: Any) -> Predictions:
    return endpoint(server, model, **options).compute(sample_splits(2), ())


def expected(found: Predictions, sure: float = 1.0) -> list[list[float]]:
    rows = sample_splits(2).rows
    warm = ["warm" in str(text) for name, text in zip(rows.ids, rows.inputs, strict=True) if name in found.ids]
    return [[1 - sure, sure] if yes else [sure, 1 - sure] for yes in warm]


def test_it_passes_the_contract_of_label_sources(server: Server):
    check_label_source(endpoint(server, "words+logprobs"))


def test_every_row_but_the_weak_ones_is_labelled_by_the_class_that_the_answer_names(server: Server):
    found = labelled(server)
    assert found.values.tolist() == expected(found)
    assert set(found.split) == {"transfer", "val", "test"}
    assert len(found.ids) == 45
    body = server.asked()[0]["body"]
    assert body["messages"][0]["content"].endswith(
        "Which of these is it: no, yes? Answer with one of them and nothing else."
    )
    assert (body["temperature"], body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (0, 8, True, 20)


def test_token_probabilities_are_normalised_over_the_answers(server: Server):
    found = labelled(server, "words+logprobs")
    assert found.values == pytest.approx(np.array(expected(found, 0.8)))
    assert labelled(server, "words+logprobs", logprobs=False).values.tolist() == expected(found)


def test_a_server_that_refuses_token_probabilities_is_asked_without(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("SURPASS_ENDPOINT_CONCURRENCY", "1")
    with caplog.at_level(logging.WARNING):
        found = labelled(server, "refuses+words")
    assert found.values.tolist() == expected(found)
    assert sum("logprobs" in asked["body"] for asked in server.asked()) == 1
    assert [record.message for record in caplog.records if "token probabilities" in record.message] == [
        f"endpoint {server.url} gives no token probabilities; labels are its answers alone."
    ]


def test_a_busy_server_is_asked_again(server: Server):
    found = labelled(server, "busy+words")
    assert found.values.tolist() == expected(found)
    assert len(server.asked()) == 2 * found.facts["requests"]


def test_equal_rows_are_asked_about_once_and_a_rerun_costs_nothing(server: Server):
    splits = sample_splits(2)
    texts = tuple(f"warm {i % 7}" for i in range(len(splits.rows)))
    splits = dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, inputs=texts))
    first = endpoint(server).compute(splits, ())
    assert len(server.asked()) == first.facts["requests"] == 7
    again = endpoint(server).compute(splits, ())
    assert len(server.asked()) == 7
    assert (again.values.tolist(), again.facts) == (first.values.tolist(), first.facts)
    assert first.facts["completion_tokens"] == 14
    assert first.facts["prompt_tokens"] == 7 * len(server.asked()[0]["body"]["messages"][0]["content"].split())
    for other in ({"temperature": 0.5}, {"system": "Be brief."}, {"prompt": "{text}?"}, {"logprobs": False}):
        endpoint(server, **other).compute(splits, ())
    assert len(server.asked()) == 5 * 7


def test_a_server_that_is_down_is_named_and_asked_no_more(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SURPASS_ENDPOINT_CONCURRENCY", "4")
    with pytest.raises(
        StageError, match=r"failed after 2 retries: InternalServerError.*out of order.*; no answer came"
    ):
        labelled(server, "down")
    assert len(server.asked()) <= 3 * 8  # four in flight; the rest is not sent


def test_what_a_failing_server_answered_is_kept(server: Server):
    with pytest.raises(StageError, match=r"; 20 of 45 answers came and are kept\. Run again to go on"):
        labelled(server, "breaks+words")
    before = len(server.asked())
    with pytest.raises(StageError, match="out of order"):
        labelled(server, "breaks+words")
    contents = [one["body"]["messages"][0]["content"] for one in server.asked()]
    assert before > 20
    assert set(contents[:20]).isdisjoint(contents[before:])


def test_nobody_at_the_address_is_said_plainly(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SURPASS_ENDPOINT_RETRIES", "0")
    with pytest.raises(StageError, match=r"http://127\.0\.0\.1:9/v1 failed after 0 retries: APIConnectionError"):
        Endpoint(base_url="http://127.0.0.1:9/v1", model="words").compute(sample_splits(2), ())


def test_an_answer_that_takes_too_long_fails(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SURPASS_ENDPOINT_RETRIES", "0")
    monkeypatch.setenv("SURPASS_ENDPOINT_TIMEOUT", "0.05")
    with pytest.raises(StageError, match="APITimeoutError"):
        labelled(server, "slow+words")


def test_an_answer_without_choices_is_no_completion(server: Server):
    with pytest.raises(StageError, match="its answer holds no choices"):
        labelled(server, "empty")


def test_the_key_comes_from_the_environment_and_is_shown_nowhere(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-this-server")
    monkeypatch.setenv("OPENAI_ORG_ID", "nor-this")
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(StageError, match=r"Put the key into SURPASS_ENDPOINT_KEY"):
            labelled(server, "locked+words")
        monkeypatch.setenv("SURPASS_ENDPOINT_KEY", "wrong-secret")
        with pytest.raises(StageError, match=r"Incorrect API key provided: Bearer \*\*\*") as error:
            labelled(server, "locked+words")
        monkeypatch.setenv("SURPASS_ENDPOINT_KEY", "open-sesame")
        found = labelled(server, "locked+words")
    assert found.values.tolist() == expected(found)
    assert error.value.__suppress_context__
    asked = json.dumps([one["headers"] for one in server.asked()])
    assert "not-for-this-server" not in asked
    assert "nor-this" not in asked
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    for secret in ("wrong-secret", "open-sesame"):
        assert secret not in caplog.text
        assert secret.encode() not in kept


def test_answers_that_name_no_class_are_counted_and_too_many_are_an_error(server: Server):
    with pytest.raises(DataError, match=r"45 of 45 answers name no class, for instance 'I would rather talk"):
        labelled(server, "garbage")
    found = labelled(server, "some-garbage", unmatched=0.6)
    odd = found.values[:, 0] == 0.5
    assert found.facts["unmatched"] == pytest.approx(odd.mean())
    assert 0 < odd.sum() < len(odd)
    assert (found.values[~odd] == [0, 1]).all()


def test_answers_may_be_mapped_to_classes(server: Server):
    found = labelled(server, answers={"yes": "no", "no": "yes"})
    assert found.values.tolist() == [row[::-1] for row in expected(found)]
    assert endpoint(server, answers={"yes": "no"}) == endpoint(server, answers=(("yes", "no"),))


def test_shares_of_sampled_answers_are_the_label(server: Server):
    found = labelled(server, "sampled", samples=4, temperature=1.0)
    assert np.unique(found.values, axis=0).tolist() == [[0.25, 0.75]]
    assert server.asked()[0]["body"]["n"] == 4


def test_options_of_the_server_reach_it(server: Server):
    labelled(server, options={"reasoning_effort": "low"}, max_tokens=0)
    body = server.asked()[0]["body"]
    assert body["reasoning_effort"] == "low"
    assert "max_tokens" not in body


def test_pairs_are_shown_as_first_and_second_and_braces_of_rows_stay(server: Server):
    inputs = (("{second} {classes}", "warm"), ("b", "c"))
    rows = Rows(("t", "e"), inputs, np.array([0, 1]), ("t", "e"))
    splits = Splits(rows, ("transfer", "test"), "preference", ("second", "first"), {})
    source = endpoint(server, answers={"yes": "first", "no": "second"})
    assert source.compute(splits, ()).values.tolist() == [[0, 1], [1, 0]]
    asked = {one["body"]["messages"][0]["content"] for one in server.asked()}
    assert "First:\n{second} {classes}\n\nSecond:\nwarm\n\nWhich of the two is better: yes, no?" in " ".join(asked)


def test_rows_that_cannot_be_asked_about_are_named_while_planning(server: Server):
    splits = sample_splits(2)
    vectors = dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, inputs=np.zeros((60, 2))))
    assert "asks about texts" in str(endpoint(server).lacks(vectors))
    assert "its rows are single texts" in str(endpoint(server, prompt="{first} {second}").lacks(splits))
    pairs = dataclasses.replace(splits, rows=dataclasses.replace(splits.rows, inputs=(("a", "b"),) * 60))
    assert "its rows are pairs" in str(endpoint(server, prompt="{text}").lacks(pairs))
    assert "'maybe' is no class; the classes are no, yes" in str(
        endpoint(server, answers={"yes": "yes", "no": "no", "m": "maybe"}).lacks(splits)
    )
    assert "'no' has no answer" in str(endpoint(server, answers={"yes": "yes"}).lacks(splits))
    study = Study(
        name="api",
        tasks=(Toy(),),
        pairs=(Pair(weak=endpoint(server, answers={"warm": "yes"}), strong=Sklearn()),),
        data=(("n_weak", 0), ("n_transfer", 60), ("n_val", 10), ("n_test", 40)),
    )
    assert [text for text in problems_of(study) if "the classes are unpleasant, pleasant" in text]
    assert not server.asked()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "Is it good?"}, "shows no row"),
        ({"prompt": "{first}"}, "shows no row"),
        ({"samples": 3}, "3 at temperature 0 are one answer 3 times"),
        ({"options": {"model": "other"}}, "options may not hold model"),
        ({"unmatched": 1.5}, "at most 1 is allowed"),
    ],
)
def test_bad_options_are_told(options: dict[str, Any], message: str):
    with pytest.raises(SpecError, match=message):
        Endpoint(base_url="http://localhost/v1", model="m", **options)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "", "http://"])
def test_an_address_is_needed(url: str):
    assert "an address such as http://localhost:8000/v1 is needed" in str(Endpoint(base_url=url, model="m").problem())


def test_an_address_may_hold_no_secret():
    for url in ("http://me:secret@host/v1", "https://host/v1?key=secret"):
        problem = str(Endpoint(base_url=url, model="m").problem())
        assert "SURPASS_ENDPOINT_KEY" in problem
        assert "secret" not in problem


def test_without_the_package_the_install_line_is_given(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'surpass\[endpoint\]'"):
        labelled(server)


def test_settings_of_speed_are_in_no_key_and_must_be_numbers(server: Server, monkeypatch: pytest.MonkeyPatch):
    source = endpoint(server)
    before = key(source)
    monkeypatch.setenv("SURPASS_ENDPOINT_CONCURRENCY", "many")
    assert key(decode(encode(source))) == before
    with pytest.raises(SpecError, match="SURPASS_ENDPOINT_CONCURRENCY='many'"):
        source.compute(sample_splits(2), ())


def test_a_damaged_file_of_answers_is_named(server: Server, tmp_path: Path):
    labelled(server)
    (path,) = (tmp_path / "cache" / "endpoint").glob("*.sqlite")
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(StageError, match=r"cannot be read: file is not a database\. Delete that file"):
        labelled(server)


def test_a_killed_run_loses_only_what_was_in_flight(server: Server, monkeypatch: pytest.MonkeyPatch):
    script = (
        "from surpass.labels.endpoint import Endpoint; from surpass.testing import sample_splits; "
        f"Endpoint(base_url={server.url!r}, model='slow+words').compute(sample_splits(2), ())"
    )
    monkeypatch.setenv("SURPASS_ENDPOINT_CONCURRENCY", "2")
    with subprocess.Popen([sys.executable, "-c", script], env=dict(os.environ)) as process:
        deadline = time.monotonic() + 60
        while len(server.asked()) < 12 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    time.sleep(0.3)
    before = len(server.asked())
    assert 12 <= before < 45
    found = labelled(server, "slow+words")
    assert found.values.tolist() == expected(found)
    assert 45 <= len(server.asked()) <= 45 + 3  # two in flight, one perhaps answered and not yet written


def test_a_study_file_is_labelled_by_an_endpoint_and_its_cost_can_be_seen(server: Server, tmp_path: Path):
    rows = [
        {"text": f"{word} {i}", "label": label} for i in range(120) for word, label in (("warm", "1"), ("cold", "0"))
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    weak = {"label": "endpoint", "base_url": server.url, "model": "words", "answers": {"yes": "1", "no": "0"}}
    described = {
        "name": "api",
        "tasks": [{"task": "file", "path": str(tmp_path / "rows.jsonl")}],
        "pairs": [{"weak": {**weak, "prompt": "{text}: {classes}?"}, "strong": {"model": "sklearn"}}],
        "data": {"n_weak": 0, "n_transfer": 60, "n_val": 10, "n_test": 40},
        "seeds": 2,
    }
    (tmp_path / "api.yaml").write_text(json.dumps(described), encoding="utf-8")
    study, store = read(str(tmp_path / "api.yaml")), Store.open(tmp_path / "store")
    plan, outcomes = run(study, store=store)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    row = next(row for row in results(plan, outcomes, store).rows if row.metric == "accuracy")
    assert row.weak == "endpoint(words)"
    facts = manifest(store, row.keys["supervisor"][0])["facts"]
    assert (facts["requests"], facts["completion_tokens"], facts["unmatched"]) == (110, 220, 0)


def test_the_module_itself_imports_nothing_of_the_client():
    assert "openai" not in vars(_chat)
