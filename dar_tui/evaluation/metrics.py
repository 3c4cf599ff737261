"""From ranks to the figures of the field. Ranks are 0-based: how many photos scored strictly better than the target.

Pure functions over arrays (queries, turns); a turn is a dialogue length, 0 being D0 alone. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (1, 5, 10)

Ranks = NDArray[np.int64]
Values = NDArray[np.float64]


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
