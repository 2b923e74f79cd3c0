"""Small drawings as SVG text: an axis, marks, lines. Colours are classes, so that the page's CSS themes them."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

WIDTH = 360.0

_MARKERS = {
    "circle": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "square": "M-4 -4H4V4H-4z",
    "diamond": "M0 -5.6L5.6 0L0 5.6L-5.6 0z",
    "up": "M0 -5.2L5 3.8H-5z",
    "down": "M0 5.2L5 -3.8H-5z",
    "small up": "M0 -3.9L3.8 2.9H-3.8z",
    "small diamond": "M0 -4.2L4.2 0L0 4.2L-4.2 0z",
}


def coordinate(value: float) -> str:
    """Return a coordinate with one decimal at most: the same text on every machine, and short."""
    text = f"{value:.1f}"
    return "0" if text in ("-0.0", "0.0") else text.removesuffix(".0")


@dataclasses.dataclass(frozen=True)
class Axis:
    """Maps the values low..high to the pixels start..stop."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, held inside the axis."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.stop - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Return round numbers inside the axis, at most that many."""
        return ticks(self.low, self.high, most)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most `most` round numbers (steps of 1, 2 or 5 times a power of ten) between low and high.

    >>> ticks(0.62, 0.91)
    [0.7, 0.8, 0.9]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (1, 2, 2.5, 5, 10, 20):
        size = step * power
        first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
        if last - first + 1 <= most:
            return [round(i * size, 12) for i in range(first, last + 1)]
    return [low, high]


def span(values: Iterable[float], *, around: float = 0.06) -> tuple[float, float]:
    """Return the range of the finite values with some room on both sides; (0, 1) when there are none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    room = (high - low) * around or max(abs(high) * around, 1e-6)
    return low - room, high + room


def tick_labels(values: Sequence[float]) -> list[str]:
    """Return the ticks with as many decimals as tell them apart, without a leading zero."""
    if len(values) > 1:
        step = min(b - a for a, b in pairwise(values))
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        if round(step, places) != round(step, 10):  # a step of 0.25 needs one more
            places += 1
    else:
        places = 2
    texts = [f"{abs(value):.{places}f}" for value in values]
    bare = [text[1:] if text.startswith("0.") and float(text) else text for text in texts]
    bare = ["0" if not float(text) else text for text in bare]
    return [("−" if value < 0 and text != "0" else "") + text for value, text in zip(values, bare, strict=True)]


class Canvas:
    """Collects the parts of one drawing."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def text(self, x: float, y: float, content: str, *, style: str = "", anchor: str = "start") -> None:
        """Write a line of text; `anchor` is start, middle or end."""
        side = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._add("text", f' x="{coordinate(x)}" y="{coordinate(y)}"{side}', style, html.escape(content))

    def line(self, start: tuple[float, float], stop: tuple[float, float], *, style: str) -> None:
        """Draw a straight line."""
        (x1, y1), (x2, y2) = start, stop
        places = (("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2))
        self._add("line", "".join(f' {name}="{coordinate(value)}"' for name, value in places), style)

    def box(self, corner: tuple[float, float], size: tuple[float, float], *, style: str) -> None:
        """Fill a rectangle."""
        places = (("x", corner[0]), ("y", corner[1]), ("width", max(size[0], 0.5)), ("height", size[1]))
        self._add("rect", "".join(f' {name}="{coordinate(value)}"' for name, value in places), style)

    def path(self, points: Sequence[tuple[float, float]], *, style: str) -> None:
        """Draw a line through the points; those that are not finite break it."""
        parts, pen = [], "M"
        for x, y in points:
            if not (math.isfinite(x) and math.isfinite(y)):
                pen = "M"
                continue
            parts.append(f"{pen}{coordinate(x)} {coordinate(y)}")
            pen = "L"
        if parts:
            self._add("path", f' d="{"".join(parts)}"', f"line {style}")

    def mark(self, x: float, y: float, shape: str, *, style: str, hint: str = "") -> None:
        """Set a marker; `hint` shows when a mouse rests on it."""
        inner = f"<title>{html.escape(hint)}</title>" if hint else ""
        place = f' d="{_MARKERS[shape]}" transform="translate({coordinate(x)} {coordinate(y)})"'
        self._add("path", place, f"mark {style}", inner)

    def dots(self, points: Iterable[tuple[float, float]], *, style: str) -> None:
        """Set many small dots in one part, those at one place once: thousands of marks would make a slow page."""
        places = dict.fromkeys(f"M{coordinate(x)} {coordinate(y)}h0" for x, y in points)
        self._add("path", f' d="{"".join(places)}"', f"dots {style}")

    def bar(self, axis: Axis, low: float, high: float, y: float, *, style: str) -> None:
        """Draw a horizontal interval with end caps; nothing when there is none."""
        if math.isnan(low) or math.isnan(high):
            return
        left, right = axis(low), axis(high)
        ends = f"M{coordinate(left)} {coordinate(y)}H{coordinate(right)}"
        caps = "".join(f"M{coordinate(x)} {coordinate(y - 3)}v6" for x in (left, right))
        self._add("path", f' d="{ends}{caps}"', f"bar {style}")

    def across(self, axis: Axis, *, top: float, bottom: float, title: str) -> None:
        """Draw a horizontal axis at the bottom, its grid up to the top, and what it measures."""
        values = axis.ticks()
        for value, label in zip(values, tick_labels(values), strict=True):
            self.line((axis(value), top), (axis(value), bottom), style="grid")
            self.text(axis(value), bottom + 15, label, style="tick", anchor="middle")
        self.line((axis.start, bottom), (axis.stop, bottom), style="axis")
        self.text((axis.start + axis.stop) / 2, bottom + 31, title, style="title", anchor="middle")

    def up(self, axis: Axis, *, left: float, right: float) -> None:
        """Draw the labels and the grid of a vertical axis."""
        values = axis.ticks()
        for value, label in zip(values, tick_labels(values), strict=True):
            self.line((left, axis(value)), (right, axis(value)), style="grid")
            self.text(left - 7, axis(value) + 3.8, label, style="tick", anchor="end")

    def markup(self, words: str) -> str:
        """Return the SVG; `words` says for those who cannot see it what it shows."""
        name = f'role="img" aria-label="{html.escape(words)}"' if words else 'aria-hidden="true"'
        size = f"0 0 {coordinate(self.width)} {coordinate(self.height)}"
        shape = f'viewBox="{size}" width="{coordinate(self.width)}" height="{coordinate(self.height)}"'
        return f"<svg {shape} {name}>{''.join(self._parts)}</svg>"

    def _add(self, tag: str, attributes: str, style: str, inner: str = "") -> None:
        kind = f' class="{style}"' if style else ""
        self._parts.append(f"<{tag}{kind}{attributes}>{inner}</{tag}>" if inner else f"<{tag}{kind}{attributes}/>")
