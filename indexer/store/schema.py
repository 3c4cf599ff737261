"""The catalog's tables, how they came to be, how a connection to them is made, and a checksum on every row.

Knows SQL and SQLite's settings. Knows nothing of what the rows are used for.

The checksum of a row is its seal: with it a flipped bit on the disk is noticed instead of believed. SQLite's own check
knows pages and indexes, not whether a column still holds what was written.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from indexer.errors import LibraryDamaged, LibraryTooNew
from indexer.files import create_private_file
from indexer.printable import stripped, visible

_TABLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "roots": (("id",), ("path",)),
    "images": (
        ("id",),
        (
            *("content_hash", "size", "width", "height", "format", "taken_at", "taken_from", "latitude", "longitude"),
            *("camera", "thumbnail", "own_taken_at", "own_taken_from", "own_latitude", "own_longitude"),
            *("city", "region", "country", "phash", "damage", "facts", "taken_unsure"),
            *("own_written", "written", "rating"),
        ),
    ),
    "files": (
        ("root_id", "relpath"),
        ("size", "mtime_ns", "image_id", "taken_at", "taken_from", "latitude", "longitude", "sidecar", "written"),
    ),
    "problems": (("root_id", "relpath"), ("size", "mtime_ns", "reason")),
    "encoders": (
        ("id",),
        (
            *("spec", "encoder_id", "dim", "visual_dim", "active", "generation", "rows", "null_digest"),
            *("null_vectors", "text_peaks", "photo_peaks", "derived"),
        ),
    ),
    "embeddings": (("encoder", "image_id"), ("row", "checksum")),
    "meta": (("key",), ("value",)),
    "captions": (("image_id",), ("captioner", "text")),
    "readings": (("image_id",), ("reader", "lines")),
}
_TEXT = frozenset(
    {
        *("format", "taken_at", "taken_from", "camera", "reason", "spec", "encoder_id", "null_digest", "key"),
        *("own_taken_at", "own_taken_from", "city", "region", "country", "damage", "own_written", "written"),
    }
)
_TEXT_VALUES = frozenset(
    {("meta", "value"), ("captions", "captioner"), ("captions", "text"), ("readings", "reader"), ("readings", "lines")}
)
# The columns a table got after seals, and the tables that came after them, by the schema version that brought them: an
# older library, opened where it cannot be brought up to date, is sealed without them.
_ADDED: Mapping[str, Mapping[str, int]] = {
    "images": {
        **dict.fromkeys(
            (
                *("own_taken_at", "own_taken_from", "own_latitude", "own_longitude"),
                *("city", "region", "country", "phash", "damage", "facts", "taken_unsure"),
            ),
            4,
        ),
        **dict.fromkeys(("own_written", "written", "rating"), 5),
    },
    "files": {**dict.fromkeys(("taken_at", "taken_from", "latitude", "longitude", "sidecar"), 4), "written": 5},
    "encoders": {"derived": 4},
}
_NEW_TABLES: Mapping[str, int] = {"readings": 5}
# What SQLite says of a file that is not what it was, under the name it also gives to a locked or full one.
_DAMAGED = ("decode", "no such", "already exists", "duplicate column", "malformed")
REPAIR_HINT = "Run `dar library repair`, then `dar index`; the photos are not touched."

# The statements of the migration that brought seals; `row_seal` is there on every connection (see `provide`).
ADD_SEALS: tuple[str, ...] = (
    # The CRC-32 of the thumbnail's bytes; NULL where it was made before that was kept.
    "ALTER TABLE images ADD COLUMN thumbnail INTEGER",
    *(
        f"ALTER TABLE {table} ADD COLUMN seal INTEGER NOT NULL DEFAULT 0"
        for table in _TABLES
        if table not in _NEW_TABLES
    ),
)
Migration = tuple[str, ...]

# Readers wait this long while SQLite itself is exclusive (the end of a checkpoint, a recovery after kill -9).
_PATIENCE_SECONDS = 10.0

_FIRST: Migration = (
    # AUTOINCREMENT: saved sessions name images by id, so an id is never given to another image.
    """CREATE TABLE images (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        content_hash BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        format TEXT NOT NULL,
        taken_at TEXT,
        taken_from TEXT NOT NULL,
        latitude REAL,
        longitude REAL,
        camera TEXT NOT NULL
    )""",
    "CREATE INDEX images_by_size ON images(size)",
    "CREATE INDEX images_by_date ON images(taken_at)",
    "CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE)",
    # Paths are bytes: file names that are not valid UTF-8 must survive.
    """CREATE TABLE files (
        root_id INTEGER NOT NULL REFERENCES roots(id),
        relpath BLOB NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        image_id INTEGER NOT NULL REFERENCES images(id),
        PRIMARY KEY (root_id, relpath)
    ) WITHOUT ROWID""",
    "CREATE INDEX files_by_image ON files(image_id)",
    """CREATE TABLE problems (
        root_id INTEGER NOT NULL REFERENCES roots(id),
        relpath BLOB NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (root_id, relpath)
    ) WITHOUT ROWID""",
    """CREATE TABLE encoders (
        id INTEGER PRIMARY KEY,
        spec TEXT NOT NULL,
        encoder_id TEXT NOT NULL UNIQUE,
        dim INTEGER NOT NULL,
        visual_dim INTEGER NOT NULL,
        active INTEGER NOT NULL,
        generation INTEGER NOT NULL DEFAULT 0,
        rows INTEGER NOT NULL DEFAULT 0,
        null_digest TEXT NOT NULL DEFAULT '',
        null_vectors BLOB NOT NULL DEFAULT x'',
        text_peaks BLOB NOT NULL DEFAULT x'',
        photo_peaks BLOB NOT NULL DEFAULT x''
    )""",
    # `checksum` is the CRC-32 of the row's bytes in every space: by it verify recognises a damaged vector.
    """CREATE TABLE embeddings (
        encoder INTEGER NOT NULL REFERENCES encoders(id),
        image_id INTEGER NOT NULL REFERENCES images(id),
        row INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (encoder, image_id)
    ) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX embeddings_by_row ON embeddings(encoder, row)",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)

