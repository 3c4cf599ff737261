"""One file into upright pixels, a thumbnail and its capture facts.

Knows nothing of libraries or encoders. A file is taken for hostile until decoded: it is opened once, only if it is a
regular file, only by allow-listed decoders, and only if its header asks for a size that is safe to hold.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile

from indexer.errors import PhotoOutOfReach, UnreadablePhoto
from indexer.photos.decoders import Decoders
from indexer.photos.facts import joined_facts, orientation, read_facts
from indexer.photos.formats import register_formats
from indexer.photos.heif import HEADERS_ONLY, kinds_of, open_heif
from indexer.photos.pixels import picture_hash, to_rgb
from indexer.photos.quiet import silence_decoders
from indexer.photos.raw import Raw, is_raw, open_raw
from indexer.photos.scan import reason_of
from indexer.photos.taken import CaptureFacts
from indexer.printable import stripped

THUMBNAIL_SIDE = 320
# Pixels decoded in full: 460 MB for the moment of decoding, while two or more threads decode, and up to 970 MB where a
# second copy is needed (transparency, 16 bits, progressive JPEG).
# The largest sensors of cameras that write TIFF or PNG have 100 to 102 million pixels.
MAX_DECODED_PIXELS = 110_000_000
# Bytes of a file that its decoder takes into memory whole: as much again as its pixels may take.
MAX_WHOLE_BYTES = 400_000_000
_READ_WHOLE = frozenset({"WEBP"})
# A baseline JPEG is decoded row by row at down to 1/8, so its size costs time, not memory: 200-megapixel phones
# (16,320 x 12,240) must pass, and at this cap a file of one colour still ends within seconds.
MAX_JPEG_PIXELS = 420_000_000

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    `image`: upright, RGB, its shorter side about the side asked for (never enlarged, up to some four times as long).
    `thumbnail`: a JPEG, at most 320 px long, without metadata. `width`, `height`: of the whole photo, upright, pixels.
    `format`: Pillow's name for what the file holds, such as "JPEG", or "RAW". `phash`: see `picture_hash`.
    """

    image: Image.Image
    thumbnail: bytes = field(repr=False)
    phash: int
    width: int
    height: int
    format: str
    facts: CaptureFacts


def open_photo(path: Path | bytes, side: int, decoders: Decoders | None = None) -> Photo:
    """Decodes the file to about `side` pixels on its shorter side.

    Whoever opens many gives the processes that decode some formats; without, they are started for this photo and ended.
    Raises UnreadablePhoto, whose message is the reason, for whatever cannot be read, decoded or held in memory.
    Safe to call from many threads.
    """
    name = os.fsencode(path)
    wanted = max(side, THUMBNAIL_SIDE)
    with ExitStack() as stack:
        decoders = decoders or stack.enter_context(Decoders())
        file = stack.enter_context(_regular_file(path))
        stack.enter_context(_decoder_errors_named())
        apart = _read_raw(file, name, wanted, decoders) or _read_heif(file, name, wanted, decoders)
        read = apart or _read(file, name, wanted)
    rgb, width, height = read.rgb, read.width, read.height
    turn = _UPRIGHT.get(read.orientation)
    if turn is not None:
        rgb = rgb.transpose(turn)
        if turn not in (_UPRIGHT[2], _UPRIGHT[3], _UPRIGHT[4]):
            width, height = height, width
    small = _small(rgb)
    return Photo(rgb, _thumbnail(small), picture_hash(small), width, height, read.format, read.facts)


def read_own_facts(path: Path | bytes, decoders: Decoders | None = None) -> CaptureFacts:
    """What the file's bytes say of its making, by its headers: pixels are decoded only where facts lie behind them.

    Raises UnreadablePhoto.
    """
    with ExitStack() as stack:
        decoders = decoders or stack.enter_context(Decoders())
        file = stack.enter_context(_regular_file(path))
        stack.enter_context(_decoder_errors_named())
        if is_raw(file, os.fsencode(path)) and (raw := open_raw(file, decoders)) is not None:
            facts = read_facts(raw)
            with suppress(UnreadablePhoto), _decoder_errors_named():
                facts = joined_facts(facts, read_facts(_identify(io.BytesIO(raw.preview), ("JPEG",))))
            return facts
        if kinds := kinds_of(file):
            heif = open_heif(file, kinds, HEADERS_ONLY, MAX_DECODED_PIXELS, decoders)
            if heif is not None:
                return read_facts(heif.image)
        image = _identify(file, register_formats())
        if image.format == "PNG":
            _check_decoded_size(image, *image.size)
            image.load()  # type: ignore[no-untyped-call]
        return read_facts(image)


def content_hash(path: Path | bytes) -> bytes:
    """The 16-byte BLAKE2b digest of the file's bytes, read in pieces. Raises UnreadablePhoto."""
    with _regular_file(path) as file, _decoder_errors_named():
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()


@dataclass(frozen=True)
class _Read:
    """A decoded file. `rgb`: made small. `width`, `height`: of the whole photo. `orientation`: still to be applied."""

    rgb: Image.Image
    width: int
    height: int
    format: str
    orientation: int
    facts: CaptureFacts


def _read(file: BinaryIO, name: bytes, wanted: int, formats: Sequence[str] = ()) -> _Read:
    image = _identify(file, formats or register_formats())
    width, height = image.size
    kind = "JPEG" if image.format == "MPO" else image.format or ""  # MPO: a JPEG with a second picture behind it
    image.draft(None, (wanted, wanted))  # JPEG only: decodes at 1/2, 1/4 or 1/8 while both sides stay long enough
    _check_decoded_size(image, width, height)
    # Before the EXIF is read: a PNG's may lie behind its pixels.
    image.load()  # type: ignore[no-untyped-call]
    if kind == "TIFF":
        width, height = image.size  # Pillow turns these upright itself while loading
    facts = read_facts(image)
    return _Read(to_rgb(image, wanted), width, height, kind, orientation(image), facts)


