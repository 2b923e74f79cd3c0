"""Linear heads on a frozen representation network: the setting of the misfit theory, where heads are a convex class.

A representation h is learned first, on other tasks than a study's, and then frozen; a student, a ceiling or a supervisor is
a linear head on it,

    f = argmin over W, b of  mean_i w_i (W h(x_i) + b - y_i)^2 + l2 / 2 * ||W||^2

with h standardized. Linear heads on one h are a convex set, so a head that is fitted to convergence ("exact") is the
projection of its labels on that set, which is what the theorem asks of a student (Charikar, Pabbaraju & Shiragur 2024,
"Quantifying the Gain in Weak-to-Strong Generalization"). "adam" is the authors' notebook: AdamW, rate 1e-3, batches of 32,
1,000 epochs, no penalty and no standardization.

The representation is

- "learned": a ReLU network that learns the lessons of a task (`Task.lessons`: of `synthetic` ten tasks with true heads,
  which are copied in and frozen), or, with `reads: morgan`, ten rdkit descriptors, standardized, of the molecules of a task,
  from their Morgan fingerprints. Labels of `learned_on` are not read, but its molecules of every split are;
- "target": the task's true network, so that the target is in the class of the heads;
- "perturbed": the true network, every number of it with normal noise.

Where the task numbers its rows (`Task.numbered`), every number has a head of its own; all are solved together.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np

from surpass.models._network import Network, Reads, Representation
from surpass.models.base import Fitted, Model, Solved, Work
from surpass.runtime import Runtime
from surpass.spec import name_of, option
from surpass.tasks.base import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mlp(Model):
    """A linear head on a frozen representation network; of a task whose rows are numbered, one head for each number.

    Attributes:
        learned_on: the task whose lessons, true network or molecules the representation is from; must be given.
        representation: "learned", "target" (the task's true network) or "perturbed" (that with noise).
        reads: "vectors", or "morgan" for fingerprints of molecules, whose descriptors are then what is learned.
        depth: hidden layers of a learned network.
        width: of each of them; where true heads are copied in, what those read.
        size: of a perturbation: the noise's standard deviation on each number, in root mean squares of the weights or
            biases of its layer.
        learn_epochs: of AdamW over the lessons.
        learn_lr: its rate.
        learn_batch: its batch.
        network_seed: of the network's start and its shuffles, or of the noise; no seed of a study changes it.
        solver: of the heads: "exact", or "adam" as in the notebook.
        l2: penalty of "exact".
        lr: rate of "adam".
        epochs: of "adam".
        batch_size: of "adam".
    """

    targets: ClassVar[frozenset[str]] = frozenset({"regression"})
    reads_features: ClassVar[bool] = True

    learned_on: Task | None = None
    representation: Representation = "learned"
    reads: Reads = "vectors"
    depth: int = option(8, low=1)
    width: int = option(16, low=1)
    size: float = option(0.1, above=0.0)
    learn_epochs: int = option(1000, low=0)
    learn_lr: float = option(1e-3, above=0.0)
    learn_batch: int = option(32, low=1)
    network_seed: int = option(0, low=0)
    solver: Literal["exact", "adam"] = "exact"
    l2: float = option(0.0, low=0.0)
    lr: float = option(1e-3, above=0.0)
    epochs: int = option(1000, low=1)
    batch_size: int = option(32, low=1)

    @property
    def inputs(self) -> frozenset[str]:  # type: ignore[override]  # here it depends on an option
        """Vectors, or texts that are molecules."""
        return frozenset({"text" if self.reads == "morgan" else "vector"})

    def problem(self) -> str | None:
        """Return that there is nothing to learn from, or None."""
        if self.learned_on is None:
            return (
                "model 'mlp': learned_on is missing. Give the task that its representation is from: {task: synthetic}."
            )
        return None

    def encoder(self) -> Network | None:
        """Return the representation; options that do not matter to its kind are left out."""
        if self.learned_on is None:
            return None
        chosen: dict[str, float | int] = {"seed": self.network_seed}
        if self.representation == "target":
            chosen = {}
        elif self.representation == "perturbed":
            chosen["size"] = self.size
        else:
            chosen |= {"depth": self.depth, "width": self.width, "epochs": self.learn_epochs}
            chosen |= {"lr": self.learn_lr, "batch_size": self.learn_batch}
        known = {"learned_on": self.learned_on, "representation": self.representation, "reads": self.reads}
        return Network(**known, **chosen)  # type: ignore[arg-type]  # checked by the spec itself

    def label(self) -> str:
        """Return the options that are not the defaults, `learned_on` left out: pairs of one study share it."""
        return name_of(self, leave_out=("learned_on",))

    def fit(self, work: Work, runtime: Runtime) -> Fitted:
        """Return the fitted heads.

        Raises:
            StageError: the loss of Adam is no longer a number.
        """
        from surpass.models._mlp import Steps, exact, predicted, rows_of, stepped

        numbered = self.learned_on is not None and self.learned_on.numbered
        rows = rows_of(work.inputs, work.targets.values, work.targets.weight, numbered=numbered)
        if self.solver == "exact":
            return Solved(exact(rows, l2=self.l2, numbered=numbered), predicted, {})
        steps = Steps(self.lr, self.epochs, self.batch_size)
        heads, loss = stepped(rows, steps, np.random.default_rng((work.seed, 3)), numbered=numbered)
        return Solved(heads, predicted, {"mean_loss": loss})
