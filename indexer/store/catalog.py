"""What the library holds, as its catalog records it: roots, files, images, problems, encoders, captions.

Reads only; `catalog_writer` changes things, `embeddings` reads the table of vectors. Knows nothing of vectors' values,
of pixels or of what is on disk now.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from indexer.encoders import JOINT, VISUAL
from indexer.paths import below, join, relative, to_path
from indexer.photos.written import NOTHING_WRITTEN, TextLine, Written
from indexer.store.schema import (
    WITH_CAPTIONS,
    WITH_SEALS,
    WITH_WORDS,
    check_version,
    connect,
    consistent_read,
    damaged,
    has_column,
    migrate,
    provide,
    schema_version,
    seal_expression,
)
from indexer.store.words import WordIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CATALOG_NAME = "catalog.sqlite3"
# The notes that count changes, and changes of the words about photos.
CHANGES, WORDED = "changes", "worded"
# SQLite takes at least 999 parameters in one statement, on every version and build.
_PARAMETERS = 900
_TAKEN_KNOWN = """CASE WHEN images.taken_unsure AND substr(images.taken_at, 9) = '01T00:00:00' THEN
    coalesce(nullif(max(
        CASE WHEN length(images.own_taken_at) <= 7 AND images.taken_at LIKE images.own_taken_at || '%'
            THEN length(images.own_taken_at) ELSE 0 END,
        coalesce((SELECT max(length(files.taken_at)) FROM files WHERE files.image_id = images.id
            AND length(files.taken_at) <= 7 AND images.taken_at LIKE files.taken_at || '%'), 0)
    ), 0), 19) ELSE 19 END"""


@dataclass(frozen=True)
class Root:
    """A folder whose photos are in the library; paths of files are relative to it. Roots never nest."""

    id: int
    path: bytes


@dataclass(frozen=True)
class FileRecord:
    """A file as it was when last read: size in bytes, time of last change, and the image it holds.

    `stamp`: of the sidecars and rules that its facts were read with; 0 if they were not.
    """

    size: int
    mtime_ns: int
    image_id: int
    stamp: int = 0


@dataclass(frozen=True)
class ImageRecord:
    """One image, however many files hold it: `width` and `height` upright, `taken_at` naive local time.

    `taken_unsure`: whether that is uncertain to the day, or of a kind that is often wrong. `taken_known`: how many
    characters of the date's ISO text are known: 4 its year, 7 its month too, 19 all of it or at least the day.
    """

    id: int
    content_hash: bytes
    width: int
    height: int
    format: str
    taken_at: datetime | None
    taken_from: str
    latitude: float | None
    longitude: float | None
    camera: str
    taken_unsure: bool = False
    city: str = ""
    region: str = ""
    country: str = ""
    taken_known: int = 19
    written: Written = NOTHING_WRITTEN


class ImageTraits(NamedTuple):
    """What decides whether two images are copies or of one burst. `phash`: None where it is not known yet.

    A tuple, since every search makes some of them: a frozen dataclass takes four times as long.
    """

    phash: int | None
    taken_at: str | None
    camera: str
    width: int
    height: int


@dataclass(frozen=True)
class Problem:
    """A file (or a folder that cannot be listed) that is not in the library, and why; or, in a list of notes, a file
    that is, and what is wrong with it."""

    path: Path
    reason: str


@dataclass(frozen=True)
class EncoderRecord:
    """An encoder the library has vectors of: `rows` are committed in its vector files of this `generation`.

    `derived`: the library's number of changes when what is derived from these vectors was made; -1: never.
    """

    id: int
    spec: str
    encoder_id: str
    dim: int
    visual_dim: int
    active: bool
    generation: int
    rows: int
    derived: int


@dataclass(frozen=True)
class Space:
    """One encoder's vectors of one kind; the generation changes when they are rewritten with other row numbers."""

    encoder: int
    name: str
    dim: int
    generation: int


