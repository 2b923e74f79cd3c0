"""References to backbones, digests of folders, conversion, and loading of models and tokenizers."""

from __future__ import annotations

import concurrent.futures
import json
import re
import shutil
from pathlib import Path

import pytest
from package_index import World

from surpass import assets, disk
from surpass.assets import backbones, cache, conversion, manifest
from surpass.errors import AssetError, MissingPackageError, SpecError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_references_that_can_be_used(world: World, model_folder: Path) -> None:
    world.put(world.assets["words"], kind="model")
    assets.fetch(["words"])
    for reference in (f"hub:org/name@{COMMIT}", f"hub:name@{COMMIT}", f"path:{model_folder}", "package:words"):
        assert backbones.check(reference) is None
    assert backbones.resolve(f"hub:org/name@{COMMIT}") == ("org/name", COMMIT)
    assert backbones.resolve(f"path:{model_folder}") == model_folder
    assert backbones.resolve("package:words") == assets.folder("words")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (
            "smollm",
            "'smollm' does not say where the model is. Write hub:ORG/NAME@REVISION, path:FOLDER or package:NAME",
        ),
        ("words", "Did you mean 'package:words'?"),
        ("{folder}", "Did you mean 'path:{folder}'?"),
        ("hub:", "names no model of a hub"),
        ("hub:org/na me@x", "names no model of a hub"),
        ("hub:org/name", "has no revision. Write hub:org/name@ and the 40 hexadecimal digits"),
        ("hub:org/name@main", "revision 'main', which is no commit"),
        ("path:", "there is no folder ''"),
        ("path:{folder}/none", "there is no folder '{folder}/none'"),
        ("package:wrods", "asset 'wrods' is unknown. Did you mean 'words'? Packaged models: words."),
        ("package:ratings", "asset 'ratings' is data, not a model. Packaged models: words."),
        ("package:words", "asset 'words' is not here. Fetch it: surpass assets fetch words"),
    ],
)
def test_references_that_cannot(world: World, model_folder: Path, reference: str, problem: str) -> None:
    world.put(world.assets["words"], kind="model")
    reference, problem = (text.replace("{folder}", str(model_folder)) for text in (reference, problem))
    found = backbones.check(reference)
    assert found is not None
    assert problem in found
    with pytest.raises(AssetError, match=re.escape(found)):
        backbones.resolve(reference)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json, so transformers cannot load it"),
        (lambda folder: (folder / "config.json").rename(folder / "adapter_config.json"), "only an adapter's; merge"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "holds no settings"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
    ],
)
def test_unreadable_model_folders_are_told_in_words(model_folder: Path, spoil, problem: str) -> None:
    spoil(model_folder)
    assert problem in (backbones.check(f"path:{model_folder}") or "")


def test_the_digest_of_a_folder_follows_its_contents(world: World, model_folder: Path, monkeypatch) -> None:
    reference, read = f"path:{model_folder}", []
    real = disk.sha256
    monkeypatch.setattr(disk, "sha256", lambda path: read.append(path.name) or real(path))
    first = backbones.digest(reference)
    assert backbones.digest(reference) == first
    assert read == ["config.json", "model.safetensors"]
    (model_folder / "model.safetensors").write_bytes(b"WEIGHTS")
    second = backbones.digest(reference)
    (model_folder / ".git").mkdir()
    (model_folder / ".git" / "index").write_bytes(b"x")
    assert backbones.digest(reference) == second != first
    (model_folder / "model.safetensors").rename(model_folder / "other.safetensors")
    assert backbones.digest(reference) not in (first, second)
    moved = model_folder.rename(model_folder.with_name("moved"))
    (moved / "other.safetensors").rename(moved / "model.safetensors")
    assert backbones.digest(f"path:{moved}") == second


