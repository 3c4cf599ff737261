"""Generated images on disk: the cache that a prompt and seed are looked up in, and the images saved with a session.

Each image is a PNG that records what it was drawn from, beside it its vector. The cache's folder may be deleted at any
time and removes the least recently used images; a session's folder keeps its images, so that it can be resumed. Also
checks that make an image unusable (one flat colour, not numbers). Knows nothing of how images are drawn or ranked.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from dar_tui.cancellation import Cancelled
from dar_tui.imagine import Generator, Imagined, OnStep, Recipe
from indexer.files import make_private_folder, write_atomically

# The chunk that is read back. `prompt`, `seed` and `model` beside it are for people and other programs.
RECORD = "dar"

logger = logging.getLogger(__name__)

# About 700 pictures of 512x512, or 170 of 1024x1024: weeks of searching, small beside the models.
DEFAULT_MAX_BYTES = 300_000_000

# A temporary file this old was left by a process that died.
STALE_SECONDS = 3600

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Origin:
    """All that decides a picture: one model, prompt, seed and recipe draw one picture."""

    model: str
    prompt: str
    seed: int
    recipe: Recipe

    def to_json(self) -> str:
        """A stable ASCII form; equal origins have equal texts."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class SavedPicture:
    """What a PNG of ours holds. `origin` is the JSON of `Origin`; `has_vector` says that a vector belongs to it."""

    image: Image.Image
    origin: str
    has_vector: bool


def to_image(pixels: NDArray[np.float32]) -> Image.Image:
    """(height, width, 3) in 0..1 to an RGB picture."""
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8), "RGB")


def flaw(pixels: NDArray[np.float32]) -> str:
    """Why (height, width, 3) pixels in 0..1 show nothing (overflow in half precision, one flat colour); "" if they do.

    A flat picture still has an embedding, and one that lies near every dark photo: it must not be searched by.
    """
    if not np.isfinite(pixels).all():
        return "it is not made of numbers"
    # One level of 255 either way: what rounding leaves of a colour that is the same everywhere.
    if float(np.ptp(pixels, axis=(0, 1)).max()) <= 2 / 255:
        return "it is black" if float(pixels.max()) <= 2 / 255 else "it is one flat colour"
    return ""


def save_png(image: Image.Image, path: Path, origin: Origin, has_vector: bool = False) -> None:
    """Writes a PNG with its origin inside, all of it or nothing. Raises OSError where the disk refuses."""
    info = PngImagePlugin.PngInfo()
    # What cannot be written as Unicode (half of a surrogate pair, from a terminal) is exact in the record alone.
    info.add_itxt("prompt", origin.prompt.encode(errors="replace").decode())
    info.add_text("seed", str(origin.seed))
    info.add_itxt("model", origin.model.encode(errors="replace").decode())
    info.add_text(RECORD, json.dumps({"origin": origin.to_json(), "has_vector": has_vector}))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG", pnginfo=info)
    write_atomically(path, buffer.getvalue())


def read_png(path: Path) -> SavedPicture:
    """Reads a PNG of ours, all pixels decoded. Raises FileNotFoundError, or ValueError for what is not one."""
    try:
        with Image.open(path, formats=["PNG"]) as file:
            image = file.convert("RGB")
            text = getattr(file, "text", {})
        record = json.loads(text[RECORD])
        return SavedPicture(image, str(record["origin"]), bool(record["has_vector"]))
    except FileNotFoundError:
        raise
    # SyntaxError is Pillow's for a broken chunk.
    except (OSError, SyntaxError, KeyError, TypeError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is not a picture of ours: {error}") from error


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
