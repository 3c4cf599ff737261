"""`dar library`: list, info, verify, move, forget, use, drop."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import photos
from tests.cli.conftest import REPOSITORY, Dar, command
from tests.cli.terminal import run_in_terminal


def default_library() -> Path:
    return Path(os.environ["DAR_HOME"]) / "libraries" / "default"


def test_no_library_yet_is_said_with_the_command_that_makes_one(dar: Dar) -> None:
    for arguments in (("library",), ("library", "list")):
        done = dar(*arguments)
        assert done.code == 0 and done.out == b"" and "dar index FOLDER" in done.err
    assert dar("library", "list", "--json").json == {"libraries": []}


def test_list_has_dars_own_libraries_and_those_elsewhere(dar: Dar, indexed: Path, tmp_path: Path) -> None:
    dar("index", indexed / "patterns", "--library", tmp_path / "else where")
    lines = dar("library").text.splitlines()
    assert len(lines) == 2
    assert "18 photos" in lines[0] and lines[0].endswith(f"{default_library()}  (default)")
    assert "12 photos" in lines[1] and lines[1].endswith(str(tmp_path / "else where"))
    told = dar("library", "list", "--json").json["libraries"]
    assert [each["photos"] for each in told] == [18, 12]
    assert [each["default"] for each in told] == [True, False]


def test_a_damaged_library_does_not_hide_the_others(dar: Dar, indexed: Path) -> None:
    broken = Path(os.environ["DAR_HOME"]) / "libraries" / "broken"
    broken.mkdir()
    (broken / "catalog.sqlite3").write_bytes(b"this is no database" * 100)
    done = dar("library", "list", "--json")
    assert done.code == 0
    assert [bool(each["problem"]) for each in done.json["libraries"]] == [True, False]
    assert str(broken) in dar("library", "list").text


def test_info_tells_photos_folders_and_problems(dar: Dar, indexed: Path) -> None:
    photos.empty(indexed / "empty.jpg")
    (indexed / "copy.jpg").write_bytes((indexed / "red.jpg").read_bytes())
    dar("index")
    done = dar("library", "info")
    assert f"folder    {indexed}: 19 photos" in done.text and "(1 of them exact copies)" in done.text
    assert "is empty" not in done.text and "--problems" in done.err
    assert f"{indexed / 'empty.jpg'}: is empty" in dar("library", "info", "--problems").text
    told = dar("library", "info", "--json").json
    assert (told["photos"], told["images"], told["problems"]) == (19, 18, 1)
    assert told["folders"] == [{"path": str(indexed), "photos": 19, "problems": 1, "present": True}]
    assert told["unreadable"] == [{"path": str(indexed / "empty.jpg"), "reason": "is empty"}]


def test_info_says_that_a_folder_is_away(dar: Dar, indexed: Path) -> None:
    indexed.rename(indexed.with_name("moved"))
    assert "(not there now)" in dar("library", "info").text


def test_verify_is_exit_1_once_a_file_is_damaged_and_index_fixes_it(dar: Dar, indexed: Path) -> None:
    assert dar("library", "verify").text == f"{default_library()} is sound.\n"
    [vectors] = default_library().glob("vectors-*joint*.f32")
    vectors.write_bytes(vectors.read_bytes()[:100])
    done = dar("library", "verify")
    assert done.code == 1 and "shorter" in done.text and "dar index" in done.err
    told = dar("library", "verify", "--json")
    assert told.code == 1 and told.json["sound"] is False and len(told.json["problems"]) == 1
    assert dar("index").code == 0
    assert dar("library", "verify", "--deep").code == 0


def test_verify_deep_finds_a_flipped_vector_and_a_lost_thumbnail(dar: Dar, indexed: Path) -> None:
    [vectors] = default_library().glob("vectors-*joint*.f32")
    content = bytearray(vectors.read_bytes())
    content[41] ^= 0xFF
    vectors.write_bytes(bytes(content))
    next((default_library() / "thumbs").rglob("*.jpg")).unlink()
    assert dar("library", "verify").code == 0
    done = dar("library", "verify", "--deep")
    assert done.code == 1 and len(done.text.splitlines()) == 2


def test_repair_reports_what_it_repaired_and_what_index_has_to_do(dar: Dar, indexed: Path) -> None:
    done = dar("library", "repair")
    assert done.code == 0 and done.text == f"{default_library()} is sound; nothing had to be done.\n"
    [vectors] = default_library().glob("vectors-*joint*.f32")
    content = bytearray(vectors.read_bytes())
    content[41] ^= 0xFF
    vectors.write_bytes(bytes(content))
    next((default_library() / "thumbs").rglob("*.jpg")).unlink()
    done = dar("library", "repair")
    assert done.code == 1 and "1 thumbnails are made again" in done.text
    assert "still to do: run `dar index`: 1 photos have no vector" in done.text
    told = dar("library", "repair", "--json")
    assert told.code == 1 and told.json["done"] == [] and len(told.json["left"]) == 1
    assert dar("index").code == 0
    assert dar("library", "verify", "--deep").code == 0 and dar("library", "repair").code == 0


def test_a_damaged_catalog_is_repaired_from_its_copy(dar: Dar, indexed: Path) -> None:
    (default_library() / "catalog.sqlite3").write_bytes(b"no database" * 500)
    done = dar("search", "red")
    assert done.code == 1 and "dar library repair" in done.err and done.err.count("\n") == 1
    assert "copy" in dar("library", "repair").text
    assert dar("search", "red", "-k", 1, "--paths").text == f"{indexed / 'red.jpg'}\n"


def test_move_tells_where_photos_are_now(dar: Dar, indexed: Path) -> None:
    moved = indexed.with_name("moved")
    indexed.rename(moved)
    done = dar("library", "move", indexed, moved)
    assert done.code == 0 and str(moved) in done.err and done.out == b""
    assert dar("search", "red", "-k", 1, "--paths").text == f"{moved / 'red.jpg'}\n"


def test_move_of_what_is_not_there_says_so(dar: Dar, indexed: Path, tmp_path: Path) -> None:
    assert "no folder" in dar("library", "move", indexed, tmp_path / "nowhere").err
    (tmp_path / "other").mkdir()
    done = dar("library", "move", tmp_path / "other", tmp_path / "other")
    assert done.code == 1 and "not a folder of this library" in done.err


def test_forget_drops_a_folder_and_leaves_its_files(dar: Dar, indexed: Path, tmp_path: Path) -> None:
    done = dar("library", "forget", indexed / "patterns")
    assert done.code == 0 and done.err.startswith("12 photos")
    assert len(list((indexed / "patterns").iterdir())) == 12
    assert dar("library", "info", "--json").json["photos"] == 6
    assert dar("library", "forget", tmp_path / "nothing").code == 1
    assert dar("library", "forget", indexed).code == 0
    emptied = dar("search", "red")
    assert emptied.code == 3 and "is empty" in emptied.err and "dar index FOLDER" in emptied.err


def test_commands_on_a_library_that_is_not_there_are_exit_3(dar: Dar, tmp_path: Path) -> None:
    for arguments in (("info",), ("verify",), ("forget", "x"), ("move", "x", "y")):
        done = dar("library", *arguments, "--library", tmp_path / "none")
        assert done.code == 3 and "dar index FOLDER" in done.err
    assert not (tmp_path / "none").exists()


def test_a_second_encoder_goes_beside_the_first_and_switching_loses_nothing(dar: Dar, indexed: Path) -> None:
    done = dar("index", "--encoder", "other", "--json")
    assert done.json["encoded"] == 18 and done.json["encoder"] == "test-colour-words-2"
    assert "Searches still use bundled; `dar library use other`" in done.err
    assert dar("search", "red", "--json").json["encoder"] == "test-colour-words-1"
    assert dar("search", "red", "--json", "--encoder", "other").json["encoder"] == "test-colour-words-2"
    assert dar("library", "use", "other").code == 0
    assert dar("search", "red", "--json").json["encoder"] == "test-colour-words-2"
    # Back again: nothing is encoded.
    assert dar("library", "use", "test-colour-words-1").code == 0
    assert dar("index", "--json").json["encoded"] == 0
    assert dar("search", "red", "--json").json["encoder"] == "test-colour-words-1"


def test_info_tells_which_encoders_have_which_photos(dar: Dar, indexed: Path) -> None:
    dar("index", "--encoder", "other")
    photos.folder_of(indexed / "more", 2, start=900)
    dar("index")
    told = dar("library", "info", "--json").json
    assert [(each["spec"], each["photos"], each["active"]) for each in told["encoders"]] == [
        ("bundled", 20, True),
        ("other", 18, False),
    ]
    lines = dar("library", "info").text.splitlines()
    assert "encoder   bundled (test-colour-words-1, searches use it)" in lines
    assert "encoder   other (test-colour-words-2, 2 photos without its vectors)" in lines
    done = dar("library", "use", "other")
    assert "no vectors yet of 2 photos; `dar index` makes them" in done.err
    assert dar("index", "--json").json["encoded"] == 2


def test_drop_gives_the_disk_back_what_an_encoder_took(dar: Dar, indexed: Path) -> None:
    dar("index", "--encoder", "other")
    assert list(default_library().glob("*-2-*"))
    done = dar("library", "drop", "other", "--yes")
    assert done.code == 0 and done.out == b""
    assert done.err.startswith("The vectors of 18 photos that other made are gone: ")
    assert not list(default_library().glob("*-2-*"))
    assert [each["spec"] for each in dar("library", "info", "--json").json["encoders"]] == ["bundled"]
    assert dar("library", "verify", "--deep").code == 0
    assert dar("search", "red", "-k", 1, "--paths").text == f"{indexed / 'red.jpg'}\n"
    assert "no vectors of the encoder other" in dar("search", "red", "--encoder", "other").err


def test_drop_refuses_the_encoder_that_searches_use_and_one_that_is_not_there(dar: Dar, indexed: Path) -> None:
    done = dar("library", "drop", "bundled", "--yes")
    assert done.code == 1 and "Searches use the encoder bundled" in done.err and "no other" in done.err
    dar("index", "--encoder", "other")
    assert "`dar library use other`" in dar("library", "drop", "bundled", "--yes").err
    assert "no vectors of the encoder third" in dar("library", "drop", "third").err
    assert len(dar("library", "info", "--json").json["encoders"]) == 2


def test_drop_asks_first_and_without_a_terminal_does_nothing(dar: Dar, indexed: Path) -> None:
    dar("index", "--encoder", "other")

    def answered(answer: bytes) -> tuple[int, bytes]:
        said: list[bytes] = []

        def watch(written: bytes, _: object) -> bytes | None:
            if said or b"[y/N]" not in written:
                return None
            said.append(answer)
            return answer

        return run_in_terminal(command("library", "drop", "other"), cwd=REPOSITORY, columns=400, watch=watch)

    done = dar("library", "drop", "other")
    assert done.code == 2 and "--yes" in done.err
    code, written = answered(b"n\r")
    assert code == 1 and b"Nothing was removed" in written and b"that other made from" in written
    assert len(dar("library", "info", "--json").json["encoders"]) == 2
    code, written = answered(b"y\r")
    assert code == 0 and b"are gone" in written
    assert len(dar("library", "info", "--json").json["encoders"]) == 1


def test_a_library_is_listed_once_however_it_was_reached(
    dar: Dar, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "disk" / "mine.dar"
    dar("index", indexed, "--library", real)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    (tmp_path / "own").symlink_to(tmp_path / "dar-home" / "libraries" / "default")
    monkeypatch.chdir(tmp_path)
    for name in ("link/mine.dar", "disk/../disk/mine.dar/", "disk/mine.dar", "own"):
        assert dar("library", "info", "--library", name).code == 0
    listed = [each["path"] for each in dar("library", "list", "--json").json["libraries"]]
    assert listed == [str(tmp_path / "dar-home" / "libraries" / "default"), str(real)]
    # One that was noted under several names by an older dar.
    (tmp_path / "dar-home" / "libraries.json").write_text(json.dumps([str(tmp_path / "link" / "mine.dar"), str(real)]))
    assert [each["path"] for each in dar("library", "list", "--json").json["libraries"]] == listed
    dar("config", "set", "library", str(tmp_path / "link" / "mine.dar"))
    assert [each["default"] for each in dar("library", "list", "--json").json["libraries"]] == [False, True]
