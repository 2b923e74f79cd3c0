"""Errors for people: what is wrong, with the value; what is allowed; what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class SurpassError(Exception):
    """Root of every error that is the user's to mend; the command line prints it without a traceback."""


class SpecError(SurpassError):
    """A spec has an unknown field, a value out of range or a value of the wrong type."""


class UnknownNameError(SurpassError):
    """A name of a task, label source, model, method, asset or preset that nothing answers to."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"unknown {kind} '{name}'.{did_you_mean(name, names)} Known: {', '.join(names) or 'none'}.")
        self.kind, self.name, self.close = kind, name, _close(name, names)


class IncompatibleError(SurpassError):
    """Two parts of a study cannot work together, for instance a loss and a model without gradients."""


class AlignmentError(SurpassError):
    """Rows that should be joined by id are not the same rows."""


class DataError(SurpassError):
    """The data cannot serve: too few rows, one class, unreadable values."""


class StageError(SurpassError):
    """A stage cannot go on, for instance because its loss is no longer a number."""


class StoreError(SurpassError):
    """The store is not ours, is full, or holds an artifact that is not what its manifest says."""


class NoStoreError(StoreError):
    """There is no store where one was named."""


class UnwritableError(StoreError):
    """The store takes nothing more, because it is full or cannot be written: no further stage can be kept."""


class AssetError(SurpassError):
    """A packaged model or data set is missing, or is not the file that the manifest names."""


class MissingPackageError(SurpassError):
    """An optional package is needed; the message holds the line that installs it."""

    def __init__(self, package: str, *, why: str, extra: str) -> None:
        super().__init__(f"package '{package}' is not installed, but {why}. Install it: pip install 'surpass[{extra}]'")


class StudyError(SurpassError):
    """All problems of a study at once, so that a person mends them in one round."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        lines = "\n".join(f"  {i}. {text}" for i, text in enumerate(self.problems, 1))
        super().__init__(f"{head} in this study:\n{lines}")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return the question whether the nearest of the known names was meant, with a space before it; empty if none is near."""
    close = _close(name, known)
    return f" Did you mean '{close[0]}'?" if close else ""


def _close(name: str, known: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(name, known, n=1, cutoff=0.5)


def reason(error: BaseException) -> str:
    """Return the class of an error and the first line it says, if it says any: some of a network's are empty."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
