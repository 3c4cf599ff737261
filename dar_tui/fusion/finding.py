"""From a query and a need to the page of photos: the need's days and folders filter, what the user refused stays out.

A library filters by one stretch of days; "every summer" and "not in 2019" are checked on the hits, fetched until the
page is full. A filter that leaves nothing is left out and said so: few photos know their date, and a page of other
photos is worth more than none. Knows no models and no dialogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

from dar_tui.dialogue.need import Need, written_text
from dar_tui.language.rules.fields import stars_text
from dar_tui.language.rules.words import mentions
from dar_tui.language.when import When
from indexer.library import Library
from indexer.search.hits import Hit
from indexer.search.ranking import Query
from indexer.search.strength import Strength
from indexer.search.where import Where

# A filter on the hits passes one in four at a first guess; each round fetches that many times more.
_OVERFETCH = 4


@dataclass(frozen=True)
class Narrowing:
    """What the user narrows the search to by hand; always kept to.

    `after` <= taken < `before`, naive local times. `folder`: words of a folder's name, `camera`: part of a
    name; "" for any.
    """

    after: datetime | None = None
    before: datetime | None = None
    folder: str = ""
    camera: str = ""


@dataclass(frozen=True)
class Filters:
    """What a photo must meet besides ranking well. `folders` name its place, or a folder on its path; `camera` is part
    of a name. `undated`: photos that know no date pass `when` too. `written`, `rating`: as in `Where`."""

    when: tuple[When, ...] = ()
    folders: tuple[str, ...] = ()
    without: frozenset[int] = frozenset()
    narrowing: Narrowing = Narrowing()
    camera: str = ""
    undated: bool = False
    written: tuple[tuple[str, str], ...] = ()
    rating: tuple[int, int] | None = None
    base: Where = field(default_factory=Where)
    """What a caller demands in any case, besides `narrowing`."""

    @property
    def where(self) -> Where:
        """The part that a library can filter by itself."""
        after = _later(self.narrowing.after, self.base.after)
        before = _earlier(self.narrowing.before, self.base.before)
        # The library's own filter drops photos without a date. "Every winter" has no bounds and drops them too: else
        # hits without a date would be fetched, and folded, until there are no more (half a minute for 7,091).
        if self.when and not self.undated:
            after = _later(after, datetime.min)
        for when in () if self.undated else self.when:
            days = when.bounds()
            if days.first is not None:
                begins = datetime.combine(days.first, time())
                after = _later(after, begins)
            if days.last is not None:
                ends = datetime.combine(days.last + timedelta(days=1), time())
                before = _earlier(before, ends)
        return replace(
            self.base,
            after=after,
            before=before,
            camera=self.narrowing.camera or self.base.camera or self.camera,
            without=self.without | self.base.without,
            folders=(*self.base.folders, *([self.narrowing.folder] if self.narrowing.folder else [])),
            places=(*self.base.places, *self.folders),
            written=(*self.base.written, *self.written),
            rating=self.rating or self.base.rating,
        )

    def holds(self, hit: Hit) -> bool:
        """The part that is checked on the hit. A photo without a date fails every condition on it, unless `undated`."""
        days = hit.taken_days
        return self.undated or not self.when if days is None else all(when.may_hold(*days) for when in self.when)

    @property
    def names(self) -> str:
        """The filters in words, for a note."""
        return ", ".join(
            [
                *(when.understood for when in self.when),
                *(f"place or folder {name}" for name in self.folders),
                *([f"camera {self.camera}"] if self.camera else []),
                *(written_text(*each) for each in self.written),
                *([stars_text(self.rating)] if self.rating else []),
            ]
        )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


@dataclass(frozen=True)
class Found:
    """Hits, best first, and a note about a filter left out ("" if none was)."""

    hits: tuple[Hit, ...]
    note: str = ""

    @property
    def doubtful(self) -> Found:
        """The same with no match that counts as strong, since something that was asked for is not heeded."""
        return replace(self, hits=tuple(map(_at_most_weak, self.hits)))


def _at_most_weak(hit: Hit) -> Hit:
    weaker = Strength.WEAK if hit.strength is Strength.STRONG else hit.strength
    return replace(hit, strength=weaker, similar=tuple(map(_at_most_weak, hit.similar)))


def filters_of(
    library: Library, need: Need, without: Sequence[int] = (), narrowing: Narrowing | None = None
) -> Filters:
    """The need's filters. A place that the wants speak of filters where photos of this library were taken there; else
    it is looked for by what it looks like alone."""
    folders = tuple(
        name for name in need.where if not any(mentions(want, name) for want in need.wants) or library.has_place(name)
    )
    return Filters(
        need.when,
        folders,
        frozenset(without),
        narrowing or Narrowing(),
        need.camera,
        need.undated,
        need.written,
        need.rating,
    )


def find(library: Library, query: Query, k: int, filters: Filters, *, fold: bool = True) -> Found:
    """The best `k` photos that meet the filters; where none does, those that meet the narrowing alone, with a note."""
    hits = _filtered(library, query, k, filters, fold)
    if hits or not filters.names:
        return Found(hits)
    loose = replace(filters, when=(), folders=(), camera="", written=(), rating=None)
    unfiltered = _filtered(library, query, k, loose, fold)
    note = f"No photo passes the filter ({filters.names}), so it is left out; no match counts as strong without it."
    return Found(unfiltered, note).doubtful


def undated(library: Library, filters: Filters) -> str:
    """How many photos a filter by date leaves out since theirs is not known, in words; "" for none."""
    where = filters.where
    count = library.undated(where) if (filters.when and not filters.undated) or where.after or where.before else 0
    if count == 1:
        return "1 photo is left out because its date is not known."
    return f"{count:,} photos are left out because their dates are not known." if count else ""


def _filtered(library: Library, query: Query, k: int, filters: Filters, fold: bool) -> tuple[Hit, ...]:
    where = filters.where
    if not filters.when:
        return tuple(library.search(query, k, where, fold=fold))
    return passing_of(lambda fetch: library.search(query, fetch, where, fold=fold), k, filters)


def passing_of(fetched_of: Callable[[int], Sequence[Hit]], k: int, filters: Filters) -> tuple[Hit, ...]:
    """The first `k` hits that hold, of a list of which any number can be fetched from its start."""
    fetch = k
    while True:
        fetched = fetched_of(fetch)
        passing = [hit for hit in fetched if filters.holds(hit)]
        if len(passing) >= k or len(fetched) < fetch:
            return tuple(replace(hit, rank=rank) for rank, hit in enumerate(passing[:k], 1))
        fetch *= _OVERFETCH
