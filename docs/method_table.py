"""Write tables from the comparisons of finished studies for docs/methods.md: python docs/method_table.py OUT [OUT2 ...]."""

import json
import sys
from pathlib import Path
from statistics import mean


def signed(value: float | None) -> str:
    """Return a difference with its sign and three digits, or a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:+.3f}".replace("0.", ".").replace("-", "−")


def table(out: Path) -> str:
    """Return the comparison of one study as Markdown, the best method first."""
    found = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    metric = found["metrics"][0]
    rows = [row for row in found["rows"] if row["metric"] == metric]
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines = [
        f"| method | mean difference [95 %] | {' | '.join(tasks)} | PGR | won / tied / lost | p (t, Holm) |",
        f"|:--|--:|{'--:|' * len(tasks)}--:|--:|--:|",
    ]
    for standing in found["standings"]:
        if standing["metric"] != metric:
            continue
        over, outcomes = standing["over"]["task"], standing["outcomes"]
        at = [
            signed(
                mean(row["difference"] for row in rows if (row["method"], row["task"]) == (standing["method"], task))
            )
            for task in tasks
        ]
        whole, test = over["difference"]["mean"], over["difference"]["t"]["two-sided"]
        interval = f"{signed(whole['value'])} [{signed(whole['low'])}, {signed(whole['high'])}]"
        pgr = over["pgr"]["mean"]["value"]
        p = f"{test['p_holm']:.3f}" if test["p_holm"] is not None else "–"
        lines.append(
            f"| {standing['method']} | {interval} | {' | '.join(at)} | {signed(pgr)} "
            f"| {outcomes['win']} / {outcomes['tie']} / {outcomes['loss']} | {p} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(f"\n{Path(argument).name}\n\n{table(Path(argument))}\n")
