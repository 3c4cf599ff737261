"""One way of searching: a query strategy with a fusion strategy, and where it puts the targets.

Fusion strategies make the same `Query` that a library executes. But for reciprocal ranks it is linear in a photo's
vectors (standardised scores are, once the spread is known), so a batch becomes one matrix product. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dar_tui.evaluation.corpus import Corpus
from dar_tui.evaluation.ranking import Places, places
from dar_tui.fusion.strategies import Evidence, strategy_named
from dar_tui.reformulate import QueryStrategy
from indexer.encoders import JOINT
from indexer.search.ranking import Query, merged, scores
from indexer.search.strength import spread_of

Vectors = NDArray[np.float32]

# As in `indexer.search.strength`: below this, differences between cosines are rounding.
_NO_DEVIATION = 1e-6


@dataclass(frozen=True)
class Arm:
    """A way of searching that is measured. `weight`: the pictures', None for the strategy's own."""

    encoder: str
    query: QueryStrategy
    fusion: str
    weight: float | None = None

    @property
    def name(self) -> str:
        """Unlike that of any other arm of a run."""
        weight = "" if self.weight is None else f"@{self.weight:g}"
        return f"{self.encoder}/{self.query}/{self.fusion}{weight}"

    @property
    def baseline(self) -> Arm:
        """The same text without pictures."""
        return Arm(self.encoder, self.query, "text-only")


def place(arm: Arm, evidence: Sequence[Evidence], corpus: Corpus, targets: NDArray[np.int64]) -> Places:
    """Where the arm puts each piece of evidence's target. What asks for nothing finds nothing: it comes last."""
    strategy = strategy_named(arm.fusion)
    queries = [strategy(each, arm.weight) for each in evidence]
    linear = np.array([at for at, query in enumerate(queries) if query.combine != "rrf"], np.int64)
    ranks, ties = np.zeros(len(queries), np.int64), np.zeros(len(queries), np.int64)
    if len(linear):
        vectors = [directions(queries[at], corpus) for at in linear]
        joint_only = not any(visual.any() for _, visual in vectors)
        rows = [joint if joint_only else np.concatenate([joint, visual]) for joint, visual in vectors]
        found = places(corpus.joint if joint_only else corpus.both, np.stack(rows), targets[linear])
        ranks[linear], ties[linear] = found.ranks, found.ties
        asks_nothing = linear[[not row.any() for row in rows]]
        ranks[asks_nothing] = len(corpus.joint) - 1
    for at in set(range(len(queries))) - set(linear.tolist()):
        values = _scores(queries[at], corpus)
        own = values[targets[at]]
        ranks[at], ties[at] = (values > own).sum(), (values == own).sum() - 1
    return Places(ranks, ties)


def directions(query: Query, corpus: Corpus) -> tuple[Vectors, Vectors]:
    """(dim,) joint and (visual_dim,) visual: the sum of their products with a photo's orders photos as the query does.

    Standardising takes one mean from all photos and divides by one deviation: the order needs the second only.
    """
    visual_dim = 0 if corpus.visual is None else corpus.visual.shape[1]
    joint, visual = np.zeros(corpus.joint.shape[1]), np.zeros(visual_dim)
    for term in merged(query):
        weight = term.weight
        if query.combine == "z":
            deviation = corpus.moments[term.space].deviation(term.vector)
            weight = weight / deviation if deviation > _NO_DEVIATION else 0.0
        target = joint if term.space == JOINT else visual
        target += weight * term.vector.astype(np.float64)
    length = float(np.sqrt(joint @ joint + visual @ visual)) or 1.0
    return (joint / length).astype(np.float32), (visual / length).astype(np.float32)


def _scores(query: Query, corpus: Corpus) -> NDArray[np.float32]:
    """What a library computes by exact search, for every photo."""
    terms = merged(query)
    cosines = [np.asarray(corpus.vectors(term.space) @ term.vector, np.float32) for term in terms]
    return scores(query.combine, terms, cosines, [spread_of(values) for values in cosines])
