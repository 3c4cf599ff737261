"""From a query's cosines to an order of photos: how terms combine, and how near-duplicates fold.

Pure functions over arrays; knows nothing of files, catalogs or filters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL
from indexer.errors import UsageError
from indexer.search.strength import Spread

Vectors = NDArray[np.float32]

# Photos this alike are one moment: a burst, a resized or re-saved copy. In the bundled encoder's visual space, of 50
# photos of 224 pixels at least 92 % of small shifts, crops and turns and all copies re-saved at quality 50 stay above
# it, 58 % of those at quality 30, few at half the size; of the 25 million pairs among 7,091 different photos seven
# reach it. Joint spaces hold a scene's meaning, in which more photos are near, so they keep to what is nearer still.
FOLD_THRESHOLDS: Mapping[str, float] = MappingProxyType({VISUAL: 0.85, JOINT: 0.90})
# Reciprocal rank fusion's constant (Cormack, Clarke and Buettcher, SIGIR 2009).
RRF_OFFSET = 60
COMBINATIONS = ("cosine", "z", "rrf", "least")
_OR = ", ".join(COMBINATIONS)


@dataclass(frozen=True, eq=False)
class Term:
    """One thing to look for: a (dim,) unit vector in a named space. A negative weight pushes away."""

    vector: Vectors
    space: str = JOINT
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Query:
    """What to look for: terms, and how their scores become one.

    `combine`: "cosine" adds weight * cosine (terms of one space first become one vector, so that the score is a true
    cosine); "z" standardises every term's cosines over the library, then adds weight * z; "rrf" adds
    weight / (60 + rank); "least" asks for photos that none of the terms suits, all of negative weight: the highest lift
    (see `strength`) among them, negated, so that one thing seen is not made up for by others unseen. `by_example` says
    that joint terms are photos, not texts, and judges strength accordingly.
    """

    terms: tuple[Term, ...]
    combine: str = "cosine"
    by_example: bool = False

    def __post_init__(self) -> None:
        if not self.terms:
            raise UsageError("The query is empty.", "Describe the photo, or give one like it.")
        if self.combine not in COMBINATIONS:
            raise UsageError(f"There is no way to combine terms called {self.combine!r}.", f"Use {_OR}.")
        for term in self.terms:
            if term.vector.ndim != 1 or not (np.isfinite(term.vector).all() and np.isfinite(term.weight)):
                raise UsageError("A query term is not a vector of finite numbers.", "Check the encoder that made it.")
        if self.combine == "least" and any(term.weight >= 0 for term in self.terms):
            raise UsageError("Only rejects can be least.", "Combine terms of positive weight by cosine, z or rrf.")


def same(one: Term, other: Term) -> bool:
    """Whether every photo has the same cosine with both."""
    return one is other or (one.space == other.space and np.array_equal(one.vector, other.vector))


def merged(query: Query) -> tuple[Term, ...]:
    """The terms to score: one unit vector of weight 1 where "cosine" meets a single space, else as they are."""
    spaces = {term.space for term in query.terms}
    if query.combine != "cosine" or len(spaces) > 1:
        return query.terms
    return (Term(_sum(query.terms), spaces.pop()),)


def direction(query: Query) -> tuple[Term, bool]:
    """(what the strength of hits is measured along, whether that is an example rather than a text).

    The sum of what the query asks for in the joint space; in the space of its terms, if it is asked by example only.
    """
    wanted = [term for term in query.terms if term.weight > 0] or list(query.terms)
    joint = [term for term in wanted if term.space == JOINT]
    if joint:
        return Term(_sum(joint), JOINT), query.by_example
    space = wanted[0].space
    return Term(_sum([term for term in wanted if term.space == space]), space), True


def _sum(terms: Sequence[Term]) -> Vectors:
    total = np.sum([term.weight * term.vector.astype(np.float64) for term in terms], axis=0)
    length = float(np.linalg.norm(total))
    # Terms that cancel out ask for nothing; every photo then scores 0.
    return np.asarray(total / length if length > 1e-9 else np.zeros_like(total), np.float32)


def scores(
    combine: str, terms: Sequence[Term], cosines: Sequence[NDArray[np.float32]], spreads: Sequence[Spread]
) -> NDArray[np.float32]:
    """The score of each candidate, from each term's (n,) cosines and the spread of them over the whole library."""
    if combine == "least":
        lifts = [values - np.float32(spread.mean) for values, spread in zip(cosines, spreads, strict=True)]
        return np.asarray(-np.max(lifts, axis=0), np.float32)
    total = np.zeros(len(cosines[0]), np.float32)
    for term, values, spread in zip(terms, cosines, spreads, strict=True):
        if combine == "cosine":
            part: NDArray[np.floating] = values
        elif combine == "z":
            part = spread.z(values)
        else:
            part = 1 / (RRF_OFFSET + _ranks(values))
        total += np.float32(term.weight) * part
    return total


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 for the highest; equal values share the better rank, so that the order of rows never decides."""
    ordered = np.sort(-values)
    return (np.searchsorted(ordered, -values, side="left") + 1).astype(np.float32)


def best(values: NDArray[np.float32], ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The positions of the `count` highest values, best first; equal values in the order of ids."""
    if count < len(values):
        # Everything equal to the last one that fits is kept until ids have decided.
        cut = np.partition(values, len(values) - count)[len(values) - count]
        kept = np.flatnonzero(values >= cut)
    else:
        kept = np.arange(len(values))
    order = np.lexsort((ids[kept], -values[kept]))
    return np.asarray(kept[order[:count]], np.int64)


def fold(vectors: Vectors, threshold: float, limit: int | None = None) -> list[list[int]]:
    """Groups rows, best first, under the best row they nearly equal: [[leader, follower, ...], ...].

    At most `limit` groups, the best ones; each holds all its followers.
    """
    groups: list[list[int]] = []
    free = np.ones(len(vectors), np.bool_)
    while free.any() and (limit is None or len(groups) < limit):
        leader = int(np.argmax(free))
        near = free & (vectors @ vectors[leader] >= threshold)
        near[leader] = True
        groups.append([leader, *(int(row) for row in np.flatnonzero(near) if row != leader)])
        free &= ~near
    return groups
