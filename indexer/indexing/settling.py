"""What became of each file, once its bytes are known: added, changed, moved or the same; and the count of it all.

Knows ids of images and paths; reads no photo.
"""

from __future__ import annotations

from collections.abc import Mapping

from indexer.indexing.events import Counts
from indexer.indexing.plan import Candidate, Plan
from indexer.store.catalog import FileRecord


class Ledger:
    """Pairs files that appeared with files that are gone, and counts."""

    def __init__(self, plan: Plan) -> None:
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
        # Only among what a scan found gone: a file of a folder that was not looked at may lie on a drive that is away.
        return self._gone[image_id].pop() if self._gone.get(image_id) else None


def _by_image(gone: Mapping[bytes, FileRecord]) -> dict[int, list[bytes]]:
    paths: dict[int, list[bytes]] = {}
    for path, record in sorted(gone.items(), reverse=True):
        paths.setdefault(record.image_id, []).append(path)
    return paths
