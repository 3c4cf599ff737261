"""What is done with a library's vectors as a whole: choosing their store, removing, compacting, verifying.

- Which store a library has is recorded in its catalog before the first vector.
- Spaces that no longer count are noted in the transaction that drops them, and removed after it: a process killed in
  between leaves a note, not files that nobody knows of; the next writer does what it says.
- Compaction writes the next generation beside the present one and switches in one catalog transaction; readers that
  have the old files mapped keep them, readers that come too late find the new ones at their next look.
- Verification compares a library's own files with its catalog. It reads only; photos are not looked at.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import astuple, replace
from itertools import islice
from pathlib import Path

import numpy as np

from indexer.errors import LibraryDamaged, UsageError
from indexer.printable import stripped
from indexer.store.catalog import Catalog, EncoderRecord, Space, spaces_of
from indexer.store.catalog_writer import CatalogWriter
from indexer.store.disk import drop_thumbnail, is_thumbnail, thumbnail_file
from indexer.store.embeddings import checksums_by_row, live_rows
from indexer.store.file_store import FileStore
from indexer.store.schema import WITH_SEALS, broken_seals, has_seals, schema_version
from indexer.store.vectors import CHUNK_ROWS, RowNumbers, VectorStore, checksums, chunks
from indexer.store.words import words_problem

# The catalog's notes: where the vectors are ("": in files beside it), and what the library is called there.
_PLACE, _NAME = "vectors", "vectors_name"
_FAMILY = "qdrant:"
# The catalog's note of what is still to be removed.
_DROPPED = "dropped"
# Vectors are stored as encoders make them, in float32.
_LENGTH_TOLERANCE = 1e-3


def open_store(folder: Path, catalog: Catalog, *, index_above: int) -> VectorStore:
    """The vector store of the library in `folder`. Nothing is read and no server asked yet."""
    place = catalog.meta(_PLACE)
    if not place:
        return FileStore(folder, index_above=index_above)
    from indexer.store.qdrant_store import QdrantStore

    return QdrantStore(place.removeprefix(_FAMILY), catalog.meta(_NAME), folder)


def choose_store(catalog: CatalogWriter, place: str) -> None:
    """Says where a new library's vectors shall be: "qdrant:URL". Raises UsageError if they are elsewhere already."""
    if not place.startswith(_FAMILY) or place == _FAMILY:
        raise UsageError(f"There is no vector store {place!r}.", "Use `qdrant:URL`, the URL being a Qdrant server's.")
    if catalog.meta(_PLACE) == place:
        return
    if catalog.encoders():
        there = catalog.meta(_PLACE) or "files in its folder"
        raise UsageError(
            f"The library's vectors are in {there}, not in {place}.", "Leave --vectors out, or use another --library."
        )
    with catalog.transaction():
        catalog.put_meta(_PLACE, place)
        catalog.put_meta(_NAME, uuid.uuid4().hex)


def mark_dropped(catalog: CatalogWriter, spaces: Iterable[Space]) -> None:
    """Notes that these spaces no longer count, inside the caller's transaction."""
    catalog.put_meta(_DROPPED, json.dumps([astuple(space) for space in (*_noted(catalog), *spaces)]))


def remove_dropped(catalog: CatalogWriter, store: VectorStore) -> None:
    """Removes what was dropped, by this writer or by one that was killed before it could."""
    spaces = _noted(catalog)
    for space in spaces:
        store.drop(space)
    if spaces:
        with catalog.transaction():
            catalog.put_meta(_DROPPED, "")


def _noted(catalog: Catalog) -> list[Space]:
    return [Space(*fields) for fields in json.loads(catalog.meta(_DROPPED) or "[]")]


def compact(folder: Path, catalog: CatalogWriter, store: VectorStore, encoder: EncoderRecord) -> None:
    """Keeps the rows of images that have a file, in their order; forgets all other images, thumbnails included."""
    ids, live = live_rows(catalog, encoder.id)
    known = {row: checksum for row, _, checksum in checksums_by_row(catalog, encoder.id)}
    generation = encoder.generation + 1
    for space in spaces_of(encoder):
        _copy_rows(store, space, encoder.rows, live)
    with catalog.transaction():
        hashes = catalog.drop_fileless()
        catalog.replace_embeddings(
            encoder.id,
            [(int(image), new, known[int(old)]) for new, (image, old) in enumerate(zip(ids, live, strict=True))],
        )
        catalog.set_rows(encoder.id, len(live), generation)
        mark_dropped(catalog, spaces_of(encoder))
    remove_dropped(catalog, store)
    for content_hash in hashes:
        drop_thumbnail(folder, content_hash)


def _copy_rows(store: VectorStore, space: Space, rows: int, live: RowNumbers) -> None:
    old = store.open(space, rows)
    # From row 0, which cuts off what an earlier attempt left.
    with closing(store.append_to(replace(space, generation=space.generation + 1), 0)) as new:
        for chunk in chunks(old, live):
            new.append(chunk)
        new.sync()


def verify(folder: Path, catalog: Catalog, store: VectorStore, *, deep: bool = False) -> list[str]:
    """What is wrong, one line each. `deep` also reads every row, vector and thumbnail."""
    with catalog.consistent():
        found = list(catalog_problems(catalog.connection, deep=deep))
        try:
            found += _problems(folder, catalog, store, deep)
        except (sqlite3.DatabaseError, UnicodeDecodeError, LibraryDamaged) as error:
            # What the catalog cannot answer cannot be compared with the files.
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
        if problem := words_problem(folder):
            yield f"{problem}; `dar library repair` makes it again"
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
