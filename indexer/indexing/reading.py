"""Files to pixels, in threads, a bounded number ahead of the encoder; and pixels to vectors.

Knows hashing, decoding and thumbnails, files that change or vanish meanwhile, and how to keep a bad photo from costing
its batch or the run. Changes nothing in the catalog.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from indexer.encoders import ImageEmbeddings
from indexer.errors import DarError, PhotoOutOfReach, UnreadablePhoto
from indexer.indexing.plan import Candidate
from indexer.photos.decoders import Decoders
from indexer.photos.facts import CaptureFacts, FileFacts
from indexer.photos.file_facts import read_file_facts
from indexer.photos.photo import content_hash, open_photo, read_own_facts
from indexer.photos.scan import reason_of
from indexer.printable import stripped
from indexer.store.catalog import Catalog
from indexer.store.catalog_writer import ImageFields
from indexer.store.disk import write_thumbnail
from indexer.store.embeddings import is_embedded

if TYPE_CHECKING:
    from indexer.encoders import Encoder, Pixels

# A file that is being written changes again and again; after this many looks it is left for the next run.
_LOOKS = 3


@dataclass(frozen=True)
class Vanished:
    """The file is no longer there, or the drive it is on."""


@dataclass(frozen=True)
class OutOfReach:
    """The system does not give the file out just now."""

    reason: str


@dataclass(frozen=True)
class Broken:
    """The file cannot be read as a photo, and its size and time when that was found."""

    size: int
    mtime_ns: int
    reason: str


@dataclass(frozen=True)
class Hashed:
    """The hash of a file that was this long and this old, and what its name and sidecars say of its photo.

    `facts`: None if nobody looked for its sidecars.
    """

    size: int
    mtime_ns: int
    content_hash: bytes
    facts: FileFacts | None


@dataclass(frozen=True, eq=False)
class Decoded(Hashed):
    """A photo ready for the encoder, and its thumbnail."""

    pixels: Pixels
    fields: ImageFields
    thumbnail: bytes


@dataclass(frozen=True)
class Refreshed:
    """What an unchanged file says of its photo now; `own`: what its bytes do, if they were read."""

    facts: FileFacts
    own: CaptureFacts | None = None


Reading = Vanished | OutOfReach | Broken | Hashed | Decoded | Refreshed
Mapped = Callable[[Callable[[Candidate], Reading], Iterable[Candidate]], Iterator[tuple[Candidate, Reading]]]


class PhotoReader:
    """Reads one file at a time, in whichever thread it is called."""

    def __init__(
        self,
        library: Path,
        encoder: Encoder | None,
        is_known: Callable[[bytes], bool],
        decoders: Decoders | None = None,
    ) -> None:
        self._library = library
        self._encoder = encoder
        self._is_known = is_known
        self._decoders = decoders

    def hash(self, candidate: Candidate) -> Reading:
        """The file's hash."""
        return self._look(candidate, self._hashed)

    def read(self, candidate: Candidate) -> Reading:
        """The file's pixels, or only its hash if these bytes seem to be known; writes the thumbnail."""
        return self._read(candidate, self._is_known)

    def read_unknown(self, candidate: Candidate) -> Reading:
        """The file's pixels, whatever is known of its bytes; writes the thumbnail."""
        return self._read(candidate, lambda content_hash: False)

    def _read(self, candidate: Candidate, is_known: Callable[[bytes], bool]) -> Reading:
        reading = self._look(candidate, partial(self._decoded, is_known))
        if isinstance(reading, Decoded):
            write_thumbnail(self._library, reading.content_hash, reading.thumbnail)
        return reading

    def refresh(self, candidate: Candidate) -> Reading:
        """What the file's name and sidecars say now, and its headers if those were read by older rules."""
        own: CaptureFacts | None = None
        if candidate.outdated:
            try:
                own = read_own_facts(candidate.path, self._decoders)
            except UnreadablePhoto:
                own = None  # the next run tries again
        return Refreshed(_file_facts(candidate), own)

    def _look(self, candidate: Candidate, look: Callable[[Candidate, os.stat_result], Hashed]) -> Reading:
        """Looks until the file was the same before and after; what is read is then what the catalog will say."""
        path = candidate.path
        for _ in range(_LOOKS):
            try:
                before = os.stat(path)  # noqa: PTH116 - pathlib takes no bytes
                reading = _attempt(candidate, before, look)
                after = os.stat(path)  # noqa: PTH116
            except (FileNotFoundError, NotADirectoryError):
                return Vanished()
            except OSError as error:
                return OutOfReach(f"cannot be read: {reason_of(error)}")
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                return reading
        return Broken(after.st_size, after.st_mtime_ns, "keeps changing while it is read")

    def _hashed(self, candidate: Candidate, status: os.stat_result) -> Hashed:
        digest = content_hash(candidate.path)
        facts = _file_facts(candidate) if candidate.stamp else None
        return Hashed(status.st_size, status.st_mtime_ns, digest, facts)

    def _decoded(self, is_known: Callable[[bytes], bool], candidate: Candidate, status: os.stat_result) -> Hashed:
        hashed = self._hashed(candidate, status)
        if self._encoder is None or is_known(hashed.content_hash):
            return hashed
        photo = open_photo(candidate.path, self._encoder.image_size, self._decoders)
        facts = photo.facts
        fields = ImageFields(
            size=status.st_size,
            width=photo.width,
            height=photo.height,
            format=photo.format,
            taken_at=facts.taken_at,
            taken_from=facts.taken_from,
            latitude=facts.latitude,
            longitude=facts.longitude,
            camera=facts.camera,
            thumbnail=zlib.crc32(photo.thumbnail),
            taken_known=facts.taken_known,
            phash=photo.phash,
            damage=photo.damage,
            written=facts.written,
        )
        try:
            pixels = self._encoder.prepare(photo.image)
        except Exception as error:  # whatever one odd picture does to an encoder, the others must go on
            raise UnreadablePhoto(f"cannot be prepared: {stripped(str(error), limit=100)}") from error
        known = (status.st_size, status.st_mtime_ns, hashed.content_hash, hashed.facts)
        return Decoded(*known, pixels, fields, photo.thumbnail)


