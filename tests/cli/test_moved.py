"""Photos that dar moved are found in their new place, nothing encoded again."""

from __future__ import annotations

from pathlib import Path

import pytest

from dar_tui.collecting import Way, collect, take_back
from tests.cli.conftest import Dar


@pytest.mark.parametrize("is_inside", [True, False])
def test_a_moved_photo_is_found_where_it_is_now(dar: Dar, indexed: Path, tmp_path: Path, is_inside: bool) -> None:
    trip = (indexed if is_inside else tmp_path / "elsewhere") / "trip"

    def first() -> str:
        return str(dar("search", "red", "--json", "-k", 1).json["hits"][0]["path"])

    assert first() == str(indexed / "red.jpg")
    done = collect([indexed / "red.jpg"], trip, Way.MOVE)
    # As the app does: a folder outside the library first, then all of the library.
    if not is_inside:
        dar("index", str(trip), "--json")
    dar("index", "--json")
    assert first() == str(trip / "red.jpg")
    assert take_back(done) == []
    dar("index", "--json")
    assert first() == str(indexed / "red.jpg")
