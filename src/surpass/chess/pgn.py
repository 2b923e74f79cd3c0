"""Games of a file in portable game notation. Broken and illegal ones are counted and left out."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import chess
import chess.pgn

from surpass.chess.notation import sans

Headers = dict[str, str]

ENCODING = "utf-8-sig"  # some programs put a mark of the encoding first, which is no part of a game
EVENT = "[Event "  # the first tag of a game, see section 8.1.1 of the standard
COMMENTS = re.compile(r"\{[^}]*\}|;[^\n]*|^%[^\n]*", re.MULTILINE)
VARIATION = re.compile(r"\([^()]*\)")
KNOWN = re.compile(
    r"(?:[NBKRQ]?[a-h]?[1-8]?[-x]?[a-h][1-8](?:=?[NBRQKnbrqk])?|O-O(?:-O)?|0-0(?:-0)?)(?:[+#]*|\s*e\.p\.)"
    r"|\*|1-0|0-1|1/2-1/2|\$[0-9]+|[?!]{1,2}|(?<![0-9])[0-9]{1,3}(?![0-9])(?:\.+|\u2026)?"
)
"""A move, a result, a sign for a move, or a number: see sections 8.2 and 9 of the standard of portable game notation."""


class _Builder(chess.pgn.GameBuilder[chess.pgn.Game]):
    """Keeps what is wrong with a game to itself, where the library's own logs it too."""

    def handle_error(self, error: Exception) -> None:
        self.game.errors.append(error)


class _Lines:
    """A file that ends with each game, and remembers the game's lines.

    The library drops what it does not know without a word, and takes all that follows a comment without an end for that
    comment. So a game ends for it where the next one begins: at the tag `Event` after an empty line.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.lines: list[str] = []
        self.held = ""

    def begin(self) -> None:
        """Begin the next game."""
        self.lines = []

    def readline(self) -> str:
        line = self.held or self.file.readline()
        if line.startswith(EVENT) and self.lines and self.lines[-1].isspace() and self._begun():
            self.held = line
            return ""
        self.held = ""
        self.lines.append(line)
        return line

    def _begun(self) -> bool:
        """Return whether the lines have more than the empty ones and remarks that may stand before a game."""
        return any(line.strip() and not line.startswith(("%", ";")) for line in self.lines)

    def unknown(self) -> str:
        """Return what the movetext among the lines has beside moves, numbers, signs, results, comments and variations."""
        skipped = ("[", "%", ";")
        text = "".join(itertools.dropwhile(lambda line: line.isspace() or line.startswith(skipped), self.lines))
        text, found = COMMENTS.sub(" ", text), 1
        while found:
            text, found = VARIATION.subn(" ", text)
        return KNOWN.sub(" ", text).strip()


def _read(file: TextIO) -> Iterator[tuple[chess.pgn.Game, bool]]:
    """Yield each game, and whether all of it was understood."""
    lines: Any = _Lines(file)
    while True:
        lines.begin()
        if (game := chess.pgn.read_game(lines, Visitor=_Builder)) is None:
            return
        yield game, not (game.errors or lines.unknown())


def games(file: TextIO, counts: Counter[str]) -> Iterator[tuple[list[str], Headers]]:
    """Yield moves in standard algebraic notation and headers of each whole and legal game from the usual first position.

    Args:
        file: in portable game notation.
        counts: gets `read`, `broken` (an illegal move, or what is not understood), `empty` (no move) and `other_start` (of
            another game than chess, or from another position).
    """
    for game, whole in _read(file):
        counts["read"] += 1
        headers = dict(game.headers)
        if headers.get("Variant", "Standard").lower() not in ("standard", "chess") or "FEN" in headers:
            counts["other_start"] += 1
        elif not whole:
            counts["broken"] += 1
        elif moves := sans(game.mainline_moves()):
            yield moves, headers
        else:
            counts["empty"] += 1


def problems(path: Path) -> Iterator[tuple[str, list[str], Headers]]:
    """Yield position, moves of the main line and headers of each position of a file of puzzles; broken ones are left out."""
    with path.open(encoding=ENCODING, errors="replace") as file:
        for game, whole in _read(file):
            moves = list(game.mainline_moves())
            if moves and whole and game.board().is_valid():
                yield game.board().fen(), sans(moves, game.board()), dict(game.headers)
