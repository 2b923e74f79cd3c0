"""The bench: claims keep their promises or not, cases run in turns, and a part that fails says so."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from surpass import benching
from surpass.benching import Claim, in_turns, ratios
from surpass.cli import main
from surpass.errors import StageError


def test_the_median_keeps_the_promise_or_not():
    assert Claim("a", "times", (4.0, 6.0, 5.5), 5.0).holds
    assert not Claim("a", "times", (4.0, 4.9, 9.0), 5.0).holds
    assert Claim("a", "s", (0.1, 0.15), 0.15, "most").holds
    assert not Claim("a", "s", (0.2,), 0.15, "most").holds


def test_a_claim_comes_back_from_json():
    claim = Claim("a", "share", (0.9, 0.8), 0.9, cases={"x, s": (1.0, 2.0)}, note="why")
    assert Claim.of_json(json.loads(json.dumps(claim.as_json()))) == claim


def test_cases_run_in_turns_after_one_that_is_not_counted():
    ran = []

    def case(name):
        return lambda: ran.append(name) or float(len(ran))

    found = in_turns({"a": case("a"), "b": case("b")}, 2)
    assert ran == ["a", "b"] * 3
    assert found == {"a": (3.0, 5.0), "b": (4.0, 6.0)}
    assert ratios(found["b"], found["a"]) == (4 / 3, 6 / 5)


@pytest.fixture
def parts(tmp_path, monkeypatch):
    folder = tmp_path / "bench"
    folder.mkdir()
    (folder / "good.py").write_text(
        "from surpass.benching import Claim\n"
        "def claims():\n    print('noise')\n    return [Claim('one', 'times', (2.0,), 1.0, note='told')]\n"
    )
    (folder / "bad.py").write_text("def claims():\n    raise ValueError('no data')\n")
    monkeypatch.setattr(benching, "folder", lambda: folder)
    monkeypatch.setattr(benching, "ORDER", ("good", "bad"))
    return tmp_path


def test_parts_are_measured_in_processes_of_their_own(parts):
    assert benching.measured("good") == [Claim("one", "times", (2.0,), 1.0, note="told")]
    with pytest.raises(StageError, match=r"(?s)bench part 'bad' ended with exit code 1: .*no data"):
        benching.measured("bad")


def test_the_command_writes_what_it_found_and_says_what_failed(parts):
    out = parts / "results" / "day.json"
    run = CliRunner().invoke(main, ["bench", "--json", "--out", str(out)])
    assert run.exit_code == 1
    assert "Failed: bench part 'bad'" in run.stderr
    facts = json.loads(out.read_text())
    assert json.loads(run.stdout) == facts
    assert [(claim["name"], claim["middle"], claim["holds"]) for claim in facts["claims"]] == [("one", 2.0, True)]
    assert facts["machine"]["cores"] >= 1
    assert "one" in CliRunner().invoke(main, ["bench", "good", "--out", str(out)]).stdout
    wrong = CliRunner().invoke(main, ["bench", "god"])
    assert "Did you mean 'good'" in wrong.stderr


@pytest.mark.parametrize("out", [".", "there", "file/inside.json"])
def test_a_result_file_that_cannot_be_is_refused_before_anything_is_measured(out, parts, monkeypatch):
    monkeypatch.chdir(parts)
    (parts / "there").mkdir()
    (parts / "file").write_text("")
    monkeypatch.setattr(benching, "measured", lambda part: pytest.fail(f"{part} was measured"))
    run = CliRunner().invoke(main, ["bench", "good", "--out", out])
    assert run.exit_code == 2
    assert f"result file '{out}' cannot be written" in run.stderr
    assert "Give another file with --out" in run.stderr


def test_results_of_some_parts_leave_those_of_all_parts_alone(parts, monkeypatch):
    monkeypatch.chdir(parts)
    CliRunner().invoke(main, ["bench"])
    CliRunner().invoke(main, ["bench", "good"])
    names = sorted(path.name for path in (parts / "bench/results").iterdir())
    assert [name[10:] for name in names] == ["-good.json", ".json"]


def test_help_names_every_part():
    text = " ".join(CliRunner().invoke(main, ["bench", "--help"]).stdout.split())
    assert ", ".join(benching.ORDER) in text


def test_every_part_of_the_order_is_there():
    for part in benching.ORDER:
        assert "def claims(" in (benching.folder() / f"{part}.py").read_text(encoding="utf-8"), part
