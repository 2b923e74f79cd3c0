"""Headlines of five sections, and the asset whose thousands of files are gathered into one."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surpass import assets
from surpass.assets import fetching, manifest
from surpass.errors import AssetError, DataError
from surpass.splits import Data, make_splits
from surpass.tasks.base import Example
from surpass.tasks.bbc_headlines import BbcHeadlines, read

FILES = {
    "news/data/tech/2.txt": b"Phones fold\n",
    "news/data/sports/10.txt": "Cup für all\n\nText.".encode(),
    "news/data/sports/9.txt": b"A price of \xa3 5\n",
    "news/data2/other.txt": b"not below the folder",
    "news/about.txt": b"nor this",
}
GATHERED = [
    {"name": "sports/10.txt", "text": "Cup für all\n\nText."},
    {"name": "sports/9.txt", "text": "A price of � 5\n"},
    {"name": "tech/2.txt", "text": "Phones fold\n"},
]


def packed(path: Path, names: list[str]) -> Path:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("news/data/", "")
            for name in names:
                archive.writestr(name, FILES[name])
        return path
    with tarfile.open(path, "w:gz") as tar:
        folder = tarfile.TarInfo("news/data/tech")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(FILES[name])
            tar.addfile(entry, io.BytesIO(FILES[name]))
    return path


def asset(archive: Path, content: bytes, folder: str = "news/data/") -> manifest.Asset:
    sums = [hashlib.sha256(data).hexdigest() for data in (archive.read_bytes(), content)]
    member = manifest.Member(name=folder, path="news.jsonl", bytes=len(content), sha256=sums[1])
    return manifest.Asset(
        name="news",
        kind="data",
        summary="made up",
        package="news",
        version="1.0",
        licence="CC0",
        citation="none",
        archive=archive.name,
        bytes=archive.stat().st_size,
        sha256=sums[0],
        members=(member,),
    )


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that offers an asset in an index of its own, and an empty cache."""
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))

    def offer(archive_name: str, names: list[str], content: bytes, folder: str = "news/data/") -> manifest.Asset:
        archive = packed(tmp_path / "index" / archive_name, names)
        made = asset(archive, content, folder)
        monkeypatch.setattr(manifest, "catalogue", lambda: {"news": made})
        # The archive lies where a fetch that was stopped leaves it, so that no package index is asked.
        shelf = fetching.cache.shelf(made)
        shelf.mkdir(parents=True)
        archive.rename(shelf / archive.name)
        return made

    return offer


def gathered() -> bytes:
    return "".join(json.dumps(row) + "\n" for row in GATHERED).encode()


@pytest.mark.parametrize("archive", ["news-1.0-py3-none-any.whl", "news-1.0.tar.gz"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_folder_is_one_file_whatever_the_order_in_the_archive(offered, archive: str, order: int) -> None:
    made = offered(archive, list(FILES)[::order], gathered())
    folder = fetching.fetch_asset(made, say=lambda line: None)
    assert [json.loads(line) for line in (folder / "news.jsonl").read_text("utf-8").splitlines()] == GATHERED
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == ["news.jsonl"]
    assert assets.verify("news") == []
    (folder / "news.jsonl").write_bytes(gathered().replace(b"Phones", b"Fones!"))
    assert "sha256" in assets.verify("news")[0]


def test_a_folder_with_other_texts_is_refused(offered) -> None:
    made = offered("news-1.0-py3-none-any.whl", list(FILES)[:2], gathered())
    with pytest.raises(AssetError, match="member 'news/data/' does not have the"):
        fetching.fetch_asset(made, say=lambda line: None)
    assert not assets.present("news")


def test_a_folder_that_is_not_there_is_named(offered) -> None:
    made = offered("news-1.0-py3-none-any.whl", list(FILES), gathered(), folder="news/texts/")
    with pytest.raises(AssetError, match="is not what the manifest says: there is no folder 'news/texts/'"):
        fetching.fetch_asset(made, say=lambda line: None)


def example(name: str, text: str) -> Example:
    return BbcHeadlines().example({"name": name, "text": text}, Random(0))


def test_the_first_line_is_the_input_and_the_folder_the_label() -> None:
    found = example("sports/001.txt", "Keeper 'saves' the day \n\nA late save.\n")
    assert (found.input, found.label, found.group) == ("Keeper 'saves' the day", 3, "keeper saves the day")
    assert [BbcHeadlines.classes[row.label] for row in BbcHeadlines().examples(BbcHeadlines.sample) if row] == [
        "sports",
        "tech",
        "business",
    ]


@pytest.mark.parametrize(("name", "text"), [("travel/001.txt", "A trip\n"), ("tech/001.txt", "\nText.\n")])
def test_an_article_without_headline_or_section_is_named(name: str, text: str) -> None:
    with pytest.raises(DataError, match=f"article '{name}'.*surpass assets fetch bbc-news"):
        example(name, text)


def test_the_instruction_numbers_the_sections_as_the_labels() -> None:
    for label, section in enumerate(BbcHeadlines.classes):
        assert f"{label} {section}" in BbcHeadlines.instruction


def test_articles_are_read_as_rows(tmp_path: Path) -> None:
    (tmp_path / "articles.jsonl").write_bytes(gathered())
    assert list(read(tmp_path)) == GATHERED


@pytest.mark.assets
def test_real_headlines() -> None:
    task = BbcHeadlines()
    if problem := task.problem():
        pytest.skip(problem)
    rows = list(task.examples())
    distinct = {row.input: row.label for row in rows}
    assert len(rows) == 2_225
    assert Counter(distinct.values()) == {0: 501, 1: 365, 2: 397, 3: 500, 4: 333}
    assert len({(row.input, row.label) for row in rows}) == len(distinct)
    splits = make_splits(Data(task=task.resolve(), n_weak=360, n_transfer=720, n_val=100, n_test=400))
    assert splits.facts["repeated"] == 129
    assert np.bincount(splits.part("test").labels).tolist() == [80] * 5
    assert not set(splits.part("test", "val").groups) & set(splits.part("weak", "transfer").groups)
