"""The command that measures what this library claims of its speed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surpass.cli.options import output_options
from surpass.cli.program import FAILED_STAGE, to_stderr

if TYPE_CHECKING:
    from surpass.benching import Claim


@click.command()
@click.argument("parts", nargs=-1)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Result file; by default bench/results/DATE.json, or DATE-PART.json of PARTS.",
)
@output_options
def bench(parts: tuple[str, ...], out: Path | None, as_json: bool, quiet: bool) -> None:
    """Measure the claims of speed, each a ratio taken in one run; all PARTS by default.

    PARTS, short ones first: start, intervals, heads, studies, top_layers, generation, limits, same_study.
    """
    from surpass.benching import ORDER, machine, measured
    from surpass.errors import StageError, UnknownNameError

    for part in parts:
        if part not in ORDER:
            raise UnknownNameError("bench part", part, list(ORDER))
    date = time.strftime("%Y-%m-%d")
    file = out or Path("bench/results") / f"{'-'.join((date, *parts))}.json"
    _check_writable(file)
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
    facts = {"date": date, "machine": machine(), "claims": [claim.as_json() for claim in found]}
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


def _check_writable(file: Path) -> None:
    """Make the folder of the result file, and say before minutes of measuring when the file cannot be written."""
    with _writing(file):
        if file.is_dir():
            raise IsADirectoryError("it is a folder")
        file.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(file.parent, os.W_OK | os.X_OK):
            raise PermissionError(f"no permission to write to '{file.parent}'")


def _write(file: Path, facts: object) -> None:
    from surpass.disk import write_atomically

    with _writing(file):
        write_atomically(file, json.dumps(facts, indent=1) + "\n")


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    from surpass.errors import DataError

    try:
        yield
    except OSError as error:
        text = f"result file '{file}' cannot be written: {error.strerror or error}. Give another file with --out."
        raise DataError(text) from error


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
