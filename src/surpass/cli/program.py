"""The program: its group of commands, and how a person is told what went wrong."""

from __future__ import annotations

import errno
import io
import re
import sys
from typing import Any, NoReturn

import click

from surpass import __version__
from surpass.errors import SurpassError

BAD_INPUT, FAILED_STAGE, STOPPED = 2, 1, 130
LONG = re.compile(r"^(.{500}).{2000,}(.{500})$", re.MULTILINE)
WHOLE = ("fit", "predict", "audit", "diagnose")
"""Commands that write all or nothing and keep nothing between; `advise` does so of a table, and says it itself."""


class Program(click.Group):
    """The commands; a person's mistakes are told in one paragraph, without a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; exit code 2 for bad input, 1 when a stage failed, 130 when stopped by the keyboard."""
        try:
            return super().main(*args, **kwargs)
        except SurpassError as error:
            if "--debug" in sys.argv:
                raise
            fail(str(error), BAD_INPUT)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG or "--debug" in sys.argv:
                raise
            fail(f"'{error.filename}' is too long for the path of a file. Give a shorter one.", BAD_INPUT)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C is told in words, whatever it interrupts."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal without arrows shows the rest
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            kept = "What was finished is kept; the same command goes on from here."
            fail(f"stopped. {'Nothing was written.' if ctx.invoked_subcommand in WHOLE else kept}", STOPPED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order a newcomer needs them."""
        return list(self.commands)


def fail(message: str, code: int) -> NoReturn:
    """Print an error and leave."""
    to_stderr(f"Error: {message}")
    sys.exit(code)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="surpass")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Weak-to-strong generalization: what a strong model learns from weak labels, with numbers that hold up."""
    import logging

    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO if debug else logging.WARNING)


def to_stderr(text: str) -> None:
    """Print lines that are no result, which may hold anything of a study file or a table.

    What would steer the terminal is spelt out, and of a long line the middle is left out.
    """
    text = LONG.sub(lambda found: f"{found[1]} [...] {found[2]}", text)
    click.echo(re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text), err=True)
