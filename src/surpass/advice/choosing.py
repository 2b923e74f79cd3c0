"""Which of several supervisors: the one whose student is expected to score best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from surpass.stats import Estimate

if TYPE_CHECKING:
    from surpass.advice.advising import Advice


class Choice(NamedTuple):
    """The supervisors that one student may have on the same rows, the best expected student first.

    Attributes:
        task: which task.
        strong: the student.
        ranked: each supervisor with the score its student is expected to have.
        clear: whether the first one's interval is above the second one's value; else they are as good as tied.
    """

    task: str
    strong: str
    ranked: tuple[tuple[str, Estimate], ...]
    clear: bool

    @property
    def sentence(self) -> str:
        """The choice in words."""
        (first, best), *others = self.ranked
        if self.clear:
            return f"Use {first}: its student is expected at {best}."
        return f"{first} looks best (student {best}), but {others[0][0]} may be as good ({others[0][1]})."


def choose_supervisors(advice: Sequence[Advice]) -> tuple[Choice, ...]:
    """Return the choice for each task and student that several supervisors were looked at for, on the same rows."""
    groups: dict[tuple[str, str, str], list[tuple[str, Estimate]]] = {}
    for one in advice:
        if one.forecast is not None and one.forecast.student.defined:
            groups.setdefault((one.task, one.strong, one.data), []).append((one.weak, one.forecast.student))
    found = []
    for (task, strong, _), members in groups.items():
        if len(members) > 1:
            ranked = tuple(sorted(members, key=lambda item: -item[1].value))
            found.append(Choice(task, strong, ranked, ranked[0][1].low > ranked[1][1].value))
    return tuple(found)
