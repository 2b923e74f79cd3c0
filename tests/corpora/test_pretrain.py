"""Language models that a study trains from scratch: a ladder of sizes, resumed or not, and the models that stand on them."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest

from surpass.assets import backbones
from surpass.assets.weights import size
from surpass.corpora.files import Files
from surpass.documents import Documents
from surpass.errors import DataError, SpecError, StudyError
from surpass.models import _callbacks
from surpass.models._pretrain import Pretrain, placed, pretrains
from surpass.models.hf import HF
from surpass.models.probe import Probe
from surpass.models.sklearn import Sklearn
from surpass.pretrained import Pretrained
from surpass.runner import run
from surpass.runtime import Runtime
from surpass.spec import decode, encode, key
from surpass.stages import Fit, inputs_of
from surpass.store import Store
from surpass.study import Pair, Study
from surpass.studyfile import parse
from surpass.tasks.toy import Toy

WHO, DOES, WHAT = (words.split() for words in ("ann bob cid dan eve", "saw met fed led", "cats dogs birds fish goats"))


def texts(n: int, seed: int = 0) -> Documents:
    """Sentences whose last words follow from their first: a larger model finds out more of it."""
    rng, found = random.Random(seed), []
    for _ in range(n):
        i, j, k = rng.randrange(5), rng.randrange(4), rng.randrange(5)
        found.append(
            f"{WHO[i]} {DOES[j]} {k + 1} {WHAT[(i + j + k) % 5]}, then {WHO[(i + k) % 5]} {DOES[(j + i) % 4]} them."
        )
    return Documents(tuple(map(str, range(n))), tuple(found))


@pytest.fixture
def corpus(tmp_path) -> Files:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{i} {text}\n" for i, text in enumerate(texts(400).texts)))
    return Files(path=str(path)).resolve()


def small(**options) -> Pretrain:
    given = {"layers": 1, "width": 16, "heads": 2, "context": 64, "vocabulary": 300, "precision": "fp32", "lr": 1e-2}
    return Pretrain(corpus=Files(path="texts.txt"), **{**given, **options})


def test_words_that_are_no_regular_expression_are_told_while_planning(corpus):
    told = str(Pretrain(corpus=corpus, words="[a").problem())
    assert "words='[a' is no regular expression (Oniguruma error: premature end of char-class)" in told
    assert Pretrain(corpus=corpus).problem() is None


@pytest.mark.slow
def test_perplexity_falls_with_size():
    documents = texts(1500)
    sizes = [small(width=8), small(width=16, layers=2), small(width=48, layers=3)]
    found = [each.compute(documents, Runtime()).facts for each in sizes]
    assert [fact["parameters"] for fact in found] == [each.parameters() for each in sizes]
    perplexities = [fact["perplexity"] for fact in found]
    assert perplexities == sorted(perplexities, reverse=True)
    assert perplexities[-1] < 0.9 * perplexities[0]
    assert all(fact["held_out_tokens"] == found[0]["held_out_tokens"] for fact in found)


def test_same_seed_same_bytes_and_a_model_as_transformers_reads_it(tmp_path):
    import transformers

    made = [small().compute(texts(200), Runtime()) for _ in range(2)]
    files = [{p.name: p.read_bytes() for p in each.folder.iterdir()} for each in made]
    assert files[0] == files[1]
    assert small(seed=1).compute(texts(200), Runtime()).facts["perplexity"] != made[0].facts["perplexity"]
    modes = {file.stat().st_mode for file in made[0].folder.iterdir()}
    (tmp_path / "new").touch()
    assert modes == {(tmp_path / "new").stat().st_mode}
    (tmp_path / "new").unlink()
    made[0].save(tmp_path)
    again = Pretrained.load(tmp_path)
    assert again.facts == made[0].facts
    reference = f"path:{again.folder}"
    assert backbones.check(reference) is None
    model = backbones.load_model(reference, auto_class="AutoModelForCausalLM")
    assert type(model) is transformers.LlamaForCausalLM
    assert sum(p.numel() for p in model.parameters()) == small().parameters() == size(reference).parameters
    assert size(reference) == size(small())
    tokenizer = backbones.load_tokenizer(reference)
    for text in ("ann saw 1 cats, then bob", " 22... Qxc1+", "naïve  two\nlines"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    whole, apart = (
        tokenizer("ann saw cats")["input_ids"],
        tokenizer("ann saw")["input_ids"] + tokenizer(" cats")["input_ids"],
    )
    assert whole == apart


@pytest.mark.parametrize(
    ("tokens", "pieces"), [(1, []), (2, [2]), (7, [7]), (8, [8]), (9, [8]), (10, [8, 2]), (16, [8, 8]), (17, [8, 8])]
)
def test_a_long_text_is_learned_in_pieces_of_which_no_predicted_token_is_lost(tokens, pieces):
    """A piece of one token predicts none: what is left out is the last token of a text that is one too long."""
    from surpass.models._pretraining import _pieces

    text = list(range(tokens))
    found = list(_pieces(text, 8))
    assert [len(piece) for piece in found] == pieces
    assert [token for piece in found for token in piece] == text[: sum(pieces)]


def test_resumed_is_uninterrupted(tmp_path, monkeypatch):
    spec, documents = small(epochs=2), texts(200)
    straight = spec.compute(documents, Runtime())
    runtime = Runtime(scratch=tmp_path, checkpoint_seconds=0.0)
    ended = _callbacks.Saver.on_step_end

    def killed(self, args, state, control, **kwargs):
        ended(self, args, state, control, **kwargs)
        if state.global_step == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(_callbacks.Saver, "on_step_end", killed)
    with pytest.raises(KeyboardInterrupt):
        spec.compute(documents, runtime)
    monkeypatch.undo()
    resumed = spec.compute(documents, runtime)
    assert resumed.facts == straight.facts
    weights = [(each.folder / "model.safetensors").read_bytes() for each in (straight, resumed)]
    assert weights[0] == weights[1]


def test_another_machine_has_the_weights_of_a_store_at_an_address(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path / "first"))
    made, place = small().compute(texts(100), Runtime()), f"memory://{tmp_path.name}/store"
    Store.open(place).save("pretrain", "abcd", made, {"spec": {}, "inputs": [], "seconds": 1.0, "versions": {}})
    monkeypatch.setenv("SURPASS_CACHE", str(tmp_path / "second"))
    found = Store.open(place).load("pretrain", "abcd")
    assert found.facts == made.facts
    assert tmp_path / "second" in found.folder.parents
    assert {p.name: p.read_bytes() for p in found.folder.iterdir()} == {
        p.name: p.read_bytes() for p in made.folder.iterdir()
    }


def test_the_words_of_a_tokenizer_can_be_chosen():
    from surpass.models._pretraining import tokenizer_of

    moves = Documents(("1",), ("1. e4 1... e5 2. Nf3 2... Nc6 3. Nxe5 3... Nxe5",))
    split = tokenizer_of(moves, 330, r" ?\d+\.+| ?[KQRBN]|x|[a-h][1-8]|.")
    assert "e5" in split.encode(" Qxe5").tokens
    assert "e5" not in tokenizer_of(moves, 330, Pretrain(corpus=Files(path="")).words).encode(" Nxe5").tokens


def test_bits_are_counted_over_the_bytes_of_predicted_tokens():
    from surpass.models._pretraining import END, predicted_bytes, tokenizer_of

    tokenizer = tokenizer_of(texts(50), 300, small().words)
    ids = tokenizer.encode("naïve saw").ids
    first = len(tokenizer.decode(ids[:1]).encode())
    wanted = len("naïve saw".encode()) - first
    assert predicted_bytes(tokenizer, [[*ids, tokenizer.token_to_id(END)]]) == wanted
    assert predicted_bytes(tokenizer, [ids[:1]]) == 0


def test_too_few_texts_are_told():
    with pytest.raises(DataError, match=r"has 3 texts in 3 groups; held_out=0.01 leaves 3 to learn and 0 to measure"):
        small(held_out=0.01).compute(texts(3), Runtime())
    with pytest.raises(SpecError, match="width=20 and heads=3"):
        small(width=20, heads=3)


def test_the_spec_is_a_backbone(tmp_path):
    spec = small()
    assert backbones.config(spec)["num_hidden_layers"] == 1
    assert "is not there" in str(backbones.check(spec))
    assert str(spec).startswith("pretrain:llama-1x16~")
    model = HF(backbone=spec, epochs=1)
    assert decode(encode(model)) == model
    assert key(model) != key(HF(backbone=small(seed=1), epochs=1))
    assert model.label().startswith("llama-1x16~")
    assert model.label() != HF(backbone=small(lr=1e-3), epochs=1).label()
    assert list(pretrains((model, Probe(backbone=spec)), ())) == [spec, spec]
    folder = Pretrained(tmp_path, {})
    assert placed(model, {spec: folder}) == dataclasses.replace(model, backbone=f"path:{tmp_path}")
    assert placed(model, {}) is model


def test_models_take_the_precision_in_which_their_backbone_was_trained(corpus):
    narrow = dataclasses.replace(small(), corpus=corpus, precision="auto")
    model = HF(backbone=narrow)
    assert model.resolve().precision == model.resolve().backbone.precision == "fp32"
    assert model.resolve().label() == model.label()
    assert HF(backbone=narrow, precision="bf16").resolve().precision == "bf16"
    assert dataclasses.replace(narrow, width=256, precision="bf16").resolve().precision == "bf16"
    assert model.resolve().resolve() == model.resolve()


def study(corpus: Files, **options) -> Study:
    backbone = dataclasses.replace(small(), corpus=corpus)
    pairs = tuple(
        Pair(weak=Sklearn(), strong=strong) for strong in (HF(backbone=backbone, epochs=1), Probe(backbone=backbone))
    )
    data = {"n_weak": 20, "n_transfer": 20, "n_val": 0, "n_test": 20}
    return Study(name="made", tasks=(Toy(rows=200),), pairs=pairs, data=tuple(data.items()), seeds=1, **options)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [0, 1])
def test_a_study_trains_its_backbone_once_and_finetunes_and_probes_it(corpus, tmp_path, jobs):
    store = Store.open(tmp_path / "store")
    made, outcomes = run(study(corpus), store=store, runtime=Runtime(jobs=jobs))
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    kinds = [node.spec.kind for node in made.nodes.values()]
    assert kinds.count("pretrain") == kinds.count("corpus/files") == 1
    fits = [node.spec for node in made.nodes.values() if isinstance(node.spec, Fit)]
    held = [stage for fit in fits for stage in inputs_of(fit) if isinstance(stage, Pretrain)]
    assert len(held) == 4
    (place,) = [name for kind, name in store.find("") if kind == "pretrain"]
    assert store.manifest("pretrain", place)["facts"]["perplexity"] < 300
    values = [store.load("fit", key(fit)).values for fit in fits]
    assert all(len(each) for each in values)


def test_a_study_file_names_a_backbone_to_train(corpus):
    backbone = {"pretrain": {"corpus": {"corpus": "files", "path": corpus.path}, "layers": 1, "width": 16, "heads": 2}}
    plain = {
        "name": "made",
        "tasks": ["toy"],
        "pairs": [{"weak": "sklearn", "strong": {"model": "hf", "backbone": backbone}}],
    }
    found = parse(json.loads(json.dumps(plain))).pairs[0].strong.backbone
    assert found == Pretrain(corpus=Files(path=corpus.path), layers=1, width=16, heads=2)
    backbone["pretrain"] = {"layers": 0, "widht": 16}
    with pytest.raises(StudyError) as error:
        parse(plain)
    text = str(error.value)
    assert "pretrain: layers=0, but at least 1 is needed" in text
    assert "unknown field 'widht'. Did you mean 'width'?" in text
    assert "pretrain: field 'corpus' is missing" in text
    backbone["pretrain"] = "small"
    with pytest.raises(StudyError, match=r"pretrain 'small': give a mapping such as \{corpus: NAME, layers: 4"):
        parse(plain)
