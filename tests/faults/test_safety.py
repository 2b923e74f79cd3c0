"""What is read is data and not a program: no pickle, no code beside a model, no study file that imports what it likes."""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_store import KEY, predictions

import surpass as package
from surpass.components import component
from surpass.disk import sha256
from surpass.errors import StoreError, StudyError
from surpass.feasibility import problems_of
from surpass.models.sklearn import Sklearn
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.store import MANIFEST
from surpass.study import Pair
from surpass.studyfile import parse, read

SOURCE = Path(package.__file__).parent
READS_NOTHING_OF_OTHERS = {
    "tasks/_frames.py",  # a reader that knows a plain table's own calls alone, and refuses all others
    "testing/_methods.py",  # compares bytes that it wrote itself
    "testing/_samples.py",
}
UNSAFE = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib")
MODULES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Return every call of a module with what is called, such as `torch.load`."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node) for node in found]


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.AST]:
    return {name: ast.parse((SOURCE / name).read_text(encoding="utf-8")) for name in MODULES}


def test_no_module_reads_or_writes_pickles(trees):
    for name, tree in trees.items():
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        unsafe = {module for module in imported if module.partition(".")[0] in UNSAFE}
        assert not unsafe or (unsafe == {"pickle"} and name in READS_NOTHING_OF_OTHERS), f"{name} imports {unsafe}"
        for called, call in calls(tree):
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            if called in ("np.load", "numpy.load", "np.savez", "np.savez_compressed"):
                assert given.get("allow_pickle") == "False", f"{name}: {called}"
            assert not called.endswith(("read_pickle", "to_pickle", "torch.save")), f"{name}: {called}"
            if called == "torch.load":
                assert given.get("weights_only") == "True", f"{name}: {called}"
            assert called not in ("eval", "exec", "yaml.unsafe_load", "yaml.full_load"), f"{name}: {called}"


def test_code_beside_a_model_is_never_trusted(trees):
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert ast.unparse(node.value) == "False", name
            if isinstance(node, ast.Dict):
                for word, value in zip(node.keys, node.values, strict=True):
                    if word is not None and ast.unparse(word) == "'trust_remote_code'":
                        assert ast.unparse(value) == "False", name
    assert "trust_remote_code" in (SOURCE / "assets/backbones.py").read_text(encoding="utf-8")


def test_kept_weights_hold_no_pickle(small_study, store):
    run(small_study(), store=store, runtime=Runtime(keep_weights=True))
    kept = [path for path in (store.root / "fit").rglob("weights/*") if path.is_file()]
    assert {path.name for path in kept} == {"model.skops"}
    for path in kept:
        with zipfile.ZipFile(path) as file:
            assert "schema.json" in file.namelist()
            assert all(name.endswith((".json", ".npy", ".npz")) for name in file.namelist())


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_an_array_file_with_a_pickle_in_it_is_not_opened(store, tmp_path):
    store.save("fit", KEY, predictions(), {})
    folder = store.path("fit", KEY)
    held = dict(np.load(folder / "arrays.npz", allow_pickle=False))
    np.savez(folder / "arrays.npz", **{**held, "values": np.array([Bomb(tmp_path / "mark")], dtype=object)})
    manifest = json.loads((folder / MANIFEST).read_text())
    path = folder / "arrays.npz"
    manifest["files"]["arrays.npz"] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert store.fault("fit", KEY) is None
    with pytest.raises(StoreError, match=r"is not an artifact of this kind, though its checksums are right.*Remove '"):
        store.load("fit", KEY)
    assert not (tmp_path / "mark").exists()


# What a study file may name


@pytest.fixture
def stranger(tmp_path, monkeypatch) -> Iterator[Path]:
    """Return a folder on the path with a module that nobody registered; importing it leaves a mark."""
    code = "from pathlib import Path\nfrom surpass.methods.soft import Soft\nPath(__file__).with_name('mark').touch()\n"
    code += "class Mine(Soft):\n    pass\n"
    (tmp_path / "strange_module.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("strange_module", None)


def test_a_study_file_imports_no_module_of_others(stranger):
    body = {"name": "x", "tasks": ["toy"], "pairs": [{"weak": "sklearn", "strong": "sklearn"}]}
    for name, value in (
        ("methods", ["strange_module:Mine"]),
        ("tasks", ["strange_module:Mine"]),
        ("pairs", [{"weak": {"label": "strange_module:Mine"}, "strong": "sklearn"}]),
        ("pairs", [{"weak": "sklearn", "strong": {"model": "strange_module:Mine"}}]),
    ):
        with pytest.raises(StudyError, match="names a module that a study file cannot import"):
            parse({**body, name: value})
    assert not (stranger / "mark").exists()
    assert component("method", "strange_module:Mine").kind == "method/strange_module:Mine"  # as the command line asks
    assert (stranger / "mark").exists()


def test_a_loaded_package_opens_none_of_its_other_modules(tmp_path, monkeypatch):
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange/__init__.py").touch()
    (tmp_path / "strange/program.py").write_text("from pathlib import Path\nPath(__file__).with_name('mark').touch()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "strange", importlib.import_module("strange"))
    for module in ("strange.program", "numpy.f2py.__main__"):
        strong = {"model": f"{module}:Mine"}
        with pytest.raises(StudyError, match="names a module that a study file cannot import"):
            parse({"name": "x", "tasks": ["toy"], "pairs": [{"weak": "sklearn", "strong": strong}]})
        assert module not in sys.modules
    assert not (tmp_path / "strange/mark").exists()


def test_an_estimator_of_an_unknown_module_is_not_imported(stranger):
    model = Sklearn(estimator="strange_module.Mine")
    assert "is of a package that a study file cannot import" in str(model.problem())
    assert "classification" in model.targets
    assert not (stranger / "mark").exists()


@pytest.mark.parametrize("estimator", ["os.system", "subprocess.Popen", "pathlib.Path", "builtins.exec"])
def test_an_estimator_that_is_none_is_not_called(estimator, tmp_path, small_study):
    command = f"touch {tmp_path / 'mark'}"
    for name in ("command", "args", "source"):
        model = Sklearn(estimator=estimator, params=((name, command), ("shell", True)))
        assert re.search("is no class with a method fit|cannot import", str(model.problem()))
        assert model.targets
    study = small_study(pairs=(Pair(weak=Sklearn(), strong=model),))
    assert any("model 'sklearn'" in text for text in problems_of(study))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system ['touch mark']", "!!python/name:os.system ''", "!!python/module:strange ''"],
)
def test_yaml_makes_no_objects(tag, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(f"name: {tag}\ntasks: toy\n", encoding="utf-8")
    with pytest.raises(StudyError, match="is not valid YAML"):
        read(path)
    assert not (tmp_path / "mark").exists()
