"""Pictures as half-blocks: every cell shows two pixels, one above the other, in any terminal with colours.

term-image paints; this turns its escape codes into Textual strips, here and not on the interface's thread, where 24
thumbnails would stall typing for half a second.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from dar_tui.tui.graphics.picture import Painted, fitted

if TYPE_CHECKING:
    from PIL import Image

# All that term-image writes: a colour for ink (38) or ground (48), the end of colours, and cells.
_TOKEN = re.compile(r"\x1b\[(?:(3|4)8;2;(\d+);(\d+);(\d+)|0?)m|([^\x1b]+)")


class BlockPainter:
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
