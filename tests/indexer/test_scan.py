"""Which files a scan finds: suffixes, litter, hidden files, links, excludes, odd names, depth and numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.errors import DarError
from indexer.photos.scan import FoundFile, ScanOptions, scan
from tests import photos


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def found(folder: Path, options: ScanOptions | None = None) -> list[str]:
    return [os.fsdecode(file.relpath) for file in scan(folder, options).files]


def test_finds_photos_by_suffix_in_any_case_sorted_with_size_and_time(tmp_path: Path) -> None:
    touch(tmp_path, "b/two.PNG", "a.jpeg", "c.Jpg", "notes.txt", "film.mp4", "no-suffix", "b/x.webp", "d.jp2")
    result = scan(tmp_path)
    status = (tmp_path / "a.jpeg").stat()
    assert result.files[0] == FoundFile(b"a.jpeg", 1, status.st_mtime_ns)
    assert found(tmp_path) == ["a.jpeg", "b/two.PNG", "b/x.webp", "c.Jpg", "d.jp2"]
    assert result.unreadable == ()


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    assert scan(tmp_path).files == ()


@pytest.mark.parametrize("given", ["gone", "file.jpg"])
def test_a_missing_folder_or_a_file_is_an_error_with_a_hint(tmp_path: Path, given: str) -> None:
    touch(tmp_path, "file.jpg")
    with pytest.raises(DarError) as caught:
        scan(tmp_path / given)
    assert given in caught.value.message and caught.value.hint


def test_litter_is_never_taken(tmp_path: Path) -> None:
    litter = ("@eaDir/a.jpg", "$RECYCLE.BIN/b.jpg", ".Trash-1000/c.jpg", "._d.jpg", "lost+found/e.jpg", "Thumbs.db")
    touch(tmp_path, *litter, "sub/@eaDir/x.jpg/SYNOPHOTO_THUMB_M.jpg", "good.jpg")
    assert found(tmp_path, ScanOptions(include_hidden=True)) == ["good.jpg"]


def test_hidden_files_and_folders_only_when_asked(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden.jpg", ".cache/a.jpg", "seen.jpg")
    assert found(tmp_path) == ["seen.jpg"]
    assert found(tmp_path, ScanOptions(include_hidden=True)) == [".cache/a.jpg", ".hidden.jpg", "seen.jpg"]


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("raw", ["a.jpg", "b.png", "in/keep.jpg"]),
        ("raw/", ["a.jpg", "b.png", "in/keep.jpg"]),
        ("*.png", ["a.jpg", "in/keep.jpg", "in/raw/d.jpg", "raw/c.jpg"]),
        ("in/*", ["a.jpg", "b.png", "raw/c.jpg"]),
        ("in/raw", ["a.jpg", "b.png", "in/keep.jpg", "raw/c.jpg"]),
        ("**/raw", ["a.jpg", "b.png", "in/keep.jpg"]),
        ("[ab].*", ["in/keep.jpg", "in/raw/d.jpg", "raw/c.jpg"]),
        ("{folder}/in", ["a.jpg", "b.png", "raw/c.jpg"]),
    ],
)
def test_excludes_match_names_and_paths(tmp_path: Path, glob: str, left: list[str]) -> None:
    touch(tmp_path, "a.jpg", "b.png", "raw/c.jpg", "in/raw/d.jpg", "in/keep.jpg")
    assert found(tmp_path, ScanOptions(exclude=(glob.replace("{folder}", str(tmp_path)),))) == left


def test_links_are_followed_only_when_asked_and_loops_are_cut(tmp_path: Path) -> None:
    folder, outside = tmp_path / "photos", tmp_path / "outside"
    touch(folder, "a.jpg", "sub/b.jpg")
    touch(outside, "c.jpg")
    (folder / "loop").symlink_to(folder)
    (folder / "sub" / "up").symlink_to(folder / "sub")
    (folder / "away").symlink_to(outside)
    (outside / "back").symlink_to(folder)
    (folder / "link.jpg").symlink_to(outside / "c.jpg")
    (folder / "broken.jpg").symlink_to(tmp_path / "nothing.jpg")
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    assert found(folder) == ["a.jpg", "sub/b.jpg"]
    result = scan(folder, ScanOptions(follow_links=True))
    assert [file.relpath for file in result.files] == [b"a.jpg", b"away/c.jpg", b"link.jpg", b"sub/b.jpg"]
    assert result.unreadable == ()


def test_a_photo_is_found_under_its_own_path_before_any_linked_one(tmp_path: Path) -> None:
    touch(tmp_path, "z-real/a.jpg")
    (tmp_path / "a-link").symlink_to(tmp_path / "z-real")
    assert found(tmp_path, ScanOptions(follow_links=True)) == ["z-real/a.jpg"]


def test_pipes_and_folders_named_like_photos_are_not_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    touch(tmp_path, "folder.jpg/inside.jpg")
    assert found(tmp_path) == ["folder.jpg/inside.jpg"]


def test_awkward_names_come_back_byte_for_byte(tmp_path: Path) -> None:
    paths = photos.awkward_folder(tmp_path / "in\nside")
    relpaths = {file.relpath for file in scan(tmp_path).files}
    assert relpaths == {os.path.relpath(path, os.fsencode(tmp_path)) for path in paths}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_a_sub_folder_without_permission_is_reported_and_the_rest_found(tmp_path: Path) -> None:
    touch(tmp_path, "open/a.jpg", "closed/b.jpg")
    (tmp_path / "closed").chmod(0)
    try:
        result = scan(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert [file.relpath for file in result.files] == [b"open/a.jpg"]
    assert result.unreadable == ((b"closed", "cannot be listed: permission denied"),)


def test_a_sub_folder_that_fails_to_list_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "open/a.jpg", "failing/b.jpg")
    listing = os.scandir

    def failing(path: bytes | Path) -> object:
        if os.fsencode(path).endswith(b"/failing"):
            raise OSError(5, "Input/output error")
        return listing(path)

    monkeypatch.setattr("indexer.photos.scan.os.scandir", failing)
    result = scan(tmp_path)
    assert [file.relpath for file in result.files] == [b"open/a.jpg"]
    assert result.unreadable == ((b"failing", "cannot be listed: input/output error"),)


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder to nest without measure in; taken away by `rm`, since shutil.rmtree and so pytest recurse."""
    yield tmp_path
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


