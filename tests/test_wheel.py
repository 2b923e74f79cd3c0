"""The wheel holds everything that the package reads, and works away from this repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_an_installed_wheel_finds_its_presets_and_files(tmp_path, python):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    source = ROOT / "src"
    kept = {path.relative_to(source) for path in (source / "surpass").rglob("*.*") if path.suffix != ".pyc"}
    assert {str(path) for path in kept if not (site / path).is_file()} == set()
    code = "import surpass; from surpass import presets; print(surpass.__file__, *presets.names())"
    where, *presets = python(code, path=site).split()
    assert Path(where).is_relative_to(site)
    code = "from surpass.checks import CODES, pages; print(pages.folder()); print(sorted(CODES) == pages.codes())"
    folder, whole = python(code, path=site).split()
    assert Path(folder).is_relative_to(site)
    assert whole == "True"
    assert presets == sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
