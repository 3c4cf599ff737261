"""Pictures drawn before, so that the same prompt and seed need no model: PNG files, vectors beside them.

The folder may be deleted at any time. Knows nothing of how pictures are drawn.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_tui.imagine import Cancelled, Generator, Imagined, OnStep, Recipe
from dar_tui.imagine.pictures import Origin, read_png, save_png, write_atomically

logger = logging.getLogger(__name__)

# About 700 pictures of 512x512, or 170 of 1024x1024: weeks of searching, small beside the models.
DEFAULT_MAX_BYTES = 300_000_000

# A temporary file this old was left by a process that died.
STALE_SECONDS = 3600


class PictureCache:
    """A folder of pictures, the least recently used removed once they weigh more than `max_bytes`."""

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def get(self, origin: Origin) -> Imagined | None:
        """The picture of this origin, or None. What cannot be read, or says another origin, is deleted and missing."""
        path = self._path(origin)
        try:
            saved = read_png(path)
            if saved.origin != origin.to_json():
                raise ValueError(f"{path.name} was drawn from something else")
            vector = _read_vector(path.with_suffix(".npy")) if saved.has_vector else None
            # The file's time is the time of its last use, by which the oldest are removed.
            os.utime(path)
        except FileNotFoundError as error:
            if error.filename is not None and Path(error.filename).suffix == ".npy":
                self._forget(path)
            return None
        except (OSError, ValueError) as error:
            logger.warning("Picture cache: %s", error)
            self._forget(path)
            return None
        return Imagined(origin.prompt, origin.seed, saved.image, vector, path)

    def put(self, origin: Origin, imagined: Imagined) -> Imagined:
        """Keeps a picture; returns it with its path. A disk that refuses costs the cache, never the picture."""
        path = self._path(origin)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if imagined.vector is not None:
                buffer = io.BytesIO()
                np.save(buffer, imagined.vector.astype(np.float32), allow_pickle=False)
                write_atomically(path.with_suffix(".npy"), buffer.getvalue())
            # The picture last: it is what makes the entry count.
            save_png(imagined.image, path, origin, has_vector=imagined.vector is not None)
            self._trim(keep=path)
        except OSError as error:
            logger.warning("Picture cache: %s", error)
            return imagined
        return Imagined(imagined.prompt, imagined.seed, imagined.image, imagined.vector, path)

    def _path(self, origin: Origin) -> Path:
        digest = hashlib.sha256(origin.to_json().encode()).hexdigest()
        return self._folder / digest[:2] / f"{digest[2:34]}.png"

    def _forget(self, path: Path) -> None:
        # A folder that may only be read stays as it is.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            path.with_suffix(".npy").unlink(missing_ok=True)

    def _trim(self, keep: Path) -> None:
        """Removes the least recently used until the rest fits; `keep` stays, however large."""
        entries: list[tuple[float, int, Path]] = []
        now = time.time()
        for path in self._folder.glob("*/*"):
            try:
                facts = path.stat()
                if path.suffix == ".png":
                    entries.append((facts.st_mtime, facts.st_size + _size(path.with_suffix(".npy")), path))
                elif path.suffix == ".tmp" and now - facts.st_mtime > STALE_SECONDS:
                    path.unlink()
            except FileNotFoundError:  # Another process trims the same folder.
                continue
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self._max_bytes:
                return
            if path != keep:
                self._forget(path)
                total -= size


class CachedGenerator:
    """A generator that draws only what is not in the cache. What is there comes first, then what is drawn."""

    def __init__(self, generator: Generator, cache: PictureCache) -> None:
        self._generator = generator
        self._cache = cache

    @property
    def id(self) -> str:
        return self._generator.id

    @property
    def recipe(self) -> Recipe:
        return self._generator.recipe

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], on_step: OnStep, cancelled: Cancelled
    ) -> Iterator[Imagined]:
        """As `Generator.generate`; `on_step` counts pictures as the caller does, and is silent for those found."""
        missing: list[int] = []
        for k, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            if cancelled():
                return
            found = self._cache.get(self._origin(prompt, seed))
            if found is None:
                missing.append(k)
            else:
                yield found
        if not missing or cancelled():
            return
        drawn = self._generator.generate(
            [prompts[k] for k in missing],
            [seeds[k] for k in missing],
            lambda k, step, steps: on_step(missing[k], step, steps),
            cancelled,
        )
        for imagined in drawn:
            yield self._cache.put(self._origin(imagined.prompt, imagined.seed), imagined)

    def _origin(self, prompt: str, seed: int) -> Origin:
        return Origin(self.id, prompt, seed, self.recipe)


def _read_vector(path: Path) -> NDArray[np.float32]:
    try:
        with path.open("rb") as file:
            vector: NDArray[np.float32] = np.load(file, allow_pickle=False)
    except EOFError as error:
        raise ValueError(f"{path.name} is empty") from error
    if vector.ndim != 1 or vector.dtype != np.float32 or not np.isfinite(vector).all():
        raise ValueError(f"{path.name} does not hold a vector")
    return vector


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
