"""Commands that read what is there: report, compare, check, ls, show."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surpass.cli.options import finished_store_option, json_option, output_options, store_option
from surpass.cli.program import FAILED_STAGE, fail
from surpass.cli.studies import write_report

if TYPE_CHECKING:
    from surpass.store import Store
    from surpass.work import Outcome


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@finished_store_option
@output_options
def report(out: Path, store: Path | None, as_json: bool, quiet: bool) -> None:
    """Make the report of a finished study in OUT again, from the store."""
    from surpass.folder import recall

    made, outcomes, root = recall(out, store)
    write_report(made, outcomes, root, out, as_json=as_json, quiet=quiet)
    _tell_gone("report", outcomes, root)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--baseline", default="soft", show_default=True, help="The method that the others are compared with.")
@click.option("--metric", "metrics", multiple=True, help="May be repeated; by default the study's first of each kind.")
@click.option("--split", default="test", show_default=True, help="Test split: test or shift:NAME.")
@finished_store_option
@output_options
def compare(
    out: Path, baseline: str, metrics: tuple[str, ...], split: str, store: Path | None, as_json: bool, quiet: bool
) -> None:
    """Compare the methods of a finished study in OUT with one of them, over its tasks, pairs and seeds."""
    from surpass.folder import recall, writing
    from surpass.report.compare import write
    from surpass.versus import versus

    made, outcomes, root = recall(out, store)
    found = versus(made, root, baseline=baseline, metrics=metrics, split=split)
    with writing(out):
        files = write(found, out)
    if as_json:
        click.echo(files["compare.json"].read_text(encoding="utf-8"))
    elif not quiet:
        from rich.console import Console

        from surpass.report.compare.terminal import summary

        console = Console(stderr=False)
        console.print(summary(found))
        console.print(f"Comparison: {files['compare.html']}", soft_wrap=True, highlight=False)
    _tell_gone("comparison", outcomes, root)


def _tell_gone(what: str, outcomes: list[Outcome], store: Store) -> None:
    """Leave with an error when the store lacks stages that the study had."""
    from surpass.folder import GONE

    if gone := sum(outcome.error == GONE for outcome in outcomes):
        text = f"the {what} lacks {gone} of {len(outcomes)} stages, which store '{store.root}' does not hold whole"
        fail(f"{text}. Run the study again, or give its store with --store.", FAILED_STAGE)


@click.command()
@click.argument("study")
@finished_store_option
@output_options
def check(study: str, store: Path | None, as_json: bool, quiet: bool) -> None:
    """Run the guard alone: on a STUDY file before it runs, or on the output folder of a finished one."""
    from surpass.inspection import findings_before, findings_of

    source = Path(study)
    found = findings_of(source, store) if source.is_dir() else findings_before(study)
    if as_json:
        click.echo(json.dumps([vars(finding) for finding in found], indent=1, default=dict))
    elif not quiet:
        for finding in found:
            where = ", ".join(f"{name} {value}" for name, value in finding.where.items())
            click.echo(f"{finding.severity:8}{finding.code}: {finding.message}" + (f" [{where}]" if where else ""))
        click.echo(f"{len(found)} finding{'s'[: len(found) > 1]}." if found else "The guard found nothing.")
    if any(finding.severity == "error" for finding in found):
        sys.exit(FAILED_STAGE)


@click.command(name="ls")
@click.argument("what", type=click.Choice(["tasks", "labels", "models", "methods", "presets"]))
@click.argument("name", required=False)
@json_option
def list_plugins(what: str, name: str | None, as_json: bool) -> None:
    """List tasks, label sources, models, methods or presets, or tell all about one."""
    from surpass.inspection import about, listing

    if name:
        facts = about(what, name)
        click.echo(json.dumps(facts, indent=1) if as_json else facts.pop("text"))
        return
    rows = listing(what)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['name']:{width}}  {row['summary']}" + (f"  ({row['problem']})" if row["problem"] else ""))


@click.command()
@click.argument("key")
@click.argument("other", required=False)
@store_option
@json_option
def show(key: str, other: str | None, store: str, as_json: bool) -> None:
    """Show the artifact KEY: its spec, inputs, timing and versions; with OTHER, what differs between the two."""
    from surpass.inspection import differences, manifest
    from surpass.store import Store

    root = Store.open(store, create=False)
    facts: Any = manifest(root, key) if other is None else differences(root, key, other)
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    import yaml

    click.echo(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True).rstrip() if facts else "No difference.")
