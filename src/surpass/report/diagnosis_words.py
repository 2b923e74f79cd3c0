"""What each diagnostic of `surpass diagnose` means, in a sentence, and on what it rests, in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Family(NamedTuple):
    """A diagnostic as the report shows it; `of` heads the column of its parts, `columns` has a title for each quantity."""

    diagnostic: str
    title: str
    meaning: str
    rests_on: str
    columns: Mapping[str, str]
    of: str = "Of"


FAMILIES = (
    Family(
        "misfit",
        "Misfit, the gain that theory predicts",
        "How far the student is from its supervisor: the gain it should have at least, in squared error or, for "
        "KL(student || supervisor), in log loss.",
        "That holds for the closest student of a convex class of models that holds the truth; finetuned networks and "
        "students fitted by cross-entropy are only near it. The interval is that of the misfit, not of the gain.",
        {
            "squared": "Squared",
            "reverse_kl": "KL(student || supervisor)",
            "forward_kl": "KL(supervisor || student)",
            "brier": "Brier",
        },
    ),
    Family(
        "agreement",
        "Agreement",
        "How often the student gives its supervisor's answer on the rows that it was taught; 1 is a copy.",
        "A copy has learned nothing but what its supervisor knew.",
        {"agreement": "Agreement"},
    ),
    Family(
        "similarity",
        "Likeness of errors (CAPA)",
        "How much alike two models err beyond what their accuracy makes them: 0 for independent errors, towards 1 for "
        "the same ones. The less the ceiling errs like the supervisor, the more there is to gain.",
        "It reads probabilities: of models that are unsure even copies are near 0. Errors are taken to fall evenly on the "
        "wrong classes; rows of unlike difficulty make any two models look alike.",
        {"similarity": "Likeness"},
    ),
    Family(
        "overlap",
        "Overlap density",
        "The share of rows that the supervisor is sure of and that look, to the strong model, like those it is not sure "
        "of: from these a student learns what carries over to the hard ones.",
        "The confidence of the weak labels stands for ease, change points for the borders.",
        {"density": "Overlap", "easy": "Easy", "hard": "Hard"},
    ),
    Family(
        "kernel",
        "What only the strong features see",
        "The gap is what the strong features can fit of the labels and the weak features cannot, also as a share of the "
        "labels' variance: the smaller, the nearer student and ceiling. The norms ask the same of the features alone, for "
        "the worst of all labels and for the mean over all.",
        "That is so for ridge regressions on frozen features. A supervisor that is a head on the weak features leaves of "
        "its own labels next to nothing to the gap: then only that of ground truth tells something. Norms are of the "
        "first seed; with fewer rows than features gaps and norms say little.",
        {"gap": "Gap", "gap share": "Share of the labels", "operator": "Worst labels", "norm share": "All labels"},
        of="Labels",
    ),
    Family(
        "dimension",
        "Dimensions of the features",
        "In how many directions rows spread, by how pairs of rows thin out with distance (correlation) and by each row's "
        "two nearest others; and how many of their main directions both models share.",
        "Rows are taken for a dense sample of a smooth surface; the first seed alone.",
        {"correlation": "Correlation", "nearest": "Two nearest", "shared": "Shared"},
        of="Features",
    ),
    Family(
        "expansion",
        "Errors that neighbours correct",
        "A row with a wrong weak label can be put right by near rows with a right one, if the student treats neighbours "
        "alike. c is how often such rows have these neighbours (1: as often as good rows), the bound what theorem B.1 of "
        "Lang et al. 2024 then allows the student's error to be.",
        "Neighbours are the nearest rows in the strong features; c is of this student and promises nothing of another.",
        {
            "weak_error": "Supervisor's error",
            "student_error": "Student's error",
            "not_robust": "Not robust",
            "c": "Expansion c",
            "bound": "Bound",
        },
        of="Class",
    ),
    Family(
        "calibration",
        "Calibration",
        "How far probabilities can be believed: ECE is the mean distance of confidence from accuracy; confidence − "
        "accuracy above 0 is overconfidence.",
        "A supervisor that is surer than right teaches its errors as firmly as what it knows.",
        {"ece": "ECE", "overconfidence": "Confidence − accuracy"},
        of="Role",
    ),
    Family(
        "speed",
        "Speed of learning",
        "How fast the student takes on its supervisor's answers, right ones and wrong ones: the probability that it "
        "gives them, as a mean over its training and at the end, and the share of the training that takes it half way.",
        "A student that takes on right answers first can be stopped before the wrong ones. These are test rows, which it "
        "was not taught, and as many readings as the training recorded.",
        {"area": "Mean over training", "last": "At the end", "half": "Half way after"},
        of="Rows with",
    ),
)
"""In the order of the page."""
