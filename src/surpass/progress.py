"""The progress of a run on the terminal: a live bar, or one line per stage where there is no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from surpass.runner import Plan
    from surpass.work import Outcome


class Progress:
    """Called with each outcome of a run; shows how many stages are done and the one that just ended."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True, quiet=quiet)
        self._lines = console if not console.is_terminal else None
        columns = (TextColumn("{task.fields[study]}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Bar(*columns, TextColumn("{task.description}"), console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", study=name, total=None)
        self._done = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, plan: Plan, outcome: Outcome) -> None:
        """Show one more stage as ended."""
        from surpass.study import describe

        self._done += 1
        what = describe(plan.nodes[outcome.key].spec)
        self._bar.update(self._task, total=len(plan.nodes), completed=self._done, description=what)
        if self._lines and outcome.status != "cached":
            took = f" ({outcome.seconds:.1f} s)" if outcome.seconds else ""
            line = f"[{self._done}/{len(plan.nodes)}] {outcome.status}: {what}{took}"
            self._lines.print(line, markup=False, highlight=False, soft_wrap=True)
