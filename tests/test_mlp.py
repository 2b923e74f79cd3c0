"""Heads on representation networks: steps are torch's, heads are least squares, and a network is learned once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surpass.artifacts import Array, Targets
from surpass.errors import DataError, StageError
from surpass.feasibility import problems_of
from surpass.methods.soft import Soft
from surpass.models._learning import AdamW, Network, Settings, learned
from surpass.models._mlp import Rows, Steps, exact, predicted, rows_of, stepped
from surpass.models._network import Network as Encoder
from surpass.models._network import perturbed
from surpass.models.base import Work
from surpass.models.mlp import Mlp
from surpass.registry import TASKS
from surpass.runner import graph, run
from surpass.runtime import Runtime
from surpass.splits import Data
from surpass.stages import Fit
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.tasks._relu import drawn, drawn_layer, represent
from surpass.tasks.base import Lessons
from surpass.tasks.synthetic import Synthetic
from surpass.tasks.toy import Toy

RNG = np.random.default_rng(0)
TASK = Synthetic(tasks=4, taught=2, rows_each=64)
QUICK = {"learned_on": TASK, "depth": 2, "learn_epochs": 2}


def numbered_rows(*, heads: int = 3, n: int = 200, columns: int = 1) -> Rows:
    """Return rows of unequal tasks with noise, and weights."""
    rng = np.random.default_rng(1)
    numbers = rng.choice(heads, size=n, p=np.arange(1, heads + 1) / sum(range(1, heads + 1)))
    vectors = np.column_stack([10 + numbers, rng.normal(size=(n, 5)) * [1, 10, 0.1, 1, 1] + 3])
    values = vectors[:, 1:] @ rng.normal(size=(5, columns)) + numbers[:, None] + rng.normal(size=(n, columns))
    return rows_of(vectors, values, rng.uniform(0.5, 1.5, n), numbered=True)


@pytest.mark.parametrize("known_head", [True, False])
def test_steps_are_those_of_torch(known_head):
    import torch

    rng = np.random.default_rng(0)
    layers, head = drawn(rng, 3, [7, 5, 4]), drawn_layer(rng, 4, 2)
    network = Network(layers, () if known_head else head, kind=np.float64)
    optimizer = AdamW(network.flat, lr=1e-2)
    arrays = [torch.tensor(array, requires_grad=True) for array in (*layers, *head)]
    trained = arrays[:6] if known_head else arrays
    theirs = torch.optim.AdamW(trained, lr=1e-2)
    for _ in range(20):
        x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
        state = torch.tensor(x)
        for weights, bias in zip(arrays[:6:2], arrays[1:6:2], strict=True):
            state = torch.relu(state @ weights + bias)
        loss = torch.nn.functional.mse_loss(state @ arrays[6] + arrays[7], torch.tensor(y))
        theirs.zero_grad()
        loss.backward()
        ours = network.step_gradient(x, y, head if known_head else None)
        slopes = torch.cat([array.grad.ravel() for array in trained])
        np.testing.assert_allclose(ours, loss.item(), rtol=1e-9)
        np.testing.assert_allclose(network.gradient, slopes.numpy(), rtol=1e-6, atol=1e-9)
        optimizer.step(network.gradient)
        theirs.step()
    moved = torch.cat([array.detach().ravel() for array in trained]).numpy()
    np.testing.assert_allclose(network.flat, moved, rtol=1e-6, atol=1e-9)
    assert np.abs(moved - np.concatenate([a.ravel() for a in (*layers, *head)])[: len(moved)]).max() > 0.05


def test_layers_are_drawn_as_torch_draws_them():
    import torch

    torch.manual_seed(0)
    theirs = torch.nn.Linear(16, 4000)
    weights, bias = drawn_layer(np.random.default_rng(0), 16, 4000)
    for ours, other in ((weights, theirs.weight), (bias, theirs.bias)):
        found = other.detach().numpy()
        assert ours.max() <= 0.25
        np.testing.assert_allclose(ours.std(), found.std(), rtol=0.03)
        np.testing.assert_allclose([ours.min(), ours.max()], [found.min(), found.max()], rtol=0.01)


def test_a_representation_is_the_last_hidden_state_of_the_same_network_in_torch():
    import torch

    layers = drawn(np.random.default_rng(0), 8, [16, 16])
    x = np.random.default_rng(1).normal(0, 500, (10, 8))
    state = torch.tensor(x)
    for weights, bias in zip(layers[::2], layers[1::2], strict=True):
        state = torch.relu(torch.nn.functional.linear(state, torch.tensor(weights).T, torch.tensor(bias)))
    np.testing.assert_allclose(represent(layers, x), state.numpy())


def test_the_loss_told_is_the_sum_over_the_batches_of_the_last_epoch():
    lessons, rng = TASK.lessons(), np.random.default_rng(3)
    layers, total = learned(lessons, Settings([16, 16], 1, 1e-30, 32), rng)
    errors = [
        represent(layers, x) @ head[:-1] + head[-1] - y
        for x, y, head in zip(lessons.inputs, lessons.values, lessons.heads, strict=True)
    ]
    np.testing.assert_allclose(
        total, 2 * sum(float((error**2).mean()) for error in errors), rtol=1e-4
    )  # 2 batches each


def test_a_network_learns_its_lessons_with_the_heads_left_as_they_are():
    lessons = TASK.lessons()
    settings = Settings([16, 16], 600, 1e-3, 32)
    start = learned(lessons, settings._replace(epochs=1), np.random.default_rng(0))[1]
    layers, end = learned(lessons, settings, np.random.default_rng(0))
    assert end < start / 5
    again, _ = learned(lessons, settings, np.random.default_rng(0))
    assert all(np.array_equal(a, b) for a, b in zip(layers, again, strict=True))
    read = [represent(layers, x) @ head[:-1] + head[-1] for x, head in zip(lessons.inputs, lessons.heads, strict=True)]
    error = ((np.stack(read) - lessons.values) ** 2).mean(axis=(1, 2))
    assert error.sum() < 0.7 * lessons.values.var(axis=(1, 2)).sum()


def test_a_network_without_known_heads_learns_several_outputs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    y = np.column_stack([np.abs(x[:, 0]), x[:, 1] * 2])
    layers, _ = learned(Lessons(x[None], y[None]), Settings([12], 80, 1e-2, 32), rng)
    state = np.column_stack([represent(layers, x), np.ones(300)])
    left = y - state @ np.linalg.lstsq(state, y, rcond=None)[0]
    assert (left.var(axis=0) < 0.1 * y.var(axis=0)).all()


def test_a_loss_that_is_no_number_names_the_rate():
    with np.errstate(all="ignore"), pytest.raises(StageError, match="learn_lr=1e\\+30"):
        learned(TASK.lessons(), Settings([16, 16], 3, 1e30, 32), np.random.default_rng(0))


@pytest.mark.parametrize("columns", [1, 2])
def test_exact_heads_are_least_squares_task_by_task(columns):
    rows = numbered_rows(columns=columns)
    heads = exact(rows, l2=0.0, numbered=True)
    for i in range(3):
        own = rows.place == i
        left = np.column_stack([rows.vectors[own], np.ones(own.sum())])
        root = np.sqrt(rows.weight[own])[:, None]
        wanted = np.linalg.lstsq(root * left, root * rows.values[own], rcond=None)[0]
        np.testing.assert_allclose(heads.weights[i], wanted[:-1], rtol=1e-8)
        np.testing.assert_allclose(heads.biases[i], wanted[-1], rtol=1e-8)


@pytest.mark.parametrize("columns", [1, 2])
def test_the_penalty_is_the_probes(columns):
    from surpass.models.probe import Probe

    rng = np.random.default_rng(2)
    x, y = rng.normal(3, 2, (50, 4)), rng.normal(size=(50, columns))
    targets = Targets.of([str(i) for i in range(50)], y)
    work = Work(
        inputs=x, targets=targets, watch=x[:0], target="regression", classes=columns, method=Soft(), seed=0, reference=x
    )
    ours = Mlp(l2=0.7).fit(work, Runtime()).predict(x)
    theirs = Probe(backbone="path:none", l2=0.7).fit(work, Runtime()).predict(x)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_number_that_is_constant_or_only_rounding_changes_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)).astype(np.float32), rng.normal(size=(60, 1))
    plain = exact(rows_of(x, y, np.ones(60), numbered=False), l2=0.0, numbered=False)
    noisy = x[:, :1] * (1 + 1e-7 * rng.normal(size=(60, 1)))
    more = np.column_stack([x, np.full(60, 7.0), noisy]).astype(np.float32)
    heads = exact(rows_of(more, y, np.ones(60), numbered=False), l2=0.0, numbered=False)
    np.testing.assert_allclose(predicted(heads, more), predicted(plain, x), atol=1e-4)


def test_adam_steps_each_task_by_itself_as_torch_does():
    import torch

    rows = numbered_rows(n=90)
    keep = np.concatenate([np.flatnonzero(rows.place == i)[:12] for i in range(3)])  # equally many of each task
    rows = Rows(rows.vectors[keep], rows.values[keep], np.ones(36), rows.place[keep], rows.numbers)
    heads, loss = stepped(rows, Steps(1e-2, 5, 4), np.random.default_rng(7), numbered=True)
    rng = np.random.default_rng(7)
    start = rng.uniform(-1 / np.sqrt(5), 1 / np.sqrt(5), (3, 6, 1)).astype(np.float32)
    orders, last = [rng.permutation(12) for _ in range(5)], []
    for i in range(3):
        x, y = (torch.tensor(part[rows.place == i], dtype=torch.float32) for part in (rows.vectors, rows.values))
        weights, bias = (torch.tensor(part, requires_grad=True) for part in (start[i, :-1], start[i, -1]))
        optimizer = torch.optim.AdamW([weights, bias], lr=1e-2)
        for order in orders:
            losses = []
            for at in range(0, 12, 4):
                batch = order[at : at + 4]
                optimizer.zero_grad()
                found = torch.nn.functional.mse_loss(x[batch] @ weights + bias, y[batch])
                found.backward()
                optimizer.step()
                losses.append(found.item())
        last.append(np.mean(losses))
        np.testing.assert_allclose(heads.weights[i], weights.detach().numpy(), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(heads.biases[i], bias.detach().numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(loss, np.mean(last), rtol=1e-4)


def test_adam_comes_to_the_exact_heads_when_tasks_have_unequal_rows():
    rows = numbered_rows(n=600)
    rows = rows._replace(vectors=(rows.vectors - 3) / [1, 10, 0.1, 1, 1])
    wanted = exact(rows, l2=0.0, numbered=True)
    heads, _ = stepped(rows, Steps(3e-2, 150, 32), np.random.default_rng(0), numbered=True)
    np.testing.assert_allclose(heads.weights, wanted.weights, rtol=0.1, atol=0.25)  # the decay keeps weights smaller
    np.testing.assert_allclose(heads.biases, wanted.biases, rtol=0.1, atol=0.25)


def test_rows_of_a_task_without_a_head_are_refused():
    heads = exact(numbered_rows(), l2=0.0, numbered=True)
    with pytest.raises(DataError, match="no head was fitted to task 99"):
        predicted(heads, np.array([[10.0, 0, 0, 0, 0, 0], [99.0, 0, 0, 0, 0, 0]]))


def test_heads_are_told_apart_by_the_number_and_not_by_the_order_of_rows():
    rows = numbered_rows()
    heads = exact(rows, l2=0.0, numbered=True)
    vectors = np.column_stack([rows.numbers[rows.place], rows.vectors])
    found = predicted(heads, vectors)
    order = RNG.permutation(len(vectors))
    np.testing.assert_array_equal(predicted(heads, vectors[order]), found[order])
    for i, number in enumerate(rows.numbers):
        own = vectors[:, 0] == number
        np.testing.assert_allclose(found[own], vectors[own, 1:] @ heads.weights[i] + heads.biases[i])


def test_a_perturbation_is_as_large_as_it_says():
    layers = drawn(np.random.default_rng(0), 8, [400, 400])
    moved = perturbed(layers, 0.2, np.random.default_rng(1))
    for before, after in zip(layers, moved, strict=True):
        ratio = np.sqrt(((after - before) ** 2).mean() / (before**2).mean())
        assert 0.17 < ratio < 0.23


@pytest.mark.parametrize("kind", ["target", "perturbed", "learned"])
def test_features_are_the_number_and_the_representation(kind, monkeypatch):
    encoder = Mlp(**QUICK, representation=kind).encoder()
    assert encoder is not None
    rows = TASK.draw("test", 12, 0)
    known = encoder.learn(Runtime())
    vectors, _ = encoder.encode(rows.inputs, Runtime(), known)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors[:, 0], np.arange(12) % 4)
    runtime = Runtime()
    np.testing.assert_array_equal(vectors, encoder.encode(rows.inputs, runtime)[0])  # learned on the way
    monkeypatch.setattr(Encoder, "learn", lambda *call: pytest.fail("learned twice"))
    np.testing.assert_array_equal(vectors, encoder.encode(rows.inputs, runtime)[0])
    if kind == "target":
        inputs: Array = rows.inputs  # type: ignore[assignment]
        np.testing.assert_allclose(vectors[:, 1:], represent(TASK.network(), inputs[:, 1:].astype(float)), rtol=1e-5)


def test_options_that_do_not_matter_to_a_representation_are_not_in_its_key():
    one = Mlp(learned_on=TASK, representation="target", depth=2, size=0.3, network_seed=4, solver="adam").encoder()
    assert one == Mlp(learned_on=TASK, representation="target").encoder()
    assert Mlp(**QUICK, size=0.3).encoder() == Mlp(**QUICK).encoder() != Mlp(**QUICK, network_seed=1).encoder()


def small_study(**changes) -> Study:
    pairs = [
        Pair(weak=Mlp(**QUICK), strong=Mlp(learned_on=TASK, representation=kind)) for kind in ("target", "perturbed")
    ]
    data = {"n_weak": 160, "n_transfer": 160, "n_val": 0, "n_test": 80}
    return Study(**{"name": "small", "tasks": (TASK,), "pairs": tuple(pairs), "data": data, "seeds": 2, **changes})


def test_a_network_is_one_stage_that_is_learned_once(tmp_path: Path):
    study = small_study()
    networks = [node for node in graph(study.resolve()).values() if node.spec.kind == "network"]
    assert len(networks) == 3  # of the supervisor both pairs and seeds share, and of the two strong models
    store = Store.open(tmp_path)
    plan, outcomes = run(study, store=store)
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert {outcome.status for outcome in run(study, store=store)[1]} == {"cached"}
    learned_one = next(node for node in networks if node.spec.representation == "learned")
    facts = store.manifest("network", learned_one.key)["facts"]
    assert facts["summed_loss"] > 0
    fit = next(node.spec for node in plan.nodes.values() if isinstance(node.spec, Fit))
    assert fit.model.encoder() in {node.spec for node in networks}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "learned_on is missing"),
        ({"learned_on": Toy()}, "task 'toy' has no lessons"),
        ({"learned_on": TASK, "width": 8}, "width=8, but true heads of task .* read 16 numbers"),
        ({"learned_on": Toy(), "reads": "morgan", "representation": "target"}, "Molecules have no true network"),
        ({"learned_on": TASK, "reads": "morgan"}, "has no texts that are molecules"),
    ],
)
def test_what_cannot_be_learned_is_said_while_planning(options, words):
    import re

    pair = Pair(weak=Mlp(**QUICK), strong=Mlp(**options))
    assert re.search(words, "\n".join(problems_of(small_study(pairs=(pair,)))))


def test_inputs_of_another_length_than_the_networks_are_refused():
    encoder = Mlp(**QUICK).encoder()
    assert encoder is not None
    with pytest.raises(DataError, match="inputs have 3 numbers, but the network was learned on 8"):
        encoder.encode(np.zeros((2, 4)), Runtime())
    with pytest.raises(DataError, match="set reads: morgan"):
        encoder.encode(("CCO",), Runtime())


def test_molecules_are_read_by_a_network_that_learned_their_descriptors(tmp_path: Path):
    pytest.importorskip("rdkit")
    chains = [
        head + "C" * n + tail for n in range(1, 15) for head in ("O", "N", "CO") for tail in ("", "O", "c1ccccc1")
    ]
    file = tmp_path / "molecules.csv"
    file.write_text("\n".join(["smiles,weight", *(f"{text},{len(text)}" for text in chains)]), encoding="utf-8")
    task = TASKS.get("file")(path=str(file), text="smiles", label_column="weight", target="regression")
    model = Mlp(reads="morgan", learned_on=task, depth=1, width=24, learn_epochs=60, learn_lr=3e-3, l2=0.01)
    assert model.inputs == {"text"}
    assert model.problem() is None
    encoder = model.encoder()
    assert isinstance(encoder, Encoder)
    assert encoder.problem() is None
    vectors, _ = encoder.encode(tuple(chains), Runtime())
    assert vectors.shape == (len(chains), 24)
    targets = Targets.of(chains, np.array([[len(text)] for text in chains], dtype=float))
    work = Work(
        inputs=vectors, targets=targets, watch=vectors[:0], target="regression", classes=1, method=Soft(), seed=0
    )
    found = model.fit(work, Runtime()).predict(vectors)
    assert np.corrcoef(found[:, 0], targets.values[:, 0])[0, 1] > 0.9
    assert Data(task=task).task == task
