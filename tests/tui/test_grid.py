"""The grid of photos as pages of whole rows, the selected photo beside it, and the last outcome above the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.geometry import Size

from dar_tui.tui.widgets.pictures import PhotoGrid
from dar_tui.tui.widgets.tiles import TileLayout
from tests import photos
from tests.tui.conftest import BLOCKS, MakeApp, say, until
from tests.tui.fake_engine import FakeEngine, Script, make_hits

WIDE, NARROW = (160, 45), (80, 24)


@pytest.fixture
def pictured(tmp_path: Path) -> FakeEngine:
    """An engine over 60 hits that have pictures."""
    hits = make_hits(tmp_path / "photos", 60)
    for number, hit in enumerate(hits):
        photos.jpeg(hit.thumbnail, number, (60, 40))
    return FakeEngine(tmp_path, Script(hits))


def layout_of(grid: PhotoGrid) -> TileLayout:
    return grid.arrangement(grid.scrollable_content_region.size)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36), (160, 45), (250, 70)])
async def test_a_page_has_whole_rows_and_at_least_four_photos(
    pictured: FakeEngine, make_app: MakeApp, size: tuple[int, int]
) -> None:
    app = make_app(pictured, BLOCKS)
    async with app.run_test(size=size) as pilot:
        await say(pilot, app, "a red square")
        grid = app.chat.photos
        app.chat.see("photos")
        await pilot.pause()
        layout, height = layout_of(grid), grid.scrollable_content_region.height
        page = grid.rows() * layout.columns
        assert page >= 4
        assert grid.rows() * layout.tile_lines - 1 <= height
        assert list(grid.seen()) == list(range(page))


async def test_page_down_turns_to_photos_none_of_which_was_on_the_page_before(
    pictured: FakeEngine, make_app: MakeApp
) -> None:
    app = make_app(pictured, BLOCKS)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a red square")
        grid = app.chat.photos
        grid.focus()
        shown: list[int] = []
        while True:
            await pilot.pause()
            page = [index for index in grid.seen() if index not in shown[-1:]]
            assert not set(page) & set(shown)
            shown += page
            if shown[-1] == len(grid.tiles) - 1:
                break
            await pilot.press("pagedown")
        assert shown == list(range(len(grid.tiles)))


async def test_photos_grow_and_shrink_by_keys_and_the_selected_one_stays_in_sight(
    pictured: FakeEngine, make_app: MakeApp
) -> None:
    app = make_app(pictured, BLOCKS)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a red square")
        grid = app.chat.photos
        grid.focus()
        grid.cursor = 17
        widths = [layout_of(grid).width]
        for key, times in ((">", 6), ("<", 9)):
            for _ in range(times):
                await pilot.press(key)
                widths.append(layout_of(grid).width)
                assert grid.cursor == 17 and 17 in grid.seen()
        assert widths[6] > widths[0] > widths[-1]


async def test_the_selected_photo_stands_beside_the_grid_with_what_is_known_of_it(
    pictured: FakeEngine, make_app: MakeApp
) -> None:
    app = make_app(pictured, BLOCKS)
    async with app.run_test(size=WIDE) as pilot:
        detail = app.chat.detail
        await until(pilot, lambda: app.chat.controller.opened)
        assert not detail.display
        await say(pilot, app, "a red square")
        grid = app.chat.photos
        grid.focus()
        await pilot.press("right", "right")
        await pilot.pause()
        assert detail.display and detail.hit is grid.hit is grid.shown[2]
        assert detail.words[0] == grid.shown[2].path.name
        assert detail.words[1] == grid.tiles[2].title
        assert detail.words[-1] == f"\u2026/{grid.shown[2].path.parent.parent.name}/photos"
        assert any("Canon" in line or "x" in line for line in detail.words)
        await pilot.resize_terminal(*NARROW)
        await pilot.pause()
        assert not detail.region.area


async def test_a_narrow_terminal_keeps_the_last_message_and_what_came_of_it_above_the_prompt(
    engine: FakeEngine, make_app: MakeApp
) -> None:
    app = make_app(engine)
    async with app.run_test(size=NARROW) as pilot:
        latest = app.chat.query_one("#latest")
        await until(pilot, lambda: app.chat.controller.opened)
        assert not latest.region.area
        await say(pilot, app, "a red\nsquare")
        assert app.chat.has_class("-see-photos") and latest.region.height == 2
        shown = [str(line.text) for line in latest.render_lines(latest.size.region)]
        assert shown[0].strip() == "a red square" and shown[1].strip().startswith("24 photos, 4 strong")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jpg", "2019-07-04 a.jpg"), ("holiday_in_the_mountains_IMG_2041.jpg", "2019-07-04 …MG_2041.jpg")],
)
def test_names_are_shown_by_their_end(name: str, expected: str) -> None:
    from dar_tui.tui.widgets.tiles import named

    assert named("2019-07-04", name, 23) == expected


def test_a_layout_never_exceeds_its_space() -> None:
    grid = PhotoGrid()
    for width in range(1, 260, 7):
        for height in range(1, 80, 5):
            layout = grid.arrangement(Size(width, height))
            assert layout.columns >= 1 and layout.width >= 4
