"""Whether a backbone is a causal language model, by its config alone: planning imports no torch."""

from __future__ import annotations

from surpass.assets import backbones

_ENDINGS = ("ForCausalLM", "LMHeadModel")


def problem(reference: backbones.Reference) -> str | None:
    """Return why the backbone cannot predict next tokens, or None; None too where no config is at hand.

    A hub's model is not asked for its config, and a packaged one that is still to be converted has none with
    architectures. The loaded model is tried in any case.
    """
    if str(reference).startswith("hub:") or backbones.check(reference):
        return None
    classes = backbones.config(reference).get("architectures") or ()
    if not classes or any(str(name).endswith(_ENDINGS) for name in classes):
        return None
    return (
        f"backbone '{reference}' is saved as {', '.join(map(str, classes))}, which does not predict next tokens. "
        f"Choose a model that is saved as ...{' or ...'.join(_ENDINGS)}."
    )
