"""What a workplace's library finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from indexer.search.ranking import Query, Term
from tests.indexer.colours import Workplace


def found(place: Workplace, path: Path, k: int = 1) -> list[Path]:
    """The paths a search for this very photo finds."""
    with Image.open(path) as image:
        vector = place.encoder.encode_images([image.convert("RGB")]).joint[0]
    place.encoder.encoded -= 1
    with place.open() as library:
        return [hit.path for hit in library.search(Query((Term(vector),)), k=k, fold=False)]


def all_paths(place: Workplace) -> set[Path]:
    with place.open() as library:
        hits = library.search(Query((Term(np.ones(48, np.float32)),)), k=10_000, fold=False)
        return {path for hit in hits for path in (hit.path, *hit.copies)}
