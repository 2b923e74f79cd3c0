"""The progress of long work on stderr: a live bar, or a line for each step where there is no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from surpass.runner import Plan
    from surpass.work import Outcome


class _Bar:
    """A bar for as long as it is entered; `_lines` is where to print instead, when there is no terminal."""

    def __init__(self, columns: tuple[ProgressColumn, ...], *, quiet: bool, study: str = "") -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True, quiet=quiet)
        self._lines = console if not console.is_terminal else None
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=None, study=study)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class Stages(_Bar):
    """Called with each outcome of a run; shows how many stages are done and the one that just ended."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.fields[study]}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        super().__init__((*columns, TextColumn("{task.description}")), quiet=quiet, study=name)
        self._done = 0

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


class Steps(_Bar):
    """Called with the share of a step that is done, None where it is not known, and what is being done."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

        super().__init__((BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}")), quiet=quiet)

    def __call__(self, share: float | None, text: str) -> None:
        """Show what is being done."""
        self._bar.update(self._task, total=None if share is None else 1.0, completed=share or 0.0, description=text)
        if self._lines:
            self._lines.print(text, markup=False, highlight=False)
