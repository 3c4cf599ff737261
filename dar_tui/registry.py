"""Which libraries there are on this machine: those in dar's own folder, and those that were made elsewhere.

Knows folders by name; opens no library. The list of the others is a small file in dar's folder; losing it loses nothing
but their place in `dar library list`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from indexer.errors import DarError
from indexer.files import make_private_folder, write_atomically
from indexer.store.catalog import CATALOG_NAME
from indexer.store.disk import disk_errors_named

_NAME = "libraries.json"


def known_libraries(home: Path) -> list[Path]:
    """The folders of all libraries that are there now, each once however it was reached, sorted, dar's own first."""
    own = sorted(path.parent for path in (home / "libraries").glob(f"*/{CATALOG_NAME}"))
    others = sorted(path for path in _remembered(home) if (path / CATALOG_NAME).is_file())
    # Of one library's names, dar's own first, then the one that is no link.
    named: dict[str, Path] = {}
    for path in (*own, *others):
        real = os.path.realpath(path)
        if real not in named or (named[real] in others and str(path) == real):
            named[real] = path
    return [path for path in (*own, *others) if path in named.values()]


def remember_library(home: Path, library: Path) -> None:
    """Notes a library that lies outside dar's own folder. A disk that refuses is no reason to fail."""
    library = Path(os.path.realpath(library))
    if library.parent == Path(os.path.realpath(home / "libraries")):
        return
    remembered = _remembered(home)
    if library in remembered:
        return
    try:
        with disk_errors_named(home, "folder"):
            make_private_folder(home)
            # A path that is not valid UTF-8 is escaped by JSON as the surrogates that Python holds it as.
            content = json.dumps([str(path) for path in (*remembered, library)])
            write_atomically(home / _NAME, content.encode("ascii"), sync=False)
    except (OSError, DarError):
        return


def _remembered(home: Path) -> list[Path]:
    try:
        listed = json.loads((home / _NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return []
    return [Path(text) for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
