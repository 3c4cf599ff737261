"""A library of photos, for whoever searches it: one folder, opened read-only.

Knows how a query becomes hits. Never waits for a writer: each call sees one committed state, the newest. Writing is
`indexing.writer`'s; `writer()`, `forget` and `move_root` go there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT
from indexer.errors import DarError, LibraryBusy, LibraryDamaged, LibraryNotFound
from indexer.indexing.writer import GRAPH_THRESHOLD, LibraryWriter, open_writer
from indexer.paths import at_home, resolved, to_path
from indexer.photos.written import TextLine
from indexer.printable import visible
from indexer.search.hits import Hit, Placing, hits_of
from indexer.search.ranking import Query
from indexer.search.searching import Snapshot, search
from indexer.search.strength import Strength
from indexer.search.where import CommonPlaces, Where, commonest_places, in_order, is_southern, places_named, undated
from indexer.store.backup import backup_problem, check_not_lost, prepare_folder
from indexer.store.catalog import CATALOG_NAME, Catalog, EncoderRecord, Problem, readings_of
from indexer.store.disk import disk_errors_named
from indexer.store.embeddings import embedded_photos, no_vectors_of, rows_of, spare_encoder
from indexer.store.maintenance import open_store, verify
from indexer.store.schema import MIGRATIONS, schema_version
from indexer.store.vectors import Vectors
from indexer.store.words import ABOUT, WITHIN

# A compaction between reading the catalog and mapping its files is met again only by another compaction.
_ATTEMPTS = 5


@dataclass(frozen=True, eq=False)
class Mention:
    """A phrase that stands in the words about some images, and in the text within some, of all the library's `images`.

    `about`, `within`: their ids, sorted.
    """

    phrase: str
    about: NDArray[np.int64]
    within: NDArray[np.int64]
    images: int


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


class Library:
    """Searches a library; usable from any thread, a context manager.

    It keeps to one encoder: the active one when the first was asked for. Whoever encodes queries can rely on it, though
    another process makes another encoder the active one.
    """

    def __init__(self, path: Path, catalog: Catalog, graph_threshold: int, encoder: str = "") -> None:
        self.path = path
        self._catalog = catalog
        self._graph_threshold = graph_threshold
        self._encoder_name = encoder
        self._lock = RLock()
        self._snapshot: Snapshot | None = None
        self._store = open_store(path, catalog, index_above=graph_threshold)

    @classmethod
    def create(cls, path: Path, *, graph_threshold: int = GRAPH_THRESHOLD, vectors: str = "") -> Library:
        """Opens the library at `path`, made if missing, with its `vectors` in files ("") or on a server ("qdrant:URL").

        Raises DarError if the folder holds something else.
        """
        prepare_folder(path)
        if vectors or not (path / CATALOG_NAME).exists():
            with open_writer(path, vectors):
                pass
        return cls.open(path, graph_threshold=graph_threshold)

    @classmethod
    def open(cls, path: Path, encoder: str = "", *, graph_threshold: int = GRAPH_THRESHOLD) -> Library:
        """Opens the library at `path`, to be searched with this encoder, by spec or id ("": the active one).

        Raises LibraryNotFound, LibraryTooNew, LibraryDamaged, and EncoderMismatch if it has no vectors of the encoder.
        """
        check_not_lost(path)
        if not (path / CATALOG_NAME).is_file():
            raise LibraryNotFound(f"There is no library at {visible(path)}.", "Run `dar index FOLDER` to make one.")
        with disk_errors_named(path):
            catalog = Catalog.open(path / CATALOG_NAME)
            if schema_version(catalog.connection) < len(MIGRATIONS) and os.access(path, os.W_OK):
                catalog.close()
                # Not while another process writes, nor where nothing can be written: then it is read as it is.
                with suppress(LibraryBusy), open_writer(path):
                    pass  # opening it brings the schema up to date
                catalog = Catalog.open(path / CATALOG_NAME)
            try:
                library = cls(path, catalog, graph_threshold, encoder)
            except BaseException:
                catalog.close()
                raise
        if encoder and library.encoder is None:
            error = no_vectors_of(catalog, encoder)
            catalog.close()
            raise error
        return library

    def close(self) -> None:
        """Closes the catalog and the vectors."""
        with self._lock:
            self._snapshot = None
            self._store.close()
            self._catalog.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Searching

    def search(
        self,
        query: Query,
        k: int = 10,
        where: Where | None = None,
        *,
        fold: bool = True,
    ) -> list[Hit]:
        """The `k` photos that match best, best first; copies and bursts folded under the best of them.

        Raises EncoderMismatch if the query was made by another encoder than the library.
        """
        with self._state() as snapshot:
            if snapshot is None or k <= 0:
                return []
            snapshot.check(query.terms)
            where = where or Where()
            groups = search(
                snapshot,
                query,
                where.passes(self._catalog, snapshot.ids),
                k,
                pictures=self._catalog.pictures if fold else None,
                index_above=self._graph_threshold,
            )
            snapshot.check_vectors(self._catalog, [placing.image_id for group in groups for placing in group])
            return hits_of(self.path, self._catalog, groups, where.under)

    def listing(self, where: Where, k: int, *, by_name: bool = False) -> list[Hit]:
        """The first `k` photos that pass, newest first and undated last, or in the order of their files' names.

        Nothing is compared, so scores are 0 and no hit has a strength; no vector and no encoder is needed.
        """
        with self._state() as snapshot:
            if snapshot is None or k <= 0:
                return []
            mask = where.passes(self._catalog, snapshot.ids)
            passing = (snapshot.ids if mask is None else snapshot.ids[mask]).tolist()
            ordered = in_order(self._catalog, passing, by_name=by_name)
            alone = [[Placing(image_id, 0.0, rank, Strength.NONE)] for rank, image_id in enumerate(ordered[:k], 1)]
            return hits_of(self.path, self._catalog, alone, where.under)

    def count(self, where: Where) -> int:
        """How many images pass."""
        with self._state() as snapshot:
            if snapshot is None:
                return 0
            mask = where.passes(self._catalog, snapshot.ids)
            return len(snapshot.ids) if mask is None else int(np.count_nonzero(mask))

    def undated(self, where: Where) -> int:
        """How many images pass all of `where` but its dates, theirs being unknown."""
        with self._state() as snapshot:
            if snapshot is None:
                return 0
            mask = replace(where, after=None, before=None).passes(self._catalog, snapshot.ids)
            passing = snapshot.ids if mask is None else snapshot.ids[mask]
            return int(np.count_nonzero(np.isin(passing, undated(self._catalog))))

    def vectors(self, image_ids: Sequence[int], space: str = JOINT) -> Vectors:
        """The (n, dim) unit vectors of these images; raises DarError if one has none."""
        with self._state() as snapshot:
            rows = rows_of(self._catalog, snapshot.encoder.id, image_ids) if snapshot else {}
            missing = [image_id for image_id in image_ids if image_id not in rows]
            if snapshot is None or missing:
                raise DarError(f"Photo {missing[:1]} is not in the library.", "Run `dar index` and search again.")
            snapshot.dim(space)
            return snapshot.spaces[space].take(np.array([rows[image_id] for image_id in image_ids], np.int64))

    def sample(self, count: int, seed: int = 0) -> list[int]:
        """The ids of `count` photos picked at random, each as likely; all, in no order, where there are no more."""
        with self._state() as snapshot:
            if snapshot is None:
                return []
            chosen: list[int] = np.random.default_rng(seed).permutation(snapshot.ids)[: max(count, 0)].tolist()
            return chosen

    def mentions(self, phrases: Sequence[str]) -> list[Mention]:
        """Where each phrase stands in the words about photos and in them; nothing looks near it."""
        with self._state() as snapshot:
            words = self._catalog.words
            ids = np.zeros(0, np.int64) if snapshot is None else snapshot.ids
            if words is None or not len(ids):
                return [Mention(phrase, ids[:0], ids[:0], 0) for phrase in phrases]
            return [
                Mention(
                    phrase,
                    np.intersect1d(np.array(words.standing(phrase, ABOUT), np.int64), ids),
                    np.intersect1d(np.array(words.standing(phrase, WITHIN), np.int64), ids),
                    len(ids),
                )
                for phrase in phrases
            ]

    def words_near(self, word: str) -> tuple[str, ...]:
        """The words about photos, and in them, that a mistyped `word` may have been meant for."""
        with self._lock, disk_errors_named(self.path):
            return self._catalog.words.near(word) if self._catalog.words is not None else ()

    def excerpt(self, image_id: int, phrases: Sequence[str]) -> str:
        """A few of the words about an image, or in it, around the first of these phrases that it has; or ""."""
        with self._lock, disk_errors_named(self.path):
            return self._catalog.words.excerpt(image_id, phrases) if self._catalog.words is not None else ""

    def text_in(self, image_id: int) -> tuple[TextLine, ...]:
        """The lines of text that were read in an image, from top to bottom."""
        with self._lock, disk_errors_named(self.path):
            return readings_of(self._catalog, [image_id]).get(image_id, ())

    def image_for(self, path: Path) -> int | None:
        """The id of the image in this file, or None if the library has no such file."""
        with self._lock, disk_errors_named(self.path):
            return self._catalog.image_at(resolved(path))

    def photos(self, image_ids: Sequence[int]) -> list[Hit]:
        """These images as hits without a score, in the order given; those no file holds any more are left out."""
        with self._state():
            alone = [[Placing(image_id, 0.0, rank, Strength.NONE)] for rank, image_id in enumerate(image_ids, 1)]
            return hits_of(self.path, self._catalog, alone)

    # What there is

    @property
    def encoder(self) -> EncoderRecord | None:
        """The encoder whose vectors are searched; None if the library never held a photo."""
        with self._lock, disk_errors_named(self.path):
            record = self._catalog.encoder_named(self._encoder_name)
            if record is not None:
                self._encoder_name = record.encoder_id
            return record

    def has_place(self, name: str) -> bool:
        """Whether photos here were taken in a city, region or country of this name, by their GPS."""
        with self._lock, disk_errors_named(self.path):
            return bool(places_named(self._catalog, name))

    def is_southern(self) -> bool:
        """Whether most of its photos with GPS, and so the one in the middle, were taken south of the equator."""
        with self._lock, disk_errors_named(self.path):
            return is_southern(self._catalog)

    def places(self, count: int = 10) -> CommonPlaces:
        """The `count` countries and cities in which most photos were taken, by their GPS."""
        with self._lock, disk_errors_named(self.path):
            return commonest_places(self._catalog, count)

    def problems(self) -> list[Problem]:
        """The files that could not be read, and why."""
        with self._lock, disk_errors_named(self.path):
            return self._catalog.problems()

    def notes(self) -> list[Problem]:
        """The files that are in the library though something is wrong with them, and what."""
        with self._lock, disk_errors_named(self.path):
            return self._catalog.notes()

    def info(self) -> LibraryInfo:
        """What is in the library, and where its photos are."""
        with self._lock, disk_errors_named(self.path):
            return info_of(self.path, self._catalog)

    def verify(self, deep: bool = False) -> list[str]:
        """What is wrong with the library's own files, one line each; `deep` reads every row, vector and thumbnail."""
        with self._lock, disk_errors_named(self.path):
            found = verify(self.path, self._catalog, self._store, deep=deep)
            copy = backup_problem(self.path) if deep else ""
            return [*found, f"{copy}; `dar library repair` makes it again"] if copy else found

    # Changing it

    def writer(self) -> AbstractContextManager[LibraryWriter]:
        """The library's one writer; raises LibraryBusy if there is another."""
        return open_writer(self.path)

    def use(self, encoder: str) -> EncoderInfo:
        """Makes this encoder, by spec or id, the one searches use. Raises EncoderMismatch if it has no vectors here."""
        with self.writer() as writer:
            record = writer.catalog.encoder_named(encoder)
            if record is None:
                raise no_vectors_of(writer.catalog, encoder)
            writer.activate(record)
            return encoder_info(writer.catalog, record)

    def spare(self, encoder: str) -> EncoderInfo:
        """The encoder of this spec or id, which searches do not use.

        Raises EncoderMismatch if they do, if the library has no vectors of it, or if several have the name.
        """
        with self._lock, disk_errors_named(self.path):
            return encoder_info(self._catalog, spare_encoder(self._catalog, encoder))

    def drop(self, encoder: str) -> EncoderInfo:
        """Takes a `spare` encoder's vectors out of the library for good; returns what it was. Photos stay."""
        with self.writer() as writer:
            found = encoder_info(writer.catalog, spare_encoder(writer.catalog, encoder))
            writer.drop_encoder(found.record)
            return found

    def forget(self, folder: Path) -> int:
        """Takes a folder's photos out of the library (never off the disk); returns how many files that were."""
        with self.writer() as writer:
            target = resolved(folder)
            if not writer.catalog.spans(target):
                raise DarError(f"{visible(folder)} is not in the library.", "`dar library info` lists what is.")
            dropped = writer.forget(target)
            writer.finish(threads=1, graph_threshold=self._graph_threshold)
            return dropped

    def move_root(self, old: Path, new: Path) -> int:
        """Says that the photos once at `old` are now at `new`; nothing is encoded. Returns how many roots moved."""
        target = resolved(new)
        if not (at_home(new).is_dir() or (at_home(new).is_file() and self.image_for(old) is not None)):
            raise DarError(f"There is no folder {visible(new)}.", "Give the folder where the photos are now.")
        with self.writer() as writer:
            moved = writer.move_root(resolved(old), target)
        if not moved:
            raise DarError(
                f"{visible(old)} is not a folder of this library.", "`dar library info` lists those that are."
            )
        return moved

    # How it is done

    @contextmanager
    def _state(self) -> Iterator[Snapshot | None]:
        """One committed state: the snapshot, and everything the catalog is asked meanwhile."""
        with self._lock, disk_errors_named(self.path):
            snapshot = self._begin()
            try:
                yield snapshot
            finally:
                if self._catalog.connection.in_transaction:
                    self._catalog.connection.execute("ROLLBACK")

    def _begin(self) -> Snapshot | None:
        connection = self._catalog.connection
        for _ in range(_ATTEMPTS):
            connection.execute("BEGIN")
            try:
                if self._snapshot is None or self._snapshot.version != self._catalog.version():
                    encoder = self.encoder
                    if encoder is None and self._encoder_name:  # dropped by another process meanwhile
                        raise no_vectors_of(self._catalog, self._encoder_name)
                    self._snapshot = Snapshot.read(self._store, self._catalog, encoder) if encoder is not None else None
                return self._snapshot
            except FileNotFoundError:
                self._snapshot = None
                connection.execute("ROLLBACK")
            except BaseException:
                self._snapshot = None
                connection.execute("ROLLBACK")
                raise
        raise LibraryDamaged(
            f"Vector files of the library {visible(self.path)} are missing.",
            "Run `dar index`: it encodes what is lost again.",
        )
