"""The pictures of one session, in the session's own folder: each a PNG that says what it was drawn from, beside it the
vector it is searched by.

The picture cache may forget; a session that is resumed must not. Knows files, not how pictures are drawn or ranked.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_tui.imagine import Imagined, Recipe
from dar_tui.imagine.pictures import Origin, read_png, save_png, write_atomically
from indexer.store.disk import make_private_folder

Vector = NDArray[np.float32]


class Album:
    """A folder of pictures by turn and number; made when the first picture is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, turn: int, k: int, imagined: Imagined, vector: Vector, model: str, recipe: Recipe) -> Path:
        """Saves picture `k` of a turn with its (dim,) search vector; returns the PNG. Raises OSError."""
        make_private_folder(self.folder)
        path = self.path(turn, k)
        buffer = io.BytesIO()
        np.save(buffer, vector.astype(np.float32), allow_pickle=False)
        write_atomically(path.with_suffix(".npy"), buffer.getvalue())
        # The picture last: it is what makes the pair count.
        origin = Origin(model, imagined.prompt, imagined.seed, recipe)
        save_png(imagined.image, path, origin, has_vector=True)
        return path

    def find(self, turn: int, k: int, prompt: str, seed: int) -> Imagined | None:
        """Picture `k` of a turn with its vector; None where it is gone or damaged, which loses no more than itself."""
        path = self.path(turn, k)
        try:
            image = read_png(path).image
            with path.with_suffix(".npy").open("rb") as file:
                vector = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if vector.ndim != 1 or vector.dtype != np.float32 or not np.isfinite(vector).all():
            return None
        return Imagined(prompt, seed, image, vector, path)

    def path(self, turn: int, k: int) -> Path:
        """Where picture `k` of a turn is or would be."""
        return self.folder / f"turn-{turn:03}-picture-{k}.png"

    def discard(self) -> None:
        """Deletes every picture of the session."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
