"""Every kind of bad input and bad luck: a clear message, the right exit code, nothing lost."""

from __future__ import annotations

import builtins
import errno
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dar_tui.cli import main
from tests import photos
from tests.cli.conftest import REPOSITORY, Dar, command
from tests.cli.terminal import run_in_terminal


def default_library() -> Path:
    return Path(os.environ["DAR_HOME"]) / "libraries" / "default"


def found(dar: Dar) -> set[str]:
    """The names of all photos that searches find."""
    hits = dar("search", "red", "-k", 9999, "--json").json["hits"]
    return {Path(photo["path"]).name for hit in hits for photo in (hit, *hit["similar"])}


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


@pytest.mark.parametrize("given", ["missing", "file.jpg"])
def test_a_folder_that_is_none_is_one_line(dar: Dar, tmp_path: Path, given: str) -> None:
    photos.jpeg(tmp_path / "file.jpg")
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
    kept = dar("library", "info", "--json").json["photos"]
    assert 0 < kept < 200
    assert dar("library", "verify", "--deep").code == 0
    assert len(found(dar)) == kept
    resumed = dar("index", folder, "--json").json
    assert resumed["photos"] == 200 and resumed["encoded"] == 200 - kept


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


def interrupt_after(pattern: bytes, number: int = signal.SIGINT) -> Callable[[bytes, subprocess.Popen[bytes]], None]:
    """Sends a signal once the output shows the pattern."""
    sent: list[bool] = []

    def watch(written: bytes, process: subprocess.Popen[bytes]) -> None:
        if not sent and re.search(pattern, written):
            sent.append(True)
            process.send_signal(number)

    return watch


def test_ctrl_c_while_indexing_keeps_what_is_done(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 150)
    code, written = run_in_terminal(
        command("index", folder, "--workers", 1),
        cwd=REPOSITORY,
        watch=interrupt_after(rb"\+[1-9]\d"),
        TEST_ENCODER_PAUSE="0.02",
    )
    assert code == 130
    assert b"Interrupted." in written and b"Traceback" not in written
    kept = dar("library", "info", "--json").json["photos"]
    assert 0 < kept < 150
    assert dar("library", "verify", "--deep").code == 0
    resumed = dar("index", folder, "--json").json
    assert resumed["photos"] == 150 and resumed["encoded"] == 150 - kept


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.15, 0.3, 0.6])
def test_ctrl_c_at_any_moment_is_exit_130_without_a_traceback(dar: Dar, tmp_path: Path, moment: float) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 60)
    process = subprocess.Popen(
        command("index", folder),
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        env={**os.environ, "TEST_ENCODER_PAUSE": "0.05"},
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 130
    assert b"Looking through" in first and b"Interrupted." in rest and b"Traceback" not in rest
    assert dar("library", "verify").code == 0
    assert dar("index", folder, "--json").json["photos"] == 60


def test_a_second_ctrl_c_does_not_wait(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 60)
    process = subprocess.Popen(
        command("index", folder, "--batch-size", 8),
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        env={**os.environ, "TEST_ENCODER_PAUSE": "1"},
    )
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 130 and b"Traceback" not in rest
    assert dar("library", "verify").code == 0


def test_ctrl_c_while_the_command_itself_is_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def interrupted(name: str, *arguments: object, **options: object) -> object:
        if name == "dar_tui.cli.app":
            raise KeyboardInterrupt
        return importing(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", interrupted)
    assert main(["--help"]) == 130


def test_ctrl_c_while_searching(dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("indexer.library.Library.search", interrupted)
    done = dar("search", "red")
    assert done.code == 130 and done.out == b"" and "Traceback" not in done.err


def test_kill_9_while_indexing_loses_a_batch_at_most(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 300)
    process = subprocess.Popen(
        command("index", folder, "--workers", 1),
        cwd=REPOSITORY,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TEST_ENCODER_PAUSE": "0.01"},
    )
    deadline = time.monotonic() + 60
    kept = 0
    while kept == 0 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        shown = dar("library", "info", "--json")
        kept = shown.json["photos"] if shown.code == 0 else 0
    process.kill()
    process.wait()
    kept = dar("library", "info", "--json").json["photos"]
    assert 0 < kept < 300
    assert dar("library", "verify", "--deep").code == 0
    assert len(found(dar)) == kept
    resumed = dar("index", folder, "--json").json
    assert resumed["photos"] == 300 and resumed["encoded"] == 300 - kept


def test_two_runs_at_once_name_the_other_and_leave_it_alone(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 100)
    process = subprocess.Popen(
        command("index", folder, "--json"),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TEST_ENCODER_PAUSE": "0.05"},
    )
    deadline = time.monotonic() + 60
    while not (default_library() / "writer.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    done = dar("index", folder)
    assert done.code == 1 and f"process {process.pid}" in done.err and done.err.count("\n") == 1
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and b'"added": 100' in out


def test_searching_with_an_encoder_that_has_no_vectors_names_both(dar: Dar, indexed: Path) -> None:
    for arguments in (("search", "red", "--encoder", "other"), ("library", "use", "other")):
        done = dar(*arguments)
        assert done.code == 1 and "encoder other, only of bundled" in done.err and done.err.count("\n") == 1
        assert "dar index --encoder other" in done.err
    assert len(found(dar)) == 18


def test_an_encoder_that_changed_under_its_name_is_noticed_by_search(
    dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.cli.colour_words.ColourWords.id", "upgraded")
    done = dar("search", "red")
    assert done.code == 1 and "test-colour-words-1" in done.err and "upgraded" in done.err
    assert "--switch-encoder" in done.err


def test_an_encoder_that_changed_under_its_name_can_be_switched_to(
    dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.cli.colour_words.ColourWords.id", "upgraded")
    assert dar("index", "--switch-encoder", "--json").json["encoder"] == "upgraded"
    assert dar("search", "red").code == 0


@pytest.mark.parametrize("arguments", [("search", "red"), ("index",), ("library", "info"), ("library", "verify")])
def test_a_library_of_a_newer_version_is_left_alone(dar: Dar, indexed: Path, arguments: tuple[str, ...]) -> None:
    catalog = default_library() / "catalog.sqlite3"
    with sqlite3.connect(catalog) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = catalog.read_bytes()
    done = dar(*arguments)
    assert done.code == 1 and "newer" in done.err and done.err.strip().count("\n") == 0
    assert catalog.read_bytes() == before


def test_a_damaged_catalog_is_one_line(dar: Dar, indexed: Path) -> None:
    for leftover in default_library().glob("catalog.sqlite3-*"):
        leftover.unlink()
    (default_library() / "catalog.sqlite3").write_bytes(b"garbage " * 1000)
    for arguments in (("search", "red"), ("index",)):
        done = dar(*arguments)
        assert done.code == 1 and done.err.count("\n") == 1 and "Something went wrong" not in done.err


def test_a_library_folder_that_holds_other_files_is_refused(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "photos", 1)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter.txt").write_text("mine")
    done = dar("index", tmp_path / "photos", "--library", tmp_path / "documents")
    assert done.code == 1 and "letter.txt" in done.err
    assert [path.name for path in (tmp_path / "documents").iterdir()] == ["letter.txt"]


def test_a_read_only_place_for_the_library_is_one_line(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "photos", 1)
    done = dar("index", tmp_path / "photos", "--library", "/proc/dar-library")
    assert done.code == 1 and done.err.count("\n") <= 2 and "Traceback" not in done.err
    assert "Something went wrong" not in done.err
