"""Libraries for benchmarks: one that is there, or one made for the occasion from a folder of photos."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from indexer.encoders import Encoder
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.library import Library


@contextmanager
def library_of(encoder: Encoder, photos: Sequence[Path], workers: int = 2) -> Iterator[Library]:
    """A library of copies of these photos, gone afterwards."""
    with TemporaryDirectory(prefix="dar-benchmark-") as folder:
        root = Path(folder) / "photos"
        root.mkdir()
        for photo in photos:
            shutil.copyfile(photo, root / photo.name)
        for _ in index(Path(folder) / "library", (root,), encoder, IndexOptions(workers=workers)):
            pass
        with Library.open(Path(folder) / "library") as library:
            yield library
