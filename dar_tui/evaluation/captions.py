"""Photos with several captions each: what the caption and the live benchmark are made of.

Reads tab-separated files (name, caption), Flickr8k's and Flickr30k's token files (name#number, caption) and COCO's
captions JSON. Knows no pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dar_tui.evaluation.dialogs import BadBenchmark
from indexer.errors import UsageError
from indexer.printable import visible


@dataclass(frozen=True)
class Captioned:
    """Photos and their captions, in the order of `names`. `digest` is the SHA-256 of what is in them."""

    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps([self.names, self.captions]).encode()).hexdigest()

    @property
    def fewest(self) -> int:
        """The captions that every photo has."""
        return min(map(len, self.captions))

    def of(self, names: Sequence[str]) -> Captioned:
        """Some of the photos."""
        known = dict(zip(self.names, self.captions, strict=True))
        return Captioned(tuple(names), tuple(known[name] for name in names))


def read_captions(path: Path) -> Captioned:
    """Reads any of the formats, told apart by what is in the file. Photos come sorted by name. Raises BadBenchmark.

    A trailing full stop is dropped, as nobody types one into a search box.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadBenchmark(f"{visible(path)}: the file: it cannot be read: {error}.", "Check the path.") from None
    pairs = _coco(path, text) if text.lstrip()[:1] in ("{", "[") else _lines(path, text)
    found: dict[str, list[str]] = {}
    for name, caption in pairs:
        found.setdefault(name, []).append(caption.strip().removesuffix(".").strip())
    if not found:
        raise BadBenchmark(f"{visible(path)}: the file: it has no captions.", "Check the path.")
    names = sorted(found)
    return Captioned(tuple(names), tuple(tuple(found[name]) for name in names))


def chosen(captioned: Captioned, photos: int | None, skip: int = 0) -> Captioned:
    """`photos` of them (None: all that are left), by the SHA-256 of their names, from the lowest, after `skip`.

    The bundled models' test set, on which nothing was trained, is the first thousand, their development set the next.
    Raises UsageError where there are not so many.
    """
    order = sorted(captioned.names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    picked = order[skip:] if photos is None else order[skip : skip + photos]
    if not picked or (photos is not None and len(picked) < photos):
        raise UsageError(f"There are {len(order)} photos with captions.", "Ask for fewer with --photos and --skip.")
    return captioned.of(picked)


def check_photos(captioned: Captioned, images: Path, turns: int) -> list[Path]:
    """The photos' paths. Raises BadBenchmark for one that is not there or has fewer captions than `turns`."""
    for name, captions in zip(captioned.names, captioned.captions, strict=True):
        if not (images / name).is_file():
            raise BadBenchmark(f"{visible(images / name)}: there is no such photo.", "Check --images.")
        if len(captions) < turns:
            raise BadBenchmark(f"{name}: it has {len(captions)} captions, {turns} are needed.", "Use fewer --turns.")
    return [images / name for name in captioned.names]


def read_attributes(path: Path) -> Mapping[str, frozenset[str]]:
    """Reads lines of name, tab, one thing that is true of the photo ("a hat"). Raises BadBenchmark."""
    found: dict[str, set[str]] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadBenchmark(f"{visible(path)}: the file: it cannot be read: {error}.", "Check the path.") from None
    for name, attribute in _lines(path, text):
        found.setdefault(name, set()).add(attribute.strip())
    return {name: frozenset(attributes) for name, attributes in found.items()}


def _lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, tab, caption = line.partition("\t")
        if not tab or not name or not caption.strip():
            reason = "a name, a tab and a caption are wanted"
            raise BadBenchmark(f"{visible(path)}: line {number}: {reason}.", "Mend the line, or take it out.")
        stem, _, order = name.rpartition("#")
        # Flickr's token files number the captions of a photo; a name may hold a "#" of its own.
        yield (stem if stem and order.isdigit() else name), caption


def _coco(path: Path, text: str) -> Iterator[tuple[str, str]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadBenchmark(f"{visible(path)}: the file: it is not JSON: {error}.", "Get it again.") from None
    images, annotations = (data.get(key) if isinstance(data, dict) else None for key in ("images", "annotations"))
    if not isinstance(images, list) or not isinstance(annotations, list):
        reason = 'COCO captions have "images" and "annotations"'
        raise BadBenchmark(f"{visible(path)}: the file: {reason}.", "Give COCO's captions, or a tab-separated file.")
    names: dict[object, str] = {}
    for number, image in enumerate(images):
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str) or "id" not in image:
            raise BadBenchmark(f'{visible(path)}: images {number}: "id" and "file_name" are wanted.', "Get it again.")
        names[image["id"]] = image["file_name"]
    for number, each in enumerate(annotations):
        if not isinstance(each, dict) or not isinstance(each.get("caption"), str):
            raise BadBenchmark(f'{visible(path)}: annotations {number}: a "caption" is wanted.', "Get it again.")
        if each.get("image_id") not in names:
            reason = f"image_id {each.get('image_id')!r} is not among the images"
            raise BadBenchmark(f"{visible(path)}: annotations {number}: {reason}.", "Get it again.")
        yield names[each["image_id"]], each["caption"]
