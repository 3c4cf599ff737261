"""Every kind of bad input and bad luck: a clear message, the right exit code, nothing lost."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from tests import photos
from tests.cli.conftest import REPOSITORY, Dar, command
from tests.cli.searched import default_library, found, goes_on
from tests.cli.terminal import run_in_terminal


def test_an_empty_folder_is_no_error_and_says_so(dar: Dar, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    done = dar("index", tmp_path / "photos")
    assert done.code == 0 and "no photos found" in done.err
    after = dar("search", "red")
    assert after.code == 3 and "is empty" in after.err and after.err.count("\n") == 1


def test_a_folder_that_is_suddenly_empty_is_taken_for_unmounted(dar: Dar, indexed: Path) -> None:
    before = found(dar)
    hidden = indexed.rename(indexed.with_name("away"))
    indexed.mkdir()
    done = dar("index", indexed)
    assert done.code == 1 and "mounted" in done.err and "dar library forget" in done.err
    indexed.rmdir()
    done = dar("index", indexed)
    assert done.code == 1 and "no folder" in done.err
    hidden.rename(indexed)
    assert found(dar) == before


@pytest.mark.parametrize("given", ["missing", "notes.txt"])
def test_what_is_neither_folder_nor_photo_is_one_line(dar: Dar, tmp_path: Path, given: str) -> None:
    (tmp_path / "notes.txt").write_text("No photo.")
    done = dar("index", tmp_path / given)
    assert done.code == 1 and given in done.err and done.err.count("\n") == 1
    assert not default_library().exists()


def test_no_folder_and_no_library_is_exit_3(dar: Dar) -> None:
    done = dar("index")
    assert done.code == 3 and "dar index FOLDER" in done.err


@pytest.mark.parametrize("name", photos.HOSTILE)
def test_each_hostile_file_is_one_line_and_the_others_are_indexed(dar: Dar, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 3)
    photos.HOSTILE[name](folder / name)
    done = dar("index", folder, "--json")
    assert done.code == 0
    assert (done.json["added"], done.json["problems"]) == (3, 1)
    [line] = [line for line in done.err.splitlines() if line.startswith(str(folder / name))]
    assert line.isprintable()
    assert found(dar) == {f"photo-{number:04}.jpg" for number in range(3)}


def test_zero_bytes_and_a_bomb_say_what_they_are(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 1)
    photos.empty(folder / "a.jpg")
    photos.bomb(folder / "b.png")
    done = dar("index", folder)
    assert "a.jpg: is empty" in done.err and "b.png: is too large to open safely: 60000x60000" in done.err


def test_a_file_that_may_not_be_read_is_one_line(dar: Dar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 3)
    opening = os.open

    def refusing(path: object, *arguments: int, **options: int) -> int:
        if os.fsencode(str(path) if isinstance(path, Path) else path).endswith(b"photo-0001.jpg"):  # type: ignore[arg-type]
            raise PermissionError(errno.EACCES, "Permission denied")
        return opening(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("indexer.photos.photo.os.open", refusing)
    done = dar("index", folder)
    assert done.code == 0 and "photo-0001.jpg: cannot be read: permission denied" in done.err
    monkeypatch.setattr("indexer.photos.photo.os.open", opening)
    assert dar("index", folder, "--retry", "--json").json["added"] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_a_file_and_a_folder_without_permission(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    made = photos.folder_of(folder, 3)
    photos.folder_of(folder / "closed", 2, start=10)
    dar("index", folder)
    made[0].chmod(0)
    (folder / "closed").chmod(0)
    try:
        done = dar("index", folder, "--json")
    finally:
        (folder / "closed").chmod(0o700)
    assert done.code == 0 and "permission denied" in done.err
    assert done.json["removed"] == 0


def test_sixty_thousand_files_are_looked_at_in_one_run(dar: Dar, tmp_path: Path) -> None:
    """Listing, comparing and reporting at that size; all but a few are empty, which decoding need not prove here."""
    for number in range(60):
        folder = tmp_path / "photos" / f"{number:02}"
        folder.mkdir(parents=True)
        for each in range(1_000):
            os.close(os.open(folder / f"{each}.jpg", os.O_CREAT | os.O_WRONLY))
    photos.folder_of(tmp_path / "photos" / "good", 5)
    done = dar("index", tmp_path / "photos", "--dry-run", "--json", "--exclude", "[0-9][0-9]")
    assert done.json["added"] == 5
    done = dar("index", tmp_path / "photos", "--json")
    assert done.code == 0 and (done.json["added"], done.json["problems"]) == (5, 60_000)
    again = dar("index", tmp_path / "photos", "--json")
    assert (again.json["unchanged"], again.json["problems"]) == (5, 60_000)


def test_names_with_newlines_spaces_emoji_and_invalid_utf8(dar: Dar, tmp_path: Path) -> None:
    paths = photos.awkward_folder(tmp_path / "awk\nward")
    done = dar("index", tmp_path / "awk\nward", "--json")
    assert done.json["added"] == len(paths) and "awk\\nward" in done.err
    assert set(dar("search", "red", "-k", 99, "-0").out.split(b"\0")) == {*paths, b""}
    for path in paths:
        assert dar("search", "--like", path, "-k", 1).code == 0
    photos.empty(Path(os.fsdecode(paths[0])))
    err = dar("index", tmp_path / "awk\nward").err
    assert "two\\nlines.jpg: is empty" in err and "\x1b" not in err


def test_a_folder_named_with_invalid_utf8(dar: Dar, tmp_path: Path) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9")  # noqa: PTH118
    os.mkdir(folder)  # noqa: PTH102
    photos.jpeg(folder + b"/a.jpg")
    library = os.path.join(os.fsencode(tmp_path), b"l\xff")  # noqa: PTH118
    told = dar("index", folder, "--library", library, "--json").json
    assert told["added"] == 1 and "library_base64" in told
    assert dar("search", "red", "--library", library, "-0").out == folder + b"/a.jpg\0"
    assert "l\\xff" in dar("library").text


def test_a_full_disk_ends_the_run_clearly_and_keeps_what_was_committed(
    dar: Dar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 200)
    syncing, calls = os.fsync, iter(range(1_000))

    def filling(descriptor: int) -> None:
        if next(calls) >= 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        syncing(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", filling)
        done = dar("index", folder)
    assert done.code == 1 and "full" in done.err.splitlines()[-1] and "Traceback" not in done.err
    goes_on(dar, folder, 200)


def test_no_terminal_at_all(dar: Dar, indexed: Path) -> None:
    """Started by cron: no terminal anywhere, stdin closed."""
    for arguments in (("index",), ("search", "red", "--preview"), ("library",), ("doctor",)):
        done = subprocess.run(
            command(*arguments), cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
            start_new_session=True, env={key: value for key, value in os.environ.items() if key != "TERM"},
        )  # fmt: skip
        assert done.returncode in ((0, 1) if arguments == ("doctor",) else (0,))
        assert b"\x1b" not in done.stdout + done.stderr and b"Traceback" not in done.stderr


def test_a_terminal_of_80_by_24(indexed: Path) -> None:
    for arguments in (("index",), ("search", "red"), ("search", "red", "--preview"), ("library", "info"), ("config",)):
        code, written = run_in_terminal(command(*arguments), cwd=REPOSITORY, columns=80, lines=24)
        assert code == 0 and b"Traceback" not in written
