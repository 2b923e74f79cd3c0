"""The code of docs/diagnostics.md runs, and so does the benchmark, small."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[2]


def test_the_example_of_the_document_runs(capsys):
    text = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], "diagnostics.md", "exec"), {"__name__": "document"})
    lines = capsys.readouterr().out.splitlines()
    assert "undefined" not in lines[0]
    assert lines[1].startswith("Bound(value=0.0496")


def test_the_benchmark_measures_every_diagnostic(capsys):
    spec = importlib.util.spec_from_file_location("bench_diagnostics", ROOT / "bench" / "diagnostics.py")
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    with threadpool_limits(1):
        found = bench.measure(rows=300, strong=30, weak=12, seeds=2)
    assert len(found["diagnostics"]) == 14
    assert found["seconds"] > 0
    assert 0 < found["peak_mib"] == max(line["peak_mib"] for line in found["diagnostics"].values())
    assert "kernel norm" in capsys.readouterr().out
