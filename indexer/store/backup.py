"""The library's folder, made and private, and a second copy of the catalog for the day the first is damaged.

Knows whole files. What is lost between the copy and the damage, the next index run finds in the photos again.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from indexer.errors import DarError, LibraryDamaged, LibraryTooNew
from indexer.files import create_private_file, make_private_folder, sync_file
from indexer.printable import visible
from indexer.store.catalog import CATALOG_NAME, Catalog
from indexer.store.disk import disk_errors_named
from indexer.store.maintenance import catalog_problems
from indexer.store.schema import REPAIR_HINT

BACKUP_NAME = "catalog.backup.sqlite3"
DAMAGED_NAME = "catalog.damaged.sqlite3"
# Saved sessions name images by id. Ids given out after the copy was made are not in it, and none may be given twice.
_ID_MARGIN = 1_000_000
_REBUILD = "Delete the library folder and run `dar index` on your photos again; the photos are not touched."
# What a library folder may hold before it is a library.
_OWN_NAMES = ("sessions", "thumbs", "writer.lock", "writer.json", CATALOG_NAME)


def write_backup(folder: Path, connection: sqlite3.Connection) -> None:
    """Copies the committed catalog, unless it is damaged: then the older copy is worth more. Raises LibraryDamaged."""
    temporary = folder / f"{BACKUP_NAME}.tmp"
    temporary.unlink(missing_ok=True)
    create_private_file(temporary)
    try:
        with closing(sqlite3.connect(temporary)) as copy:
            connection.backup(copy)
            # Without a log beside it, so that the copy is one file.
            copy.execute("PRAGMA journal_mode = DELETE")
        problems = problems_of(temporary)
        if problems:
            raise LibraryDamaged(f"The library {visible(folder)} is damaged: {problems[0]}.", REPAIR_HINT)
        sync_file(temporary)
        temporary.replace(folder / BACKUP_NAME)
    finally:
        temporary.unlink(missing_ok=True)


def problems_of(path: Path) -> list[str]:
    """What is wrong with the catalog in this file. Raises LibraryTooNew."""
    try:
        with closing(Catalog.open(path)) as catalog:
            return list(catalog_problems(catalog.connection, deep=True))
    except (sqlite3.DatabaseError, UnicodeDecodeError, LibraryDamaged) as error:
        return [str(error)]


def has_sound_backup(folder: Path) -> bool:
    """Whether there is a whole copy that this version of dar can read."""
    try:
        return (folder / BACKUP_NAME).is_file() and not problems_of(folder / BACKUP_NAME)
    except LibraryTooNew:
        return False


def backup_problem(folder: Path) -> str:
    """What is wrong with the copy; "" if nothing is or there is none."""
    try:
        damaged = (folder / BACKUP_NAME).is_file() and problems_of(folder / BACKUP_NAME)
    except LibraryTooNew:  # of a newer dar, whose catalog would say so first
        return ""
    return f"{BACKUP_NAME}, the copy of the catalog, is damaged" if damaged else ""


def check_not_lost(folder: Path) -> None:
    """Raises LibraryDamaged if the catalog is missing or empty though there was one."""
    catalog = folder / CATALOG_NAME
    if (folder / BACKUP_NAME).is_file() and not (catalog.is_file() and catalog.stat().st_size):
        raise LibraryDamaged(f"The catalog of the library {visible(folder)} is missing.", REPAIR_HINT)


def restore(folder: Path, because: str) -> datetime:
    """Puts the copy in the catalog's place and the damaged one aside; returns when the copy was made.

    Raises LibraryDamaged, saying what to do, if there is no sound copy.
    """
    backup, catalog = folder / BACKUP_NAME, folder / CATALOG_NAME
    if not has_sound_backup(folder):
        copy = "its copy is damaged too" if backup.is_file() else "there is no copy of it"
        raise LibraryDamaged(f"The catalog of the library {visible(folder)} is damaged ({because}); {copy}.", _REBUILD)
    made = datetime.fromtimestamp(backup.stat().st_mtime)
    temporary = folder / f"{CATALOG_NAME}.tmp"
    create_private_file(temporary)
    try:
        shutil.copyfile(backup, temporary)
        with closing(sqlite3.connect(temporary)) as connection, connection:
            connection.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'images'", (_ID_MARGIN,))
        sync_file(temporary)
        # The log belongs to the damaged file: replayed over the copy it would damage that as well.
        for suffix in ("-wal", "-shm"):
            (folder / f"{CATALOG_NAME}{suffix}").unlink(missing_ok=True)
        if catalog.exists():
            catalog.replace(folder / DAMAGED_NAME)
        temporary.replace(catalog)
    finally:
        temporary.unlink(missing_ok=True)
    return made


def prepare_folder(path: Path) -> None:
    """Makes the library's folder if it is missing; raises DarError rather than move in with somebody else's files."""
    with disk_errors_named(path):
        if path.exists() and not path.is_dir():
            raise DarError(f"{visible(path)} is a file, not a folder.", "Choose another place with --library.")
        make_private_folder(path)
        check_not_lost(path)
        if not (path / CATALOG_NAME).exists():
            for entry in path.iterdir():
                if entry.name not in _OWN_NAMES:
                    raise DarError(
                        f"{visible(path)} is not a library and not empty ({visible(entry.name)} is in it).",
                        "Choose an empty or new folder with --library.",
                    )
