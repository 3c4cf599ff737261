"""Pictures as files and as arrays: a PNG that says what it was drawn from, and what makes a picture unusable.

Knows nothing of models or of where files are kept.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from dar_tui.imagine import Recipe

# The chunk that is read back. `prompt`, `seed` and `model` beside it are for people and other programs.
RECORD = "dar"


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


def write_atomically(path: Path, data: bytes) -> None:
    """Writes to a temporary name beside `path`, syncs, renames: a reader sees the old file or the new, never half."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
