"""A query over one committed state of the library: which photos match best, and how strong each match is.

The state is a `Snapshot`: which photos are live, and their vectors. Knows arrays only; what the photos are called and
where they are is added afterwards (`hits`). Where vectors lie, and how they are scanned, is the vector store's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL
from indexer.errors import EncoderMismatch
from indexer.search.hits import Placing
from indexer.search.ranking import Query, Scorer, Term, best, direction, fold, merged, same, scores
from indexer.search.strength import thresholds
from indexer.store.catalog import Catalog, EncoderRecord, ImageTraits, spaces_of
from indexer.store.embeddings import checksums_of, live_rows
from indexer.store.vectors import Spread, VectorRows, Vectors, VectorStore, checksums, damaged_vectors, spread_of

Positions = NDArray[np.int64]
Answer = TypeVar("Answer")
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
_UNKNOWN = ImageTraits(None, None, "", 0, 0)

Pictures = Callable[[Sequence[int]], Mapping[int, ImageTraits]]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """`ids` and `rows` (n,) are the live photos in the order of rows; a *position* is an index into both."""

    version: int
    encoder: EncoderRecord
    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    text_peaks: Vectors
    photo_peaks: Vectors
    spaces: Mapping[str, VectorRows]

    @classmethod
    def read(cls, store: VectorStore, catalog: Catalog, encoder: EncoderRecord) -> Snapshot:
        """The state the catalog is in, as this encoder sees the photos. Call it within `consistent()`.

        Opens every space now, so that a later compaction cannot take it away. Raises FileNotFoundError if one did.
        """
        spaces = {space.name: store.open(space, encoder.rows) for space in spaces_of(encoder)}
        return cls(catalog.version(), encoder, *live_rows(catalog, encoder.id), *catalog.peaks(encoder.id), spaces)

    def dim(self, space: str) -> int:
        """The length of this space's vectors; raises EncoderMismatch if the library's encoder does not have it."""
        dim = {JOINT: self.encoder.dim, VISUAL: self.encoder.visual_dim}.get(space, 0)
        if not dim:
            raise EncoderMismatch(
                f"The library's encoder {self.encoder.encoder_id} has no {space} space.", "Search by text, or re-index."
            )
        return dim

    @property
    def picture_space(self) -> str:
        """The space in which photos are compared with photos."""
        return VISUAL if self.encoder.visual_dim else JOINT

    def check(self, terms: Sequence[Term]) -> None:
        """Raises EncoderMismatch unless every term could have been made by the library's encoder."""
        for term in terms:
            dim = self.dim(term.space)
            if len(term.vector) != dim:
                raise EncoderMismatch(
                    f"The query has {len(term.vector)} numbers; the library's encoder, {self.encoder.encoder_id}, makes"
                    f" {dim}.",
                    f"Search with the encoder `{self.encoder.spec}`.",
                )

    def check_vectors(self, catalog: Catalog, image_ids: Sequence[int]) -> None:
        """Raises LibraryDamaged unless the vectors of these images are as they were written.

        Reading every checksum would cost more than a search; those of the photos to be shown cost next to nothing.
        """
        recorded = list(checksums_of(catalog, self.encoder.id, image_ids).values())
        rows = np.array([row for row, _ in recorded], np.int64)
        if len(rows) and rows.max() >= self.encoder.rows:
            raise damaged_vectors()
        if checksums(*(space.take(rows) for space in self.spaces.values())) != [checksum for _, checksum in recorded]:
            raise damaged_vectors()

    def take(self, space: str, positions: Positions) -> Vectors:
        """The (n, dim) vectors of the photos at these positions."""
        return self.spaces[space].take(self.rows[positions])

    def cosines(self, terms: Sequence[Term], positions: Positions) -> list[NDArray[np.float32]]:
        """For each term, its exact cosine with the photo at each position."""
        vectors: dict[str, Vectors] = {}
        for term in terms:
            if term.space not in vectors:
                vectors[term.space] = self.take(term.space, positions)
        return _each(terms, lambda term: np.asarray(vectors[term.space] @ _numbers(term), np.float32))

    def scans(self, terms: Sequence[Term]) -> tuple[list[NDArray[np.float32]], bool]:
        """(for each term, its cosines with all photos; whether they are exact, or nearly so only)."""
        exact = True

        def scan(term: Term) -> NDArray[np.float32]:
            nonlocal exact
            found = self.spaces[term.space].scan(_numbers(term))
            exact = exact and found.exact_from == 0
            return found.products if len(self.rows) == len(found.products) else found.products[self.rows]

        return _each(terms, scan), exact

    def spreads(self, terms: Sequence[Term]) -> list[Spread] | None:
        """The spread of each term's cosines without reading them; None where the store does not know it."""
        if not all(self.spaces[term.space].indexed for term in terms):
            return None
        return _each(terms, lambda term: self.spaces[term.space].spread(_numbers(term)))

    def scans_fast(self, terms: Sequence[Term]) -> bool:
        """Whether going through all photos is a matter of milliseconds."""
        return all(self.spaces[term.space].scans_fast for term in terms)

    def candidates(self, terms: Sequence[Term], fetch: int) -> tuple[Positions, Vectors | None]:
        """The positions of about `fetch` nearest photos of each wanted term, and of all that are not indexed yet.

        With their cosines, where there is one term and its index knows them: then no vector needs to be read.
        """
        covered = min(self.spaces[term.space].indexed for term in terms)
        young = np.arange(np.searchsorted(self.rows, covered), len(self.rows))
        nearest = [self.spaces[term.space].nearest(_numbers(term), fetch) for term in terms if term.weight > 0]
        places = [self._position_of[each.rows] for each in nearest]
        if len(terms) == 1 and nearest and nearest[0].products is not None:
            live = places[0] >= 0
            cosines = [*self.cosines(terms, young), nearest[0].products[live]]
            return np.concatenate([young, places[0][live]]), np.concatenate(cosines)
        return np.unique(np.concatenate([young, *(found[found >= 0] for found in places)])), None

    @cached_property
    def _position_of(self) -> NDArray[np.int32]:
        """The position of each row, -1 where no live photo has it. Looking 200 rows up in `rows` took 0.25 ms."""
        positions = np.full(self.encoder.rows, -1, np.int32)
        if len(self.rows) and not 0 <= self.rows[0] <= self.rows[-1] < self.encoder.rows:
            raise damaged_vectors()
        positions[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        return positions


def _numbers(term: Term) -> Vectors:
    return term.vector.astype(np.float32, copy=False)


def _each(terms: Sequence[Term], answer: Callable[[Term], Answer]) -> list[Answer]:
    """The answer to each term; asked once where two are the same, as what is scored and what is judged mostly are."""
    answers: list[Answer] = []
    for place, term in enumerate(terms):
        asked = next((earlier for earlier in range(place) if same(terms[earlier], term)), None)
        answers.append(answer(term) if asked is None else answers[asked])
    return answers


@dataclass(frozen=True, eq=False)
class _Pool:
    """The photos looked at: their positions, scores and lifts, all exact. `whole`: no other photo was to be had."""

    positions: Positions
    values: NDArray[np.floating]
    lifts: NDArray[np.float32]
    spread: Spread
    whole: bool


# What a damaged vector does to a product is found there (`_check`); numpy's warning would help nobody.
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
    score = query.scorer or _combined(query.combine, terms)
    if not len(snapshot.ids) or (allowed is not None and not allowed.any()):
        return []
    # No index knows what is farthest from everything.
    least = query.combine == "least"
    indexed = not least and (len(snapshot.ids) > index_above or not snapshot.scans_fast((*terms, along)))
    want = k if pictures is None else _FOLD_OVERFETCH * k
    while True:
        # 2. Who is looked at, with exact scores: what an index gives, or the best of everything.
        pool = _by_index(snapshot, score, terms, along, query.also, allowed, want) if indexed else None
        pool = pool or _by_scan(snapshot, query.combine, score, terms, along, allowed, want)
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


def _combined(combine: str, terms: tuple[Term, ...]) -> Scorer:
    return lambda _ids, cosines, spreads: scores(combine, terms, cosines, spreads)


def _by_index(
    snapshot: Snapshot,
    score: Scorer,
    terms: tuple[Term, ...],
    along: Term,
    also: NDArray[np.int64] | None,
    allowed: NDArray[np.bool_] | None,
    want: int,
) -> _Pool | None:
    """What the graphs and the filter leave; None if only a scan of everything can answer."""
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
        if also is not None and len(also):
            positions, known = np.union1d(positions, np.flatnonzero(np.isin(snapshot.ids, also))), None
        if allowed is not None:
            passes = allowed[positions]
            positions, known = positions[passes], None if known is None else known[passes]
        if len(positions) < min(want, passing):
            return None
        if known is not None and same(terms[0], along):
            cosines = [known, known]
    cosines = cosines or snapshot.cosines(asked, positions)
    _check(cosines)
    values = score(snapshot.ids[positions], cosines[:-1], spreads[:-1])
    return _Pool(positions, values, cosines[-1] - spreads[-1].mean, spreads[-1], len(positions) == passing)


def _by_scan(
    snapshot: Snapshot,
    combine: str,
    score: Scorer,
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
    values = score(snapshot.ids[positions], cosines[:-1], spreads[:-1])
    look = max(_MIN_LOOK, _LOOK_OVERFETCH * want)
    if exact or look >= len(positions):
        if not exact:
            cosines = snapshot.cosines(asked, positions)
            values = score(snapshot.ids[positions], cosines[:-1], spreads[:-1])
        lifts = _lifts(combine, terms, cosines, spreads)
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
        values = score(snapshot.ids[positions[top]], looked[:-1], spreads[:-1])
    lifts = _lifts(combine, terms, looked, spreads)
    return _Pool(positions[top], values, lifts, spreads[-1], whole=False)


def _lifts(
    combine: str, terms: tuple[Term, ...], cosines: Sequence[NDArray[np.float32]], spreads: Sequence[Spread]
) -> NDArray[np.float32]:
    """What strength is measured by; the last of the cosines are those along its direction."""
    if combine == "least":
        return -scores(combine, terms, cosines[:-1], spreads[:-1])
    return cosines[-1] - np.float32(spreads[-1].mean)


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


def _pictures_of(ids: list[int], pictures: Pictures) -> Callable[[Sequence[int]], list[ImageTraits]]:
    """What is known of rows, by their indices into `ids`; nothing of an image that is not there."""

    def of(rows: Sequence[int]) -> list[ImageTraits]:
        found = pictures([ids[row] for row in rows])
        return [found.get(ids[row], _UNKNOWN) for row in rows]

    return of