_CAPTIONS: Migration = (
    # One caption an image, by whichever captioner (its id) was asked last; "" where that one had nothing to say.
    """CREATE TABLE captions (
        image_id INTEGER PRIMARY KEY REFERENCES images(id),
        captioner TEXT NOT NULL,
        text TEXT NOT NULL
    )""",
)

_FACTS: Migration = (
    # `taken_at`, `taken_from`, `latitude` and `longitude` of an image are the best of what its bytes say (own_...) and
    # of what its files say (names, folders, sidecars); `facts` is the version of the rules its bytes were read by.
    # Where not all of a date is known, own_taken_at and that of a file are its beginning: "2019-07".
    "ALTER TABLE images ADD COLUMN own_taken_at TEXT",
    "ALTER TABLE images ADD COLUMN own_taken_from TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE images ADD COLUMN own_latitude REAL",
    "ALTER TABLE images ADD COLUMN own_longitude REAL",
    "ALTER TABLE images ADD COLUMN facts INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE images ADD COLUMN city TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE images ADD COLUMN region TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE images ADD COLUMN country TEXT NOT NULL DEFAULT ''",
    # A 64-bit perceptual hash of the thumbnail; NULL where it is not known yet.
    "ALTER TABLE images ADD COLUMN phash INTEGER",
    # What is wrong with a file that was opened all the same, such as a missing end.
    "ALTER TABLE images ADD COLUMN damage TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE files ADD COLUMN taken_at TEXT",
    "ALTER TABLE files ADD COLUMN taken_from TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE files ADD COLUMN latitude REAL",
    "ALTER TABLE files ADD COLUMN longitude REAL",
    # Whether `taken_at` is uncertain to the day, or of a kind that is often wrong.
    "ALTER TABLE images ADD COLUMN taken_unsure INTEGER NOT NULL DEFAULT 0",
    # What was read by older rules counts as the photo's own until it is read again.
    "UPDATE images SET own_taken_at = taken_at, own_taken_from = taken_from, own_latitude = latitude,"
    " own_longitude = longitude",
    # Changes when what a file says has to be read again, since its sidecars or the rules changed; 0: not read yet.
    "ALTER TABLE files ADD COLUMN sidecar INTEGER NOT NULL DEFAULT 0",
    # The number of changes (see `Catalog.changes`) after which what is derived from an encoder's vectors was made.
    "ALTER TABLE encoders ADD COLUMN derived INTEGER NOT NULL DEFAULT -1",
    "DELETE FROM meta WHERE key = 'derived'",
)

