"""Convert a GGUF file to the folder that transformers loads; a program, run in a process of its own.

The child's memory (dequantized weights twice over) is returned to the system when it ends. Weights stay float32:
saving the dequantized 4-bit weights as bfloat16 moves the logits by up to 0.7.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(source: str, out: str) -> None:
    """Write config, weights and tokenizer of the GGUF file `source` into the folder `out`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = Path(source)
    where = {"gguf_file": file.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
    model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **where)
    # transformers refuses to save a model that it read from GGUF (5.23), although its weights are plain by now.
    model.hf_quantizer, model.is_quantized = None, False
    del model.config.quantization_config
    # The name in the file is a training run's, not the model's.
    model.config._name_or_path = file.stem
    tokenizer.model_max_length = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
