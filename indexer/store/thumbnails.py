"""Where thumbnails lie: one JPEG for each image, named by its hash, in 256 folders.

Derived from the photos: whoever misses one shows the photo itself.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from indexer.store.disk import make_private_folder, replace_file

FOLDER_NAME = "thumbs"


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
    replace_file(path, jpeg, sync=False)


def drop_thumbnail(library: Path, content_hash: bytes) -> None:
    """Removes the thumbnail if it is there."""
    thumbnail_file(library, content_hash).unlink(missing_ok=True)
