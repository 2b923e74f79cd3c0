"""The benchmark of heads, run small: what it compares agrees. Its times are for people to read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from threadpoolctl import threadpool_limits


def test_the_benchmark_of_heads_compares_equal_answers(capsys):
    path = Path(__file__).parent.parent / "bench" / "heads.py"
    spec = importlib.util.spec_from_file_location("bench_heads", path)
    assert spec is not None
    assert spec.loader is not None
    heads = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(heads)
    with threadpool_limits(1):
        found = heads.measure(count=20, rows=160, columns=24, repeats=2, compared=20)
    assert found.difference < 1e-5
    assert len(found.many) == len(found.one) == 2
    assert "turn 2: 20 heads" in capsys.readouterr().out
