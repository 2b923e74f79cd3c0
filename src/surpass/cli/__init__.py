"""The command line. Everything heavy is imported inside the commands, so that help answers at once.

A new command is a click command in a module of this package and a name in the list below, which is the order of --help.
"""

from __future__ import annotations

from surpass.cli.advise import advise
from surpass.cli.bench import bench
from surpass.cli.diagnose import diagnose
from surpass.cli.explain import explain
from surpass.cli.own import audit, fit
from surpass.cli.packaged import assets
from surpass.cli.predict import predict
from surpass.cli.program import main
from surpass.cli.reading import check, compare, list_plugins, report, show
from surpass.cli.studies import demo, plan, run

__all__ = ["main"]

for _command in (
    demo,
    run,
    plan,
    report,
    compare,
    check,
    explain,
    diagnose,
    advise,
    fit,
    predict,
    audit,
    list_plugins,
    show,
    assets,
    bench,
):
    main.add_command(_command)
