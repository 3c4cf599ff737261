"""Whether a library's own files hold what its catalog says. Reads only; photos are not looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from indexer.errors import LibraryDamaged
from indexer.printable import stripped
from indexer.store.catalog import Catalog
from indexer.store.catalog_schema import WITH_SEALS, schema_version
from indexer.store.embeddings import checksums_by_row
from indexer.store.records import EncoderRecord, spaces_of
from indexer.store.seals import broken_seals, has_seals
from indexer.store.thumbnails import is_thumbnail, thumbnail_file
from indexer.store.vector_store import VectorStore
from indexer.store.vectors import CHUNK_ROWS, checksums

# Vectors are stored as encoders make them, in float32.
_LENGTH_TOLERANCE = 1e-3


def verify(folder: Path, catalog: Catalog, store: VectorStore, *, deep: bool = False) -> list[str]:
    """What is wrong, one line each. `deep` also reads every row, vector and thumbnail."""
    with catalog.consistent():
        found = list(catalog_problems(catalog.connection, deep=deep))
        try:
            found += _problems(folder, catalog, store, deep)
        except (sqlite3.DatabaseError, UnicodeDecodeError, LibraryDamaged) as error:
            # What the catalog cannot tell cannot be compared with the files.
            found.append(f"catalog: cannot be read further ({stripped(str(error))})")
        return found


def catalog_problems(connection: sqlite3.Connection, *, deep: bool) -> Iterator[str]:
    """What is wrong within the catalog itself, one line each; `deep` holds every row against its seal."""
    try:
        pragma = "integrity_check" if deep else "quick_check"
        for (text,) in connection.execute(f"PRAGMA {pragma}"):
            if text != "ok":
                yield f"catalog: {stripped(text)}"
        for table, *_ in connection.execute("PRAGMA foreign_key_check"):
            yield f"catalog: a row of {table} names something missing"
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # its messages quote what it read
        yield f"catalog: cannot be checked ({stripped(str(error))})"
        return
    version = schema_version(connection)
    if deep and version >= WITH_SEALS:
        yield from broken_seals(connection, version)
    elif version == 0 or (version < WITH_SEALS and has_seals(connection)):
        yield f"catalog: schema {version} is not what it was written with"


def damaged_embeddings(catalog: Catalog, store: VectorStore, encoder: EncoderRecord) -> Iterator[tuple[int, str]]:
    """(image id, what is wrong with its vector). Raises what `VectorStore.open` raises."""
    opened = [store.open(space, encoder.rows) for space in spaces_of(encoder)]
    recorded = checksums_by_row(catalog, encoder.id)
    while part := list(islice(recorded, CHUNK_ROWS)):
        yield from ((image, "was never committed") for row, image, _ in part if row >= encoder.rows)
        inside = [place for place in part if place[0] < encoder.rows]
        rows = np.array([row for row, _, _ in inside], np.int64)
        vectors = [each.take(rows) for each in opened]
        with np.errstate(all="ignore"):  # a damaged vector may be of any length
            lengths = [np.linalg.norm(vector, axis=1) for vector in vectors]
        for place, checksum in enumerate(checksums(*vectors)):
            if checksum != inside[place][2]:
                yield inside[place][1], "is damaged"
            elif not all(abs(length[place] - 1) <= _LENGTH_TOLERANCE for length in lengths):
                yield inside[place][1], "has not the length 1"


def _problems(folder: Path, catalog: Catalog, store: VectorStore, deep: bool) -> Iterator[str]:
    connection = catalog.connection
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
    for space in spaces_of(encoder):
        yield from store.problems(space, encoder.rows, deep=deep)
    if not deep:
        return
    try:
        for image, what in damaged_embeddings(catalog, store, encoder):
            yield f"the vector of photo {image} {what}"
    except (FileNotFoundError, LibraryDamaged):
        return  # among the problems already


def _thumbnail_problems(folder: Path, catalog: Catalog) -> Iterator[str]:
    for image_id, content_hash, checksum in catalog.thumbnails():
        if not is_thumbnail(thumbnail_file(folder, content_hash), checksum):
            yield f"the thumbnail of photo {image_id} is missing or damaged"
