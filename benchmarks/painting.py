"""How sharp photos are as blocks: halves, quadrants and sextants beside each other.

    python -m benchmarks.painting PHOTOS

Peak signal-to-noise ratio, in dB, of what the cells show against the photo at 8x16 pixels a cell, and milliseconds of
one core a picture, both in the median.
"""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from dar_tui.tui.graphics.blocks import HalfBlockPainter, SymbolPainter
from dar_tui.tui.graphics.choice import Symbols
from dar_tui.tui.graphics.picture import Painted, PicturePainter
from indexer.photos.photo import open_photo

BOXES = ((20, 8), (40, 16))
WIDE, HIGH = 8, 16


def main(photos: Path, most: Annotated[int, typer.Option(help="How many photos.")] = 100) -> None:
    """Prints a table."""
    paths = sorted(path for path in photos.iterdir() if path.is_file())[:most]
    pictures = [open_photo(path, 320).image for path in paths]
    painters: dict[str, PicturePainter] = {"halves, term-image": HalfBlockPainter()}
    painters |= {f"{symbols}, chafa": SymbolPainter(symbols) for symbols in Symbols}
    table = Table("symbols", *(f"{columns}x{lines} cells" for columns, lines in BOXES), title=f"{len(paths)} photos")
    for name, painter in painters.items():
        row = []
        for box in BOXES:
            figures = [_judge(painter, picture, box) for picture in pictures]
            sharpness, seconds = np.median(np.array(figures), axis=0)
            row.append(f"{sharpness:.1f} dB, {1000 * seconds:.1f} ms")
        table.add_row(name, *row)
    Console().print(table)


def _judge(painter: PicturePainter, picture: Image.Image, box: tuple[int, int]) -> tuple[float, float]:
    """(dB, seconds of one core)."""
    started = time.process_time()
    painted = painter.paint(picture, *box)
    seconds = time.process_time() - started
    shown = _pixels(painted)
    wanted = picture.resize((shown.shape[1], shown.shape[0]), Image.Resampling.BICUBIC)
    error = float(np.mean((shown - np.asarray(wanted, dtype=np.float64)) ** 2))
    return 10 * np.log10(255**2 / error), seconds


def _pixels(painted: Painted) -> NDArray[np.float64]:
    """What a terminal draws: (lines * 16, columns * 8, 3)."""
    pixels = np.zeros((painted.lines * HIGH, painted.columns * WIDE, 3))
    for line, strip in enumerate(painted.strips):
        column = 0
        for segment in strip:
            style = segment.style
            ink, ground = (
                np.array(colour.get_truecolor() if colour else (0, 0, 0))
                for colour in (style.color if style else None, style.bgcolor if style else None)
            )
            for character in segment.text:
                cell = np.where(_mask(character)[..., None], ink, ground)
                pixels[line * HIGH : (line + 1) * HIGH, column * WIDE : (column + 1) * WIDE] = cell
                column += 1
    return pixels


def _mask(character: str) -> NDArray[np.bool_]:
    """Which pixels of its cell a symbol fills."""
    mask = np.zeros((HIGH, WIDE), dtype=bool)
    name = unicodedata.name(character)
    if name == "FULL BLOCK":
        mask[:] = True
    elif name.startswith("BLOCK SEXTANT-"):
        for digit in map(int, name.removeprefix("BLOCK SEXTANT-")):
            row, column = divmod(digit - 1, 2)
            top, bottom = round(row * HIGH / 3), round((row + 1) * HIGH / 3)
            mask[top:bottom, column * WIDE // 2 : (column + 1) * WIDE // 2] = True
    elif name != "SPACE":
        if "UPPER HALF" in name:
            mask[: HIGH // 2] = True
        elif "LOWER HALF" in name:
            mask[HIGH // 2 :] = True
        elif "LEFT HALF" in name:
            mask[:, : WIDE // 2] = True
        elif "RIGHT HALF" in name:
            mask[:, WIDE // 2 :] = True
        for part in name.removeprefix("QUADRANT ").split(" AND ") if name.startswith("QUADRANT") else ():
            rows = slice(0, HIGH // 2) if "UPPER" in part else slice(HIGH // 2, HIGH)
            columns = slice(0, WIDE // 2) if "LEFT" in part else slice(WIDE // 2, WIDE)
            mask[rows, columns] = True
    return mask


if __name__ == "__main__":
    typer.run(main)
