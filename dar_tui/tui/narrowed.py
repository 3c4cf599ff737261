"""A library seen through the user's own filters: date, folder and camera hold for every search a session makes.

Not imported before the first paint: libraries bring numpy and hnswlib.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dar_tui.tui.engine import Narrowing
from indexer.hits import Hit
from indexer.library import Library
from indexer.ranking import FOLD_THRESHOLD, Query
from indexer.where import Where

# A folder's name passes one photo in four at a first guess; each round fetches that many times more.
_OVERFETCH = 4


class NarrowedLibrary(Library):
    """Searches among the photos that pass `narrowing`, besides whatever a search asks for itself."""

    narrowing: Narrowing = Narrowing()

    def search(
        self,
        query: Query,
        k: int = 10,
        where: Where | None = None,
        *,
        fold: bool = True,
        fold_threshold: float = FOLD_THRESHOLD,
    ) -> list[Hit]:
        """As `Library.search`."""
        narrowing = self.narrowing
        where = narrowed(where or Where(), narrowing)
        if not narrowing.folder or where.under:
            return super().search(query, k, where, fold=fold, fold_threshold=fold_threshold)
        fetch = k
        while True:
            fetched = super().search(query, fetch, where, fold=fold, fold_threshold=fold_threshold)
            passing = [hit for hit in fetched if _in_folder(hit, narrowing.folder)]
            if len(passing) >= k or len(fetched) < fetch:
                return [replace(hit, rank=rank) for rank, hit in enumerate(passing[:k], 1)]
            fetch *= _OVERFETCH


def open_narrowed(path: Path) -> NarrowedLibrary:
    """As `Library.open`, every photo passing."""
    library = NarrowedLibrary.open(path)
    assert isinstance(library, NarrowedLibrary)
    return library


def narrowed(where: Where, narrowing: Narrowing) -> Where:
    """Both conditions at once. A folder that is there is a condition of the library's; a part of a name is not."""
    folder = Path(narrowing.folder).expanduser() if narrowing.folder else None
    under = (folder,) if folder is not None and folder.is_absolute() and folder.is_dir() else ()
    return replace(
        where,
        after=max(filter(None, (where.after, narrowing.after)), default=None),
        before=min(filter(None, (where.before, narrowing.before)), default=None),
        camera=where.camera or narrowing.camera,
        under=where.under or under,
    )


def _in_folder(hit: Hit, name: str) -> bool:
    return any(name.casefold() in part.casefold() for path in (hit.path, *hit.copies) for part in path.parent.parts)
