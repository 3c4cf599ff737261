"""A checksum on every row of the catalog, so that a flipped bit on the disk is noticed instead of believed.

SQLite's own check knows pages and indexes, not whether a column still holds what was written. Knows the tables'
columns; what they mean is the catalog's business.
"""

from __future__ import annotations

import sqlite3
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from indexer.errors import LibraryDamaged
from indexer.printable import stripped

# Each table's key and its other columns. Text is sealed as bytes: a damaged one may no longer be UTF-8.
_TABLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "roots": (("id",), ("path",)),
    "images": (
        ("id",),
        (
            *("content_hash", "size", "width", "height", "format", "taken_at", "taken_from", "latitude", "longitude"),
            *("camera", "thumbnail", "own_taken_at", "own_taken_from", "own_latitude", "own_longitude"),
            *("city", "region", "country", "phash", "damage", "facts", "taken_unsure"),
        ),
    ),
    "files": (
        ("root_id", "relpath"),
        ("size", "mtime_ns", "image_id", "taken_at", "taken_from", "latitude", "longitude", "sidecar"),
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
}
_TEXT = frozenset(
    {
        *("format", "taken_at", "taken_from", "camera", "reason", "spec", "encoder_id", "null_digest", "key"),
        *("own_taken_at", "own_taken_from", "city", "region", "country", "damage"),
    }
)
_TEXT_VALUES = frozenset({("meta", "value"), ("captions", "captioner"), ("captions", "text")})
# The columns a table got after seals, by the schema version that brought them: an older library, opened where it cannot
# be brought up to date, is sealed without them.
_ADDED: Mapping[str, Mapping[str, int]] = {
    "images": dict.fromkeys(
        (
            *("own_taken_at", "own_taken_from", "own_latitude", "own_longitude"),
            *("city", "region", "country", "phash", "damage", "facts", "taken_unsure"),
        ),
        4,
    ),
    "files": dict.fromkeys(("taken_at", "taken_from", "latitude", "longitude", "sidecar"), 4),
    "encoders": {"derived": 4},
}
# What SQLite says of a file that is not what it was, under the name it also gives to a locked or full one.
_DAMAGED = ("decode", "no such", "already exists", "duplicate column", "malformed")
REPAIR_HINT = "Run `dar library repair`, then `dar index`; the photos are not touched."

# The statements of the migration that brought seals; `row_seal` is there on every connection (see `provide`).
ADD_SEALS: tuple[str, ...] = (
    # The CRC-32 of the thumbnail's bytes; NULL where it was made before that was kept.
    "ALTER TABLE images ADD COLUMN thumbnail INTEGER",
    *(f"ALTER TABLE {table} ADD COLUMN seal INTEGER NOT NULL DEFAULT 0" for table in _TABLES),
)


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
    for table in _TABLES:
        connection.execute(f"UPDATE {table} SET seal = {seal_expression(table, version)}")


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
    for table in _TABLES:
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
