"""The hub source: what it reads from folders and from the cache, and what it says when it can read neither."""

from __future__ import annotations

import importlib.util
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hub_folder import hub_folder, write

from surpass.errors import DataError, StudyError
from surpass.inspection import listing
from surpass.registry import TASKS
from surpass.splits import Data, make_splits
from surpass.studyfile import parse
from surpass.tasks import _hub
from surpass.tasks._hub import Hub, Split, read_files
from surpass.tasks.boolq import Boolq
from surpass.tasks.ethics_justice import EthicsJustice

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SPLITS = (Split("train", "data/train-*.parquet"), Split("test", "data/validation-*.parquet"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache of the hub, offline."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    _hub._commit.cache_clear()
    return tmp_path / "hub"


def fill(cache: Path, commit: str = COMMIT) -> Path:
    snapshot = cache / "datasets--org--name" / "snapshots" / commit
    for part in ("train", "validation"):
        write(snapshot / f"data/{part}-00000-of-00001.parquet", Boolq.sample)
    return snapshot


def statements(n: int) -> list[dict[str, Any]]:
    return [{"label": i % 2, "scenario": f"I deserve {i // 2} apples because of reason {i}."} for i in range(n)]


def test_rows_of_a_folder_carry_their_part(tmp_path: Path) -> None:
    hub = hub_folder(tmp_path, EthicsJustice(), statements(10))
    rows = list(hub.rows())
    assert Counter(row["part"] for row in rows) == {"train": 10, "test": 10, "shift:hard": 10}
    assert rows[0] == {**statements(1)[0], "part": "train"}


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl.gz"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, statements(6))
    assert list(read_files([str(tmp_path / name)])) == statements(6)


def test_nested_fields_survive(tmp_path: Path) -> None:
    for name, file in (("openbookqa", "a.parquet"), ("helpsteer3", "a.jsonl.gz"), ("multirc", "b.parquet")):
        sample = TASKS.get(name).sample
        write(tmp_path / name / file, sample)
        assert list(read_files([str(tmp_path / name / file)])) == list(sample)


def test_a_thinned_split_is_the_same_every_time_and_about_as_large_as_asked(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", statements(12_000))
    path = [str(tmp_path / "a.parquet")]
    first, again = (list(read_files(path, one_in=10)) for _ in range(2))
    assert first == again
    assert 1_050 < len(first) < 1_350
    assert list(read_files(path, one_in=1)) == statements(12_000)


def test_the_fingerprint_of_a_folder_is_its_content(tmp_path: Path) -> None:
    one = hub_folder(tmp_path / "a", EthicsJustice(), statements(10))
    same = hub_folder(tmp_path / "b", EthicsJustice(), statements(10))
    other = hub_folder(tmp_path / "c", EthicsJustice(), statements(12))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()


def test_splits_follow_the_source_and_the_hard_test_is_a_shift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, files in {"train": "train", "test": "test", "hard": "test_hard"}.items():
        rows = [{**row, "scenario": f"{part}: {row['scenario']}"} for row in statements(80)]
        write(tmp_path / f"data/justice/{files}.csv", rows)
    for variant, tests in {"mended": {"test", "shift:hard"}, "released": {"test"}}.items():
        source = EthicsJustice(variant=variant).source()
        local = Hub(str(tmp_path), source.splits)
        with monkeypatch.context() as patch:
            patch.setattr(EthicsJustice, "source", lambda self, local=local: local)
            data = Data(task=EthicsJustice(variant=variant).resolve(), n_weak=20, n_transfer=30, n_val=10, n_test=20)
            splits = make_splits(data)
        assert set(splits.names()) == {"weak", "transfer", "val", *tests}
        begins = {name: {str(t).split("\n\n")[1].split(":")[0] for t in splits.part(name).inputs} for name in tests}
        assert begins == {"test": {"test"}, "shift:hard": {"hard"}} if variant == "mended" else {"test": {"hard"}}
        assert not set(splits.part("weak").groups) & set(splits.part("transfer").groups)


def test_a_pinned_data_set_in_the_cache_needs_no_network(cache: Path) -> None:
    hub = Hub("org/name", SPLITS, COMMIT)
    assert hub.needs() == "a network, once, for the hub's org/name"
    fill(cache)
    assert (hub.needs(), hub.problem(), hub.fingerprint()) == ("", None, COMMIT)
    assert [row["part"] for row in hub.rows()] == ["train", "train", "test", "test"]


def test_a_branch_in_the_cache_is_the_commit_that_was_fetched(cache: Path) -> None:
    hub = Hub("org/name", SPLITS, _hub.CONVERTED)
    fill(cache)
    reference = cache / "datasets--org--name" / "refs" / _hub.CONVERTED
    reference.parent.mkdir(parents=True)
    reference.write_text(COMMIT)
    assert (hub.needs(), hub.problem(), hub.fingerprint()) == ("", None, COMMIT)
    assert len(list(hub.rows())) == 4


def test_a_fetch_that_was_stopped_is_not_taken_for_whole(cache: Path) -> None:
    hub = Hub("org/name", SPLITS, COMMIT)
    snapshot = fill(cache)
    (snapshot / "data/train-00000-of-00001.parquet").rename(snapshot / "data/train-00001-of-00004.parquet")
    assert hub.needs()


def test_offline_and_not_in_the_cache_is_one_clear_line_at_once(cache: Path) -> None:
    start = time.perf_counter()
    problem = Boolq().problem()
    assert time.perf_counter() - start < 1
    assert problem == (
        "data set 'google/boolq' of the Hugging Face hub is not in the cache, and HF_HUB_OFFLINE is set. "
        "It needs a network once; afterwards it is read from the cache."
    )
    with pytest.raises(DataError, match="'google/boolq' of the Hugging Face hub is not in the cache"):
        list(Boolq().examples())
    with pytest.raises(DataError, match=r"'CogComp/mc_taco' .* is not in the cache"):
        TASKS.get("mc-taco")().resolve()


def test_a_hub_that_does_not_answer_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(_hub, "_commit", lambda repo, revision: "")
    assert "not in the cache, and the hub does not answer" in (Boolq().problem() or "")


def test_a_missing_package_is_told_with_the_line_that_installs_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'surpass[data]'" in (Boolq().problem() or "")


def test_files_that_are_gone_are_named(tmp_path: Path) -> None:
    hub = hub_folder(tmp_path, Boolq())
    (tmp_path / "data/train-0.parquet").unlink()
    with pytest.raises(DataError, match=r"has no file 'data/train-\*\.parquet'. It was changed on the hub"):
        list(hub.rows())


def test_pinned_revisions_are_commits() -> None:
    classes = [TASKS.get(name) for name in TASKS.names()]
    hubs = {cls.hub.repo: cls.hub for cls in classes if issubclass(cls, _hub.HubTask)}
    loose = {repo: hub.revision for repo, hub in hubs.items() if not hub.pinned}
    assert loose == {
        "CogComp/mc_taco": _hub.CONVERTED,
        "textmachinelab/quail": _hub.CONVERTED,
        "fancyzhx/amazon_polarity": "main",
        "EleutherAI/twitter-sentiment": "main",
    }


def test_tasks_are_listed_with_where_they_come_from_and_what_they_need(cache: Path) -> None:
    rows = {row["name"]: row for row in listing("tasks")}
    boolq = rows["boolq"]
    assert (boolq["source"], boolq["rows"], boolq["available"]) == ("hub", 12_697, False)
    assert boolq["needs"] == "a network, once, for the hub's google/boolq"
    assert (rows["toy"]["source"], rows["toy"]["available"], rows["toy"]["needs"]) == ("generated", True, "")
    assert (rows["file"]["source"], rows["file"]["available"]) == ("file", True)
    assert rows["sarcasm"]["source"] == "packaged"
    assert rows["anthropic-hh"]["classes"] == ["second", "first"]
    assert all(row["available"] == (not row["needs"]) for row in rows.values())


def test_listing_tasks_imports_no_heavy_package_and_asks_no_network(python, tmp_path: Path) -> None:
    code = (
        "import sys, json, socket; socket.getaddrinfo = None\n"
        "from surpass.inspection import listing; rows = listing('tasks')\n"
        "heavy = [m for m in ('datasets', 'huggingface_hub', 'torch', 'pyarrow') if m in sys.modules]\n"
        "print(json.dumps([len(rows), heavy]))"
    )
    count, heavy = json.loads(python(code, HF_HUB_CACHE=str(tmp_path)))
    assert count == len(TASKS.names())
    assert heavy == []


def test_the_page_names_each_task_with_its_repository_and_revision() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tasks-hub.md").read_text(encoding="utf-8")
    for name in TASKS.names():
        cls = TASKS.get(name)
        if issubclass(cls, _hub.HubTask):
            revision = f"`{cls.hub.revision[:12]}`" if cls.hub.pinned else f"branch `{cls.hub.revision}`"
            assert f"| {name} | {cls.hub.repo} | {revision} |" in page


def test_a_study_file_names_the_protocol() -> None:
    text = {"name": "x", "tasks": ["toy"], "pairs": [{"weak": "sklearn", "strong": "sklearn"}], "methods": ["soft"]}
    study = parse({**text, "data": {"protocol": "eleuther"}})
    assert study.data_of(study.tasks[0], study.pairs[0], 0).protocol == "eleuther"
    with pytest.raises(StudyError, match="protocol='elutherai', but allowed is 'paper' or 'eleuther'"):
        parse({**text, "data": {"protocol": "elutherai"}})
