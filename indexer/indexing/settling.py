"""What became of each file, once its bytes are known: added, changed, moved or the same; and the count of it all.

Knows ids of images and paths; reads no photo.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from indexer.indexing.events import Counts
from indexer.indexing.plan import Candidate, Plan
from indexer.paths import relative
from indexer.store.catalog import Catalog
from indexer.store.records import FileRecord


class Ledger:
    """Pairs files that appeared with files that are gone, and counts."""

    def __init__(self, catalog: Catalog, plan: Plan, folders: list[bytes]) -> None:
        self._catalog = catalog
        self._folders = folders
        self._gone = _by_image(plan.gone)
        self.added = self.changed = self.moved = self.removed = 0
        self.unchanged = plan.unchanged
        self.problems = plan.broken + len(plan.unlisted)

    def counts(self) -> Counts:
        """The counts so far."""
        return Counts(self.added, self.changed, self.moved, self.removed, self.unchanged, self.problems)

    def settle(self, candidate: Candidate, image_id: int | None) -> bytes | None:
        """Counts a file that holds this image (None: a new one); returns the path it came from, if it moved."""
        if candidate.known is not None:
            if candidate.known.image_id == image_id:
                self.unchanged += 1
            else:
                self.changed += 1
            return None
        origin = self._origin(image_id) if image_id is not None else None
        if origin is None:
            self.added += 1
        else:
            self.moved += 1
        return origin

    def remove_rest(self) -> list[bytes]:
        """Counts the gone files that turned up nowhere as removed; returns their paths."""
        rest = [path for paths in self._gone.values() for path in paths]
        self._gone.clear()
        self.removed += len(rest)
        return rest

    def _origin(self, image_id: int) -> bytes | None:
        """A path that held this image and no longer does, each given out once."""
        if self._gone.get(image_id):
            return self._gone[image_id].pop()
        # Moved out of a folder that this run does not look at: its absence says so. A drive that is away says nothing.
        for root in self._catalog.roots():
            if not os.path.isdir(root.path):  # noqa: PTH112 - pathlib takes no bytes
                continue
            for path in self._catalog.paths_of([image_id]).get(image_id, []):
                looked_at = any(relative(path, folder) is not None for folder in self._folders)
                if relative(path, root.path) is not None and not looked_at and not os.path.lexists(path):
                    return path
        return None


def _by_image(gone: Mapping[bytes, FileRecord]) -> dict[int, list[bytes]]:
    paths: dict[int, list[bytes]] = {}
    for path, record in sorted(gone.items(), reverse=True):
        paths.setdefault(record.image_id, []).append(path)
    return paths
