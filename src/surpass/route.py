"""A route: how a study gets from weak labels to a student. A method is the plain one; chains and controls are others."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from surpass.errors import SpecError
from surpass.labels.base import LabelSource
from surpass.labels.gold import Gold
from surpass.methods.base import Method
from surpass.models.base import Model
from surpass.spec import Spec, name_of, option
from surpass.splits import Data
from surpass.stages import Fit

Control = Literal["none", "direct", "gold"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Route(Spec):
    """How weak labels become a student: one method, directly or through other models.

    A chain (Burns et al. 2023, arXiv 2312.09390, section 4.3.1) fits each model of `through` to the labels of the one
    before it, then the strong model `rounds` times to its own labels (EleutherAI's strong-to-strong), then the student;
    every step uses the method.

    Attributes:
        method: of every step.
        through: models between supervisor and student, the weakest first.
        rounds: how many students teach a fresh student of the same model before the last one.
        fresh: each step is fitted on its own part of the transfer rows, about as many and of other groups, as in the paper's
            chess puzzles; otherwise all steps share them, so each labels the rows it was fitted on.
        control: "direct" fits the student to the supervisor's labels on the rows of the chain's last step; "gold" fits the
            chain's first model to ground truth of its rows, so that what is lost is lost by the chain alone.
        reprobe: the student is read by a linear probe on ground truth over its states (saliency).
        tries: settings of the method, {option: [values]} in a study file; the one whose student, at the end of its training,
            agrees best with the supervisor's labels of `val` rows is reported. No ground truth is used; it favours copying.
    """

    kind: ClassVar[str] = "route"

    method: Method
    through: tuple[Model, ...] = ()
    rounds: int = option(0, low=0, high=20)
    fresh: bool = False
    control: Control = "none"
    reprobe: bool = False
    tries: tuple[Method, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.steps and (self.fresh or self.control != "none"):
            what = "fresh" if self.fresh else f"control='{self.control}'"
            raise SpecError(f"route: {what} is about a chain, but there is none. Give `through` models or `rounds`.")
        if self.tries and any(method.kind != self.method.kind for method in self.tries):
            raise SpecError("route: tries holds another method. Settings to choose from are those of one method.")
        if self.tries and self.reprobe:
            raise SpecError(
                "route: tries are chosen by weak labels, but reprobe reads a probe on ground truth. Leave one of them out."
            )
        if len(set(self.tries)) < len(self.tries):
            raise SpecError("route: tries holds one setting twice, which would count as two. Leave one out.")

    @property
    def steps(self) -> int:
        """How many models stand between the supervisor and the student."""
        return len(self.through) + self.rounds

    @property
    def settings(self) -> tuple[Method, ...]:
        """The method's settings: those to choose from, or the one there is."""
        return self.tries or (self.method,)

    def label(self) -> str:
        """Return a short name for tables, such as `soft (via minilm probe, fresh rows)`."""
        name = name_of(self.method)
        if self.tries:
            options = (field.name for field in dataclasses.fields(self.method))
            tried = [name for name in options if len({getattr(method, name) for method in self.tries}) > 1]
            name = f"{name_of(self.tries[0], leave_out=tried)} best of {len(self.tries)} by {', '.join(tried)}"
        how = [f"via {' → '.join(model.label() for model in self.through)}"] if self.through else []
        how += [f"{self.rounds} round{'s'[: self.rounds > 1]}"] if self.rounds else []
        how += ["fresh rows"] if self.fresh else []
        how += [{"direct": "direct control", "gold": "gold control"}[self.control]] if self.control != "none" else []
        how += ["then a probe on gold"] if self.reprobe else []
        return f"{name} ({', '.join(how)})" if how else name

    def student(self, data: Data, strong: Model, labels: LabelSource | Fit, seed: int, method: Method) -> Fit:
        """Return the student that this route leads to with one setting of its method."""
        models = (*self.through, *[strong] * self.rounds)
        parts = len(models) + 1
        source: LabelSource | Fit = Gold(split="transfer") if self.control == "gold" else labels
        for i, model in enumerate(models if self.control != "direct" else ()):
            part = (i, parts) if self.fresh else ()
            source = Fit(data=data, model=model, labels=source, method=method, seed=seed, part=part)
        last = (parts - 1, parts) if self.fresh else ()
        return Fit(data=data, model=strong, labels=source, method=method, seed=seed, part=last, reprobe=self.reprobe)


def route_of(way: Spec) -> Route:
    """Return a route; a method alone is the plain one."""
    if isinstance(way, Route):
        return way
    if isinstance(way, Method):
        return Route(method=way)
    raise SpecError(f"{way.kind} does not lead from weak labels to a student; a method or a route is needed.")
