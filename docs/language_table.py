"""Write the tables of docs/language-offline.md from a finished study: python docs/language_table.py OUT."""

import csv
import json
import sys
from pathlib import Path


def number(value: float | str | None) -> str:
    """Return a number with three digits and no leading zero; a dash for none."""
    if value in (None, ""):
        return "–"
    sign, size = "−" if float(value) < 0 else "", f"{abs(float(value)):.3f}"
    return sign + (size[1:] if size.startswith("0.") else size)


def pgr(row: dict[str, str]) -> str:
    """Return the PGR of a row with its interval, or that it is undefined and the gap."""
    if row["pgr"]:
        return f"{number(row['pgr'])} [{number(row['pgr_low'])}, {number(row['pgr_high'])}]"
    gap = float(row["ceiling"]) - float(row["floor"])
    return f"undefined (gap {number(gap)})"


def ranged(item: dict[str, float]) -> str:
    """Return an estimate of results.json with its interval."""
    return f"{number(item['value'])} [{number(item['low'])}, {number(item['high'])}]"


def told(row: dict[str, str]) -> tuple[str, str, str, str]:
    """Return what names a line of either table."""
    return row["task"], row["weak"], row["strong"], row["method"]


def tables(out: Path) -> str:
    """Return the in-domain table, then that of the shifted tests, as Markdown."""
    with (out / "results.csv").open(encoding="utf-8") as file:
        every = [row for row in csv.DictReader(file) if (row["metric"], row["stopping"]) == ("accuracy", "last")]
    home = {told(row): row for row in every if row["split"] == "test"}
    lines = ["| task | supervisor | method | floor | student | ceiling | PGR [95 %] |", "|:--|:--|:--|--:|--:|--:|:--|"]
    for row in home.values():
        scores = " | ".join(number(row[role]) for role in ("floor", "student", "ceiling"))
        lines.append(f"| {row['task']} | {row['weak']} | {row['method']} | {scores} | {pgr(row)} |")
    lines += [
        "",
        "| task, shifted test | supervisor | method | PGR in domain | under shift | student's drop | beyond supervisor's |",
    ]
    lines.append("|:--|:--|:--|:--|:--|:--|:--|")
    costs = {(*told(row), row["split"]): row for row in json.loads((out / "results.json").read_text("utf-8"))["shifts"]}
    for row in (row for row in every if row["split"] != "test"):
        cost, where = costs[*told(row), row["split"]], f"{row['task']}, {row['split'].removeprefix('shift:')}"
        both = f"{pgr(home[told(row)])} | {pgr(row)} | {ranged(cost['student'])} | {ranged(cost['beyond'])}"
        lines.append(f"| {where} | {row['weak']} | {row['method']} | {both} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(tables(Path(sys.argv[1])) + "\n")
