"""The command that says what a finding of the guard means: explain."""

from __future__ import annotations

import json

import click

from surpass.cli.options import json_option


@click.command()
@click.argument("code", required=False)
@json_option
def explain(code: str | None, as_json: bool) -> None:
    """Say what the finding CODE means, how it is found and what to do; without CODE, list all."""
    from surpass.checks.pages import codes, headline, page

    if code:
        click.echo(json.dumps({"code": code, "text": page(code)}, indent=1) if as_json else page(code))
        return
    rows = {name: headline(name) for name in codes()}
    if as_json:
        click.echo(json.dumps([{"code": name, "summary": text} for name, text in rows.items()], indent=1))
        return
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        click.echo(f"{name:{width}}  {text}")
