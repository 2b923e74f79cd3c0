"""The model card of a model folder: README.md with the header that hubs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surpass.own.evidence import from_json

ROLES = {
    "floor": "floor (what labels the rows)",
    "student": "student (this model)",
    "ceiling": "ceiling (same model and rows, gold labels)",
    "gold_only": "gold only (same model, known gold rows alone)",
    "gain": "gain (student - floor)",
    "over_gold_only": "student - gold only",
    "gap": "gap (ceiling - floor)",
    "pgr": "PGR",
    "agreement": "agreement with held-out weak labels",
    "confident_disagreement": "disagreement where weak labels are confident",
    "misfit_reverse_kl": "misfit (KL(student || labels), nats)",
    "misfit_forward_kl": "misfit (KL(labels || student), nats)",
    "misfit_brier": "misfit (Brier)",
    "misfit_squared": "misfit (mean squared difference)",  # of folders written by surpass 0.1, as the next
    "misfit_kl": "misfit (KL(labels || student), nats)",
}


def card(facts: Mapping[str, Any]) -> str:
    """Return the card of a student from what `surpass.json` holds."""
    parts = (
        _header(facts),
        _about(facts),
        _data(facts),
        _evidence(facts),
        _findings(facts),
        _use(facts),
        _limits(facts),
    )
    return "\n".join(parts)


def _header(facts: Mapping[str, Any]) -> str:
    import yaml

    skops = facts["form"] == "skops"
    head = {
        "library_name": "skops" if skops else "transformers",
        "pipeline_tag": "text-generation" if facts["target"] == "generation" else "text-classification",
        "tags": ["weak-to-strong", "surpass"],
    }
    backbone = str(facts["student"]["model"].get("backbone", ""))
    if backbone.startswith("hub:"):
        head["base_model"] = backbone.removeprefix("hub:").partition("@")[0]
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n"


def _about(facts: Mapping[str, Any]) -> str:
    student = facts["student"]
    lines = [
        f"# {student['name']}, fitted to weak labels\n",
        f"- Writes: up to {facts['max_new_tokens']} tokens"
        if facts["target"] == "generation"
        else f"- Classes: {', '.join(facts['classes'])}",
        f"- Strong model: {student['name']}",
        f"- Labels: {facts['labels']}",
        f"- Method: {student['method_name']} ({student['choice']['why']})",
        f"- Fitted on {student['trained_on']:,} rows with surpass {facts['versions']['surpass']}, seed {student['seed']}\n",
    ]
    return "\n".join(lines)


def _data(facts: Mapping[str, Any]) -> str:
    data, rows = facts["data"], facts["rows"]
    lines = [
        "## Data\n",
        f"`{data['name']}` (digest {data['digest']}): {data['counts']['read']:,} rows read, {data['counts']['kept']:,} kept.",
        *[f"{text}." for text in data["told"]],
        "",
        "| rows | number |\n|---|---|",
        *[f"| {name} | {number:,} |" for name, number in rows.items()],
        "",
    ]
    return "\n".join(lines)


def _evidence(facts: Mapping[str, Any]) -> str:
    evidence = facts["evidence"]
    names = list(evidence["metrics"])
    lines = ["## What is known of it\n", f"{evidence['basis']}\n"]
    roles = [role for role in ROLES if any(role in evidence["metrics"][name] for name in names)]
    if names:
        lines += [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
        for role in roles:
            cells = [evidence["metrics"][name].get(role) for name in names]
            lines.append(f"| {ROLES[role]} | {' | '.join(str(from_json(c)) if c else '' for c in cells)} |")
        level = facts["level"]
        lines.append(f"\nIn brackets: {100 * level:g} % intervals over {evidence['rests_on']}.")
    lines += ["", *[f"- {note}" for note in evidence["notes"]], ""]
    return "\n".join(lines)


def _findings(facts: Mapping[str, Any]) -> str:
    found = facts["findings"]
    lines = [f"- **{one['severity']}** `{one['code']}`: {one['message']}" for one in found]
    return "\n".join(["## What the guard found\n", *(lines or ["Nothing."]), ""])


def _use(facts: Mapping[str, Any]) -> str:
    code = {
        "transformers": 'pipeline("text-classification", model=FOLDER)("a text", truncation=True, top_k=None)',
        "transformers-remote": 'pipeline("text-classification", model=FOLDER, trust_remote_code=True)'
        '("a text", truncation=True, top_k=None)',
    }.get(facts["form"])
    lines = ["## How to load it\n", "    surpass predict FOLDER new.csv --out scored.csv\n"]
    if facts["target"] == "preference":
        lines = [
            "## How to load it\n",
            "The model scores a text; of two, the first is better with probability sigmoid(s(first) - s(second)).\n",
            "    AutoModelForSequenceClassification.from_pretrained(FOLDER)\n",
        ]
    elif facts["target"] == "generation":
        lines.append(
            "    AutoModelForCausalLM.from_pretrained(FOLDER)  # .generate, greedily, after the prompt alone\n"
        )
    elif code:
        lines.append(f"    from transformers import pipeline\n    {code}\n")
    else:
        lines.append("    skops.io.load('FOLDER/model.skops').predict_proba(['a text'])  # columns as the classes\n")
    if facts["form"] == "transformers-remote":
        lines.append("`modeling_surpass.py` in this folder is the code that transformers then runs; read it first.\n")
    if facts["max_length"]:
        lines.append(f"Texts are cut at {facts['max_length']} tokens.\n")
    return "\n".join(lines)


def _limits(facts: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            "## Limits\n",
            "It was fitted to labels that are partly wrong and may repeat their errors, above all systematic ones. The "
            "numbers above are of rows like those in the file; nothing is known of other texts. The licences of the "
            "strong model and of the data apply.\n",
        ]
    )
