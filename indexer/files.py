"""Files that are private, and whole or absent: how everything is written to disk.

Knows modes, syncing and renaming. Knows nothing of what is in the files.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

# A library records what is in someone's photos, so nobody else on the machine may read it.
FOLDER_MODE = 0o700
FILE_MODE = 0o600


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


def write_atomically(path: Path, content: bytes, *, sync: bool = True) -> None:
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


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a temporary file that then takes the place of `path`, synced, or leaves nothing."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(descriptor)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
