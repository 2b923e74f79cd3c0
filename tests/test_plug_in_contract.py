"""Plug-ins do not import each other: the contract of `lint-imports` sees it where they do."""

from __future__ import annotations

from grimp import ImportGraph
from plug_in_contract import PlugIns

FILES = ("tasks.one", "tasks.other", "tasks.base", "tasks._shared", "corpora.base", "corpora.games")


def kept(importer: str, imported: str) -> bool:
    graph = ImportGraph()
    for name in ("tasks", "corpora", *FILES):
        graph.add_module(f"pack.{name}")
    graph.add_import(importer=f"pack.{importer}", imported=f"pack.{imported}")
    pairs = {"pairs": ["pack.tasks -> pack.tasks", "pack.tasks -> pack.corpora"]}
    return PlugIns(name="", session_options={}, contract_options=pairs).check(graph, verbose=False).kept


def test_a_plug_in_imports_the_base_and_shared_parts_alone():
    assert kept("tasks.one", "tasks.base")
    assert kept("tasks.one", "tasks._shared")
    assert kept("tasks.one", "corpora.base")
    assert kept("corpora.games", "corpora.base")
    assert not kept("tasks.one", "tasks.other")
    assert not kept("tasks.one", "corpora.games")
