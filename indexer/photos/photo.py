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

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from indexer.errors import PhotoOutOfReach, UnreadablePhoto
from indexer.photos.decoders import Decoders
from indexer.photos.extras import HEADERS_ONLY, TIFF, Raw, is_rare_tiff, is_raw, kinds_of, open_extra, open_raw
from indexer.photos.facts import CaptureFacts
from indexer.photos.formats import JXL_STREAM, ends_early, register_formats, silence_decoders
from indexer.photos.metadata import joined_facts, orientation, read_facts
from indexer.photos.pixels import picture_hash, to_rgb
from indexer.photos.scan import reason_of
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
# Of a photo's rows that must decode. Among 150 photos the rows of a twentieth find their whole photo within ten as
# often as chance does (7 %), those of an eighth in 46 %, of a quarter in 83 %, of half always (bundled encoder).
_LEAST_DECODED = 0.05
# What viewers show in place of what is missing. Cutting it off instead finds fewer: 76 % of quarters, 30 % of eighths.
_MISSING = (128, 128, 128)
_TRUNCATED = "ends early (truncated)"
_END_OF_JPEG = b"\xff\xd9"

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
    `format`: Pillow's name for what the file holds, such as "JPEG", or "RAW". `phash`: see `picture_hash`. `damage`:
    what is wrong with a file that was opened all the same, such as "ends early (truncated): 43 % of the picture is
    missing" (and grey), or "".
    """

    image: Image.Image
    thumbnail: bytes = field(repr=False)
    phash: int
    width: int
    height: int
    format: str
    facts: CaptureFacts
    damage: str = ""


class _NotAnImage(UnreadablePhoto):
    """None of the allowed decoders knows the file."""


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
        stack.enter_context(_ends_named(file))
        stack.enter_context(_decoder_errors_named())
        read = _read_apart(file, name, wanted, decoders) or _read_here(file, name, wanted, decoders)
    rgb, width, height = read.rgb, read.width, read.height
    turn = _UPRIGHT.get(read.orientation)
    if turn is not None:
        rgb = rgb.transpose(turn)
        if turn not in (_UPRIGHT[2], _UPRIGHT[3], _UPRIGHT[4]):
            width, height = height, width
    small = _small(rgb)
    return Photo(rgb, _thumbnail(small), picture_hash(small), width, height, read.format, read.facts, read.damage)


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
            extra = open_extra(file, kinds, HEADERS_ONLY, MAX_DECODED_PIXELS, decoders)
            if extra is not None:
                return read_facts(extra.image)
        image = _identify(file, register_formats())
        if image.format == "PNG":
            _check_decoded_size(image, *image.size)
            _load(image)
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
    damage: str = ""


def _read_apart(file: BinaryIO, name: bytes, wanted: int, decoders: Decoders) -> _Read | None:
    """A file whose decoder runs in a process of its own; None if it is none."""
    return _read_raw(file, name, wanted, decoders) or _read_extra(file, kinds_of(file), name, wanted, decoders)


def _read_here(file: BinaryIO, name: bytes, wanted: int, decoders: Decoders) -> _Read:
    try:
        return _read(file, name, wanted)
    except _NotAnImage:
        rare = _read_extra(file, (TIFF,), name, wanted, decoders) if is_rare_tiff(file) else None
        if rare is None:
            raise
        return rare


def _read(file: BinaryIO, name: bytes, wanted: int, formats: Sequence[str] = ()) -> _Read:
    image = _identify(file, formats or register_formats())
    width, height = image.size
    kind = "JPEG" if image.format == "MPO" else image.format or ""  # MPO: a JPEG with a second picture behind it
    image.draft(None, (wanted, wanted))  # JPEG only: decodes at 1/2, 1/4 or 1/8 while both sides stay long enough
    _check_decoded_size(image, width, height)
    # Before the EXIF is read: a PNG's may lie behind its pixels.
    reason = _load(image) or (_TRUNCATED if kind == "WEBP" and _missing_of_webp(file) else "")
    if kind == "TIFF":
        width, height = image.size  # Pillow turns these upright itself while loading
    facts = read_facts(image)
    rgb = to_rgb(_coarser(image) if reason else image, wanted)
    damage = _fill_missing(rgb, reason, kind, _blank(image)) if reason else ""
    return _Read(rgb, width, height, kind, orientation(image), facts, damage)


class _EndedJpeg:
    """Reads a JPEG's file, and after a file that ends early the marker at which its decoder gives what it has, the rest
    in grey. Pillow does the same for all images at once if a global is set, and no thread could distinguish them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.too_early = False

    def __call__(self, count: int) -> bytes:
        piece = self._file.read(count)
        if piece or self.too_early:
            return piece
        self.too_early = True
        return _END_OF_JPEG


