"""The benchmark of tables, run small: it reads what it wrote. Its times are for people to read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "tables.py"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read where Linux has it")
def test_the_benchmark_of_tables_finds_its_bad_line():
    words = [sys.executable, str(BENCH), "--rows", "3000", "--formats", "csv"]
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    assert told[0].startswith("csv: 3,000 rows")
    assert [line.split()[0] for line in told[1:]] == ["lines", "rows", "sample", "score"]
    assert [line.endswith("1 bad lines") for line in told[1:]] == [False, True, True, True]
