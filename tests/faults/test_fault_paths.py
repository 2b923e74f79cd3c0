"""Links and names that lead out of the store: nothing there is read, written or removed."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from test_store import KEY, predictions

from surpass.errors import StoreError
from surpass.store import Store


@pytest.fixture
def outside(tmp_path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "thesis.tex").write_text("important")
    old = time.time() - 48 * 3600
    os.utime(folder / "thesis.tex", (old, old))
    return folder


def untouched(outside: Path) -> bool:
    return [(path.name, path.read_text()) for path in outside.rglob("*")] == [("thesis.tex", "important")]


@pytest.mark.parametrize("name", ["fit", "tmp", "locks", "timings.tsv"])
def test_a_store_with_a_link_in_the_place_of_its_own_is_refused(name, store, outside):
    (store.root / name).symlink_to(outside)
    with pytest.raises(StoreError, match=rf"has a link in the place of its own '{name}'"):
        Store.open(store.root)
    assert untouched(outside)


@pytest.mark.parametrize("level", ["fit/{key2}", "fit/{key2}/{key}", "locks/{key2}"])
def test_links_deeper_down_are_not_followed(level, store, outside):
    link = store.root / level.format(key2=KEY[:2], key=KEY)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    if level.endswith("{key}"):  # the artifact's own place: damage, which saving mends
        store.save("fit", KEY, predictions(), {})
        assert not link.is_symlink()
    else:
        with pytest.raises(StoreError, match="is a link, which may lead out of the store"), store.lock(KEY):
            store.save("fit", KEY, predictions(), {})
    assert untouched(outside)


def test_a_linked_payload_is_damage(store, outside):
    store.save("fit", KEY, predictions(), {})
    arrays = store.path("fit", KEY) / "arrays.npz"
    shutil.move(arrays, outside.parent / "arrays.npz")
    arrays.symlink_to(outside.parent / "arrays.npz")
    assert "arrays.npz is a link" in str(store.fault("fit", KEY))
    store.save("fit", KEY, predictions(0.75), {})
    assert store.load("fit", KEY).values[0, 0] == 0.75


def test_sweeping_leftovers_does_not_follow_links(store, outside):
    link = store.root / "tmp" / "leftover"
    link.parent.mkdir()
    link.symlink_to(outside)
    old = time.time() - 48 * 3600
    os.utime(link, (old, old), follow_symlinks=False)
    store.sweep()
    assert not link.is_symlink()
    assert untouched(outside)


@pytest.mark.parametrize("key", ["../../outside", "..", ".", "", "/etc", "a/b", "a\\b", "a\0b", "a\nb", "*"])
def test_keys_that_are_no_names_reach_nothing(key, store, outside):
    (store.root / "fit").mkdir()
    for use in (store.path, store.has, store.manifest, store.fault, store.load, store.discard):
        with pytest.raises(StoreError, match="names no artifact"):
            use("fit", key)
    with pytest.raises(StoreError), store.lock(key):
        pass
    with pytest.raises(StoreError, match="names no artifact"):
        store.save("fit", key, predictions(), {})
    with pytest.raises(StoreError, match="names no artifact"):
        store.path("../fit", KEY)
    assert untouched(outside)
