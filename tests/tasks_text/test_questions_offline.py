"""QuaRTz and Social IQa as the `evals` package holds them: two rows a question, twins together, no full stop that tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surpass.errors import DataError
from surpass.splits import Data, make_splits
from surpass.tasks._choice import Choosing
from surpass.tasks._evals import asked
from surpass.tasks._near import families
from surpass.tasks.base import Example
from surpass.tasks.quartz import Quartz
from surpass.tasks.quartz import read as read_quartz
from surpass.tasks.social_iqa import SocialIqa


def row(text: str, ideal: str, **more: str) -> dict[str, object]:
    return {
        "input": [{"role": "system", "content": "A: no"}, {"role": "user", "content": text}],
        "ideal": ideal,
        **more,
    }


def test_a_message_is_a_question_and_its_answers() -> None:
    found = asked(row("Ice is\n\n A: cold.\n B: hot; not", "A"), "AB", asset="quartz")
    assert found == ("Ice is", ("cold", "hot; not"), 0)
    assert asked(row("Ann ran. Why? A: to win; B: to hide; C: to rest.", "C"), "ABC", asset="x").answers[2] == "to rest"


@pytest.mark.parametrize(
    ("text", "ideal"),
    [("Ice is\n A: cold\n C: hot", "A"), ("Ice is\n A: cold\n B: hot", "C"), ("Ice is\n A: cold", "A")],
)
def test_a_message_without_the_letters_is_named(text: str, ideal: str) -> None:
    with pytest.raises(DataError, match=r"asset 'quartz': the message 'Ice is.*surpass assets fetch quartz"):
        asked(row(text, ideal), "AB", asset="quartz")


def test_a_question_becomes_a_right_and_a_wrong_row() -> None:
    one = row("The slope gets steeper. The water flows\n\n A: faster\n B: slower", "A", family="slope")
    first, second = Quartz().examples([one])
    assert first.input == 'Q: "The slope gets steeper. The water flows" Is the answer "faster"?'
    assert second.input == 'Q: "The slope gets steeper. The water flows" Is the answer "slower"?'
    assert (first.label, second.label) == (1, 0)
    assert first.group == second.group
    (alone,) = Quartz().examples([one], protocol="eleuther")
    assert alone in (first, second)


def test_social_iqa_is_written_as_its_template() -> None:
    one = row("Ann lent Bo her car. She smiled. What will Bo do? A: thank Ann; B: run; C: sleep.", "A")
    first, second = SocialIqa().examples([one])
    assert first.input == (
        "Context:\nAnn lent Bo her car. She smiled.\n\n"
        'Question: "What will Bo do?"\n\n'
        "Choices:\nthank Ann\nrun\nsleep\n\n"
        'Is the answer "thank Ann"?'
    )
    assert (first.label, second.label) == (1, 0)
    assert second.input.endswith(('"run"?', '"sleep"?'))
    other = row("Ann lent Bo her car. She smiled. Why did Ann smile? A: joy; B: hate; C: sleep.", "A")
    assert next(iter(SocialIqa().examples([other]))).group == first.group


def test_the_wrong_answer_and_the_single_candidate_are_drawn_evenly() -> None:
    rows = [row(f"Ann ran {i} miles. Why? A: to win; B: to hide; C: to rest.", "ABC"[i % 3]) for i in range(600)]
    paper, single = (list(SocialIqa().examples(rows, protocol=name)) for name in ("paper", "eleuther"))
    assert Counter(example.label for example in paper) == {0: 600, 1: 600}
    assert Counter(example.label for example in single)[1] == pytest.approx(300, abs=60)
    wrong = Counter(example.input.rpartition("answer ")[2] for example in paper if not example.label)
    assert min(wrong.values()) > 150


def test_questions_that_differ_in_a_word_are_one_family() -> None:
    texts = [
        "If the speed of a stream decreases, the size of the particles carried in that stream will",
        "If the speed of a stream increases, the size of the particles carried in that stream will",
        "Kim rubs two sticks together in the rain. The heat is",
        "",
    ]
    for order in (texts, texts[::-1]):
        found = dict(zip(order, families(order, alike=0.6), strict=True))
        assert found[texts[0]] == found[texts[1]] == texts[0]
        assert found[texts[2]] == texts[2]
        assert found[""] == ""
    linked = families(["red house", "blue car", "green tree"], alike=0.9, keys=["x", "", "x"])
    assert linked == ["green tree", "blue car", "green tree"]


def test_the_file_is_read_with_families(tmp_path: Path) -> None:
    lines = [
        '{"input": [{"role": "user", "content": "More wind makes the boat go\\n\\n A: faster\\n B: slower"}], "ideal": "A"}',
        '{"input": [{"role": "user", "content": "Less wind makes the boat go\\n\\n A: faster\\n B: slower"}], "ideal": "B"}',
    ]
    (tmp_path / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert [found["family"] for found in read_quartz(tmp_path)] == ["Less wind makes the boat go"] * 2


def real(task: Choosing) -> list[Example]:
    if problem := task.problem():
        pytest.skip(problem)
    return [example for example in task.examples() if example is not None]


@pytest.mark.assets
@pytest.mark.parametrize(
    ("task", "read", "groups", "conflicting"), [(Quartz(), 7_720, 1_863, 32), (SocialIqa(), 4_448, 2_203, 0)]
)
def test_real_questions(task: Choosing, read: int, groups: int, conflicting: int) -> None:
    found = real(task)
    assert Counter(row.label for row in found) == {0: read // 2, 1: read // 2}
    assert len({row.group for row in found}) == groups
    splits = make_splits(Data(task=task.resolve(), n_weak=800, n_transfer=1600, n_test=1000))
    assert (splits.facts["conflicting"], splits.facts["usable"]) == (conflicting, task.size)
    assert np.bincount(splits.part("test").labels).tolist() == [500, 500]
    assert not set(splits.part("test", "val").groups) & set(splits.part("weak", "transfer").groups)
    assert not any('."?' in row.input for row in found)  # the full stop that only the last choice had
    single = list(task.examples(protocol="eleuther"))
    assert len(single) == read // 2
    assert np.mean([row.label for row in single]) == pytest.approx(0.5, abs=0.03)


@pytest.mark.assets
def test_no_twin_of_a_test_question_is_in_training() -> None:
    """Nearly all words of a question in common, the rest being its opposite: such pairs stay on one side."""
    task = Quartz()
    real(task)
    splits = make_splits(Data(task=task.resolve(), n_weak=1000, n_transfer=2000, n_test=1400))

    def questions(*names: str) -> list[frozenset[str]]:
        return list({frozenset(text.split('"')[1].split()) for text in splits.part(*names).inputs})

    train = questions("weak", "transfer")
    close = [any(len(one & other) > 0.85 * len(one | other) for other in train) for one in questions("test")]
    assert np.mean(close) < 0.005


def test_rng_alone_draws() -> None:
    one = row("Ann ran. Why? A: to win; B: to hide; C: to rest.", "B")
    drawn = {str(SocialIqa().example(one, Random(seed))) for seed in range(30)}
    assert len(drawn) == 3
