"""What the texts of a generation task say: targets that stand in their prompts or were cut, models that write one thing.

A text is a loop when it is three copies or more of the same few characters, end to end over most of its length, as language
models write that were trained too hard or hardly at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Facts, Rows
from surpass.checks.finding import Code, Finding, Severity, only, percent
from surpass.errors import SurpassError
from surpass.tasks._judging import beginning, ending, named, same

SAME = 0.5
"""A model writes one thing when so many rows get the same text, unless so many targets are one text too."""
LOOPS = 0.2
EMPTY = 0.05
LEAK = 0.9
"""A target stands in its prompt in so many rows: then it can be copied."""
SHORTEST = 3  # characters of a target; "a" stands in any prompt
LOOKED = 300
"""Rows whose candidates are asked for: the legal moves after so many games of 45 half-moves take 0.6 s of one core."""
LONG, CUT = 0.01, 0.05
FEWEST = 20
COPIES, SHARE = 3, 0.6

_TOUCHES = {
    "supervisor": ("task", "weak"),
    "ceiling": ("task", "split", "strong"),
    "student": ("task", "split", "weak", "strong", "method"),
}


def check_targets(rows: Rows, facts: Facts, *, where: Mapping[str, str]) -> list[Finding]:
    """Return what makes the targets of a generation task doubtful: left out as empty, or written in the prompts.

    Args:
        rows: of all splits but shifted tests.
        facts: of the splits.
        where: names the task.
    """
    return [*_empty_targets(facts, where), *_leak(rows, where)]


def _empty_targets(facts: Facts, where: Mapping[str, str]) -> Iterator[Finding]:
    lost, read = (int(float(facts.get(name, 0))) for name in ("empty_targets", "read"))
    if not lost:
        return
    severity: Severity = "warning" if lost > EMPTY * max(read, 1) else "note"
    yield Finding(
        "empty-targets",
        severity,
        f"{lost} of {read} rows of the source have an empty target and were left out, since a model cannot learn to write "
        "nothing: look at them, or have the task leave them out.",
        dict(where),
        {"empty": lost, "read": read},
    )


def _leak(rows: Rows, where: Mapping[str, str]) -> Iterator[Finding]:
    pairs = [(str(text), str(target).strip()) for text, target in zip(rows.inputs, rows.labels.tolist(), strict=True)]
    long = [(text, target) for text, target in pairs if len(target) >= SHORTEST]
    if len(long) < FEWEST or len(long) < len(pairs) / 2:
        return
    share = sum(target in text for text, target in long) / len(long)
    if share < LEAK:
        return
    yield Finding(
        "prompt-leak",
        "warning",
        f"in {percent(share)} of the rows the target stands in the prompt, so that a model can copy it: leave it out of the "
        "prompt, unless finding it there is the task.",
        dict(where),
        {"share": share, "rows": len(long)},
    )


def check_candidates(
    rows: Rows, candidates: Callable[[str], Sequence[str]], *, where: Mapping[str, str]
) -> list[Finding]:
    """Return a finding where targets are none of the texts that a task names for their prompts, spaces at the ends aside.

    Args:
        rows: of all splits; at most 300 are looked at, evenly among them.
        candidates: `Task.candidates`.
        where: names the task.

    >>> rows = Rows(("a",), ("1 + 1 =",), np.array([" 2"], dtype=object), ("a",))
    >>> [one.code for one in check_candidates(rows, lambda prompt: [" 3"], where={"task": "sums"})]
    ['unlisted-targets']
    """
    code: Code = "unlisted-targets"
    looked = rows.take(np.linspace(0, len(rows) - 1, min(len(rows), LOOKED)).round().astype(np.int64))
    lost: list[tuple[str, str, tuple[str, ...]]] = []
    try:
        for prompt, target in zip(looked.inputs, looked.labels.tolist(), strict=True):
            known = named(candidates, str(prompt))
            if not same(known, [target] * len(known)).any():
                lost.append((target, str(prompt), known))
    except SurpassError as error:  # the report of a study that needs no candidates shall not end with them
        return [Finding(code, "error", str(error), dict(where), {"rows": len(looked)})]
    if not lost:
        return []
    target, prompt, known = lost[0]
    others = f"{beginning(known[0])} and others" if known else "none"
    severity: Severity = "error" if len(lost) > len(looked) / 2 else "warning"
    message = (
        f"in {len(lost)} of the {len(looked)} rows that were looked at, the target is none of the candidates that the task "
        f"names, such as {beginning(target)} after {ending(prompt)}, where it names {others}: a model that writes among "
        "candidates can never be right there. Have `candidates(prompt)` name it."
    )
    return [Finding(code, severity, message, dict(where), {"unlisted": len(lost), "rows": len(looked)})]


def check_texts(
    role: str, texts: Sequence[str], *, where: Mapping[str, str], targets: Sequence[str] = ()
) -> list[Finding]:
    """Return a finding when a model writes the same text for most rows, loops, or nothing.

    Args:
        role: "supervisor", "student" or "ceiling".
        texts: what it wrote, one text a row.
        where: task, split, weak, strong, method; each finding keeps those it depends on.
        targets: what it should have written, where that is known.

    >>> [one.code for one in check_texts("student", ["42"] * 99 + ["7"], where={"task": "sums"})]
    ['degenerate-texts']
    """
    if len(texts) < FEWEST:
        return []
    wrong = _one_text(texts, targets) or _loops(texts, targets) or _nothing(texts)
    if wrong is None:
        return []
    how, share = wrong
    so = {
        "supervisor": "there is little to learn from it: train it better, or decode it otherwise",
        "ceiling": "it is no ceiling: tune the strong model's training (learning rate, epochs) on ground truth first",
        "student": "its score says little about the method: look at the weak texts and the training",
    }[role]
    severity: Severity = "warning" if role == "student" else "error"
    at = only(where, *_TOUCHES[role])
    evidence = {"share": share, "rows": len(texts)}
    return [Finding("degenerate-texts", severity, f"the {role} {how}, so {so}.", at, evidence)]


def _one_text(texts: Sequence[str], targets: Sequence[str]) -> tuple[str, float] | None:
    share, text = _commonest(texts)
    usual = _commonest(targets)[0] if targets else 0.0
    if share <= max(SAME, 1.1 * usual) or not text.strip():
        return None
    return f"writes '{text[:40]}' for {percent(share)} of the rows", share


def _commonest(texts: Sequence[str]) -> tuple[float, str]:
    text, count = Counter(text.strip() for text in texts).most_common(1)[0]
    return count / len(texts), text


def _loops(texts: Sequence[str], targets: Sequence[str]) -> tuple[str, float] | None:
    share = sum(map(is_loop, texts)) / len(texts)
    usual = sum(map(is_loop, targets)) / len(targets) if targets else 0.0
    if share <= LOOPS + usual:
        return None
    shown = next(text for text in texts if is_loop(text))
    return f"repeats itself in {percent(share)} of its texts, as in '{shown[:40]}'", share


def _nothing(texts: Sequence[str]) -> tuple[str, float] | None:
    share = sum(not text.strip() for text in texts) / len(texts)
    return (f"writes nothing for {percent(share)} of the rows", share) if share > EMPTY else None


def check_pretraining(
    side: str, learned: Mapping[str, str], sources: Sequence[str], *, where: Mapping[str, str]
) -> list[Finding]:
    """Return a finding for each corpus that a model was pretrained on and that rows of the task are made of.

    Args:
        side: "weak" or "strong".
        learned: names of the corpora that the model was pretrained on, by key.
        sources: keys of the corpora that the task is made of, and of those that these are made of.
        where: as in `check_texts`.
    """
    return [
        Finding(
            "pretrained-on-source",
            "warning",
            f"the {side} model was pretrained on corpus '{name}', of which rows of the task are made, so it may have read "
            "test rows with their answers: pretrain it on another corpus, such as one of another seed.",
            only(where, "task", side),
            {"corpus": known},
        )
        for known, name in learned.items()
        if known in sources
    ]


def answered_texts(rows: Rows, target: str) -> list[str]:
    """Return the rows as a model would have read them: the input, of a generation task with its target after it.

    Rows whose inputs are no single texts have none.
    """
    inputs = [each for each in rows.inputs if isinstance(each, str)]
    if len(inputs) < len(rows) or target != "generation":
        return inputs
    return [prompt + str(answer) for prompt, answer in zip(inputs, rows.labels, strict=True)]


def check_pretrained_rows(
    side: str, corpus: str, begun: NDArray[np.bool_], *, where: Mapping[str, str]
) -> list[Finding]:
    """Return a finding where texts of a corpus that a model was pretrained on begin with test rows.

    Args:
        side: "weak" or "strong".
        corpus: its name.
        begun: for each test row whether a text begins with it, `Documents.begun_by` of `answered_texts`.
        where: as in `check_texts`.
    """
    if not begun.any():
        return []
    message = (
        f"{int(begun.sum())} of {len(begun)} test rows, with what answers them, begin a text of corpus '{corpus}', on which "
        f"the {side} model was pretrained: leave them out of the task, or pretrain on other texts."
    )
    return [
        Finding("pretrained-on-source", "warning", message, only(where, "task", side), {"share": float(begun.mean())})
    ]


def is_loop(text: str) -> bool:
    """Return whether a text is for the most part the same piece three times or more, end to end.

    >>> is_loop("the cat the cat the cat the"), is_loop("a b c d e f g"), is_loop("aab")
    (True, False, False)
    """
    said = text.strip()
    if len(said) < 2 * COPIES:
        return False
    for size in range(1, len(said) // COPIES + 1):
        equal = sum(one == other for one, other in zip(said, said[size:], strict=False))
        run, longest = 0, 0
        if equal < SHARE * (len(said) - size):
            continue
        for one, other in zip(said, said[size:], strict=False):
            run = run + 1 if one == other else 0
            longest = max(longest, run)
        if longest + size >= max(SHARE * len(said), COPIES * size):
            return True
    return False


def check_lengths(facts: Mapping[str, Sequence[Facts]], *, where: Mapping[str, str]) -> list[Finding]:
    """Return a finding for a role whose targets are longer than it may write, or whose texts do not come to an end.

    Args:
        facts: of the predictions of each seed, by role: "supervisor", "student", "ceiling".
        where: as in `check_texts`.
    """
    found = []
    for role, held in facts.items():
        long, cut = (
            max((float(one.get(name, 0.0)) for one in held), default=0.0) for name in ("long_targets", "unfinished")
        )
        parts = [f"{percent(long)} of the targets it learned are longer than it may write"] if long > LONG else []
        parts += [f"{percent(cut)} of its texts did not come to an end"] if cut > CUT else []
        if not parts:
            continue
        code: Code = "truncated-targets"
        message = (
            f"of the {role}, {' and '.join(parts)}: raise max_new_tokens, or train it longer where targets are short."
        )
        at = only(
            where, "task", "weak" if role == "supervisor" else "strong", *(("method",) if role == "student" else ())
        )
        found.append(Finding(code, "warning", message, at, {"long_targets": long, "unfinished": cut}))
    return found
