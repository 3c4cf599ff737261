"""What is looked for, as chips that keys and clicks change; pages of photos not seen yet; what counts as seen."""

from __future__ import annotations

import pytest

from dar_tui.tui.engine import ChangeChip, ChipKinds, PhotoFilter, SendMessage, ShownChip, ShowNextPage
from dar_tui.tui.widgets.chips import ChipLine
from tests.tui.conftest import MakeApp, idle, say, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.reading import screen_text

WIDE = (140, 45)
CROSS = "\u00d7"
DOG, SNOW = ShownChip(ChipKinds.WANTS, "a dog"), ShownChip(ChipKinds.WANTS, "in the snow")


async def test_what_was_understood_stands_above_the_prompt(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        assert not app.chat.chips.display
        await say(pilot, app, "a dog")
        await say(pilot, app, "in the snow")
        assert app.chat.chips.chips == (DOG, SNOW)
        assert f"Looking for  a dog {CROSS}   in the snow {CROSS}" in screen_text(app)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not app.chat.chips.display)


@pytest.mark.parametrize(
    ("keys", "flip", "left"),
    [
        (["x"], False, (DOG,)),
        (["backspace"], False, (DOG,)),
        (["space"], True, (DOG, ShownChip(ChipKinds.REJECTS, "in the snow"))),
        (["left", "delete"], False, (SNOW,)),
    ],
)
async def test_chips_are_removed_and_flipped_by_keys(
    engine: FakeEngine, make_app: MakeApp, keys: list[str], flip: bool, left: tuple[ShownChip, ...]
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a dog")
        await say(pilot, app, "in the snow")
        await pilot.press("shift+tab")
        assert app.chat.focused is app.chat.chips
        await pilot.press("right", *keys)
        await idle(pilot, app)
        assert engine.played[-1] == ChangeChip(SNOW if "left" not in keys else DOG, flip)
        assert app.chat.chips.chips == left
        exchange = app.chat.controller.exchange
        assert exchange is not None and exchange.message.endswith("not wanted" if flip else "removed")


async def test_chips_are_removed_and_flipped_by_clicks(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a dog")
        await say(pilot, app, "in the snow")
        line = screen_text(app).split("\n")[app.chat.chips.region.y]
        await pilot.click(ChipLine, offset=(line.index("a dog"), 0))
        await idle(pilot, app)
        assert engine.played[-1] == ChangeChip(DOG, True)
        assert "not: a dog" in screen_text(app)
        line = screen_text(app).split("\n")[app.chat.chips.region.y]
        await pilot.click(ChipLine, offset=(line.index(CROSS, line.index("snow")), 0))
        await idle(pilot, app)
        assert engine.played[-1] == ChangeChip(SNOW, False)
        await pilot.click(ChipLine, offset=(line.index(CROSS), 0))
        await until(pilot, lambda: not app.chat.chips.display)
        assert app.chat.focused is app.chat.prompt


async def test_a_filter_set_by_hand_is_a_chip(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a dog")
        await pilot.press("tab", "f", *"2019", "enter")
        await until(pilot, lambda: app.chat.chips.text == "a dog  from 2019-01-01")
        await idle(pilot, app)
        await pilot.press("escape", "shift+tab", "right", "space", "x")
        await until(pilot, lambda: engine.photo_filter == PhotoFilter())
        assert app.chat.chips.chips == (DOG,)


async def test_long_and_hostile_chips_wrap_and_are_cut(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.chips = tuple(ShownChip(ChipKinds.WHEN, f"[bold]{'x' * 60} \x1b[2J {n}") for n in range(9))
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "a dog")
        assert app.chat.chips.size.height == 3
        assert "[bold]xxx" in screen_text(app) and "\x1b" not in screen_text(app)
        assert app.chat.photos.size.height > 5


@pytest.mark.parametrize("keys", [["N"], ["n"], ["end", "pagedown"]])
async def test_the_next_page_shows_photos_not_seen_yet(engine: FakeEngine, make_app: MakeApp, keys: list[str]) -> None:
    engine.imagining = False
    engine.script.question = None
    engine.script.new_first = True
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "a dog")
        first = [hit.image_id for hit in app.chat.photos.shown]
        await until(pilot, lambda: engine.seen)
        seen = set(engine.seen)
        await pilot.press("tab", *keys)
        await until(pilot, lambda: ShowNextPage() in engine.played)
        await idle(pilot, app)
        shown = [hit.image_id for hit in app.chat.photos.shown]
        assert shown and not set(shown) & seen and set(shown) <= set(first)
        assert not any("\u2191" in tile.title for tile in app.chat.photos.tiles)


async def test_n_answers_where_a_yes_or_no_is_asked(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a dog")
        await pilot.press("tab", "n")
        await idle(pilot, app)
        assert engine.played[-1] == SendMessage("no")


async def test_only_photos_that_stay_whole_on_screen_are_seen(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "a dog")
        grid = app.chat.photos
        await until(pilot, lambda: {grid.shown[at].image_id for at in grid.seen()} == set(engine.seen))
        whole = list(engine.seen)
        assert 0 < len(whole) < len(grid.tiles)
        # Behind another screen, and beside the session, nothing is seen.
        await pilot.press("f1")
        grid.scroll_end(animate=False)
        await pilot.pause(1.6)
        assert engine.seen == whole
        await pilot.press("escape")
        await until(pilot, lambda: len(engine.seen) > len(whole))
        assert len(set(engine.seen)) == len(engine.seen)


async def test_photos_like_one_are_not_the_sessions_page(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a dog")
        await pilot.press("tab", "m")
        await idle(pilot, app)
        engine.seen.clear()
        await pilot.pause(1.6)
        assert engine.seen == []


async def test_looking_at_a_photo_large_is_reported_once(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a dog")
        await pilot.press("tab", "enter", "plus", "right")
        first, second = (hit.image_id for hit in app.chat.photos.shown[:2])
        await until(pilot, lambda: len(engine.looked_at) >= 2)
        assert first != second and engine.looked_at[0] == first


async def test_how_sure_the_page_is_stands_beside_the_chips(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.certainty = 0.826
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a dog")
        line = screen_text(app).split("\n")[app.chat.chips.region.y]
        assert line.strip().startswith("Looking for") and line.endswith("probably among these 24: 83%")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not app.chat.chips.display)
