"""Pretrained models by reference: `hub:ORG/NAME@REVISION`, `path:FOLDER`, `package:NAME`, or one that a study makes.

Planning uses `check`, `digest` and `config`, which import no torch; running uses `resolve`, `load_model` and
`load_tokenizer`. A packaged GGUF file is converted once to a folder in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from surpass import disk
from surpass.assets import cache, conversion, manifest
from surpass.errors import AssetError, MissingPackageError, SpecError
from surpass.spec import Spec, key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FORMS = "hub:ORG/NAME@REVISION, path:FOLDER or package:NAME"
_REVISION = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
_DTYPES = ("float32", "bfloat16", "float16")
_SAVED = "config.json, the weights (*.safetensors) and the tokenizer's files, as `save_pretrained` writes them"


class HubModel(NamedTuple):
    """A model of a hub: the two values that `from_pretrained` takes."""

    repository: str
    revision: str


class Made(Protocol):
    """A model that a study trains before any other stage asks for it; then a `path:` stands in its place."""

    def problem(self) -> str | None:
        """Return why it cannot be trained here, or None."""

    def config(self) -> dict[str, Any]:
        """Return what its config.json will hold."""

    def parameters(self) -> int:
        """Return how many parameters it will have."""

    def multiplied(self) -> int:
        """Return how many of them multiply every token."""


Reference = str | Made


def check(reference: Reference) -> str | None:
    """Return what is wrong with a reference, as a sentence, or None; reads no weights and asks no hub.

    >>> check("package:smollm2-135") is None
    False
    """
    if not isinstance(reference, str):
        return reference.problem()
    kind, _, rest = reference.partition(":")
    match kind:
        case "hub":
            return _check_hub(reference, rest)
        case "path":
            return _check_path(reference, rest)
        case "package":
            return _check_package(reference, rest)
    if reference in manifest.names():
        hint = f" Did you mean 'package:{reference}'?"
    elif Path(reference).expanduser().is_dir():
        hint = f" Did you mean 'path:{reference}'?"
    else:
        hint = ""
    return f"backbone '{reference}' does not say where the model is.{hint} Write {_FORMS}."


def _check_hub(reference: str, rest: str) -> str | None:
    repository, _, revision = rest.partition("@")
    if not _REPOSITORY.fullmatch(repository):
        return f"backbone '{reference}' names no model of a hub. Write hub:ORG/NAME@REVISION."
    if not _REVISION.fullmatch(revision):
        said = f"revision '{revision}', which is no commit" if revision else "no revision"
        return (
            f"backbone '{reference}' has {said}. Write hub:{repository}@ and the 40 hexadecimal digits of the commit, "
            "from the model's history on the hub: a branch or tag may hold other weights tomorrow."
        )
    return None


def _check_path(reference: str, rest: str) -> str | None:
    folder = Path(rest).expanduser()
    if not rest or not folder.is_dir():
        return f"backbone '{reference}': there is no folder '{rest}'. Name a folder with {_SAVED}."
    try:
        read = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        adapter = (folder / "adapter_config.json").is_file()
        why = "only an adapter's; merge it into its model first" if adapter else "so transformers cannot load it"
        return f"backbone '{reference}': folder '{rest}' has no config.json, {why}. Expected: {_SAVED}."
    except (OSError, ValueError) as error:
        return f"backbone '{reference}': {rest}/config.json cannot be read ({error}). Expected: {_SAVED}."
    if not isinstance(read, dict):
        return f"backbone '{reference}': {rest}/config.json holds no settings. Expected: {_SAVED}."
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin")):
        return f"backbone '{reference}': folder '{rest}' has no weights. Expected: {_SAVED}."
    return None


def _check_package(reference: str, rest: str) -> str | None:
    assets = manifest.catalogue()
    models = [name for name, asset in assets.items() if asset.kind == "model"]
    if rest not in models:
        said = "is data, not a model" if rest in assets else "is unknown"
        close = _closest(rest, models)
        return f"backbone '{reference}': asset '{rest}' {said}.{close} Packaged models: {', '.join(sorted(models))}."
    if not cache.present(rest):
        return f"backbone '{reference}': {cache.missing(rest)}"
    return None


def _closest(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


def digest(reference: Reference) -> str:
    """Return the identity of a model's files, for keys; of a model that is still to be made the key of its spec.

    A packaged model has that of the manifest and needs not be here; a folder that of its files' contents, computed
    again only when a name, size or time changed; a hub's model its commit.

    Raises:
        AssetError: the reference is not usable; the message is that of `check`.

    >>> digest("package:minilm") == manifest.digest("minilm")
    True
    """
    if isinstance(reference, Spec):
        return key(reference)
    kind, _, rest = str(reference).partition(":")
    if kind == "package" and rest in manifest.catalogue():
        return conversion.digest(manifest.info(rest))
    resolved = _usable(str(reference))
    return resolved.revision if isinstance(resolved, HubModel) else _folder_digest(resolved)


def _folder_digest(folder: Path) -> str:
    files = list(_files(folder))
    note = cache.cache_root() / "digests" / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text("utf-8"))
        if known["files"] == files:
            return str(known["digest"])
    lines = (f"{name}\0{disk.sha256(folder / name)}\n" for name, _, _ in files)
    whole = hashlib.sha256("".join(lines).encode()).hexdigest()
    with contextlib.suppress(OSError):
        cache.write_text(note, json.dumps({"folder": str(folder), "files": files, "digest": whole}))
    return whole


def _files(folder: Path) -> Iterator[list[Any]]:
    """Yield [name, size, time] of every file, in order of name; hidden ones (.git, .cache) are not the model's."""
    for where, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                path = Path(where, name)
                status = path.stat()
                yield [path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns]


