"""What predictions and features say beyond a score: errors, calibration, misfit, kernels, dimensions, expansion, speed.

Functions of labels, predictions and frozen features alone, so that anybody can call them on numbers of their own. Each
module's text says what its numbers assume, their range, and when they fail.
"""

from surpass.diagnostics.bounds import (
    Bound,
    coverage_bound,
    pseudolabel_bound,
    simple_coverage_bound,
    tight_pseudolabel_bound,
    two_sided_coverage_bound,
)
from surpass.diagnostics.calibration import Calibration, ReliabilityBin, calibration, reliability
from surpass.diagnostics.density import OverlapDensity, overlap_density
from surpass.diagnostics.dimension import SharedDimension, correlation_dimension, nearest_dimension, shared_dimension
from surpass.diagnostics.errors import ErrorShares, confidence_bounds, error_shares
from surpass.diagnostics.expansion import ClassExpansion, Neighbourhood, expansion
from surpass.diagnostics.kernel import KernelGap, KernelNorm, Views, kernel_gap, kernel_norm
from surpass.diagnostics.ladder import Climb, climb
from surpass.diagnostics.misfit import (
    LOSSES,
    Misfit,
    Outputs,
    SeedMisfit,
    losses_for,
    misfits,
    paired,
    predicted_gain,
)
from surpass.diagnostics.saliency import Closed, closed
from surpass.diagnostics.scatter import Scatter, scatter
from surpass.diagnostics.selection import Candidate, Selection, select
from surpass.diagnostics.shift import Drops, can_drop, drops
from surpass.diagnostics.similarity import Similarity, error_similarity
from surpass.diagnostics.speed import Speed, Training, learning_speed
from surpass.stats import AgreementEstimate, agreement_estimate

__all__ = [
    "LOSSES",
    "AgreementEstimate",
    "Bound",
    "Calibration",
    "Candidate",
    "ClassExpansion",
    "Climb",
    "Closed",
    "Drops",
    "ErrorShares",
    "KernelGap",
    "KernelNorm",
    "Misfit",
    "Neighbourhood",
    "Outputs",
    "OverlapDensity",
    "ReliabilityBin",
    "Scatter",
    "SeedMisfit",
    "Selection",
    "SharedDimension",
    "Similarity",
    "Speed",
    "Training",
    "Views",
    "agreement_estimate",
    "calibration",
    "can_drop",
    "climb",
    "closed",
    "confidence_bounds",
    "correlation_dimension",
    "coverage_bound",
    "drops",
    "error_shares",
    "error_similarity",
    "expansion",
    "kernel_gap",
    "kernel_norm",
    "learning_speed",
    "losses_for",
    "misfits",
    "nearest_dimension",
    "overlap_density",
    "paired",
    "predicted_gain",
    "pseudolabel_bound",
    "reliability",
    "scatter",
    "select",
    "shared_dimension",
    "simple_coverage_bound",
    "tight_pseudolabel_bound",
    "two_sided_coverage_bound",
]
