"""The words about photos and in them, in a full-text index beside the catalog: SQLite's FTS5.

Derived: made from the catalog at the end of a run that changed words, anew where it is missing or damaged. It is
written to another name and then renamed, so that whoever searches reads one that is whole. Knows words, not what they
weigh.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from indexer.files import create_private_file, sync_file
from indexer.photos.written import Written
from indexer.printable import stripped

WORDS_NAME = "words.sqlite3"
ABOUT = ("title", "description", "keywords", "people", "caption")
WITHIN = ("text",)
FIELDS = (*ABOUT, *WITHIN)
# Raised where what is indexed, or how, changes: an index of another version is made anew.
_VERSION = 1
_MAKE = (
    # Diacritics are removed ("Muller" finds "Müller"); an underscore parts words, as it does in names.
    f"CREATE VIRTUAL TABLE words USING fts5({', '.join(FIELDS)}, tokenize = 'unicode61 remove_diacritics 2')",
    "CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, 'row')",
    "CREATE TABLE digests (image_id INTEGER PRIMARY KEY, digest BLOB NOT NULL)",
    "CREATE TABLE meta (stamp TEXT NOT NULL)",
    "INSERT INTO meta VALUES ('')",
)
# Scripts that part no words: each of their letters is a word here, so that what stands in a row is found as a phrase.
_UNPARTED = re.compile(r"([\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")
_WORD = re.compile(r"\w+", re.UNICODE)
# In words shorter than this an error makes another word; from the second on there may be two.
_ONE_ERROR, _TWO_ERRORS = 5, 9
# Between two keywords or names: a word of its own to FTS5 (of the private use area), so that no phrase spans both.
_BETWEEN = " \ue000 "
_EXCERPT_WORDS = 10
_AT_ONCE = 2_000


class WordIndex:
    """The words of one library, for reading. Without an index, or with a damaged one, no photo has words."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / WORDS_NAME
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None

    def close(self) -> None:
        """Closes the index."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._inode = None

    def matching(self, phrase: str, fields: Sequence[str] = FIELDS) -> list[int]:
        """The ids of the images in whose words, of one of these fields, those of `phrase` stand in a row; sorted.

        Where there are none since a word of it is not known, those that have its words, or what that one may have been
        mistyped for or misread from.
        """
        exact, words = self.standing(phrase, fields), _words(phrase)
        if exact or all(map(self._knows, words)):
            return exact
        wanted = [[word, *(() if self._knows(word) else self.near(word))] for word in words]
        expressions = [" OR ".join(f'"{each}"' for each in alternatives) for alternatives in wanted]
        return self._ids(f"{_in_fields(fields)} : ({' AND '.join(f'({each})' for each in expressions)})")

    def standing(self, phrase: str, fields: Sequence[str] = FIELDS) -> list[int]:
        """The ids of the images in whose words, of one of these fields, those of `phrase` stand in a row; sorted."""
        wanted = _as_match(phrase, fields)
        return self._ids(wanted) if wanted else []

    def _ids(self, wanted: str) -> list[int]:
        rows = self._rows("SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid", wanted)
        return [row[0] for row in rows]

    def _knows(self, word: str) -> bool:
        return bool(self._rows("SELECT 1 FROM vocabulary WHERE term = ?", word.casefold()))

    def near(self, word: str) -> tuple[str, ...]:
        """The words of the index that `word` may have been meant for, or read from: the nearest ones by letters."""
        errors = (len(word) >= _ONE_ERROR) + (len(word) >= _TWO_ERRORS)
        if not errors or not word.isalpha():
            return ()
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        lengths = (len(word) - errors, len(word) + errors)
        known = [
            row[0] for row in self._rows("SELECT term FROM vocabulary WHERE length(term) BETWEEN ? AND ?", *lengths)
        ]
        found = process.extract(word.casefold(), known, scorer=OSA.distance, score_cutoff=errors, limit=None)
        least = min((distance for _, distance, _ in found), default=0)
        return tuple(term for term, distance, _ in found if distance == least)

    def excerpt(self, image_id: int, phrases: Sequence[str]) -> str:
        """A few of the image's words around those of the first of these phrases that it has; "" if it has none."""
        for phrase in phrases:
            if not (wanted := _as_match(phrase, FIELDS)):
                continue
            found = self._rows(
                f"SELECT snippet(words, -1, '', '', '...', {_EXCERPT_WORDS}) FROM words"
                " WHERE words MATCH ? AND rowid = ?",
                *(wanted, image_id),
            )
            if found:
                return stripped(_joined(found[0][0]).replace(_BETWEEN, ", ").replace(_BETWEEN.strip(), ""))
        return ""

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        connection = self._opened()
        if connection is None:
            return []
        try:
            return connection.execute(query, values).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):  # damaged, which `verify` reports and a run makes anew
            return []

    def _opened(self) -> sqlite3.Connection | None:
        """The index as it is now: a run puts another in its place."""
        try:
            status = self._path.stat()
        except OSError:
            self.close()
            return None
        if self._inode != (status.st_ino, status.st_mtime_ns):
            self.close()
            with suppress(sqlite3.DatabaseError):
                self._connection = _connect(self._path, "?mode=ro&immutable=1")
                self._inode = (status.st_ino, status.st_mtime_ns)
        return self._connection


