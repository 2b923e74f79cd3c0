"""How much faster is LoRA on the top quarter of the layers than on all, once the frozen lower layers have run?

    python bench/top_layers.py [--rows 128] [--turns 2]

Film review snippets, SmolLM2-135M, real tokens a second of one epoch in processor seconds, in turns. The states of the lower
layers are known, as they are from the second epoch or the second method on. Needs `surpass assets fetch vader-ratings
smollm2-135m`.
"""

from __future__ import annotations

import limits
import torch

from surpass.benching import Claim, in_turns, ratios, script


def claims(rows: int = 128, turns: int = 2) -> list[Claim]:
    """Return the claims of this part."""
    texts = limits.texts_of(rows)
    layers = limits.backbone().layers
    cases = {
        "all layers": limits.training(texts, limits.model_of("lora", 512)),
        "top quarter": limits.training(texts, limits.model_of("lora", 512, layers=layers // 4)),
    }
    rates = in_turns(cases, turns)
    named = {f"{name}, tokens/s": values for name, values in rates.items()}
    times = ratios(rates["top quarter"], rates["all layers"])
    return [Claim("LoRA on the top quarter, lower layers kept, over all layers", "times", times, 3.0, cases=named)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    script(claims, __doc__)
