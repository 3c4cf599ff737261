"""Pictures as blocks: every cell shows two colours, divided as its symbol divides it, in any terminal with colours.

chafa finds the symbols and colours that come nearest to the picture: halves, quarters or sixths of a cell. Where it is
not there, term-image paints halves. Both are turned into Textual strips, here and not on the interface's thread, where
24 thumbnails would stall typing for half a second.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from dar_tui.tui.graphics.choice import Symbols
from dar_tui.tui.graphics.picture import Painted, PicturePainter, fitted

if TYPE_CHECKING:
    from PIL import Image

# All that term-image writes: a colour for ink (38) or ground (48), the end of colours, and cells.
_TOKEN = re.compile(r"\x1b\[(?:(3|4)8;2;(\d+);(\d+);(\d+)|0?)m|([^\x1b]+)")


# The pixels of a cell that chafa sees: its symbols are drawn on 8x8, and cells are about twice as high as wide.
_CELL = (8, 16)


def block_painter(symbols: Symbols) -> PicturePainter:
    """The sharpest painter there is for a terminal that shows these symbols."""
    try:
        return SymbolPainter(symbols)
    except (ImportError, OSError):  # no wheel for this system, or a C library it needs is missing
        return HalfBlockPainter()


class SymbolPainter:
    """Paints by chafa. Raises ImportError or OSError where it cannot be loaded."""

    def __init__(self, symbols: Symbols) -> None:
        import chafa  # type: ignore[import-untyped]

        tags = chafa.SymbolTags
        chosen = [tags.CHAFA_SYMBOL_TAG_SPACE, tags.CHAFA_SYMBOL_TAG_SOLID, tags.CHAFA_SYMBOL_TAG_HALF]
        if symbols is not Symbols.HALVES:
            chosen.append(tags.CHAFA_SYMBOL_TAG_QUAD)
        if symbols is Symbols.SEXTANTS:
            chosen.append(tags.CHAFA_SYMBOL_TAG_SEXTANT)
        self._map = chafa.SymbolMap()
        for tag in chosen:
            self._map.add_by_tags(tag)
        self._chafa: Any = chafa

    def paint(self, image: Image.Image, columns: int, lines: int) -> Painted:
        """See `PicturePainter`."""
        from PIL import Image

        chafa = self._chafa
        width, height = fitted(*image.size, columns, lines)
        small = image.resize((width * _CELL[0], height * _CELL[1]), Image.Resampling.BICUBIC, reducing_gap=2.0)
        config = chafa.CanvasConfig()
        config.width, config.height = width, height
        config.cell_width, config.cell_height = _CELL
        config.canvas_mode = chafa.CanvasMode.CHAFA_CANVAS_MODE_TRUECOLOR
        config.pixel_mode = chafa.PixelMode.CHAFA_PIXEL_MODE_SYMBOLS
        config.set_symbol_map(self._map)
        canvas = chafa.Canvas(config)
        kind = chafa.PixelType.CHAFA_PIXEL_RGB8
        canvas.draw_all_pixels(kind, small.tobytes(), small.width, small.height, 3 * small.width)
        strips = tuple(_joined(_cells(canvas, line, width)) for line in range(height))
        return Painted(strips, width, height)


def _cells(canvas: Any, line: int, width: int) -> Iterator[tuple[str, Style]]:
    for column in range(width):
        cell = canvas[line, column]
        yield cell.char or " ", _style(cell.fg_color, cell.bg_color)


def _joined(cells: Iterator[tuple[str, Style]]) -> Strip:
    """A line, neighbours of one style in one segment."""
    segments: list[Segment] = []
    for character, style in cells:
        if segments and segments[-1].style is style:
            segments[-1] = Segment(segments[-1].text + character, style)
        else:
            segments.append(Segment(character, style))
    return Strip(segments)


# Neighbouring cells of skies and walls share their colours.
@lru_cache(maxsize=4096)
def _style(ink: tuple[int, int, int] | None, ground: tuple[int, int, int] | None) -> Style:
    style = Style.from_color(*(Color.from_rgb(*colour) if colour else None for colour in (ink, ground)))
    # Textual looks styles up by their hash, which is made once: better here than on its thread.
    hash(style)
    return style


class HalfBlockPainter:
    """Paints by term-image's `BlockImage`."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It warns where there is no terminal to query, which is never asked of it here.
            warnings.simplefilter("ignore")
            import term_image  # type: ignore[import-untyped]

            # At once: the terminal's answers to its questions would be typed into the prompt.
            term_image.disable_queries()
            from term_image.image import BlockImage  # type: ignore[import-untyped]

        self._block_image: type[Any] = BlockImage

    def paint(self, image: Image.Image, columns: int, lines: int) -> Painted:
        """See `PicturePainter`."""
        from PIL import Image

        width, height = fitted(*image.size, columns, lines)
        # Averaged down once, to the very pixels shown; term-image takes the nearest ones.
        small = image.resize((width, 2 * height), Image.Resampling.BOX, reducing_gap=2.0)
        painted = self._block_image(small, width=width)
        if painted.rendered_height != height:
            painted = self._block_image(small, height=height)
        strips = tuple(_strip(line) for line in str(painted).split("\n"))
        return Painted(strips, strips[0].cell_length, len(strips))


def _strip(line: str) -> Strip:
    """One line of term-image's output."""
    ink: Color | None = None
    ground: Color | None = None
    segments: list[Segment] = []
    for layer, red, green, blue, cells in _TOKEN.findall(line):
        if cells:
            style = Style.from_color(ink, ground)
            # Textual looks styles up by their hash, which is made once: better here than on its thread.
            hash(style)
            segments.append(Segment(cells, style))
        elif layer:
            colour = Color.from_rgb(int(red), int(green), int(blue))
            ink, ground = (colour, ground) if layer == "3" else (ink, colour)
        else:
            ink = ground = None
    return Strip(segments)