def test_a_thousand_levels_are_walked(deep: Path) -> None:
    assert sys.getrecursionlimit() <= 1_000 + 200
    _nest(deep, b"d", 1_000)
    relpaths = [file.relpath for file in scan(deep).files]
    assert relpaths == [b"/".join([b"d"] * 1_000) + b"/deep.jpg"]


def test_deeper_than_the_system_allows_is_unreadable_not_fatal(deep: Path) -> None:
    touch(deep, "top.jpg")
    _nest(deep, b"folder-with-a-long-name", 400)
    result = scan(deep)
    assert [file.relpath for file in result.files] == [b"top.jpg"]
    [(where, reason)] = result.unreadable
    assert where.startswith(b"folder-with") and "too deep" in reason


def _nest(top: Path, name: bytes, levels: int) -> None:
    """Makes folders relative to one another: the whole path may be longer than a system call takes."""
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("deep.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


def test_sixty_thousand_files_are_listed(tmp_path: Path) -> None:
    for folder in range(60):
        (tmp_path / str(folder)).mkdir()
        for number in range(1_000):
            os.close(os.open(tmp_path / str(folder) / f"{number}.jpg", os.O_CREAT | os.O_WRONLY))
    assert len(scan(tmp_path).files) == 60_000


def test_photos_that_need_a_missing_extra_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.photos.formats._is_installed", lambda module: module == "pillow_avif")
    touch(tmp_path, "a.HEIC", "b.heic", "c.cr2", "d.avif", "e.jpg")
    result = scan(tmp_path)
    assert [file.relpath for file in result.files] == [b"d.avif", b"e.jpg"]
    assert result.missing_extra == {".cr2": 1, ".heic": 2}
