"""The ETHICS sets: which files of `hendrycks/ethics` are which split.

That repository's own loader calls the original test split `validation` and the hard one `test`, so code that asks it for
"test" trains on the normal rows and scores on rows that were chosen because models got them wrong. Here `test` is the normal
test split and the hard one is a shifted test; `variant: released` keeps the published form.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surpass.tasks._hub import Hub, HubTask, Split

CITATION = "Hendrycks et al. (2021). Aligning AI With Shared Human Values. ICLR"


def files(name: str, train: int, test: int, hard: int) -> Hub:
    """Return the files of one of the sets, with their numbers of rows."""
    sizes = {"train": train, "test": test, "shift:hard": hard}
    paths = {"train": "train", "test": "test", "shift:hard": "test_hard"}
    splits = tuple(Split(part, f"data/{name}/{path}.csv", sizes[part]) for part, path in paths.items())
    return Hub("hendrycks/ethics", splits, "b8b47c589f8bee77175b8648e5497278b68da48a")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ethics(HubTask):
    """Base of the ETHICS tasks.

    Attributes:
        variant: "mended", or "released": the hard split is the test, as in EleutherAI/w2s.
    """

    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = CITATION

    variant: Literal["mended", "released"] = "mended"

    def source(self) -> Hub:
        """Return the files, with the splits of the variant."""
        if self.variant == "mended":
            return self.hub
        train, _, hard = self.hub.splits
        return dataclasses.replace(self.hub, splits=(train, hard._replace(part="test")))

    def known_defect(self) -> str:
        """Return what is wrong with the published form."""
        if self.variant == "mended":
            return ""
        return (
            "training rows are of the normal split, and test rows of the hard one, chosen because models fail on them"
        )
