"""What a task is: a source of rows, and how one row becomes an example."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal, NamedTuple, Self
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Array, Inputs, Rows, Values
from surpass.corpora.base import Corpus
from surpass.documents import Documents
from surpass.errors import DataError
from surpass.spec import Spec, name_of
from surpass.tables import Table, open_table
from surpass.tables.opening import missing

Row = Mapping[str, Any]
Protocol = Literal["paper", "eleuther"]
"""How a question with several candidate answers becomes rows; see `splits.Data`."""

PREFERENCES = ("second", "first")
"""Classes of a preference task: which candidate of the pair is better. Values are probabilities of the two, in this order."""


class Example(NamedTuple):
    """One labelled row.

    Attributes:
        input: a text, a pair of texts, or a vector.
        label: class index, a number for regression, or the text to write for generation.
        group: what must never be split (question, passage, author); empty: the row is its own group.
        id: the source's own id; empty: a hash of the input.
        part: empty: any split; "train" or "test" as the source has it; "shift:NAME" for a shifted test split.
        domain: the part of the distribution that the row is from, where a task knows several.
        votes: labels that people, columns of a file or a calculation gave this row, in the label's own terms (class index or
            number); NaN where one gave none.
    """

    input: Any
    label: Any
    group: str = ""
    id: str = ""
    part: str = ""
    domain: str = ""
    votes: tuple[float, ...] = ()


class Lessons(NamedTuple):
    """What a representation network may learn from: t other problems over inputs like a task's own.

    Attributes:
        inputs: (t, n, d).
        values: (t, n, k).
        heads: (t, w + 1, k) the true linear head of each problem on a representation of w numbers, its bias last; None:
            they are not known, and are learned with the representation.
        target: the network whose representation the problems share, as weights (in, out) and bias (out,) of each layer in
            turns; empty: not known.
    """

    inputs: Array
    values: Array
    heads: Array | None = None
    target: tuple[Array, ...] = ()


class Source(Interface):
    """Where rows come from. Reading must not depend on anything but the files that `fingerprint` identifies.

    Attributes:
        where: "packaged", "hub", "file" or "generated", for listings.
    """

    where: ClassVar[str]

    def rows(self) -> Iterator[Row]:
        """Yield the raw rows."""

    def fingerprint(self) -> str:
        """Return an identity of the content: a checksum or a pinned revision."""

    def problem(self) -> str | None:
        """Return why the source cannot be read here, with what to do, or None. Cheap."""


@dataclasses.dataclass(frozen=True)
class Packaged:
    """Files of a packaged asset (`surpass assets ls`); `read` turns the asset's folder into rows."""

    where: ClassVar[str] = "packaged"

    asset: str
    read: Callable[[Path], Iterator[Row]]

    def rows(self) -> Iterator[Row]:
        """Yield the rows that `read` finds in the asset's folder."""
        from surpass import assets

        return self.read(assets.folder(self.asset))

    def fingerprint(self) -> str:
        """Return the checksum of the asset, from the manifest."""
        from surpass import assets

        return assets.digest(self.asset)

    def problem(self) -> str | None:
        """Return how to fetch the asset when it is not here."""
        from surpass import assets

        if assets.present(self.asset):
            return None
        return f"asset '{self.asset}' is not here. Fetch it: surpass assets fetch {self.asset}"


@dataclasses.dataclass(frozen=True)
class Files:
    """A table of the user's own: a file, or a data set of the hub (see `surpass.tables`).

    An empty row stands for each bad line, so that it is counted among the rows left out.
    """

    where: ClassVar[str] = "file"

    path: str
    strict: bool = True
    encoding: str = "utf-8"

    def table(self) -> Table:
        """Open the table."""
        return open_table(self.path, strict=self.strict, encoding=self.encoding)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the table."""
        table = self.table()
        for _, row in table.rows():
            yield row
        for _ in range(table.bad_count):
            yield {}

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file, or the revision of the data set."""
        return self.table().digest()

    def problem(self) -> str | None:
        """Return what is wrong with the path, or None."""
        return missing(self.path)


@dataclasses.dataclass(frozen=True)
class Generated:
    """Rows made by a function that is deterministic; its task's `version` is its identity."""

    where: ClassVar[str] = "generated"

    make: Callable[[], Iterator[Row]]

    def rows(self) -> Iterator[Row]:
        """Yield the generated rows."""
        return self.make()

    def fingerprint(self) -> str:
        """Return nothing: the task's kind, options and version say what is generated."""
        return ""

    def problem(self) -> str | None:
        """Return None: nothing can be missing."""
        return None


