"""Chess positions with a mate in two, three or four moves."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from surpass import assets
from surpass.chess import stockfish
from surpass.chess.needs import lacking, with_engine
from surpass.corpora.base import Corpus
from surpass.documents import Documents
from surpass.runtime import Runtime

ASSET = "mate-puzzles"
MOVES = (2, 3, 4)
BEYOND = 6
"""Half-moves that the search goes beyond the mate: of 60 positions it then confirms 57, two half-moves less 54."""
COLUMNS = ("answer", "position", "difficulty", "mate")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChessMates(Corpus):
    """Mates in two, three or four moves from games of two centuries: 914 positions that come with PyChess.

    A position is kept where the engine finds that the first move of the given line keeps the mate and that no other
    move does, so that a move keeps the mate exactly if it is the answer; the others are counted. No game comes with a
    position, so that no list of moves leads there: a text is the position as game files tag it, and the number of the
    move to come, `[FEN "8/8/8/8/8/5K2/7R/5k2 w - - 0 1"] 1.`. Columns: `answer`, `position`, `difficulty` (the
    shallowest depth from which on the engine finds it) and `mate`, in how many moves. White is always to move.

    Licence: GPL-3 or later (PyChess); fetched, not shipped. Needs the extra `chess` and the program Stockfish, which
    takes a tenth of a second for each.

    Attributes:
        fingerprint: the engine's name and version and the checksum of the positions, filled by `resolve`.
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    fingerprint: str = ""

    def resolve(self) -> Self:
        """Fill what the positions and their answers depend on."""
        return with_engine(self, assets.digest(ASSET))

    def problem(self) -> str | None:
        """Return what is not installed or not fetched, or None."""
        if assets.present(ASSET):
            return lacking()
        return lacking() or f"asset '{ASSET}' is not here. Fetch it: surpass assets fetch {ASSET}"

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        """Return the positions; `unconfirmed` and `several` (solutions) among the facts count those left out."""
        from surpass.chess.notation import position_prompt
        from surpass.chess.working import finished

        given = dict(_positions(assets.folder(ASSET)))
        work = {name: partial(_solved, position=position, mate=n) for name, (position, _, n) in given.items()}
        facts, rows = Counter(dict.fromkeys(("read", "unconfirmed", "several"), 0)), []
        for name, found in finished(work, runtime, planned=self.fingerprint.partition(",")[0]).items():
            position, answer, n = given[name]
            facts["read"] += 1
            keeping, depths = found
            if keeping[:1] != [answer]:
                facts["unconfirmed"] += 1
            elif len(keeping) > 1:
                facts["several"] += 1
            else:
                rows.append((name, position_prompt(position), answer, position, depths, n))
        ids, texts, *columns = zip(*rows, strict=True) if rows else ((),) * (2 + len(COLUMNS))
        told: dict[str, float | int | str] = {"positions": len(rows), **facts, "engine": self.fingerprint}
        return Documents(ids, texts, facts=told, columns=dict(zip(COLUMNS, columns, strict=True)))


def _positions(folder: Path) -> list[tuple[str, tuple[str, str, int]]]:
    """Return name, position, first move and moves until the mate; of positions that are there twice the first."""
    from surpass.chess.mining import epd
    from surpass.chess.pgn import problems

    found: dict[str, tuple[str, tuple[str, str, int]]] = {}
    for n in MOVES:
        for i, (position, moves, _) in enumerate(problems(folder / f"mate_in_{n}.pgn")):
            found.setdefault(epd(position), (f"mate in {n}/{i}", (position, moves[0], n)))
    return list(found.values())


def _solved(engine: stockfish.Engine, position: str, mate: int) -> list[Any]:
    """Return which of the two best moves mate in time, and the shallowest depth from which on the first of all is found."""
    from surpass.chess.mining import difficulty
    from surpass.chess.notation import san

    depths = engine.answer(position, 2 * mate + BEYOND, lines=2)
    lines = depths[max(depths)]
    keeping = [san(line.move, position) for line in lines if 0 < line.mate <= mate]
    return [keeping, difficulty(depths)]
