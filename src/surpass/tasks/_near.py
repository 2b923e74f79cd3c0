"""What is nearly the same is one group, or a test would ask what training has answered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BLOCK = 1000
_FEW = 1000


def families(texts: Sequence[str], *, alike: float, keys: Sequence[str] = ()) -> list[str]:
    """Return for each text the name of its family, the text of it that sorts first.

    Two texts are of one family when the cosine of their TF-IDF vectors of words is at least `alike`, or when they have one of
    the `keys` in common, which is not empty; and so are those that others link. Words that more than a tenth of the texts
    have count for nothing, unless there are few texts.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction.text import TfidfVectorizer

    common = 0.1 if len(texts) >= _FEW else 1.0
    vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+", max_df=common).fit_transform(texts)
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    linked = [np.array([(i, first[key]) for i, key in enumerate(keys) if key], dtype=np.int64).reshape(-1, 2).T]
    for start in range(0, len(texts), _BLOCK):
        near = (vectors[start : start + _BLOCK] @ vectors.T).tocoo()
        kept = near.data >= alike
        linked.append(np.stack([near.row[kept] + start, near.col[kept]]))
    one, other = np.concatenate(linked, axis=1)
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(len(texts), len(texts)))
    _, family = connected_components(graph, directed=False)
    names: dict[int, str] = {}
    for number, text in zip(family, texts, strict=True):
        names[number] = min(text, names.get(number, text))
    return [names[number] for number in family]
