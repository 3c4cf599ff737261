"""What folds under a hit: copies and bursts of photos and documents, and how many different ones by mistake.

    python -m benchmarks.folding --images DIR [--images DIR] [--library DIR] [--encoder bundled]

Takes photos from each folder and draws documents (pages of text, pages without paragraphs, receipts, conversations on a
phone's screen, slides; six of each layout, which differ in what is written), changes each as copies, bursts and second
looks do, and gives all to the encoder and to the rule that `dar search` folds by. "Before" is the rule that looked at
vectors alone. "With times" has the same camera take the changed picture a second later. Different pictures are all
pairs of documents of a kind, and all pairs of photos of an indexed library.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageEnhance, ImageFont
from rich.table import Table

from benchmarks.report import machine, output
from indexer.encoders import JOINT, VISUAL, Encoder, load_encoder
from indexer.library import Library
from indexer.photos.photo import THUMBNAIL_SIDE
from indexer.photos.pixels import picture_hash
from indexer.search.ranking import NEARLY_SAME, Vectors, fold
from indexer.store.catalog import CATALOG_NAME, Catalog, ImageTraits

Chance = np.random.Generator
Change = Callable[[Image.Image, Chance], Image.Image]

_SYLLABLES = [
    *("ka", "lo", "mi", "ter", "an", "es", "ion", "pre", "con", "sti", "ble", "ra"),
    *("no", "va", "li", "ment", "or", "us", "en", "de", "gra", "phi", "sol", "tur", "mar"),
]
_FONTS = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "DejaVuSansCondensed.ttf")
_LAYOUTS, _OF_EACH = 6, 6
# Every how manieth document is changed as well.
_CHANGED = 3
_LONGEST = 1200
_BATCH = 16


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture as the library knows it."""

    vector: Vectors
    phash: int


