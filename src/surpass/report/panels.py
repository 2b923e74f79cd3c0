"""What all drawings of the report share: the entries of their legends, and where panels go that are many."""

from __future__ import annotations

from collections.abc import Sequence

from surpass.report import text
from surpass.report.blocks import Figures, Fold, Legend, Panel
from surpass.report.svg import Canvas

_OPEN_PANELS = 12  # panels of one kind on the open page; the rest lie behind a line that opens them


def entry(shape: str, style: str, words: str) -> Legend:
    """Return an entry of a legend: a line, or a mark on its interval, and what it stands for."""
    canvas = Canvas(14, 26)
    if shape == "line":
        canvas.path([(2, 7), (24, 7)], style=style)
    else:
        canvas.line((2, 7), (24, 7), style=f"bar {style}")
        canvas.mark(13, 7, shape, style=style)
    return Legend(canvas.markup(""), words)


def figures(panels: Sequence[Panel], legend: tuple[Legend, ...]) -> tuple[Figures | Fold, ...]:
    """Return the panels, those beyond the first dozen folded away; nothing for no panels."""
    if not panels:
        return ()
    shown, rest = tuple(panels[:_OPEN_PANELS]), tuple(panels[_OPEN_PANELS:])
    more = (Fold(f"{text.count(len(rest), 'more panel')}", (Figures(rest),)),) if rest else ()
    return (Figures(shown, legend), *more)
