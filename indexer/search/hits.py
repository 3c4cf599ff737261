"""What a search gives back: a photo, where it is, how well it matches.

Plain data; knows how it is put together from the catalog's records, not how photos are ranked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from indexer.paths import relative, resolved, to_path
from indexer.search.strength import Strength
from indexer.store.records import ImageRecord
from indexer.store.thumbnails import thumbnail_file


@dataclass(frozen=True)
class Hit:
    """One photo found.

    `rank` counts from 1. `copies`: other files with the very same bytes. `similar`: near-duplicates folded under this
    hit, with its rank. `thumbnail` may be missing on disk. `taken_at` is naive local time; `width`, `height` upright.
    `caption`: what a model said of it (`dar index --captions`), or "".
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


@dataclass(frozen=True)
class Placing:
    """Where one image came in a search."""

    image_id: int
    score: float
    rank: int
    strength: Strength


def make_hit(
    library: Path,
    placing: Placing,
    image: ImageRecord,
    paths: Sequence[bytes],
    under: Sequence[Path] = (),
    similar: tuple[Hit, ...] = (),
    caption: str = "",
) -> Hit:
    """Puts a hit together; of several files with the same bytes it names the first, one in `under` before any other."""
    folders = [resolved(folder) for folder in under]
    first, *others = sorted(
        paths, key=lambda path: (not any(relative(path, folder) is not None for folder in folders), path)
    )
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
    )
