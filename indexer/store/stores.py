"""Which vector store a library has: its catalog says so, in a word that is set before the first vector."""

from __future__ import annotations

import uuid
from pathlib import Path

from indexer.errors import UsageError
from indexer.store.catalog import Catalog
from indexer.store.catalog_writer import CatalogWriter
from indexer.store.file_store import FileStore
from indexer.store.vector_store import VectorStore

# The catalog's notes: where the vectors are ("": in files beside it), and what the library is called there.
_PLACE, _NAME = "vectors", "vectors_name"
_FAMILY = "qdrant:"


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
