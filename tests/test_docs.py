"""The code that the documents show is run, in the order they show it; what they say of the source holds."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from surpass.feasibility import problems_of
from surpass.registry import LABELS
from surpass.studyfile import read

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "surpass"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "README.md", "docs/generation.md"])
def test_every_code_block_runs(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    blocks = BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))
    assert blocks
    scope: dict[str, object] = {"__name__": "document"}
    for block in blocks:
        if found := re.match(r"# file: (\S+)\n", block):
            (tmp_path / found[1]).write_text(block, encoding="utf-8")
            monkeypatch.delitem(sys.modules, Path(found[1]).stem, raising=False)  # another test's
        else:
            exec(compile(block, name, "exec"), scope)
    for loaded in set(sys.modules) - before:
        if getattr(sys.modules[loaded], "__file__", None) and str(tmp_path) in str(sys.modules[loaded].__file__):
            del sys.modules[loaded]


def test_the_recipe_of_the_documents_is_a_study(tmp_path, monkeypatch):
    """As the command reads it, from another folder; `test_every_code_block_runs` runs it."""
    for block in BLOCK.findall((ROOT / "docs/generation.md").read_text(encoding="utf-8")):
        if found := re.match(r"# file: (\S+)\n", block):
            (tmp_path / found[1]).write_text(block, encoding="utf-8")
            monkeypatch.delitem(sys.modules, Path(found[1]).stem, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    study = read(f"{tmp_path / 'recipe.py'}:make")
    assert study.tasks[0].kind == "task/adding:Adding"
    assert problems_of(study) == []
    for name in ("recipe", "adding"):
        del sys.modules[name]


def test_a_class_of_the_documents_is_found_as_module_colon_class(tmp_path, monkeypatch):
    block = next(b for b in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")) if "contains.py" in b)
    (tmp_path / "docs_contains.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert LABELS.get("docs_contains:Contains")().word == "warm"


def test_the_tree_in_the_readme_has_one_line_for_every_module():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text[text.index("    src/surpass/") :].split("\n\n", 1)[0]
    named = [line.split()[0] for line in tree.splitlines()[1:]]
    packages = {f"{path.parent.name}/" for path in SOURCE.glob("*/__init__.py")}
    modules = {path.name for path in SOURCE.glob("*.py") if not path.name.startswith("__")}
    assert sorted(named) == sorted(packages | modules)


def test_each_recipe_of_contributing_fits_a_screen():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = {part.partition("\n")[0]: part.count("\n") for part in text.split("\n## ") if part.startswith("Add a ")}
    assert len(recipes) == 4
    assert {title: lines for title, lines in recipes.items() if lines > 50} == {}


def test_source_files_and_functions_are_short():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}
    long = [str(path) for path in trees if len(path.read_text(encoding="utf-8").splitlines()) >= 350]
    for path, tree in trees.items():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        long += [f"{path}: {node.name}" for node in functions if node.end_lineno - node.lineno >= 50]
    assert not long
