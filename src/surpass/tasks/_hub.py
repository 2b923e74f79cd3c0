"""Data sets of the Hugging Face hub: fetched file by file at a fixed commit, read without any code of theirs.

`huggingface_hub` keeps the files by commit, so that what was fetched once is read again without a network; `datasets` reads
them. Loader scripts are never run: where a repository has nothing else, the files are those of the hub's own conversion
(the branch `refs/convert/parquet`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple

from surpass.errors import DataError, reason
from surpass.tables import file_digest
from surpass.tasks.base import Example, Row, Task

CONVERTED = "refs/convert/parquet"
"""The branch in which the hub keeps a repository's rows as parquet files."""

PAGE = 5000  # rows turned into mappings at a time
TIMEOUT = 5.0  # seconds to wait for the hub's answer
_KINDS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "json", ".json": "json"}


class Split(NamedTuple):
    """One split of a hub data set.

    Attributes:
        part: where its rows may go, as `Example.part`: "train", "test", "shift:NAME", or empty for any.
        files: which files hold it: a pattern for paths in the repository, whose `*` matches `/` too.
        rows: how many rows it has, as published; 0: not known.
        one_in: one row in so many is read, drawn by a hash of its number, where the split is larger than a study can use.
    """

    part: str
    files: str
    rows: int = 0
    one_in: int = 1


