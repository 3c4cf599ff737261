"""Which vector store a library has."""

from __future__ import annotations

from pathlib import Path

from indexer.store.file_store import FileStore
from indexer.store.vector_store import VectorStore


def open_store(folder: Path, *, index_above: int) -> VectorStore:
    """The vector store of the library in `folder`."""
    return FileStore(folder, index_above=index_above)
