"""Where a query's target stands among all photos, exactly and in little memory.

Scores come from blocked float32 products, which round: two photos with one and the same vector can score differently,
and near scores change places. So whatever lies within the rounding error of the target's score is scored again in
float64, always summed in the same order; equal vectors then tie exactly. Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

# A block of scores is 4 MB, which the caches hold while it is compared.
_PHOTOS, _QUERIES = 2048, 512
# Rows scored again at once, in float64: 16 MB at 512 numbers.
_AGAIN = 4096


@dataclass(frozen=True, eq=False)
class Places:
    """(queries,) `ranks`: photos that score strictly better than the target; `ties`: other photos that score the
    same."""

    ranks: NDArray[np.int64]
    ties: NDArray[np.int64]


def places(photos: Vectors, queries: Vectors, targets: NDArray[np.int64]) -> Places:
    """Ranks photo `targets[i]` for query i by their product. `photos` (n, dim), may be mapped; `queries` (m, dim)."""
    own = _products(photos[targets], queries)
    margins = _margins(photos, queries)
    # Rounded outwards, so that nothing that may be equal falls between.
    high = np.nextafter((own + margins).astype(np.float32), np.float32(np.inf))
    low = np.nextafter((own - margins).astype(np.float32), np.float32(-np.inf))
    ranks, ties = np.zeros(len(queries), np.int64), np.full(len(queries), -1, np.int64)
    for start in range(0, len(photos), _PHOTOS):
        block = np.ascontiguousarray(photos[start : start + _PHOTOS], np.float32)
        for first in range(0, len(queries), _QUERIES):
            some = slice(first, first + _QUERIES)
            scores = queries[some] @ block.T
            better = scores > high[some, None]
            ranks[some] += np.count_nonzero(better, axis=1)
            near = scores >= low[some, None]
            near ^= better
            rows, columns = np.divmod(np.flatnonzero(near), len(block))
            _settle(block, queries[some], own[some], rows, columns, ranks[some], ties[some])
    return Places(ranks, ties)


def _settle(
    photos: Vectors,
    queries: Vectors,
    own: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    ranks: NDArray[np.int64],
    ties: NDArray[np.int64],
) -> None:
    """Adds to `ranks` and `ties` what exact scores say of the pairs (query row, photo column)."""
    for start in range(0, len(rows), _AGAIN):
        row, column = rows[start : start + _AGAIN], columns[start : start + _AGAIN]
        exact = _products(photos[column], queries[row])
        ranks += np.bincount(row[exact > own[row]], minlength=len(ranks))
        ties += np.bincount(row[exact == own[row]], minlength=len(ties))


def _products(left: Vectors, right: Vectors) -> NDArray[np.float64]:
    """Row for row; products of float32 are exact in float64, and every row is summed in the same order."""
    return np.asarray((left.astype(np.float64) * right.astype(np.float64)).sum(axis=1))


def _margins(photos: Vectors, queries: Vectors) -> NDArray[np.float64]:
    """How far a float32 product may be from the exact one: n*u*|x||y| (Higham, Accuracy and Stability, 2002, 3.1)."""
    longest = max(
        float(np.linalg.norm(photos[start : start + _PHOTOS], axis=1).max(initial=0.0))
        for start in range(0, max(len(photos), 1), _PHOTOS)
    )
    unit_roundoff = 2.0**-24
    # Twice the bound's first term, for the terms beyond it.
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    return np.asarray(2 * photos.shape[1] * unit_roundoff * longest * lengths, np.float64)