@dataclasses.dataclass(frozen=True)
class Hub:
    """Files of a repository of data on the hub.

    Attributes:
        repo: `ORGANISATION/NAME`, or the absolute path of a folder with the same files.
        splits: what to read.
        revision: a commit, or a branch that is looked up when a study is planned.
    """

    where: ClassVar[str] = "hub"

    repo: str
    splits: tuple[Split, ...]
    revision: str = "main"

    @property
    def size(self) -> int:
        """Number of rows that are read of the training and test splits, by their published sizes."""
        return sum(split.rows // split.one_in for split in self.splits if not split.part.startswith("shift:"))

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit."""
        return re.fullmatch(r"[0-9a-f]{40}", self.revision) is not None

    @property
    def local(self) -> bool:
        """Whether `repo` is a folder on this machine."""
        return Path(self.repo).is_absolute()

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all splits, each with its `part`; fetches the files when they are not in the cache."""
        folder = self._folder()
        for split in self.splits:
            files = self.matching(split, _listed(folder))
            for row in read_files([str(folder / name) for name in files], one_in=split.one_in):
                yield {**row, "part": split.part}

    def matching(self, split: Split, names: Iterable[str]) -> list[str]:
        """Return which of the names of files belong to a split; DataError when none does."""
        found = sorted(name for name in names if fnmatchcase(name, split.files))
        if not found:
            raise DataError(
                f"data set '{self.repo}' at '{self.revision}' has no file '{split.files}'. "
                "It was changed on the hub; `surpass check --online` tells what else differs."
            )
        return found

    def fingerprint(self) -> str:
        """Return the commit that is read, or the checksums of a folder's files; DataError when it cannot be known."""
        if self.local:
            folder, names = Path(self.repo), _listed(Path(self.repo))
            held = [name for split in self.splits for name in self.matching(split, names)]
            return hashlib.sha256("".join(file_digest(folder / name) for name in held).encode()).hexdigest()[:20]
        commit = self.revision if self.pinned else _commit(self.repo, self.revision) or self._cached_commit()
        if not commit:
            raise DataError(self._out_of_reach())
        return commit

    def needs(self) -> str:
        """Return in a few words what is lacking to read the rows here, empty when nothing is; asks no network."""
        for package in ("datasets", "huggingface_hub"):
            if importlib.util.find_spec(package) is None:
                return f"package '{package}': pip install 'surpass[data]'"
        return "" if self._present() else f"a network, once, for the hub's {self.repo}"

    def problem(self) -> str | None:
        """Return why the rows cannot be read here, or None; asks the hub once in a process, and only for what is not here."""
        lacking = self.needs()
        if lacking.startswith("package"):
            return f"data set '{self.repo}' of the Hugging Face hub needs {lacking}"
        if not lacking or (not self.local and _commit(self.repo, self.revision)):
            return None
        return self._out_of_reach()

    def _out_of_reach(self) -> str:
        if self.local:
            return f"folder '{self.repo}' lacks files {', '.join(split.files for split in self.splits)}."
        why = "HF_HUB_OFFLINE is set" if _offline() else "the hub does not answer"
        return (
            f"data set '{self.repo}' of the Hugging Face hub is not in the cache, and {why}. "
            "It needs a network once; afterwards it is read from the cache."
        )

    def _present(self) -> bool:
        if self.local:
            folder: Path | None = Path(self.repo)
        else:
            commit = self.revision if self.pinned else self._cached_commit()
            folder = self._shelf() / "snapshots" / commit if commit else None
        if folder is None or not folder.is_dir():
            return False
        names = _listed(folder)
        return all(_whole([name for name in names if fnmatchcase(name, split.files)]) for split in self.splits)

    def _shelf(self) -> Path:
        """Return the folder that `huggingface_hub` keeps this data set in, without importing that package."""
        home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
        root = os.environ.get("HF_HUB_CACHE") or Path(home) / "hub"
        return Path(root).expanduser() / ("datasets--" + self.repo.replace("/", "--"))

    def _cached_commit(self) -> str:
        reference = self._shelf() / "refs" / self.revision
        return reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""

    def _folder(self) -> Path:
        """Return the folder with the files of all splits."""
        if self.local:
            return Path(self.repo)
        if self._present() and (self.pinned or not _commit(self.repo, self.revision)):
            return self._shelf() / "snapshots" / (self.revision if self.pinned else self._cached_commit())
        if not _commit(self.repo, self.revision):
            raise DataError(self._out_of_reach())
        from huggingface_hub import snapshot_download

        patterns = [split.files for split in self.splits]
        try:
            return Path(
                snapshot_download(self.repo, repo_type="dataset", revision=self.revision, allow_patterns=patterns)
            )
        except Exception as error:  # whatever the network or the hub did: it has no common class
            raise DataError(f"{self._out_of_reach()} ({reason(error)})") from error


def read_files(paths: Sequence[str], *, one_in: int = 1) -> Iterator[dict[str, Any]]:
    """Yield the rows of parquet, CSV or JSONL files, local or `hf://`, without any preparation on disk."""
    import datasets

    kind = _KINDS[next(suffix for suffix in Path(paths[0]).suffixes[::-1] if suffix in _KINDS)]
    table = datasets.load_dataset(kind, data_files=list(paths), split="train", streaming=True).with_format("arrow")
    start = 0
    for page in table.iter(batch_size=PAGE):
        wanted = [i for i in range(len(page)) if one_in == 1 or _drawn(start + i, one_in)]
        start += len(page)
        yield from page.take(wanted).to_pylist()


def _drawn(number: int, one_in: int) -> bool:
    return int.from_bytes(hashlib.blake2b(str(number).encode(), digest_size=4).digest(), "big") % one_in == 0


def _listed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _whole(names: Sequence[str]) -> bool:
    """Return whether files such as `train-00000-of-00004.parquet` are all there; a stopped fetch leaves some."""
    counts = {int(found[1]) for name in names if (found := re.search(r"-of-(\d+)\.", name))}
    return bool(names) and (not counts or counts == {len(names)})


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


@cache
def _commit(repo: str, revision: str) -> str:
    """Return the commit that a revision stands for, as the hub says; empty when it does not answer."""
    if _offline():
        return ""
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(repo, revision=revision, timeout=TIMEOUT).sha or ""
    except Exception:  # a network has many ways to fail; what to do is the same in all of them
        return ""


def mark(*texts: str) -> str:
    """Return a short name for what rows share (a passage, a question), whatever its case and spacing."""
    words = " ".join(" ".join(text.casefold().split()) for text in texts)
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Labelled(NamedTuple):
    """A row read: its text, its label, and the text of what it shares with others; empty: nothing."""

    text: str
    label: int
    shared: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubTask(Task):
    """Base of the tasks whose rows are on the hub. A task with one labelled text in a row defines `hub` and `read`.

    Class attributes:
        hub: where the rows are. Each comes with its `part`, beside the fields of the data set.
    """

    hub: ClassVar[Hub]

    def source(self) -> Hub:
        """Return the files on the hub."""
        return self.hub

    def needs(self) -> str:
        """Return in a few words what is lacking here, without asking the network."""
        return self.source().needs()

    def read(self, row: Row) -> Labelled | None:
        """Return text, label and group of a raw row, or None to leave it out."""
        raise NotImplementedError

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the labelled text of a row; None when it is empty or not labelled (label -1)."""
        found = self.read(row)
        if found is None or not found.text.strip() or found.label == -1:
            return None
        group = mark(found.shared) if found.shared else ""
        return Example(found.text, int(found.label), group=group, part=row.get("part", ""))
