"""One search over one state of the library: who is looked at, scores, strengths, folding, in numbered steps.

Knows arrays only; what the photos are called and where they lie is added afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.search.hits import Placing
from indexer.search.ranking import Query, Term, best, direction, fold, merged, same, scores
from indexer.search.snapshot import Positions, Snapshot
from indexer.search.strength import thresholds
from indexer.store.catalog import Picture
from indexer.store.vectors import Spread, damaged_vectors, spread_of

# Fetched for each photo shown, so that folded bursts do not leave the page short; more if they do.
_FOLD_OVERFETCH = 4
# Looked at exactly for each photo wanted, where what chooses them (a graph, a sketch) only nearly knows the order.
_LOOK_OVERFETCH = 4
_MIN_LOOK = 200
# Past this a graph is no faster than going through everything.
_MAX_FETCH = 5000
# Vectors have length 1, to within what rounding to 16 bits on the way leaves; what exceeds that, or is no number, is
# damage.
_LARGEST_COSINE = 1.1
_UNKNOWN = Picture(None, None, "", 0, 0)

Pictures = Callable[[Sequence[int]], Mapping[int, Picture]]


@dataclass(frozen=True, eq=False)
class _Pool:
    """The photos looked at: their positions, scores and lifts, all exact. `whole`: no other photo was to be had."""

    positions: Positions
    values: NDArray[np.float32]
    lifts: NDArray[np.float32]
    spread: Spread
    whole: bool


# What a damaged vector does to a product is found there (`_check`); numpy's warning would tell nobody anything.
@np.errstate(all="ignore")
def search(
    snapshot: Snapshot,
    query: Query,
    allowed: NDArray[np.bool_] | None,
    k: int,
    *,
    pictures: Pictures | None,
    index_above: int,
) -> list[list[Placing]]:
    """The best `k` groups among the allowed photos, each led by its best photo.

    `pictures`: what is known of images, by id, so that copies and bursts fold; None: nothing folds.
    """
    # 1. What is scored, and along what the strength of a match is measured.
    terms = merged(query)
    along, by_example = direction(query)
    if not len(snapshot.ids) or (allowed is not None and not allowed.any()):
        return []
    # No index knows what is farthest from everything.
    least = query.combine == "least"
    indexed = not least and (len(snapshot.ids) > index_above or not snapshot.scans_fast((*terms, along)))
    want = k if pictures is None else _FOLD_OVERFETCH * k
    while True:
        # 2. Who is looked at, with exact scores: what an index gives, or the best of everything.
        pool = _by_index(snapshot, query.combine, terms, along, allowed, want) if indexed else None
        pool = pool or _by_scan(snapshot, query.combine, terms, along, allowed, want)
        # 3. The best of them, near-duplicates folded; more are looked at if bursts leave the page short.
        groups = _groups(snapshot, pool, k, want, pictures)
        if len(groups) == k or pool.whole:
            break
        want *= 4
    # 4. How strong they are, in this library.
    limits = thresholds(
        snapshot.text_peaks, snapshot.photo_peaks, len(snapshot.ids), pool.spread, by_example=by_example
    )
    ids = snapshot.ids[pool.positions]
    judge = limits.lacking if least else limits.classify
    return [
        [Placing(int(ids[one]), float(pool.values[one]), rank, judge(float(pool.lifts[one]))) for one in group]
        for rank, group in enumerate(groups, 1)
    ]


def _by_index(
    snapshot: Snapshot,
    combine: str,
    terms: tuple[Term, ...],
    along: Term,
    allowed: NDArray[np.bool_] | None,
    want: int,
) -> _Pool | None:
    """What the graphs and the filter leave; None if only going through everything will tell."""
    asked = (*terms, along)
    spreads = snapshot.spreads(asked)
    if spreads is None:
        return None
    passing = len(snapshot.ids) if allowed is None else int(np.count_nonzero(allowed))
    fetch = max(_MIN_LOOK, _LOOK_OVERFETCH * want) * len(snapshot.ids) // passing + 1
    cosines = None
    if passing <= min(fetch, _MAX_FETCH):
        positions = np.arange(passing) if allowed is None else np.flatnonzero(allowed)
    elif fetch > _MAX_FETCH:
        return None
    else:
        positions, known = snapshot.candidates(terms, fetch)
        if allowed is not None:
            passes = allowed[positions]
            positions, known = positions[passes], None if known is None else known[passes]
        if len(positions) < min(want, passing):
            return None
        if known is not None and same(terms[0], along):
            cosines = [known, known]
    cosines = cosines or snapshot.cosines(asked, positions)
    _check(cosines)
    values = scores(combine, terms, cosines[:-1], spreads[:-1])
    return _Pool(positions, values, cosines[-1] - spreads[-1].mean, spreads[-1], len(positions) == passing)


def _by_scan(
    snapshot: Snapshot,
    combine: str,
    terms: tuple[Term, ...],
    along: Term,
    allowed: NDArray[np.bool_] | None,
    want: int,
) -> _Pool:
    """Everything that passes; where a sketch was gone through, the best of that, looked at exactly."""
    asked = (*terms, along)
    cosines, exact = snapshot.scans(asked)
    _check(cosines)
    spreads = [spread_of(values) for values in cosines]
    positions = np.arange(len(snapshot.ids)) if allowed is None else np.flatnonzero(allowed)
    if allowed is not None:
        cosines = [values[positions] for values in cosines]
    values = scores(combine, terms, cosines[:-1], spreads[:-1])
    look = max(_MIN_LOOK, _LOOK_OVERFETCH * want)
    if exact or look >= len(positions):
        if not exact:
            cosines = snapshot.cosines(asked, positions)
            values = scores(combine, terms, cosines[:-1], spreads[:-1])
        lifts = -values if combine == "least" else cosines[-1] - spreads[-1].mean
        return _Pool(positions, values, lifts, spreads[-1], whole=True)
    top = best(values, snapshot.ids[positions], look)
    looked = snapshot.cosines(asked, positions[top])
    if combine == "rrf":
        # Ranks are among everything that passes, so the exact cosines take their places there.
        looked_at_all = [values.copy() for values in cosines[:-1]]
        for whole, some in zip(looked_at_all, looked, strict=False):
            whole[top] = some
        values = scores(combine, terms, looked_at_all, spreads[:-1])[top]
    else:
        values = scores(combine, terms, looked[:-1], spreads[:-1])
    lifts = -values if combine == "least" else looked[-1] - spreads[-1].mean
    return _Pool(positions[top], values, lifts, spreads[-1], whole=False)


def _check(cosines: Sequence[NDArray[np.float32]]) -> None:
    """Raises LibraryDamaged for what no vectors of length 1 give: one damaged photo would shift all others' scores."""
    if any(not np.abs(values).max(initial=0.0) <= _LARGEST_COSINE for values in cosines):
        raise damaged_vectors()


def _groups(snapshot: Snapshot, pool: _Pool, k: int, want: int, pictures: Pictures | None) -> list[list[int]]:
    """Indices into the pool, best group first, at most `k` groups."""
    ids = snapshot.ids[pool.positions]
    if pictures is None:
        return [[int(one)] for one in best(pool.values, ids, k)]
    space = snapshot.picture_space
    while True:
        top = best(pool.values, ids, want)
        groups = fold(snapshot.take(space, pool.positions[top]), space, _pictures_of(ids[top].tolist(), pictures), k)
        if len(groups) == k or want >= len(pool.values):
            return [[int(top[one]) for one in group] for group in groups]
        want *= 2


def _pictures_of(ids: list[int], pictures: Pictures) -> Callable[[Sequence[int]], list[Picture]]:
    """What is known of rows, by their indices into `ids`; nothing of an image that is not there."""

    def of(rows: Sequence[int]) -> list[Picture]:
        found = pictures([ids[row] for row in rows])
        return [found.get(ids[row], _UNKNOWN) for row in rows]

    return of
