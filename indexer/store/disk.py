"""The library's folder on disk: errors of disks by name, the lock of its one writer, and thumbnails.

The lock is the operating system's, so it falls with its process even after kill -9; a side file only names the holder.
Thumbnails are one JPEG for each image, named by its hash, in 256 folders; they are derived from the photos, and whoever
misses one shows the photo itself. Knows nothing of the catalog.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from indexer.errors import DarError, LibraryBusy
from indexer.files import FILE_MODE, make_private_folder, write_atomically
from indexer.printable import visible
from indexer.store.schema import damage_named

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
LOCK_NAME = "writer.lock"
HOLDER_NAME = "writer.json"
FOLDER_NAME = "thumbs"


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
        hint = "Everything indexed so far is kept. Free some space and run `dar index` again; it continues from there."
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


@dataclass(frozen=True)
class Holder:
    """The process that writes: its id, its machine, and since when (local time, ISO 8601)."""

    pid: int
    host: str
    since: str


def current_holder(folder: Path) -> Holder | None:
    """Returns the last process that took the lock, or None if that was never written or cannot be read."""
    try:
        saved = json.loads((folder / HOLDER_NAME).read_text())
        return Holder(int(saved["pid"]), str(saved["host"]), str(saved["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Holds the library's writer lock; raises LibraryBusy at once, naming the holder, if another has it."""
    # Not thread-local: a generator that holds the lock may be closed by another thread than the one that began it.
    lock = FileLock(folder / LOCK_NAME, timeout=0, mode=FILE_MODE, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise _busy(folder) from None
    try:
        holder = Holder(os.getpid(), socket.gethostname(), datetime.now().isoformat(sep=" ", timespec="seconds"))
        write_atomically(folder / HOLDER_NAME, json.dumps(asdict(holder)).encode(), sync=False)
        yield
    finally:
        (folder / HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def _busy(folder: Path) -> LibraryBusy:
    holder = current_holder(folder)
    who = f"process {holder.pid} on {holder.host} since {holder.since}" if holder else "another process"
    return LibraryBusy(
        f"The library {folder} is being written by {who}.", "Searching works meanwhile; to write, wait until that ends."
    )


def thumbnail_file(library: Path, content_hash: bytes) -> Path:
    """Where the thumbnail of the image with this hash lies, if it is there."""
    name = content_hash.hex()
    return library / f"{FOLDER_NAME}/{name[:2]}/{name}.jpg"


def is_thumbnail(path: Path, checksum: int | None) -> bool:
    """Whether the file holds the thumbnail with this CRC-32; None: whether it begins and ends as a JPEG does."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if checksum is not None:
        return zlib.crc32(content) == checksum
    return content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")


def write_thumbnail(library: Path, content_hash: bytes, jpeg: bytes) -> None:
    """Puts the thumbnail in its place; safe from many threads at once."""
    path = thumbnail_file(library, content_hash)
    make_private_folder(path.parent)
    # Not synced: 64 syncs for each commit would halve the speed on a hard disk, for files that can be made again.
    write_atomically(path, jpeg, sync=False)


def drop_thumbnail(library: Path, content_hash: bytes) -> None:
    """Removes the thumbnail if it is there."""
    thumbnail_file(library, content_hash).unlink(missing_ok=True)