@dataclass(frozen=True)
class _Words:
    image_id: int
    fields: tuple[str, ...]

    @property
    def digest(self) -> bytes:
        return blake2b("\0".join(self.fields).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def update_words(folder: Path, catalog: sqlite3.Connection, changes: int) -> bool:
    """Brings the index up to date with the catalog's words; returns whether anything had changed.

    `changes`: how often they have changed so far.
    """
    path, stamp = folder / WORDS_NAME, f"{_VERSION}.{changes}"
    if stamp_of(path) == stamp or (not changes and not path.exists()):
        return False
    temporary = path.with_name(f"{WORDS_NAME}.tmp")
    try:
        if not _changed(path, temporary, catalog, stamp, continued=bool(stamp_of(path))):
            _changed(path, temporary, catalog, stamp, continued=False)
        sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def words_problem(folder: Path) -> str:
    """What is wrong with the index; "" for nothing. One that is missing is made by the next run."""
    path = folder / WORDS_NAME
    return f"{WORDS_NAME} is damaged ({problem})" if path.exists() and (problem := _damage(path)) else ""


def stamp_of(path: Path) -> str:
    """Of which state of the catalog the index is; "" where there is none, or it cannot be read."""
    try:
        with closing(_connect(path, "?mode=ro&immutable=1")) as connection:
            return str(connection.execute("SELECT stamp FROM meta").fetchone()[0])
    except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError):
        return ""


def _changed(path: Path, temporary: Path, catalog: sqlite3.Connection, stamp: str, *, continued: bool) -> bool:
    """Makes the new index, from the old one where that can be continued; False if it cannot after all."""
    temporary.unlink(missing_ok=True)
    create_private_file(temporary)
    if continued:
        shutil.copyfile(path, temporary)
    try:
        with closing(_connect(temporary, "?mode=rw")) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for statement in () if continued else _MAKE:
                connection.execute(statement)
            _update(connection, catalog)
            connection.execute("UPDATE meta SET stamp = ?", (stamp,))
            connection.execute("COMMIT")
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        if not continued:
            raise
        return False
    return True


def _update(connection: sqlite3.Connection, catalog: sqlite3.Connection) -> None:
    known: dict[int, bytes] = dict(connection.execute("SELECT image_id, digest FROM digests"))
    for words in _words_of(catalog):
        digest = words.digest
        if (before := known.pop(words.image_id, None)) == digest:
            continue
        if before is not None:
            connection.execute("DELETE FROM words WHERE rowid = ?", (words.image_id,))
        connection.execute("INSERT OR REPLACE INTO digests VALUES (?, ?)", (words.image_id, digest))
        connection.execute(
            f"INSERT INTO words (rowid, {', '.join(FIELDS)}) VALUES (?{', ?' * len(FIELDS)})",
            (words.image_id, *words.fields),
        )
    for image_id in known:
        connection.execute("DELETE FROM words WHERE rowid = ?", (image_id,))
        connection.execute("DELETE FROM digests WHERE image_id = ?", (image_id,))


def _words_of(catalog: sqlite3.Connection) -> Iterator[_Words]:
    """Every image that has words, a few thousand at a time."""
    rows = catalog.execute(
        "SELECT images.id, images.written, coalesce(captions.text, ''), coalesce(readings.lines, '[]') FROM images"
        " LEFT JOIN captions ON captions.image_id = images.id LEFT JOIN readings ON readings.image_id = images.id"
        " WHERE images.written <> '' OR captions.text <> '' OR readings.lines <> '[]' ORDER BY images.id"
    )
    while part := rows.fetchmany(_AT_ONCE):
        for image_id, text, caption, lines in part:
            written = Written.from_json(text)
            fields = (
                *(written.title, written.description, _BETWEEN.join(written.keywords), _BETWEEN.join(written.people)),
                *(caption, "\n".join(line[0] for line in json.loads(lines))),
            )
            yield _Words(image_id, tuple(map(_parted, fields)))


def _damage(path: Path) -> str:
    """What FTS5's own check finds, on a copy in memory, since it wants to write."""
    try:
        with closing(_connect(path, "?mode=ro&immutable=1")) as stored, closing(sqlite3.connect(":memory:")) as copy:
            stored.backup(copy)
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            copy.execute("INSERT INTO words(words) VALUES ('integrity-check')")
            return "" if found == "ok" else stripped(str(found))
    except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError) as error:
        return stripped(str(error))


def _connect(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(path.absolute().as_uri() + how, uri=True, isolation_level=None, check_same_thread=False)


def _parted(text: str) -> str:
    return _UNPARTED.sub(r" \1 ", text) if not text.isascii() else text


def _joined(text: str) -> str:
    """What `_parted` parted, as it was."""
    return re.sub(rf"(?<={_UNPARTED.pattern[1:-1]}) +(?={_UNPARTED.pattern[1:-1]})", "", text)


def _as_match(phrase: str, fields: Sequence[str]) -> str:
    """FTS5's expression for these words in a row; "" if there are none."""
    words = _words(phrase)
    return f'{_in_fields(fields)} : "{" ".join(words)}"' if words else ""


def _in_fields(fields: Sequence[str]) -> str:
    return f"{{{' '.join(fields)}}}"


def _words(phrase: str) -> list[str]:
    """Only letters and digits, so that nothing is read as FTS5's syntax."""
    return _WORD.findall(_parted(phrase.replace("_", " ")))
