"""The one writer of a library: vectors first, then the catalog, so that what is committed is whole.

Knows the order in which things reach the disk. Knows nothing of scanning, decoding or encoding.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT, VISUAL
from indexer.photos.facts import CaptureFacts, FileFacts
from indexer.search.ranking import NEARLY_SAME
from indexer.search.strength import PHOTO_SAMPLE, peaks
from indexer.store.backup import BACKUP_NAME, write_backup
from indexer.store.catalog import CATALOG_NAME, EncoderRecord, FileRecord, spaces_of
from indexer.store.catalog_writer import CatalogWriter, ImageFields
from indexer.store.disk import disk_errors_named, thumbnail_file, writer_lock
from indexer.store.embeddings import live_rows
from indexer.store.maintenance import choose_store, compact, mark_dropped, open_store, remove_dropped
from indexer.store.schema import shrink
from indexer.store.vectors import RowAppender, Vectors, VectorStore, checksums, chunks
from indexer.store.words import update_words

# Up to here a sketch is gone through in 64 ms of processor time, and a graph would take a quarter of an hour to make
# and three seconds to open (docs/performance.md).
GRAPH_THRESHOLD = 1_000_000
# Fewer dead rows than this are not worth a rewrite, however small the library.
COMPACT_ABOVE = 1_000
# Thumbnails read between two commits: half a second's.
_HASHED_AT_ONCE = 500


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
    its photo; None: what it had before."""

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


