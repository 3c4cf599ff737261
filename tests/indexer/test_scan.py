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


@pytest.mark.parametrize("given", ["gone", "notes.txt", "notes.txt/in"])
def test_a_missing_folder_or_a_file_that_is_no_photo_is_an_error_with_a_hint(tmp_path: Path, given: str) -> None:
    touch(tmp_path, "notes.txt")
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
        ("./raw", ["a.jpg", "b.png", "in/keep.jpg", "in/raw/d.jpg"]),
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
    assert result.missing_extra == result.skipped == {".cr2": 1, ".heic": 2}


# Patterns as people write them


@pytest.mark.parametrize("glob", ["life/Work", "Work", "me/life/Work", "me/life/W*", "**/Work", "{home}/me/life/Work/"])
def test_a_folder_is_excluded_however_its_path_is_written(tmp_path: Path, glob: str) -> None:
    touch(tmp_path, "me/life/Work/a.jpg", "me/life/Walk/b.jpg", "me/work/c.jpg", "me/nightlife/Works/d.jpg")
    options = ScanOptions(exclude=(glob.format(home=tmp_path),))
    assert {"life/Work/a.jpg"} == {*found(tmp_path / "me")} - {*found(tmp_path / "me", options)} - {"life/Walk/b.jpg"}
    assert scan(tmp_path / "me", options).unmatched == ()


def test_case_counts_unless_one_wishes_it_does_not(tmp_path: Path) -> None:
    touch(tmp_path, "Work/a.jpg", "WORK/b.jpg", "work/c.jpg", "d.jpg")
    assert found(tmp_path, ScanOptions(exclude=("work",))) == ["WORK/b.jpg", "Work/a.jpg", "d.jpg"]
    assert found(tmp_path, ScanOptions(iexclude=("work",))) == ["d.jpg"]


@pytest.mark.parametrize("glob", ["~/me/[2019] Trip", "[2019] Trip", "me/[2019] Trip", "~/link/[2019] Trip"])
def test_home_brackets_and_links_are_understood(tmp_path: Path, glob: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    touch(tmp_path, "me/[2019] Trip/a.jpg", "me/2 Trip/b.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "me")
    result = scan(tmp_path / "me", ScanOptions(exclude=(glob,)))
    assert [file.relpath for file in result.files] == [b"2 Trip/b.jpg"] and result.unmatched == ()


def test_patterns_beside_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "me/life/Work/a.jpg", "me/b.jpg", "elsewhere/x")
    for place, glob in (("me", "life/Work"), ("elsewhere", "../me/life/Work"), (".", "me/life/Work")):
        monkeypatch.chdir(tmp_path / place)
        assert found(tmp_path / "me", ScanOptions(exclude=(glob,))) == ["b.jpg"], place


def test_patterns_that_left_out_nothing_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "Work/a.jpg", "b.jpg")
    result = scan(tmp_path, ScanOptions(exclude=("wrk", "Work", "~/nowhere"), iexclude=("WORK", "*.gif")))
    assert result.unmatched == ("wrk", "~/nowhere", "*.gif")
    assert result.skipped == {"excluded": 1}


def test_nomedia_keeps_a_folder_and_all_below_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/.nomedia", "a/b.jpg", "a/below/c.jpg", "d.jpg")
    result = scan(tmp_path)
    assert [file.relpath for file in result.files] == [b"d.jpg"]
    assert result.skipped == {"folder with .nomedia": 1}


def test_ppignore_works_as_photoprism_documents_it(tmp_path: Path) -> None:
    touch(tmp_path, "sub/Private/a.jpg", "sub/b.GIF", "sub/c.jpg", "sub/deep/MVI_1.jpg", "Private/d.jpg", "e.gif")
    touch(tmp_path, "sub/#tag/f.jpg", "sub/x/only/g.jpg", "sub/only/h.jpg")
    lines = "# a comment", "", "private", "*.gif", "MVI*", r"\#*", "x/only", "!"
    (tmp_path / "sub" / ".ppignore").write_text("\n".join(lines))
    result = scan(tmp_path)
    left = ["Private/d.jpg", "e.gif", "sub/c.jpg", "sub/only/h.jpg"]
    assert [os.fsdecode(file.relpath) for file in result.files] == left
    assert result.skipped == {"in .ppignore": 5}
    (tmp_path / "sub" / ".ppignore").write_text("*")
    assert found(tmp_path) == ["Private/d.jpg", "e.gif"]


# What is left out


def test_what_is_left_out_is_counted_by_kind(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "sub/b.MOV", "c.psd", "d.PSB", "e.JPG_original", "no-suffix", "notes.txt", "f.jpg.xmp")
    touch(tmp_path, "g.jpg", "outside/h.jpg", "i.ico")
    (tmp_path / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "g.jpg")
    (tmp_path / "linked.txt").symlink_to(tmp_path / "notes.txt")
    assert scan(tmp_path).skipped == {
        **{"video": 2, ".psd": 1, ".psb": 1, ".ico": 1, ".jpg_original": 1, "no suffix": 1, "other": 2},
        **{"linked folder": 1, "linked photo": 1},
    }


def test_jpeg_and_png_under_their_other_names_are_taken(tmp_path: Path) -> None:
    names = ["a.mpo", "b.JPS", "c.apng", "d.insp", "e.pjpeg", "f.pns", "g.jpg_large"]
    touch(tmp_path, *names)
    assert found(tmp_path) == sorted(names)


def test_a_photo_without_suffix_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    photos.jpeg(tmp_path / "IMG_1234")
    photos.picture(2).save(tmp_path / "x", "PNG")
    photos.picture(2, (300, 200)).save(tmp_path / "y", "WEBP")
    (tmp_path / "README").write_text("no photo " * 1000)
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == ["IMG_1234", "x", "y"]
    assert scan(tmp_path).skipped == {"no suffix": 1}


def test_one_photo_is_scanned_alone(tmp_path: Path) -> None:
    photos.jpeg(tmp_path / "a.jpg")
    photos.jpeg(tmp_path / "b.jpg")
    assert [file.relpath for file in scan(tmp_path / "a.jpg").files] == [b""]
