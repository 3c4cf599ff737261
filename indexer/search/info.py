"""What a library says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from indexer.paths import to_path
from indexer.store.catalog import Catalog, EncoderRecord
from indexer.store.disk import disk_errors_named
from indexer.store.embeddings import embedded_photos


@dataclass(frozen=True)
class RootInfo:
    """A folder (or a photo by itself) in the library, its photos and problems, and whether it is there now."""

    path: Path
    photos: int
    problems: int
    present: bool


@dataclass(frozen=True)
class EncoderInfo:
    """An encoder the library has vectors of, and of how many photos."""

    record: EncoderRecord
    photos: int


@dataclass(frozen=True)
class LibraryInfo:
    """`photos` are files, `images` are different ones. `encoder` is the one searches use, `encoders` are all.
    `notes` are photos among them that were opened though something is wrong with them."""

    path: Path
    encoder: EncoderRecord | None
    photos: int
    images: int
    problems: int
    roots: tuple[RootInfo, ...]
    schema: int
    encoders: tuple[EncoderInfo, ...] = ()
    notes: int = 0

    @property
    def size(self) -> int:
        """Bytes that the library's own files take now; looks at each, a thumbnail a photo, so only if asked."""
        with disk_errors_named(self.path):
            return sum(file.lstat().st_size for file in self.path.rglob("*") if file.is_file())


def encoder_info(catalog: Catalog, record: EncoderRecord) -> EncoderInfo:
    """What the catalog says of one of its encoders."""
    return EncoderInfo(record, embedded_photos(catalog, record.id))


def info_of(library: Path, catalog: Catalog) -> LibraryInfo:
    """What the catalog says, and which folders of photos are there."""
    with catalog.consistent():
        photos, images, problems = catalog.counts()
        roots = tuple(
            RootInfo(to_path(root.path), *catalog.counts_of(root), to_path(root.path).exists())
            for root in catalog.roots()
        )
        encoder, schema = catalog.active_encoder(), catalog.schema_version()
        encoders = tuple(encoder_info(catalog, record) for record in catalog.encoders())
        notes = len(catalog.notes())
    return LibraryInfo(library, encoder, photos, images, problems, roots, schema, encoders, notes)
