"""The report as one HTML page: no JavaScript, no network, opens from disk."""

from __future__ import annotations

from pathlib import Path

import jinja2
from markupsafe import Markup

from surpass.report import text
from surpass.report.blocks import Document

_TEMPLATES = Path(__file__).parent


def page(document: Document) -> str:
    """Return the report as HTML. Every text is escaped, whoever wrote it; only our own drawings are markup."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_clean,
    )
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    # style and drawings are ours, not data; Markup keeps them from being escaped
    template = environment.get_template("report.html.j2")
    return template.render(document=document, style=Markup(style), drawing=Markup).lstrip()


def _clean(value: object) -> object:
    return text.clean(value) if type(value) is str else value
