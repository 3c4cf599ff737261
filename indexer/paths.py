"""Paths as bytes: joining, nesting and resolving them.

File names need not be valid text, so the library compares and stores bytes and turns to `Path` only at its doors.
Nothing here reads a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def at_home(path: Path) -> Path:
    """`~` and `~user` made the folders they stand for; a user there is not leaves the name as it is."""
    # pathlib's own raises RuntimeError there, and the name may well be a folder's.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def resolved(path: Path) -> bytes:
    """The absolute path with links followed, so that one folder has one name however it was reached."""
    return os.fsencode(at_home(path).resolve())


def to_path(path: bytes) -> Path:
    """The same path as pathlib holds it; invalid UTF-8 survives as surrogates."""
    return Path(os.fsdecode(path))


def join(folder: bytes, relpath: bytes) -> bytes:
    """`relpath` within `folder`; b"" is the folder itself."""
    return folder.rstrip(b"/") + b"/" + relpath if relpath else folder


def relative(path: bytes, folder: bytes) -> bytes | None:
    """`path` as seen from `folder`: b"" for the folder itself, None if it lies elsewhere."""
    if path == folder:
        return b""
    prefix = folder.rstrip(b"/") + b"/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def within(path: bytes, folders: Iterable[bytes]) -> bool:
    """Whether the path is one of these folders or lies below one."""
    return any(relative(path, folder) is not None for folder in folders)


def below(relpath: bytes) -> tuple[bytes, bytes]:
    """The half-open range of sorted relative paths that lie under `relpath`, all of them for b""."""
    # No name is longer than 255 bytes.
    # "0" follows "/" in ASCII, so the range holds "a/x" and neither "a" nor "a.jpg" nor "a0".
    return (relpath + b"/", relpath + b"0") if relpath else (b"", b"\xff" * 256)


def outermost(folders: list[bytes]) -> list[bytes]:
    """The folders without repeats and without those that lie inside another of them, sorted."""
    kept: list[bytes] = []
    for folder in sorted(set(folders), key=lambda path: (path.count(b"/"), path)):
        if not any(relative(folder, outer) is not None for outer in kept):
            kept.append(folder)
    return sorted(kept)
