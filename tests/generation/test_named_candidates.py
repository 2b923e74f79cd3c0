"""What a task may name as candidates, what is said of anything else, and of targets that are not among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import letters
import numpy as np
import pytest

from surpass.corpora.files import Files
from surpass.errors import DataError
from surpass.feasibility import problems_of
from surpass.guard import guard_rows
from surpass.models._pretrain import Pretrain
from surpass.models.generator import Generator
from surpass.runtime import Runtime
from surpass.splits import Data, make_splits
from surpass.study import Pair, Study
from surpass.tasks._judging import named

WORDS = [f"{a}{b}" for a in letters.LETTERS for b in letters.LETTERS]


def failing(prompt: str) -> list[str]:
    """Fail as a person's own code may."""
    raise KeyError(prompt)


def broken(prompt: str) -> Any:
    """Fail once it is iterated."""
    yield "a"
    raise ValueError("no more")


WRONG: list[tuple[Callable[[str], Any], str]] = [
    (lambda prompt: "abc", r"returned 'abc' \(str\)"),
    (lambda prompt: b"abc", r"returned b'abc' \(bytes\)"),
    (lambda prompt: None, r"returned None \(NoneType\)"),
    (lambda prompt: 12, r"returned 12 \(int\)"),
    (lambda prompt: [1, 2, 3], r"hold 1 \(int\)"),
    (lambda prompt: ["a", None], r"hold None \(NoneType\)"),
    (lambda prompt: {"a", b"a"}, r"hold b'a' \(bytes\)"),
    (lambda prompt: [WORDS], r"hold \['aa', 'ab', .{47}\.\.\. \(list\)"),
    (failing, "failed: KeyError: 'hac='"),
    (broken, "failed: ValueError: no more"),
]


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return letters.save_model(tmp_path_factory.mktemp("llama"), seed=3)


def writing(reference: str, of: Any, **changes: Any) -> Any:
    """Return a model before any training that writes among candidates."""
    model = letters.generator(reference, epochs=0, among="candidates", **changes)
    return model.fit(dataclasses.replace(letters.work(), candidates=of), Runtime())


@pytest.mark.parametrize(("of", "message"), WRONG)
def test_what_is_no_texts_is_told_with_its_value_and_type(llama, of, message):
    needed = r"\. It must return the texts that could answer the prompt: a list of str"
    with pytest.raises(DataError, match=f"the task's `candidates` for prompt 'hac=' {message}{needed}"):
        writing(llama, of).write(["hac="])


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, iter, dict.fromkeys, np.array])
def test_any_collection_of_texts_serves(llama, kind):
    prompts = letters.rows(8)[0]
    values, texts = writing(llama, lambda prompt: kind(["ab", "ba", "c"])).write(prompts)
    wanted, said = writing(llama, lambda prompt: ["ab", "ba", "c"]).write(prompts)
    assert texts.tolist() == said.tolist()
    assert np.array_equal(values, wanted)


def test_the_order_of_a_set_does_not_depend_on_the_run():
    assert named(lambda prompt: set(WORDS), "") == tuple(WORDS)
    assert named(lambda prompt: [*WORDS[::-1], "hh"], "") == tuple(WORDS[::-1])


def test_the_longest_candidate_of_all_prompts_is_told_with_what_it_takes(llama):
    given = {"abc=": ["a", "abcabc"], "hac=": ["a", "abcabcabc"], "bac=": ["b", "abcabca"]}
    with pytest.raises(DataError) as caught:
        writing(llama, given.__getitem__).write([*given])
    assert str(caught.value) == (
        "model 'generator': candidate 'abcabcabc' of prompt 'hac=' has 9 tokens, but max_new_tokens=6 has room for 5 and the "
        "end. Raise max_new_tokens to 10, or set among: any."
    )


