"""What `surpass compare` writes and prints: methods against a baseline, in the style of the report."""

from __future__ import annotations

from surpass.report.compare.document import FILES
from surpass.report.compare.files import write

__all__ = ["FILES", "write"]
