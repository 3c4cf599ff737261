"""Photos painted into the terminal as half-blocks, for `dar search --preview`.

Knows term-image and its traps; knows nothing of searching.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

from indexer.photos.formats import silence_decoders

# A picture this high leaves room for two hits on a screen of 24 lines.
_MAX_LINES = 10
_INDENT = 4


class Painter:
    """Paints pictures as lines of text."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It warns where there is no terminal to query, which is never asked of it here.
            warnings.simplefilter("ignore")
            import term_image  # type: ignore[import-untyped]

            # At once: its questions to the terminal are answered into the user's next command line.
            term_image.disable_queries()
            from term_image.image import BlockImage  # type: ignore[import-untyped]

        self._block_image: type[Any] = BlockImage

    def paint(self, thumbnail: Path) -> list[str]:
        """The picture's lines, indented; none if its file cannot be read."""
        silence_decoders()
        try:
            with Image.open(thumbnail, formats=["JPEG"]) as picture:
                picture.load()
                return self._lines(picture.convert("RGB"))
        except (OSError, SyntaxError):
            return []

    def _lines(self, picture: Image.Image) -> list[str]:
        columns = max(shutil.get_terminal_size().columns - _INDENT, 4)
        # One cell is one pixel wide and two high.
        height = min(_MAX_LINES, max(1, picture.height * columns // picture.width // 2))
        painted = self._block_image(picture, height=height)
        if painted.rendered_width > columns:
            painted = self._block_image(picture, width=columns)
        return [" " * _INDENT + line for line in str(painted).split("\n")]
