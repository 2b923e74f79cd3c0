"""The code that the documents show is run, in the order they show it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from surpass.registry import LABELS

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "README.md"])
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
        else:
            exec(compile(block, name, "exec"), scope)
    for loaded in set(sys.modules) - before:
        if getattr(sys.modules[loaded], "__file__", None) and str(tmp_path) in str(sys.modules[loaded].__file__):
            del sys.modules[loaded]


def test_a_class_of_the_documents_is_found_as_module_colon_class(tmp_path, monkeypatch):
    block = next(b for b in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")) if "keyword.py" in b)
    (tmp_path / "docs_keyword.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert LABELS.get("docs_keyword:Keyword")().word == "warm"


def test_the_tree_in_the_readme_names_files_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text[text.index("    src/surpass/") :].split("\n\n", 1)[0]
    named = [line.split()[0] for line in tree.splitlines()[1:]]
    missing = [name for name in named if not (ROOT / "src/surpass" / name).exists()]
    assert len(named) > 15
    assert not missing
