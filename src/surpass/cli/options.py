"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

DEFAULT_STORE = "out/store"
Command = Callable[..., Any]


def store_option(command: Command) -> Command:
    """Add --store to a command that computes."""
    return click.option("--store", default=DEFAULT_STORE, show_default=True, help="Folder of cached artifacts.")(
        command
    )


def finished_store_option(command: Command) -> Command:
    """Add --store to a command that reads the output folder of a finished study, which knows its store."""
    path = click.Path(path_type=Path)
    return click.option("--store", type=path, help="The store of a finished study, when it was moved.")(command)


def json_option(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)


def device_option(command: Command) -> Command:
    """Add --device."""

    def check(context: click.Context, option: click.Parameter, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
            raise click.BadParameter(f"'{value}' is not auto, cpu, cuda or cuda:N.", context, option)
        return value

    return click.option(
        "--device", default="auto", show_default=True, callback=check, help="auto, cpu, cuda or cuda:N."
    )(command)


def output_options(command: Command) -> Command:
    """Add --json and --quiet."""
    command = json_option(command)
    return click.option("--quiet", is_flag=True, help="Print errors only.")(command)


def run_options(command: Command) -> Command:
    """Add the options of commands that run stages."""
    for option in (
        click.option("--keep-weights", is_flag=True, help="Keep fitted models beside what this run computes."),
        click.option(
            "--jobs", type=click.IntRange(min=0), help="Worker processes; 0: in this one. Default: one a core."
        ),
        device_option,
        click.option("--out", type=click.Path(path_type=Path), help="Output folder; by default out/NAME."),
    ):
        command = option(command)
    return store_option(output_options(command))
