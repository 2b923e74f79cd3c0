"""Rows that are there twice: in two splits, in one, nearly, or with two labels.

| between | code | why |
|---|---|---|
| weak and transfer | trained-on-labelled-rows | a supervisor has seen the ground truth of rows that it labels |
| weak or transfer, and a test | test-in-training | scores are too good |
| val and another | split-overlap | stopping is not by unseen rows |

Rows are the same by id, by group, or by their input without case, spacing and marks at its ends. Inputs that are nearly the
same (`surpass.checks.similar`) are looked for among texts alone: two molecules that differ in one letter are two molecules,
and pixels differ in every photograph of one thing.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surpass.artifacts import Facts, Rows, Splits
from surpass.checks.finding import Code, Finding, Severity, numbered, percent
from surpass.checks.similar import Alike, alike

RARE = 0.01
"""Equal texts in so small a share of a split do not move a score; they are a note and no error."""
NEAR = 0.6
"""Of 1,400 to 2,500 clean rows, 0 to 5 pairs are so similar (headlines of one story); of texts with one word changed 95 %."""
FEW = 0.002
"""No finding when so small a share of a split is nearly like other rows: some sentences of few words are alike by chance."""
MANY = 0.05
MOST_ROWS = 12_000  # looked at for near duplicates, which takes about 4 s
SPREAD = 0.5
"""Labels of a regression contradict each other when they are so many standard deviations of all labels apart."""


class _Table(NamedTuple):
    """What is looked at: split, group, plain input as a number, and label of each row, (n,); and pairs nearly the same.

    A preference is the same row with its candidates the other way round; its label is then the other one.
    """

    splits: Splits
    split: NDArray[np.str_]
    groups: NDArray[np.int64]
    inputs: NDArray[np.int64]
    labels: NDArray[np.float64]
    pairs: Alike

    @classmethod
    def of(cls, splits: Splits) -> _Table:
        """Return the table of some splits; pairs are of rows of different groups."""
        groups = numbered(splits.rows.groups)
        known: dict[Hashable, int] = {}
        texts_written = splits.target == "generation"
        held = numbered(splits.rows.labels.tolist()) if texts_written else splits.rows.labels
        labels = held.astype(np.float64)
        preference = splits.target == "preference"
        texts = plain_inputs(splits.rows, pairs=preference)
        if preference:
            turned = [first > second for first, second in texts]
            texts = [tuple(sorted(pair)) for pair in texts]
            labels = np.where(turned, 1 - labels, labels)
        inputs = np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int64)
        return cls(splits, np.array(splits.split), groups, inputs, labels, _near(splits.rows, groups))


def check_overlap(splits: Splits, *, where: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each way in which rows of a task are there more than once."""
    table = _Table.of(splits)
    rules = (_between, _conflicts, _near_between, _repeated)
    return [finding for rule in rules for finding in rule(table, where)]


def is_test(name: str) -> bool:
    """Whether a split has ground truth for scores."""
    return name == "test" or name.startswith("shift:")


