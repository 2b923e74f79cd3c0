"""What a store holds, for tests that compare two of them."""

from __future__ import annotations

from pathlib import Path

from surpass.store import Store


def contents(root: Path) -> dict[str, dict[str, str]]:
    """Return the checksums of every payload file of a store, by artifact; each file is read again."""
    store, found = Store.open(root), {}
    for kind, name in store.find(""):
        assert store.fault(kind, name) is None
        found[f"{kind}/{name}"] = {file: fact["sha256"] for file, fact in store.manifest(kind, name)["files"].items()}
    return found
