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
        counts: rows of each predicted class.
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


def added_columns(table: Columns, classes: Sequence[str]) -> Columns:
    """Return the names of the columns of predictions: label, probability, and p_CLASS of each class.

    When the table has one of these names already, all of them begin with `predicted_`.

    Raises:
        DataError: the table has those as well.
    """
    names = ("label", "probability", *(f"p_{name}" for name in classes))
    if not set(names) & set(table):
        return names
    names = tuple(PREFIX + name for name in names)
    if clash := sorted(set(names) & set(table)):
        raise DataError(
            f"the table has columns {', '.join(map(repr, clash))} already. Rename them, so that none is lost."
        )
    return names


def score(
    predict: Predict,
    classes: Columns,
    table: Table,
    out: Path,
    *,
    texts: Columns,
    chunk: int = 1000,
    raw: bool = False,
    tell: Tell = _silent,
) -> Scored:
    """Write the table's rows with the student's predictions; the file is there when all of it is written.

    Args:
        predict: returns probabilities.
        classes: names of the classes, in the order of its columns.
        table: what is scored; rows with an empty text count as bad lines.
        out: .csv, .tsv, .jsonl or .parquet.
        texts: the column of texts, or of a preference the two columns of the candidates.
        chunk: rows that are held and predicted at once; nothing else of the table is held.
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
    columns = added_columns(table.columns, classes)
    counts: Counter[str] = Counter()
    done = 0
    with writing(out, (*table.columns, *columns), raw=raw) as writer:
        for rows in _chunks(_filled(table, texts), chunk):
            inputs = [tuple(row[name] for name in texts) if len(texts) > 1 else row[texts[0]] for row in rows]
            values = predict(inputs)
            best = values.argmax(axis=1)
            counts.update(classes[i] for i in best)
            numbers = np.round(np.column_stack([values.max(axis=1), values]), DIGITS).tolist()
            cells = ((classes[i], *of_row) for i, of_row in zip(best, numbers, strict=True))
            writer.write([row | dict(zip(columns, new, strict=True)) for row, new in zip(rows, cells, strict=True)])
            done += len(rows)
            tell(table.progress(), f"{done:,} rows")
        if not done:
            raise DataError(f"'{table.source}' has no text in column {', '.join(map(repr, texts))}: {table.told()}.")
    told = {name: counts[name] for name in classes}
    return Scored(out, done, columns, told, tuple(table.bad), table.bad_count, writer.escaped)


def answered(
    answer: Callable[[Sequence[str]], list[tuple[str, float]]],
    table: Table,
    out: Path,
    *,
    prompts: str,
    chunk: int = 1000,
    raw: bool = False,
    tell: Tell = _silent,
) -> Scored:
    """Write the table's rows with a completion of each prompt and its probability; see `score`.

    Args:
        answer: returns completions and probabilities.
        table: what is read; rows with an empty prompt count as bad lines.
        out: .csv, .tsv, .jsonl or .parquet.
        prompts: the column of prompts.
        chunk: rows that are held and answered at once.
        raw: leave formula cells in CSV as they are.
        tell: is told how far it is.
    """
    table.need(prompts)
    names = ("completion", "probability")
    columns = names if not set(names) & set(table.columns) else tuple(PREFIX + name for name in names)
    if clash := sorted(set(columns) & set(table.columns)):
        raise DataError(
            f"the table has columns {', '.join(map(repr, clash))} already. Rename them, so that none is lost."
        )
    done = empty = 0
    with writing(out, (*table.columns, *columns), raw=raw) as writer:
        for rows in _chunks(_filled(table, (prompts,)), chunk):
            said = answer([str(row[prompts]) for row in rows])
            cells = [(text, round(value, DIGITS)) for text, value in said]
            writer.write([row | dict(zip(columns, new, strict=True)) for row, new in zip(rows, cells, strict=True)])
            done, empty = done + len(rows), empty + sum(not text for text, _ in said)
            tell(table.progress(), f"{done:,} rows")
        if not done:
            raise DataError(f"'{table.source}' has no text in column '{prompts}': {table.told()}.")
    counts = {"with a completion": done - empty, "without": empty}
    return Scored(out, done, columns, counts, tuple(table.bad), table.bad_count, writer.escaped)


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

        answer = completions.answers(folder, facts)
        return answered(answer, table, out, prompts=(*texts, facts["text_column"])[0], chunk=chunk, raw=raw, tell=tell)
    bundle = load(folder)
    fitted = tuple(bundle.facts["candidates"]) if bundle.scores else (bundle.text_column,)
    if texts and len(texts) != len(fitted):
        wanted = "two columns of candidates: --first and --second" if bundle.scores else "one column of texts: --text"
        raise DataError(f"model folder '{folder}' needs {wanted}.")
    predict: Predict = (lambda pairs: bundle.prefer(*zip(*pairs, strict=True))) if bundle.scores else bundle.predict
    return score(predict, bundle.classes, table, out, texts=texts or fitted, chunk=chunk, raw=raw, tell=tell)


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
