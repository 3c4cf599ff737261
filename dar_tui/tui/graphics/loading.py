"""From a file to upright pixels, whatever the file holds.

Our own thumbnails and imagined pictures are opened by the one decoder they were written with; everything else goes
through the indexer's hostile-file reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dar_tui.tui.graphics.picture import Kind, Source

if TYPE_CHECKING:
    from PIL import Image


class NoPicture(Exception):
    """There is nothing to show; the message is a few words for the user."""


def load(source: Source, side: int) -> tuple[Image.Image, bool]:
    """(the pixels in RGB, whether the photo itself is gone). `side`: pixels wanted on a photo's shorter side.

    Raises NoPicture. Safe to call from any thread.
    """
    if source.kind is Kind.IMAGINED:
        return _own(source, "PNG"), False
    if source.kind is Kind.THUMBNAIL:
        gone = source.photo is not None and not source.photo.is_file()
        try:
            return _own(source, "JPEG"), gone
        except NoPicture:
            if source.photo is None or gone:
                raise
            return _photo(Source(source.photo, Kind.PHOTO), side), False
    return _photo(source, side), False


def _own(source: Source, kind: str) -> Image.Image:
    from PIL import Image

    from indexer.photos.formats import silence_decoders

    silence_decoders()
    try:
        with Image.open(source.path, formats=[kind]) as picture:
            upright: Image.Image = picture.convert("RGB")
            return upright
    except FileNotFoundError:
        raise NoPicture("photo is gone" if source.kind is Kind.THUMBNAIL else "picture is gone") from None
    # SyntaxError is Pillow's for a broken chunk.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise NoPicture("picture is damaged") from None


def _photo(source: Source, side: int) -> Image.Image:
    import os

    from indexer.errors import UnreadablePhoto
    from indexer.photos.photo import open_photo

    if not source.path.is_file():
        raise NoPicture("photo is gone")
    try:
        return open_photo(os.fsencode(source.path), side).image
    except UnreadablePhoto as error:
        raise NoPicture(error.message) from None
