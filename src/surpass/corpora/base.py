"""What a corpus is: texts that are made or read once, for pretraining and for tasks that stand on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from surpass.documents import Documents
from surpass.runtime import Runtime
from surpass.spec import Spec, name_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus(Spec):
    """A set of texts, and a stage of a study: it is built once and kept in the store.

    A file `corpora/NAME.py` with one class is a plug-in; its options are its fields. The class docstring says what the texts
    are, their licence and what to cite. A corpus that reads files fills a field `digest` in `resolve` and says in `problem`
    what is lacking.
    """

    family: ClassVar[str] = "corpus"
    required: ClassVar[tuple[tuple[str, ...], ...]] = (("build",),)

    def sources(self) -> tuple[Corpus, ...]:
        """Return the corpora that this one is made of; their documents are given to `build` in this order."""
        return ()

    def build(self, runtime: Runtime, sources: Sequence[Documents]) -> Documents:
        """Return the texts, the same for the same spec and sources on every machine.

        Long work keeps what is finished in the folder `runtime.scratch`, if there is one (make it first), and goes on from
        there when the same stage is built again; once the stage is done the folder is removed.
        """
        raise NotImplementedError

    def label(self) -> str:
        """Return a short name for tables."""
        return name_of(self)
