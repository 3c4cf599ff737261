"""A damaged library made sound again: what is derived is made anew, what is lost is named.

Knows what can be made from what: the catalog from its copy, graphs and sketches from vectors, thumbnails from photos.
Vectors are an encoder's to make: those that are damaged leave the library here, and the next index run encodes their
photos again.
"""

from __future__ import annotations

import sys
import zlib
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from indexer.errors import LibraryNotFound, LibraryTooNew, UnreadablePhoto
from indexer.indexing.writer import GRAPH_THRESHOLD, LibraryWriter, open_writer
from indexer.photos.decoders import Decoders
from indexer.photos.photo import THUMBNAIL_SIDE, content_hash, open_photo
from indexer.printable import visible
from indexer.store.backup import BACKUP_NAME, backup_problem, has_sound_backup, problems_of, restore
from indexer.store.catalog import CATALOG_NAME, Catalog, EncoderRecord, spaces_of
from indexer.store.disk import disk_errors_named, is_thumbnail, thumbnail_file, write_thumbnail, writer_lock
from indexer.store.embeddings import unembedded
from indexer.store.maintenance import damaged_embeddings, open_store
from indexer.store.words import WORDS_NAME, words_problem

# Killed writers leave their temp files; nobody else's are in these places.
_LEFTOVERS = ("*.tmp", "thumbs/*/*.tmp")


@dataclass
class Repairs:
    """`done`: what was repaired. `left`: what is still to do, and by which command. One line each."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def repair(folder: Path, *, threads: int = 1, graph_threshold: int = GRAPH_THRESHOLD) -> Repairs:
    """Repairs the library in `folder`. Photos are read, never written.

    Raises LibraryNotFound, LibraryBusy, LibraryTooNew, and LibraryDamaged where neither the catalog nor its copy is
    sound.
    """
    repairs = Repairs()
    if not (folder / CATALOG_NAME).is_file() and not (folder / BACKUP_NAME).is_file():
        raise LibraryNotFound(f"There is no library at {visible(folder)}.", "Run `dar index FOLDER` to make one.")
    with disk_errors_named(folder):
        # 1. The catalog: whole, or as it was when it was last copied.
        with writer_lock(folder):
            _repair_catalog(folder, repairs)
        # 2. Vectors. Opening the writer forgets those that are no longer in the files.
        lost = _lost_rows(folder)
        with open_writer(folder) as writer:
            for encoder in writer.catalog.encoders():
                _drop_damaged(writer, encoder, lost.get(encoder.id, 0), repairs)
            # 3. Graphs and sketches, from the vectors that are left.
            for encoder in writer.catalog.encoders():
                _repair_derived(writer, encoder, threads, graph_threshold, repairs)
            # 4. The full-text index, from the catalog; thumbnails, from the photos.
            if problem := words_problem(folder):
                (folder / WORDS_NAME).unlink(missing_ok=True)
                writer.index_words()
                repairs.done.append(f"{problem}, and is made again")
            _repair_thumbnails(writer, repairs)
            # 5. The catalog's copy.
            if problem := backup_problem(folder):
                (folder / BACKUP_NAME).unlink()
                writer.copy_catalog()
                repairs.done.append(f"{problem}, and is made again")
            # 6. What killed writers left behind.
            for pattern in _LEFTOVERS:
                for path in folder.glob(pattern):
                    path.unlink(missing_ok=True)
    return repairs


def _repair_catalog(folder: Path, repairs: Repairs) -> None:
    catalog = folder / CATALOG_NAME
    try:
        problems = problems_of(catalog) if catalog.is_file() else ["catalog: is missing"]
    except LibraryTooNew as error:
        # A newer dar would have left a copy that only it can read.
        if not has_sound_backup(folder):
            raise
        problems = [error.message]
    if not problems:
        return
    made = restore(folder, problems[0].removeprefix("catalog: "))
    # It may be of a state of the catalog that the copy knows nothing of.
    (folder / WORDS_NAME).unlink(missing_ok=True)
    repairs.done.append(f"the catalog was damaged; its copy of {made:%Y-%m-%d %H:%M} is in its place")
    repairs.left.append("run `dar index`: what changed since that copy is found again")


def _lost_rows(folder: Path) -> dict[int, int]:
    """How many committed rows of each encoder are no longer in its files."""
    with (
        closing(Catalog.open(folder / CATALOG_NAME)) as catalog,
        closing(open_store(folder, catalog, index_above=sys.maxsize)) as store,
    ):
        return {
            encoder.id: max(encoder.rows - min(store.whole_rows(space) for space in spaces_of(encoder)), 0)
            for encoder in catalog.encoders()
        }


def _drop_damaged(writer: LibraryWriter, encoder: EncoderRecord, lost: int, repairs: Repairs) -> None:
    damaged = [image for image, _ in damaged_embeddings(writer.catalog, writer.store, encoder)] if encoder.rows else []
    if damaged:
        with writer.catalog.transaction():
            writer.catalog.drop_embeddings(encoder.id, damaged)
    if lost:
        repairs.done.append(f"{lost} vectors of {encoder.spec} are no longer in their files")
    if damaged:
        repairs.done.append(f"{len(damaged)} damaged vectors of {encoder.spec} are out of the library")
    if lacking := len(unembedded(writer.catalog, encoder.id)):
        command = "dar index" if encoder.active else f"dar index --encoder {encoder.spec}"
        repairs.left.append(f"run `{command}`: {lacking} photos have no vector and are not found until then")


def _repair_derived(
    writer: LibraryWriter, encoder: EncoderRecord, threads: int, graph_threshold: int, repairs: Repairs
) -> None:
    for space in spaces_of(encoder):
        problems = list(writer.store.problems(space, encoder.rows, deep=True)) if encoder.rows else []
        if problems:
            writer.store.drop_derived(space)
            repairs.done += [problem.partition(";")[0] + ", and is removed" for problem in problems]
    if writer.derive(encoder, threads, graph_threshold):
        repairs.done.append(f"what makes searches of {encoder.spec} faster is made again")


def _repair_thumbnails(writer: LibraryWriter, repairs: Repairs) -> None:
    damaged = [
        (image_id, digest)
        for image_id, digest, checksum in writer.catalog.thumbnails()
        if not is_thumbnail(thumbnail_file(writer.folder, digest), checksum)
    ]
    paths = writer.catalog.paths_of([image_id for image_id, _ in damaged])
    made: list[tuple[int, int]] = []
    with Decoders() as decoders:
        for image_id, digest in damaged:
            jpeg = _thumbnail(paths.get(image_id, []), digest, decoders)
            # A damaged one must not be shown either: whoever misses one shows the photo itself.
            thumbnail_file(writer.folder, digest).unlink(missing_ok=True)
            if jpeg is not None:
                write_thumbnail(writer.folder, digest, jpeg)
                made.append((image_id, zlib.crc32(jpeg)))
    with writer.catalog.transaction():
        for image_id, checksum in made:
            writer.catalog.put_thumbnail(image_id, checksum)
    if made:
        repairs.done.append(f"{len(made)} thumbnails are made again")
    if len(made) < len(damaged):
        missing = len(damaged) - len(made)
        repairs.left.append(f"{missing} thumbnails wait for photos that are away or changed; run this again then")


def _thumbnail(paths: list[bytes], digest: bytes, decoders: Decoders) -> bytes | None:
    """Made from the first of these files that still holds the image with this hash."""
    for path in paths:
        try:
            if content_hash(path) == digest:
                return open_photo(path, THUMBNAIL_SIDE, decoders).thumbnail
        except UnreadablePhoto:
            continue
    return None
