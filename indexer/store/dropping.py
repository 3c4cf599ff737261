"""Vector spaces that no longer count: noted in the transaction that lets go of them, removed after it.

So a process killed in between leaves a note, not files that nobody knows of; the next writer does what it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import astuple

from indexer.store.catalog import Catalog
from indexer.store.catalog_writer import CatalogWriter
from indexer.store.records import Space
from indexer.store.vector_store import VectorStore

# The catalog's note of what is still to be removed.
_DROPPED = "dropped"


def let_go(catalog: CatalogWriter, spaces: Iterable[Space]) -> None:
    """Notes that these spaces no longer count, inside the caller's transaction."""
    catalog.put_meta(_DROPPED, json.dumps([astuple(space) for space in (*_noted(catalog), *spaces)]))


def remove_dropped(catalog: CatalogWriter, store: VectorStore) -> None:
    """Removes what was let go of, by this writer or by one that was killed before it could."""
    spaces = _noted(catalog)
    for space in spaces:
        store.drop(space)
    if spaces:
        with catalog.transaction():
            catalog.put_meta(_DROPPED, "")


def _noted(catalog: Catalog) -> list[Space]:
    return [Space(*fields) for fields in json.loads(catalog.meta(_DROPPED) or "[]")]
