"""Stockfish as a separate program: one process, one thread, the same answer to the same question on every machine.

python-chess has a client of its own, which takes 5 ms a question longer than the engine does at small depths (it reads
every line of every depth into moves and boards). Games ask some 60 questions of 1 ms each, so this one reads the lines
alone that are asked for. What is fixed: one thread, the size of the hash table, and a search by depth. What an engine
has in its hash table changes its answers, so that a question's answer depends on those since the last `clear`; whoever
wants an answer of its own clears first, and what is played or mined from one game begins with a clear table.
"""

from __future__ import annotations

import functools
import math
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from surpass.errors import StageError
from surpass.runtime import engine_path

USUAL = "/usr/games/stockfish"  # where Debian puts it, which is not on every user's PATH
HASH_MIB = 4  # clearing it takes time, and a search of depth 10 looks at some 20,000 positions
TIMEOUT = 60.0
"""Seconds that a question may take before the engine counts as hanging; usual are thousandths."""
START = 10  # times as long may the engine take to start: it reads 47 MB
HOW = "Install it (apt-get install stockfish, brew install stockfish), or give its path in SURPASS_STOCKFISH."


class Line(NamedTuple):
    """A move with what the engine thinks of it, seen by the side to move.

    Attributes:
        move: as UCI writes it: "e2e4", "e7e8q".
        win: expected score in [0, 1]: of a mate 1 or 0, else of c centipawns 1 / (1 + exp(-0.00368208 c)), a fit to
            games of people by lichess.org.
        mate: moves until mate, negative when the side to move is mated; 0: none is seen.
    """

    move: str
    win: float
    mate: int = 0


Depths = dict[int, tuple[Line, ...]]
"""Best lines by depth, the best first."""


class EngineFailure(Exception):
    """The engine stopped or did not answer in time; whoever asked may start another one."""


def program() -> str | None:
    """Return the path of Stockfish, from SURPASS_STOCKFISH, PATH or Debian's place; None where there is none."""
    if chosen := engine_path():
        return shutil.which(chosen)
    return shutil.which("stockfish") or (USUAL if Path(USUAL).is_file() else None)


def lacking() -> str | None:
    """Return why no engine can be asked here, with what to do, or None."""
    if program():
        return None
    if chosen := engine_path():
        return f"SURPASS_STOCKFISH='{chosen}' is no program. Give the path of Stockfish, or unset it."
    return f"Stockfish, a chess engine, is not installed. {HOW}"


@functools.cache
def identity() -> str:
    """Return name and version that the engine gives itself, such as "Stockfish 15.1"; StageError where there is none."""
    with Engine() as engine:
        return engine.name


class Engine:
    """One running engine. Use it in a `with` block; `answer` raises EngineFailure when it dies or hangs."""

    def __init__(self, path: str | None = None, *, timeout: float = TIMEOUT, cores: Collection[int] = ()) -> None:
        found = path or program()
        if found is None:
            raise StageError(lacking())
        self.timeout, self.name = START * timeout, ""
        self._lines, self._asked, self._deadline = 1, "", math.inf
        try:
            self.process = subprocess.Popen(
                [found], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
            )
        except OSError as error:
            raise StageError(f"Stockfish at {found} cannot be started: {error}. {HOW}") from error
        if cores:
            os.sched_setaffinity(self.process.pid, cores)
        self._watch = threading.Thread(target=self._kill_when_late, daemon=True)
        self._watch.start()
        try:
            self._greet()
        except EngineFailure as error:
            self.close()
            raise StageError(f"{found} does not answer as a chess engine does: {error} {HOW}") from error
        self.timeout = timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the engine's process, also one that is stopped."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:  # what was still to be written has nobody to read it
                    continue

    def clear(self) -> None:
        """Forget everything: the next answer is that of a new engine."""
        self._tell("ucinewgame\nisready\n", "clearing the hash table")
        self._until("readyok")

    def answer(self, position: str, depth: int, *, lines: int = 1) -> Depths:
        """Return the best lines at every depth up to the given one; empty where no move is legal.

        Args:
            position: in Forsyth-Edwards notation.
            depth: half-moves that the search looks ahead, at least.
            lines: how many of the best moves to compare; there are fewer where fewer are legal.
        """
        if lines != self._lines:
            self._tell(f"setoption name MultiPV value {lines}\n", position)
            self._lines = lines
        self._tell(f"position fen {position}\ngo depth {depth}\n", position)
        return _read(self._until("bestmove"))

    def _greet(self) -> None:
        self._tell("uci\n", "its start")
        for line in self._until("uciok"):
            if line.startswith("id name "):
                self.name = line.removeprefix("id name ").strip()
        self._tell(f"setoption name Threads value 1\nsetoption name Hash value {HASH_MIB}\n", "its start")
        self.clear()

    def _tell(self, text: str, asked: str) -> None:
        self._asked = asked
        try:
            self.process.stdin.write(text)  # type: ignore[union-attr]  # it is a pipe
            self.process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            raise self._failure() from None

    def _until(self, end: str) -> list[str]:
        """Return what the engine writes before the line that begins with `end`."""
        found: list[str] = []
        self._deadline = time.monotonic() + self.timeout
        for line in iter(self.process.stdout.readline, ""):  # type: ignore[union-attr]  # it is a pipe
            if line.startswith(end):
                self._deadline = math.inf
                return found
            found.append(line)
        raise self._failure()

    def _failure(self) -> EngineFailure:
        late = time.monotonic() > self._deadline
        self._deadline = math.inf
        code = self.process.wait()
        how = f"gave no answer within {self.timeout:g} s and was stopped" if late else f"ended with exit code {code}"
        return EngineFailure(f"the engine {how} at {self._asked}.")

    def _kill_when_late(self) -> None:
        while self.process.poll() is None:
            if time.monotonic() > self._deadline:
                self.process.kill()
            time.sleep(min(0.2, self.timeout / 4))  # of that order is a hang noticed late


def _read(written: Sequence[str]) -> Depths:
    """Return the lines by depth that an engine wrote; those that are bounds only are left out."""
    found: dict[int, dict[int, Line]] = {}
    for text in written:
        words = text.split()
        if "pv" not in words or "upperbound" in words or "lowerbound" in words:
            continue
        depth, place, score = (words.index(name) for name in ("depth", "multipv", "score"))
        value, kind = int(words[score + 2]), words[score + 1]
        mate = value if kind == "mate" else 0
        win = float(value > 0) if mate else 1 / (1 + math.exp(-0.00368208 * value))
        line = Line(words[words.index("pv") + 1], win, mate)
        found.setdefault(int(words[depth + 1]), {})[int(words[place + 1])] = line
    return {depth: tuple(lines[i] for i in sorted(lines)) for depth, lines in sorted(found.items())}