def _read_raw(file: BinaryIO, name: bytes, wanted: int, decoders: Decoders) -> _Read | None:
    """A camera raw file by its embedded preview, or by the sensor's values if there is none of use; None if it is no
    raw file."""
    if not is_raw(file, name):
        return None
    _check_file_size(file)
    raw = open_raw(file, decoders)
    if raw is None:
        return None
    facts = read_facts(raw)
    read = _read_preview(raw, name, wanted)
    if read is not None:
        facts = joined_facts(facts, read.facts)
        # A preview saved upright needs no turn, whatever is said of the sensor: both lie, or both stand.
        if read.orientation >= 5 and (read.width - read.height) * (raw.width - raw.height) > 0:
            read = replace(read, orientation=1)
    if read is None or min(read.width, read.height) < THUMBNAIL_SIDE:
        try:
            if raw.sensor_pixels > MAX_DECODED_PIXELS:
                raise UnreadablePhoto(f"is too large to open safely: {raw.width}x{raw.height}")
            read = _Read(to_rgb(raw.developed(), wanted), 0, 0, "", 1, facts)
        except UnreadablePhoto:
            if read is None:
                raise
    width, height = (raw.width, raw.height) if read.orientation < 5 else (raw.height, raw.width)
    return replace(read, width=width, height=height, format="RAW", facts=facts)


def _read_heif(file: BinaryIO, name: bytes, wanted: int, decoders: Decoders) -> _Read | None:
    """A HEIC or AVIF file; None if it is none."""
    kinds = kinds_of(file)
    if not kinds:
        return None
    _check_file_size(file)
    heif = open_heif(file, kinds, wanted, MAX_DECODED_PIXELS, decoders)
    if heif is None:
        return None
    image = heif.image
    return _Read(to_rgb(image, wanted), heif.width, heif.height, heif.kind, orientation(image), read_facts(image))


def _read_preview(raw: Raw, name: bytes, wanted: int) -> _Read | None:
    if not raw.preview:
        return None
    try:
        with _decoder_errors_named():
            return _read(io.BytesIO(raw.preview), name, wanted, ("JPEG",))
    except UnreadablePhoto:
        return None


@contextmanager
def _regular_file(path: Path | bytes) -> Iterator[io.BufferedReader]:
    # Opening a device can act on it and opening a pipe can wait for ever: look first, and never block.
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - pathlib takes no bytes
            raise UnreadablePhoto("is not a regular file")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise UnreadablePhoto("is no longer there") from None
    except OSError as error:
        raise PhotoOutOfReach(f"cannot be read: {reason_of(error)}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnreadablePhoto("is not a regular file")
        yield file


def _identify(file: BinaryIO, formats: Sequence[str]) -> ImageFile.ImageFile:
    """Reads the header with the first allowed decoder that knows it.

    Does what `Image.open(formats=...)` does but for its pixel check: that one depends on a global limit, below what
    200-megapixel phones write, and hides the size it complains about.
    """
    prefix = file.read(16)
    if not prefix:
        raise UnreadablePhoto("is empty")
    for name in formats:
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(prefix) is not True:
            continue
        if name in _READ_WHOLE:
            _check_file_size(file)
        file.seek(0)
        try:
            image = factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue
        _check_header_size(image)
        return image
    raise UnreadablePhoto("is not an image, or not in a format that can be read here")


def _check_file_size(file: BinaryIO) -> None:
    """Leaves the file at its beginning."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > MAX_WHOLE_BYTES:
        raise UnreadablePhoto(f"is too large to open safely: {size // 1_000_000} MB")


def _check_header_size(image: Image.Image) -> None:
    # A progressive JPEG keeps every coefficient of the full-size picture in memory whatever size is asked for.
    by_rows = image.format in ("JPEG", "MPO") and not image.info.get("progressive")
    if image.width * image.height > (MAX_JPEG_PIXELS if by_rows else MAX_DECODED_PIXELS):
        raise UnreadablePhoto(f"is too large to open safely: {image.width}x{image.height}")


def _check_decoded_size(image: Image.Image, width: int, height: int) -> None:
    # A JPEG of 65,000 x 400 cannot be drafted smaller without its short side getting too short.
    if image.width * image.height > MAX_DECODED_PIXELS:
        raise UnreadablePhoto(f"is too large to open safely: {width}x{height}")


def _small(image: Image.Image) -> Image.Image:
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    return small


def _thumbnail(small: Image.Image) -> bytes:
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


@contextmanager
def _decoder_errors_named() -> Iterator[None]:
    """Turns whatever a decoder raises into a short reason, and keeps its warnings off the terminal."""
    silence_decoders()
    try:
        yield
    except UnreadablePhoto:
        raise
    except MemoryError:
        raise UnreadablePhoto("needs more memory to open than there is") from None
    except OSError as error:
        # EINVAL: the file sent its decoder to a place that no file has.
        if error.errno not in (None, errno.EINVAL):
            raise PhotoOutOfReach(f"cannot be read: {reason_of(error)}") from None
        raise UnreadablePhoto(_damage(error)) from None
    except Exception as error:  # a decoder given hostile bytes may raise anything; the file is at fault, not the run
        raise UnreadablePhoto(_damage(error)) from None


def _damage(error: Exception) -> str:
    text = stripped(str(error), limit=100)
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return "ends early (truncated)"
    # Only OSError is Pillow speaking to the user, and then at times in bare numbers (libtiff's codes).
    said = isinstance(error, OSError) and error.errno is None and any(character.isalpha() for character in text)
    return f"is damaged: {text}" if said else "is damaged"
