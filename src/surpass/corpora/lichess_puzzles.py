"""Puzzles of lichess.org, from a file of the user's or from a data set of the hub."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

from surpass.chess.needs import lacking
from surpass.corpora.base import Corpus, check_unchanged, ids_of
from surpass.documents import Documents
from surpass.errors import DataError
from surpass.runtime import Runtime
from surpass.spec import option
from surpass.tables import open_table
from surpass.tables.opening import missing

OWN = ("FEN", "Moves")
LISTED = ("ctx", "target")
BEGIN = "1."
TOGETHER = 20
"""Half-moves: puzzles of the hub whose games begin with the same ones may be of one game, and are one group."""


class _Row(NamedTuple):
    """A puzzle as it is read: text, answer, position, difficulty (none: not known) and group (empty: alone)."""

    text: str
    answer: str
    position: str
    difficulty: float | None
    group: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class LichessPuzzles(Corpus):
    """Puzzles of lichess.org, with the columns of `chess-puzzles` as far as they are known.

    Two tables are read. One with columns `ctx` and `target`, as `hub:EleutherAI/lichess-puzzles` has them, holds games
    so far and the best move in the form of Burns et al. 2023 (arXiv 2312.09390, appendix A.2); games that begin with
    the same 20 half-moves are one group, and so are a shorter game and all that begin with it: a puzzle after very few
    moves makes a large group. Their difficulty is not known. One with columns `FEN` and `Moves`, as lichess.org gives
    them away (database.lichess.org), holds positions before the opponent's last move, and moves, whose first is the
    opponent's: without the game, a text is the position as game files tag it; `Rating` is the difficulty, and the game
    of `GameUrl` the group; without it each puzzle is a group of its own.

    Rows whose move is not legal, or that cannot be read, are left out and counted as `broken`; positions that were
    there before as `repeated`. Licence: CC0 (lichess.org). Needs the extra `chess`.

    Attributes:
        path: a table (.csv, .jsonl, .parquet, ...), or hub:ORG/NAME.
        puzzles: at most so many are read, the first ones; 0: all.
        digest: identity of the content, filled by `resolve`.
    """

    columns: ClassVar[tuple[str, ...]] = ("answer", "position", "difficulty")

    path: str
    puzzles: int = option(0, low=0)
    digest: str = ""

    def resolve(self) -> Self:
        """Fill the identity of the table."""
        return self if self.problem() else dataclasses.replace(self, digest=open_table(self.path).digest())

    def problem(self) -> str | None:
        """Return what is wrong with the path, or what is not installed, or None."""
        if problem := missing(self.path):
            return f"corpus 'lichess-puzzles': {problem}"
        return lacking(engine=False)

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        """Return the puzzles.

        Raises:
            DataError: the table has other columns, holds no puzzle, or is not what it was while planning.
        """
        from surpass.chess.mining import epd

        check_unchanged(self)
        counts = Counter(dict.fromkeys(("read", "broken", "repeated"), 0))
        found: dict[str, _Row] = {}
        for row in self._rows():
            counts["read"] += 1
            if row is None:
                counts["broken"] += 1
            elif epd(row.position) in found:
                counts["repeated"] += 1
            else:
                found[epd(row.position)] = row
            if counts["read"] == self.puzzles:
                break
        if not found:
            raise DataError(
                f"corpus 'lichess-puzzles': '{self.path}' holds no puzzle: {counts['broken']} of {counts['read']} rows are "
                "broken. Give a table as lichess.org has it."
            )
        ids = ids_of(found)
        texts, answers, positions, difficulties, games = zip(*found.values(), strict=True)
        columns = {"answer": answers, "position": positions, "difficulty": difficulties}
        begun = _begun(game for game in games if game.startswith(BEGIN))
        groups = tuple(begun.get(game, game) or name for name, game in zip(ids, games, strict=True))
        return Documents(ids, texts, groups, {"puzzles": len(found), **counts}, columns)

    def _rows(self) -> Iterator[_Row | None]:
        table = open_table(self.path)
        if not (listed := not table.lacking(*LISTED)) and (problem := table.lacking(*OWN)):
            raise DataError(
                f"corpus 'lichess-puzzles': {problem} It needs columns {' and '.join(OWN)}, or {' and '.join(LISTED)}."
            )
        for _, row in table.rows():
            try:
                yield _listed(row) if listed else _own(row)
            except ValueError:  # python-chess's word for what is no legal move or no position
                yield None


def _listed(row: Mapping[str, Any]) -> _Row:
    from surpass.chess.notation import fen_of, moves_of, prompt, written_move

    moves = moves_of(str(row["ctx"]))
    text, answer = prompt(moves), str(row["target"]).strip()
    position = fen_of(text)
    return _Row(text, written_move(position, answer), position, None, prompt(moves[:TOGETHER]))


def _own(row: Mapping[str, Any]) -> _Row:
    from surpass.chess.notation import position_prompt, written_line

    first, answer = str(row["Moves"]).split()[:2]
    position, move = written_line(str(row["FEN"]), first, answer)
    game = str(row.get("GameUrl") or "").partition("#")[0].removesuffix("/black")
    rating = row.get("Rating")
    return _Row(position_prompt(position), move, position, float(rating) if rating else None, game)


def _begun(games: Iterable[str]) -> dict[str, str]:
    """Return for each beginning of a game the shortest one that it goes on from: of one game, for all that is known.

    >>> _begun(["1. e4 1... e5 2.", "1. d4 1...", "1. e4 1..."])
    {'1. d4 1...': '1. d4 1...', '1. e4 1...': '1. e4 1...', '1. e4 1... e5 2.': '1. e4 1...'}
    """
    found: dict[str, str] = {}
    shortest = ""
    for game in sorted(set(games)):  # what begins with a text comes right after it
        if not shortest or not game.startswith(shortest):
            shortest = game
        found[game] = shortest
    return found