class LibraryWriter:
    """Adds to a library and takes from it. Made by `open_writer`, which holds the lock for as long as it lives."""

    def __init__(self, folder: Path, catalog: CatalogWriter, store: VectorStore) -> None:
        self.folder = folder
        self.catalog = catalog
        self.store = store
        self._encoder: EncoderRecord | None = None
        self._appenders: dict[str, RowAppender] = {}
        # Migrations count as changes too, so that the copy is never of an older schema for long.
        self._copied_changes = 0
        remove_dropped(catalog, store)
        self._drop_lost_rows()

    @property
    def encoder(self) -> EncoderRecord:
        """The encoder whose vectors are being added."""
        if self._encoder is None:
            raise RuntimeError("use_encoder comes first")
        return self._encoder

    def use_encoder(self, spec: str, encoder_id: str, dim: int, visual_dim: int) -> EncoderRecord:
        """Says whose vectors `commit` will be given, and readies the vector files; returns the encoder's record."""
        with self.catalog.transaction():
            self._encoder = self.catalog.put_encoder(spec, encoder_id, dim, visual_dim)
        self._open_appenders()
        return self._encoder

    def commit(self, batch: Batch) -> None:
        """Makes the batch part of the library, all of it or (after an exception or a kill) nothing."""
        start = self._append(batch.images) if batch.images else 0
        with self.catalog.transaction():
            for path in batch.gone:
                self.catalog.drop(path)
            if batch.images:
                self._put_images(batch.images, start)
            for entry in batch.files:
                image_id = self.catalog.image_of(entry.content_hash)
                if image_id is None:
                    raise RuntimeError(f"{entry.path!r} holds an image that is not in the library")
                self.catalog.put_file(entry.path, entry.size, entry.mtime_ns, image_id, entry.facts)
            for update in batch.facts:
                known = update.known
                self.catalog.put_file(update.path, known.size, known.mtime_ns, known.image_id, update.facts)
                if update.own is not None:
                    self.catalog.put_own_facts(known.image_id, update.own)
            for problem in batch.problems:
                self.catalog.put_problem(problem.path, problem.size, problem.mtime_ns, problem.reason)

    def claim(self, folders: Sequence[bytes]) -> None:
        """Makes sure that each folder lies in a root; roots inside a folder become part of it."""
        with self.catalog.transaction():
            for folder in folders:
                self.catalog.claim(folder)

    def forget(self, folder: bytes) -> int:
        """Drops what the library knows of `folder`; returns how many files that were. Photos are never touched."""
        with self.catalog.transaction():
            return self.catalog.forget(folder)

    def move_root(self, old: bytes, new: bytes) -> int:
        """Says that what was at `old` is now at `new`; returns how many roots moved."""
        with self.catalog.transaction():
            return self.catalog.move_root(old, new)

    def put_places(self) -> None:
        """Names the places of photos that came since the last time, by their latitude and longitude."""
        with self.catalog.transaction():
            self.catalog.put_places()

    def activate(self, encoder: EncoderRecord) -> None:
        """Makes this the encoder that searches use."""
        with self.catalog.transaction():
            self.catalog.activate(encoder.id)

    def drop_encoder(self, encoder: EncoderRecord) -> None:
        """Takes the vectors of an encoder that searches do not use out of the library, and off the disk."""
        with self.catalog.transaction():
            self.catalog.drop_encoder(encoder.id)
            mark_dropped(self.catalog, spaces_of(encoder))
        remove_dropped(self.catalog, self.store)
        shrink(self.folder / CATALOG_NAME)

    # What is derived from the photos as a whole, at the end of a run

    def keep_null_vectors(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Keeps the (n, dim) vectors of unrelated texts for `measure_peaks`, in this run and later ones."""
        with self.catalog.transaction():
            self.catalog.put_null_vectors(self.encoder.id, null_digest(texts), vectors)

    def measure_peaks(self, encoder: EncoderRecord) -> None:
        """Measures what unrelated texts, and the library's own photos, reach at best in the library as it is now."""
        _, live = live_rows(self.catalog, encoder.id)
        _, nulls = self.catalog.null_vectors(encoder)
        record = self._fresh(encoder)
        rows = {space.name: self.store.open(space, record.rows) for space in spaces_of(record)}
        shown = VISUAL if VISUAL in rows else JOINT
        joint, pictures = rows[JOINT], rows[shown]
        # Evenly spread over the rows, hence over the times of indexing, and the same at every run.
        sample = (
            live[np.unique(np.linspace(0, max(len(live) - 1, 0), PHOTO_SAMPLE).astype(np.int64))] if len(live) else live
        )
        texts = peaks(lambda: chunks(joint, live), nulls)
        photos = peaks(lambda: chunks(pictures, live), pictures.take(sample), below=NEARLY_SAME[shown])
        with self.catalog.transaction():
            self.catalog.put_peaks(encoder.id, texts, photos)

    def hash_pictures(self, images: Sequence[tuple[int, bytes]]) -> None:
        """Gives images, by id and content hash, the perceptual hashes that their thumbnails have; reads no photo.

        What is missing because a thumbnail is stays so, until photo and thumbnail are back.
        """
        for start in range(0, len(images), _HASHED_AT_ONCE):
            found = [
                (image_id, phash)
                for image_id, digest in images[start : start + _HASHED_AT_ONCE]
                if (phash := _hash_of(thumbnail_file(self.folder, digest))) is not None
            ]
            with self.catalog.transaction():
                self.catalog.put_phashes(found)

    def compact(self, encoder: EncoderRecord, above: int = COMPACT_ABOVE) -> bool:
        """Rewrites the vector files without dead rows if these are many; returns whether it did."""
        _, live = live_rows(self.catalog, encoder.id)
        dead = encoder.rows - len(live)
        if dead <= above or 2 * dead <= encoder.rows:
            return False
        self._close_appenders()
        compact(self.folder, self.catalog, self.store, encoder)
        if self._encoder is not None:
            self._encoder = self._fresh(self._encoder)
            self._open_appenders()
        return True

    def derive(self, encoder: EncoderRecord, threads: int, graph_threshold: int = GRAPH_THRESHOLD) -> bool:
        """Brings up to date whatever the vector store makes to search faster; returns whether that changed."""
        _, live = live_rows(self.catalog, encoder.id)
        record = self._fresh(encoder)
        changed = [
            self.store.derive(space, record.rows, live, threads, graph_threshold)
            for space in spaces_of(record)
            if record.rows
        ]
        return any(changed)

    def finish(self, threads: int, graph_threshold: int = GRAPH_THRESHOLD, compact_above: int = COMPACT_ABOVE) -> None:
        """Brings everything derived up to date with the photos."""
        for encoder in self.catalog.encoders():
            self.compact(encoder, compact_above)
        # Those not searched with now as well: to switch to one of them takes no time then.
        for encoder in self.catalog.encoders():
            self.measure_peaks(encoder)
            self.derive(encoder, threads, graph_threshold)
        with self.catalog.transaction():
            self.catalog.put_derived()

    def is_finished(self) -> bool:
        """Whether `finish` has run since the photos last changed; not so after a run that was cut short."""
        changes = self.catalog.changes()
        return all(encoder.derived == changes for encoder in self.catalog.encoders())

    def index_words(self) -> bool:
        """Brings the full-text index up to date with the words about photos; returns whether they had changed."""
        return update_words(self.folder, self.catalog.connection, self.catalog.worded())

    def copy_catalog(self) -> None:
        """Brings the catalog's copy up to date. Raises LibraryDamaged, leaving the copy, if the catalog is damaged."""
        changes = self.catalog.connection.total_changes
        if changes != self._copied_changes or not (self.folder / BACKUP_NAME).exists():
            write_backup(self.folder, self.catalog.connection)
            self._copied_changes = changes

    def close(self) -> None:
        """Closes the vector files and the catalog."""
        self._close_appenders()
        self.catalog.close()

    # How it is done

    def _append(self, images: Sequence[NewImage]) -> int:
        """Puts the vectors on the disk; returns the first one's row."""
        joint = _unit_rows([image.joint for image in images])
        start = self._appenders[JOINT].rows
        self._appenders[JOINT].append(joint)
        if VISUAL in self._appenders:
            self._appenders[VISUAL].append(_unit_rows([image.visual for image in images]))
        for appender in self._appenders.values():
            appender.sync()
        return start

    def _put_images(self, images: Sequence[NewImage], start: int) -> None:
        encoder = self.encoder
        parts = [_unit_rows([image.joint for image in images])]
        if encoder.visual_dim:
            parts.append(_unit_rows([image.visual for image in images]))
        ids = [self.catalog.put_image(image.content_hash, image.fields) for image in images]
        rows = range(start, start + len(images))
        self.catalog.put_embeddings(encoder.id, zip(ids, rows, checksums(*parts), strict=True))
        self.catalog.set_rows(encoder.id, start + len(images), encoder.generation)

    def _drop_lost_rows(self) -> None:
        """Forgets embeddings whose vectors are no longer on the disk; the next run encodes those photos again."""
        for encoder in self.catalog.encoders():
            rows = min(self.store.whole_rows(space) for space in spaces_of(encoder))
            if rows < encoder.rows:
                # First, since other photos' vectors will take these rows, which a sketch or graph would not see.
                for space in spaces_of(encoder):
                    self.store.drop_derived(space)
                with self.catalog.transaction():
                    self.catalog.drop_embeddings_from(encoder.id, rows)
                    self.catalog.set_rows(encoder.id, rows, encoder.generation)

    def _fresh(self, encoder: EncoderRecord) -> EncoderRecord:
        return next(record for record in self.catalog.encoders() if record.id == encoder.id)

    def _open_appenders(self) -> None:
        self._close_appenders()
        encoder = self.encoder
        for space in spaces_of(encoder):
            self._appenders[space.name] = self.store.append_to(space, encoder.rows)

    def _close_appenders(self) -> None:
        for appender in self._appenders.values():
            appender.close()
        self._appenders.clear()


def null_digest(texts: Sequence[str]) -> str:
    """Names a list of unrelated texts, so that stored vectors of another list are noticed."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()


def _unit_rows(vectors: Sequence[NDArray[np.float32] | None]) -> Vectors:
    if any(vector is None for vector in vectors):
        raise ValueError("the encoder's visual vectors are missing")
    return np.stack([np.asarray(vector, np.float32) for vector in vectors])


@contextmanager
def open_writer(folder: Path, vectors: str = "") -> Iterator[LibraryWriter]:
    """Writes to the library in `folder`, made if missing; raises LibraryBusy if there is another writer.

    `vectors` says where a new library's vectors shall be: "" for files in the folder, "qdrant:URL" for a server.
    """
    with disk_errors_named(folder), ExitStack() as stack:
        stack.enter_context(writer_lock(folder))
        catalog = CatalogWriter.open(folder / CATALOG_NAME)
        stack.callback(catalog.close)
        if vectors:
            choose_store(catalog, vectors)
        # A writer reads vectors but searches for none: no graph is loaded for it.
        store = open_store(folder, catalog, index_above=sys.maxsize)
        stack.callback(store.close)
        writer = LibraryWriter(folder, catalog, store)
        stack.callback(writer.close)
        yield writer
        writer.index_words()
        writer.copy_catalog()


def _hash_of(thumbnail: Path) -> int | None:
    # Here, since searches come by this module and decode nothing.
    from PIL import Image

    from indexer.photos.pixels import picture_hash

    try:
        with Image.open(thumbnail, formats=("JPEG",)) as image:
            image.draft("L", image.size)
            return picture_hash(image)
    except (OSError, SyntaxError, ValueError):  # missing or damaged, which `dar library repair` is for
        return None
