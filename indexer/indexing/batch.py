"""What is committed to a library together: images with their vectors, files, problems, and what is gone.

Plain data; knows nothing of how it gets onto the disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from indexer.photos.taken import CaptureFacts, FileFacts
from indexer.store.catalog import FileRecord
from indexer.store.catalog_writer import ImageFields
from indexer.store.vectors import Vectors


@dataclass(frozen=True, eq=False)
class NewImage:
    """An image with its vectors: `joint` (dim,), `visual` (visual_dim,) or None, both float32 and of unit length."""

    content_hash: bytes
    fields: ImageFields
    joint: Vectors
    visual: Vectors | None = None


@dataclass(frozen=True)
class FileEntry:
    """A file, the hash of the image it holds, which is known already or comes in the same batch, and what it says of
    its photo; None: what it said before."""

    path: bytes
    size: int
    mtime_ns: int
    content_hash: bytes
    facts: FileFacts | None = None


@dataclass(frozen=True)
class FactsEntry:
    """What a file that has not changed says by the rules and sidecars of now; `own`: what its bytes do, if read."""

    path: bytes
    known: FileRecord
    facts: FileFacts
    own: CaptureFacts | None = None


@dataclass(frozen=True)
class FileProblem:
    """A file, or a folder that cannot be listed (size -1), and why it is not in the library."""

    path: bytes
    size: int
    mtime_ns: int
    reason: str


@dataclass
class Batch:
    """What is committed together. Absolute paths; `gone` files are dropped before `files` are put."""

    images: list[NewImage] = field(default_factory=list)
    files: list[FileEntry] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    facts: list[FactsEntry] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images) + len(self.files) + len(self.problems) + len(self.gone) + len(self.facts)
