"""Names to plug-ins: lazily, one file at a time, with a suggestion for a misspelt name."""

from __future__ import annotations

import json

import pytest

from surpass import registry
from surpass.errors import SpecError, UnknownNameError
from surpass.methods.soft import Soft
from surpass.registry import LABELS, METHODS, MODELS, REGISTRIES, TASKS, Registry

HEAVY = ("torch", "transformers", "peft", "accelerate", "sklearn", "scipy", "matplotlib", "pandas")


def test_names_import_no_plugin_and_nothing_heavy(python):
    code = f"""
import json, sys
from surpass.registry import REGISTRIES
names = {{family: each.names() for family, each in REGISTRIES.items()}}
plugins = [f"{{REGISTRIES[family].package}}.{{name.replace('-', '_')}}" for family in names for name in names[family]]
print(json.dumps([names, [m for m in {HEAVY!r} if m in sys.modules], [m for m in plugins if m in sys.modules]]))
"""
    names, heavy, plugins = json.loads(python(code))
    assert {"toy", "file"} <= set(names["task"])
    assert {"gold", "file", "ensemble"} <= set(names["label"])
    assert "sklearn" in names["model"]
    assert {"soft", "hard", "logconf"} <= set(names["method"])
    assert not heavy
    assert not plugins


def test_every_plugin_class_and_the_study_code_import_nothing_heavy(python):
    code = f"""
import json, sys
import surpass.runner, surpass.workers
from surpass.registry import REGISTRIES
for each in REGISTRIES.values():
    for name in each.names():
        each.get(name)
print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))
"""
    assert json.loads(python(code)) == []


@pytest.mark.parametrize(
    ("each", "name", "close"),
    [(METHODS, "logcnof", "logconf"), (TASKS, "toi", "toy"), (MODELS, "sklern", "sklearn"), (LABELS, "fiel", "file")],
)
def test_a_misspelt_name_brings_a_suggestion(each, name, close):
    with pytest.raises(UnknownNameError, match=rf"unknown {each.family} '{name}'\. Did you mean '{close}'\? Known: "):
        each.get(name)


def test_a_strange_name_brings_the_list_alone():
    with pytest.raises(UnknownNameError, match=r"unknown method 'qqqqq'\. Known: .*hard, .*soft"):
        METHODS.get("qqqqq")


def test_base_and_private_files_are_no_plugins():
    names = {name for each in REGISTRIES.values() for name in each.names()}
    assert "base" not in names
    assert not [name for name in names if name.startswith(("_", "-"))]


def test_module_and_object():
    assert METHODS.get("surpass.methods.soft:Soft") is Soft


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("surpass.methods.soft:Sift", "names surpass.methods.soft:Sift, which is not a method class"),
        ("surpass.tasks.toy:Toy", "names surpass.tasks.toy:Toy, which is not a method class"),
        ("surpass.methods.soft:", "which is not a method class"),
        (
            "no_such_module:Thing",
            r"cannot be imported from no_such_module: ModuleNotFoundError: .* put the folder of that file on PYTHONPATH",
        ),
        (":Thing", "cannot be imported from "),
    ],
)
def test_a_wrong_module_or_object_is_an_error_in_words(name, message):
    with pytest.raises(SpecError, match=message):
        METHODS.get(name)


@pytest.fixture
def orchards(tmp_path, monkeypatch) -> Registry:
    """Return a registry over a package whose files are good, broken, empty and two plug-ins at once."""
    package = tmp_path / "orchards"
    package.mkdir()
    good = "import dataclasses\nfrom surpass.methods.soft import Soft as _Soft\n\nclass {}(_Soft):\n    pass\n"
    files = {
        "__init__": "",
        "base": "raise RuntimeError('never imported')",
        "two_words": good.format("Good"),
        "broken": "import no_such_package",
        "wrong_syntax": "def :",
        "empty": "",
        "double": good.format("One") + good.format("Two"),
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._files.cache_clear()
    yield Registry("method", "orchards")
    registry._files.cache_clear()


def test_a_broken_file_breaks_only_its_own_name(orchards):
    assert {"broken", "double", "empty", "two-words", "wrong-syntax"} <= set(orchards.names())
    assert "base" not in orchards.names()
    assert orchards.get("two-words").__name__ == "Good"
    with pytest.raises(
        SpecError, match=r"method 'broken' cannot be imported from orchards\.broken: ModuleNotFoundError"
    ):
        orchards.get("broken")
    with pytest.raises(SpecError, match=r"method 'wrong-syntax' cannot be imported .*SyntaxError"):
        orchards.get("wrong-syntax")


@pytest.mark.parametrize(("name", "count"), [("empty", 0), ("double", 2)])
def test_a_file_holds_one_plugin(orchards, name, count):
    with pytest.raises(SpecError, match=rf"orchards\.{name} holds {count} method classes; .* exactly one"):
        orchards.get(name)
