"""Ranks of targets among all photos, the field's figures made from them, and confidence intervals of differences.

Ranks are 0-based: how many photos scored strictly better than the target. Scores come from blocked float32 products,
which round: two photos with one and the same vector can score differently, and near scores change places. So whatever
lies within the rounding error of the target's score is scored again in float64, always summed in the same order; equal
vectors then tie exactly. Pure functions over arrays (queries, turns); a turn is a dialogue length, 0 being D0 alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CUTOFFS = (1, 5, 10)

Ranks = NDArray[np.int64]
Values = NDArray[np.float64]

Vectors = NDArray[np.float32]

# A block of scores is 4 MB, which the caches hold while it is compared.
_PHOTOS, _QUERIES = 2048, 512
# Rows scored again at once, in float64: 16 MB at 512 numbers.
_AGAIN = 4096

# The interval's ends then move by less than a tenth of a point from one seed to another.
SAMPLES = 10_000
# Of 2,064 tasks, 500 resamples at a time are 8 MB of indices.
_AT_ONCE = 500


@dataclass(frozen=True)
class Estimate:
    """A mean over queries and its standard error."""

    mean: float
    error: float


# One estimate for each turn.
Curve = tuple[Estimate, ...]


@dataclass(frozen=True)
class Metrics:
    """What a run's ranks add up to.

    `hits`: by cutoff k, percent of the queries whose target was among the first k by then (cumulative Hits@k).
    `recall`: the same at that very turn (Recall@k). `reciprocal`: mean reciprocal rank by turn. `bri`: None where ranks
    are not known beyond a page, or there is one turn only. `ties`: by turn, percent of the queries whose target shares
    its score with another photo.
    """

    hits: Mapping[int, Curve]
    recall: Mapping[int, Curve]
    reciprocal: Curve
    bri: Estimate | None
    ties: tuple[float, ...]


@dataclass(frozen=True)
class Effect:
    """Percent of all (query, turn) whose rank is worse, and better, than the baseline's."""

    hurt: float
    helped: float


def measure(ranks: Ranks, ties: Ranks, depth: int | None = None) -> Metrics:
    """All metrics of (queries, turns) ranks. `depth`: ranks from there on are not known, and count as not found."""
    return Metrics(
        hits={k: _percent(hits(ranks, k)) for k in CUTOFFS},
        recall={k: _percent(recall(ranks, k)) for k in CUTOFFS},
        reciprocal=_curve(reciprocal(ranks, depth)),
        bri=_estimate(bri(ranks)) if depth is None and ranks.shape[1] > 1 else None,
        ties=tuple(100 * float(share) for share in (ties > 0).mean(axis=0)),
    )


def recall(ranks: Ranks, k: int) -> Values:
    """(queries, turns): 1 where the target is among the first k at that turn."""
    return (ranks < k).astype(np.float64)


def hits(ranks: Ranks, k: int) -> Values:
    """(queries, turns): 1 where it was among the first k at that turn or before: what has hit stays hit."""
    return recall(np.minimum.accumulate(ranks, axis=1), k)


def reciprocal(ranks: Ranks, depth: int | None = None) -> Values:
    """(queries, turns): one over the 1-based rank; 0 from `depth` on."""
    found = np.asarray(1.0 / (ranks + 1.0), np.float64)
    if depth is not None:
        found[ranks >= depth] = 0.0
    return found


def bri(ranks: Ranks) -> Values:
    """(queries,) Best log Rank Integral (PlugIR, Lee et al., ACL 2024); lower is better.

    The area under ln(best rank so far + 1) by the trapezoid rule, divided by the number of turns after D0.
    """
    best = np.log(np.minimum.accumulate(ranks, axis=1) + 1.0)
    return np.asarray(((best[:, :-1] + best[:, 1:]) / 2).mean(axis=1), np.float64)


def effect(ranks: Ranks, baseline: Ranks) -> Effect:
    """How often the ranks are worse and better than the baseline's, query for query and turn for turn."""
    return Effect(100 * float((ranks > baseline).mean()), 100 * float((ranks < baseline).mean()))


def _percent(values: Values) -> Curve:
    return _curve(100 * values)


def _curve(values: Values) -> Curve:
    return tuple(_estimate(column) for column in values.T)


def _estimate(values: Values) -> Estimate:
    count = len(values)
    error = float(values.std(ddof=1)) / count**0.5 if count > 1 else 0.0
    return Estimate(float(values.mean()), error)


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
            _count_exactly(block, queries[some], own[some], rows, columns, ranks[some], ties[some])
    return Places(ranks, ties)


def _count_exactly(
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


@dataclass(frozen=True)
class Gain:
    """A mean difference and its 95 % interval, in the unit of what was compared times `scale`."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"

    @property
    def is_sure(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


def paired_gain(ours: ArrayLike, theirs: ArrayLike, seed: int = 0, scale: float = 100.0) -> Gain:
    """What `ours` gains over `theirs`, both (tasks,) over the same tasks, by a paired bootstrap over these.

    `scale` 100: in points, hundredths of what one task may give.
    """
    differences = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    random = np.random.default_rng(seed)
    means = np.concatenate(
        [
            differences[
                random.integers(len(differences), size=(min(_AT_ONCE, SAMPLES - start), len(differences)))
            ].mean(1)
            for start in range(0, SAMPLES, _AT_ONCE)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return Gain(scale * float(differences.mean()), scale * float(low), scale * float(high))
