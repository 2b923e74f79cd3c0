"""Ratings and comparisons of short texts, and the votes that single people's ratings are."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surpass.labels.raters import Raters
from surpass.splits import Data, make_splits
from surpass.tasks._vader import FILES, lines, rated, sides
from surpass.tasks.amazon_reviews import AmazonReviews
from surpass.tasks.base import Example, Task
from surpass.tasks.movie_reviews import MovieReviews
from surpass.tasks.nyt_editorials import NytEditorials
from surpass.tasks.sentiment_domains import SentimentDomains
from surpass.tasks.snippet_preferences import SnippetPreferences
from surpass.tasks.snippet_ratings import SnippetRatings
from surpass.tasks.tweets import Tweets


def written(folder: Path, rows: list[tuple[str, float, str, list[int]]], *, domain: str = "nyt") -> Path:
    stem = FILES[domain]
    truth = "".join(f"{name}\t{mean}\t{text}\n" for name, mean, text, _ in rows)
    (folder / f"{stem}_GroundTruth.txt").write_text(truth, encoding="utf-8-sig")
    ratings = "".join(f"{name}\t{mean}\t1.0\t{votes}\n" for name, mean, _, votes in rows[::-1])
    (folder / f"{stem}_anonDataRatings.txt").write_text(ratings, encoding="utf-8-sig")
    return folder


def real(task: Task) -> list[Example]:
    if problem := task.problem():
        pytest.skip(problem)
    kept = {row.id: row for row in task.examples() if row is not None}
    return list(kept.values())


def test_ratings_are_joined_by_id_and_dropped_where_the_mean_is_of_others(tmp_path: Path) -> None:
    rows = [("1_1", 1.5, "Fine.", [1, 2]), ("1_2", -2.0, "Bad.", [-2, -2, -2]), ("2_1", 1.0, "So so.", [0, 0, 1])]
    found = {row["id"]: row["votes"] for row in lines(written(tmp_path, rows), "nyt")}
    assert found == {"1_1": (1, 2), "1_2": (-2, -2, -2), "2_1": ()}


def test_a_vote_is_the_side_that_a_rating_takes() -> None:
    assert str(sides([3, -1, 0, 4])) == "(1.0, 0.0, nan, 1.0)"


@pytest.mark.parametrize("task", [MovieReviews(), AmazonReviews(), NytEditorials(), Tweets(), SentimentDomains()])
def test_votes_of_the_samples_are_sides_of_their_ratings(task: Task) -> None:
    for row, example in zip(task.sample, task.examples(task.sample), strict=True):
        if example is not None:
            assert str(example.votes) == str(sides(row["votes"]))
            assert np.nanmean(example.votes) != 0.5


def test_tweets_without_ratings_of_their_own_stay_unless_ratings_are_asked_for() -> None:
    row = {"id": "1", "mean": 2.0, "text": "Yay", "domain": "tweets", "group": "tweets/1", "votes": ()}
    for task in (Tweets(), Tweets(rated=True)):
        (found,) = task.examples([row])
        assert (found is None) == task.rated


def test_equal_texts_are_one_with_the_ratings_of_all(tmp_path: Path) -> None:
    rows = [("1_1", 1.0, "Yes.", [1, 1]), ("2_4", -2.0, "Yes.", [-1, -3]), ("2_5", 0.5, "Other.", [0, 1])]
    first, second = rated(written(tmp_path, rows), "nyt")
    assert (first["mean"], sorted(first["votes"]), first["group"]) == (-0.5, [-3, -1, 1, 1], "nyt/1")
    assert (second["text"], second["mean"]) == ("Other.", 0.5)
    examples = list(SnippetRatings().examples([first, second]))
    assert [example.label for example in examples] == [-0.5, 0.5]
    assert examples[1].votes == (0.0, 1.0)


def preferences(folder: Path, **options: object) -> list[Example]:
    task = SnippetPreferences(**options)
    return [example for example in task.examples(task.source().read(folder)) if example is not None]


def documents(n: int, *, sentences: int) -> list[tuple[str, float, str, list[int]]]:
    rng = Random(0)
    rows = []
    for document in range(n):
        for i in range(sentences):
            votes = [rng.randint(-4, 4) for _ in range(10)]
            rows.append((f"{document}_{i}", sum(votes) / 10, f"sentence {i} of document {document}", votes))
    return rows


def test_texts_meet_few_others_and_documents_one(tmp_path: Path) -> None:
    rows = documents(30, sentences=5)
    found = preferences(written(tmp_path, rows), margin=0.0)
    assert len(found) > 100
    assert len({example.id for example in found}) == len(found)
    texts = Counter(text for example in found for text in example.input)
    assert max(texts.values()) == 2
    groups: dict[str, set[str]] = defaultdict(set)
    for example in found:
        for text in example.input:
            groups[text.split()[-1]].add(example.group)
    assert {len(group) for group in groups.values()} == {1}  # a document is in one group of two documents
    assert len({example.group for example in found}) == 15


def test_the_better_one_has_the_higher_mean_and_votes_compare_single_ratings(tmp_path: Path) -> None:
    rows = documents(30, sentences=5)
    means = {text: mean for _, mean, text, _ in rows}
    ratings = {text: votes for _, _, text, votes in rows}
    found = preferences(written(tmp_path, rows), margin=0.5)
    assert 0.3 < np.mean([example.label for example in found]) < 0.7
    for example in found:
        first, second = example.input
        assert abs(means[first] - means[second]) > 0.5
        assert example.label == (means[first] > means[second])
        assert len(example.votes) == 10
    # A vote is a draw of one rating against one of the other: over all pairs as often as all their ratings say.
    wins = np.array([[v > w for v in ratings[a] for w in ratings[b]] for (a, b) in (row.input for row in found)])
    drawn = np.array([example.votes for example in found])
    assert np.nanmean(drawn == 1) == pytest.approx(wins.mean(), abs=0.03)


def test_pairs_do_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    rows = documents(20, sentences=3)
    first = preferences(written(tmp_path, rows))
    second = preferences(written(tmp_path, rows[::-1]))
    assert sorted(map(str, first)) == sorted(map(str, second))


def test_a_larger_margin_keeps_some_of_the_pairs(tmp_path: Path) -> None:
    folder = written(tmp_path, documents(30, sentences=5))
    near, far = ({str(example) for example in preferences(folder, margin=margin)} for margin in (0.3, 1.5))
    assert far < near
    assert far


@pytest.mark.assets
@pytest.mark.parametrize(
    ("domain", "count", "groups", "pairs"),
    [
        ("nyt", 5_119, 498, 1_895),
        ("movie", 10_603, 10_602, 3_489),
        ("amazon", 3_697, 285, 1_447),
        ("tweets", 4_004, 3_997, 1_228),
    ],
)
def test_real_ratings_and_pairs(domain: str, count: int, groups: int, pairs: int) -> None:
    task = SnippetRatings(domain=domain)
    found = real(task)
    assert len(found) == len({row.input for row in found}) == count
    assert len({row.group for row in found}) == groups
    assert all(row.label == pytest.approx(np.mean(row.votes)) and len(row.votes) >= 15 for row in found)
    compared = real(SnippetPreferences(domain=domain))
    assert len(compared) == pairs
    right = np.array([np.nanmean(row.votes) for row in compared])
    labels = np.array([row.label for row in compared])
    assert (((right > 0.5) == labels) | (right == 0.5)).mean() > 0.97
    data = Data(task=SnippetPreferences(domain=domain).resolve(), n_weak=100, n_transfer=300, n_val=50, n_test=200)
    splits = make_splits(data)
    train, test = splits.part("weak", "transfer"), splits.part("test", "val")
    assert not set(train.groups) & set(test.groups)
    assert not {text for pair in train.inputs for text in pair} & {text for pair in test.inputs for text in pair}


@pytest.mark.assets
@pytest.mark.parametrize(
    ("task", "without", "right"),
    [(MovieReviews(), 0, 0.92), (AmazonReviews(), 0, 0.91), (NytEditorials(), 0, 0.72), (Tweets(), 196, 0.86)],
    ids=lambda value: value.label() if isinstance(value, Task) else "",
)
def test_real_votes_agree_with_their_means(task: Task, without: int, right: float) -> None:
    found = real(task)
    assert sum(not row.votes for row in found) == without
    assert len(found) == task.size
    held = [row for row in found if row.votes]
    shares = np.mean([np.mean(np.array(row.votes) == row.label) for row in held])
    assert shares == pytest.approx(right, abs=0.006)
    majority = np.mean([(np.nanmean(row.votes) > 0.5) == row.label for row in held])
    assert majority > 0.97


@pytest.mark.assets
def test_more_raters_make_a_better_supervisor() -> None:
    task = SnippetRatings()
    real(task)
    splits = make_splits(Data(task=task.resolve(), n_weak=0, n_transfer=1500, n_test=800))
    gold = splits.part("test")
    errors = []
    for k in (1, 2, 5, 15, None):
        values = Raters(k=k).compute(splits, []).on(gold.ids)[:, 0]
        errors.append(float(np.mean((values - gold.labels) ** 2)))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(0)
    assert errors[0] / errors[2] == pytest.approx(5 * 19 / 15, rel=0.2)  # of 20 without replacement: (1/k - 1/20)
    tweets = make_splits(Data(task=Tweets(rated=True).resolve(), n_weak=0, n_transfer=800, n_val=100, n_test=400))
    assert len(Raters().compute(tweets, []).ids) == len(tweets.rows)