@dataclasses.dataclass(frozen=True)
class OfCorpora:
    """Rows that are made of corpora: a study builds those first, and `Task.rows_from` takes their documents."""

    where: ClassVar[str] = "generated"

    corpora: tuple[Corpus, ...]

    def rows(self) -> Iterator[Row]:
        """Raise DataError: nothing is there to read before the corpora are built."""
        raise DataError(
            f"these rows are made of {' and '.join(each.label() for each in self.corpora)}, which a study builds first. "
            "Run the study, or give `examples` the rows."
        )

    def fingerprint(self) -> str:
        """Return nothing: the corpora are part of the task's key."""
        return ""

    def problem(self) -> str | None:
        """Return why a corpus cannot be built here, or None."""
        return next(filter(None, (each.problem() for each in self.corpora)), None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(Spec):
    """A labelled problem. The class docstring says what the rows are, their licence and what to cite.

    Class attributes:
        target: "classification", "preference" (label 1: the first candidate of the pair is better), "regression", or
            "generation" (the label is a text).
        input: "text", "pair", "vector" or "image"; of a preference task "pair" (two texts) or "vector", (2, d).
        classes: names of the classes in the order of the label indices; empty for regression and preference.
        named_raters: whether vote j is the same rater's in every row, as a column of a file is.
        size: rows at the default options, where known: of a packaged source those that are usable, of the hub those that are
            read, by published sizes, before questions become rows of single answers; 0: not known.
        licence, citation: of the data.
        instruction: what a row is and which number stands for which class, for models that are prompted; empty: the class
            names say it.
        sample: two or three invented rows of the source's schema, for tests without the source.
        endless: rows are drawn as they are asked for (`draw`), so that nothing is cut and no split is short.
        numbered: the first number of each vector is the number of the row's domain, as "3" is of domain 3.
    """

    family: ClassVar[str] = "task"
    required: ClassVar[tuple[tuple[str, ...], ...]] = (("source", "sources"), ("example", "expand", "draw"))
    target: ClassVar[str] = "classification"
    input: ClassVar[str] = "text"
    classes: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    instruction: ClassVar[str] = ""
    sample: ClassVar[tuple[Row, ...]] = ()
    named_raters: ClassVar[bool] = False
    size: ClassVar[int] = 0
    endless: ClassVar[bool] = False
    numbered: ClassVar[bool] = False

    fingerprint: str = ""
    """Identity of the source's content, filled by `resolve`."""

    def sources(self) -> tuple[Corpus, ...]:
        """Return the corpora that the rows are made of, stages of a study; most tasks have none."""
        return ()

    def rows_from(self, corpora: Sequence[Documents]) -> Iterable[Row]:
        """Return the raw rows made of the documents of `sources`: by default a row for each, as `Documents.rows` has it."""
        return chain.from_iterable(each.rows() for each in corpora)

    def source(self) -> Source:
        """Return where the rows come from."""
        if corpora := self.sources():
            return OfCorpora(corpora)
        raise NotImplementedError

    def example(self, row: Row, rng: Random) -> Example | None:
        """Return the example of a raw row, or None to leave the row out (left-out rows are counted).

        `rng` is seeded by the row's content, so what it draws does not depend on the order of rows.
        """
        raise NotImplementedError

    def expand(self, row: Row, rng: Random, protocol: Protocol) -> Iterable[Example | None]:
        """Yield the examples of a raw row; more than one where a question has several candidate answers."""
        yield self.example(row, rng)

    def draw(self, split: str, n: int, seed: int) -> Rows:
        """Return n rows of `weak`, `transfer`, `val` or `test`, the first of them those of a smaller n; if `endless`."""
        raise NotImplementedError

    def lessons(self) -> Lessons | None:
        """Return what a representation network may learn from beside the task's own labels, or None."""
        return None

    def right(self, rows: Rows, texts: Sequence[str]) -> Values:
        """Return how right a text is for each row of a generation task, (n,) in [0, 1]; by default 1 for the target itself.

        Spaces at the ends do not count. `rows.labels` are the targets.
        """
        from surpass.tasks import _judging

        return _judging.same(texts, rows.labels.tolist())

    def candidates(self, prompt: str) -> Sequence[str]:
        """Return every text that could answer a prompt of a generation task, as targets are written; none by default.

        Their order must not depend on the run; a set's is made alphabetical. `generator` with among: candidates writes one.
        """
        return ()

    @property
    def knows_candidates(self) -> bool:
        """Whether the task overrides `candidates`."""
        return type(self).candidates is not Task.candidates

    def accepts(self, inputs: Inputs, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return which texts could be an answer at all, (n,), by the inputs alone: the candidates, where the task knows them.

        Otherwise those that are not empty. Spaces at the ends do not count.
        """
        from surpass.tasks import _judging

        if not self.knows_candidates:
            return np.array([bool(text.strip()) for text in texts], dtype=bool)
        known = ({each.strip() for each in _judging.named(self.candidates, str(prompt))} for prompt in inputs)
        return np.array([text.strip() in each for text, each in zip(texts, known, strict=True)], dtype=bool)

    def drawing(self, prompt: str, texts: Mapping[str, str]) -> str:
        """Return an SVG document that shows a row of a generation task; empty: the report shows the texts alone.

        `texts` holds `target`, `supervisor` and `student`.
        """
        return ""

    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes; a task that reads them from a file overrides this."""
        return PREFERENCES if self.target == "preference" else self.classes

    def resolve(self) -> Self:
        """Fill the fingerprint of the source."""
        found = super().resolve()
        return dataclasses.replace(found, fingerprint=found.source().fingerprint())

    def problem(self) -> str | None:
        """Return why the source cannot be read here, or None."""
        return self.source().problem()

    def needs(self) -> str:
        """Return what is lacking to read the source here, empty when nothing is; never asks a network."""
        return self.problem() or ""

    def known_defect(self) -> str:
        """Return what is wrong with the rows of this form of the task, for the guard; empty: nothing that is known."""
        return ""

    def label(self) -> str:
        """Return a short name for tables."""
        return name_of(self)

    def examples(self, rows: Iterable[Row] | None = None, *, protocol: Protocol = "paper") -> Iterator[Example | None]:
        """Yield the examples, or None for a row left out, of each of the given rows, or of the source's."""
        for row in self.source().rows() if rows is None else rows:
            seed = json.dumps(row, sort_keys=True, default=str)
            yield from self.expand(row, Random(seed), protocol)