_WORDS: Migration = (
    # What other programs wrote about the photo (`photos.written.Written` as JSON, "" for nothing): by its bytes, by
    # each file's sidecars, and all of it together; `rating` is that of all of it.
    "ALTER TABLE images ADD COLUMN own_written TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE images ADD COLUMN written TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE images ADD COLUMN rating INTEGER",
    "ALTER TABLE files ADD COLUMN written TEXT NOT NULL DEFAULT ''",
    # The lines of text in a photo, by the reader that was asked last: [[text, [left, top, right, bottom], confidence],
    # ...] as JSON, "[]" where there are none.
    """CREATE TABLE readings (
        image_id INTEGER PRIMARY KEY REFERENCES images(id),
        reader TEXT NOT NULL,
        lines TEXT NOT NULL,
        seal INTEGER NOT NULL DEFAULT 0
    )""",
)

# Only ever appended to: entry n turns schema version n into n + 1.
MIGRATIONS: tuple[Migration, ...] = (_FIRST, _CAPTIONS, ADD_SEALS, _FACTS, _WORDS)
# The first version that has captions, seals, and words: a reader of an older library that it cannot bring up to date
# does without.
WITH_CAPTIONS, WITH_SEALS, WITH_WORDS = 2, 3, 5
# A version beyond this is a flipped bit, not a newer dar.
_NO_VERSION = 10_000


def seal_of(*values: object) -> int:
    """The CRC-32 of SQLite values, each with its kind and length."""
    checksum = 0
    for value in values:
        if value is None:
            content = b"n"
        elif isinstance(value, bytes):
            content = b"b%d:" % len(value) + value
        elif isinstance(value, str):
            encoded = value.encode("utf-8", "surrogatepass")
            content = b"t%d:" % len(encoded) + encoded
        elif isinstance(value, float):
            content = b"f" + struct.pack("<d", value)
        else:
            content = f"i{value};".encode()
        checksum = zlib.crc32(content, checksum)
    return checksum


def provide(connection: sqlite3.Connection) -> None:
    """Gives the connection the SQL function that seals are made with."""
    connection.create_function("row_seal", -1, seal_of, deterministic=True)


def keep_sealed(connection: sqlite3.Connection) -> None:
    """Has this connection seal every row it writes. The triggers are its own: they are not stored in the file."""
    connection.execute("PRAGMA temp_store = MEMORY")
    for table, (key, others) in _TABLES.items():
        seal = (
            f"UPDATE {table} SET seal = {seal_expression(table)}"
            f" WHERE {' AND '.join(f'{name} = NEW.{name}' for name in key)};"
        )
        columns = ", ".join((*key, *others))
        for event in ("INSERT", f"UPDATE OF {columns}"):
            connection.execute(
                f"CREATE TEMP TRIGGER seal_{table}_{event[:6].lower()} AFTER {event} ON main.{table} BEGIN {seal} END"
            )


def seal_all(connection: sqlite3.Connection, version: int = sys.maxsize) -> None:
    """Seals every row as a catalog of this schema version does; for a migration."""
    for table in _tables(version):
        connection.execute(f"UPDATE {table} SET seal = {seal_expression(table, version)}")


def _tables(version: int) -> list[str]:
    return [table for table in _TABLES if version >= _NEW_TABLES.get(table, 0)]


def has_column(table: str, name: str, version: int) -> bool:
    """Whether a catalog of this schema version has this column, if any has."""
    return version >= _ADDED.get(table, {}).get(name, 0)


def seal_expression(table: str, version: int = sys.maxsize) -> str:
    """The seal that a row of this table has in a catalog of this schema version, in SQL."""
    key, others = _TABLES[table]
    columns = [
        f"CAST({table}.{name} AS BLOB)" if name in _TEXT or (table, name) in _TEXT_VALUES else f"{table}.{name}"
        for name in (*key, *others)
        if has_column(table, name, version)
    ]
    return f"row_seal('{table}', {', '.join(columns)})"


def has_seals(connection: sqlite3.Connection) -> bool:
    """Whether the rows of this catalog have seals, whatever its version says."""
    columns = connection.execute("SELECT name FROM pragma_table_info('images')").fetchall()
    return ("seal",) in columns


