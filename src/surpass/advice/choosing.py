"""What to take: which of several supervisors, which methods are tried beside soft, and which tasks there is advice on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from surpass.advice.deciding import clearly_better, differences
from surpass.artifacts import Values
from surpass.methods.base import FROM_LABELS, Method
from surpass.models.base import Model
from surpass.registry import REGISTRIES
from surpass.stats import Estimate
from surpass.study import Study
from surpass.tasks.base import Task

if TYPE_CHECKING:
    from surpass.advice.advising import Advice

METHODS = ("hard", "confident", "knn")
"""Tried beside soft, for studies and tables; each takes any labels of classes, and needs no gradient."""


def unadvised(task: Task) -> str:
    """Return why there is no advice on a task, empty where there is."""
    if task.target != "generation":
        return ""
    return (
        f"task '{task.label()}' is generation, but advice is for classes, preferences and numbers. Run the study instead: "
        "surpass run tells floor, student and ceiling."
    )


def unadvised_all(study: Study) -> list[str]:
    """Return why there is no advice on any task of a study, empty where there is on some."""
    found = [unadvised(task) for task in study.tasks]
    return found if all(found) else []


def beside_soft(model: Model, target: str) -> list[Method]:
    """Return the methods to try beside soft that a cheap student can have for a kind of label."""
    methods: list[Method] = [REGISTRIES["method"].get(name)() for name in METHODS]
    kind = "classification" if target == "preference" else target
    return [one for one in methods if kind in one.targets and not one.needs - FROM_LABELS - model.can]


class Rows(NamedTuple):
    """The score of the cheap student on each row that judges, so that students of several supervisors can be paired."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    scores: Values


class Choice(NamedTuple):
    """The supervisors that one student may have on the same rows, the best predicted student first.

    Attributes:
        task: which task.
        strong: the student.
        ranked: each supervisor with the predicted score of its student.
        over: by how much the first one's cheap student is better than that of each other, paired over the rows that judge.
        clear: whether it is clearly better than each of them; else they are as good as tied.
    """

    task: str
    strong: str
    ranked: tuple[tuple[str, Estimate], ...]
    over: dict[str, Estimate]
    clear: bool

    @property
    def sentence(self) -> str:
        """The choice in words."""
        (first, best), *others = self.ranked
        if self.clear:
            return f"Use {first}: predicted student {best}, clearly better than that of any other supervisor."
        tied = next(name for name, _ in others if not clearly_better(self.over[name]))
        return f"{first} looks best (predicted student {best}), but {tied} may be as good ({dict(others)[tied]})."


def choose_supervisors(advice: Sequence[Advice], *, level: float) -> tuple[Choice, ...]:
    """Return the choice for each task and student that several supervisors were looked at for, on the same rows."""
    groups: dict[tuple[str, str, str, tuple[str, ...]], dict[str, Advice]] = {}
    for one in advice:
        if one.rows is not None and one.forecast is not None and one.forecast.student.defined:
            groups.setdefault((one.task, one.strong, one.data, one.rows.ids), {})[one.weak] = one
    return tuple(_choice(members, level) for members in groups.values() if len(members) > 1)


def _choice(members: dict[str, Advice], level: float) -> Choice:
    students = {name: one.forecast.student for name, one in members.items() if one.forecast is not None}
    ranked = tuple(sorted(students.items(), key=lambda item: -item[1].value))
    rows = {name: one.rows for name, one in members.items() if one.rows is not None}
    first = ranked[0][0]
    # turned round: positive where the others are worse than the first
    scores = {name: -one.scores for name, one in rows.items()}
    over = differences(scores, first, rows[first].groups, level=level)
    one = members[first]
    return Choice(one.task, one.strong, ranked, over, all(clearly_better(found) for found in over.values()))
