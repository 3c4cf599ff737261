"""What a search gives back: a photo, where it is, how well it matches.

Knows how it is put together from what the catalog says; not how photos are ranked.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from indexer.paths import relative, resolved, to_path
from indexer.photos.facts import MONTH, YEAR
from indexer.photos.written import NOTHING_WRITTEN, Written
from indexer.search.strength import Strength
from indexer.store.catalog import Catalog, ImageRecord, captions_of
from indexer.store.disk import thumbnail_file
from indexer.store.schema import damaged


@dataclass(frozen=True)
class Hit:
    """One photo found.

    `rank` counts from 1. `copies`: other files with the very same bytes. `similar`: near-duplicates folded under this
    hit, with its rank. `thumbnail` may be missing on disk. `taken_at` is naive local time; `width`, `height` upright.
    `caption`: a model's words for it (`dar index --captions`), or "". `taken_unsure`: whether the date is uncertain to
    the day, or of a kind that is often wrong. `written`: what other programs wrote about it. `words`: of these, of its
    caption and of the text in it, what the search was for, with a few words around ("...TOTAL 42.10..."); or "".
    """

    image_id: int
    path: Path
    score: float
    rank: int
    strength: Strength
    thumbnail: Path
    taken_at: datetime | None
    taken_from: str
    latitude: float | None
    longitude: float | None
    camera: str
    width: int
    height: int
    format: str
    copies: tuple[Path, ...] = ()
    similar: tuple[Hit, ...] = ()
    caption: str = ""
    taken_unsure: bool = False
    city: str = ""
    region: str = ""
    country: str = ""
    taken_known: int = 19
    written: Written = NOTHING_WRITTEN
    words: str = ""

    @property
    def taken_days(self) -> tuple[date, date] | None:
        """The first and the last day on which it may have been taken; None if nothing is known of it."""
        if self.taken_at is None:
            return None
        first = self.taken_at.date()
        if self.taken_known <= YEAR:
            return first, first.replace(month=12, day=31)
        if self.taken_known <= MONTH:
            return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])
        return first, first

    @property
    def place(self) -> str:
        """City, region and country, as far as they are known."""
        return ", ".join(dict.fromkeys(name for name in (self.city, self.region, self.country) if name))


@dataclass(frozen=True)
class Placing:
    """Where one image came in a search."""

    image_id: int
    score: float
    rank: int
    strength: Strength


def hits_of(
    library: Path, catalog: Catalog, groups: Sequence[Sequence[Placing]], under: Sequence[Path] = ()
) -> list[Hit]:
    """One hit for each group, led by its first image; images that no file holds any more are left out.

    Of several files with the same bytes a hit names the first, one in `under` before any other.
    Raises LibraryDamaged if the catalog is not as it was written.
    """
    ids = [placing.image_id for group in groups for placing in group]
    images, paths = catalog.images(ids), catalog.paths_of(ids)
    if not paths.keys() <= images.keys():
        raise damaged("files name photos it no longer has")
    captions = captions_of(catalog, ids)
    folders = [resolved(folder) for folder in under]

    def made(placing: Placing, similar: tuple[Hit, ...] = (), caption: str = "") -> Hit:
        image = images[placing.image_id]
        return _hit(library, placing, image, _ordered(paths[placing.image_id], folders), similar, caption)

    hits: list[Hit] = []
    for group in groups:
        present = [placing for placing in group if placing.image_id in paths]
        if present:
            leader, *others = present
            hits.append(made(leader, tuple(made(each) for each in others), captions.get(leader.image_id, "")))
    return hits


def _ordered(paths: Sequence[bytes], folders: Sequence[bytes]) -> list[bytes]:
    return sorted(paths, key=lambda path: (not any(relative(path, folder) is not None for folder in folders), path))


def _hit(
    library: Path,
    placing: Placing,
    image: ImageRecord,
    paths: Sequence[bytes],
    similar: tuple[Hit, ...],
    caption: str,
) -> Hit:
    first, *others = paths
    return Hit(
        image_id=placing.image_id,
        path=to_path(first),
        score=placing.score,
        rank=placing.rank,
        strength=placing.strength,
        thumbnail=thumbnail_file(library, image.content_hash),
        taken_at=image.taken_at,
        taken_from=image.taken_from,
        latitude=image.latitude,
        longitude=image.longitude,
        camera=image.camera,
        width=image.width,
        height=image.height,
        format=image.format,
        copies=tuple(to_path(path) for path in others),
        similar=similar,
        caption=caption,
        taken_unsure=image.taken_unsure,
        city=image.city,
        region=image.region,
        country=image.country,
        taken_known=image.taken_known,
        written=image.written,
    )
