"""The benchmark of studies, run small: it runs, replays and reports what it says. Its times are for people to read."""

from __future__ import annotations

import pytest

from surpass import benching


@pytest.mark.slow
def test_the_benchmark_of_studies_measures_every_step(capsys, monkeypatch):
    studies = benching.load("studies")
    monkeypatch.setattr(studies, "CELLS", 10)
    monkeypatch.setattr(studies, "METHODS", studies.METHODS[:1])
    monkeypatch.setattr(studies, "PAIRS", studies.PAIRS[:2])
    found = studies.measure((10, 20), tests=30)
    assert found["cells"] == ["10", "20"]
    assert set(found["seconds"]["10"]) == {"plan", "schedule", "run", "replay", "results", "files"}
    assert set(found["seconds"]["20"]) == set(found["growth"]) == {"plan", "schedule"}
    assert list(found["overhead_ms"]) == ["10"]
    assert "20 cells, " in capsys.readouterr().out
