"""Folders and files that users name: empty, mistyped, moved away, taken out."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests import photos
from tests.cli.conftest import Dar


@pytest.mark.parametrize(
    "arguments",
    [
        ("index", ""),
        ("index", "colours", ""),
        ("index", "--library", ""),
        ("search", "red", "--under", ""),
        ("search", "--like", ""),
        ("search", "red", "--library", ""),
        ("library", "forget", ""),
        ("library", "move", "", "colours"),
        ("library", "move", "colours", ""),
    ],
)
def test_an_empty_path_is_never_the_current_folder(
    dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """`dar library forget "$PHOTOS"` with an unset variable once took everything out."""
    monkeypatch.chdir(indexed.parent)
    before = dar("library", "info").text
    done = dar(*arguments)
    assert done.code == 2 and "the path is empty" in done.err
    assert dar("library", "info").text == before


def test_a_folder_that_is_away_keeps_its_photos_and_says_what_to_do(dar: Dar, indexed: Path) -> None:
    away = indexed.rename(indexed.with_name("new place"))
    done = dar("index")
    assert done.code == 0 and "Its photos stay in the library" in done.err
    assert f"`dar library move {indexed} NEW`" in done.err and f"`dar library forget {indexed}`" in done.err
    assert dar("library", "move", indexed, away).code == 0
    done = dar("index")
    assert "18 unchanged" in done.err and "stay" not in done.err


def test_a_folder_that_is_away_and_had_no_photos_can_only_be_forgotten(dar: Dar, indexed: Path, tmp_path: Path) -> None:
    empty = tmp_path / "it's empty"
    empty.mkdir()
    dar("index", empty)
    empty.rmdir()
    done = dar("index")
    assert f"`dar library forget {shlex.quote(str(empty))}`" in done.err and "move" not in done.err


@pytest.mark.parametrize("excluded", [(), ("*.gif", "a, b")])
def test_what_is_forgotten_within_a_folder_comes_back_unless_the_command_it_names_is_run(
    dar: Dar, indexed: Path, excluded: tuple[str, ...]
) -> None:
    if excluded:
        assert dar("config", "set", "exclude", '["*.gif", "a, b"]').code == 0
    private = indexed / "it's [private]"
    photos.folder_of(private, 3)
    dar("index")
    told = dar("library", "forget", private).err
    assert "3 photos" in told and "takes it in again" in told
    assert "3 added" in dar("index").err
    told = dar("library", "forget", private).err
    [setting] = [part for part in told.split("`") if part.startswith("dar config")]
    assert dar(*shlex.split(setting)[1:]).code == 0
    assert "added" not in dar("index").err
    assert dar("config", "show", "--json").json["settings"]["exclude"][:-1] == list(excluded)


def test_forgetting_a_whole_folder_needs_no_warning(dar: Dar, indexed: Path) -> None:
    assert "again" not in dar("library", "forget", indexed).err


def test_under_a_folder_that_is_not_in_the_library_says_so(dar: Dar, indexed: Path, tmp_path: Path) -> None:
    done = dar("search", "red", "--under", tmp_path / "Fotos")
    assert done.code == 3 and f"{tmp_path / 'Fotos'} is not in the library" in done.err
    # A folder within and one around the library's are in it.
    done = dar("search", "red", "--under", indexed / "patterns", "--camera", "none")
    assert done.code == 3 and "not in the library" not in done.err and "--camera" in done.err
    assert dar("search", "red", "--under", tmp_path).code == 0


def test_dates_that_no_photo_has_say_that_the_undated_are_left_out(dar: Dar, indexed: Path) -> None:
    done = dar("search", "red", "--after", "2040")
    assert done.code == 3 and "dates are not known" in done.err and "--camera" not in done.err


def test_like_a_file_there_never_was_is_not_told_as_gone(dar: Dar, indexed: Path) -> None:
    done = dar("search", "--like", "IMG_2041.jpg")
    assert done.code == 2 and "there is no such file" in done.err
