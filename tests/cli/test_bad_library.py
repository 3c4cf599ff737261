"""Libraries of another encoder, of a newer version, damaged, or where none can be."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from indexer.encoders import Encoder
from indexer.encoders.bundled import graphs
from tests import photos
from tests.cli.colour_words import ColourWords
from tests.cli.conftest import Dar
from tests.cli.searched import default_library, found


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


class NewColours(ColourWords):
    """What a new version of dar ships in place of `ColourWords`."""

    id = "test-colour-words-3"
    kept = True

    def replaces(self, encoder_id: str) -> bool:
        return encoder_id == ColourWords.id

    def earlier(self, encoder_id: str) -> Encoder | None:
        return ColourWords() if self.kept else None


def test_a_library_of_an_earlier_versions_encoder_is_searched_by_that_until_it_is_indexed(
    dar: Dar, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dar("search", "red", "--json").json
    shape, digest = graphs.read_heads(graphs.HEADS_FILE)
    retired = graphs.Retired(digest, shape, graphs.GRAPH_VERSION)
    monkeypatch.setitem(graphs.RETIRED, ColourWords.id, retired)
    monkeypatch.setattr("tests.cli.colour_words.ColourWords", NewColours)
    done = dar("search", "red", "--json")
    assert done.json == before and "`dar index`" in done.err
    monkeypatch.setattr(NewColours, "kept", False)
    done = dar("search", "red")
    assert done.code == 1 and "Run `dar index` to encode its photos again." in done.err
    done = dar("index", "--json")
    assert done.json["encoder"] == NewColours.id and f"dar library drop {ColourWords.id}" in done.err
    after = dar("search", "red", "--json")
    assert after.json["encoder"] == NewColours.id and "`dar index`" not in after.err


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
        assert done.code == 1 and done.err.count("\n") == 1 and "Unexpected error" not in done.err


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
    assert "Unexpected error" not in done.err
