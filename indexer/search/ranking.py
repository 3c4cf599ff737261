"""From a query's cosines to an order of photos: how terms combine, and how near-duplicates fold.

Pure functions over arrays; knows nothing of files, catalogs or filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL
from indexer.errors import UsageError
from indexer.store.catalog import ImageTraits
from indexer.store.vectors import Spread

Vectors = NDArray[np.float32]

# Photos this alike are nearly the same: of the 25 million pairs among 7,091 different photos six reach it in the
# bundled encoder's visual space. Joint spaces hold a scene's meaning, in which more photos are near, so they keep to
# what is nearer still. Photos of paper or of a screen are all this near to one another, so that it takes more to fold.
NEARLY_SAME: Mapping[str, float] = MappingProxyType({VISUAL: 0.85, JOINT: 0.90})
# What folds, measured by `python -m benchmarks.folding` (docs/results.md). A copy: perceptual hashes at most this many
# of 64 bits apart, and vectors not far apart. Of 3,150 pairs of different documents two are so near, of the 25 million
# pairs of photos none; of copies re-saved at quality 30, at half the size, lighter or darker 95 % or more are, whatever
# that does to their vectors.
_COPY_BITS = 4
_COPY_COSINES: Mapping[str, float] = MappingProxyType({VISUAL: 0.5, JOINT: 0.75})
# A burst: the same camera, one frame not later than this after another, and pictures that are roughly the same, as
# hand-held frames are; what else a camera or a scanner saw within two seconds is further apart for the most part.
_BURST_SECONDS = 2.0
_BURST_BITS = 16
_BURST_COSINES: Mapping[str, float] = MappingProxyType({VISUAL: 0.75, JOINT: 0.85})
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


# (image ids (n,), each term's cosines (n,), each term's spread over the library) -> scores (n,).
Scorer = Callable[[NDArray[np.int64], Sequence[NDArray[np.float32]], Sequence[Spread]], NDArray[np.floating]]


@dataclass(frozen=True, eq=False)
class Query:
    """What to look for: terms, and how their scores become one.

    `combine`: "cosine" adds weight * cosine (terms of one space first become one vector, so that the score is a true
    cosine); "z" standardises every term's cosines over the library, then adds weight * z; "rrf" adds
    weight / (60 + rank); "least" asks for photos that none of the terms suits, all of negative weight: the highest lift
    (see `strength`) among them, negated, so that one thing seen is not made up for by others unseen. `by_example` says
    that joint terms are photos, not texts, and judges strength accordingly.

    `scorer`, where given, makes the scores in the place of `combine`, from the terms as they are. It is called with all
    photos that are looked at; once more with the best of them where the first cosines were only nearly exact.
    `also`: ids of images to look at whatever their cosines are, since the scorer knows more of them.
    """

    terms: tuple[Term, ...]
    combine: str = "cosine"
    by_example: bool = False
    scorer: Scorer | None = None
    also: NDArray[np.int64] | None = None

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
    if query.scorer is not None or query.combine != "cosine" or len(spaces) > 1:
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


def best(values: NDArray[np.floating], ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The positions of the `count` highest values, best first; equal values in the order of ids."""
    if count < len(values):
        # Everything equal to the last one that fits is kept until ids have decided.
        cut = np.partition(values, len(values) - count)[len(values) - count]
        kept = np.flatnonzero(values >= cut)
    else:
        kept = np.arange(len(values))
    order = np.lexsort((ids[kept], -values[kept]))
    return np.asarray(kept[order[:count]], np.int64)


def fold(
    vectors: Vectors, space: str, pictures: Callable[[Sequence[int]], Sequence[ImageTraits]], limit: int | None = None
) -> list[list[int]]:
    """Groups rows, best first, under the best row they are a copy or of one burst with: [[leader, follower, ...], ...].

    `pictures` gives what is known of rows, and is asked for no more than what is near a leader. At most `limit` groups,
    the best ones; each holds all its followers.
    """
    groups: list[list[int]] = []
    free = np.ones(len(vectors), np.bool_)
    known: dict[int, ImageTraits] = {}
    least = min(_COPY_COSINES[space], _BURST_COSINES[space])
    while free.any() and (limit is None or len(groups) < limit):
        leader = int(np.argmax(free))
        free[leader] = False
        cosines = vectors @ vectors[leader]
        near: list[int] = np.flatnonzero(free & (cosines >= least)).tolist()
        followers: list[int] = []
        if near:
            missing = [row for row in (leader, *near) if row not in known]
            known.update(zip(missing, pictures(missing), strict=True))
            copies = [row for row in near if cosines[row] >= _COPY_COSINES[space]]
            frames = [row for row in near if cosines[row] >= _BURST_COSINES[space]]
            found = _copies(leader, copies, known) | _burst(leader, frames, known)
            followers = sorted(found)
            free[followers] = False
        groups.append([leader, *followers])
    return groups


def _copies(leader: int, rows: Sequence[int], known: Mapping[int, ImageTraits]) -> set[int]:
    """The rows that show what the leader shows, or what another of them shows: of a re-saved and a brightened copy
    each may be near the original and not near the other.

    Without a hash nobody knows, and it stays alone: to show a copy twice is a nuisance, to hide another photo a loss.
    """
    rest = {row: phash for row in rows if (phash := known[row].phash) is not None}
    mine = known[leader].phash
    waiting = {mine} if mine is not None else set()
    found: set[int] = set()
    while rest and waiting:
        one = waiting.pop()
        near = {row: other for row, other in rest.items() if _bits_apart(one, other) <= _COPY_BITS}
        found |= near.keys()
        waiting |= set(near.values()) - {one}
        rest = {row: other for row, other in rest.items() if row not in near}
    return found


def _burst(leader: int, rows: Sequence[int], known: Mapping[int, ImageTraits]) -> set[int]:
    """The rows taken in one go with the leader: each soon after the one before, and roughly like it or the leader."""
    mine = known[leader]
    moment = _moment(mine)
    if moment is None:
        return set()
    frames: list[tuple[float, int]] = []
    for row in rows:
        other = known[row]
        if other.camera != mine.camera or (then := _moment(other)) is None:
            continue
        # An edited copy has another size, and to the second the same time.
        if then == moment or {mine.width, mine.height} == {other.width, other.height}:
            frames.append(((then - moment).total_seconds(), row))
    found: set[int] = set()
    for direction in (1, -1):
        last, before = 0.0, mine
        for seconds, row in sorted((seconds * direction, row) for seconds, row in frames if seconds * direction >= 0):
            if seconds - last > _BURST_SECONDS:
                break
            if _roughly_alike(known[row], before) or _roughly_alike(known[row], mine):
                found.add(row)
                last, before = seconds, known[row]
    return found


def _roughly_alike(one: ImageTraits, other: ImageTraits) -> bool:
    """As the frames of a burst are; so are pictures whose hashes are not known, of which the clock has spoken."""
    return one.phash is None or other.phash is None or _bits_apart(one.phash, other.phash) <= _BURST_BITS


def _moment(picture: ImageTraits) -> datetime | None:
    """When it was taken, if by a camera's clock: a date alone, as names and folders give it, is a midnight."""
    if not picture.camera or not picture.taken_at:
        return None
    try:
        moment = datetime.fromisoformat(picture.taken_at)
    except ValueError:  # a damaged row, which whoever shows the photo refuses
        return None
    return moment if moment.time() != time() else None


def _bits_apart(one: int, other: int) -> int:
    return ((one ^ other) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()
