"""Texts of a person's own: a text file, a folder of them, or a column of a table."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Self

from surpass.corpora.base import Corpus, check_unchanged, ids_of
from surpass.disk import sha256
from surpass.documents import Documents
from surpass.errors import DataError, SurpassError
from surpass.runtime import Runtime
from surpass.tables import open_table
from surpass.tables.opening import missing, readable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files(Corpus):
    """Texts of files. Licence: the user's own.

    Empty texts are left out, and so is what occurred before; both are counted.

    Attributes:
        path: a .txt file (UTF-8), a folder with such files at any depth, or a table (.csv, .tsv, .jsonl, .parquet, .arrow;
            hub:ORG/NAME) with a column of texts.
        each: of text files: whether each line is a text, or each file.
        text: of a table, the column of the text.
        group: of a table, the column of what must never be split, such as an author; empty: each text is its own. Lines of a
            file always are; of a folder, those of one file are a group.
        digest: identity of the content, filled by `resolve`.
    """

    columns: ClassVar[tuple[str, ...]] = ()

    path: str
    each: Literal["line", "document"] = "line"
    text: str = "text"
    group: str = ""
    digest: str = ""

    def resolve(self) -> Self:
        """Fill the digest of the content."""
        if readable(self.path):
            return dataclasses.replace(self, digest=open_table(self.path).digest())
        held = hashlib.sha256()
        for path in self._files():
            held.update(f"{self._name(path)}\0{sha256(path)}\n".encode())
        return dataclasses.replace(self, digest=held.hexdigest())

    def problem(self) -> str | None:
        """Return what is wrong with the path or its columns, or None."""
        lacking: str | None
        if readable(self.path):
            try:
                lacking = missing(self.path) or open_table(self.path).lacking(*self._columns())
            except SurpassError as error:
                lacking = str(error)
        elif Path(self.path).is_dir():
            lacking = None if self._files() else f"folder '{self.path}' holds no .txt file. Put the texts there."
        else:
            lacking = missing(self.path)
        return f"corpus 'files': {lacking}" if lacking else None

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        """Return the texts; DataError when there are none, or when they are not what they were while planning."""
        check_unchanged(self)
        found: dict[str, str] = {}
        facts = {"read": 0, "empty": 0, "repeated": 0}
        for text, group in self._texts():
            facts["read"] += 1
            if not text.strip():
                facts["empty"] += 1
            elif text in found:
                facts["repeated"] += 1
            else:
                found[text] = group
        if not found:
            raise DataError(f"corpus 'files': '{self.path}' holds no text. Give a file with at least one.")
        ids = ids_of(found)
        groups = tuple(group or name for name, group in zip(ids, found.values(), strict=True))
        return Documents(ids, tuple(found), groups, facts)

    def _texts(self) -> Iterator[_Text]:
        if readable(self.path):
            for _, row in open_table(self.path).rows():
                yield _Text(str(row.get(self.text) or ""), str(row[self.group]) if self.group else "")
            return
        for path in self._files():
            try:
                whole = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"corpus 'files': '{path}' is not UTF-8 ({error}). Save it as UTF-8.") from error
            if self.each == "document":
                yield _Text(whole, "")
                continue
            several = Path(self.path).is_dir()
            yield from (_Text(line, self._name(path) if several else "") for line in whole.splitlines())

    def _files(self) -> list[Path]:
        root = Path(self.path)
        return sorted(root.rglob("*.txt")) if root.is_dir() else [root]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix() if Path(self.path).is_dir() else path.name

    def _columns(self) -> tuple[str, ...]:
        return (self.text, self.group) if self.group else (self.text,)


class _Text(NamedTuple):
    """A text, and the group that a file gives it; empty: its own."""

    text: str
    group: str