@pytest.mark.parametrize(("length", "beyond"), [(62, False), (63, True), (90, True)])
def test_a_candidate_is_quoted_by_its_beginning_and_max_length_is_told_where_it_is_in_the_way(llama, length, beyond):
    """The model has 64 places: 63 tokens and an end would leave none to a prompt."""
    long = ("abc" * 40)[:length]
    with pytest.raises(DataError) as caught:
        writing(llama, lambda prompt: ["a", long]).write(["hac="])
    told = str(caught.value)
    assert f"candidate '{long[:60]}...' of prompt 'hac=' has {length} tokens" in told
    also = (
        f"Raise max_new_tokens to {length + 1} and max_length above that, where the model can take more than 64 tokens"
    )
    assert (also in told) == beyond
    assert f"Raise max_new_tokens to {length + 1}" in told


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known(letters.Doubled):
    """Doubled letters that name candidates. Generated; licence: none needed."""

    of: ClassVar[Callable[[str], Any]] = staticmethod(lambda prompt: [prompt[0] * 2 + prompt[2], "a"])
    accepts = letters.Task.accepts

    def candidates(self, prompt: str) -> Any:
        """Return what the class has."""
        return self.of(prompt)


class Without(Known):
    """It names others."""

    of = staticmethod(lambda prompt: [prompt[0]])


class Few(Known):
    """It leaves out those that begin with the last letter."""

    of = staticmethod(lambda prompt: () if prompt[0] == "h" else [f" {prompt[0] * 2}{prompt[2]} "])


class Wrong(Known):
    """It names a text, and not a list of texts."""

    of = staticmethod(lambda prompt: prompt)


def unlisted(task: Any) -> list[Any]:
    splits = make_splits(Data(task=task, n_weak=150, n_transfer=150, n_val=20, n_test=120).resolve())
    return [one for one in guard_rows(splits, task) if one.code == "unlisted-targets"]


def test_targets_that_are_no_candidates_are_counted_with_an_example():
    assert unlisted(letters.Doubled()) == []
    assert unlisted(Known()) == []
    (found,) = unlisted(Without())
    assert found.severity == "error"
    assert found.message.startswith("in 300 of the 300 rows that were looked at, the target is none of the candidates")
    assert "where it names '" in found.message
    (found,) = unlisted(Few())
    assert found.severity == "warning"
    assert 0.05 < found.evidence["unlisted"] / 300 < 0.25
    assert "such as 'hh" in found.message
    assert "where it names none" in found.message


def test_candidates_that_are_no_texts_are_a_finding_and_judge_nothing():
    (found,) = unlisted(Wrong())
    assert found.severity == "error"
    assert "It must return the texts that could answer the prompt" in found.message
    with pytest.raises(DataError, match=r"returned 'abc=' \(str\)"):
        Wrong().accepts(["abc="], ["a"])


def of_a_study(tmp_path: Any, **changes: Any) -> Generator:
    (tmp_path / "texts.txt").write_text("abc=aac\n")
    made = Pretrain(corpus=Files(path=str(tmp_path / "texts.txt")), context=32)
    return Generator(backbone=made, **changes)


def test_a_context_that_leaves_nothing_to_a_prompt_is_told_while_planning(tmp_path):
    assert of_a_study(tmp_path, max_new_tokens=31).problem() is None
    model = of_a_study(tmp_path, max_new_tokens=32)
    data = {"n_weak": 20, "n_transfer": 20, "n_val": 10, "n_test": 20}
    study = Study(name="texts", tasks=(Known(),), pairs=(Pair(weak=model, strong=model),), data=data, seeds=1)
    (found,) = problems_of(study)
    assert "max_new_tokens=32 leaves nothing to a prompt of a backbone with context=32 tokens in all" in found


def test_candidates_without_room_are_told_while_planning(tmp_path):
    for changes in ({"max_new_tokens": 1}, {"max_new_tokens": 2, "among": "candidates"}):
        assert of_a_study(tmp_path, **changes).problem() is None
    found = of_a_study(tmp_path, max_new_tokens=1, among="candidates").problem()
    assert found is not None
    assert "max_new_tokens=1 has room for the end of a candidate alone" in found
