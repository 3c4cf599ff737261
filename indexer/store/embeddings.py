"""The catalog's encoders and embeddings: which rows of an encoder's vector files are of which image. Reads only.

Knows the tables, and which images have a file; knows nothing of what the vectors are. An encoder may be named by its
spec or its id; the errors for a name that fits none, or several, are made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from indexer.errors import EncoderMismatch
from indexer.paths import join
from indexer.store.catalog import Catalog, EncoderRecord, FileRecord, check, in_parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 20_000


def is_embedded(catalog: Catalog, encoder: int, content_hash: bytes) -> bool:
    """Whether this encoder's vectors of the image with these bytes are committed."""
    row = catalog.connection.execute(
        "SELECT 1 FROM embeddings JOIN images ON images.id = image_id WHERE content_hash = ? AND encoder = ?",
        (content_hash, encoder),
    ).fetchone()
    return row is not None


def unembedded(catalog: Catalog, encoder: int) -> list[tuple[bytes, FileRecord]]:
    """The files whose image this encoder has no vectors of, by absolute path."""
    rows = catalog.connection.execute(
        "SELECT path, relpath, size, mtime_ns, image_id FROM files JOIN roots ON roots.id = root_id WHERE"
        " NOT EXISTS (SELECT 1 FROM embeddings AS e WHERE e.encoder = ? AND e.image_id = files.image_id)"
        " ORDER BY path, relpath",
        (encoder,),
    )
    return [(join(root, relpath), FileRecord(*rest)) for root, relpath, *rest in rows]


def embedded_photos(catalog: Catalog, encoder: int) -> int:
    """How many files hold an image that this encoder has vectors of."""
    (count,) = catalog.connection.execute(
        "SELECT count(*) FROM files JOIN embeddings AS e ON e.image_id = files.image_id WHERE e.encoder = ?",
        (encoder,),
    ).fetchone()
    return int(count)


def live_rows(catalog: Catalog, encoder: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(image ids, rows) of the images that have a file, in the order of rows: what a search looks through."""
    import numpy as np

    cursor = catalog.connection.execute(
        "SELECT image_id, row FROM embeddings AS e WHERE encoder = ?"
        " AND EXISTS (SELECT 1 FROM files WHERE files.image_id = e.image_id) ORDER BY row",
        (encoder,),
    )
    parts = [np.zeros((0, 2), np.int64)]
    # A million rows as Python's numbers would take 200 MB at once.
    while found := cursor.fetchmany(_ROWS_AT_ONCE):
        parts.append(np.array(found, np.int64))
    table = np.concatenate(parts)
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])


def rows_of(catalog: Catalog, encoder: int, image_ids: Sequence[int]) -> dict[int, int]:
    """The row of each of these images in the encoder's vector files; images without one are left out."""
    rows: dict[int, int] = {}
    for part, marks in in_parts(image_ids):
        rows.update(
            catalog.connection.execute(
                f"SELECT image_id, row FROM embeddings WHERE encoder = ? AND image_id IN ({marks})",
                (encoder, *part),
            ).fetchall()
        )
    return rows


def checksums_by_row(catalog: Catalog, encoder: int) -> Iterator[tuple[int, int, int]]:
    """(row, image id, checksum) of every embedding of this encoder, in the order of rows."""
    return iter(
        catalog.connection.execute(
            "SELECT row, image_id, checksum FROM embeddings WHERE encoder = ? ORDER BY row", (encoder,)
        )
    )


def checksums_of(catalog: Catalog, encoder: int, image_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(row, checksum) of each of these images, by id; raises LibraryDamaged if one is not as it was written."""
    found: dict[int, tuple[int, int]] = {}
    for part, marks in in_parts(image_ids):
        for image_id, row, checksum, intact in catalog.connection.execute(
            f"SELECT image_id, row, checksum, {catalog.intact('embeddings')} FROM embeddings"
            f" WHERE encoder = ? AND image_id IN ({marks})",
            (encoder, *part),
        ):
            check(intact, "embeddings")
            found[image_id] = row, checksum
    return found


def spare_encoder(catalog: Catalog, name: str) -> EncoderRecord:
    """The encoder of this spec or id, which searches do not use. Raises EncoderMismatch: see `Library.spare`."""
    encoders = catalog.encoders()
    named = [each for each in encoders if name in (each.spec, each.encoder_id)]
    if not named:
        raise no_vectors_of(catalog, name)
    if len(named) > 1:
        raise EncoderMismatch(
            f"The library has {len(named)} encoders called {name}.",
            f"Name it by its id: {' or '.join(each.encoder_id for each in named)}.",
        )
    if named[0].active:
        others = " or ".join(f"`dar library use {each.spec}`" for each in encoders if not each.active)
        raise EncoderMismatch(
            f"Searches use the encoder {name}.",
            f"Make them use another first: {others}." if others else "The library has vectors of no other.",
        )
    return named[0]


def no_vectors_of(catalog: Catalog, encoder: str) -> EncoderMismatch:
    """The error for a library that has no vectors of this encoder: names those it has."""
    there = [each.spec for each in catalog.encoders()]
    return EncoderMismatch(
        f"The library has no vectors of the encoder {encoder}, only of {', '.join(there) or 'none'}.",
        f"Make them with `dar index --encoder {encoder}`.",
    )
