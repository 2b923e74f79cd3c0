"""Options that several commands share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

DEFAULT_STORE = "out/store"
Command = Callable[..., Any]


class Finite(click.FloatRange):
    """A range of numbers that holds neither nan nor infinity, which click lets through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, if it is one."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return found


def store_option(command: Command) -> Command:
    """Add --store to a command that computes."""
    return click.option(
        "--store",
        default=DEFAULT_STORE,
        show_default=True,
        help="Folder of cached artifacts, or an address such as s3://bucket/folder.",
    )(command)


def finished_store_option(command: Command) -> Command:
    """Add --store to a command that reads the output folder of a finished study, which knows its store."""
    return click.option("--store", help="The store of a finished study, if moved or at an address.")(command)


def json_option(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)


def device_option(command: Command) -> Command:
    """Add --device."""

    def check(context: click.Context, option: click.Parameter, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|map", value):
            raise click.BadParameter(f"'{value}' is not auto, cpu, cuda, cuda:N or map.", context, option)
        return value

    return click.option(
        "--device",
        default="auto",
        show_default=True,
        callback=check,
        help="auto, cpu, cuda, cuda:N; map spreads frozen models.",
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
            "--jobs",
            type=click.IntRange(min=0),
            help="Worker processes; 0: in this one. Default: one a core. With ray: at most so many slots.",
        ),
        click.option(
            "--timeout",
            type=Finite(min=0, min_open=True),
            metavar="SECONDS",
            help="Stop a stage that takes longer, and try it once more. Default: none.",
        ),
        click.option(
            "--address", default="", help="With --executor ray: auto, HOST:PORT or ray://HOST:PORT of the cluster."
        ),
        click.option(
            "--executor",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Who computes: this machine, or a Ray cluster.",
        ),
        click.option(
            "--checkpoint-activations", is_flag=True, help="Finetune in less memory: layers run again for the gradient."
        ),
        click.option(
            "--track",
            multiple=True,
            metavar="NAME",
            type=click.Choice(["tensorboard", "mlflow", "wandb", "trackio"]),
            help="Pass the study on to tensorboard, mlflow, wandb or trackio. Repeatable.",
        ),
        device_option,
        click.option("--out", type=click.Path(path_type=Path), help="Output folder; by default out/NAME."),
    ):
        command = option(command)
    return store_option(output_options(command))
