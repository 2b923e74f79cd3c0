"""A third party's package, installed: its plug-ins are found by entry point and work like our own."""

from __future__ import annotations

import json

import pytest

SETUP = """
import json, sys, tempfile
from surpass.registry import REGISTRIES, TASKS, LABELS, MODELS, METHODS
from surpass.spec import describe_kind, key, name_of, spec_class, encode, decode
"""
STUDY = """
name: harvest
tasks: [{task: harvest, rows: 400}]
data: {n_weak: 60, n_transfer: 60, n_val: 9, n_test: 60}
pairs:
  - {weak: {model: centroid, sharpness: 1.0}, strong: sklearn}
  - {weak: {label: taster, errors: 0.3}, strong: {model: "orchard.centroid:Centroid"}}
methods: [soft, {method: sharpen, power: 3}]
seeds: 1
"""


def test_names_come_from_entry_points_and_import_nothing(python, plugin_site):
    code = SETUP + "print(json.dumps([{f: r.names() for f, r in REGISTRIES.items()}, 'orchard' in sys.modules]))"
    names, imported = json.loads(python(code, path=plugin_site))
    for family, name in (("task", "harvest"), ("label", "taster"), ("model", "centroid"), ("method", "sharpen")):
        assert name in names[family]
    assert not imported


@pytest.mark.parametrize(
    "check",
    ["check_task('harvest')", "check_label_source('taster')", "check_model('centroid')", "check_method('sharpen')"],
)
def test_they_pass_their_contracts(check, python, plugin_site):
    python(f"from surpass import testing; testing.{check}", path=plugin_site)


def test_one_key_however_they_are_looked_up(python, plugin_site):
    code = (
        SETUP
        + """
import orchard.sharpen
classes = [METHODS.get("sharpen"), METHODS.get("orchard.sharpen:Sharpen"), orchard.sharpen.Sharpen]
classes.append(spec_class(encode(classes[0]())["kind"]))
print(json.dumps([len({key(cls(power=3.0)) for cls in classes}), describe_kind(classes[0]), name_of(classes[0](power=3)),
                  encode(classes[0]())["kind"]]))
"""
    )
    keys, described, name, kind = json.loads(python(code, path=plugin_site))
    assert keys == 1
    assert described == "method 'sharpen'"
    assert name == "sharpen(power=3)"
    assert kind == "method/orchard.sharpen:Sharpen"


@pytest.mark.parametrize("jobs", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_study_file_names_them(jobs, python, plugin_site, tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    code = f"""
import json
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.store import Store
from surpass.studyfile import read
from surpass.study import cells

if __name__ == "__main__":
    made, outcomes = run(read({str(tmp_path / "study.yaml")!r}), store=Store.open({str(tmp_path / "store")!r}),
                         runtime=Runtime(jobs={jobs}))
    fitted = [cell for cell in cells(made.study) if hasattr(cell.supervisor, "label")]
    labels = [(cell.student.method.kind, cell.supervisor.label()) for cell in fitted]
    print(json.dumps([[o.status + o.error for o in outcomes], labels]))
"""
    statuses, labels = json.loads(python(code, path=plugin_site))
    assert set(statuses) == {"done"}
    assert ["method/orchard.sharpen:Sharpen", "centroid(sharpness=1)"] in labels


def test_without_the_package_a_name_is_unknown(python):
    code = (
        SETUP
        + "from surpass.errors import UnknownNameError\ntry: TASKS.get('harvest')\nexcept UnknownNameError as e: print(e)"
    )
    assert python(code).startswith("unknown task 'harvest'.")