def test_the_digest_of_a_folder_needs_no_cache(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPASS_CACHE", str(model_folder / "config.json"))
    assert len(backbones.digest(f"path:{model_folder}")) == 64


def test_the_digests_of_hub_and_package_need_no_files(world: World) -> None:
    assert backbones.digest(f"hub:org/name@{COMMIT}") == COMMIT
    asset = world.put(world.assets["words"], kind="model")
    assert backbones.digest("package:words") == asset.digest
    converted = world.put(asset, convert="gguf")
    assert backbones.digest("package:words") == conversion.digest(converted) != asset.digest
    with pytest.raises(AssetError, match="asset 'zzz' is unknown"):
        backbones.digest("package:zzz")


def test_config_is_read_without_converting(world: World, model_folder: Path) -> None:
    assert backbones.config(f"path:{model_folder}")["hidden_size"] == 8
    world.put(world.assets["words"], kind="model", convert="gguf", config={"num_hidden_layers": 3})
    assets.fetch(["words"])
    assert backbones.config("package:words") == {"num_hidden_layers": 3}


def test_a_missing_package_comes_with_its_install_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(world.assets["words"], kind="model", convert="gguf")
    assets.fetch(["words"])
    real = conversion.importlib.util.find_spec
    monkeypatch.setattr(conversion.importlib.util, "find_spec", lambda name: None if name == "gguf" else real(name))
    with pytest.raises(MissingPackageError, match=r"package 'gguf' .* pip install 'surpass\[hf\]'"):
        backbones.resolve("package:words")


def _program(path: Path, body: str) -> Path:
    path.write_text(f"import pathlib, sys\nsource, out = sys.argv[1], pathlib.Path(sys.argv[2])\n{body}\n")
    return path


@pytest.fixture
def convertible(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> manifest.Asset:
    """A model whose conversion is a program that leaves a trace, so that runs can be counted without torch."""
    asset = world.put(world.assets["words"], kind="model", convert="gguf")
    assets.fetch(["words"])
    body = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n(out / 'config.json').write_text('{{}}')"
    monkeypatch.setattr(conversion, "__file__", str(tmp_path / "conversion.py"))
    monkeypatch.setattr(conversion, "_NEEDED", ())
    _program(tmp_path / "_gguf.py", body)
    return asset


def test_a_model_is_converted_once_and_again_when_damaged(convertible: manifest.Asset, tmp_path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(backbones.resolve, ["package:words"] * 3))
    assert folders == {conversion.target(convertible)}
    assert (tmp_path / "runs").read_text() == "x"
    assert backbones.config("package:words") == {}
    (conversion.target(convertible) / "config.json").write_text("")
    assert not conversion.done(convertible)
    backbones.resolve("package:words")
    assert (tmp_path / "runs").read_text() == "xx"


def test_a_failed_conversion_leaves_nothing(convertible: manifest.Asset, tmp_path: Path) -> None:
    _program(tmp_path / "_gguf.py", "(out / 'config.json').write_text('half')\nraise ValueError('bad magic')")
    with pytest.raises(AssetError, match="'words' could not be converted: ValueError: bad magic"):
        backbones.resolve("package:words")
    assert not list(cache.cache_root().glob("converted/words-*/*"))


def test_a_damaged_file_is_not_converted(world: World, convertible: manifest.Asset) -> None:
    content = world.member().read_bytes()
    world.member().write_bytes(content[::-1])
    with pytest.raises(AssetError, match=r"has sha256 .* Mend it: surpass assets fetch words"):
        backbones.resolve("package:words")


@pytest.fixture(scope="module")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("llama")
    words = Tokenizer(models.WordLevel({"<unk>": 0, "<end>": 1, "good": 2, "bad": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.LlamaConfig(vocab_size=4, eos_token_id=1, bos_token_id=1, **shape)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def test_models_and_tokenizers_load_silently_and_pad(tiny_llama: Path, capfd, monkeypatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *address: pytest.fail("a network was asked"))
    reference = f"path:{tiny_llama}"
    tokenizer = backbones.load_tokenizer(reference)
    batch = tokenizer(["good", "bad good bad"], padding=True, return_tensors="pt")
    assert batch.input_ids.shape == (2, 3)
    model = backbones.load_model(reference, auto_class="AutoModelForSequenceClassification", settings={"num_labels": 3})
    assert model(**batch).logits.shape == (2, 3)
    assert not model.training
    assert model.config.pad_token_id == tokenizer.pad_token_id == 1
    assert str(backbones.load_model(reference, dtype="bfloat16").dtype) == "torch.bfloat16"
    assert capfd.readouterr() == ("", "")
    with pytest.raises(SpecError, match=r"dtype='int3' .* Known: float32, bfloat16, float16"):
        backbones.load_model(reference, dtype="int3")


def test_loading_leaves_the_settings_of_transformers_alone(tiny_llama: Path) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    backbones.load_model(f"path:{tiny_llama}")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])


def _rename_tensors(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file({f"other.{name}": value for name, value in tensors.items()}, folder / "model.safetensors")


def _unknown_type(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "nonesuch", "architectures": ["None"]}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_truncate, ""), (_rename_tensors, "which are another model's"), (_unknown_type, "nonesuch")],
)
def test_a_folder_that_cannot_be_loaded_is_one_paragraph(tiny_llama: Path, tmp_path: Path, spoil, reason) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "spoilt"))
    spoil(folder)
    expected = rf"cannot be loaded as AutoModel: .*{reason}.* Folder {folder} should hold config.json, the weights"
    with pytest.raises(AssetError, match=expected) as error:
        backbones.load_model(f"path:{folder}")
    assert "\n" not in str(error.value)


def test_a_folder_without_a_tokenizer_is_one_paragraph(tiny_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*")))
    with pytest.raises(AssetError, match=r"cannot be loaded as AutoTokenizer: .* Folder .* should hold") as error:
        backbones.load_tokenizer(f"path:{folder}")
    assert "\n" not in str(error.value)
