"""Chess puzzles mined from a corpus of games."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Self

from surpass.chess import stockfish
from surpass.chess.needs import lacking, with_engine
from surpass.corpora.base import Corpus
from surpass.documents import Documents, going_on
from surpass.errors import DataError
from surpass.registry import CORPORA
from surpass.runtime import Runtime
from surpass.spec import option

FIELDS = ("best", "second", "position", "difficulty", "margin", "win", "mate")
COLUMNS = ("answer", *FIELDS[1:])


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChessPuzzles(Corpus):
    """Positions of games where one move is clearly best, and it keeps or gains an advantage: see `surpass.chess.mining`.

    A text is the game up to the position and the number of the move to come: `1. d4 1... Nf6 2. Nf3 2...`. Its game is
    its group. No position (board, side to move, castling, en passant) is there twice. Columns: `answer` and `second`,
    the best and the second best move in standard algebraic notation; `position` in Forsyth-Edwards notation;
    `difficulty`, the shallowest depth from which on the engine finds the move; `margin`, `win` and `mate` as in
    `mining.Puzzle`.

    A puzzle that stands with its answer in the text of another game's puzzle is left out. Models should be pretrained on
    other games than these, for a game goes on with the best move in most of its puzzles: another `seed` of `chess-games`.
    Short games of two seeds still begin alike now and then: name the games that models learn in `apart`. Needs the extra
    `chess` and the program Stockfish.

    Attributes:
        games: the corpus of games.
        apart: a corpus of games that models learn: a puzzle that one of them begins with, best move included, is left out.
        depth: half-moves of the search that decides.
        margin: least difference of expected score between the best move and the second best.
        advantage: least expected score of the best move.
        gain: least expected score that the opponent's last move gave away, as on puzzle sites; -1: any, which takes in
            recaptures and gives about twice as many puzzles.
        start: half-moves of a game before the first position that is looked at.
        screen: part of margin and advantage that a search of depth 2 has to see before a position is searched in full. A
            smaller one finds more of the difficult puzzles and takes longer: of 40 games, at depth 8 and with any gain, 0.1
            made 102 puzzles, 24 of difficulty 5 or more, and 0.7 made 72 and 11 in a fifth of the time.
        fingerprint: the engine's name and version, filled by `resolve`.
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    games: Corpus = CORPORA.get("chess-games")(seed=1)
    apart: Corpus | None = None
    depth: int = option(10, low=1, high=40)
    margin: float = option(0.15, above=0.0, high=1.0)
    advantage: float = option(0.5, low=0.0, high=1.0)
    gain: float = option(0.05, low=-1.0, high=1.0)
    start: int = option(8, low=1)
    screen: float = option(0.5, low=0.0, high=1.0)
    fingerprint: str = ""

    def sources(self) -> tuple[Corpus, ...]:
        """Return the corpus of games, and the one to keep apart from."""
        return (self.games, *self.left_out())

    def left_out(self) -> tuple[Corpus, ...]:
        """Return the corpus to keep apart from, if there is one."""
        return (self.apart,) if self.apart else ()

    def resolve(self) -> Self:
        """Fill the engine's name and version, and what the games leave open."""
        return with_engine(super().resolve())

    def problem(self) -> str | None:
        """Return what is not installed, or why the games cannot be had, or None."""
        return lacking() or next(filter(None, (each.problem() for each in self.sources())), None)

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        """Return the puzzles; games that are no legal games are counted among the facts as `broken`."""
        from surpass.chess.mining import Rule, epd
        from surpass.chess.notation import moves_of, prompt
        from surpass.chess.working import finished

        games, *apart = sources
        rule = Rule(self.depth, self.margin, self.advantage, self.gain, self.start, self.screen)
        played = {name: moves_of(text) for name, text in zip(games.ids, games.texts, strict=True)}
        work = {name: partial(_mined, moves=moves, rule=rule) for name, moves in played.items()}
        found: dict[str, tuple[Any, ...]] = {}
        facts: dict[str, float | int | str] = {
            "games": len(games),
            "broken": 0,
            "repeated": 0,
            "known": 0,
            "engine": self.fingerprint,
        }
        mined = finished(work, runtime, planned=self.fingerprint)
        for (name, puzzles), group in zip(mined.items(), games.groups, strict=True):
            if puzzles is None:
                facts["broken"] = int(facts["broken"]) + 1
                continue
            for ply, *values in puzzles:
                row = (f"{name}/{ply}", prompt(played[name][:ply]), group, *values)
                facts["repeated"] = int(facts["repeated"]) + (epd(row[5]) in found)
                found.setdefault(epd(row[5]), row)
        rows = _unknown(list(found.values()), [text for each in apart for text in each.texts])
        facts["known"] = len(found) - len(rows)
        if not rows:
            raise DataError(
                f"corpus 'chess-puzzles': no puzzle in {len(games)} games ({facts['broken']} of them broken); "
                f"{facts['known']} are known from other games. Give more or longer games, or lower margin={self.margin:g}, "
                f"advantage={self.advantage:g}, gain={self.gain:g} or start={self.start}."
            )
        ids, texts, groups, *columns = zip(*rows, strict=True)
        named = dict(zip(COLUMNS, columns, strict=True))
        return Documents(ids, texts, groups, {"puzzles": len(rows), **facts}, named)


def _unknown(rows: Sequence[tuple[Any, ...]], learned: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the puzzles whose text and answer begin no learned game, and no other game's puzzle."""
    from surpass.chess.notation import answer

    games, group_of = sorted(learned), {text: group for _, text, group, *_ in rows}
    prompts, kept = sorted(group_of), []
    for row in rows:
        _, text, group, best, *_ = row
        solved = text + answer(best)
        told = any(group_of[other] != group for other in going_on(solved, prompts))
        if not told and next(going_on(solved, games), None) is None:
            kept.append(row)
    return kept


def _mined(engine: stockfish.Engine, moves: list[str], rule: Any) -> list[list[Any]] | None:
    """Return ply and columns of each puzzle of a game, None where it is no legal game; `rule` is a `mining.Rule`."""
    from surpass.chess.mining import mine

    try:
        puzzles = mine(engine, moves, rule)
    except ValueError:  # python-chess's word for a move that is not legal
        return None
    return [[each.ply, *(getattr(each, name) for name in FIELDS)] for each in puzzles]