def main(
    images: Annotated[list[Path] | None, typer.Option(help="Folders of photos; repeatable.")] = None,
    library: Annotated[Path | None, typer.Option(help="An indexed library of different photos.")] = None,
    encoder: str = "bundled",
    count: Annotated[int, typer.Option(help="Photos of each folder.")] = 60,
    seed: int = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints two tables."""
    loaded = load_encoder(encoder, notify=lambda line: typer.echo(line, err=True))
    space = VISUAL if loaded.visual_dim else JOINT
    chance = np.random.default_rng(seed)
    documents = {kind: _drawn(draw, chance) for kind, draw in DOCUMENTS.items()}
    looks = {kind: _looks(loaded, space, pages) for kind, pages in documents.items()}
    pages = [page for kind in documents.values() for page in kind[::_CHANGED]]
    found = {
        "photos": _changed(loaded, space, list(_photos(images or [], count, chance)), chance),
        "documents": _changed(loaded, space, pages, chance),
    }
    different = {kind: _pairs_of(space, shown) for kind, shown in looks.items()}
    if library is not None:
        different["photos of the library"] = _pairs_in(library, space)
    _print(found, different)
    if json_file is not None:
        content = {"machine": machine(), "encoder": loaded.id, "same": found, "different": different}
        json_file.write_text(json.dumps(content, indent=1) + "\n")


# What is measured


def _photos(folders: Sequence[Path], count: int, chance: Chance) -> Iterator[Image.Image]:
    for folder in folders:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        for number in sorted(chance.permutation(len(files))[:count]):
            with Image.open(files[number]) as image:
                photo = image.convert("RGB")
            photo.thumbnail((_LONGEST, _LONGEST))
            yield photo


def _drawn(draw: Callable[[Chance, Chance], Image.Image], chance: Chance) -> list[Image.Image]:
    return [draw(np.random.default_rng(layout), chance) for layout in range(_LAYOUTS) for _ in range(_OF_EACH)]


def _looks(encoder: Encoder, space: str, pictures: Sequence[Image.Image]) -> list[Shown]:
    """Each as indexing sees it: its vector, and the hash of its thumbnail."""
    shown: list[Shown] = []
    for start in range(0, len(pictures), _BATCH):
        part = pictures[start : start + _BATCH]
        made = encoder.encode_images(part)
        vectors = made.visual if space == VISUAL and made.visual is not None else made.joint
        for vector, picture in zip(vectors, part, strict=True):
            small = picture.copy()
            small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
            shown.append(Shown(vector, picture_hash(small)))
    return shown


def _changed(encoder: Encoder, space: str, pictures: Sequence[Image.Image], chance: Chance) -> dict[str, list[float]]:
    """For each change, the shares that fold: before, now, now with times."""
    if not pictures:
        return {}
    originals = _looks(encoder, space, pictures)
    shares: dict[str, list[float]] = {}
    for name, change in CHANGES.items():
        others = _looks(encoder, space, [change(picture, chance) for picture in pictures])
        verdicts = [verdict(space, one, other) for one, other in zip(originals, others, strict=True)]
        shares[name] = np.mean(verdicts, axis=0).tolist()
    return shares


def verdict(space: str, one: Shown, other: Shown) -> tuple[bool, bool, bool]:
    """Whether these two fold: by their vectors alone, as `dar search` folds, and as frames of one second."""
    vectors = np.stack([one.vector, other.vector])

    def folds(camera: str) -> bool:
        known = [
            ImageTraits(each.phash, f"2019-07-04T12:13:1{second}", camera, 4000, 3000)
            for second, each in enumerate((one, other))
        ]
        return len(fold(vectors, space, lambda rows: [known[row] for row in rows])) == 1

    return float(one.vector @ other.vector) >= NEARLY_SAME[space], folds(""), folds("Camera")


def _pairs_of(space: str, shown: Sequence[Shown]) -> list[int]:
    """Of all pairs: how many there are, and how many fold before, now, now with times."""
    verdicts = [verdict(space, one, other) for one, other in combinations(shown, 2)]
    return [len(verdicts), *np.sum(verdicts, axis=0).tolist()]


def _pairs_in(path: Path, space: str) -> list[int]:
    catalog = Catalog.open(path / CATALOG_NAME)
    with Library.open(path) as opened:
        ids = sorted(opened.sample(10**7))
        vectors = opened.vectors(ids, space)
    known = catalog.pictures(ids)
    catalog.close()
    shown = [Shown(vector, known[each].phash or 0) for each, vector in zip(ids, vectors, strict=True)]
    total = np.zeros(3, np.int64)
    for place, one in enumerate(shown):
        # No pair that is less alike than this folds by any rule.
        for other in np.flatnonzero(vectors[place + 1 :] @ one.vector >= 0.45) + place + 1:
            total += verdict(space, one, shown[other])
    return [len(ids) * (len(ids) - 1) // 2, *total.tolist()]


def _print(found: dict[str, dict[str, list[float]]], different: dict[str, list[int]]) -> None:
    same = Table(
        "changed by", title="The same picture again: % folded (before, now, now with times)", caption=machine()
    )
    for kind in found:
        same.add_column(kind, justify="right")
    for name in CHANGES:
        cells = (" ".join(f"{100 * share:4.0f}" for share in found[kind].get(name, [])) for kind in found)
        same.add_row(name, *cells)
    output().print(same)
    others = Table("kind", "pairs", "before", "now", "now, taken a second apart", title="Different pictures folded")
    for kind, numbers in different.items():
        others.add_row(kind, *(f"{number:,}" for number in numbers))
    output().print(others)


# What cameras and programs do to a picture


def _jpeg(image: Image.Image, quality: int = 85) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((int(width * left), int(height * top), int(width * (1 - right)), int(height * (1 - bottom))))


def _cropped(share: float) -> Change:
    return lambda image, _: _jpeg(_cut(image, share / 2, share / 2, share / 2, share / 2))


def _shifted(share: float) -> Change:
    return lambda image, _: _jpeg(_cut(image, share, 0, 0, share))


def _turned(degrees: float, margin: float) -> Change:
    def change(image: Image.Image, _: Chance) -> Image.Image:
        turned = image.rotate(degrees, Image.Resampling.BICUBIC)
        return _jpeg(_cut(turned, margin, margin, margin, margin).resize(image.size, Image.Resampling.BICUBIC))

    return change


def _hand_held(steady: float) -> Change:
    """The next frame: `steady` 1 moves by up to 2 % of a side and turns by up to half a degree."""

    def change(image: Image.Image, chance: Chance) -> Image.Image:
        turned = image.rotate(chance.uniform(-0.5, 0.5) * steady, Image.Resampling.BICUBIC)
        moved = _cut(turned, *(0.01 + chance.uniform(0, 0.02, 4) * steady))
        return _jpeg(ImageEnhance.Brightness(moved).enhance(chance.uniform(0.95, 1.05)))

    return change


def _photographed(image: Image.Image, chance: Chance) -> Image.Image:
    """Seen again from a little to the side, in uneven light, by a small sensor."""
    width, height = image.size
    corners = []
    for x, y in ((0, 0), (0, height), (width, height), (width, 0)):
        inwards = chance.uniform(0, 0.03, 2) * (width, height)
        corners += [x + inwards[0] * (1 if x == 0 else -1), y + inwards[1] * (1 if y == 0 else -1)]
    seen = np.asarray(image.transform(image.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC), np.float32)
    across = np.linspace(chance.uniform(0.75, 1), chance.uniform(0.75, 1), width)
    down = np.linspace(chance.uniform(0.8, 1), 1, height)
    seen = seen * (across[None, :, None] * down[:, None, None]) + chance.normal(0, 6, seen.shape)
    return _jpeg(Image.fromarray(seen.clip(0, 255).astype(np.uint8)), 80)


CHANGES: dict[str, Change] = {
    "copy: JPEG quality 85": lambda image, _: _jpeg(image, 85),
    "copy: JPEG quality 50": lambda image, _: _jpeg(image, 50),
    "copy: JPEG quality 30": lambda image, _: _jpeg(image, 30),
    "copy: half the size": lambda image, _: _jpeg(
        image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    ),
    "copy: 15 % brighter": lambda image, _: _jpeg(ImageEnhance.Brightness(image).enhance(1.15)),
    "copy: 15 % darker": lambda image, _: _jpeg(ImageEnhance.Brightness(image).enhance(0.85)),
    "copy: contrast 120 %": lambda image, _: _jpeg(ImageEnhance.Contrast(image).enhance(1.2)),
    "edit: cropped by 2 %": _cropped(0.02),
    "edit: cropped by 5 %": _cropped(0.05),
    "burst: shifted by 2 %": _shifted(0.02),
    "burst: shifted by 5 %": _shifted(0.05),
    "burst: turned by 1 degree": _turned(1, 0.03),
    "burst: hand-held": _hand_held(1),
    "burst: hand-held, unsteady": _hand_held(2),
    "photographed again": _photographed,
}


# Documents: `layout` decides the form, `words` what is written


def _font(number: int, size: int) -> Any:
    try:
        return ImageFont.truetype(_FONTS[number % len(_FONTS)], size)
    except OSError:
        return ImageFont.load_default(size)


def _word(chance: Chance) -> str:
    return "".join(chance.choice(_SYLLABLES, int(chance.integers(1, 5))))


def _line(chance: Chance, font: Any, width: float) -> str:
    words = [_word(chance)]
    while font.getlength(" ".join(words)) < width:
        words.append(_word(chance))
    return " ".join(words[:-1]) or words[0]


def _paper(size: tuple[int, int], colour: Sequence[int] = (255, 255, 255)) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    paper = Image.new("RGB", size, tuple(colour))
    return paper, ImageDraw.Draw(paper)


def _tone(chance: Chance, low: int, high: int) -> tuple[int, ...]:
    return tuple(int(value) for value in chance.integers(low, high, 3))


def _text(layout: Chance, words: Chance, *, paragraphs: bool = True) -> Image.Image:
    paper, drawing = _paper((1240, 1754))
    font = _font(int(layout.integers(4)), int(layout.integers(22, 34)))
    left, y, gap = int(layout.integers(90, 180)), int(layout.integers(90, 160)), int(font.size * 1.5)
    between = int(gap * layout.choice([1.0, 1.8]))
    while y < 1600:
        full = paragraphs is False or words.random() < 0.85
        drawing.text((left, y), _line(words, font, (1240 - 2 * left) * (1 if full else words.random())), 20, font)
        y += gap if full else between
    return paper


def _solid(layout: Chance, words: Chance) -> Image.Image:
    return _text(layout, words, paragraphs=False)


def _receipt(layout: Chance, words: Chance) -> Image.Image:
    paper, drawing = _paper((640, 1400), _tone(layout, 225, 250))
    font, large = _font(2, 28), _font(2, 40)
    drawing.text((120, 50), f"{_word(layout)} {_word(layout)}".upper(), 0, large)
    drawing.text((150, 120), f"{_word(layout)} street {layout.integers(1, 99)}", 0, font)
    prices = words.integers(50, 4000, int(words.integers(5, 14))) / 100
    y = 200
    for price in prices:
        drawing.text((40, y), f"{_word(words) + ' ' + _word(words):<20.20}{price:>10.2f}", 0, font)
        y += 44
    drawing.line((40, y + 6, 600, y + 6), 0)
    drawing.text((40, y + 20), f"{'TOTAL':<20}{prices.sum():>10.2f}", 0, font)
    drawing.text((40, y + 90), f"{words.integers(1, 29):02}.07.2019 {words.integers(8, 20):02}:17", 0, font)
    x = 60
    while x < 570:
        bar = int(words.integers(2, 8))
        drawing.rectangle((x, 1220, x + bar, 1320), 0)
        x += bar + int(words.integers(2, 7))
    return paper


def _screen(layout: Chance, words: Chance) -> Image.Image:
    dark = layout.random() < 0.5
    paper, drawing = _paper((1080, 2160), (18, 20, 24) if dark else (244, 246, 250))
    font, ink = _font(0, 40), (230, 230, 230) if dark else (20, 20, 20)
    mine, theirs = ((50, 60, 80), (34, 36, 40)) if dark else ((210, 235, 200), (255, 255, 255))
    drawing.rectangle((0, 0, 1080, 200), _tone(layout, 20, 150))
    drawing.text((160, 110), _word(layout).title(), (255, 255, 255), font)
    y = 240
    while y < 1860:
        lines, wide, own = int(words.integers(1, 5)), int(words.integers(300, 760)), words.random() < 0.5
        x = 1040 - wide if own else 40
        drawing.rounded_rectangle((x, y, x + wide, y + 30 + 52 * lines), 24, mine if own else theirs)
        for line in range(lines):
            drawing.text((x + 24, y + 14 + 52 * line), _line(words, font, wide - 48), ink, font)
        y += 60 + 52 * lines
    return paper


def _slide(layout: Chance, words: Chance) -> Image.Image:
    paper, drawing = _paper((1600, 900))
    colour, title, font = _tone(layout, 20, 140), _font(0, 60), _font(0, 40)
    drawing.rectangle((0, 0, 1600, 130), colour)
    drawing.rectangle((0, 860, 1600, 900), colour)
    drawing.text((60, 30), _line(words, title, 900).title(), (255, 255, 255), title)
    for row in range(int(words.integers(3, 7))):
        drawing.ellipse((80, 214 + 95 * row, 100, 234 + 95 * row), colour)
        drawing.text((130, 200 + 95 * row), _line(words, font, words.uniform(500, 1300)), (30, 30, 30), font)
    return paper


DOCUMENTS: dict[str, Callable[[Chance, Chance], Image.Image]] = {
    "pages of text": _text,
    "pages without paragraphs": _solid,
    "receipts": _receipt,
    "screens": _screen,
    "slides": _slide,
}


if __name__ == "__main__":
    typer.run(main)
