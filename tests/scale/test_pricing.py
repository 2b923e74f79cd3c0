"""What a study will take: by like stages, by multiplications, by guess, and how long with several workers."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from surpass.assets.weights import size
from surpass.cli import main
from surpass.corpora.chess_games import ChessGames
from surpass.corpora.chess_puzzles import ChessPuzzles
from surpass.labels.simulated import Simulated
from surpass.models._pretrain import Pretrain
from surpass.models.hf import HF
from surpass.models.sklearn import Sklearn
from surpass.pricing import CHARACTERS, LOADING_SECONDS, PEAK_SHARE, _rates, _Scales, _wall, facts, forecast, words
from surpass.runner import plan, run
from surpass.spec import encode, key
from surpass.splits import Data
from surpass.stages import Label
from surpass.study import Pair, cells
from surpass.tasks.toy import Toy
from surpass.work import Node

SIZES = {"n_weak": 40, "n_transfer": 60, "n_val": 20, "n_test": 60}


def test_like_stages_of_the_store_tell_and_more_rows_take_longer(small_study, store):
    run(small_study(), store=store)
    sizes = ({name: k * n for name, n in SIZES.items()} for k in (0.5, 1))
    studies = (small_study(first_seed=1, data={name: int(n) for name, n in held.items()}) for held in sizes)
    costs = []
    for study in studies:
        made = plan(study, store)
        found = forecast(made, store)
        (cell,) = cells(made.study)
        costs.append(found.costs[key(cell.student)])
        assert found.count("guessed") == 0
    assert costs[1].seconds == pytest.approx(2 * costs[0].seconds)


def test_a_stage_without_work_tells_nothing():
    """Labels of no transfer rows, as simulated labels of validation rows alone have them, would be divided by."""
    spec = Label(data=Data(task=Toy(rows=300), n_weak=30, n_transfer=0, n_val=20), source=Simulated())
    manifest = {"seconds": 0.01, "spec": encode(spec)}
    store = SimpleNamespace(find=lambda name: [("label", "x")], manifest=lambda kind, name: manifest)
    weigh = _Scales()
    assert _rates(store, weigh, {*weigh.work(spec).names}) == {}


def test_nothing_known_is_a_guess_and_said(small_study, store):
    found = forecast(plan(small_study(), store), store)
    assert found.count("guessed") == len(found.costs)
    assert found.tflops is None
    assert "a guess: nothing is known of stages like them" in words(facts(found, None))


def test_a_backbone_is_reckoned_by_its_multiplications(small_study, store, tiny_backbone):
    strong = HF(backbone=tiny_backbone, precision="fp32", epochs=2, points=1)
    made = plan(small_study(pairs=(Pair(weak=Sklearn(ngrams=1), strong=strong),)), store)
    (cell,) = cells(made.study)
    found = forecast(made, store, tflops=1e-6)
    texts = [example.input for example in made.study.tasks[0].examples()][:200]
    tokens = sum(map(len, texts)) / len(texts) / CHARACTERS
    passes = tokens * (3 * 2 * 60 + 80 + 60)  # two epochs of 60 rows; 80 watched and 60 transfer rows predicted
    cost = found.costs[key(cell.ceiling)]
    assert cost.source == "reckoned"
    assert cost.seconds == pytest.approx(
        LOADING_SECONDS + 2 * size(tiny_backbone).multiplied * passes / (1e6 * PEAK_SHARE)
    )
    few = HF(backbone=tiny_backbone, precision="fp32", tune="lora", layers=1, points=1)
    made = plan(small_study(pairs=(Pair(weak=Sklearn(ngrams=1), strong=few),)), store)
    half = forecast(made, store, tflops=1e-6).costs[key(cells(made.study)[0].ceiling)]
    assert half.seconds < cost.seconds


def test_games_puzzles_and_backbones_take_longer_the_more_there_is():
    games = [ChessGames(games=n) for n in (100, 1000)]
    models = [Pretrain(corpus=games[1], width=width, epochs=epochs) for width, epochs in ((64, 1), (64, 3), (128, 1))]
    specs = [*games, ChessPuzzles(games=games[1]), *models]
    nodes = [Node(key(spec), spec, ()) for spec in specs]
    made = SimpleNamespace(missing=lambda: nodes)
    found = forecast(made, SimpleNamespace(find=lambda name: []), tflops=0.01)
    seconds = [found.costs[node.key].seconds for node in nodes]
    assert seconds[:3] == [5, 50, 200]
    few, thrice, wide = (each - LOADING_SECONDS for each in seconds[3:])
    assert thrice == pytest.approx(3 * few)
    assert wide / few == pytest.approx(models[2].parameters() / models[0].parameters())
    assert few == pytest.approx(6 * models[0].parameters() * 0.95 * 1000 * 88 * 3.3 / (0.01e12 * PEAK_SHARE))


def test_workers_shorten_all_but_the_longest_chain():
    def node(name: str, *inputs: str) -> Node:
        return Node(name, None, inputs)  # type: ignore[arg-type]

    nodes = [node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c"), node("e")]
    seconds = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 1.0, "e": 4.0}
    assert _wall(nodes, seconds, workers=1) == 11
    assert _wall(nodes, seconds, workers=2) == 7  # a, b, c, d beside e
    assert _wall(nodes, seconds, workers=9) == 5
    assert _wall([], {}, workers=1) == 0


def test_the_command_line_says_hours_money_and_the_guess(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (
        "name: tiny\ntasks: [toy]\npairs: [{weak: {model: sklearn, ngrams: 1}, strong: {model: sklearn}}]\nseeds: 2\n"
    )
    Path("tiny.yaml").write_text(text + f"data: {json.dumps(SIZES)}\n", encoding="utf-8")
    asked = ["plan", "tiny.yaml", "--store", "store", "--price", "3600", "--workers", "2"]
    said = CliRunner().invoke(main, asked)
    assert said.exit_code == 0, said.output
    held = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)["costs"]
    assert held["cost"] == pytest.approx(3600 * held["hours"])
    assert held["longest_chain_hours"] <= held["wall_hours"] <= held["hours"]
    assert f"At 3600.00 an hour: {held['cost']:.2f}." in said.output
    assert "With 2 workers:" in said.output
