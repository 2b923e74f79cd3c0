"""Whatever a study file, a table or the store holds: a result or an error in words; no hang, no write elsewhere."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_newcomer import STUDY
from test_store import KEY, predictions

from surpass.errors import SurpassError
from surpass.feasibility import problems_of
from surpass.folder import recall
from surpass.inspection import manifest
from surpass.runner import graph, run
from surpass.splits import Data, make_splits
from surpass.store import MANIFEST, MARKER, Store
from surpass.studyfile import read
from surpass.tasks.file import File

pytestmark = pytest.mark.timeout(240)  # of all examples of a test together; one takes milliseconds
FUZZ = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=60_000)

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**12),
    st.floats(allow_nan=True),
    st.sampled_from(
        ["", "toy", "sklearn", "probe", "hf", "mlp", "soft", "logconf", "file", "blend", "gold", "../..", "a:b"]
    ),
    st.text(max_size=8),
)
FIELDS = (
    "name tasks pairs methods data seeds task model label method weak strong rows n_weak n_transfer n_val n_test ngrams "
    "params estimator through rounds try level members backbone path shift seed first_seed reprobe control epochs lr solver"
)
NAMES = st.sampled_from(FIELDS.split())
THINGS = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


@pytest.fixture
def fenced(tmp_path, monkeypatch) -> Iterator[Path]:
    """Return a folder to work in, and check that nothing beside it was written."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside.txt").write_text("untouched")
    monkeypatch.chdir(inside)
    yield inside
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside.txt"]
    assert (tmp_path / "outside.txt").read_text() == "untouched"


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each part of nested mappings and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, item in items for place in places(item, (*path, name)))]


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """Return nested data with one part replaced."""
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = changed(copy[place[0]], place[1:], new)
    return copy


def looked_at(path: Path) -> None:
    """Do what `surpass plan` does with a study file, but for reading its rows where they are many."""
    with contextlib.suppress(SurpassError):
        study = read(path)
        rows = max((getattr(task, "rows", 0) for task in study.tasks), default=0)
        if not problems_of(study, read_rows=rows < 10_000):
            graph(study)


@FUZZ
@given(st.data())
def test_study_files_with_anything_in_any_place(fenced, data):
    body = yaml.safe_load(STUDY)
    for _ in range(data.draw(st.integers(1, 3))):
        body = changed(body, data.draw(st.sampled_from(places(body))), data.draw(THINGS))
    (fenced / "s.yaml").write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8", errors="replace")
    looked_at(fenced / "s.yaml")


def garbled(content: bytes, seed: int) -> bytes:
    """Return content with a few bytes replaced, doubled, cut out or put in."""
    rng, found = random.Random(seed), bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(found) + 1)
        how = rng.randrange(4)
        if how == 0:
            found[at : at + 1] = bytes([rng.randrange(256)])
        elif how == 1:
            found[at:at] = found[at : at + rng.randint(1, 40)]
        elif how == 2:
            del found[at : at + rng.randint(1, 20)]
        else:
            found[at:at] = rng.choice(
                [b"\0", b"\xff\xfe", b'"', b"\r", b"&a", b"*a", b"[", b"{", b"\xe2\x80\xae", b"!!x "]
            )
    return bytes(found)


@pytest.mark.parametrize("much", ["seeds: 1000000000", "tasks: [{task: toy, rows: 10000000000}]"])
def test_numbers_that_would_take_for_ever_are_refused(much, fenced):
    body = {**yaml.safe_load(STUDY), **yaml.safe_load(much)}
    (fenced / "s.yaml").write_text(yaml.safe_dump(body))
    with pytest.raises(SurpassError, match=r"at most 100000 is allowed|at most 1e\+06 is allowed"):
        read(fenced / "s.yaml")


@FUZZ
@given(st.integers(0, 2**32))
def test_study_files_with_garbled_bytes(fenced, seed):
    (fenced / "s.yaml").write_bytes(garbled(STUDY.encode(), seed))
    looked_at(fenced / "s.yaml")


@pytest.mark.parametrize("deep", ["[" * 5000, "{a: " * 5000, "- " * 5000, "a: &a [*a, *a]", "a: &a {b: *a}"])
def test_study_files_that_go_deep(deep, fenced):
    (fenced / "s.yaml").write_text(deep)
    looked_at(fenced / "s.yaml")


def test_a_study_file_that_doubles_itself(fenced):
    """The billion laughs: aliases of aliases, which take no room until somebody copies them."""
    lines = ["a0: &a0 [toy, toy, toy, toy, toy, toy, toy, toy]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]" for i in range(1, 12)]
    (fenced / "s.yaml").write_text("\n".join([*lines, "name: x", "tasks: *a11", "pairs: *a11"]))
    looked_at(fenced / "s.yaml")


