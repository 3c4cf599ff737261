"""One writer at a time: the lock on a library, and the name of who holds it.

The lock itself is the operating system's, so it falls with its process even after kill -9;
the side file only names the holder.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from indexer.errors import LibraryBusy
from indexer.store.disk import FILE_MODE, replace_file

LOCK_NAME = "writer.lock"
HOLDER_NAME = "writer.json"


@dataclass(frozen=True)
class Holder:
    """The process that writes: its id, its machine, and since when (local time, ISO 8601)."""

    pid: int
    host: str
    since: str


def current_holder(folder: Path) -> Holder | None:
    """Returns the last process that took the lock, or None if that was never written or cannot be read."""
    try:
        told = json.loads((folder / HOLDER_NAME).read_text())
        return Holder(int(told["pid"]), str(told["host"]), str(told["since"]))
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
        replace_file(folder / HOLDER_NAME, json.dumps(asdict(holder)).encode(), sync=False)
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
