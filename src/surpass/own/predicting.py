"""Scoring a table with a model folder: streamed in chunks, so that its length does not matter."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surpass.artifacts import Values
from surpass.errors import DataError
from surpass.own.bundle import load, read_facts
from surpass.tables import BadLine, Columns, Row, Table, textless
from surpass.tables.writing import refusal, writing

Tell = Callable[[float, str], None]
"""Called with the share of the table that is done, in [0, 1], and a few words."""


def _silent(share: float, words: str) -> None:
    """Tell nobody."""


PREFIX, DIGITS = "predicted_", 6


Predict = Callable[[Sequence[Any]], Values]
"""Takes n texts, or pairs of candidates, and returns probabilities (n, C)."""


@dataclasses.dataclass(frozen=True)
class Scored:
    """What was written.

    Attributes:
        out: the file.
        rows: rows in it.
        columns: the columns added to those of the table.
        counts: rows of each predicted class, or with a completion and without.
        bad: the first bad lines, which were left out.
        bad_count: all of them.
        escaped: cells that got an apostrophe, because a spreadsheet would have run them.
    """

    out: Path
    rows: int
    columns: Columns
    counts: dict[str, int]
    bad: tuple[BadLine, ...]
    bad_count: int
    escaped: int


def added_columns(table: Columns, names: Columns) -> Columns:
    """Return the names of the columns of answers: the given ones, such as label, probability, and p_CLASS of each class.

    When the table has one of these names already, all of them begin with `predicted_`.

    Raises:
        DataError: the table has those as well.
    """
    if not set(names) & set(table):
        return names
    names = tuple(PREFIX + name for name in names)
    if clash := sorted(set(names) & set(table)):
        raise DataError(
            f"the table has columns {', '.join(map(repr, clash))} already. Rename them, so that none is lost."
        )
    return names


@dataclasses.dataclass(frozen=True)
class Answers:
    """What is asked of each row.

    Attributes:
        give: takes the inputs of n rows; returns what each is counted as, and the new cells of each.
        names: of the new columns.
        counted: what rows are counted as, in the order in which it is told.
    """

    give: Callable[[list[Any]], tuple[list[str], list[tuple[Any, ...]]]]
    names: Columns
    counted: Columns


def predictions(predict: Predict, classes: Columns) -> Answers:
    """Return answers that are a class and its probabilities, from what returns probabilities in the order of the classes."""

    def give(inputs: list[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        values = predict(inputs)
        said = [classes[i] for i in values.argmax(axis=1)]
        numbers = np.round(np.column_stack([values.max(axis=1), values]), DIGITS).tolist()
        return said, [(name, *of_row) for name, of_row in zip(said, numbers, strict=True)]

    return Answers(give, ("label", "probability", *(f"p_{name}" for name in classes)), classes)


def completed(write: Callable[[Sequence[str]], list[tuple[str, float]]]) -> Answers:
    """Return answers that are a completion and its probability, from what writes them."""
    counted = ("with a completion", "without")

    def give(inputs: list[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        said = write([str(prompt) for prompt in inputs])
        cells: list[tuple[Any, ...]] = [(text, float(f"{value:.{DIGITS}g}")) for text, value in said]
        return [counted[not text.strip()] for text, _ in said], cells

    return Answers(give, ("completion", "probability"), counted)


def score(
    answers: Answers,
    table: Table,
    out: Path,
    *,
    texts: Columns,
    chunk: int = 1000,
    raw: bool = False,
    tell: Tell = _silent,
) -> Scored:
    """Write the table's rows with their answers; the file is there when all of it is written.

    Args:
        answers: what is asked of each row.
        table: what is read; rows with an empty text count as bad lines.
        out: .csv, .tsv, .jsonl or .parquet.
        texts: the column of texts or prompts, or of a preference the two columns of the candidates.
        chunk: rows that are held and answered at once; nothing else of the table is held.
        raw: leave formula cells in CSV as they are.
        tell: is told how far it is.

    Raises:
        DataError: a column is missing, nothing can be written there, no row can be read, or, strictly, a line is bad.
    """
    if problem := refusal(out):
        raise DataError(problem)
    if Path(table.source).is_file() and out.exists() and out.samefile(table.source):
        raise DataError(f"'{out}' is the table itself. Write the predictions to another file.")
    table.need(*texts)
    columns = added_columns(table.columns, answers.names)
    counts: Counter[str] = Counter()
    done = 0
    with writing(out, (*table.columns, *columns), raw=raw) as writer:
        for rows in _chunks(_filled(table, texts), chunk):
            inputs = [tuple(row[name] for name in texts) if len(texts) > 1 else row[texts[0]] for row in rows]
            said, cells = answers.give(inputs)
            counts.update(said)
            writer.write([row | dict(zip(columns, new, strict=True)) for row, new in zip(rows, cells, strict=True)])
            done += len(rows)
            tell(table.progress(), f"{done:,} rows")
        if not done:
            raise DataError(f"'{table.source}' has no text in column {', '.join(map(repr, texts))}: {table.told()}.")
    told = {name: counts[name] for name in answers.counted}
    return Scored(out, done, columns, told, tuple(table.bad), table.bad_count, writer.escaped)


def predict_table(
    folder: Path,
    table: Table,
    out: Path,
    *,
    texts: Columns = (),
    chunk: int = 1000,
    raw: bool = False,
    tell: Tell = _silent,
) -> Scored:
    """Score a table with a model folder; without `texts`, in the columns that the student was fitted to. See `score`."""
    if problem := refusal(out):
        raise DataError(problem)
    facts = read_facts(folder)
    if facts["target"] == "generation":
        from surpass.own import completions

        if len(texts) > 1:
            raise DataError(f"model folder '{folder}' needs one column of prompts: --text.")
        answers, texts = completed(completions.answers(folder, facts)), texts or (facts["text_column"],)
        return score(answers, table, out, texts=texts, chunk=chunk, raw=raw, tell=tell)
    bundle = load(folder)
    fitted = tuple(bundle.facts["candidates"]) if bundle.scores else (bundle.text_column,)
    if texts and len(texts) != len(fitted):
        wanted = "two columns of candidates: --first and --second" if bundle.scores else "one column of texts: --text"
        raise DataError(f"model folder '{folder}' needs {wanted}.")
    predict: Predict = (lambda pairs: bundle.prefer(*zip(*pairs, strict=True))) if bundle.scores else bundle.predict
    answers = predictions(predict, bundle.classes)
    return score(answers, table, out, texts=texts or fitted, chunk=chunk, raw=raw, tell=tell)


def _filled(table: Table, texts: Sequence[str]) -> Iterator[Row]:
    """Yield the rows whose texts are not empty."""
    for number, row in table.rows():
        if problem := next(filter(None, (textless(row.get(name)) for name in texts)), None):
            table.skip(number, problem)
        else:
            yield row


def _chunks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    held: list[Row] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held
