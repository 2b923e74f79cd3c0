"""The command that measures what this library claims of its speed."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surpass.cli.options import output_options
from surpass.cli.program import FAILED_STAGE, to_stderr

if TYPE_CHECKING:
    from surpass.benching import Claim


@click.command()
@click.argument("parts", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), help="Result file; by default bench/results/DATE.json.")
@output_options
def bench(parts: tuple[str, ...], out: Path | None, as_json: bool, quiet: bool) -> None:
    """Measure the claims of speed, each a ratio taken in one run; all PARTS by default."""
    from surpass.benching import ORDER, machine, measured
    from surpass.errors import StageError, UnknownNameError

    for part in parts:
        if part not in ORDER:
            raise UnknownNameError("bench part", part, list(ORDER))
    found: list[Claim] = []
    failed: list[str] = []
    for part in parts or ORDER:
        start = time.perf_counter()
        try:
            claims = measured(part)
        except StageError as error:
            failed.append(str(error))
            claims = []
        found += claims
        if not quiet:
            to_stderr(f"{part}: {time.perf_counter() - start:.0f} s")
    facts = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "claims": [claim.as_json() for claim in found]}
    file = out or Path("bench/results") / f"{facts['date']}.json"
    _write(file, facts)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    elif not quiet:
        _show(found)
        to_stderr(f"Results: {file}")
    for text in failed:
        click.echo(f"Failed: {text}", err=True)
    if failed:
        sys.exit(FAILED_STAGE)


def _write(file: Path, facts: object) -> None:
    from surpass.disk import write_atomically
    from surpass.errors import DataError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(facts, indent=1) + "\n")
    except OSError as error:
        raise DataError(f"'{file}' cannot be written: {error}. Give another file with --out.") from error


def _show(claims: list[Claim]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("claim", "measured", "from", "to", "promised", "")
    for claim in claims:
        values = [f"{value:.2f}" for value in (claim.middle, min(claim.values), max(claim.values))]
        unit = "" if claim.unit == "share" else f" {claim.unit}"
        word = "at least" if claim.sense == "least" else "at most"
        kept = "held" if claim.holds else "not held"
        table.add_row(claim.name, values[0] + unit, *values[1:], f"{word} {claim.bound:g}{unit}", kept)
    Console().print(table)
    for claim in claims:
        if claim.note:
            click.echo(f"{claim.name}: {claim.note}")
