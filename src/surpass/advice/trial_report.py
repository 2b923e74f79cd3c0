"""The page of a trial: what was predicted against what came out, as a drawing, in words and as tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from surpass import __version__
from surpass.advice.record import Record
from surpass.advice.tracking import Foretold, TrackRecord
from surpass.disk import write_atomically
from surpass.report import text
from surpass.report.blocks import Block, Cell, Document, Figures, Fold, Panel, Section, Table, Text
from surpass.report.markdown import markdown
from surpass.report.page import page
from surpass.report.panels import entry
from surpass.report.svg import Axis, Canvas, span
from surpass.stats import Estimate

_SIZE = 400.0


def write_trial(
    name: str, cells: Sequence[Foretold], track: TrackRecord, *, record: Record, lost: Sequence[str], out: Path
) -> None:
    """Write trial.csv, record.json, report.html and report.md into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    record.save(out / "record.json")
    write_atomically(out / "trial.csv", csv_text(cells))
    made = document(name, cells, track, lost=lost)
    write_atomically(out / "report.html", page(made))
    write_atomically(out / "report.md", markdown(made))


def csv_text(cells: Sequence[Foretold]) -> str:
    """Return trial.csv, a line for each cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    named = ("task", "weak", "strong", "method", "seed", "finetuned")
    scores = ("floor", "student", "ceiling", "gain")
    columns = ("predicted_gain", "predicted_low", "predicted_high", "crossfit_gain", "predicted_student")
    writer.writerow([*named, *columns, *scores, "held"])
    for one in cells:
        numbers = (one.gain.value, one.gain.low, one.gain.high, one.entry.seen.gain, one.student.value)
        numbers += tuple(getattr(one.entry, name) for name in scores)
        told = [getattr(one.entry, name) for name in named]
        writer.writerow([*told, *(f"{value:.4f}" for value in numbers), int(one.held)])
    return file.getvalue()


def document(name: str, cells: Sequence[Foretold], track: TrackRecord, *, lost: Sequence[str]) -> Document:
    """Return the page."""
    drawing = Figures(
        (_scatter(cells),),
        (entry("circle", "student", "one cell"), entry("line", "axis dashed", "predicted = realised")),
    )
    blocks: list[Block] = [Text(track.sentence), drawing, _measures(track), _tasks(cells)]
    blocks.append(Fold("Every cell", (_cells(cells),)))
    if lost:
        blocks.append(
            Fold(
                f"{text.count(len(lost), 'cell or stage', 'cells and stages')} without a result",
                tuple(Text(one) for one in lost),
            )
        )
    return Document(
        title=name,
        asked="Does advice that is given before the strong run say what the strong run will gain?",
        found=track.sentence,
        alerts=(),
        sections=(Section("trial", "Predicted and realised", tuple(blocks)),),
        version=__version__,
        kicker="Trial of advice",
        files=("trial.csv", "record.json"),
    )


def _scatter(cells: Sequence[Foretold]) -> Panel:
    canvas = Canvas(_SIZE, _SIZE)
    values = [value for one in cells for value in (one.gain.value, one.entry.gain)]
    low, high = span(values)
    left, right, top, bottom = 46.0, _SIZE - 10, 24.0, _SIZE - 40
    across, up = Axis(low, high, left, right), Axis(low, high, bottom, top)
    canvas.text(0, 10, "realised gain", style="title")
    canvas.up(up, left=left, right=right)
    canvas.across(across, top=top, bottom=bottom, title="predicted gain, from the other tasks")
    canvas.line((across(low), up(low)), (across(high), up(high)), style="axis dashed")
    for one in cells:
        about = f"{one.entry.task}: {one.entry.weak} to {one.entry.strong}, seed {one.entry.seed}"
        hint = f"{about}: predicted {text.number(one.gain.value)}, realised {text.number(one.entry.gain)}"
        canvas.mark(across(one.gain.value), up(one.entry.gain), "circle", style="student", hint=hint)
    words = f"Predicted against realised gain of {text.count(len(cells), 'cell')}."
    return Panel(
        "Predicted against realised gain", "accuracy, or share of explained variance", canvas.markup(words), words
    )


def _told(item: Estimate) -> Cell:
    return (
        Cell(text.value(item), text.interval(item), "number")
        if item.defined
        else Cell("undefined", item.note, "undefined")
    )


def _measures(track: TrackRecord) -> Table:
    lines = {
        "rank correlation of predicted and realised gain": track.correlation,
        "the same without the cells of numbers": track.of_classes,
        "the same of the cross-fitted gain as it is": track.raw,
        "mean absolute error of the gain": track.error,
        f"share within the {text.percent(track.level)} interval": track.coverage,
        f"right about the sign, of {track.decided} cells whose interval leaves 0 out": track.sign,
        f"regret of the chosen supervisor, {text.count(track.choices, 'choice')}": track.regret,
        "regret of a random supervisor": track.random,
    }
    rows = [(Cell(name), _told(item)) for name, item in lines.items()]
    if track.finetuned:
        cells = text.count(track.finetuned, "cell")
        error, held = text.number(track.finetuned_error), f"{track.finetuned_held} of {track.finetuned}"
        rows.append((Cell(f"finetuned students, {cells}: mean absolute error of the gain"), Cell(error, kind="number")))
        rows.append((Cell("finetuned students: gains within their intervals"), Cell(held)))
    return Table("How well it was predicted; 95 % intervals over tasks drawn anew", ("", ""), tuple(rows))


def _tasks(cells: Sequence[Foretold]) -> Table:
    rows = []
    for task in dict.fromkeys(one.entry.task for one in cells):
        held = [one for one in cells if one.entry.task == task]
        means = [sum(values) / len(held) for values in zip(*(_numbers(one) for one in held), strict=True)]
        numbers = (text.number(value) for value in means)
        within = f"{sum(one.held for one in held)} of {len(held)}"
        rows.append(
            (
                Cell(task),
                Cell(str(held[0].entry.seen.n_gold), kind="number"),
                *(Cell(n, kind="number") for n in numbers),
                Cell(within),
            )
        )
    columns = ("Task", "Gold rows", "Floor", "Predicted gain", "Realised gain", "Mean error", "Within")
    return Table("By task, means over its cells", columns, tuple(rows))


def _numbers(one: Foretold) -> tuple[float, float, float, float]:
    return one.entry.floor, one.gain.value, one.entry.gain, abs(one.gain.value - one.entry.gain)


def _cells(cells: Sequence[Foretold]) -> Table:
    rows = tuple(
        (
            Cell(text.pair(one.entry.weak, one.entry.strong)),
            Cell(str(one.entry.seed), kind="number"),
            _told(one.gain),
            Cell(text.number(one.entry.gain), kind="number"),
        )
        for one in cells
    )
    groups = tuple((one.entry.task, "") for one in cells)
    return Table("Every cell", ("Pair", "Seed", "Predicted gain", "Realised gain"), rows, True, 1, groups)
