"""One picture with words under it, and where many of them lie: plain data for `tiles`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from textual.geometry import Region, Size

from dar_tui.tui.graphics.picture import Source


class Tone(StrEnum):
    """What the words under a picture mean; each has a style in dar.tcss, and says it in words too."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    ROSE = "rose"


@dataclass(frozen=True)
class Tile:
    """One picture. `title` and `detail`: the two lines under it. `instead`: what to say while there is no picture."""

    picture: Source | None
    title: str
    detail: str = ""
    tone: Tone = Tone.PLAIN
    instead: str = ""


@dataclass(frozen=True)
class Layout:
    """Where tiles lie: `columns` of tiles, each with a picture of `width` x `lines` cells between two gutters."""

    columns: int
    width: int
    lines: int

    @property
    def tile_width(self) -> int:
        """Cells from one tile to the next."""
        return self.width + 2

    @property
    def tile_lines(self) -> int:
        """Lines from one row of tiles to the next: the picture, two lines of words, one between."""
        return self.lines + 3

    def region(self, index: int) -> Region:
        """The cells of a tile, in a list that begins at (0, 0)."""
        row, column = divmod(index, self.columns)
        return Region(column * self.tile_width, row * self.tile_lines, self.tile_width, self.tile_lines)

    def size(self, tiles: int) -> Size:
        """The cells that so many tiles take."""
        return Size(min(self.columns, max(1, tiles)) * self.tile_width, -(-tiles // self.columns) * self.tile_lines)

    def seen(self, tiles: int, top: int, height: int) -> range:
        """The indices of the tiles, of so many, that have cells in `height` lines from `top` on."""
        first = top // self.tile_lines * self.columns
        last = -(-(top + height) // self.tile_lines) * self.columns
        return range(min(first, tiles), min(last, tiles))
