"""Rewriting a library's vector files without the rows that no photo needs any more.

Writes the next generation beside the present one and switches in one catalog transaction; readers that have the old
files mapped keep them, readers that come too late find the new ones at their next look.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from indexer.store.catalog_writer import CatalogWriter
from indexer.store.dropping import let_go, remove_dropped
from indexer.store.embeddings import checksums_by_row, live_rows
from indexer.store.records import EncoderRecord, Space, spaces_of
from indexer.store.thumbnails import drop_thumbnail
from indexer.store.vector_store import RowNumbers, VectorStore, chunks


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
        let_go(catalog, spaces_of(encoder))
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
