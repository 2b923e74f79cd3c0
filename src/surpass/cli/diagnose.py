"""The command that looks into a finished study without training anything: diagnose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surpass.cli.options import finished_store_option, output_options
from surpass.cli.program import FAILED_STAGE, fail
from surpass.cli.reading import tell_lost

if TYPE_CHECKING:
    from surpass.results_diagnoses import DiagnosisRow


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@finished_store_option
@output_options
def diagnose(out: Path, store: str | None, as_json: bool, quiet: bool) -> None:
    """Say why a finished study in OUT came out as it did: misfit, likeness of errors, overlap, expansion and more."""
    import dataclasses

    from surpass.diagnosing import diagnose as look_into
    from surpass.folder import recall, writing
    from surpass.progress import Steps
    from surpass.report import write
    from surpass.report.diagnosis_files import read
    from surpass.report.diagnosis_files import write as write_rows
    from surpass.scoring import results

    made, outcomes, root = recall(out, store)
    with Steps(quiet=quiet or as_json) as progress:
        rows = look_into(made, root, progress=progress)
    found = results(made, outcomes, root)
    with writing(out, "Free it, or make it writable"):
        files = write_rows(rows, found, out)
        # as they were written, so that the report made again is the same to the last digit
        files |= write(dataclasses.replace(found, diagnoses=read(out, found)), out)
    if as_json:
        click.echo(files["diagnoses.json"].read_text(encoding="utf-8"))
    elif not quiet:
        for line in _summary(rows):
            click.echo(line)
        click.echo(f"Report: {files['report.html']}#diagnostics")
    if crashed := {row.diagnostic for row in rows if row.crashed}:
        fail(
            f"{', '.join(sorted(crashed))} failed; the report says how. surpass --debug diagnose shows it.",
            FAILED_STAGE,
        )
    tell_lost("diagnosis", made, outcomes, root)


def _summary(rows: Sequence[DiagnosisRow]) -> Iterator[str]:
    """Yield how many numbers each diagnostic gave, and why others are undefined."""
    lost = [row for row in rows if row.estimate.value != row.estimate.value]
    for name, count in Counter(row.diagnostic for row in rows).items():
        without = sum(row.diagnostic == name for row in lost)
        yield f"{name:12}{_counted(count - without, 'number', 5)}" + (f", {without} undefined" if without else "")
    for why, count in Counter(row.estimate.note for row in lost).most_common():
        yield f"undefined {_counted(count, 'time')}: {why}"


def _counted(count: int, word: str, width: int = 0) -> str:
    return f"{count:{width}} {word}{'' if count == 1 else 's'}"
