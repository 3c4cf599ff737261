"""`make bench`: how fast the commands are on this machine, over your photos (PHOTOS=dir) or generated ones.

The other modules need photos with captions; each says in its docstring how to run it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from benchmarks import commands

GENERATED = 2000


def main(photos: Annotated[Path | None, typer.Argument(help="A folder of photos.")] = None) -> None:
    """Prints a table of seconds and megabytes for each command."""
    if photos is not None:
        commands.main(photos)
        return
    with tempfile.TemporaryDirectory(prefix="dar-bench-") as folder:
        _generate(Path(folder))
        commands.main(Path(folder))


def _generate(folder: Path) -> None:
    """Small photo-like JPEGs: smooth colours with some noise, so that they weigh what photos of their size weigh."""
    chance = np.random.default_rng(0)
    for number in range(GENERATED):
        coarse = Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((224, 224))
        noisy = np.asarray(coarse, dtype=np.int16) + chance.integers(-20, 21, (224, 224, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:05}.jpg", quality=85)


if __name__ == "__main__":
    typer.run(main)
