"""One search over one state of the library: candidates, scores, strengths, folding, in numbered steps.

Knows arrays only; what the photos are called and where they lie is added afterwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexer.search.hits import Placing
from indexer.search.ranking import Query, best, direction, fold, merged, scores
from indexer.search.snapshot import LoadGraph, Positions, Snapshot
from indexer.search.strength import thresholds
from indexer.store.graph import Graph

# Fetched for each photo shown, so that folded bursts do not leave the page short; more if they do.
_FOLD_OVERFETCH = 4


def search(
    snapshot: Snapshot,
    query: Query,
    allowed: NDArray[np.bool_] | None,
    k: int,
    *,
    fold_threshold: float | None,
    graph_threshold: int,
    load_graph: LoadGraph,
) -> list[list[Placing]]:
    """The best `k` groups among the allowed photos, each led by its best photo; no folding if the threshold is None."""
    # 1. What is scored, and along what the strength of a match is measured.
    terms = merged(query)
    along, by_example = direction(query)
    # 2. Everything, or what the graphs and the filter leave.
    asked = (*terms, along)
    large = len(snapshot.ids) > graph_threshold
    graphs = snapshot.graphs(asked, load_graph) if large else None
    want = k if fold_threshold is None else _FOLD_OVERFETCH * k
    positions = _positions(snapshot, query, allowed, want, graph_threshold, graphs)
    if positions is None:
        graphs = None
    elif not len(positions):
        return []
    # 3. Exact cosines, and one score for each candidate.
    cosines, spreads = snapshot.scored(asked, positions, graphs)
    values = scores(query.combine, terms, cosines[:-1], spreads[:-1])
    lifts = cosines[-1] - spreads[-1].mean
    # 4. The best, near-duplicates folded.
    ids = snapshot.ids if positions is None else snapshot.ids[positions]
    groups = _groups(snapshot, values, ids, positions, k, want, fold_threshold)
    # 5. How strong they are, in this library.
    limits = thresholds(
        snapshot.text_peaks, snapshot.photo_peaks, len(snapshot.ids), spreads[-1], by_example=by_example
    )
    return [
        [Placing(int(ids[one]), float(values[one]), rank, limits.classify(float(lifts[one]))) for one in group]
        for rank, group in enumerate(groups, 1)
    ]


def _positions(
    snapshot: Snapshot,
    query: Query,
    allowed: NDArray[np.bool_] | None,
    want: int,
    graph_threshold: int,
    graphs: list[Graph] | None,
) -> Positions | None:
    """The photos to score; None for all of them."""
    passing = None if allowed is None else np.flatnonzero(allowed)
    count = len(snapshot.ids) if passing is None else len(passing)
    if graphs is None or count <= graph_threshold:
        return passing
    terms = merged(query)
    found = snapshot.candidates(terms, graphs[: len(terms)], allowed, want)
    return passing if found is None else found


def _groups(
    snapshot: Snapshot,
    values: NDArray[np.float32],
    ids: NDArray[np.int64],
    positions: Positions | None,
    k: int,
    want: int,
    fold_threshold: float | None,
) -> list[list[int]]:
    """Indices into `values`, best group first, at most `k` groups."""
    if fold_threshold is None:
        return [[int(one)] for one in best(values, ids, k)]
    pictures = snapshot.matrix(snapshot.picture_space)
    while True:
        top = best(values, ids, want)
        rows = snapshot.rows[top if positions is None else positions[top]]
        groups = fold(np.asarray(pictures[rows]), fold_threshold, k)
        if len(groups) == k or want >= len(values):
            return [[int(top[one]) for one in group] for group in groups]
        want *= 2
