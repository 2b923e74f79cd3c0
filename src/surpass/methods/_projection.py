"""What the features of one model explain of some labels, and what is left for the features of another.

    K = X X' / n,   P = K (K + r I)^-1,  r = reg * trace(K) / n,      v = P_s (I - P_w) y

with X the columns' centred features, y the centred labels; s is the strong model, w the weak one. P is symmetric with
eigenvalues in [0, 1). The sums run over the d features rather than n x n kernels when d < n, which is the same matrix.
Source: Xue et al. 2025 (arXiv 2502.00620); reg 0.1 is that of yuxinjinito/w2s-overlap.
"""

from __future__ import annotations

import numpy as np

from surpass.artifacts import Values

LEAST = 1e-12  # added to the ridge, so that constant features explain nothing rather than divide by 0


def unexplained(strong: Values, supervisor: Values, labels: Values, reg: float) -> Values:
    """Return v (n, C) for strong (n, d) and supervisor (n, k) features and labels (n, C)."""
    centred = labels - labels.mean(axis=0)
    return projected(strong, centred - projected(supervisor, centred, reg), reg)


def projected(vectors: Values, labels: Values, reg: float) -> Values:
    """Return P labels (n, C) for the kernel of the centred vectors (n, d)."""
    x = vectors - vectors.mean(axis=0)
    n, width = x.shape
    ridge = reg * float((x**2).sum()) / n / n + LEAST
    if width <= n:  # X (X'X / n + r I)^-1 X' / n is the same matrix
        return np.asarray(x @ np.linalg.solve(x.T @ x / n + ridge * np.eye(width), x.T @ labels / n))
    kernel = x @ x.T / n
    return np.asarray(kernel @ np.linalg.solve(kernel + ridge * np.eye(n), labels))
