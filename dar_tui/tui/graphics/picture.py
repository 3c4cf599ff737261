"""What is to be painted, what painting made of it, and reading a file into upright pixels, whatever the file holds.

Our own thumbnails and imagined pictures are opened by the one decoder they were written with; everything else goes
through the indexer's hostile-file reader. Imaging libraries are imported where pixels are read, in the painting thread.
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


class FileKind(StrEnum):
    """How far a file can be trusted: a photo is anybody's, a thumbnail and an imagined picture are our own."""

    PHOTO = "photo"
    THUMBNAIL = "thumbnail"
    IMAGINED = "imagined"


@dataclass(frozen=True)
class PictureFile:
    """A picture in a file. `photo`: for a thumbnail, the photo it is of, which is used where it is missing."""

    path: Path
    kind: FileKind
    photo: Path | None = None


@dataclass(frozen=True)
class Request:
    """A picture to be fitted into a box of terminal cells. `side`: pixels wanted on a photo's shorter side."""

    source: PictureFile
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


class PicturePainter(Protocol):
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


class NoPicture(Exception):
    """There is nothing to show; the message is a few words for the user."""


def load(source: PictureFile, side: int) -> tuple[Image.Image, bool]:
    """(the pixels in RGB, whether the photo itself is gone). `side`: pixels wanted on a photo's shorter side.

    Raises NoPicture. Safe to call from any thread.
    """
    if source.kind is FileKind.IMAGINED:
        return _own(source, "PNG"), False
    if source.kind is FileKind.THUMBNAIL:
        gone = source.photo is not None and not source.photo.is_file()
        try:
            return _own(source, "JPEG"), gone
        except NoPicture:
            if source.photo is None or gone:
                raise
            return _photo(PictureFile(source.photo, FileKind.PHOTO), side), False
    return _photo(source, side), False


def _own(source: PictureFile, kind: str) -> Image.Image:
    from PIL import Image

    from indexer.photos.formats import silence_decoders

    silence_decoders()
    try:
        with Image.open(source.path, formats=[kind]) as picture:
            upright: Image.Image = picture.convert("RGB")
            return upright
    except FileNotFoundError:
        raise NoPicture("photo is gone" if source.kind is FileKind.THUMBNAIL else "picture is gone") from None
    # SyntaxError is Pillow's for a broken chunk.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise NoPicture("picture is damaged") from None


def _photo(source: PictureFile, side: int) -> Image.Image:
    import os

    from indexer.errors import UnreadablePhoto
    from indexer.photos.photo import open_photo

    if not source.path.is_file():
        raise NoPicture("photo is gone")
    try:
        return open_photo(os.fsencode(source.path), side).image
    except UnreadablePhoto as error:
        raise NoPicture(error.message) from None
