"""Commands that read what is there: report, compare, check, ls, show."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surpass.cli.options import Finite, finished_store_option, json_option, output_options, store_option
from surpass.cli.program import FAILED_STAGE, fail, to_stderr
from surpass.cli.studies import tell_failed, write_report

if TYPE_CHECKING:
    from surpass.online import Checked
    from surpass.runner import Plan
    from surpass.store import Store
    from surpass.work import Outcome


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@finished_store_option
@output_options
def report(out: Path, store: str | None, as_json: bool, quiet: bool) -> None:
    """Make the report of a finished study in OUT again, from the store; the exit code is that of its run."""
    from surpass.folder import recall

    made, outcomes, root = recall(out, store)
    write_report(made, outcomes, root, out, as_json=as_json, quiet=quiet)
    tell_lost("report", made, outcomes, root)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--baseline", default="soft", show_default=True, help="The method that the others are compared with.")
@click.option("--metric", "metrics", multiple=True, help="May be repeated; by default the study's first of each kind.")
@click.option("--split", default="test", show_default=True, help="Test split: test or shift:NAME.")
@finished_store_option
@output_options
def compare(
    out: Path, baseline: str, metrics: tuple[str, ...], split: str, store: str | None, as_json: bool, quiet: bool
) -> None:
    """Compare the methods of a finished study in OUT with one of them, over its tasks, pairs and seeds."""
    from surpass.folder import recall, writing
    from surpass.report.compare import write
    from surpass.versus import versus

    made, outcomes, root = recall(out, store)
    found = versus(made, root, baseline=baseline, metrics=metrics, split=split)
    with writing(out, "Free it, or make it writable"):
        files = write(found, out)
    if as_json:
        click.echo(files["compare.json"].read_text(encoding="utf-8"))
    elif not quiet:
        from rich.console import Console

        from surpass.report.compare.terminal import summary

        console = Console(stderr=False)
        console.print(summary(found))
        console.print(f"Comparison: {files['compare.html']}", soft_wrap=True, highlight=False)
    tell_lost("comparison", made, outcomes, root)


def tell_lost(what: str, made: Plan, outcomes: list[Outcome], store: Store) -> None:
    """Name the stages that failed and count those that the store lacks; leave with exit code 1 when there are any."""
    from surpass.folder import GONE

    failed = tell_failed(made, outcomes)
    if gone := sum(outcome.error == GONE for outcome in outcomes):
        text = f"the {what} lacks {gone} of {len(outcomes)} stages, which store '{store.address}' does not hold whole"
        fail(f"{text}. Run the study again, or give its store with --store.", FAILED_STAGE)
    if failed:
        sys.exit(FAILED_STAGE)


@click.command()
@click.argument("names", nargs=-1, metavar="STUDY|[TASK]...")
@click.option("--online", is_flag=True, help="Compare TASKs (by default all) with their data sets on the hub instead.")
@click.option(
    "--precision",
    type=Finite(0, 1, min_open=True, max_open=True),
    help="Half the width of an accuracy's 95 % interval that a STUDY's tests should allow, such as 0.02.",
)
@finished_store_option
@output_options
def check(
    names: tuple[str, ...], online: bool, precision: float | None, store: str | None, as_json: bool, quiet: bool
) -> None:
    """Run the guard alone: on a STUDY file before it runs, or on the output folder of a finished one."""
    from surpass.inspection import findings_before, findings_of

    if online:
        _check_online(names, as_json=as_json, quiet=quiet)
        return
    if len(names) != 1:
        raise click.UsageError("Give one study file or output folder, or --online and names of tasks.")
    source = Path(names[0])
    if source.is_dir() and precision is not None:
        raise click.UsageError("--precision is about a study file: what finished studies have is in their intervals.")
    asked: dict[str, Any] = {} if precision is None else {"precision": precision}
    unread: list[str] = []
    found = findings_of(source, store) if source.is_dir() else findings_before(names[0], tell=unread.append, **asked)
    for text in () if quiet else unread:
        to_stderr(f"Note: {text}")
    if as_json:
        click.echo(json.dumps([vars(finding) for finding in found], indent=1, default=dict))
    elif not quiet:
        for finding in found:
            where = ", ".join(f"{name} {value}" for name, value in finding.where.items())
            click.echo(f"{finding.severity:8}{finding.code}: {finding.message}" + (f" [{where}]" if where else ""))
        count = f"{len(found)} finding{'s'[: len(found) > 1]}; what one means: surpass explain CODE."
        nothing = f"The guard found nothing{' yet' if unread else ''}."
        click.echo(count if found else nothing)
    if any(finding.severity == "error" for finding in found):
        sys.exit(FAILED_STAGE)


def _check_online(names: tuple[str, ...], *, as_json: bool, quiet: bool) -> None:
    """Tell of each task whether its data set on the hub is what the task takes it for; exit 1 when one is not."""
    from surpass.errors import DataError
    from surpass.online import hub_tasks, reach, verify

    tasks = hub_tasks(names)
    try:
        reach(tasks[0].source())
    except DataError as error:
        fail(str(error), FAILED_STAGE)
    found: list[Checked] = []
    for task in tasks:
        found.append(verify(task))
        if not (as_json or quiet):
            click.echo(_online_line(found[-1]))
    bad = sum(bool(one.problems) for one in found)
    if as_json:
        click.echo(json.dumps([vars(one) for one in found], indent=1))
    elif not quiet:
        click.echo(f"{len(found) - bad} of {len(found)} tasks fit their data sets.")
    if bad:
        sys.exit(FAILED_STAGE)


def _online_line(found: Checked) -> str:
    """Return what was found of one task, its problems and notes below it."""
    rows = ", ".join(f"{name or 'any'} {n:,}" for name, n in found.rows.items())
    shares = ", ".join(f"{name} {share:.0%}" for name, share in found.balance.items())
    head = f"{'differs' if found.problems else 'ok':8}{found.task:22} {found.repo}@{found.commit[:8]}  {rows}  {shares}"
    return "\n".join([head.rstrip(), *(f"{'':8}{text}" for text in (*found.problems, *found.notes))])


@click.command(name="ls")
@click.argument("what", type=click.Choice(["tasks", "labels", "models", "methods", "corpora", "presets"]))
@click.argument("name", required=False)
@json_option
def list_plugins(what: str, name: str | None, as_json: bool) -> None:
    """List tasks, label sources, models, methods, corpora or presets, or tell all about one (models pretrain, too)."""
    from surpass.inspection import about, listing

    if name:
        facts = about(what, name)
        click.echo(json.dumps(facts, indent=1) if as_json else facts.pop("text"))
        return
    rows = listing(what)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    distant = [row["name"] for row in rows if row.get("source") == "hub" and not row["available"]]
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        if row["name"] not in distant:
            click.echo(f"{row['name']:{width}}  {row['summary']}" + (f"  ({row['problem']})" if row["problem"] else ""))
    if distant:
        click.echo("\nFrom the Hugging Face hub, with a network the first time (surpass ls tasks NAME tells of one):")
        click.echo(
            textwrap.fill(", ".join(distant), 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        )


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
