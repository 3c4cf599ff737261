"""The mean and covariance of a library's vectors, from which the spread of any query follows without reading them.

For a query q, the mean of its products with all vectors is q.m and their variance q.C.q, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from indexer.search.strength import Spread
from indexer.store.vectors import Vectors


def moments_of(chunks: Iterable[Vectors], dim: int) -> Vectors:
    """(dim + 1, dim): the mean of the rows, then their covariance."""
    count, total, products = 0, np.zeros(dim), np.zeros((dim, dim))
    for chunk in chunks:
        part = chunk.astype(np.float64)
        count += len(part)
        total += part.sum(axis=0)
        products += part.T @ part
    mean = total / max(count, 1)
    covariance = products / max(count, 1) - np.outer(mean, mean)
    return np.vstack([mean, covariance]).astype(np.float32)


def spread_from(moments: Vectors, vector: Vectors) -> Spread:
    """The spread of this query's dot products over the rows whose moments these are."""
    # In float32, as the moments are: making a megabyte of them float64 took longer than the product.
    direction = vector.astype(np.float64)
    variance = float(direction @ (moments[1:] @ vector))
    return Spread(float(direction @ moments[0]), max(variance, 0.0) ** 0.5)
