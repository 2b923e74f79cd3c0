"""Commands on a person's own data: fit and audit."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surpass.cli.options import Finite, device_option, output_options
from surpass.cli.program import FAILED_STAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from surpass.own.job import Request
    from surpass.own.reading import Wanted

COLUMN = "COLUMN"


def column_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which columns of a table hold what."""
    for option in (
        click.option("--max-rows", default=20_000, show_default=True, help="Rows to take; gold ones are taken first."),
        click.option("--classes", help="Names of the classes in order, as a,b,c; found in the labels when not given."),
        click.option("--gold", default="", metavar=COLUMN, help="Gold labels; may be empty in most rows."),
        click.option(
            "--weak-probability",
            "probabilities",
            multiple=True,
            metavar=COLUMN,
            help="Weak probabilities: of the second of two classes, or repeated, one column for each class.",
        ),
        click.option(
            "--weak-label", "weak", multiple=True, metavar=COLUMN, help="Weak labels; repeat it for several raters."
        ),
        click.option("--second", default="", metavar=COLUMN, help="Texts of the second candidates of a preference."),
        click.option("--first", default="", metavar=COLUMN, help="Texts of the first candidates of a preference."),
        click.option("--text", default="", metavar=COLUMN, help="The texts."),
    ):
        command = option(command)
    return command


def model_options(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the options that say which models learn, and from what."""
    options = (
        click.option(
            "--combine",
            default="mean",
            show_default=True,
            type=click.Choice(["mean", "dawid-skene"]),
            help="How several weak labels become one.",
        ),
        click.option("--n-gold", type=int, help="Fit the supervisor on so many gold labels; the others only test."),
        click.option("--supervisor", metavar="MODEL", help="A weak model, fitted on the gold labels, labels the rows."),
        click.option("--method", default="auto", show_default=True, help="How weak labels become a student."),
        click.option(
            "--strong",
            required=required,
            metavar="MODEL",
            help="The strong model: hub:ORG/NAME@REV, path:DIR, package:NAME, tfidf, or {model: NAME, ...}.",
        ),
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in options:
            command = option(command)
        return command

    return add


def _runs(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--threads", type=click.IntRange(min=1), help="Batches side by side. Default: one for each core."),
        device_option,
        click.option("--level", default=0.95, show_default=True, type=Finite(0.5, 0.999), help="Of the intervals."),
        click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The first seed."),
        click.option(
            "--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Fits; the first is kept."
        ),
        click.option("--encoding", default="utf-8", show_default=True, help="Of a text file."),
        click.option("--strict", is_flag=True, help="Stop at the first bad line instead of leaving it out."),
        click.option("--overwrite", is_flag=True, help="Replace the model folder that is there."),
        click.option("--out", required=True, type=click.Path(path_type=Path), help="The model folder to write."),
    ):
        command = option(command)
    return output_options(command)


@click.command()
@click.argument("data")
@column_options
@model_options()
@click.option(
    "--kind",
    type=click.Choice(["generation"]),
    help="generation: labels are texts to write after the prompt in --text. Leave it out for classes and preferences.",
)
@_runs
def fit(data: str, quiet: bool, as_json: bool, threads: int | None, kind: str | None, **options: Any) -> None:
    """Fit a strong model to the weak labels in DATA (CSV, TSV, JSONL, Parquet, Arrow, hub:...); write a model folder."""
    from surpass.own import completions, job
    from surpass.progress import Steps
    from surpass.runtime import free_cores
    from surpass.work import math_threads

    request = _request(data, threads, **options)
    count = threads or free_cores()
    os.environ["OMP_NUM_THREADS"] = str(count)  # torch is not loaded yet, and reads it then
    with math_threads(count), Steps(quiet=quiet or as_json) as progress:
        facts = (completions if kind else job).run(request, progress)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    elif not quiet:
        _show(facts)
        click.echo(f"Model: {request.out}")


def _request(data: str, threads: int | None, **options: Any) -> Request:
    from surpass.own.job import Request
    from surpass.runtime import Runtime, cores

    wanted = columns_of(options)
    runtime = Runtime(device=options.pop("device"), threads=threads or cores())
    return Request(source=data, wanted=wanted, runtime=runtime, **options)


def columns_of(options: dict[str, Any]) -> Wanted:
    """Take the options of `column_options` out of all options, and return what they ask for."""
    from surpass.own.reading import Wanted

    names = tuple(filter(None, (name.strip() for name in (options.pop("classes") or "").split(","))))
    columns = {
        name: options.pop(name) for name in ("text", "first", "second", "weak", "probabilities", "gold", "max_rows")
    }
    return Wanted(**columns, classes=names, supervised=options["supervisor"] is not None)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", help="A table with the same columns and gold labels: the student is measured again on it.")
@output_options
def audit(model: Path, data: str | None, as_json: bool, quiet: bool) -> None:
    """Say what is known of the student in the folder MODEL, and check that its files are those that were written."""
    from surpass.own.audit import audit as look

    found = look(model, data)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    elif not quiet:
        _show(found["facts"])
        for text in found["told"]:
            click.echo(text)
        for text in found["problems"]:
            click.echo(f"Problem: {text}", err=True)
        click.echo(f"{found['files']} files read, {len(found['problems'])} problems.")
    if found["problems"]:
        sys.exit(FAILED_STAGE)


def _show(facts: Mapping[str, Any]) -> None:
    """Print the student, its evidence and the guard's findings."""
    from rich.console import Console

    from surpass.own.terminal import summary

    console = Console(stderr=False)
    for part in summary(facts):
        console.print(part, highlight=False, markup=False, soft_wrap=isinstance(part, str))
