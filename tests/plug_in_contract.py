"""A contract of import-linter: which files of plug-ins may not import which. No list of files has to be kept.

A plug-in is a module right in a package of plug-ins, but for `base` and those whose name begins with an underscore.
"""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PlugIns(Contract):
    """No plug-in of the first package of a pair, "surpass.tasks -> surpass.corpora", imports one of the second itself."""

    pairs = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found = []
        for importing, imported in (pair.split(" -> ") for pair in self.pairs):
            others = _plug_ins(graph, imported)
            for name in sorted(_plug_ins(graph, importing)):
                found += [
                    f"{name} -> {other}" for other in sorted(graph.find_modules_directly_imported_by(name) & others)
                ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["found"]:
            output.print_error(f"{line}: look the other up by its name in surpass.registry")
            output.new_line()


def _plug_ins(graph: ImportGraph, package: str) -> set[str]:
    names = {module: module.rpartition(".")[2] for module in graph.find_children(package)}
    return {module for module, name in names.items() if name != "base" and not name.startswith("_")}
