"""The command that scores a table with a model folder."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surpass.cli.options import output_options
from surpass.cli.program import to_stderr

if TYPE_CHECKING:
    from surpass.own.predicting import Scored, Tell
    from surpass.progress import Steps


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Table to write: .csv, .tsv, .jsonl, .parquet."
)
@click.option(
    "--text", default="", metavar="COLUMN", help="The texts. Default: the column that the student was fitted to."
)
@click.option("--first", default="", metavar="COLUMN", help="Of a preference: the first candidates.")
@click.option("--second", default="", metavar="COLUMN", help="Of a preference: the second candidates.")
@click.option(
    "--batch-size",
    "chunk",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Rows held and predicted at once.",
)
@click.option("--encoding", default="utf-8", show_default=True, help="Of a text file DATA.")
@click.option("--raw", is_flag=True, help="Leave cells that a spreadsheet would run as formulas (=...) as they are.")
@click.option("--strict", is_flag=True, help="Stop at the first bad line instead of leaving it out.")
@output_options
def predict(model: Path, data: str, quiet: bool, as_json: bool, strict: bool, encoding: str, **options: Any) -> None:
    """Score DATA (CSV, TSV, JSONL, Parquet, Arrow or hub:...) with the student in the folder MODEL.

    Writes the columns of DATA and: label, probability (of that label), p_CLASS of each class; all with predicted_ before them
    when DATA has one of these names. DATA is streamed, bad lines are left out and told, and the table appears whole or not.
    """
    from surpass.own.predicting import predict_table
    from surpass.progress import Steps
    from surpass.tables import open_table

    table = open_table(data, strict=strict, encoding=encoding)
    texts = tuple(filter(None, (options.pop(name) for name in ("text", "first", "second"))))
    with Steps(quiet=quiet or as_json) as progress:
        found = predict_table(model, table, texts=texts, tell=_now_and_then(progress), **options)
    if as_json:
        facts = dataclasses.asdict(found) | {"out": str(found.out), "bad": [bad._asdict() for bad in found.bad]}
        click.echo(json.dumps(facts, indent=1))
    elif not quiet:
        _show(found, table.told())


def _now_and_then(progress: Steps, *, seconds: float = 5.0) -> Tell:
    """Return what passes on only some of what it is told, so that a log stays short."""
    last = time.monotonic()

    def tell(share: float, words: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            progress(share, f"{share:.0%}, {words}")
            last = time.monotonic()

    return tell


def _show(found: Scored, bad: str) -> None:
    shares = ", ".join(f"{name} {count:,}" for name, count in found.counts.items())
    click.echo(f"{found.rows:,} rows: {shares}.")
    click.echo(f"Predictions: {found.out} (columns {', '.join(found.columns)})")
    if found.escaped:
        to_stderr(
            f"{found.escaped:,} cells that a spreadsheet would run got an apostrophe before them; --raw leaves them."
        )
    if bad:
        to_stderr(f"{bad}.")