def _load(image: ImageFile.ImageFile) -> str:
    """Decodes the image; returns "", or why only a part of it could be decoded. Raises what cannot be the file's
    fault."""
    ended = _EndedJpeg(image.fp) if image.fp is not None and image.format in ("JPEG", "MPO") else None
    if ended is not None:
        image.load_read = ended  # type: ignore[method-assign,assignment,attr-defined,unused-ignore]
    try:
        image.load()  # type: ignore[no-untyped-call]
    except MemoryError:
        raise
    except Exception as error:  # a decoder given damaged bytes may raise anything
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        # What is decoded by now stays; there is nothing to load any more.
        image.tile = []
        try:
            image.load()  # type: ignore[no-untyped-call]
        except Exception:
            raise error from None
        return _damage(error)
    return _TRUNCATED if ended is not None and ended.too_early else ""


def _coarser(image: ImageFile.ImageFile) -> Image.Image:
    """An interlaced picture of which only some passes are there, by the finest lattice of pixels that is whole; any
    other as it is."""
    if not image.info.get("interlace"):
        return image
    pixels = np.asarray(image)
    step = next((step for step in (1, 2, 4) if not _has_gaps(pixels[::step, ::step])), 8)
    return image if step == 1 else Image.fromarray(np.asarray(image.convert("RGB"))[::step, ::step])


def _has_gaps(pixels: NDArray[np.uint8]) -> bool:
    """Whether rows that nothing was decoded into lie between others; a few may be black in the photo."""
    empty = (pixels == 0).reshape(len(pixels), -1).all(axis=1)
    gaps = empty[1:-1] & ~empty[:-2] & ~empty[2:]
    return int(gaps.sum()) > len(pixels) // 16


def _blank(image: ImageFile.ImageFile) -> tuple[int, int, int] | None:
    """The colour of what was not decoded, once it is RGB; None where that depends on palette or inks."""
    if image.format in ("JPEG", "MPO"):
        return (128, 128, 128) if image.mode in ("RGB", "L") else None
    if image.mode in ("RGBA", "LA") and image.format != "WEBP":
        return (255, 255, 255)
    return None if image.format == "WEBP" or image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB") else (0, 0, 0)


def _fill_missing(rgb: Image.Image, reason: str, kind: str, blank: tuple[int, int, int] | None) -> str:
    """Makes the rows grey that were not decoded; returns the reason with how many those are.

    They are `blank` (None: of whichever one colour) at the bottom, at the top of a BMP. So may be what was decoded
    there, which is then lost, but is of one colour. Raises UnreadablePhoto if hardly anything was decoded.
    """
    pixels = np.asarray(rgb)
    rows = len(pixels)
    # Zeros in place of missing bytes make libwebp repeat the last row.
    below = _same_rows(pixels[::-1]) if blank is None and kind == "WEBP" else _flat_rows(pixels[::-1], blank)
    above = 0 if below else _flat_rows(pixels, blank)
    missing = below + above
    if rows - missing < max(_LEAST_DECODED * rows, 1):
        raise UnreadablePhoto(reason)
    if not missing:
        return f"{reason}: detail may be missing"
    rgb.paste(_MISSING, (0, 0 if above else rows - below, rgb.width, above or rows))
    return f"{reason}: {max(1, round(100 * missing / rows))} % of the picture is missing"


