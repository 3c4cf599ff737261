"""Pages of photos: more like one, unfolded, ordered, narrowed; moving about among them."""

from __future__ import annotations

from datetime import datetime

import pytest

from dar_tui.language.turn import Expects, Question
from dar_tui.tui.engine import ApplyFilter, MoreLike, PhotoFilter
from dar_tui.tui.screens.dialogs import FiltersScreen
from dar_tui.tui.widgets.tiles import Tone
from tests.tui.conftest import MakeApp, idle, say, until
from tests.tui.fake_engine import FakeEngine

WIDE = (140, 45)


async def test_more_like_this_is_shown_until_esc(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "m")
        await idle(pilot, app)
        chat = app.chat
        hit = engine.script.hits[3]
        assert engine.played[-1] == MoreLike(hit.image_id)
        assert len(chat.photos.tiles) == 6
        assert "Esc steps back" in chat.status.facts.order
        await pilot.press("escape")
        assert len(chat.photos.tiles) == 24
        assert chat.status.facts.order == ""


async def test_photos_seen_earlier_are_shown_until_esc(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        chat = app.chat
        await until(pilot, lambda: engine.seen)
        seen = list(engine.seen)
        await pilot.press("tab", "d", "v")
        await idle(pilot, app)
        assert [hit.image_id for hit in chat.photos.shown] == seen[::-1]
        assert {tile.tone for tile in chat.photos.tiles} == {Tone.SEEN}
        assert chat.photos.tiles[0].title == "1 seen"
        assert "seen earlier, Esc steps back" in chat.status.facts.order
        # Looking at them again is not another page.
        await pilot.pause(1.5)
        assert engine.seen == seen
        await pilot.press("escape")
        assert len(chat.photos.tiles) == 24
        assert chat.status.facts.order == "by date"


async def test_the_two_photos_of_a_choice_are_marked_while_it_is_open(engine: FakeEngine, make_app: MakeApp) -> None:
    one, other = engine.script.hits[0], engine.script.hits[4]
    pair = (str(one.image_id), str(other.image_id))
    engine.script.question = Question("Is it closer to 1 or to 5?", "", Expects.CHOICE, ("1", "5"), (), pair)
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        chat = app.chat

        def marked() -> set[int]:
            shown = zip(chat.photos.shown, chat.photos.tiles, strict=True)
            return {hit.image_id for hit, tile in shown if tile.title.startswith("? ")}

        assert marked() == {one.image_id, other.image_id}
        await pilot.press("tab", "s")
        assert marked() == set()


async def test_near_duplicates_are_unfolded_and_folded(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        chat = app.chat
        await pilot.press("tab", "right", "right", "right", "b")
        assert len(chat.photos.tiles) == 25
        assert chat.photos.tiles[4].title == "like 4"
        await pilot.press("right", "b")
        assert len(chat.photos.tiles) == 24
        assert chat.photos.cursor == 3


async def test_photos_are_ordered_by_date_and_by_match_again(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        chat = app.chat
        await pilot.press("tab", "d")
        dates = [hit.taken_at for hit in chat.photos.shown]
        known = [date for date in dates if date is not None]
        assert known == sorted(known, reverse=True)
        assert dates[len(known) :] == [None] * (len(dates) - len(known))
        assert chat.status.facts.order == "by date"
        await pilot.press("d")
        assert [hit.rank for hit in chat.photos.shown] == list(range(1, 25))


async def test_the_search_is_narrowed_by_date_folder_and_camera(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "f")
        await until(pilot, lambda: isinstance(app.screen, FiltersScreen))
        await pilot.press(*"2019", "tab", *"2021-13", "enter")
        assert "is not a date" in str(app.screen.query_one("#wrong").content)  # type: ignore[attr-defined]
        await pilot.press("ctrl+u", *"2021", "tab", *"holiday", "tab", *"canon", "enter")
        await idle(pilot, app)
        narrowing = PhotoFilter(datetime(2019, 1, 1), datetime(2021, 1, 1), "holiday", "canon")
        assert engine.played[-1] == ApplyFilter(narrowing)
        assert app.chat.status.facts.filter == "from 2019-01-01, before 2021-01-01, in holiday, by canon"


async def test_esc_leaves_the_filters_as_they_were(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "f", *"2019", "escape")
        assert app.screen is app.chat
        assert app.chat.controller.photo_filter.is_empty


async def test_the_focus_goes_round_and_esc_goes_between_prompt_and_photos(
    engine: FakeEngine, make_app: MakeApp
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        chat = app.chat
        seen = []
        for _ in range(5):
            await pilot.press("tab")
            seen.append(chat.focused and chat.focused.id)
        assert seen == ["photos", "imagined", "talk", "chips", "prompt"]
        await pilot.press("tab", "escape")
        assert chat.focused is chat.prompt
        await pilot.press("escape")
        assert chat.focused is chat.prompt
        await pilot.press("shift+tab", "shift+tab")
        assert chat.focused is chat.talk


@pytest.mark.parametrize(
    ("keys", "index"),
    [
        (["l", "l", "h"], 1),
        (["j"], 4),
        (["j", "k"], 0),
        (["G"], 23),
        (["G", "g"], 0),
        (["end", "up"], 19),
        (["pagedown"], 23),
        (["pagedown", "pageup"], 0),
        (["left", "up"], 0),
        (["end", "right", "down"], 23),
    ],
)
async def test_arrows_and_vim_move_the_cursor(
    engine: FakeEngine, make_app: MakeApp, keys: list[str], index: int
) -> None:
    app = make_app(engine)
    async with app.run_test(size=(160, 45)) as pilot:
        engine.imagining = False
        await say(pilot, app, "red")
        photos = app.chat.photos
        await pilot.press("tab")
        columns = photos.arrangement(photos.scrollable_content_region.size).columns
        assert columns == 4
        await pilot.press(*keys)
        assert photos.cursor == index


async def test_undo_takes_back_the_order_and_the_filter(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "d", "f", *"2019", "enter")
        await until(pilot, lambda: engine.photo_filter.after == datetime(2019, 1, 1))
        await idle(pilot, app)
        await pilot.press("u")
        await until(pilot, lambda: engine.photo_filter == PhotoFilter())
        await idle(pilot, app)
        assert app.chat.status.facts.filter == "" and app.chat.status.facts.order == "by date"
        await pilot.press("u")
        assert [hit.rank for hit in app.chat.photos.shown] == list(range(1, 25))
        assert app.chat.status.facts.order == ""


async def test_a_filter_set_over_photos_like_one_leaves_that_view(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "m")
        await idle(pilot, app)
        await pilot.press("f", *"2019", "enter")
        await until(pilot, lambda: engine.photo_filter != PhotoFilter())
        await idle(pilot, app)
        assert app.chat.status.facts.order == ""


async def test_after_a_filter_nothing_is_called_risen_for_it(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "f", *"2019", "enter")
        await until(pilot, lambda: engine.photo_filter != PhotoFilter())
        await idle(pilot, app)
        assert not any("\u2191" in tile.title for tile in app.chat.photos.tiles)
