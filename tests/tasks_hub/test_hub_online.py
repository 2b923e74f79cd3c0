"""`surpass check --online`: the comparison with a data set, on real files in a folder that stands in for the hub."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hub_folder import hub_folder, write

from surpass.cli import main
from surpass.errors import SpecError
from surpass.online import Checked, hub_tasks, verify
from surpass.registry import TASKS
from surpass.tasks._hub import Hub, HubTask
from surpass.tasks.boolq import Boolq
from surpass.tasks.mc_taco import McTaco

NAMES = [name for name in TASKS.names() if issubclass(TASKS.get(name), HubTask)]


def problems(task: HubTask, hub: Hub) -> str:
    return "\n".join(verify(task, hub).problems)


@pytest.mark.parametrize("name", NAMES)
def test_every_task_fits_files_of_its_own_schema(tmp_path: Path, name: str) -> None:
    task = TASKS.get(name)()
    hub = hub_folder(tmp_path, task)
    found = verify(task, hub)
    assert found.problems == ()
    assert not any("lack" in note for note in found.notes)
    assert sum(found.rows.values()) == len(task.sample) * len(hub.splits)
    assert set(found.rows) == {split.part for split in hub.splits}
    assert sum(found.balance.values()) == pytest.approx(1)
    assert found.commit == hub.fingerprint()


def test_the_shares_of_the_classes_are_told(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "passage": f"p{i}", "answer": i % 5 > 0} for i in range(40)]
    found = verify(Boolq(), hub_folder(tmp_path, Boolq(), rows))
    assert found.rows == {"train": 40, "test": 40}
    assert found.balance == {"no": pytest.approx(0.2), "yes": pytest.approx(0.8)}


def test_a_field_that_is_gone_is_named(tmp_path: Path) -> None:
    rows = [{"question": "q", "text": "p", "answer": True}]
    hub = hub_folder(tmp_path, Boolq(), rows)
    assert "rows do not fit the template: KeyError: 'passage'; they have question, text, answer" in problems(
        Boolq(), hub
    )


def test_a_field_that_nothing_reads_is_a_note(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "category"} for row in McTaco.sample]
    found = verify(McTaco(), hub_folder(tmp_path, McTaco(), rows))
    assert found.problems == ()
    assert found.notes == ("the rows lack category of the sample rows",)


def test_another_number_of_rows_is_told(tmp_path: Path) -> None:
    hub = hub_folder(tmp_path, Boolq())
    write(tmp_path / "data/train-0.parquet", Boolq.sample * 3)
    assert problems(Boolq(), hub) == "split 'data/train-*.parquet' has 6 rows, where 2 are recorded"


def test_a_split_that_is_gone_is_told_and_the_others_are_looked_at(tmp_path: Path) -> None:
    hub = hub_folder(tmp_path, Boolq())
    (tmp_path / "data/train-0.parquet").unlink()
    found = verify(Boolq(), hub)
    assert "has no file 'data/train-*.parquet'" in found.problems[0]


def test_a_label_outside_the_classes_is_told(tmp_path: Path) -> None:
    task = TASKS.get("cola")()
    rows = [{**row, "label": 3} for row in task.sample]
    assert "label 3 is none of the classes" in problems(task, hub_folder(tmp_path, task, rows))


def test_rows_without_labels_are_told(tmp_path: Path) -> None:
    task = TASKS.get("sst2")()
    rows = [{**row, "label": -1} for row in task.sample]
    assert "no row is kept" in problems(task, hub_folder(tmp_path, task, rows))


def test_one_class_only_is_a_note(tmp_path: Path) -> None:
    rows = [{**row, "answer": True} for row in Boolq.sample]
    found = verify(Boolq(), hub_folder(tmp_path, Boolq(), rows))
    assert found.problems == ()
    assert found.notes == ("the first 200 rows of each split hold one class only",)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    hub = hub_folder(tmp_path, Boolq())
    (tmp_path / "data/validation-0.parquet").write_bytes(b"no parquet")
    assert "split 'data/validation-*.parquet'" in problems(Boolq(), hub)


def test_names_are_of_hub_tasks() -> None:
    assert len(hub_tasks()) == len(NAMES) == 26
    assert [task.label() for task in hub_tasks(["boolq"])] == ["boolq"]
    with pytest.raises(SpecError, match="task 'toy' is not read from the hub"):
        hub_tasks(["toy"])


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let every task be read from a folder of its sample rows, and the hub answer."""
    for name in NAMES:
        cls = TASKS.get(name)
        local = hub_folder(tmp_path / name, cls())
        monkeypatch.setattr(cls, "source", lambda self, local=local: local)
    monkeypatch.setattr("surpass.online.reach", lambda hub: None)
    return tmp_path


def test_the_command_tells_of_each_task_and_fails_when_one_differs(stand_in: Path) -> None:
    good = CliRunner().invoke(main, ["check", "--online", "boolq", "anthropic-hh"])
    assert good.exit_code == 0, good.output
    assert "ok      boolq" in good.output
    assert "2 of 2 tasks fit their data sets." in good.output
    write(stand_in / "boolq" / "data/train-0.parquet", Boolq.sample * 2)
    bad = CliRunner().invoke(main, ["check", "--online", "boolq", "cola"])
    assert bad.exit_code == 1
    assert "differs boolq" in bad.output
    assert "has 4 rows, where 2 are recorded" in bad.output
    assert "1 of 2 tasks fit" in bad.output


def test_the_command_gives_json(stand_in: Path) -> None:
    done = CliRunner().invoke(main, ["check", "--online", "--json", "helpsteer3", "sciq"])
    rows = json.loads(done.output)
    assert done.exit_code == 0
    assert [row["task"] for row in rows] == ["helpsteer3", "sciq"]
    assert set(rows[0]) == set(Checked.__dataclass_fields__)


def test_without_a_network_the_command_says_so_quickly(python) -> None:
    code = "import sys; from surpass.cli import main; sys.argv = ['surpass', 'check', '--online']; main()"
    start = time.perf_counter()
    told = python(f"import subprocess, sys; r = subprocess.run([sys.executable, '-c', {code!r}], capture_output=True, "
                  "text=True); print(r.returncode, r.stderr)", HF_HUB_OFFLINE="1")  # fmt: skip
    assert time.perf_counter() - start < 10
    assert told.startswith("1 Error: the Hugging Face hub does not answer for ")
    assert "This check needs a network" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("arguments", [["check"], ["check", "one.yaml", "two.yaml"]])
def test_without_online_one_study_is_needed(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "Give one study file or output folder" in done.output
