"""What the tests of chess share: whether it can run here, and a few games."""

from __future__ import annotations

import pytest

from surpass.chess.needs import lacking

needs_chess = pytest.mark.skipif(lacking(engine=False) is not None, reason=lacking(engine=False) or "")
needs_engine = pytest.mark.skipif(lacking() is not None, reason=lacking() or "")

FOOLS_MATE = "1. f3 1... e5 2. g4 2... Qh4#"
SCHOLARS = ["e4", "e5", "Qh5", "Nc6", "Bc4", "Nf6"]  # and Qxf7 mates
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
MATE_IN_ONE = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4"
MATED = "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3"
MIDDLE = "r1bq1rk1/pp2bppp/2n1pn2/3p4/2PP4/2N2N2/PP2BPPP/R1BQ1RK1 w - - 0 9"
