"""Reviews of products, positive or negative: Amazon Polarity."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from surpass.tasks._hub import Hub, HubTask, Labelled, Split
from surpass.tasks.base import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class AmazonPolarity(HubTask):
    """Is a product review positive (4 or 5 stars) or negative (1 or 2)?

    The source has 3,600,000 training and 400,000 test reviews, half of each class. One training row in 20 and one test row
    in 10 is read, drawn by a hash of its number: 180,000 and 40,000, so that they fit into memory.

    Licence: Apache 2.0, as the data set's card says.
    """

    hub: ClassVar[Hub] = Hub(
        "fancyzhx/amazon_polarity",
        (
            Split("train", "amazon_polarity/train-*.parquet", 3_600_000, one_in=20),
            Split("test", "amazon_polarity/test-*.parquet", 400_000, one_in=10),
        ),
    )
    size: ClassVar[int] = hub.size
    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    licence: ClassVar[str] = "Apache 2.0"
    citation: ClassVar[str] = (
        "Zhang, Zhao & LeCun (2015). Character-level Convolutional Networks for Text Classification. NIPS"
    )
    instruction: ClassVar[str] = "Here is a review of a product. Answer 1 if it recommends the product, 0 otherwise."
    sample: ClassVar[tuple[Row, ...]] = (
        {"label": 1, "title": "Lovely kettle", "content": "It boils fast and is quiet."},
        {"label": 0, "title": "Leaks", "content": "Water ran over the table on day one."},
    )

    def read(self, row: Row) -> Labelled:
        """Return title and text of the review with its label."""
        return Labelled(f"{row['title']} {row['content']}", row["label"])
