"""Pictures as real pixels by kitty's graphics protocol: the pixels are sent once, cells then say which part they show.

textual-image makes pixels and cells. It would write to stdout by itself, in the middle of whatever Textual is writing;
here the bytes are handed out, so that they go through the one stream that Textual keeps in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip

from dar_tui.tui.graphics.picture import Painted, fitted

if TYPE_CHECKING:
    from PIL import Image

# The protocol's own limit for one piece of data.
_CHUNK = 4096
# A placeholder and its three diacritics (row, column, top byte of the picture's number) are one cell.
_CELL = 4


class KittyPainter:
    """Paints by textual-image's `TGPImage`, whose private parts are those of the versions we pin (0.12)."""

    def __init__(self) -> None:
        from textual_image._geometry import ImageSize
        from textual_image._pixeldata import PixelData
        from textual_image._terminal import get_cell_size
        from textual_image.renderable.tgp import Image as TGPImage

        self._pixel_data, self._tgp_image, self._image_size = PixelData, TGPImage, ImageSize
        self._cell = get_cell_size()

    def paint(self, image: Image.Image, columns: int, lines: int) -> Painted:
        """See `PicturePainter`."""
        width, height = fitted(*image.size, columns, lines, (self._cell.width, self._cell.height))
        cells = self._tgp_image(image)
        number = next(self._tgp_image._image_id_counter) % 2**32
        cells.terminal_image_id = number
        pixels = self._pixel_data(image).scaled(width * self._cell.width, height * self._cell.height)
        strips = tuple(_strip(segment) for segment in cells._render_diacritics(width, height))
        # `q=2`: no answers, which would be typed into the prompt.
        setup = "".join(_messages(number, pixels.to_base64())) + _message(
            f"a=p,i={number},c={width},r={height},U=1,q=2"
        )
        return Painted(strips, width, height, setup, _message(f"a=d,d=I,i={number},q=2"))


def _messages(number: int, data: str) -> list[str]:
    pieces = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    return [_message(f"i={number},f=100,q=2,m={int(at < len(pieces) - 1)}", piece) for at, piece in enumerate(pieces)]


def _message(keys: str, data: str = "") -> str:
    return f"\x1b_G{keys}{';' if data else ''}{data}\x1b\\"


def _strip(segment: Segment) -> Strip:
    """One segment a cell: a line cut in the middle, as by a window over it, must never cut a cell in two."""
    text, style = segment.text.rstrip("\n"), segment.style
    return Strip([Segment(text[at : at + _CELL], style) for at in range(0, len(text), _CELL)], len(text) // _CELL)
