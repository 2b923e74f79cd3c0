"""Games of chess from a file of the user's."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from surpass.chess.needs import lacking
from surpass.corpora.base import Corpus, check_unchanged, ids_of
from surpass.disk import sha256
from surpass.documents import Documents
from surpass.errors import DataError
from surpass.runtime import Runtime
from surpass.spec import option
from surpass.tables.opening import missing

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pgn(Corpus):
    """Games of chess from a file in portable game notation (PGN). Licence: the user's own.

    A text is the list of a game's moves, each with its number, as `chess-games` has it. A game with a move that is not
    legal or cannot be read is left out, and so is one without moves, of another variant, from another first position,
    or equal to an earlier one; each is counted. Comments and variations are not read. Needs the extra `chess`.

    Attributes:
        path: the file.
        rating: both players' least rating (`WhiteElo`, `BlackElo`); games without one are left out then. The pretraining of
            Burns et al. 2023 (arXiv 2312.09390, appendix A.2) had 1800. 0: any.
        games: at most so many are taken, the first ones; 0: all.
        digest: checksum of the file, filled by `resolve`.
    """

    columns: ClassVar[tuple[str, ...]] = ("result", "half_moves")

    path: str
    rating: int = option(0, low=0)
    games: int = option(0, low=0)
    digest: str = ""

    def resolve(self) -> Self:
        """Fill the checksum of the file."""
        if self.problem():
            return self
        return dataclasses.replace(self, digest=sha256(Path(self.path)))

    def problem(self) -> str | None:
        """Return what is wrong with the path, or what is not installed, or None."""
        if problem := missing(self.path):
            return f"corpus 'pgn': {problem}"
        return lacking(engine=False)

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        """Return the games, with columns `result` and `half_moves`; counts of games left out are among the facts.

        Raises:
            DataError: no game is left, or the file is not what it was while planning.
        """
        from surpass.chess.notation import movetext
        from surpass.chess.pgn import ENCODING, games

        check_unchanged(self)
        counts: Counter[str] = Counter(
            dict.fromkeys(("read", "broken", "empty", "other_start", "low_rating", "repeated"), 0)
        )
        found: dict[str, tuple[str, int]] = {}
        with Path(self.path).open(encoding=ENCODING, errors="replace") as file:
            for moves, headers in games(file, counts):
                text = movetext(moves)
                if self._too_low(headers):
                    counts["low_rating"] += 1
                elif text in found:
                    counts["repeated"] += 1
                else:
                    found[text] = (headers.get("Result", "*"), len(moves))
                if len(found) == self.games:
                    break
        told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        if not found:
            lower = f", or lower `rating`, which is {self.rating}" if counts["low_rating"] else ""
            raise DataError(
                f"corpus 'pgn': '{self.path}' holds no game that can serve ({told or 'nothing was read'}). Give a file of "
                f"whole games from the usual first position{lower}."
            )
        if counts["broken"]:
            log.warning(
                "corpus 'pgn': %s of %s games are broken or illegal and left out", counts["broken"], counts["read"]
            )
        ids = ids_of(found)
        results, lengths = zip(*found.values(), strict=True)
        facts = {"games": len(found), **counts, "half_moves": sum(lengths)}
        return Documents(ids, tuple(found), facts=facts, columns={"result": results, "half_moves": lengths})

    def _too_low(self, headers: dict[str, str]) -> bool:
        ratings = [headers.get(name, "") for name in ("WhiteElo", "BlackElo")]
        return self.rating > 0 and any(not text.isdecimal() or int(text) < self.rating for text in ratings)