def broken_seals(connection: sqlite3.Connection, version: int) -> Iterator[str]:
    """What in a catalog of this schema version does not hold what was written, one line for each table."""
    for table in _tables(version):
        try:
            (count,) = connection.execute(
                f"SELECT count(*) FROM {table} WHERE seal IS NOT {seal_expression(table, version)}"
            ).fetchone()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            yield f"catalog: {table} cannot be read ({stripped(str(error))})"
            continue
        if count:
            yield f"catalog: {count} {'row' if count == 1 else 'rows'} of {table} are not as they were written"


@contextmanager
def damage_named() -> Iterator[None]:
    """Turns what SQLite says of a damaged catalog into LibraryDamaged; a full disk or a lock is not one."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if not any(words in str(error) for words in _DAMAGED):
            raise
        raise damaged(error) from error
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # bugs of dar's, which no repair of the library would end
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite's messages quote what it read
        raise damaged(error) from error


def damaged(why: object) -> LibraryDamaged:
    """The error for a catalog that does not hold what was written."""
    return LibraryDamaged(f"The library's catalog is damaged: {stripped(str(why))}.", REPAIR_HINT)


def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    """Opens the catalog at `path`, in autocommit; a writing connection makes the file if it is missing.

    Usable from any thread, one at a time. Raises LibraryDamaged if the file is not a database.
    """
    if not readonly:
        create_private_file(path)
        return _connect(path, "?mode=rw", readonly=False)
    alone = "?mode=ro&immutable=1"
    if not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
        # SQLite keeps its lock file beside the catalog; where nothing can be written there is no writer either.
        return _connect(path, alone, readonly=True)
    try:
        return _connect(path, "?mode=ro", readonly=True)
    except sqlite3.OperationalError as error:
        # A full disk has no room for the lock file; a writer would find none either, and there is no log to be read.
        # Should room and a writer come while this is open, rows half of one state and half of another fail their seals.
        if not error.sqlite_errorname.startswith("SQLITE_IOERR_SHM") or _has_log(path):
            raise
        return _connect(path, alone, readonly=True)


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _connect(path: Path, how: str, *, readonly: bool) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            path.absolute().as_uri() + how,
            uri=True,
            timeout=_PATIENCE_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        if readonly:
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            # A committed photo is never encoded again, not even after a power cut: FULL syncs the log at every commit.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA user_version").fetchone()
        provide(connection)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise LibraryDamaged(f"{visible(path)} is not a catalog: {error}.", REPAIR_HINT) from error
    return connection


def schema_version(connection: sqlite3.Connection) -> int:
    """Returns the catalog's schema version; 0 is an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection, path: Path, known: int = len(MIGRATIONS)) -> int:
    """Returns the catalog's schema version; raises LibraryTooNew if this program does not know it."""
    version = schema_version(connection)
    if not 0 <= version <= _NO_VERSION:
        raise LibraryDamaged(f"{visible(path)} is damaged: it has no schema {version}.", REPAIR_HINT)
    if version > known:
        raise LibraryTooNew(
            f"The library {visible(path.parent)} was written by a newer dar: its schema is {version}, this one knows up"
            f" to {known}.",
            "Update dar, or choose another library with --library.",
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Brings the catalog to the newest schema, one transaction for each version; its rows are sealed in the last."""
    for version in range(check_version(connection, path, len(migrations)), len(migrations)):
        with transaction(connection):
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            if version + 1 == len(migrations):
                seal_all(connection, version + 1)


def shrink(path: Path) -> None:
    """Gives back to the disk what deleted rows of the catalog at `path` took, under the writer lock.

    Where there is no room to do so, the rows to come take their place.
    """
    # Not by the writer's own connection, whose temporary tables, and here that is all rows, are in memory.
    with closing(connect(path, readonly=False)) as connection, suppress(sqlite3.OperationalError):
        connection.execute("VACUUM")
        # Into the catalog's file now: until then the log holds all of it a second time.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing: commits at the end, rolls back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def consistent_read(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read inside is of one state, whatever a writer commits meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            # Nothing was written; unlike COMMIT this also works on a damaged catalog.
            connection.execute("ROLLBACK")