def spaces_of(encoder: EncoderRecord) -> list[Space]:
    """The spaces this encoder's vectors lie in, as the vector store knows them."""
    dims = [(JOINT, encoder.dim), *([(VISUAL, encoder.visual_dim)] if encoder.visual_dim else [])]
    return [Space(encoder.id, name, dim, encoder.generation) for name, dim in dims]


class Catalog:
    """The catalog, for reading. Each call sees the newest committed state; within `consistent()` all see the same."""

    def __init__(self, connection: sqlite3.Connection, folder: Path | None = None) -> None:
        self.connection = connection
        self.words = WordIndex(folder) if folder is not None else None
        self._schema = schema_version(connection)
        self._sealed = self._schema >= WITH_SEALS

    @classmethod
    def open(cls, path: Path) -> Catalog:
        """Opens an existing catalog read-only; raises LibraryTooNew or LibraryDamaged."""
        connection = connect(path, readonly=True)
        try:
            check_version(connection, path)
        except BaseException:
            connection.close()
            raise
        return cls(connection, path.parent)

    @classmethod
    def empty(cls) -> Catalog:
        """A catalog in memory that holds nothing: what a rehearsal of a first run is compared with."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        provide(connection)
        migrate(connection, Path(CATALOG_NAME))
        return cls(connection)

    def intact(self, table: str) -> str:
        """Whether a row of this table is as it was written, in SQL; 1 in a library from before seals."""
        return f"{table}.seal IS {seal_expression(table, self._schema)}" if self._sealed else "1"

    def column(self, table: str, name: str, otherwise: str = "NULL") -> str:
        """A column of a sealed table in SQL; `otherwise` in an older library that does not have it."""
        return f"{table}.{name}" if has_column(table, name, self._schema) else otherwise

    def taken_known(self) -> str:
        """How much of an image's `taken_at` is known (see `ImageRecord`), in SQL.

        Derived: of what the image and its files say, the longest that is no day and that `taken_at` begins with.
        """
        if self.column("images", "taken_unsure") == "NULL":
            return "19"
        return _TAKEN_KNOWN

    def close(self) -> None:
        """Closes the connection."""
        if self.words is not None:
            self.words.close()
        self.connection.close()

    def consistent(self) -> AbstractContextManager[None]:
        """Everything read inside is of one state, whatever a writer commits meanwhile."""
        return consistent_read(self.connection)

    def version(self) -> int:
        """A number that changes when another connection has committed something."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def schema_version(self) -> int:
        """The version of the tables."""
        return schema_version(self.connection)

    # Roots and files

    def roots(self) -> list[Root]:
        """All roots, sorted by path."""
        return [Root(*row) for row in self.connection.execute("SELECT id, path FROM roots ORDER BY path")]

    def spans(self, folder: bytes) -> list[tuple[Root, bytes]]:
        """Where `folder` lies: (root, relative path of the part of the root that is inside the folder)."""
        spans: list[tuple[Root, bytes]] = []
        for root in self.roots():
            inside = relative(folder, root.path)
            if inside is not None:
                spans.append((root, inside))
            elif relative(root.path, folder) is not None:
                spans.append((root, b""))
        return spans

    def files_in(self, folder: bytes) -> Iterator[tuple[bytes, FileRecord]]:
        """Every file in `folder` and below, by absolute path, in the order of paths within each root."""
        for root, inside in self.spans(folder):
            # Where a file was asked for, itself: nothing lies below it.
            for relpath, *rest in self.connection.execute(
                "SELECT relpath, size, mtime_ns, image_id FROM files WHERE root_id = ? AND relpath = ? AND ? <> x''",
                (root.id, inside, inside),
            ):
                yield join(root.path, relpath), FileRecord(*rest)
            for relpath, *rest in self.connection.execute(
                f"SELECT relpath, size, mtime_ns, image_id, {self.column('files', 'sidecar', '0')} FROM files"
                " WHERE root_id = ? AND relpath >= ? AND relpath < ? ORDER BY relpath",
                (root.id, *below(inside)),
            ):
                yield join(root.path, relpath), FileRecord(*rest)

    def problems_in(self, folder: bytes) -> Iterator[tuple[bytes, int, int, str]]:
        """Every problem in `folder` and below: absolute path, size and time when met, reason."""
        for root, inside in self.spans(folder):
            for relpath, *rest in self.connection.execute(
                "SELECT relpath, size, mtime_ns, reason FROM problems WHERE root_id = ?"
                " AND (relpath = ? OR (relpath >= ? AND relpath < ?)) ORDER BY relpath",
                (root.id, inside, *below(inside)),
            ):
                yield join(root.path, relpath), *rest

    def problems(self) -> list[Problem]:
        """Every problem in the library, sorted by path."""
        rows = self.connection.execute(
            "SELECT path, relpath, reason FROM problems JOIN roots ON roots.id = root_id ORDER BY path, relpath"
        )
        return [Problem(to_path(join(root, relpath)), reason) for root, relpath, reason in rows]

    def notes(self) -> list[Problem]:
        """What is wrong with files that are in the library all the same, sorted by path."""
        damage = self.column("images", "damage", "''")
        rows = self.connection.execute(
            f"SELECT path, relpath, {damage} AS damage FROM images JOIN files ON image_id = images.id"
            f" JOIN roots ON roots.id = root_id WHERE {damage} <> '' ORDER BY path, relpath"
        )
        return [Problem(to_path(join(root, relpath)), reason) for root, relpath, reason in rows]

    def counts(self) -> tuple[int, int, int]:
        """How many files, different images that have a file, and problems there are."""
        row = self.connection.execute(
            "SELECT (SELECT count(*) FROM files), (SELECT count(DISTINCT image_id) FROM files),"
            " (SELECT count(*) FROM problems)"
        ).fetchone()
        return int(row[0]), int(row[1]), int(row[2])

    def counts_of(self, root: Root) -> tuple[int, int]:
        """How many files and problems there are in one root."""
        row = self.connection.execute(
            "SELECT (SELECT count(*) FROM files WHERE root_id = :id),"
            " (SELECT count(*) FROM problems WHERE root_id = :id)",
            {"id": root.id},
        ).fetchone()
        return int(row[0]), int(row[1])

    def meta(self, key: str) -> str:
        """A note of the writer's to itself; "" if there is none."""
        row = self.connection.execute(f"SELECT value, {self.intact('meta')} FROM meta WHERE key = ?", (key,)).fetchone()
        if row is None:
            return ""
        check(row[1], "meta")
        return str(row[0])

    def changes(self) -> int:
        """How often the photos that can be found have changed: what is derived from them records this number."""
        return int(self.meta(CHANGES) or 0)

    def worded(self) -> int:
        """How often the words about photos, or in them, have changed."""
        return int(self.meta(WORDED) or 0)

    # Images

    def image_at(self, path: bytes) -> int | None:
        """The id of the image in the file at this absolute path, or None if the library has no such file."""
        for root, inside in self.spans(path):
            row = self.connection.execute(
                "SELECT image_id FROM files WHERE root_id = ? AND relpath = ?", (root.id, inside)
            ).fetchone()
            if row is not None:
                return int(row[0])
        return None

    def image_of(self, content_hash: bytes) -> int | None:
        """The id of the image with these bytes, whether or not a file holds it now."""
        row = self.connection.execute("SELECT id FROM images WHERE content_hash = ?", (content_hash,)).fetchone()
        return None if row is None else int(row[0])

    def outdated_images(self, rules: int) -> frozenset[int]:
        """The images whose bytes were read by older rules than these; none in a catalog that cannot say."""
        if self.column("images", "facts") != "images.facts":
            return frozenset()
        return frozenset(row[0] for row in self.connection.execute("SELECT id FROM images WHERE facts < ?", (rules,)))

    def has_size(self, size: int) -> bool:
        """Whether any known image has this many bytes; if not, a file of that size must be new."""
        return self.connection.execute("SELECT 1 FROM images WHERE size = ? LIMIT 1", (size,)).fetchone() is not None

    def images(self, image_ids: Iterable[int]) -> dict[int, ImageRecord]:
        """The records of these images, by id; unknown ids are left out."""
        records: dict[int, ImageRecord] = {}
        names = ", ".join(self.column("images", name, "''") for name in ("city", "region", "country"))
        for part, marks in in_parts(list(image_ids)):
            for row in self.connection.execute(
                "SELECT id, content_hash, width, height, format, taken_at, taken_from, latitude, longitude, camera,"
                f" {self.column('images', 'taken_unsure', '0')}, {names}, {self.taken_known()},"
                f" {self.column('images', 'written', repr(''))}, {self.intact('images')} FROM images"
                f" WHERE id IN ({marks})",
                part,
            ):
                *fields, intact = row
                check(intact, "images")
                fields[5] = datetime.fromisoformat(row[5]) if row[5] else None
                fields[10] = bool(row[10])
                fields[-1] = Written.from_json(fields[-1])
                records[row[0]] = ImageRecord(*fields)
        return records

    def pictures(self, image_ids: Iterable[int]) -> dict[int, ImageTraits]:
        """What decides whether these images are copies or of one burst, by id; unknown ids are left out."""
        pictures: dict[int, ImageTraits] = {}
        for part, marks in in_parts(list(image_ids)):
            for image_id, *fields in self.connection.execute(
                # Cast, since the seals of these rows are not looked at: whatever a damaged one holds has its type.
                f"SELECT id, CAST({self.column('images', 'phash')} AS INTEGER), CAST(taken_at AS TEXT),"
                " CAST(camera AS TEXT), CAST(width AS INTEGER), CAST(height AS INTEGER) FROM images"
                f" WHERE id IN ({marks})",
                part,
            ):
                pictures[image_id] = ImageTraits(*fields)
        return pictures

    def unhashed(self) -> list[tuple[int, bytes]]:
        """(id, content hash) of every image that has a file and whose perceptual hash is not known."""
        return self.connection.execute(
            f"SELECT id, content_hash FROM images WHERE {self.column('images', 'phash')} IS NULL"
            " AND EXISTS (SELECT 1 FROM files WHERE image_id = images.id) ORDER BY id"
        ).fetchall()

    def paths_of(self, image_ids: Iterable[int]) -> dict[int, list[bytes]]:
        """The absolute paths of the files that hold each image, sorted; images without a file are left out."""
        paths: dict[int, list[bytes]] = {}
        for part, marks in in_parts(list(image_ids)):
            for image_id, root, relpath, intact in self.connection.execute(
                f"SELECT image_id, path, relpath, {self.intact('files')}"
                f" AND {self.intact('roots')}"
                f" FROM files JOIN roots ON roots.id = root_id WHERE image_id IN ({marks})",
                part,
            ):
                check(intact, "files")
                paths.setdefault(image_id, []).append(join(root, relpath))
        return {image_id: sorted(found) for image_id, found in paths.items()}

    # Encoders

    def encoders(self) -> list[EncoderRecord]:
        """All encoders the library has vectors of."""
        rows = self.connection.execute(
            "SELECT id, spec, encoder_id, dim, visual_dim, active, generation, rows,"
            f" {self.column('encoders', 'derived', '-1')}, {self.intact('encoders')} FROM encoders ORDER BY id"
        )
        found = []
        for row in rows:
            *fields, intact = row
            check(intact, "encoders")
            fields[5] = bool(row[5])
            found.append(EncoderRecord(*fields))
        return found

    def active_encoder(self) -> EncoderRecord | None:
        """The encoder that searches use, or None in a library that never held a photo."""
        return next((encoder for encoder in self.encoders() if encoder.active), None)

    def encoder_named(self, name: str = "") -> EncoderRecord | None:
        """The encoder of this spec or id, the active one for "" and wherever two have the name; None if none has it."""
        named = [each for each in self.encoders() if (name in (each.spec, each.encoder_id) if name else each.active)]
        return next((each for each in named if each.active), named[-1] if named else None)

    def thumbnails(self) -> Iterator[tuple[int, bytes, int | None]]:
        """(image id, hash, the thumbnail's CRC-32 or None if that was not kept) of every image that has a file."""
        return iter(
            self.connection.execute(
                f"SELECT id, content_hash, {'thumbnail' if self._sealed else 'NULL'} FROM images"
                " WHERE EXISTS (SELECT 1 FROM files WHERE image_id = images.id) ORDER BY id"
            )
        )

    def peaks(self, encoder: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What this library gives to unrelated texts and to its own photos (see `strength`); empty if not measured."""
        import numpy as np

        row = self.connection.execute(
            "SELECT text_peaks, photo_peaks FROM encoders WHERE id = ?", (encoder,)
        ).fetchone()
        texts, photos = row
        return np.frombuffer(texts, "<f4"), np.frombuffer(photos, "<f4")

    def null_vectors(self, encoder: EncoderRecord) -> tuple[str, NDArray[np.float32]]:
        """(digest of the unrelated texts, their (n, dim) vectors); n is 0 if none are stored."""
        import numpy as np

        digest, vectors = self.connection.execute(
            "SELECT null_digest, null_vectors FROM encoders WHERE id = ?", (encoder.id,)
        ).fetchone()
        return digest, np.frombuffer(vectors, "<f4").reshape(-1, encoder.dim)


def check(intact: int, table: str) -> None:
    """Raises LibraryDamaged unless a row of this table is intact."""
    if not intact:
        raise damaged(f"a row of {table} is not as it was written")


def in_parts(values: Sequence[int]) -> Iterator[tuple[Sequence[int], str]]:
    """Cuts a list of parameters into statements' worth, with a question mark for each."""
    for start in range(0, len(values), _PARAMETERS):
        part = values[start : start + _PARAMETERS]
        yield part, ",".join("?" * len(part))


def captions_of(catalog: Catalog, image_ids: Iterable[int]) -> dict[int, str]:
    """The captions of these images; images without one, or with an empty one, are left out."""
    if catalog.schema_version() < WITH_CAPTIONS:
        return {}
    captions: dict[int, str] = {}
    for part, marks in in_parts(list(image_ids)):
        for image_id, text, intact in catalog.connection.execute(
            f"SELECT image_id, text, {catalog.intact('captions')} FROM captions"
            f" WHERE text <> '' AND image_id IN ({marks})",
            part,
        ):
            check(intact, "captions")
            captions[image_id] = text
    return captions


def uncaptioned(catalog: Catalog, captioner: str) -> list[int]:
    """The images that have a file and no caption by this captioner, oldest first."""
    rows = catalog.connection.execute(
        "SELECT DISTINCT image_id FROM files WHERE NOT EXISTS"
        " (SELECT 1 FROM captions AS c WHERE c.image_id = files.image_id AND c.captioner = ?) ORDER BY image_id",
        (captioner,),
    )
    return [int(row[0]) for row in rows]


def readings_of(catalog: Catalog, image_ids: Iterable[int]) -> dict[int, tuple[TextLine, ...]]:
    """The lines of text in these images, from top to bottom; images never read, or without text, are left out."""
    if catalog.schema_version() < WITH_WORDS:
        return {}
    readings: dict[int, tuple[TextLine, ...]] = {}
    for part, marks in in_parts(list(image_ids)):
        for image_id, lines, intact in catalog.connection.execute(
            f"SELECT image_id, lines, {catalog.intact('readings')} FROM readings"
            f" WHERE lines <> '[]' AND image_id IN ({marks})",
            part,
        ):
            check(intact, "readings")
            readings[image_id] = tuple(
                TextLine(text, (left, top, right, bottom), confidence)
                for text, (left, top, right, bottom), confidence in json.loads(lines)
            )
    return readings


def unread(catalog: Catalog, reader: str) -> list[int]:
    """The images that have a file and whose text this reader has not read, those taken last first."""
    rows = catalog.connection.execute(
        "SELECT id FROM images WHERE EXISTS (SELECT 1 FROM files WHERE image_id = images.id) AND NOT EXISTS"
        " (SELECT 1 FROM readings AS r WHERE r.image_id = images.id AND r.reader = ?)"
        " ORDER BY taken_at IS NULL, taken_at DESC, id DESC",
        (reader,),
    )
    return [int(row[0]) for row in rows]