def config(reference: Reference) -> dict[str, Any]:
    """Return the model's config.json, for layer counts and hidden sizes; imports no torch.

    For a packaged model that is still to be converted it is the part of it that the manifest repeats.

    Raises:
        AssetError: the reference is not usable, or its config cannot be read.
    """
    if not isinstance(reference, str):
        return reference.config()
    resolved = _usable(reference)
    if isinstance(resolved, HubModel):
        resolved = _hub_config(reference, resolved)
    elif reference.startswith("package:"):
        asset = manifest.info(reference.removeprefix("package:"))
        if asset.convert:
            if not conversion.done(asset):
                return dict(asset.config)
            resolved = conversion.target(asset)
    found: dict[str, Any] = json.loads((resolved / "config.json").read_text("utf-8"))
    return found


def _hub_config(reference: str, model: HubModel) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingPackageError("huggingface_hub", why=f"backbone '{reference}' is on a hub", extra="hf") from error
    try:
        return Path(hf_hub_download(model.repository, "config.json", revision=model.revision)).parent
    except (OSError, ValueError) as error:
        raise _unloadable(reference, model, "config.json", error) from error


def resolve(reference: str) -> Path | HubModel:
    """Return what `from_pretrained` loads: a local folder, or repository and revision of a hub.

    A packaged GGUF file is converted by the first call (about 20 seconds for 135 M parameters).

    Raises:
        AssetError: the reference is not usable, or the conversion failed.
        MissingPackageError: the conversion needs a package that is not installed.
    """
    resolved = _usable(reference)
    kind, _, rest = reference.partition(":")
    if kind == "package" and manifest.info(rest).convert:
        return conversion.converted(manifest.info(rest))
    return resolved


def _usable(reference: str) -> Path | HubModel:
    problem = check(reference)
    if problem:
        raise AssetError(problem)
    kind, _, rest = reference.partition(":")
    if kind == "hub":
        repository, _, revision = rest.partition("@")
        return HubModel(repository, revision)
    return Path(rest).expanduser().resolve() if kind == "path" else cache.folder(rest)


def load_model(
    reference: str,
    *,
    dtype: str = "float32",
    auto_class: str = "AutoModel",
    settings: Mapping[str, Any] | None = None,
) -> Any:  # whatever class transformers picks
    """Return the pretrained model, in evaluation mode and on the CPU.

    A decoder without a padding token is given the one that `load_tokenizer` gives its tokenizer. Code that a model
    brings along is never run.

    Args:
        reference: where the model is.
        dtype: "float32", "bfloat16" or "float16".
        auto_class: a class of transformers, such as "AutoModelForSequenceClassification".
        settings: values that replace those of config.json, such as {"num_labels": 2}.

    Raises:
        AssetError: the model cannot be loaded, or fewer than half of its weights are in its files.
        SpecError: `dtype` is none of the three.
    """
    if dtype not in _DTYPES:
        raise SpecError(f"dtype='{dtype}' of backbone '{reference}' is unknown. Known: {', '.join(_DTYPES)}.")
    resolved = resolve(reference)
    with _quiet(reference, resolved, auto_class) as transformers:
        import torch

        model, report = getattr(transformers, auto_class).from_pretrained(
            _first(resolved),
            **_options(resolved),
            dtype=getattr(torch, dtype),
            output_loading_info=True,
            **dict(settings or {}),
        )
        fresh, total = len(report["missing_keys"]), len(model.state_dict())
        if fresh * 2 > total:
            raise ValueError(f"{fresh} of its {total} tensors are not in the weight files, which are another model's")
    end = getattr(model.config, "eos_token_id", None)
    if getattr(model.config, "pad_token_id", None) is None and end is not None:
        model.config.pad_token_id = end[0] if isinstance(end, list) else end
    return model


def load_tokenizer(reference: str) -> Any:  # whatever class transformers picks
    """Return the model's tokenizer, able to pad: a decoder's without a padding token pads with its end token.

    Raises:
        AssetError: the tokenizer cannot be loaded, or has no token to pad with.
    """
    resolved = resolve(reference)
    with _quiet(reference, resolved, "AutoTokenizer") as transformers:
        tokenizer = transformers.AutoTokenizer.from_pretrained(_first(resolved), **_options(resolved))
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        if tokenizer.pad_token is None:
            raise ValueError("it has no padding, end or unknown token, so texts cannot be put in one batch")
    return tokenizer


def _first(resolved: Path | HubModel) -> str:
    return resolved.repository if isinstance(resolved, HubModel) else str(resolved)


def _options(resolved: Path | HubModel) -> dict[str, Any]:
    if isinstance(resolved, HubModel):
        return {"revision": resolved.revision, "trust_remote_code": False}
    return {"local_files_only": True, "trust_remote_code": False}


@contextlib.contextmanager
def _quiet(reference: str, resolved: Path | HubModel, what: str) -> Iterator[Any]:
    """Yield transformers without its bars and load reports; its errors become one that names the folder."""
    try:
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        package = error.name or "transformers"
        raise MissingPackageError(package, why=f"backbone '{reference}' is to be loaded", extra="hf") from error
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield transformers
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unloadable(reference, resolved, what, error) from error
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _unloadable(reference: str, resolved: Path | HubModel, what: str, error: Exception) -> AssetError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = " ".join(lines)[:400].rstrip(".") or type(error).__name__
    if isinstance(resolved, HubModel):
        offline = "HF_HUB_OFFLINE is set, so it must be in the hub's cache" if os.environ.get("HF_HUB_OFFLINE") else ""
        expected = offline or "Check its name and commit, the network and, for a gated model, your login"
    else:
        expected = f"Folder {resolved} should hold {_SAVED}"
    return AssetError(f"backbone '{reference}' cannot be loaded as {what}: {reason}. {expected}.")
