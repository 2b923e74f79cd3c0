"""How numbers and names read, in one place: the page, the Markdown, the terminal and the sentences all use these."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from surpass.stats import Estimate

UNDEFINED = "undefined"

_METRICS = {"auroc": "AUROC", "ece": "ECE", "mse": "MSE", "mae": "MAE", "r2": "R²", "brier": "Brier score"}
_STOPPING = {"last": "last step", "weak_val": "weak validation", "oracle": "oracle (uses test labels)"}
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def decimals(*values: float) -> int:
    """Return how many decimals show the largest of the values well: 3 for scores from .01 to 10.

    >>> decimals(0.803, 0.781), decimals(12.5), decimals(0.0012)
    (3, 2, 4)
    """
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest == 0 or 0.01 <= largest < 10:
        return 3
    power = math.floor(math.log10(largest))
    return max(0, 3 - power) if power > 0 else min(8, 1 - power)


def number(value: float, places: int | None = None) -> str:
    """Return a number as people read it: three digits, no leading zero, a true minus sign, "undefined" for NaN.

    >>> number(0.8034), number(-0.05), number(1.2), number(float("nan"))
    ('.803', '−.050', '1.200', 'undefined')
    """
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    text = f"{size:.3g}" if size >= 1e6 else f"{size:.{decimals(value) if places is None else places}f}"
    sign = "−" if value < 0 and float(text) != 0 else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def interval(estimate: Estimate) -> str:
    """Return "[.781, .824]", or why there is none; empty when the value itself is undefined."""
    if math.isnan(estimate.value):
        return ""
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return "(no interval)"
    places = decimals(estimate.value, estimate.low, estimate.high)
    return f"[{number(estimate.low, places)}, {number(estimate.high, places)}]"


def value(estimate: Estimate) -> str:
    """Return the value alone, with as many decimals as its interval has."""
    return number(estimate.value, decimals(estimate.value, estimate.low, estimate.high))


def estimate(item: Estimate) -> str:
    """Return the house format of a number: value and interval, or "undefined".

    >>> estimate(Estimate(0.803, 0.781, 0.824, 0.95, 5, 1000, "bootstrap", ""))
    '.803 [.781, .824]'
    """
    return f"{value(item)} {interval(item)}".rstrip()


def percent(level: float) -> str:
    """Return 0.95 as "95 %"."""
    return f"{100 * level:.4g} %"


def metric(name: str) -> str:
    """Return a metric's name as people write it, "log_loss" as "log loss"."""
    return _METRICS.get(name, name.replace("_", " "))


def stopping(name: str) -> str:
    """Return a stopping rule in words; the oracle says that it uses test labels."""
    return _STOPPING.get(name, name.replace("_", " "))


def pair(weak: str, strong: str) -> str:
    """Return "weak → strong"."""
    return f"{weak} → {strong}"


def count(n: int, noun: str, plural: str = "") -> str:
    """Return "1 task", "2 tasks"; `plural` for nouns that need more than an s."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(names: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def shorten(text: str, size: int) -> str:
    """Return the text, its middle cut out when it is longer than `size`: ends of names tell them apart."""
    if len(text) <= size:
        return text
    tail = (size - 1) // 2
    return f"{text[: size - 1 - tail]}…{text[len(text) - tail :]}"


def folded(name: str, width: int) -> str:
    """Return a plug-in's name in lines of at most `width`, broken after spaces, commas, brackets and pluses.

    >>> folded("consistency(strength=0.25)", 16).splitlines()
    ['consistency(', 'strength=0.25)']
    """
    lines = [""]
    for piece in re.findall(r"[^ (,+]*[ (,+]+|[^ (,+]+", clean(name)):
        if len((lines[-1] + piece).rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def clean(text: str) -> str:
    """Return the text without terminal colours and control characters, which no page and no table can show."""
    if text.isprintable():  # most texts are, and this is told fifty times as fast
        return text
    return _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def tail(text: str, lines: int) -> str:
    """Return the last lines of a traceback, with a first line that says how many were left out."""
    every = clean(text).rstrip().splitlines()
    if len(every) <= lines:
        return "\n".join(every)
    left_out = count(len(every) - lines, "earlier line")
    return "\n".join([f"({left_out} left out)", *every[-lines:]])


def seconds(amount: float) -> str:
    """Return a duration: "0.42 s", "12.3 s", "3 min 05 s", "2 h 04 min"."""
    if not math.isfinite(amount):
        return "unknown"
    if amount < 60:
        return f"{amount:.2f} s" if amount < 10 else f"{amount:.1f} s"
    minutes, rest = divmod(round(amount), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def plain(data: Any) -> Any:  # Any: plain data of any nesting, such as a study
    """Return the data with tuples as lists, mappings as dicts and NaN or infinity as None: what JSON and YAML can hold."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if data is None or isinstance(data, str | int):
        return data
    if isinstance(data, Mapping):
        return {str(key): plain(item) for key, item in data.items()}
    if isinstance(data, list | tuple | set | frozenset):
        items = sorted(data, key=repr) if isinstance(data, set | frozenset) else data
        return [plain(item) for item in items]
    return str(data)
