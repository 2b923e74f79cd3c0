"""Every hub task writes its invented rows in the published template, letter for letter."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from surpass.registry import TASKS
from surpass.tasks._hub import HubTask

# for each task: a sample row's number, a text that it must give, its label
TEXTS: dict[str, tuple[int, str, int]] = {
    "amazon-polarity": (0, "Lovely kettle It boils fast and is quiet.", 1),
    "anli-r2": (
        1,
        "Premise: The mill opened in 1901.\nHypothesis: The mill burned.\n\nDoes the premise entail the hypothesis?",
        0,
    ),
    "boolq": (0, "Passage: The lake is 90 metres deep.\nQuestion: is the lake deep", 1),
    "cola": (1, "The gardener watered the the.", 0),
    "cosmos-qa": (
        0,
        "Context: It rained all day , so we played cards .\nQuestion: Why did they stay in ?\nAnswer: The weather was bad .",
        1,
    ),
    "dream": (
        0,
        "W: Is the shop open?\nM: Not before ten.\n\nQ: When does the shop open? A: At ten.",
        1,
    ),
    "ethics-deontology": (
        1,
        "Q: Is the following a morally valid excuse?\n\nCould you feed the cat?\n\nNo because the cat is grey.\n\nA:",
        0,
    ),
    "ethics-justice": (
        0,
        "Q: Does this statement exemplify justice?\n\nI deserve to be paid because I painted the fence.\n\nA:",
        1,
    ),
    "ethics-utilitarianism": (
        0,
        "Which is more pleasant?\n1) I found a shut bakery.\n2) I found a warm bakery. A: 2",
        1,
    ),
    "ethics-virtue": (
        0,
        "Q: Does this behavior match the adjective that follows?\n\nAna gave half her lunch away. [SEP] generous\n\nA:",
        1,
    ),
    "hellaswag": (
        0,
        "Context:\nA woman kneads dough. she\n\nContinuations:\n\nlets it rise.\nsells the oven.\nswims away.\n"
        'paints a fence.\n\nQ: Is "lets it rise." the best continuation?',
        1,
    ),
    "mc-taco": (1, "He ate soup.\n\nGiven the above, How long? Is the answer two years?", 0),
    "multirc": (
        1,
        'Passage:\n\nAna and Ben sold apples. Cem bought two.\n\nQ: "Who sold apples?" Is the answer "Cem"?',
        0,
    ),
    "openbookqa": (
        0,
        "Q: Ice melts when it is\n\nChoices:\nA) heated\nB) hidden\nC) painted\nD) weighed\n\nAnswer: heated",
        1,
    ),
    "paws": (
        0,
        "Sent 1: Ana saw Ben in Rome .\nSent 2: In Rome , Ana saw Ben .\n\nQ: Are these sentences semantically equivalent?",
        1,
    ),
    "piqa": (1, "Q: To cut paper, A: use scissors.", 1),
    "quail": (
        0,
        'Passage:\n\nAna lost her kite. She cried, then built another one.\n\nQ: "Who built a kite?" Is the answer "Ana"?',
        1,
    ),
    "quartz-hub": (
        1,
        'Passage:\nThe hotter the water, the more sugar it dissolves.\n\nQ: "Iced tea dissolves" Is the answer "less"?',
        1,
    ),
    "sciq": (0, "Q: What gas do plants take in? A: carbon dioxide", 1),
    "sciq-with-support": (
        0,
        "Name: Bob\n\nPassage 1:\nPlants take in carbon dioxide and give off oxygen.\n\n"
        'Q1: "What gas do plants take in?" Is the answer "carbon dioxide"?',
        1,
    ),
    "social-iqa-hub": (
        1,
        'Context:\nAna lent Ben her bike.\n\nQuestion: "What will Ben do next?"\n\nChoices:\nsell it\npaint it\nride home\n\n'
        'Is the answer "ride home"?',
        1,
    ),
    "sst2": (1, "two hours of fog ", 0),
    "twitter-sentiment": (1, "my train is late again", 0),
    "wic": (
        0,
        "Sentence 1:\nShe sat on the bank of the river.\n\nSentence 2:\nHe paid the bank.\n\n"
        'Q: Does "bank" have the same meaning in the above sentences?',
        0,
    ),
}
PAIRS: dict[str, tuple[str, str]] = {  # the better and the worse candidate of the first sample row
    "anthropic-hh": (
        "\n\nHuman: How do I peel garlic?\n\nAssistant: Crush it with the flat of a knife first.",
        "\n\nHuman: How do I peel garlic?\n\nAssistant: Garlic.",
    ),
    "helpsteer3": (
        "\n\nHuman: Name a river.\n\nAssistant: The Danube.",
        "\n\nHuman: Name a river.\n\nAssistant: A river is wet.",
    ),
}
NAMES = sorted(name for name in TASKS.names() if issubclass(TASKS.get(name), HubTask))


def made(name: str, row: Any, *, seed: int = 0) -> list[tuple[Any, int]]:
    task = TASKS.get(name)()
    return [(e.input, e.label) for e in task.expand(row, Random(seed), "paper") if e is not None]


def test_all_tasks_of_the_published_table_and_a_second_comparison_set_are_here() -> None:
    assert sorted([*TEXTS, *PAIRS]) == NAMES
    assert len(NAMES) == 26


@pytest.mark.parametrize("name", TEXTS)
def test_a_row_is_written_in_the_published_template(name: str) -> None:
    number, text, label = TEXTS[name]
    task = TASKS.get(name)
    shown = [pair for seed in range(8) for pair in made(name, task.sample[number], seed=seed)]
    assert (text, label) in shown
    assert (text, 1 - label) not in shown


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_holds_both_whole_conversations_in_random_order(name: str) -> None:
    row = TASKS.get(name).sample[0]
    shown = {pair for seed in range(20) for pair in made(name, row, seed=seed)}
    better, worse = PAIRS[name]
    assert shown == {((better, worse), 1), ((worse, better), 0)}


def test_rows_that_have_no_label_or_no_winner_are_left_out() -> None:
    assert made("sst2", TASKS.get("sst2").sample[2]) == []
    assert made("helpsteer3", TASKS.get("helpsteer3").sample[2]) == []
    assert made("hellaswag", {**TASKS.get("hellaswag").sample[0], "label": ""}) == []
    assert made("piqa", {**TASKS.get("piqa").sample[0], "label": -1}) == []
    assert made("anli-r2", {**TASKS.get("anli-r2").sample[0], "label": -1}) == []
    assert made("dream", {**TASKS.get("dream").sample[0], "answer": "At two."}) == []


def test_neutral_is_not_entailed() -> None:
    labels = [made("anli-r2", row)[0][1] for row in TASKS.get("anli-r2").sample]
    assert labels == [1, 0, 0]


@pytest.mark.parametrize(
    ("name", "rows", "together"),
    [
        ("anli-r2", (0, 1), True),  # premise
        ("anli-r2", (0, 2), False),
        ("boolq", (0, 1), True),  # passage
        ("cosmos-qa", (0, 0), True),
        ("dream", (0, 1), True),  # dialogue
        ("ethics-deontology", (0, 1), True),  # scenario
        ("ethics-justice", (0, 1), True),  # up to "because"
        ("ethics-virtue", (0, 1), True),  # sentence, whatever the trait
        ("ethics-utilitarianism", (0, 1), False),
        ("mc-taco", (0, 2), True),  # sentence
        ("multirc", (0, 1), True),  # paragraph
        ("openbookqa", (0, 1), False),
        ("paws", (0, 1), True),  # the same words in another order
        ("paws", (0, 2), False),
        ("piqa", (0, 1), False),
        ("quail", (0, 1), True),  # passage
        ("quartz-hub", (0, 1), True),  # passage
        ("sciq", (0, 1), False),
        ("social-iqa-hub", (0, 1), True),  # situation
        ("wic", (0, 1), False),  # word
        ("helpsteer3", (0, 1), False),  # conversation
    ],
)
def test_what_belongs_together_is_one_group(name: str, rows: tuple[int, int], together: bool) -> None:
    task = TASKS.get(name)()
    groups = [{e.group for e in task.expand(task.sample[i], Random(0), "paper") if e} for i in rows]
    assert all(len(group) == 1 and "" not in group for group in groups)
    assert (groups[0] == groups[1]) is together


def test_comparisons_of_one_prompt_are_one_group() -> None:
    task = TASKS.get("anthropic-hh")()
    first, second = task.sample
    other = {"chosen": first["chosen"] + " Then peel it.", "rejected": first["chosen"]}
    groups = [task.example(row, Random(0)).group for row in (first, other, second)]
    assert groups[0] == groups[1] != groups[2]
