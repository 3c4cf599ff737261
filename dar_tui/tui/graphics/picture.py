"""What is to be painted, and what painting made of it: plain data, shared by painters and widgets.

Imports no imaging library: pixels are loaded where painting is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.strip import Strip

if TYPE_CHECKING:
    from PIL import Image


# Segment, style, two colours and the cell's escape codes once it was drawn: measured 840 to 1,240 a half-block of
# photos, 250 a cell of kitty's, whose styles are shared.
_BYTES_A_SEGMENT = 1000


class Kind(StrEnum):
    """How far a file can be trusted: a photo is anybody's, a thumbnail and an imagined picture are our own."""

    PHOTO = "photo"
    THUMBNAIL = "thumbnail"
    IMAGINED = "imagined"


@dataclass(frozen=True)
class Source:
    """A picture in a file. `photo`: for a thumbnail, the photo it is of, which stands in where it is missing."""

    path: Path
    kind: Kind
    photo: Path | None = None


@dataclass(frozen=True)
class Request:
    """A picture to be fitted into a box of terminal cells. `side`: pixels wanted on a photo's shorter side."""

    source: Source
    columns: int
    lines: int
    side: int = 320


@dataclass(frozen=True)
class Painted:
    """A picture as `lines` of `columns` cells each, at most those asked for.

    `setup` must reach the terminal before the lines do, `teardown` once they are no longer shown ("" for none).
    `gone`: the thumbnail could be painted, but its photo is no longer there.
    """

    strips: tuple[Strip, ...]
    columns: int
    lines: int
    setup: str = ""
    teardown: str = ""
    gone: bool = False

    @property
    def weight(self) -> int:
        """Bytes of memory it takes up, about."""
        return sum(len(strip) for strip in self.strips) * _BYTES_A_SEGMENT + len(self.setup)


@dataclass(frozen=True)
class Unpaintable:
    """There is no picture to show, and why, in a few words."""

    reason: str

    @property
    def weight(self) -> int:
        """Bytes of memory it takes up, about: those of its request."""
        return _BYTES_A_SEGMENT


class Painter(Protocol):
    """Turns pixels into terminal cells; called in a thread, one picture at a time."""

    def paint(self, image: Image.Image, columns: int, lines: int) -> Painted:
        """Fits an upright RGB image into the box, keeping its proportions."""
        ...


def fitted(width: int, height: int, columns: int, lines: int, cell: tuple[int, int] = (1, 2)) -> tuple[int, int]:
    """(columns, lines) of the largest picture of these proportions in the box. `cell`: a cell's width and height."""
    scale = min(columns * cell[0] / width, lines * cell[1] / height)
    return (
        min(columns, max(1, round(width * scale / cell[0]))),
        min(lines, max(1, round(height * scale / cell[1]))),
    )
