"""Pieces of work that were finished before: what is read of their record, and the cores that engines may use."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from surpass.chess.working import FILE, _cores, _kept
from surpass.runtime import Runtime

WHOLE = b'["a", 1]\n', b'["b", [2]]\n', b'["c", "\\u00fc"]\n'


@pytest.mark.parametrize(
    "damaged",
    [b'["b", [\n', b"\0" * 40 + b"\n", b'"b"\n', b'[["g1"], 2]\n', b"[null, 2]\n", b"7\n", b"\xff\xfe\n", b"\n"],
    ids=["half", "nul", "other", "list", "null", "number", "bytes", "empty"],
)
def test_a_damaged_line_costs_its_own_piece_alone(tmp_path, damaged):
    file = tmp_path / FILE
    file.write_bytes(WHOLE[0] + damaged + WHOLE[1] + WHOLE[2])
    assert _kept(file) == {"a": 1, "b": [2], "c": "\u00fc"}
    assert file.read_bytes() == WHOLE[0] + damaged + WHOLE[1] + WHOLE[2]  # not written again


@pytest.mark.parametrize("half", [b'["c", "x', b'["c", "x"]', b"\0\0"])
def test_an_unfinished_last_line_is_cut_off(tmp_path, half):
    file = tmp_path / FILE
    file.write_bytes(WHOLE[0] + b"damaged\n" + WHOLE[1] + half)
    assert _kept(file) == {"a": 1, "b": [2]}
    assert file.read_bytes() == WHOLE[0] + b"damaged\n" + WHOLE[1]


def test_nothing_finished_is_nothing_kept(tmp_path):
    assert _kept(tmp_path / FILE) == {}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="keeps processes to no cores")
def test_engines_of_a_worker_have_the_cores_of_its_study():
    """The worker keeps to one core, where there are several."""
    ours = os.sched_getaffinity(0)
    with multiprocessing.get_context("spawn").Pool(1, os.sched_setaffinity, (0, {min(ours)})) as pool:
        assert pool.apply(os.sched_getaffinity, (0,)) == {min(ours)}
        assert pool.apply(_cores, (Runtime(),)) == ours
        assert pool.apply(_cores, (Runtime(executor="ray"),)) == ()
    assert _cores(Runtime()) == ()  # in the study's own process engines have its cores anyway
