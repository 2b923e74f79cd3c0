"""Method `auto`: soft, unless enough gold labels tell that another method serves these data better."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from surpass.artifacts import Values
from surpass.methods.base import Method
from surpass.metrics import metric
from surpass.models.base import Model
from surpass.own.evidence import Places
from surpass.own.fitting import Pool
from surpass.own.parts import is_trained_by_gradient, method
from surpass.own.reading import names_of
from surpass.registry import REGISTRIES

CANDIDATES = ("soft", "logconf")
FEWEST_GOLD, MOST_ROWS = 100, 1000


@dataclasses.dataclass(frozen=True)
class Choice:
    """The method that was chosen.

    Attributes:
        method: it.
        why: in one sentence.
        scores: log loss of each candidate on the choosing rows.
        rows: choosing rows.
    """

    method: Method
    why: str
    scores: dict[str, float] = dataclasses.field(default_factory=dict)
    rows: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return what the model folder keeps."""
        return {"why": self.why, "log_loss": self.scores, "rows": self.rows}


def unchosen() -> Choice:
    """Return soft, where a supervisor was fitted on the gold rows: what it remembers of them favours those who copy it."""
    return Choice(method("soft"), "soft: the gold labels fitted the supervisor, so none is left to choose by")


def choose(
    pool: Pool,
    strong: Model,
    train: Places,
    values: Values,
    judges: Places,
    gold: Values,
    *,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> Choice:
    """Return soft or logconf, whichever student of at most 1,000 weakly labelled rows has the lower log loss on gold labels.

    Args:
        pool: all rows.
        strong: the student's model.
        train: places of k rows with weak labels, none of which is among the judges; rows with the text of one are left out.
        values: (k, C) their labels.
        judges: places of the gold rows that choose.
        gold: (m,) their labels.
        seed: of the fits.
        tell: called before each fit.
    """
    soft = method("soft")
    if len(judges) < FEWEST_GOLD:
        return Choice(soft, f"soft: {len(judges)} gold labels to choose by, fewer than {FEWEST_GOLD}")
    if not is_trained_by_gradient(strong):
        return Choice(soft, "soft: the strong model takes no other loss")
    texts = names_of(pool.inputs)
    judged = {texts[i] for i in judges}
    apart = np.array([texts[i] not in judged for i in train], dtype=bool)
    train, values = train[apart], values[apart]
    if not len(train):
        return Choice(soft, "soft: the rows with weak labels have no text that no gold row has")
    some = np.sort(np.random.default_rng((seed, 3)).permutation(len(train))[:MOST_ROWS])
    scores, found = dict[str, float](), dict[str, Method]()
    for name in CANDIDATES:
        tell(f"trying method {name}")
        found[name] = REGISTRIES["method"].get(name)()
        student = pool.fit(strong, found[name], train[some], values[some], seed=seed)
        scores[name] = metric("log_loss").value(gold, pool.predict(student, judges))
    best = min(CANDIDATES, key=lambda name: scores[name])  # the first of equals, which is soft
    told = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
    why = f"{best}: lowest log loss on {len(judges)} gold labels after {len(some):,} rows ({told})"
    return Choice(found[best], why, scores, len(judges))
