"""Files that an earlier version wrote (tests/data/sample) are opened, searched and brought up to date as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Dar

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
PHOTOS = 14


@pytest.fixture
def old(tmp_path: Path, dar: Dar) -> tuple[Path, Path]:
    """(library, photos) of the sample, in a place of their own."""
    library, photos = tmp_path / "library", tmp_path / "photos"
    shutil.copytree(SAMPLE / "library", library)
    shutil.copytree(SAMPLE / "photos", photos)
    assert dar("library", "move", "/tmp/dar-sample/photos", photos, "--library", library).code == 0
    return library, photos


def test_an_old_library_is_searched_as_it_is(old: tuple[Path, Path], dar: Dar) -> None:
    library, photos = old
    for colour in ("red", "green", "blue"):
        found = dar("search", colour, "--library", library, "--json").json["hits"]
        assert found[0]["path"] == str(photos / f"{colour}.jpg") and found[0]["strength"] == "strong"
    (dated,) = dar("search", "--after", "2016", "--before", "2017", "--library", library, "--json").json["hits"]
    assert (dated["path"], dated["place"]["city"]) == (str(photos / "green.jpg"), "Munich")
    info = dar("library", "info", "--library", library, "--json").json
    assert (info["photos"], info["images"], info["problems"]) == (PHOTOS, PHOTOS, 1)


def test_an_old_library_is_brought_up_to_date_without_encoding_again(old: tuple[Path, Path], dar: Dar) -> None:
    library, photos = old
    summary = dar("index", photos, "--library", library, "--json").json
    assert (summary["encoded"], summary["added"], summary["removed"]) == (0, 0, 0)
    assert (summary["photos"], summary["problems"]) == (PHOTOS, 1)
    assert dar("library", "verify", "--deep", "--library", library).code == 0
    assert dar("search", "red", "--library", library, "--paths").text.splitlines()[0] == str(photos / "red.jpg")


def test_an_old_session_is_resumed(old: tuple[Path, Path], dar: Dar, tmp_path: Path) -> None:
    library, photos = old
    script = tmp_path / "script.txt"
    script.write_text("and not blue\n")
    done = dar("chat", "--library", library, "--resume", "--script", script, "--no-imagine", "--no-questions", "--json")
    (turn,) = map(json.loads, done.text.splitlines())
    # The turns before it: red, and green, in 2016.
    assert turn["turn"] == 3 and "green" in turn["query"]
    assert [hit["path"] for hit in turn["hits"]] == [str(photos / "green.jpg")]
