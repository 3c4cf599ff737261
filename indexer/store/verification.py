"""Whether a library's own files hold what its catalog says. Reads only; photos are not looked at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from indexer.errors import LibraryDamaged
from indexer.store.catalog import Catalog
from indexer.store.records import EncoderRecord, spaces_of
from indexer.store.thumbnails import thumbnail_file
from indexer.store.vector_store import VectorStore
from indexer.store.vectors import CHUNK_ROWS, checksums

# Vectors are stored as encoders make them, in float32.
_LENGTH_TOLERANCE = 1e-3


def verify(folder: Path, catalog: Catalog, store: VectorStore, *, deep: bool = False) -> list[str]:
    """What is wrong, one line each. `deep` also reads every vector and looks for every thumbnail."""
    with catalog.consistent():
        return list(_problems(folder, catalog, store, deep))


def _problems(folder: Path, catalog: Catalog, store: VectorStore, deep: bool) -> Iterator[str]:
    connection = catalog.connection
    pragma = "integrity_check" if deep else "quick_check"
    yield from (f"catalog: {text}" for (text,) in connection.execute(f"PRAGMA {pragma}") if text != "ok")
    for table, *_ in connection.execute("PRAGMA foreign_key_check"):
        yield f"catalog: a row of {table} names something missing"
    active = catalog.active_encoder()
    if active is not None:
        (lacking,) = connection.execute(
            "SELECT count(DISTINCT image_id) FROM files WHERE image_id NOT IN"
            " (SELECT image_id FROM embeddings WHERE encoder = ?)",
            (active.id,),
        ).fetchone()
        if lacking:
            yield f"{lacking} photos have no vector; `dar index` encodes them"
    for encoder in catalog.encoders():
        yield from _vector_problems(catalog, store, encoder, deep)
    if deep:
        yield from _thumbnail_problems(folder, catalog)


def _vector_problems(catalog: Catalog, store: VectorStore, encoder: EncoderRecord, deep: bool) -> Iterator[str]:
    spaces = spaces_of(encoder)
    for space in spaces:
        yield from store.problems(space, encoder.rows, deep=deep)
    try:
        opened = [store.open(space, encoder.rows) for space in spaces] if deep else []
    except (FileNotFoundError, LibraryDamaged):
        return  # among the problems already
    recorded = catalog.checksums(encoder.id)
    while deep and (part := list(islice(recorded, CHUNK_ROWS))):
        rows = np.array([row for row, _, _ in part])
        if rows.max() >= encoder.rows:
            yield f"row {rows.max()} of encoder {encoder.id} was never committed"
            return
        vectors = [each.take(rows) for each in opened]
        lengths = [np.linalg.norm(vector, axis=1) for vector in vectors]
        for place, checksum in enumerate(checksums(*vectors)):
            if checksum != part[place][2]:
                yield f"the vector of photo {part[place][1]} is damaged"
            elif any(abs(length[place] - 1) > _LENGTH_TOLERANCE for length in lengths):
                yield f"the vector of photo {part[place][1]} has not the length 1"


def _thumbnail_problems(folder: Path, catalog: Catalog) -> Iterator[str]:
    rows = catalog.connection.execute(
        "SELECT id, content_hash FROM images WHERE EXISTS (SELECT 1 FROM files WHERE image_id = images.id)"
    )
    for image_id, content_hash in rows:
        path = thumbnail_file(folder, content_hash)
        # A JPEG ends with this marker, so a cut one is noticed without decoding it.
        if not path.is_file() or not path.read_bytes().endswith(b"\xff\xd9"):
            yield f"the thumbnail of photo {image_id} is missing or damaged"
