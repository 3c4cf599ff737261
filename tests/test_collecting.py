"""Photos copied, moved and linked into a folder: nothing overwritten, nothing lost, everything undone."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

import pytest

from dar_tui import collecting
from dar_tui.collecting import Way, collect, take_back, write_paths
from indexer.errors import DarError

NAMES = [b"a.jpg", b"caf\xe9.jpg", b"line\nbreak.jpg", b"\xf0\x9f\x90\x95 dog.jpg", b"-rf.jpg", b"n" * 251 + b".jpg"]


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Files whose names are any bytes, no two with the same content."""
    folder = tmp_path / "photos"
    folder.mkdir()
    files = [folder / os.fsdecode(name) for name in NAMES]
    for number, file in enumerate(files):
        file.write_bytes(b"photo %d" % number)
        os.utime(file, (1_500_000_000 + number, 1_500_000_000 + number))
    return files


def contents(folder: Path) -> dict[bytes, bytes]:
    """Name -> bytes of everything in a folder."""
    return {os.fsencode(file.name): file.read_bytes() for file in folder.iterdir()} if folder.exists() else {}


@pytest.mark.parametrize("way", list(Way))
def test_names_of_any_bytes_arrive_and_undo_brings_everything_back(
    photos: list[Path], tmp_path: Path, way: Way
) -> None:
    before, folder = contents(photos[0].parent), tmp_path / "new" / "trip"
    done = collect(photos, folder, way)
    assert (done.photos, done.failed, done.there) == (len(NAMES), (), ())
    assert contents(folder) == before
    assert contents(photos[0].parent) == ({} if way is Way.MOVE else before)
    assert (folder / "a.jpg").stat().st_mtime == 1_500_000_000
    assert all(each.is_symlink() == (way is Way.LINK) for each in folder.iterdir())
    assert take_back(done) == []
    assert contents(photos[0].parent) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("way", list(Way))
def test_a_taken_name_gets_a_number_and_the_same_bytes_are_left_alone(
    photos: list[Path], tmp_path: Path, way: Way
) -> None:
    folder = tmp_path / "trip"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"another photo")
    (folder / "-rf.jpg").write_bytes(photos[4].read_bytes())
    done = collect([photos[0], photos[4]], folder, way)
    assert (folder / "a.jpg").read_bytes() == b"another photo"
    assert (folder / "a-2.jpg").read_bytes() == b"photo 0"
    assert done.there == (photos[4],) and photos[4].exists()
    assert take_back(done) == []
    assert set(contents(folder)) == {b"a.jpg", b"-rf.jpg"}


@pytest.mark.parametrize("way", list(Way))
def test_into_its_own_folder_nothing_moves(photos: list[Path], way: Way) -> None:
    before = contents(photos[0].parent)
    done = collect(photos, photos[0].parent, way)
    assert done.there == tuple(photos) and contents(photos[0].parent) == before