def at_test(where: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return `where` with the test split among the names, if there is one."""
    tests = [name for name in names if is_test(name)]
    return {**where, "split": tests[0]} if tests else dict(where)


def plain_inputs(rows: Rows, *, pairs: bool = False) -> list[Any]:
    """Return each input in a form in which trifling differences are gone; `pairs`: vectors are two candidates, (2, ...)."""
    if isinstance(rows.inputs, np.ndarray):
        return [tuple(side.tobytes() for side in row) if pairs else row.tobytes() for row in rows.inputs]
    return [plain(item) if isinstance(item, str) else tuple(map(plain, item)) for item in rows.inputs]


def plain(text: str) -> str:
    """Return prose without case, spacing and marks at its ends; a text without spaces (a molecule) as it is."""
    if not re.search(r"\s", text.strip()):
        return text.strip()
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip("\"'.!? ")


def _between(table: _Table, where: Mapping[str, str]) -> Iterator[Finding]:
    rows = table.splits.rows
    keys = (numbered(rows.ids), table.groups, table.inputs)
    for first, second in itertools.combinations(table.splits.names(), 2):
        if is_test(first) and is_test(second):
            continue
        one, other = table.split == first, table.split == second
        hits = np.array([np.isin(key[other], key[one]) for key in keys])
        ids, groups, texts = hits.sum(axis=1).tolist()
        shared, n = int(hits.any(axis=0).sum()), int(other.sum())
        if not shared:
            continue
        severity: Severity = "error" if ids or groups or shared > RARE * n else "note"
        code, harm = _harm(first, second)
        if severity == "note":
            harm = "too few to move a score by much"
        yield Finding(
            code,
            severity,
            f"'{second}' shares {shared} of its {n} rows with '{first}' ({ids} by id, {groups} by group, {texts} by text), "
            f"{'' if severity == 'note' else 'so '}{harm}; give such rows one group in the task.",
            at_test(where, first, second),
            {"rows": shared, "of": n, "ids": ids, "groups": groups, "texts": texts, "first": first, "second": second},
        )


def _harm(first: str, second: str) -> tuple[Code, str]:
    """Return the code for rows that two splits share, and what they do to the numbers."""
    if {first, second} == {"weak", "transfer"}:
        return "trained-on-labelled-rows", "the supervisor labels rows of which it knows the ground truth"
    if "val" in (first, second):
        return "split-overlap", "a student is stopped by rows that are not unseen"
    return "test-in-training", "its scores are too good"


def _conflicts(table: _Table, where: Mapping[str, str]) -> Iterator[Finding]:
    splits, labels = table.splits, table.labels
    kinds = int(table.inputs.max(initial=-1)) + 1
    high, low = np.full(kinds, -np.inf), np.full(kinds, np.inf)
    np.maximum.at(high, table.inputs, labels)
    np.minimum.at(low, table.inputs, labels)
    apart = SPREAD * float(labels.std()) if splits.target == "regression" else 0.0
    rows, n = int((high - low > apart)[table.inputs].sum()), len(labels)
    left, kept = (int(_number(splits.facts, name)) for name in ("conflicting", "usable"))
    left = 0 if splits.target == "regression" else left  # two numbers for one input are the rule, not the exception
    if not rows and left <= RARE * (left + kept):
        return
    severity: Severity = "warning" if rows > RARE * n or left > RARE * (left + kept) else "note"
    here = f"{rows} of {n} rows have the input of another row and another label" if rows else ""
    gone = f"{left} inputs of the source had two labels and were left out" if left else ""
    yield Finding(
        "conflicting-labels",
        severity,
        f"{'; '.join(filter(None, (here, gone)))}: ground truth is not certain, and no model can be right about both. Look "
        "at such rows: the input may lack what the label hangs on.",
        dict(where),
        {"rows": rows, "of": n, "left_out": left, "usable": kept},
    )


def _number(facts: Facts, name: str) -> float:
    value = facts.get(name, 0)
    return 0.0 if isinstance(value, str) else float(value)


def _near(rows: Rows, groups: NDArray[np.int64]) -> Alike:
    """Return pairs of rows of different groups that are nearly, or quite, the same; none for vectors and images."""
    places = np.arange(len(rows))
    if len(rows) > MOST_ROWS:
        places = np.sort(np.random.default_rng(0).permutation(places)[:MOST_ROWS])
    texts = [] if isinstance(rows.inputs, np.ndarray) else [_prose(rows.inputs[i]) for i in places]
    found = alike(texts, least=NEAR)
    first, second = places[found.first], places[found.second]
    apart = groups[first] != groups[second]
    return Alike(first[apart], second[apart], found.similarity[apart])


def _prose(item: str | Sequence[str]) -> str:
    """Return a text or both texts of a pair as one, plain; nothing of a text without spaces."""
    text = item if isinstance(item, str) else "\n".join(item)
    return plain(text) if re.search(r"\s", text.strip()) else ""


def _near_between(table: _Table, where: Mapping[str, str]) -> Iterator[Finding]:
    split, pairs, labels = table.split, table.pairs, table.splits.rows.labels
    tests = [name for name in table.splits.names() if is_test(name)]
    training = np.isin(split, ["weak", "transfer", "val"])
    new = table.inputs[pairs.first] != table.inputs[pairs.second]
    sides = [("weak", "transfer", split == "weak", split == "transfer")]
    sides += [("training", name, training, split == name) for name in tests]
    for first, second, one, other in sides:
        forth, back = one[pairs.first] & other[pairs.second], other[pairs.first] & one[pairs.second]
        hit = np.flatnonzero(new & (forth | back))
        found = np.where(forth[hit], pairs.second[hit], pairs.first[hit])
        rows, n = len(set(found.tolist())), int(other.sum())
        if rows <= FEW * n:
            continue
        severity: Severity = "warning" if rows > RARE * n else "note"
        same = float((labels[pairs.first[hit]] == labels[pairs.second[hit]]).mean())
        best = hit[int(np.argmax(pairs.similarity[hit]))]
        yield Finding(
            "near-duplicates",
            severity,
            f"{rows} of the {n} rows of '{second}' are nearly the same as a row of "
            f"{'the training splits' if first == 'training' else repr(first)}{_with_label(same)}, such as "
            f"{_shown(table, best)}: {'scores may be too good' if is_test(second) else 'the supervisor may know them'}; "
            f"{'give such rows one group in the task' if severity == 'warning' else 'too few to move a score by much'}.",
            at_test(where, second),
            {
                "rows": rows,
                "of": n,
                "same_label": same,
                "most_similar": float(pairs.similarity[best]),
                "first": first,
                "second": second,
            },
        )


def _with_label(same: float) -> str:
    return " and have its label" if same == 1 else f" ({percent(same)} of such pairs have one label)"


def _shown(table: _Table, which: int) -> str:
    """Return two similar texts, cut to where they begin to differ."""
    rows = table.splits.rows
    texts = [_prose(rows.inputs[int(place[which])]) for place in (table.pairs.first, table.pairs.second)]
    start = max(0, next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 20) - 20)
    return " and ".join(
        f'"{"…" if start else ""}{text[start : start + 60].strip()}{"…" if len(text) > start + 60 else ""}"'
        for text in texts
    )


def _repeated(table: _Table, where: Mapping[str, str]) -> Iterator[Finding]:
    split, pairs = table.split, table.pairs
    for name in table.splits.names():
        here = np.flatnonzero(split == name)
        inside = (split[pairs.first] == name) & (split[pairs.second] == name)
        again, seen = set(pairs.second[inside].tolist()), dict[int, int]()
        for row in here.tolist():
            group = int(table.groups[row])
            if seen.setdefault(int(table.inputs[row]), group) != group:
                again.add(row)
        rows, n = len(again), len(here)
        if rows <= RARE * n:
            continue
        harm = "intervals are narrower than they should be" if is_test(name) else "it holds fewer rows than it seems to"
        yield Finding(
            "repeated-rows",
            "warning" if rows > MANY * n else "note",
            f"{rows} of the {n} rows of '{name}' repeat another of its rows, or nearly so, though in another group, so that "
            f"{harm}: leave repeats out, or give them one group.",
            at_test(where, name),
            {"rows": rows, "of": n, "split": name},
        )
