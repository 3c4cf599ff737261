"""Which photos fold under a hit: the same picture and the same burst, never what only looks alike to an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from dar_tui.cli.results import others_of
from indexer.encoders import JOINT, VISUAL
from indexer.indexing.events import RunNote
from indexer.library import Library
from indexer.photos.pixels import picture_hash
from indexer.search.hits import Hit
from indexer.search.ranking import Query, Term, fold
from indexer.store.catalog import ImageTraits
from indexer.store.disk import thumbnail_file
from tests import photos
from tests.indexer.colours import ColourEncoder, Workplace, unit
from tests.indexer.test_captions import as_schema

NOON = datetime(2019, 7, 4, 12, 13, 14)
WORDS = ["rain", "falls", "on", "a", "town", "where", "nobody", "counts", "hours", "between", "bread", "and", "light"]
# Hundredths of a side from frame to frame.
STEP = 3
CAMERA = ("Canon", "EOS R5")


class AllAlike(ColourEncoder):
    """Finds everything alike, as encoders of photos do with pages of text."""

    def encode_prepared(self, batch: Sequence[np.ndarray]) -> object:
        made = super().encode_prepared(batch)
        for vectors in (made.joint, made.visual):
            assert vectors is not None
            vectors[:] = unit(1 + 0.01 * vectors)
        return made


def page(seed: int) -> Image.Image:
    """A page of text: pages differ in their words only, and in where paragraphs end."""
    chance = np.random.default_rng(seed)
    paper = Image.new("RGB", (620, 877), "white")
    drawing, font = ImageDraw.Draw(paper), ImageFont.load_default(18)
    for y in range(60, 800, 27):
        words = chance.choice(WORDS, 4 if chance.random() < 0.2 else 9)
        drawing.text((60, y), " ".join(words), fill="black", font=font)
    return paper


def scene(seed: int, size: tuple[int, int] = (400, 300)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def frame(seed: int, number: int) -> Image.Image:
    """One of a hand-held burst: the same scene, shifted by a hundredth more of its side each time."""
    left = 4 * number
    return scene(seed).crop((left, 0, 360 + left, 300))


@pytest.fixture
def alike(tmp_path: Path) -> Workplace:
    place = Workplace(tmp_path)
    place.encoder = AllAlike()
    return place


def found(place: Workplace, k: int = 50, *, fold: bool = True) -> list[Hit]:
    with place.open() as library:
        return library.search(Query((Term(np.ones(48, np.float32) / 48**0.5),)), k, fold=fold)


def groups(hits: list[Hit]) -> list[set[str]]:
    return sorted(({path.stem for path in (hit.path, *others_of(hit))} for hit in hits), key=min)


def test_six_different_pages_of_text_stay_six_hits(alike: Workplace) -> None:
    for number in range(6):
        page(number).save(alike.photos / f"{number}.png")
    alike.index()
    with alike.open() as library:
        vectors = library.vectors(library.sample(6), VISUAL)
    assert (vectors @ vectors.T).min() > 0.99
    assert len(found(alike)) == 6


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
}


@pytest.mark.parametrize("make", [page, scene])
def test_resaved_copies_fold_under_their_picture(alike: Workplace, make: Callable[[int], Image.Image]) -> None:
    for number in range(3):
        photos.jpeg(alike.photos / f"{number}.jpg", image=make(number))
        photos.jpeg(alike.photos / f"{number}-q30.jpg", image=make(number), quality=30)
        for name, change in CHANGES.items():
            photos.jpeg(alike.photos / f"{number}-{name}.jpg", image=change(make(number)))
    alike.index()
    copies = [{str(number), *(f"{number}-{name}" for name in ("q30", *CHANGES))} for number in range(3)]
    assert groups(found(alike)) == copies
    assert len(found(alike, fold=False)) == 18


def burst(place: Workplace, name: str, times: Sequence[datetime | None], **options: object) -> None:
    for number, taken_at in enumerate(times):
        photos.jpeg(place.photos / f"{name}{number}.jpg", image=frame(1, STEP * number), taken_at=taken_at, **options)  # type: ignore[arg-type]


def seconds(*apart: float) -> list[datetime]:
    return [NOON + timedelta(seconds=each) for each in apart]


def test_a_burst_folds_and_the_same_frames_taken_apart_do_not(alike: Workplace) -> None:
    hashes = [picture_hash(frame(1, STEP * number)) for number in range(3)]
    assert all(4 < ((one ^ other) % 2**64).bit_count() <= 16 for one, other in pairwise(hashes))
    burst(alike, "burst", seconds(0, 1, 3), camera=CAMERA)
    alike.index()
    assert groups(found(alike)) == [{"burst0", "burst1", "burst2"}]


@pytest.mark.parametrize(
    ("times", "options"),
    [
        (seconds(0, 60, 120), {"camera": CAMERA}),
        (seconds(0, 1, 2), {}),  # no camera: a name's or a folder's date may be anyone's
        ([NOON.replace(hour=0, minute=0, second=0)] * 3, {"camera": CAMERA}),  # a day, no moment
        ([None] * 3, {"camera": CAMERA}),
    ],
    ids=["minutes apart", "no camera", "only a day", "no date"],
)
def test_what_is_no_burst_does_not_fold(
    alike: Workplace, times: list[datetime | None], options: dict[str, tuple[str, str]]
) -> None:
    burst(alike, "apart", times, **options)
    alike.index()
    assert len(found(alike)) == 3


def test_other_pictures_of_the_same_second_and_pages_photographed_one_by_one_do_not_fold(alike: Workplace) -> None:
    for number in range(4):
        photos.jpeg(alike.photos / f"scene{number}.jpg", image=scene(number), taken_at=NOON, camera=CAMERA)
        taken_at = NOON + timedelta(hours=1, seconds=3 * number)
        photos.jpeg(alike.photos / f"page{number}.jpg", image=page(number), taken_at=taken_at, camera=CAMERA)
    alike.index()
    assert len(found(alike)) == 8


def strip_hashes(place: Workplace) -> None:
    """The library as it is before the first `dar index` of a dar that knows hashes."""
    with Library.open(place.library_path).writer() as writer, writer.catalog.transaction():
        writer.catalog.connection.execute("UPDATE images SET phash = NULL")


def test_an_older_library_is_hashed_from_its_thumbnails_and_reads_no_photo(alike: Workplace) -> None:
    for number in range(2):
        photos.jpeg(alike.photos / f"{number}.jpg", image=scene(number))
        photos.jpeg(alike.photos / f"{number}-q30.jpg", image=scene(number), quality=30)
    burst(alike, "burst", seconds(0, 1), camera=CAMERA)
    alike.index()
    folded = groups(found(alike))
    assert folded == [{"0", "0-q30"}, {"1", "1-q30"}, {"burst0", "burst1"}]
    strip_hashes(alike)
    # Of copies nothing is known without; a burst is one by its times.
    assert groups(found(alike)) == [{"0"}, {"0-q30"}, {"1"}, {"1-q30"}, {"burst0", "burst1"}]
    encoded = alike.encoder.encoded
    alike.index()
    assert groups(found(alike)) == folded
    assert alike.encoder.encoded == encoded


def test_a_library_that_cannot_be_brought_up_to_date_has_no_hashes_and_folds_bursts(
    alike: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.jpeg(alike.photos / "0.jpg", image=scene(0))
    photos.jpeg(alike.photos / "0-q30.jpg", image=scene(0), quality=30)
    burst(alike, "burst", seconds(0, 1), camera=CAMERA)
    alike.index()
    as_schema(alike.library_path, 3)
    monkeypatch.setattr("os.access", lambda *_: False)  # as on a disk that is read-only
    assert groups(found(alike)) == [{"0"}, {"0-q30"}, {"burst0", "burst1"}]
    with Library.open(alike.library_path) as library:
        assert library.info().schema == 3


def test_an_image_without_a_thumbnail_waits_for_it_in_silence(alike: Workplace) -> None:
    photos.jpeg(alike.photos / "0.jpg", image=scene(0))
    photos.jpeg(alike.photos / "1.jpg", image=scene(0), quality=30)
    alike.index()
    strip_hashes(alike)
    with alike.open() as library:
        lost = library._catalog.unhashed()[0]
    thumbnail = thumbnail_file(alike.library_path, lost[1])
    content = thumbnail.read_bytes()
    thumbnail.write_bytes(content[:100])
    alike.index()
    assert len(found(alike)) == 2 and not any(isinstance(event, RunNote) for event in alike.events)
    with alike.open() as library:
        assert library._catalog.unhashed() == [lost]
    thumbnail.write_bytes(content)
    alike.index()
    assert len(found(alike)) == 1


def test_a_picture_of_one_colour_has_no_hash_of_noise() -> None:
    chance = np.random.default_rng(0)
    for shade in (0, 90, 255):
        noisy = np.clip(shade + chance.normal(0, 1, (240, 320, 3)), 0, 255).astype(np.uint8)
        assert picture_hash(Image.new("RGB", (320, 240), (shade,) * 3)) == picture_hash(Image.fromarray(noisy)) == 0


def test_hashes_of_different_scenes_are_about_half_their_bits_apart() -> None:
    hashes = [picture_hash(scene(seed)) for seed in range(30)]
    apart = [((one ^ other) % 2**64).bit_count() for place, one in enumerate(hashes) for other in hashes[:place]]
    assert min(apart) > 12 and 28 < np.mean(apart) < 36


def test_folding_asks_for_nothing_where_nothing_is_near_and_never_twice() -> None:
    asked: list[int] = []

    def pictures(rows: Sequence[int]) -> list[ImageTraits]:
        asked.extend(rows)
        return [ImageTraits(0, None, "", 4, 3)] * len(rows)

    assert fold(np.eye(5, dtype=np.float32), VISUAL, pictures) == [[0], [1], [2], [3], [4]]
    assert not asked
    near = unit(np.array([[1, 0, 0], [0, 1, 0], [1, 0.01, 0], [0, 1, 0.01], [0, 0, 1]], np.float32))
    assert fold(near, JOINT, pictures) == [[0, 2], [1, 3], [4]]
    assert fold(near, JOINT, pictures, 1) == [[0, 2]]
    assert sorted(asked) == [0, 0, 1, 2, 2, 3]
