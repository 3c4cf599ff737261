"""Which photos may be found at all: dates, folders, camera, place, given ids.

Turns a `Where` into the set of image ids that pass. Knows the catalog's tables, not vectors or scores.
"""

from __future__ import annotations

import fnmatch
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.paths import below, resolved
from indexer.photos.facts import MONTH, YEAR
from indexer.photos.places import called, plain
from indexer.store.catalog import Catalog
from indexer.store.words import FIELDS

_EARTH_KM = 6371.0
_KM_PER_DEGREE = math.pi * _EARTH_KM / 180


@dataclass(frozen=True)
class Where:
    """Conditions that all hold. A photo whose date or place is unknown does not pass a condition on it.

    `after` <= taken < `before`, naive local times; of a photo known to be of a year or a month only it is enough that
    it may have been taken then. `under`: in one of these folders. `camera`: part of its name, in any case. `name`: a
    pattern (`IMG_20*`) that the whole name of one of its files fits, in any case. `near`: (latitude, longitude,
    kilometres). `only` and `without`: image ids.
    `folders`: whole words of the name of a folder on its path, at or below the root. `places`: its city, region or
    country, or such words of a folder's name. `written`: (field, phrase) that stands in its words (`store.words`), in
    any of them for the field "". `rating`: the fewest and the most stars.
    """

    after: datetime | None = None
    before: datetime | None = None
    under: tuple[Path, ...] = ()
    camera: str = ""
    near: tuple[float, float, float] | None = None
    only: frozenset[int] | None = None
    without: frozenset[int] = frozenset()
    name: str = ""
    folders: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    written: tuple[tuple[str, str], ...] = ()
    rating: tuple[int, int] | None = None

    def passes(self, catalog: Catalog, ids: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which of these image ids pass, as a mask; None if there is no condition."""
        conditions = [
            *self._by_facts(catalog),
            *([self._in_folders(catalog)] if self.under else []),
            *([self._named(catalog)] if self.name else []),
            *(self._placed(catalog, name, folder_only=True) for name in self.folders),
            *(self._placed(catalog, name, folder_only=False) for name in self.places),
            *(_worded(catalog, field, phrase) for field, phrase in self.written),
            *([np.fromiter(self.only, np.int64, len(self.only))] if self.only is not None else []),
        ]
        if not conditions and not self.without:
            return None
        mask = np.ones(len(ids), np.bool_)
        for passing in conditions:
            mask &= np.isin(ids, passing)
        if self.without:
            mask &= ~np.isin(ids, np.fromiter(self.without, np.int64, len(self.without)))
        return mask

    def _by_facts(self, catalog: Catalog) -> list[NDArray[np.int64]]:
        clauses: list[str] = []
        values: list[str | float] = []
        if self.after is not None:
            after = self.after.replace(tzinfo=None).isoformat()
            known = catalog.taken_known()
            # The first bound is implied by the others, and lets SQLite use its index.
            clauses.append(
                f"taken_at >= ? AND (taken_at >= ? OR {known} <= {YEAR}"
                f" OR ({known} <= {MONTH} AND substr(taken_at, 1, {MONTH}) = ?))"
            )
            values += [after[:YEAR], after, after[:MONTH]]
        if self.before is not None:
            clauses.append("taken_at < ?")
            values.append(self.before.replace(tzinfo=None).isoformat())
        if self.rating is not None:
            clauses.append(f"{catalog.column('images', 'rating')} BETWEEN ? AND ?")
            values += self.rating
        if self.camera:
            clauses.append("instr(lower(camera), lower(?)) > 0")
            values.append(self.camera)
        if self.near is not None:
            latitude, _, km = self.near
            reach = km / _KM_PER_DEGREE
            clauses.append("latitude BETWEEN ? AND ? AND longitude IS NOT NULL")
            values += [latitude - reach, latitude + reach]
        if not clauses:
            return []
        rows = catalog.connection.execute(
            f"SELECT id, latitude, longitude FROM images WHERE {' AND '.join(clauses)}", values
        ).fetchall()
        ids = np.array([row[0] for row in rows], np.int64)
        if self.near is None or not rows:
            return [ids]
        return [ids[_distances(np.array([row[1:] for row in rows]), *self.near[:2]) <= self.near[2]]]

    def _in_folders(self, catalog: Catalog) -> NDArray[np.int64]:
        found: list[int] = []
        for folder in self.under:
            for root, inside in catalog.spans(resolved(folder)):
                rows = catalog.connection.execute(
                    "SELECT image_id FROM files WHERE root_id = ? AND (relpath = ? OR (relpath >= ? AND relpath < ?))",
                    (root.id, inside, *below(inside)),
                )
                found += [row[0] for row in rows]
        return np.array(found, np.int64)

    def _placed(self, catalog: Catalog, name: str, *, folder_only: bool) -> NDArray[np.int64]:
        found: list[int] = []
        wanted = _as_path(name.split("/"))
        for place in () if folder_only else places_named(catalog, name):
            columns = ", ".join(_place_columns(catalog))
            rows = catalog.connection.execute(f"SELECT id FROM images WHERE ({columns}) = (?, ?, ?)", place)
            found += [image_id for (image_id,) in rows]
        for root in catalog.roots() if wanted.strip() else ():
            own = os.fsdecode(os.path.basename(root.path))  # noqa: PTH119 - pathlib takes no bytes
            passing: dict[bytes, bool] = {}
            for relpath, image in catalog.connection.execute(
                "SELECT relpath, image_id FROM files WHERE root_id = ?", (root.id,)
            ):
                folder = relpath.rpartition(b"/")[0]
                if folder not in passing:
                    passing[folder] = wanted in _as_path([own, *os.fsdecode(folder).split("/")])
                if passing[folder]:
                    found.append(image)
        return np.array(found, np.int64)

    def _named(self, catalog: Catalog) -> NDArray[np.int64]:
        # Not SQL's GLOB: names are bytes there, and it distinguishes cases.
        fits = re.compile(fnmatch.translate(_comparable(self.name))).match
        rows = catalog.connection.execute("SELECT image_id, relpath FROM files WHERE image_id IS NOT NULL")
        found = [image_id for image_id, path in rows if fits(_comparable(os.fsdecode(path.rpartition(b"/")[2])))]
        return np.array(found, np.int64)


def _worded(catalog: Catalog, field: str, phrase: str) -> NDArray[np.int64]:
    if catalog.words is None:
        return np.zeros(0, np.int64)
    return np.array(catalog.words.matching(phrase, (field,) if field else FIELDS), np.int64)


def places_named(catalog: Catalog, name: str) -> list[tuple[str, str, str]]:
    """The (city, region, country) of photos with GPS of which one is called this."""
    asked = called(name)
    known = catalog.connection.execute(f"SELECT DISTINCT {', '.join(_place_columns(catalog))} FROM images")
    return [place for place in known if asked and asked in map(plain, place)]


@dataclass(frozen=True)
class CommonPlaces:
    """Where most photos with GPS were taken: (country, photos), and (city, country, photos), most first."""

    countries: tuple[tuple[str, int], ...] = ()
    cities: tuple[tuple[str, str, int], ...] = ()


def commonest_places(catalog: Catalog, count: int) -> CommonPlaces:
    """The `count` countries and cities of most images."""
    city, _, country = _place_columns(catalog)
    found = "count(*) AS photos FROM images WHERE {} <> '' AND EXISTS (SELECT 1 FROM files WHERE image_id = images.id)"
    order = "ORDER BY photos DESC, 1, 2 LIMIT ?"
    countries = catalog.connection.execute(
        f"SELECT {country}, {found.format(country)} GROUP BY 1 {order}", (count,)
    ).fetchall()
    cities = catalog.connection.execute(
        f"SELECT {city}, {country}, {found.format(city)} GROUP BY 1, 2 {order}", (count,)
    ).fetchall()
    return CommonPlaces(tuple(countries), tuple(cities))


def undated(catalog: Catalog) -> NDArray[np.int64]:
    """The ids of the images whose date is not known."""
    rows = catalog.connection.execute("SELECT id FROM images WHERE taken_at IS NULL").fetchall()
    return np.array([row[0] for row in rows], np.int64)


def is_southern(catalog: Catalog) -> bool:
    """Whether the median latitude is south of the equator. Counted, not sorted: 0.02 s for 100,000 photos."""
    query = "SELECT 2 * sum(latitude < 0) > count(*) FROM images WHERE latitude IS NOT NULL"
    return bool(catalog.connection.execute(query).fetchone()[0])


def _place_columns(catalog: Catalog) -> list[str]:
    return [catalog.column("images", column, "''") for column in ("city", "region", "country")]


def _comparable(name: str) -> str:
    """The same for every way of writing a name: cases, and accents that some systems keep apart from their letters."""
    return unicodedata.normalize("NFC", name).casefold()


def _as_path(parts: Iterable[str]) -> str:
    """Folders' names as words, so that whole words are compared, and none across two folders."""
    return f" {' / '.join(words for part in parts if (words := plain(part)))} "


def _distances(places: NDArray[np.float64], latitude: float, longitude: float) -> NDArray[np.float64]:
    """Great-circle kilometres (haversine) from each (latitude, longitude) row in degrees."""
    there, here = np.radians(places), np.radians([latitude, longitude])
    half = np.sin((there - here) / 2) ** 2
    chord = half[:, 0] + np.cos(there[:, 0]) * np.cos(here[0]) * half[:, 1]
    return np.asarray(2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(chord, 0, 1))))


def in_order(catalog: Catalog, ids: Sequence[int], *, by_name: bool) -> list[int]:
    """These images, those taken last first and those of unknown date last; or by the names of their files."""
    wanted = set(ids)
    if by_name:
        names: dict[int, tuple[str, bytes]] = {}
        for image_id, path in catalog.connection.execute("SELECT image_id, relpath FROM files"):
            if image_id in wanted:
                name = (_comparable(os.fsdecode(path.rpartition(b"/")[2])), path)
                names[image_id] = min(names.get(image_id, name), name)
        return sorted(names, key=lambda image_id: (names[image_id], image_id))
    rows = catalog.connection.execute("SELECT id FROM images ORDER BY taken_at IS NULL, taken_at DESC, id")
    return [image_id for (image_id,) in rows if image_id in wanted]
