"""The folder a library is in: made, private, and nobody else's. Knows names; opens no catalog."""

from __future__ import annotations

from pathlib import Path

from indexer.errors import DarError
from indexer.printable import visible
from indexer.store.backup import check_not_lost
from indexer.store.catalog import CATALOG_NAME
from indexer.store.disk import disk_errors_named, make_private_folder

# What a library folder may hold before it is a library.
_OWN_NAMES = ("sessions", "thumbs", "writer.lock", "writer.json", CATALOG_NAME)


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
