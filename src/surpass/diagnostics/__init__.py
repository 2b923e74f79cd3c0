"""What predictions say beyond a score: errors inherited and corrected, calibration, effects of size, finetuning and shift.

Functions of test labels and predictions alone (`surpass.stats.Run`), so that anybody can call them on numbers of their own.
"""

from surpass.diagnostics.calibration import Calibration, ReliabilityBin, calibration, reliability
from surpass.diagnostics.errors import ErrorShares, confidence_bounds, error_shares
from surpass.diagnostics.ladder import Climb, climb
from surpass.diagnostics.saliency import Closed, closed
from surpass.diagnostics.shift import Drops, can_drop, drops

__all__ = [
    "Calibration",
    "Climb",
    "Closed",
    "Drops",
    "ErrorShares",
    "ReliabilityBin",
    "calibration",
    "can_drop",
    "climb",
    "closed",
    "confidence_bounds",
    "drops",
    "error_shares",
    "reliability",
]
