"""`dar index`: counts, JSON, streams, options, progress in a terminal and without one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests import photos
from tests.cli.conftest import REPOSITORY, Dar, command
from tests.cli.terminal import run_in_terminal

KEYS = {
    *("library", "encoder", "photos", "added", "changed", "moved", "removed", "unchanged", "problems"),
    *(
        "seconds",
        "images_per_second",
        "encoded",
        "captioned",
        "interrupted",
        "dry_run",
        "notes",
        "skipped",
        "unmatched",
    ),
}


def changes(told: dict[str, object]) -> dict[str, object]:
    names = ("added", "changed", "moved", "removed", "unchanged", "problems")
    return {name: told[name] for name in names if told[name]}


def test_json_is_one_documented_object_on_stdout(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "photos", 5)
    done = dar("index", tmp_path / "photos", "--json")
    assert done.code == 0
    assert set(done.json) == KEYS
    assert done.json["encoder"] == "test-colour-words-1"
    assert done.json["library"] == str(tmp_path / "dar-home" / "libraries" / "default")
    assert changes(done.json) == {"added": 5}
    documented = (REPOSITORY / "docs" / "json.md").read_text()
    assert all(f"`{key}`" in documented for key in KEYS)


def test_a_second_run_changes_nothing_and_needs_no_folder(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "photos", 5)
    dar("index", tmp_path / "photos")
    assert changes(dar("index", "--json").json) == {"unchanged": 5}


def test_renames_edits_deletions_additions_and_damage_are_counted_apart(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    made = photos.folder_of(folder, 12)
    dar("index", folder)
    made[0].rename(folder / "renamed.jpg")
    (folder / "sub").mkdir()
    made[1].rename(folder / "sub" / made[1].name)
    photos.jpeg(made[2], 500)
    made[3].unlink()
    photos.jpeg(folder / "new.jpg", 501)
    photos.empty(made[4])
    photos.text_file(made[5])
    told = dar("index", folder, "--json").json
    assert changes(told) == {"moved": 2, "changed": 1, "removed": 1, "added": 1, "problems": 2, "unchanged": 6}
    assert told["photos"] == 10


def test_without_a_terminal_there_are_plain_lines_on_stderr_and_nothing_on_stdout(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 3)
    photos.empty(folder / "empty.jpg")
    done = dar("index", folder)
    assert done.out == b""
    lines = done.err.splitlines()
    assert lines[0] == f"Looking through {folder}"
    assert f"{folder / 'empty.jpg'}: is empty" in lines
    assert re.search(r"^3 added, 1 unreadable \(", lines[-2])
    assert lines[-1].startswith("3 photos in ")
    assert "\x1b" not in done.err


@pytest.mark.parametrize("columns", [80, 40])
def test_a_terminal_gets_a_bar_that_fits_it(tmp_path: Path, columns: int) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 40)
    photos.empty(folder / "empty.jpg")
    code, written = run_in_terminal(
        command("index", folder, "--batch-size", 2), cwd=REPOSITORY, columns=columns, TEST_ENCODER_PAUSE="0.05"
    )
    text = written.decode()
    assert code == 0
    assert "40 added, 1 unreadable" in text
    frames = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frame) for frame in re.split(r"[\r\n]+", text)]
    bars = [frame for frame in frames if "━" in frame]
    assert any(re.search(r"\d+/41", frame) for frame in bars)
    assert any(re.search(r"\+\d+", frame) for frame in bars) or columns < 80
    assert max(map(len, bars)) <= columns


def test_dry_run_says_what_would_be_and_makes_nothing(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "photos", 4)
    done = dar("index", tmp_path / "photos", "--dry-run")
    assert done.code == 0 and "Would be: 4 added" in done.err
    assert not (tmp_path / "dar-home").exists()
    assert dar("index", tmp_path / "photos", "--dry-run", "--json").json["dry_run"] is True


def test_options_reach_the_scan(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 2)
    photos.folder_of(folder / ".hidden", 1, start=10)
    photos.folder_of(folder / "drafts", 1, start=20)
    photos.folder_of(tmp_path / "elsewhere", 1, start=30)
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    assert dar("index", folder, "--dry-run", "--json").json["added"] == 3
    assert dar("index", folder, "--dry-run", "--json", "--exclude", "drafts").json["added"] == 2
    assert dar("index", folder, "--dry-run", "--json", "--include-hidden").json["added"] == 4
    assert dar("index", folder, "--dry-run", "--json", "--follow-links").json["added"] == 4


def test_excludes_of_the_config_file_count_too(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "photos", 2)
    photos.folder_of(tmp_path / "photos" / "drafts", 1, start=20)
    assert dar("config", "set", "exclude", '["drafts"]').code == 0
    assert dar("index", tmp_path / "photos", "--json").json["added"] == 2


def test_several_folders_and_workers_go_into_one_library(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "one", 2)
    photos.folder_of(tmp_path / "two", 2, start=10)
    done = dar("index", tmp_path / "one", tmp_path / "two", "--workers", 1, "--batch-size", 1, "--json")
    assert done.json["added"] == 4


def test_library_option_makes_a_library_elsewhere(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "photos", 2)
    elsewhere = tmp_path / "disk" / "library"
    assert dar("index", tmp_path / "photos", "--library", elsewhere, "--json").json["library"] == str(elsewhere)
    assert dar("search", "red", "--library", elsewhere).code == 0
    assert dar("search", "red").code == 3


@pytest.mark.parametrize("profile", ["nonsense", ""])
def test_a_profile_that_does_not_exist_is_a_usage_error(dar: Dar, tmp_path: Path, profile: str) -> None:
    photos.folder_of(tmp_path / "photos", 1)
    done = dar("index", tmp_path / "photos", "--profile", profile)
    if profile:
        assert done.code == 2 and "bundled" in done.err
    else:
        assert done.code == 0


@pytest.mark.parametrize("arguments", [("--workers", "-1"), ("--batch-size", "-1"), ("--nonsense",)])
def test_bad_options_are_usage_errors(dar: Dar, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    photos.folder_of(tmp_path / "photos", 1)
    done = dar("index", tmp_path / "photos", *arguments)
    assert done.code == 2 and arguments[0] in done.err and done.out == b""


def test_retry_reads_broken_files_again(dar: Dar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 2)
    photos.empty(folder / "empty.jpg")
    dar("index", folder)
    assert "is empty" not in dar("index", folder).err
    assert "is empty" in dar("index", folder, "--retry").err


def test_photos_and_library_may_move_together(dar: Dar, colours: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    dar("index", colours, "--library", library)
    shutil.move(colours, tmp_path / "moved")
    assert dar("library", "move", colours, tmp_path / "moved", "--library", library).code == 0
    done = dar("index", "--library", library, "--json")
    assert changes(done.json) == {"unchanged": 18}
    assert dar("search", "red", "-k", 1, "--paths", "--library", library).text == f"{tmp_path / 'moved' / 'red.jpg'}\n"


def test_photos_left_out_name_the_package_that_reads_them(
    dar: Dar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.photos.formats._is_installed", lambda _module: False)
    photos.folder_of(tmp_path / "photos", 1)
    for name in ("one.heic", "two.HEIC", "three.avif", "four.nef"):
        (tmp_path / "photos" / name).write_bytes(b"any")
    told = dar("index", tmp_path / "photos").err
    assert "2 .heic files are left out: `pip install pillow-heif` reads them." in told
    assert "1 .avif files are left out: `pip install pillow-avif-plugin` reads them." in told
    assert "1 .nef files are left out: `pip install rawpy` reads them." in told


# Files in part, files left out, files alone


def test_a_truncated_photo_is_found_and_noted(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 3)
    photos.truncated(folder / "half.jpg", 77)
    photos.headless(folder / "head.jpg")
    done = dar("index", folder)
    assert "half.jpg: ends early (truncated): " in done.err and "; indexed all the same" in done.err
    assert "1 is damaged and indexed by what can be read" in done.err
    told = dar("index", "--json").json
    assert (told["photos"], told["problems"], told["notes"]) == (4, 1, 1)
    info = dar("library", "info", "--json").json
    assert (info["problems"], info["notes"]) == (1, 1)
    [damaged] = info["damaged"]
    assert damaged["path"] == str(folder / "half.jpg") and damaged["reason"].startswith("ends early (truncated): ")
    assert [Path(each["path"]).name for each in info["unreadable"]] == ["head.jpg"]
    assert "half.jpg: ends early" in dar("library", "info", "--problems").text
    # Once the whole file is there, the note is gone.
    photos.jpeg(folder / "half.jpg", 77, (640, 480))
    told = dar("index", "--json").json
    assert (told["changed"], told["notes"]) == (1, 0)


def test_problems_of_an_older_dar_are_tried_once_more(
    dar: Dar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 2)
    photos.truncated(folder / "half.jpg", 77)
    with monkeypatch.context() as older:
        older.setattr("indexer.photos.photo._LEAST_DECODED", 2.0)
        older.setattr("indexer.indexing.run.READS", 1)
        assert changes(dar("index", folder, "--json").json) == {"added": 2, "problems": 1}
        assert changes(dar("index", "--json").json) == {"unchanged": 2, "problems": 1}
    assert changes(dar("index", "--json").json) == {"unchanged": 2, "added": 1}
    assert changes(dar("index", "--json").json) == {"unchanged": 3}


def test_what_is_left_out_is_in_the_summary(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 2)
    for name in ("a.mp4", "b.MOV", "c.psd", "notes.txt", "IMG_0001"):
        (folder / name).write_bytes(b"x")
    told = dar("index", folder, "--json").json
    assert told["skipped"] == {".psd": 1, "no suffix": 1, "other": 1, "video": 2}
    assert "Left out: 1 .psd, 1 file without suffix, 2 videos." in dar("index").err


def test_a_folder_of_links_only_names_the_option(dar: Dar, tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "elsewhere", 2)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    done = dar("index", tmp_path / "photos")
    assert "holds 1 links but no photos; --follow-links takes what they lead to" in done.err
    assert "Left out: 1 linked folder." in done.err
    assert dar("index", tmp_path / "photos", "--follow-links", "--json").json["added"] == 2


def test_a_pattern_that_matches_nothing_is_named(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder / "Work", 1)
    photos.folder_of(folder / "life", 1, start=5)
    done = dar("index", folder, "--exclude", "wrk", "--iexclude", "WORK")
    assert "Nothing is left out by the pattern wrk:" in done.err and "pattern WORK" not in done.err
    assert dar("index", folder, "--exclude", "wrk", "--json").json["unmatched"] == ["wrk"]
    # Names in the config file are for folders to come; a path there is for one that is.
    dar("config", "set", "exclude", '["*.gif", "life/old"]')
    assert "Nothing is left out by the pattern life/old:" in dar("index").err
    assert "Nothing is left out" not in dar("index", folder).err


def test_leaving_everything_out_takes_nothing_from_the_library(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photos.folder_of(folder, 2)
    dar("index", folder)
    (folder / ".nomedia").touch()
    done = dar("index")
    assert (
        "has no photos but what is left out (1 folder with .nomedia)" in done.err
        and "drive" not in done.err.split(";")[0]
    )
    assert dar("library", "info", "--json").json["photos"] == 2


def test_one_photo_is_indexed_alone(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    one, other, *_ = photos.folder_of(folder, 3)
    assert changes(dar("index", one, "--json").json) == {"added": 1}
    # Neither now nor later is the rest of its folder looked at.
    assert changes(dar("index", "--json").json) == {"unchanged": 1}
    assert dar("search", "red", "--paths").text.splitlines() == [str(one)]
    assert f"photo     {one}" in dar("library", "info").text
    photos.jpeg(one, 900)
    assert changes(dar("index", "--json").json) == {"changed": 1}
    assert changes(dar("index", other, "--json").json) == {"added": 1}
    # Its folder, once that is indexed, takes it in.
    assert changes(dar("index", folder, "--json").json) == {"unchanged": 2, "added": 1}
    assert [each["path"] for each in dar("library", "info", "--json").json["folders"]] == [str(folder)]


def test_one_photo_of_a_folder_of_the_library_is_looked_at_alone(dar: Dar, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    one, other, third = photos.folder_of(folder, 3)
    dar("index", folder)
    photos.jpeg(one, 900)
    other.unlink()
    assert changes(dar("index", one, "--json").json) == {"changed": 1}
    assert dar("library", "info", "--json").json["photos"] == 3
    assert changes(dar("index", third, "--json").json) == {"unchanged": 1}
    assert changes(dar("index", "--json").json) == {"unchanged": 2, "removed": 1}


def test_a_lone_photo_that_is_deleted_leaves_and_one_that_is_away_stays(dar: Dar, tmp_path: Path) -> None:
    one, _ = photos.folder_of(tmp_path / "photos", 2)
    [away] = photos.folder_of(tmp_path / "drive", 1, start=5)
    dar("index", one, away)
    one.unlink()
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    done = dar("index", "--json")
    assert changes(done.json) == {"removed": 1} and "Its photos stay in the library" in done.err
    assert [each["path"] for each in dar("library", "info", "--json").json["folders"]] == [str(away)]
    (tmp_path / "unplugged").rename(tmp_path / "drive")
    assert changes(dar("index", "--json").json) == {"unchanged": 1}


def test_a_lone_photo_is_forgotten_and_moved(dar: Dar, tmp_path: Path) -> None:
    one, other = photos.folder_of(tmp_path / "photos", 2)
    dar("index", one, other)
    assert dar("library", "forget", one).code == 0
    other.rename(tmp_path / "renamed.jpg")
    assert dar("library", "move", other, tmp_path / "renamed.jpg").code == 0
    assert changes(dar("index", "--json").json) == {"unchanged": 1}


@pytest.mark.parametrize("name", ["notes.txt", "gone.jpg"])
def test_a_file_that_is_no_photo_is_refused(dar: Dar, tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    done = dar("index", tmp_path / name)
    assert done.code == 1 and name in done.err and not (tmp_path / "dar-home" / "libraries").exists()