def _file_facts(candidate: Candidate) -> FileFacts:
    return read_file_facts(candidate.path, candidate.sidecars, candidate.stamp)


def _attempt(
    candidate: Candidate, status: os.stat_result, look: Callable[[Candidate, os.stat_result], Hashed]
) -> Reading:
    try:
        return look(candidate, status)
    except PhotoOutOfReach as error:
        return OutOfReach(error.message)
    except UnreadablePhoto as error:
        return Broken(status.st_size, status.st_mtime_ns, error.message)


class KnownImages:
    """Whether an image's vectors are committed, asked from any thread; a context manager.

    On a connection of its own, since the writer's may be in the middle of a transaction. A hint that spares decoding:
    by the time it is used the answer may be another, and the run decides by its own catalog.
    """

    def __init__(self, path: Path, encoder: int) -> None:
        self._catalog = Catalog.open(path)
        self._encoder = encoder
        self._lock = Lock()

    def __call__(self, content_hash: bytes) -> bool:
        with self._lock:
            return is_embedded(self._catalog, self._encoder, content_hash)

    def __enter__(self) -> KnownImages:
        return self

    def __exit__(self, *_: object) -> None:
        self._catalog.close()


@contextmanager
def look_ahead(workers: int, ahead: int) -> Iterator[Mapped]:
    """A `map` over threads that keeps the order and never has more than `ahead` results waiting or under way.

    On leaving, whatever has not begun is dropped and what has is waited for.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="dar-read")

    def mapped(
        function: Callable[[Candidate], Reading], items: Iterable[Candidate]
    ) -> Iterator[tuple[Candidate, Reading]]:
        waiting: deque[tuple[Candidate, Future[Reading]]] = deque()
        for item in items:
            if len(waiting) >= ahead:
                first, future = waiting.popleft()
                yield first, future.result()
            waiting.append((item, pool.submit(function, item)))
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()

    try:
        yield mapped
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def encode_each(encoder: Encoder, batch: Sequence[Pixels]) -> list[ImageEmbeddings | str]:
    """For each photo its embeddings, of one row, or the reason why it has none.

    A batch that fails is tried again one by one. Raises what the encoder raised if it then takes none of them: the
    encoder is at fault, not the photos.
    """
    try:
        return _rows(encoder, encoder.encode_prepared(batch), len(batch))
    except (DarError, MemoryError):
        raise
    except Exception as error:  # a model runtime may raise anything; which photo was at fault is found below
        if len(batch) == 1:
            raise
        results: list[ImageEmbeddings | str] = []
        for pixels in batch:
            try:
                results += _rows(encoder, encoder.encode_prepared([pixels]), 1)
            except Exception as reason:  # as above
                results.append(f"cannot be encoded: {stripped(str(reason), limit=100)}")
        if all(isinstance(result, str) for result in results):
            raise error
        return results


def _rows(encoder: Encoder, embeddings: ImageEmbeddings, count: int) -> list[ImageEmbeddings | str]:
    joint, visual = embeddings.joint, embeddings.visual
    if joint.shape != (count, encoder.dim) or (visual is not None and visual.shape != (count, encoder.visual_dim)):
        raise ValueError(f"{encoder.id} gave vectors of shape {joint.shape} for {count} photos")
    together = joint if visual is None else np.hstack([joint, visual])
    finite = [bool(np.isfinite(vector).all()) for vector in together]
    return [
        ImageEmbeddings(joint[row : row + 1], None if visual is None else visual[row : row + 1])
        if finite[row]
        else "cannot be encoded: its vector is not finite"
        for row in range(count)
    ]
