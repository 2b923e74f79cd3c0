"""What trackers are told, read back from the files of TensorBoard and MLflow; a tracker that fails costs nothing."""

from __future__ import annotations

import importlib.util
import json
import logging
import sqlite3

import pytest
from click.testing import CliRunner

from surpass.cli import main
from surpass.errors import MissingPackageError
from surpass.runner import run
from surpass.store import Store
from surpass.trackers import Trackers


@pytest.fixture(scope="module")
def tracked(llama, tmp_path_factory):
    """Return the output folder of a study whose strong model trains by steps, passed on to two trackers."""
    folder = tmp_path_factory.mktemp("tracked")
    strong = f"{{model: hf, backbone: '{llama}', precision: fp32, batch_size: 16, lr: 0.003, points: 3}}"
    (folder / "study.yaml").write_text(
        "name: tracked\ntasks: [{task: toy, rows: 300}]\npairs:\n"
        f"  - {{weak: {{model: sklearn, ngrams: 1}}, strong: {strong}}}\n"
        "methods: [soft]\nseeds: 1\ndata: {n_weak: 30, n_transfer: 40, n_val: 10, n_test: 40}\n"
    )
    out = folder / "out"
    arguments = ["run", str(folder / "study.yaml"), "--jobs", "0", "--store", str(folder / "store"), "--out", str(out)]
    done = CliRunner().invoke(main, [*arguments, "--quiet", "--track", "tensorboard", "--track", "mlflow"])
    assert done.exit_code == 0, done.output
    return out


def test_tensorboard_has_seconds_readings_and_cells(tracked):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tracked / "tracking" / "tensorboard" / "tracked"), size_guidance={"scalars": 0})
    events.Reload()
    found = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    stages = json.loads((tracked / "results.json").read_text())["timings"]
    assert sum(len(found[name]) for name in found if name.startswith("seconds/")) == len(stages)
    student = [values for name, values in found.items() if name.startswith("fits/") and "student" in name]
    curve = json.loads((tracked / "results.json").read_text())["curves"][0]
    assert [step for step, _ in student[0]] == curve["steps"]
    assert [value for _, value in student[0]] == pytest.approx(curve["test"])
    assert_cells({name: values[-1][1] for name, values in found.items()}, tracked)


def test_mlflow_has_the_study_in_its_sqlite_file(tracked):
    with sqlite3.connect(tracked / "tracking" / "mlflow.db") as base:
        metrics = dict(base.execute("select key, value from metrics order by step"))
        parameters = dict(base.execute("select key, value from params"))
        names = [name for (name,) in base.execute("select name from runs")]
    assert names == ["tracked"]
    assert "toy" in parameters["tasks"]
    assert_cells(metrics, tracked)


def assert_cells(found, out) -> None:
    rows = json.loads((out / "results.json").read_text())["rows"]
    row = next(row for row in rows if row["metric"] == "accuracy" and row["stopping"] == "last")
    for role in ("floor", "student", "ceiling"):
        cell = [value for name, value in found.items() if name.startswith("cells/") and name.endswith(f"/{role}")]
        assert cell == [pytest.approx(row["estimates"][role]["value"], abs=1e-5)]
        low = [value for name, value in found.items() if name.startswith("cells/") and name.endswith(f"/{role} low")]
        assert low == [pytest.approx(row["estimates"][role]["low"], abs=1e-5)]


def test_a_tracker_that_fails_costs_a_warning(small_study, tmp_path, caplog, monkeypatch):
    from accelerate.tracking import TensorBoardTracker

    def fail(self, *args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(TensorBoardTracker, "log", fail)
    store, study = Store.open(tmp_path / "store"), small_study()
    trackers = Trackers(["tensorboard"], study, store, tmp_path / "tracking")
    with caplog.at_level(logging.WARNING):
        _, outcomes = run(study, store=store, progress=trackers)
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert caplog.text.count("The study goes on without it") == 1
    assert "no space left" in caplog.text


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_that_is_absent_names_its_install_line(small_study, store, tmp_path, name, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: None if asked == name else find(asked))
    with pytest.raises(MissingPackageError, match=rf"pip install 'surpass\[{name}\]'"):
        Trackers([name], small_study(), store, tmp_path)


def test_unknown_tracker_is_told(tmp_path):
    done = CliRunner().invoke(main, ["run", "x.yaml", "--track", "tensorbord"])
    assert done.exit_code == 2
    assert "tensorboard" in done.output


def test_every_cell_goes_by_the_study_s_rule_with_its_interval(small_study, store, tmp_path):
    from sample_results import sample
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    results, study = sample(), small_study()
    Trackers(["tensorboard"], study, store, tmp_path).finish(results)
    events = EventAccumulator(str(tmp_path / "tensorboard" / study.name), size_guidance={"scalars": 0})
    events.Reload()
    found = {name: events.Scalars(name)[-1].value for name in events.Tags()["scalars"] if "/pgr" in name}
    rows = [r for r in results.rows if r.stopping == study.stopping and r.metric == results.primary_metric]
    defined = [r.pgr for r in rows if r.pgr.value == r.pgr.value]
    assert 0 < len(defined) < len(rows)
    for end, part in (("pgr", "value"), ("pgr low", "low"), ("pgr high", "high")):
        values = sorted(value for name, value in found.items() if name.endswith(f"/{end}"))
        assert values == pytest.approx(sorted(getattr(item, part) for item in defined), abs=1e-6)
