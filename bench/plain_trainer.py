"""A weak-to-strong study as a plain script on `transformers.Trainer` with default settings.

What `bench/same_study.py` compares surpass with: fp32, LoRA by peft on every linear map of all layers, batches padded to
their longest row, the test set evaluated after every epoch, labels of the supervisor written by a last prediction. Nothing
is shared between the fits but the tokens.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import peft
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, cross_entropy
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

Rows = list[dict[str, object]]


class SoftTrainer(Trainer):
    """Trainer with cross-entropy to probabilities, or the confidence loss of Burns et al. 2023 (appendix A.4)."""

    confident = False
    share = 0.75

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Return the mean loss of a batch."""
        targets: Tensor = inputs.pop("soft")
        outputs = model(**inputs)
        logits = outputs.logits.float()
        loss = cross_entropy(logits, targets)
        if self.confident:
            sure = torch.softmax(logits, dim=-1)[:, 1].detach()
            threshold = sure.quantile(1 - targets[:, 1].mean())
            own = (sure > threshold).float()
            ramp = min(1.0, self.state.global_step / max(1, 0.2 * self.state.max_steps))
            weight = self.share * ramp
            wanted = (1 - weight) * targets[:, 1] + weight * own
            loss = binary_cross_entropy(torch.softmax(logits, dim=-1)[:, 1], wanted)
        return (loss, outputs) if return_outputs else loss


def rows_of(folder: Path, texts: Sequence[str], labels: np.ndarray) -> Rows:
    """Return tokenized rows with probabilities (n, 2) as `soft`."""
    tokens = AutoTokenizer.from_pretrained(folder)(list(texts), truncation=True, max_length=512)
    return [
        {"input_ids": ids, "attention_mask": mask, "soft": [float(p) for p in soft]}
        for ids, mask, soft in zip(tokens["input_ids"], tokens["attention_mask"], labels, strict=True)
    ]


def fit(
    folder: Path, train: Rows, test: Rows, *, epochs: int, confident: bool, seed: int, lr: float, gold: np.ndarray
) -> Trainer:
    """Return a trainer that has trained a fresh model."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id
    model = peft.get_peft_model(
        model, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="SEQ_CLS")
    )
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        num_train_epochs=epochs,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=32,
        learning_rate=lr,
        lr_scheduler_type="cosine",
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,
        label_names=["soft"],
        use_cpu=True,
        disable_tqdm=True,
        logging_strategy="no",
        seed=seed,
    )
    trainer = SoftTrainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=test,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda found: {"accuracy": float((found.predictions.argmax(axis=1) == gold).mean())},
    )
    trainer.confident = confident
    trainer.train()
    return trainer


def probabilities(trainer: Trainer, rows: Rows) -> np.ndarray:
    """Return the probabilities (n, 2) of rows."""
    trainer.compute_metrics = None  # which knows the test rows alone
    logits = trainer.predict(rows).predictions
    return torch.softmax(torch.tensor(np.asarray(logits)).float(), dim=-1).numpy()


def study(
    folder: Path, parts: dict[str, tuple[Sequence[str], np.ndarray]], *, epochs: int, seed: int, lr: float
) -> dict[str, float]:
    """Return the accuracies of supervisor, ceiling and both students; `parts` are texts and gold of weak, transfer, test."""
    rows = {name: rows_of(folder, texts, np.eye(2)[gold]) for name, (texts, gold) in parts.items()}
    gold = parts["test"][1]

    def score(trainer: Trainer) -> float:
        """Return the accuracy of the last evaluation."""
        return float([entry for entry in trainer.state.log_history if "eval_accuracy" in entry][-1]["eval_accuracy"])

    options = {"epochs": epochs, "seed": seed, "lr": lr, "gold": gold}
    supervisor = fit(folder, rows["weak"], rows["test"], confident=False, **options)
    found = {"supervisor": score(supervisor)}
    weak = rows_of(folder, parts["transfer"][0], probabilities(supervisor, rows["transfer"]))
    del supervisor
    found["ceiling"] = score(fit(folder, rows["transfer"], rows["test"], confident=False, **options))
    found["soft"] = score(fit(folder, weak, rows["test"], confident=False, **options))
    found["logconf"] = score(fit(folder, weak, rows["test"], confident=True, **options))
    return found
