"""Games of chess that the engine plays against itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Self

from surpass.chess.needs import lacking, with_engine
from surpass.corpora.base import Corpus
from surpass.documents import Documents
from surpass.runtime import Runtime
from surpass.spec import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChessGames(Corpus):
    """Games of Stockfish against itself: sides of different depth that slip now and then. Some 20 games a second on one core.

    A text is the list of a game's moves, each with its number: `1. d4 1... Nf6 2. Nf3`. Game i depends on the seed, on
    i and on the options but for `games`, so that a larger corpus begins with the games of a smaller one. Equal games
    are left out but for the first.

    Needs the extra `chess` and the program Stockfish (see `surpass.chess.stockfish`). Nobody has rights in the games.

    Attributes:
        games: how many are played.
        depth: each side looks 1 to so many half-moves ahead, drawn for every game.
        slips: each side plays any legal move with a chance drawn for every game: none, half of this, or this.
        opening: at most so many half-moves at the start are drawn among the eight best, so that games part early.
        longest: half-moves after which a game ends.
        seed: other seeds give other games.
        fingerprint: the engine's name and version, filled by `resolve`.
    """

    columns: ClassVar[tuple[str, ...]] = ("result", "half_moves")

    games: int = option(1000, low=1)
    depth: int = option(6, low=1, high=30)
    slips: float = option(0.1, low=0.0, high=1.0)
    opening: int = option(10, low=0)
    longest: int = option(160, low=1)
    seed: int = option(0, low=0)
    fingerprint: str = ""

    def resolve(self) -> Self:
        """Fill the engine's name and version."""
        return with_engine(self)

    def problem(self) -> str | None:
        """Return what is not installed, or None."""
        return lacking()

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        """Return the games, with columns `result` ("1-0", "0-1", "1/2-1/2", "*") and `half_moves`."""
        from surpass.chess.notation import movetext
        from surpass.chess.playing import Play, play
        from surpass.chess.working import finished

        how = Play(self.depth, self.slips, self.opening, self.longest)
        names = [f"{self.seed}/{i}" for i in range(self.games)]
        work = {f"game {name}": partial(play, how=how, seed=name) for name in names}
        found: dict[str, tuple[str, str, int]] = {}
        for name, (moves, result) in zip(
            names, finished(work, runtime, planned=self.fingerprint).values(), strict=True
        ):
            found.setdefault(movetext(moves), (name, result, len(moves)))
        ids, results, lengths = zip(*found.values(), strict=True)
        facts = {
            "games": len(found),
            "repeated": self.games - len(found),
            "half_moves": sum(lengths),
            "undecided": results.count("*"),
            "engine": self.fingerprint,
        }
        return Documents(ids, tuple(found), facts=facts, columns={"result": results, "half_moves": lengths})
