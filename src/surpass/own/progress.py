"""What `surpass fit` is doing, on stderr: a live line, or one line per step where there is no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Progress:
    """Called with the share of a step that is done, None where it is not known, and what is being done."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True, quiet=quiet)
        self._lines = console if not console.is_terminal else None
        columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = Bar(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, share: float | None, text: str) -> None:
        """Show what is being done."""
        self._bar.update(self._task, total=None if share is None else 1.0, completed=share or 0.0, description=text)
        if self._lines:
            self._lines.print(text, markup=False, highlight=False)