def _same_rows(pixels: NDArray[np.uint8]) -> int:
    """How many rows are as the first one is; 0 if only that is."""
    other = (np.abs(pixels.astype(np.int16) - pixels[0]) > 2).any(axis=(1, 2))
    same = int(other.argmax()) if other.any() else len(pixels)
    return same if same > 1 else 0


def _flat_rows(pixels: NDArray[np.uint8], colour: tuple[int, int, int] | None) -> int:
    """How many rows there are before the first that is not of this colour (None: the first pixel's) throughout."""
    if colour is not None and np.abs(pixels[0, 0].astype(int) - colour).max() > 1:
        return 0
    uneven = (pixels != pixels[0, 0]).any(axis=(1, 2))
    return int(uneven.argmax()) if uneven.any() else len(pixels)


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
        # A preview saved upright needs no turn, whatever the sensor's own orientation: both lie, or both stand.
        if read.orientation >= 5 and (read.width - read.height) * (raw.width - raw.height) > 0:
            read = replace(read, orientation=1)
    if read is None or read.damage or min(read.width, read.height) < THUMBNAIL_SIDE:
        try:
            if raw.sensor_pixels > MAX_DECODED_PIXELS:
                raise UnreadablePhoto(f"is too large to open safely: {raw.width}x{raw.height}")
            read = _Read(to_rgb(raw.developed(), wanted), 0, 0, "", 1, facts)
        except UnreadablePhoto:
            if read is None:
                raise
    width, height = (raw.width, raw.height) if read.orientation < 5 else (raw.height, raw.width)
    return replace(read, width=width, height=height, format="RAW", facts=facts)


def _read_extra(file: BinaryIO, kinds: Sequence[str], name: bytes, wanted: int, decoders: Decoders) -> _Read | None:
    """A file that an extra's decoder knows as one of `kinds`; None if it is none."""
    if not kinds:
        return None
    _check_file_size(file)
    extra = open_extra(file, kinds, wanted, MAX_DECODED_PIXELS, decoders)
    if extra is None:
        return None
    image = extra.image
    facts = read_facts(image)
    return _Read(to_rgb(image, wanted), extra.width, extra.height, extra.kind, orientation(image), facts)


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
        missing = _missing_of_webp(file) if name == "WEBP" else 0
        try:
            image = factory(io.BytesIO(file.read() + bytes(missing)) if missing else file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue
        _check_header_size(image)
        return image
    raise _NotAnImage("is not an image, or not in a format that can be read here")


def _missing_of_webp(file: BinaryIO) -> int:
    """How many of the bytes that a WebP says it has are missing at its end; 0 if there are hardly any others.

    libwebp opens nothing that is shorter than it says. Leaves the file at its beginning.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    stated = int.from_bytes(head[4:], "little") + 8
    return stated - size if size < stated <= min(MAX_WHOLE_BYTES, int(size / _LEAST_DECODED)) else 0


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


@contextmanager
def _ends_named(file: BinaryIO) -> Iterator[None]:
    """Says of a damaged file that it ends early where its structure tells; not all decoders do."""
    try:
        yield
    except UnreadablePhoto as error:
        if not error.message.startswith(("is damaged", "is not an image")):
            raise
        if ends_early(file):
            raise UnreadablePhoto(_TRUNCATED) from None
        file.seek(0)
        if file.read(len(JXL_STREAM)) == JXL_STREAM:  # which has neither length nor end mark
            raise UnreadablePhoto("is damaged, or ends early (truncated)") from None
        raise


def _damage(error: Exception) -> str:
    text = stripped(str(error), limit=100)
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return _TRUNCATED
    # Only OSError is Pillow speaking to the user, and then at times in bare numbers (libtiff's codes).
    worded = isinstance(error, OSError) and error.errno is None and any(character.isalpha() for character in text)
    return f"is damaged: {text}" if worded else "is damaged"
