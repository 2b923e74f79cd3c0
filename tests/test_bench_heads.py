"""The benchmark of heads, run small: what it compares agrees. Its times are for people to read."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

from surpass import benching


def test_the_benchmark_of_heads_compares_equal_answers(capsys):
    heads = benching.load("heads")
    with threadpool_limits(1):
        found = heads.measure(count=20, rows=160, columns=24, repeats=2, compared=20)
    assert found.difference < 1e-5
    assert len(found.many) == len(found.one) == 2
    assert "turn 2: 20 heads" in capsys.readouterr().out
