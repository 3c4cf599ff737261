"""What goes wrong in the middle of a run: full disks, files that change or vanish, an encoder that chokes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.encoders import ImageEmbeddings
from indexer.errors import DarError
from indexer.indexing.events import Planned, ProblemFound
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.store import disk
from indexer.store.file_store import VectorAppender
from tests.indexer.colours import ColourEncoder, Workplace, counts, draw, set_back

Choke = Callable[[NDArray[np.uint8]], bool]


class Choking(ColourEncoder):
    """Fails on the batches that hold what `choke` names."""

    def __init__(self, choke: Choke) -> None:
        super().__init__()
        self._choke = choke

    def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
        if any(self._choke(pixels) for pixels in batch):
            raise RuntimeError("non-zero status code returned")
        return super().encode_prepared(batch)


def white(pixels: NDArray[np.uint8]) -> bool:
    return bool(pixels.min() > 250)


def problems(place: Workplace) -> dict[Path, str]:
    return {event.path: event.reason for event in place.events if isinstance(event, ProblemFound)}


@pytest.mark.parametrize("what", ["vectors", "thumbnails", "sync"])
def test_a_full_disk_says_so_keeps_what_is_committed_and_the_next_run_goes_on(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    place.draw(200)
    left = [90]

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    real_append, real_replace = VectorAppender.append, disk.write_atomically

    def append(self: VectorAppender, vectors: NDArray[np.float32]) -> None:
        real_append(self, vectors[: max(left[0], 0)])
        left[0] -= len(vectors)
        if left[0] < 0:
            full()

    def replace(path: Path, content: bytes, *, sync: bool = True) -> None:
        left[0] -= 1
        full() if left[0] < 0 else real_replace(path, content, sync=sync)

    if what == "vectors":
        left[0] = 150  # 64 photos of two spaces pass, the next 64 do not
        monkeypatch.setattr(VectorAppender, "append", append)
    elif what == "thumbnails":
        monkeypatch.setattr(disk, "write_atomically", replace)
    else:
        monkeypatch.setattr(VectorAppender, "sync", full)
    with pytest.raises(DarError, match="full") as raised:
        place.index()
    assert "dar index" in raised.value.hint
    monkeypatch.undo()
    with place.open() as library:
        kept = library.info().photos
        assert library.verify(deep=True) == []
    # What could be encoded before the first thumbnail that was refused is kept, beside the commit before it.
    assert kept in {"sync": [0], "vectors": [64], "thumbnails": range(65, 91)}[what]
    place.encoder = ColourEncoder()
    assert counts(place.index()) == {name: n for name, n in (("unchanged", kept), ("added", 200 - kept)) if n}
    assert place.encoder.encoded == 200 - kept
    with place.open() as library:
        assert library.verify(deep=True) == []


def test_a_photo_the_encoder_cannot_take_is_one_problem_and_its_batch_is_kept(place: Workplace) -> None:
    place.draw(20)
    bad = place.photos / "0007b.png"
    Image.new("RGB", (40, 40), (255, 255, 255)).save(bad)
    place.encoder = Choking(white)
    assert counts(place.index()) == {"added": 20, "problems": 1}
    assert list(problems(place)) == [bad]
    assert "cannot be encoded" in problems(place)[bad]


def test_an_encoder_that_takes_nothing_is_an_error_not_a_list_of_problems(place: Workplace) -> None:
    place.draw(20)
    place.encoder = Choking(lambda _: True)
    with pytest.raises(RuntimeError, match="non-zero"):
        place.index()
    with place.open() as library:
        assert library.problems() == []


def test_a_vector_that_is_not_finite_never_enters_the_library(place: Workplace) -> None:
    place.draw(9)
    bad = place.photos / "white.png"
    Image.new("RGB", (40, 40), (255, 255, 255)).save(bad)

    class Dividing(ColourEncoder):
        def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
            made = super().encode_prepared(batch)
            for row, pixels in enumerate(batch):
                if white(pixels):
                    made.joint[row] = np.nan
            return made

    place.encoder = Dividing()
    assert counts(place.index()) == {"added": 9, "problems": 1}
    assert "not finite" in problems(place)[bad]


def test_a_photo_that_cannot_be_prepared_is_one_problem(place: Workplace) -> None:
    place.draw(9)

    class Picky(ColourEncoder):
        def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
            if image.width > 1000:
                raise ZeroDivisionError("aspect")
            return super().prepare(image)

    draw(place.photos / "wide.png", 5, (4000, 1000))
    place.encoder = Picky()
    assert counts(place.index()) == {"added": 9, "problems": 1}


def test_files_that_vanish_between_scan_and_read_are_gone_once_a_scan_misses_them(place: Workplace) -> None:
    old = place.draw(5)
    place.index()
    set_back(old[0])
    new = place.draw(5, start=100)
    run = index(place.library_path, [place.photos], place.encoder, IndexOptions(workers=1))
    for event in run:
        if isinstance(event, Planned):
            old[0].unlink()
            new[0].unlink()
    assert counts(event.summary) == {"added": 4, "unchanged": 4}  # type: ignore[union-attr]
    assert counts(place.index()) == {"removed": 1, "unchanged": 8}


def test_a_file_that_changes_while_it_is_read_is_taken_as_it_is_in_the_end(place: Workplace) -> None:
    place.draw(3)
    path = place.photos / "growing.png"
    draw(path, 50)

    class Editing(ColourEncoder):
        """Sees the file edited once, while it is being prepared."""

        edited = False

        def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
            if image.size == (64, 48) and not self.edited and image.getpixel((0, 0)) == seen:
                self.edited = True
                draw(path, 51, (60, 40))
            return super().prepare(image)

    with Image.open(path) as image:
        seen = image.convert("RGB").getpixel((0, 0))
    place.encoder = Editing()
    assert counts(place.index(workers=1)) == {"added": 4}
    assert counts(place.index()) == {"unchanged": 4}
    with place.open() as library:
        (hit,) = library.photos([library.image_for(path) or 0])
        assert (hit.width, hit.height) == (60, 40)


def test_a_file_that_never_stops_changing_is_a_problem_until_it_does(place: Workplace) -> None:
    place.draw(3)
    path = draw(place.photos / "recording.png", 60, (100, 100))

    class Recording(ColourEncoder):
        def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
            if image.size == (100, 100):
                set_back(path)
            return super().prepare(image)

    place.encoder = Recording()
    assert counts(place.index(workers=1)) == {"added": 3, "problems": 1}
    assert "keeps changing" in problems(place)[path]
    place.encoder = ColourEncoder()
    set_back(path)
    assert counts(place.index()) == {"added": 1, "unchanged": 3}


def test_bad_files_of_every_kind_never_cost_a_good_one(place: Workplace) -> None:
    good = place.draw(30)
    (place.photos / "a-empty.jpg").touch()
    (place.photos / "b-text.jpg").write_text("hello")
    (place.photos / "c-cut.png").write_bytes(good[0].read_bytes()[:90])
    (place.photos / "d-html.webp").write_bytes(b"<html>" * 50)
    (place.photos / "e-zero.tiff").write_bytes(b"\0" * 5000)
    assert counts(place.index(batch_size=3)) == {"added": 30, "problems": 5}
    assert {path.name[0] for path in problems(place)} == set("abcde")
    assert all(reason and "\n" not in reason for reason in problems(place).values())


@pytest.mark.parametrize("error", [MemoryError("no room"), SystemExit(3), ZeroDivisionError("bug")])
def test_whatever_ends_a_run_what_was_encoded_is_committed(place: Workplace, error: BaseException) -> None:
    place.draw(40)

    class Failing(ColourEncoder):
        def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
            return super().prepare(image)

        def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
            if self.encoded >= 28:
                raise error
            return super().encode_prepared(batch)

    place.encoder = Failing()
    with pytest.raises(type(error)):
        place.index(batch_size=4, workers=1)
    with place.open() as library:
        # 28, or up to three more: a batch may be encoded before it is full where reading is slow.
        kept = library.info().photos
        assert kept == place.encoder.encoded and kept >= 28
        assert library.verify(deep=True) == []
    place.encoder = ColourEncoder()
    assert counts(place.index()) == {"added": 40 - kept, "unchanged": kept}
    assert place.encoder.encoded == 40 - kept


def test_a_commit_that_fails_as_well_does_not_hide_why_the_run_ended(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.draw(12)

    class Failing(ColourEncoder):
        def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
            if self.encoded >= 8:
                raise MemoryError("no room")
            return super().encode_prepared(batch)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place.encoder = Failing()
    monkeypatch.setattr(VectorAppender, "sync", full)
    with pytest.raises(MemoryError) as raised:
        place.index(batch_size=4)
    assert any("could not be committed" in note for note in raised.value.__notes__)


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ENOTCONN])
def test_a_photo_that_is_out_of_reach_stays_and_is_looked_at_again(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    known, *_ = place.draw(4)
    place.index()
    set_back(known)
    new = draw(place.photos / "new.png", 77)
    real = os.open

    def refusing(path: object, *arguments: object, **named: object) -> int:
        if os.fsdecode(path) in (str(known), str(new)):  # type: ignore[arg-type]
            raise OSError(code, os.strerror(code), path)
        return real(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    assert counts(place.index()) == {"unchanged": 3, "problems": 2}
    assert set(problems(place)) == {known, new}
    with place.open() as library:
        assert library.info().photos == 4 and library.image_for(known) is not None
    monkeypatch.undo()
    assert counts(place.index()) == {"added": 1, "unchanged": 4}
    with place.open() as library:
        assert library.problems() == []


def test_a_root_that_is_unplugged_while_it_is_read_loses_nothing(place: Workplace, tmp_path: Path) -> None:
    paths = place.draw(20)
    place.index()
    for path in paths:
        set_back(path)
    place.draw(3, start=50)
    for event in index(place.library_path, [place.photos], place.encoder, IndexOptions(workers=1, batch_size=2)):
        if isinstance(event, Planned):
            place.photos.rename(tmp_path / "away")
    assert event.summary.photos == 20  # type: ignore[union-attr]
    (tmp_path / "away").rename(place.photos)
    assert counts(place.index()) == {"added": 3, "unchanged": 20}


def test_a_root_that_is_unplugged_while_it_is_listed_loses_nothing(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.draw(3, under="a")
    place.draw(3, start=10, under="b")
    place.index()
    real = os.scandir

    def unplugging(path):  # type: ignore[no-untyped-def]
        if os.fsencode(path).endswith(b"/a"):
            place.photos.rename(tmp_path / "away")
            place.photos.mkdir()
        return real(path)

    monkeypatch.setattr(os, "scandir", unplugging)
    with pytest.raises(DarError, match="replaced"):
        place.index()
    monkeypatch.undo()
    with place.open() as library:
        assert library.info().photos == 6
