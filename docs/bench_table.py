"""The table of the README from a result of `surpass bench`.

python docs/bench_table.py bench/results/DATE.json [...]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from surpass.benching import Claim


def number(value: float, unit: str) -> str:
    """Return a value with its unit."""
    return f"{value:.2f}" if unit == "share" else f"{value:.3g} {unit}"


def main() -> None:
    """Print the table."""
    found = [json.loads(Path(file).read_text(encoding="utf-8")) for file in sys.argv[1:]]
    facts, claims = found[0], [claim for one in found for claim in one["claims"]]
    machine = facts["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, torch {machine['versions']['torch']}"
    lines = [f"{facts['date']}, {where}:\n", "| claim | measured | turns | promised | |", "|:--|--:|:--|:--|:--|"]
    for claim in map(Claim.of_json, claims):
        spread = f"{number(min(claim.values), claim.unit)} to {number(max(claim.values), claim.unit)}"
        word = "at least" if claim.sense == "least" else "at most"
        kept = "" if claim.holds else "**not held**"
        middle = number(claim.middle, claim.unit)
        lines.append(f"| {claim.name} | {middle} | {spread} | {word} {claim.bound:g} | {kept} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
