"""A model that a study trained from scratch: its weights and tokenizer, in a folder as `save_pretrained` writes it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from surpass.columns import read_json, write_json

MODEL, FACTS = "model", "facts.json"


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A pretrained model by its folder.

    Attributes:
        folder: with config.json, the weights (safetensors) and the tokenizer's files; it stays where it is.
        facts: parameters, tokens read, perplexity on held-out texts.
        holder: keeps a folder that is not in a store alive.
    """

    folder: Path
    facts: Mapping[str, float | int | str]
    holder: Any = dataclasses.field(default=None, compare=False, repr=False)

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        shutil.copytree(self.folder, folder / MODEL)
        write_json(folder, FACTS, dict(self.facts))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the weights stay in the folder until a model is made of them."""
        return cls(folder.absolute() / MODEL, read_json(folder, FACTS))
