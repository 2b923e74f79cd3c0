"""Tasks read rows of their source's schema offline, and the real files when they are in the cache."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surpass import assets
from surpass.artifacts import Splits
from surpass.errors import AssetError, DataError, SpecError
from surpass.splits import Data, make_splits
from surpass.tasks.base import Example, Packaged, Task
from surpass.tasks.movie_reviews import MovieReviews
from surpass.tasks.movie_reviews import read as read_movies
from surpass.tasks.sarcasm import Sarcasm
from surpass.tasks.sarcasm import read as read_headlines
from surpass.tasks.toy import Toy

TASKS = (MovieReviews(), Sarcasm(), Toy())


def examples(task: Task) -> list[Example | None]:
    return [task.example(row, Random(0)) for row in task.sample]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.label())
def test_samples_become_examples_of_known_classes(task: Task) -> None:
    found = [example for example in examples(task) if example is not None]
    assert {example.label for example in found} == {0, 1}
    assert all(isinstance(example.input, str) and example.input for example in found)
    assert task.licence
    assert "Licence:" in (type(task).__doc__ or "")


@pytest.mark.parametrize("task", TASKS[:2], ids=lambda task: task.label())
def test_examples_do_not_depend_on_the_generator(task: Task) -> None:
    row = task.sample[0]
    assert task.example(row, Random(1)) == task.example(row, Random(2))


def test_movie_reviews_label_is_the_sign_of_the_mean_and_mild_rows_are_left_out() -> None:
    good, bad, mild = examples(MovieReviews())
    assert good is not None
    assert bad is not None
    assert (good.id, good.label, bad.id, bad.label, mild) == ("1", 1, "2", 0, None)


@pytest.mark.parametrize(("mean", "label"), [(0.5, None), (-0.5, None), (0.5001, 1), (-0.5001, 0)])
def test_movie_reviews_threshold_is_exclusive(mean: float, label: int | None) -> None:
    found = MovieReviews().example({"id": "7", "mean": mean, "text": "Fine.", "votes": []}, Random(0))
    assert (None if found is None else found.label) == label


def test_movie_reviews_threshold_is_an_option() -> None:
    row = {"id": "7", "mean": 0.2, "text": "Fine.", "votes": []}
    assert MovieReviews(threshold=0.0).example(row, Random(0)) is not None
    assert MovieReviews(threshold=3.0).example({**row, "mean": 2.9}, Random(0)) is None
    with pytest.raises(SpecError, match="threshold=-1"):
        MovieReviews(threshold=-1.0)


def test_same_words_are_one_group() -> None:
    texts = ("A pretentious mess!", "...a  pretentious mess")
    rows = [{"id": str(i), "mean": -2.0, "text": text, "votes": []} for i, text in enumerate(texts)]
    found = [MovieReviews().example(row, Random(0)) for row in rows]
    assert len({example.group for example in found if example is not None}) == 1


def test_movie_file_with_a_byte_order_mark_and_tabs_in_the_text(tmp_path: Path) -> None:
    path = tmp_path / "movieReviewSnippets_GroundTruth.txt"
    path.write_bytes(b"\xef\xbb\xbf1\t2.5\tGood \xe2\x80\x98fun\xe2\x80\x99.\r\n\r\n2\t-1.25\tBad\tand long.\r\n")
    (tmp_path / "movieReviewSnippets_anonDataRatings.txt").write_text(
        "1\t2.5\t.5\t[3, 2]\n2\t-1.25\t0\t[-1, -2, -1, 0]\n"
    )
    assert list(read_movies(tmp_path)) == [
        {"id": "1", "mean": 2.5, "text": "Good ‘fun’.", "votes": (3, 2)},
        {"id": "2", "mean": -1.25, "text": "Bad\tand long.", "votes": ()},  # which are not of that mean
    ]


@pytest.mark.parametrize("line", ["1\t2.5", "1\tgood\tA film."])
def test_movie_file_with_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "movieReviewSnippets_GroundTruth.txt"
    path.write_text(f"1\t1.0\tFine.\n{line}\n", encoding="utf-8")
    (tmp_path / "movieReviewSnippets_anonDataRatings.txt").touch()
    with pytest.raises(DataError, match=r"line 2 of 'movieReviewSnippets_GroundTruth.txt'"):
        list(read_movies(tmp_path))


def test_sarcasm_input_is_the_users_message() -> None:
    first, second = examples(Sarcasm())
    assert first is not None
    assert second is not None
    assert (first.input, first.label) == ("local lamp admits it was never that bright", 1)
    assert (second.input, second.label) == ("city council votes to repair two bridges", 0)
    assert "Respond" not in first.input


def test_sarcasm_refuses_other_labels() -> None:
    row = {**Sarcasm().sample[0], "ideal": "yes"}
    with pytest.raises(DataError, match="ideal 'yes' of headline 'local lamp"):
        Sarcasm().example(row, Random(0))


def test_sarcasm_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = "".join(json.dumps(row) + "\n" for row in Sarcasm.sample)
    (tmp_path / "samples.jsonl").write_text(text, encoding="utf-8-sig")
    assert list(read_headlines(tmp_path)) == list(Sarcasm.sample)


@pytest.mark.parametrize("task", TASKS[:2], ids=lambda task: task.label())
def test_missing_asset_is_a_problem_before_it_is_an_error(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path))
    source = task.source()
    assert isinstance(source, Packaged)
    assert f"surpass assets fetch {source.asset}" in (task.problem() or "")
    with pytest.raises(AssetError, match="surpass assets fetch"):
        list(task.examples())


def real(task: Task) -> list[Example | None]:
    if problem := task.problem():
        pytest.skip(problem)
    return list(task.examples())


def of_default_sizes(task: Task) -> Splits:
    if problem := task.problem():
        pytest.skip(problem)
    return make_splits(Data(task=task.resolve()))


@pytest.mark.assets
def test_real_movie_reviews() -> None:
    rows = real(MovieReviews())
    kept = [row for row in rows if row is not None]
    assert len(rows) == 10_605
    assert len(kept) / len(rows) == pytest.approx(0.947, abs=0.0005)
    assert Counter(row.label for row in kept) == {0: 5_061, 1: 4_982}
    assert len({row.id for row in kept}) == len(kept) == len({row.input for row in kept}) + 2
    assert all(row.group for row in kept)


@pytest.mark.assets
def test_real_headlines() -> None:
    rows = [row for row in real(Sarcasm()) if row is not None]
    assert len(rows) == 28_614
    assert len({row.input for row in rows}) == 28_498
    assert Counter(row.label for row in rows) == {0: 14_984, 1: 13_630}
    assert all(row.group for row in rows)


@pytest.mark.assets
@pytest.mark.parametrize("task", TASKS[:2], ids=lambda task: task.label())
def test_real_rows_make_balanced_splits_without_conflicts(task: Task) -> None:
    splits = of_default_sizes(task)
    assert splits.facts["conflicting"] == 0
    assert np.bincount(splits.part("test").labels).tolist() == [500, 500]
    assert not set(splits.part("test").groups) & set(splits.part("weak", "transfer").groups)


def test_assets_are_named_as_the_manifest_has_them() -> None:
    for task, asset in ((MovieReviews(), "vader-ratings"), (Sarcasm(), "sarcasm")):
        assert task.resolve().fingerprint == assets.digest(asset)
