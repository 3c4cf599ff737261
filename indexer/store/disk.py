"""Files that are private, whole or absent: how the library writes to disk.

Knows modes, syncing, renaming and what a full disk looks like. Knows nothing of what is in the files.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.errors import DarError
from indexer.printable import visible
from indexer.store.seals import damage_named

# A library tells what is in someone's photos, so nobody else on the machine may read it.
FOLDER_MODE = 0o700
FILE_MODE = 0o600

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def make_private_folder(folder: Path) -> None:
    """Makes `folder` and its missing parents, readable by the user alone."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def create_private_file(path: Path) -> None:
    """Makes an empty file that only the user can read, unless the file is there already."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, FILE_MODE))


def sync_file(path: Path) -> None:
    """Returns once the file's bytes are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Puts `content` at `path` through a temp name, so that a reader meets the old file or the new one, never a part.

    `sync=False` is for derived files written by the thousand, where a sync each would cost more than making them again.
    """
    # The process and thread make the name, since two threads may meet the same photo in two places.
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, FILE_MODE), "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def disk_errors_named(folder: Path, what: str = "library") -> Iterator[None]:
    """Turns "no space", "not allowed" and their SQLite forms into a DarError that names `folder`, which is a `what`.

    A damaged catalog becomes LibraryDamaged.
    """
    try:
        with damage_named():
            yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(folder, what) from error
        if error.errno in _REFUSED:
            raise _refused(folder, what) from error
        if error.errno == errno.EIO:
            raise _failing(folder, what, "disk I/O error") from error
        raise
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text:
            raise _full(folder, what) from error
        if "readonly" in text or "unable to open" in text:
            raise _refused(folder, what) from error
        if "disk I/O error" in text:  # also what SQLite says where a quota or a limit on files' sizes is met
            raise _failing(folder, what, text) from error
        raise


def _full(folder: Path, what: str) -> DarError:
    hint = "Free some space and run it again."
    if what == "library":
        hint = "Everything indexed so far is kept. Free some space and run `dar index` again; it goes on from there."
    return DarError(f"The disk that holds the {what} {visible(folder)} is full.", hint)


def _failing(folder: Path, what: str, reason: str) -> DarError:
    hint = "Make sure that the disk is sound and has room, then run it again."
    if what == "library":
        hint = (
            "Everything indexed so far is kept. Make sure that the disk is sound and has room, then run `dar index`"
            " again."
        )
    return DarError(f"The disk that holds the {what} {visible(folder)} failed: {reason}.", hint)


def _refused(folder: Path, what: str) -> DarError:
    hint = "Check the folder's permissions."
    if what == "library":
        hint = "Check the folder's permissions, or use --library."
    return DarError(f"The {what} {visible(folder)} cannot be written here.", hint)