TABLE = "id,text,label,author,part\n" + "".join(
    f"{i},text number {i},{'yes' if i % 2 else 'no'},a{i % 7},{'train' if i % 3 else 'test'}\n" for i in range(30)
)
LINES = "".join(json.dumps({"text": f"t {i}", "label": i % 2, "author": [i]}) + "\n" for i in range(30))


@FUZZ
@given(st.integers(0, 2**32), st.sampled_from([".csv", ".tsv", ".jsonl", ".csv.gz"]), st.booleans())
def test_tables_with_garbled_bytes(fenced, seed, suffix, strict):
    content = LINES if suffix == ".jsonl" else TABLE.replace(",", "\t") if suffix == ".tsv" else TABLE
    path = fenced / f"rows{suffix}"
    path.write_bytes(garbled(content.encode(), seed))
    with contextlib.suppress(SurpassError):
        options = {"id_column": "id", "group": "author", "part": "part"} if suffix != ".jsonl" and seed % 2 else {}
        task = File(path=str(path), strict=strict, **options)
        task.problem()
        task = task.resolve()
        make_splits(Data(task=task, n_weak=4, n_transfer=4, n_val=2, n_test=4, balance=bool(seed % 3)))


JSONS = st.recursive(
    PLAIN | st.just({"bytes": 3, "sha256": "0" * 64}),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["files", "kind", "key", "spec", "version", "inputs", "bytes", "layout", "study", "store", "ended"]
            )
            | st.sampled_from(
                ["arrays.npz", "rows.json", "../../../../../outside.txt", "/etc/passwd", "a\0b", "status", "name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@FUZZ
@given(st.data())
def test_manifests_and_payload_with_anything_in_any_place(fenced, data):
    shutil.rmtree(fenced / "store", ignore_errors=True)
    store = Store.open(fenced / "store")
    store.save("fit", KEY, predictions(), {"spec": {"kind": "fit", "version": 1}})
    folder = store.path("fit", KEY)
    if data.draw(st.booleans()):
        body = json.loads((folder / MANIFEST).read_text())
        body = changed(body, data.draw(st.sampled_from(places(body))), data.draw(JSONS))
        (folder / MANIFEST).write_text(json.dumps(body), encoding="utf-8")
    else:
        name = data.draw(st.sampled_from([MANIFEST, "arrays.npz", "rows.json"]))
        (folder / name).write_bytes(garbled((folder / name).read_bytes(), data.draw(st.integers(0, 2**32))))
    store.fault("fit", KEY)
    for use in (lambda: store.load("fit", KEY), lambda: manifest(store, KEY[:4])):
        with contextlib.suppress(SurpassError):
            use()
    store.save("fit", KEY, predictions(0.75), {})
    assert store.fault("fit", KEY) is None


@FUZZ
@given(st.data())
def test_payload_of_others_with_right_checksums(fenced, data):
    """Files that say they are whole, and are nothing of ours."""
    from surpass.disk import sha256

    shutil.rmtree(fenced / "store", ignore_errors=True)
    store = Store.open(fenced / "store")
    kind = data.draw(st.sampled_from(["fit", "data", "features", "label", "network"]))
    store.save(kind, KEY, predictions(), {})
    folder = store.path(kind, KEY)
    body = json.loads((folder / "rows.json").read_text())
    body = changed(body, data.draw(st.sampled_from(places(body))), data.draw(JSONS))
    (folder / "rows.json").write_text(json.dumps(body), encoding="utf-8")
    about = store.manifest(kind, KEY)
    for name in about["files"]:
        about["files"][name] = {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
    (folder / MANIFEST).write_text(json.dumps(about))
    with contextlib.suppress(SurpassError):
        store.load(kind, KEY)


@pytest.fixture(scope="module")
def finished(small_study, tmp_path_factory) -> dict[str, Any]:
    """Return what study.json of a finished study holds, its store's address absolute."""
    from surpass.folder import FILE, remember

    folder = tmp_path_factory.mktemp("finished")
    store = Store.open(folder / "store")
    remember(folder / "out", *run(small_study(), store=store), store)
    return {**json.loads((folder / "out" / FILE).read_text()), "store": str(store.root)}


@settings(FUZZ, max_examples=60)
@given(st.data())
def test_output_folders_and_markers_with_anything_in_any_place(fenced, finished, data):
    body = changed(finished, data.draw(st.sampled_from(places(finished))), data.draw(JSONS | THINGS))
    (fenced / "study.json").write_text(json.dumps(body), encoding="utf-8")
    with contextlib.suppress(SurpassError):
        recall(fenced)
    (fenced / "other").mkdir(exist_ok=True)
    (fenced / "other" / MARKER).write_text(json.dumps(data.draw(JSONS)), encoding="utf-8")
    with contextlib.suppress(SurpassError):
        Store.open(fenced / "other")
