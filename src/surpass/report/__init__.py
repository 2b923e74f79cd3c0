"""The report: one self-contained HTML page, the same in Markdown, and the numbers as CSV and JSON."""

from __future__ import annotations

from surpass.report.files import FILES, write

__all__ = ["FILES", "write"]
