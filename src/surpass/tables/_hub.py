"""Data sets of the Hugging Face hub as tables: hub:ORG/NAME[@REVISION][:CONFIG][/SPLIT]."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from surpass.errors import DataError, MissingPackageError, reason
from surpass.tables.base import Row, Table, long_cell

FORM = "hub:ORG/NAME[@REVISION][:CONFIG][/SPLIT]"
_ADDRESS = re.compile(
    r"hub:(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?(:(?P<config>[\w.-]+))?(/(?P<split>[\w.-]+))?"
)


class Hub(Table):
    """One split of a data set of the hub, by default `train`; it is kept in the cache of `datasets`.

    Numbers of classes are turned into their names where the data set knows them.
    """

    unit = "row"

    def __init__(self, source: str, *, strict: bool) -> None:
        parts = _ADDRESS.fullmatch(source)
        if parts is None:
            raise DataError(f"'{source}' is no address of a data set. Write {FORM}.")
        self._data, self._revision = _load(source, **parts.groupdict())
        self._done = 0
        super().__init__(source, tuple(self._data.column_names), strict=strict)

    def size_hint(self) -> int:
        """Return the number of rows."""
        return len(self._data)

    def progress(self) -> float:
        """Return the share of the rows that were read."""
        return self._done / max(len(self._data), 1)

    def digest(self) -> str:
        """Return the revision: the commit of the repository that was read."""
        return self._revision

    def _read(self) -> Iterator[tuple[int, Row]]:
        names = {name: kind.names for name, kind in self._data.features.items() if type(kind).__name__ == "ClassLabel"}
        self._done = 0
        for row in self._data:
            self._done += 1
            for name, known in names.items():
                label = row[name]
                row[name] = known[label] if label is not None and 0 <= label < len(known) else None
            if problem := long_cell(row):
                self.skip(self._done, problem)
            else:
                yield self._done, row


def _load(source: str, *, repo: str, revision: str | None, config: str | None, split: str | None) -> tuple[Any, str]:
    """Return the split and the revision that was read."""
    try:
        import datasets
    except ImportError:
        raise MissingPackageError("datasets", why=f"'{source}' is read with it", extra="data") from None
    try:
        builder = datasets.load_dataset_builder(repo, config, revision=revision)
        builder.download_and_prepare()
        found = builder.as_dataset()
    except Exception as error:  # the library raises many kinds, of its own and of its network libraries
        raise DataError(
            f"'{source}' cannot be loaded from the hub: {reason(error)}. "
            f"Check the name, the configuration ({FORM}) and the network."
        ) from error
    wanted = split or ("train" if "train" in found or len(found) > 1 else next(iter(found)))
    if wanted not in found:
        raise DataError(f"'{source}' has no split '{wanted}'. It has {', '.join(found)}. Write {FORM}.")
    return found[wanted], str(builder.hash)
