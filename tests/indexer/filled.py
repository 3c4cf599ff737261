"""Libraries filled by hand with vectors, for tests of searching."""

from __future__ import annotations

import numpy as np

from indexer.indexing.writer import Batch, FileEntry, LibraryWriter, NewImage
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.search.where import Where
from indexer.store.catalog_writer import ImageFields
from indexer.store.disk import write_thumbnail
from tests.indexer.colours import unit

DIM, VISUAL_DIM = 16, 8


def fill(
    library: Library, count: int, *, start: int = 0, folder: bytes = b"/photos", fields: list[ImageFields] | None = None
) -> np.ndarray:
    """Commits `count` made-up images straight through the writer; returns their joint vectors."""
    numbers = np.random.default_rng(start)
    joint, visual = unit(numbers.normal(size=(count, DIM))), unit(numbers.normal(size=(count, VISUAL_DIM)))
    batch = Batch()
    for place in range(count):
        content_hash = (start + place).to_bytes(16, "big")
        made = fields[place] if fields else ImageFields(10, 4, 3, "JPEG")
        batch.images.append(NewImage(content_hash, made, joint[place], visual[place]))
        batch.files.append(FileEntry(b"%s/%06d.jpg" % (folder, start + place), 10, 1, content_hash))
        write_thumbnail(library.path, content_hash, b"\xff\xd8\xff\xd9")
    with library.writer() as writer:
        use(writer)
        writer.claim([folder])
        writer.commit(batch)
    return joint


def use(writer: LibraryWriter) -> None:
    writer.use_encoder("made-up", "made-up-1", DIM, VISUAL_DIM)


def names(library: Library, vector: np.ndarray, where: Where | None = None, k: int = 10) -> list[int]:
    return [int(hit.path.stem) for hit in library.search(Query((Term(vector),)), k, where, fold=False)]
