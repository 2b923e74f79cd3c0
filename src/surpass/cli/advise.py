"""The command that says, before the strong model is paid for, whether a student will beat its labels: advise."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from surpass.cli.options import DEFAULT_STORE, Finite, device_option, output_options
from surpass.cli.own import column_options, columns_of, model_options
from surpass.cli.program import FAILED_STAGE, STOPPED, fail

OF_STUDIES = ("store", "out", "trial", "jobs")
OF_TRIALS = ("out", "jobs")
SHARED = ("source", "as_json", "quiet", "level", "threads", "device")


@click.command()
@click.argument("source", metavar="DATA|STUDY")
@click.option("--trial", is_flag=True, help="Of a STUDY: run it too, and compare predicted gains with what came out.")
@click.option("--out", type=click.Path(path_type=Path), help="Of a trial: output folder; by default out/NAME.")
@click.option("--store", default=DEFAULT_STORE, show_default=True, help="Of a STUDY: cached artifacts.")
@click.option("--jobs", type=click.IntRange(min=0), help="Of a trial: worker processes. Default: in this one.")
@click.option("--threads", type=click.IntRange(min=1), help="Batches side by side. Default: one for each core.")
@device_option
@click.option("--level", default=0.9, show_default=True, type=Finite(0.5, 0.999), help="Of the intervals.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the fits.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of a text file.")
@click.option("--strict", is_flag=True, help="Stop at the first bad line instead of leaving it out.")
@model_options(required=False)
@column_options
@output_options
@click.pass_context
def advise(context: click.Context, /, source: str, **options: Any) -> None:
    """Say whether a student of --strong will beat its labels, before it is paid for: in a table DATA, or in a STUDY.

    DATA is a table (CSV, TSV, JSONL, Parquet, Arrow, hub:...) with the options of `surpass fit`; STUDY is a study file,
    recipe.py:function or a preset. No label is read that tests the student later.
    """
    from surpass.runtime import cores, free_cores
    from surpass.work import math_threads

    study = is_study(source)
    _check_options(context, source, study=study)
    threads = options.pop("threads")
    count = threads or free_cores()
    os.environ["OMP_NUM_THREADS"] = str(count)  # torch is not loaded yet, and reads it then
    with math_threads(count):
        (_of_study if study else _of_table)(source, threads=threads or cores(), **options)


def is_study(source: str) -> bool:
    """Return whether the words name a study, not a table; DataError when they name neither."""
    from surpass import presets
    from surpass.errors import DataError
    from surpass.tables.opening import FORMATS, readable

    path = Path(source)
    if ".py:" in source or path.suffix in (".yaml", ".yml"):
        return True
    if re.fullmatch(r"[\w-]+", source) and not path.exists() and source in presets.names():
        return True
    if path.is_dir():
        raise DataError(
            f"'{source}' is a folder. Give a table or a study file; of a finished study, surpass diagnose tells more."
        )
    if not readable(source):
        raise DataError(
            f"'{source}' is neither a study (a YAML file, recipe.py:function, or a preset of surpass ls presets) nor a table "
            f"(readable are {FORMATS}, and hub:ORG/NAME). Give one of them."
        )
    return False


def _check_options(context: click.Context, source: str, *, study: bool) -> None:
    """Refuse options that say nothing of what was given."""
    from surpass.errors import SpecError

    given = {name for name in context.params if context.get_parameter_source(name) == ParameterSource.COMMANDLINE}
    names = {option.name: option.opts[-1] for option in context.command.params}
    strange = given - set(SHARED) - set(OF_STUDIES) if study else given & set(OF_STUDIES)
    if strange:
        held, other = ("study", "table") if study else ("table", "study")
        told = ", ".join(names[name] for name in sorted(strange))
        raise SpecError(f"'{source}' is a {held}, and {told} is about a {other}. Leave it out.")
    if study and not context.params["trial"] and (idle := given & set(OF_TRIALS)):
        told = " and ".join(names[name] for name in sorted(idle))
        raise SpecError(f"{told}: of use to a trial alone. Give --trial too, or leave it out.")
    if study and context.params["trial"] and "level" in given:
        raise SpecError("the intervals of a trial have the level of the record: leave out --level.")
    if not study and not context.params["strong"]:
        raise SpecError("name the strong model with --strong: hub:ORG/NAME@REV, path:DIR, package:NAME or tfidf.")


def _of_table(source: str, *, quiet: bool, as_json: bool, threads: int, **options: Any) -> None:
    from surpass.own.advising import Question
    from surpass.own.advising import advise as ask
    from surpass.progress import Steps
    from surpass.runtime import Runtime

    options = {name: value for name, value in options.items() if name not in OF_STUDIES}
    wanted = columns_of(options)
    runtime = Runtime(device=options.pop("device"), threads=threads)
    question = Question(source=source, wanted=wanted, runtime=runtime, **options)
    try:
        with Steps(quiet=quiet or as_json) as progress:
            facts = ask(question, progress)
    except KeyboardInterrupt:
        fail("stopped. Nothing was written.", STOPPED)
    facts["next"] = next_step(question, facts)
    if as_json:
        click.echo(json.dumps(facts, indent=1, allow_nan=False))
    elif not quiet:
        from rich.console import Console

        from surpass.own.advice_words import summary

        console = Console(stderr=False)
        for part in summary(facts):
            console.print(part, highlight=False, markup=False, soft_wrap=isinstance(part, str))


def next_step(question: Any, facts: dict[str, Any]) -> dict[str, str]:
    """Return what to do next: in words, and as a command."""
    verdict, use, gold, rows = facts["verdict"], facts["use"], facts["columns"]["gold"], facts["rows"]
    if verdict["answer"] == "yes":
        text = "Go on with:"
    elif verdict["answer"] == "no":
        text = "To see for yourself:"
    elif "expected" not in facts and rows["gold"] - rows["left_for_test"] > 2 * (rows["judges"] + 1):
        text = "Have the rows with gold labels labelled by the weak source too, and ask again. To go on as it is:"
    elif verdict["label"]:
        column = f"column {gold}" if gold else "a new column, named with --gold"
        more = "more rows" if rows["gold"] else "rows"
        if verdict["label"] > (there := facts["data"]["counts"]["usable"] - rows["gold"]):
            more += f" (this table has but {there:,} to label)"
        text = f"Label about {verdict['label']:,} {more} drawn at random ({column}), and ask again. To go on as it is:"
    else:
        text = "More gold labels would hardly tell; the strong run would:"
    return {"text": text, "command": shlex.join(_fit_command(question, use))}


def _fit_command(question: Any, use: dict[str, Any]) -> list[str]:
    """Return `surpass fit` with what the advice says to use."""
    wanted = question.wanted
    words = ["surpass", "fit", question.source]
    for name in ("text", "first", "second"):
        words += [f"--{name}", getattr(wanted, name)] if getattr(wanted, name) else []
    weak = use["weak"] if wanted.weak else ()
    words += [word for name in weak for word in ("--weak-label", name)]
    words += [word for name in wanted.probabilities for word in ("--weak-probability", name)]
    words += ["--classes", ",".join(wanted.classes)] if wanted.classes else []
    words += ["--gold", wanted.gold] if wanted.gold else []
    words += ["--supervisor", str(question.supervisor)] if question.supervisor else []
    words += ["--n-gold", str(question.n_gold)] if question.n_gold else []
    words += ["--combine", use["combine"]] if use["combine"] != "mean" and len(weak) > 1 else []
    method = question.method if question.method != "auto" else use["method"]
    words += ["--method", str(method)] if method != "auto" else []
    return [*words, "--strong", str(question.strong), "--out", "model/"]


def _of_study(
    source: str, *, quiet: bool, as_json: bool, threads: int, store: str, device: str, level: float, **options: Any
) -> None:
    from surpass.advice import advise_study, run_trial
    from surpass.errors import StageError
    from surpass.progress import Steps
    from surpass.runtime import Runtime
    from surpass.store import Store
    from surpass.studyfile import read

    lanes = 1 if options["trial"] else threads  # of a trial the jobs are side by side
    study, runtime = read(source), Runtime(jobs=options["jobs"] or 0, device=device, threads=lanes)
    with Steps(quiet=quiet or as_json) as progress:
        shared: dict[str, Any] = {
            "store": Store.open(store),
            "runtime": runtime,
            "progress": lambda text: progress(None, text),
        }
        if options["trial"]:
            try:
                found: Any = run_trial(study, out=options["out"] or Path("out") / study.name, **shared)
            except StageError as error:
                fail(str(error), FAILED_STAGE)
        else:
            found = advise_study(study, level=level, **shared)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
    elif not quiet:
        click.echo(found.text())
    if options["trial"] and found.failed:
        for text in found.failed:
            click.echo(f"Failed: {text}", err=True)
        sys.exit(FAILED_STAGE)
