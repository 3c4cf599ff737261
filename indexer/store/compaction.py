"""Rewriting a library's vector files without the rows that no photo needs any more.

Writes the next generation beside the present one and switches in one catalog transaction; readers that have the old
files mapped keep them, readers that come too late find the new ones at their next look.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL
from indexer.store.catalog_writer import CatalogWriter
from indexer.store.graph import graph_file, graph_files
from indexer.store.records import EncoderRecord
from indexer.store.thumbnails import drop_thumbnail
from indexer.store.vectors import VectorAppender, chunks, map_rows, vector_file


def compact(folder: Path, catalog: CatalogWriter, encoder: EncoderRecord) -> None:
    """Keeps the rows of images that have a file, in their order; forgets all other images, thumbnails included."""
    ids, live = catalog.live_rows(encoder.id)
    known = {row: checksum for row, _, checksum in catalog.checksums(encoder.id)}
    generation = encoder.generation + 1
    spaces = [(JOINT, encoder.dim), *([(VISUAL, encoder.visual_dim)] if encoder.visual_dim else [])]
    for space, dim in spaces:
        _copy_rows(folder, encoder, space, dim, live)
    with catalog.transaction():
        hashes = catalog.drop_fileless()
        catalog.replace_embeddings(
            encoder.id,
            [(int(image), new, known[int(old)]) for new, (image, old) in enumerate(zip(ids, live, strict=True))],
        )
        catalog.set_rows(encoder.id, len(live), generation)
    for space, _ in spaces:
        vector_file(folder, encoder.id, space, encoder.generation).unlink(missing_ok=True)
        for path in graph_files(graph_file(folder, encoder.id, space, encoder.generation)):
            path.unlink(missing_ok=True)
    for content_hash in hashes:
        drop_thumbnail(folder, content_hash)


def _copy_rows(folder: Path, encoder: EncoderRecord, space: str, dim: int, live: NDArray[np.int64]) -> None:
    old = map_rows(vector_file(folder, encoder.id, space, encoder.generation), encoder.rows, dim)
    # From row 0, which cuts off what an earlier attempt left.
    with VectorAppender(vector_file(folder, encoder.id, space, encoder.generation + 1), 0, dim) as new:
        for chunk in chunks(old, live):
            new.append(chunk)
        new.sync()