def test_two_photos_of_one_name_both_arrive(photos: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes(b"not the same")
    collect([photos[0], other / "a.jpg", photos[0]], tmp_path / "trip", Way.COPY)
    assert sorted(contents(tmp_path / "trip").values()) == [b"not the same", b"photo 0"]


def test_a_full_disk_leaves_no_part_of_a_file_and_reports_what_is_missing(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, room = shutil.copyfile, [2]

    def copy(source: Path, target: Path) -> None:
        if not room[0]:
            target.write_bytes(b"pa")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= 1
        real(source, target)

    monkeypatch.setattr(collecting.shutil, "copyfile", copy)
    done = collect(photos, tmp_path / "trip", Way.COPY)
    assert done.photos == 2 and [path for path, _ in done.failed] == photos[2:]
    assert "No space left on device" in done.words
    assert sorted(contents(tmp_path / "trip").values()) == [b"photo 0", b"photo 1"]


def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(self: Path, target: Path) -> Path:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(Path, "rename", rename)


def test_to_another_disk_photos_move_by_copies_and_back(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_disk(monkeypatch)
    before = contents(photos[0].parent)
    done = collect(photos, tmp_path / "stick", Way.MOVE)
    assert contents(tmp_path / "stick") == before and not contents(photos[0].parent)
    assert take_back(done) == [] and contents(photos[0].parent) == before


def test_a_copy_that_differs_keeps_the_photo(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_disk(monkeypatch)
    monkeypatch.setattr(collecting.shutil, "copyfile", lambda source, target: target.write_bytes(b"?"))
    done = collect(photos[:1], tmp_path / "stick", Way.MOVE)
    assert done.failed[0][1] == "the copy is not the same"
    assert photos[0].read_bytes() == b"photo 0" and not contents(tmp_path / "stick")


def test_sidecars_stay_beside_their_photos(photos: list[Path], tmp_path: Path) -> None:
    folder = photos[0].parent
    for name in ("a.jpg.xmp", "a.jpg.json", "a.xmp", "a.json", "b.jpg.xmp"):
        (folder / name).write_text(name)
    before = contents(folder)
    done = collect(photos[:1], tmp_path / "trip", Way.MOVE)
    assert set(contents(tmp_path / "trip")) == {b"a.jpg", b"a.jpg.xmp", b"a.jpg.json", b"a.xmp"}
    assert {b"a.xmp", b"a.json", b"b.jpg.xmp"} <= set(contents(folder))
    assert not (folder / "a.jpg.xmp").exists()
    assert done.photos == 1
    assert take_back(done) == [] and contents(folder) == before


def test_undo_leaves_what_was_changed_and_takes_no_place(photos: list[Path], tmp_path: Path) -> None:
    copied = collect(photos[:1], tmp_path / "copies", Way.COPY)
    (tmp_path / "copies" / "a.jpg").write_bytes(b"edited by hand")
    assert "was changed" in take_back(copied)[0]
    assert (tmp_path / "copies" / "a.jpg").read_bytes() == b"edited by hand"
    moved = collect(photos[:1], tmp_path / "moved", Way.MOVE)
    photos[0].write_bytes(b"a new one of this name")
    assert "is there again" in take_back(moved)[0]
    assert photos[0].read_bytes() == b"a new one of this name"
    assert (tmp_path / "moved" / "a.jpg").read_bytes() == b"photo 0"


def test_a_link_is_not_moved_and_a_missing_photo_is_reported(photos: list[Path], tmp_path: Path) -> None:
    link = photos[0].with_name("link.jpg")
    link.symlink_to("a.jpg")
    gone = photos[0].with_name("gone.jpg")
    done = collect([link, gone, photos[1]], tmp_path / "trip", Way.MOVE)
    assert [path for path, _ in done.failed] == [link, gone] and done.photos == 1
    assert link.is_symlink() and set(contents(tmp_path / "trip")) == {NAMES[1]}


def test_a_folder_that_cannot_be_made_is_one_error(photos: list[Path]) -> None:
    with pytest.raises(DarError, match="cannot be made"):
        collect(photos, photos[0] / "below a file", Way.COPY)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_done_and_undone_no_content_is_ever_lost(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folders = [tmp_path / name for name in "abc"]
    for number in range(12):
        folder = chance.choice(folders)
        folder.mkdir(exist_ok=True)
        (folder / f"{chance.choice('xyz')}-{number % 4}.jpg").write_bytes(b"%d" % number)
    before = {data for folder in folders for data in contents(folder).values()}
    history = []
    for _ in range(30):
        files = [file for folder in folders if folder.exists() for file in folder.iterdir() if not file.is_symlink()]
        if history and chance.random() < 0.4:
            take_back(history.pop())
        else:
            picked = chance.sample(files, min(3, len(files)))
            history.append(collect(picked, chance.choice(folders), chance.choice([Way.COPY, Way.MOVE])))
        assert {data for folder in folders for data in contents(folder).values()} == before


def test_paths_are_written_as_bytes_and_never_over_a_file(photos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "paths.txt"
    write_paths([photos[0], photos[1]], out)
    assert out.read_bytes() == b"%s\n%s\n" % (os.fsencode(photos[0]), os.fsencode(photos[1]))
    with pytest.raises(DarError, match="there already"):
        write_paths(photos[:1], out)
    with pytest.raises(DarError, match="line break"):
        write_paths(photos, tmp_path / "more.txt")
    write_paths(photos, tmp_path / "more.nul")
    assert (tmp_path / "more.nul").read_bytes().split(b"\0")[:-1] == [os.fsencode(each) for each in photos]
