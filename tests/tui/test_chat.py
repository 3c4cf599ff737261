"""A turn on screen, and everything one does to it by keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from dar_tui.dialogue.turn import Expects, Question
from dar_tui.session.events import Part
from dar_tui.tui.engine import ImagineAgain, MoreLike, Narrow, Narrowing, OfPhoto, OfPicture, Rerank, Say, Skip
from dar_tui.tui.screens.filters import FiltersScreen
from indexer.errors import DarError
from tests.tui.conftest import MakeApp, idle, say, until
from tests.tui.fake_engine import FakeEngine

WIDE = (140, 45)


async def test_a_turn_shows_hits_pictures_what_rose_and_the_question(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a red square")
        chat = app.chat
        assert chat.photos.tiles[0].title == "1 ● strong ↑3"
        assert chat.photos.tiles[3].title == "4 ● strong +1"
        assert [tile.title for tile in chat.imagined.tiles] == ["imagined 1", "imagined 2", "imagined 3"]
        assert chat.imagined.border_title == "imagined, not photos"
        assert chat.question is not None and chat.query_one("#question").display
        lines = [str(line) for line in chat.talk.query("ExchangeView").last().lines]  # type: ignore[attr-defined]
        assert lines == [
            "24 photos, 4 strong in 50 ms",
            "imagined 3 pictures in 0.5 s, 3 photos rose",
            "? Is it indoors?",
        ]
        facts = chat.status.facts
        assert (facts.photos, facts.turn, facts.doing, facts.taken) == (24, 1, "", "0.6 s")


async def test_what_is_out_of_sight_keeps_its_words_and_lets_go_of_its_photos(
    engine: FakeEngine, make_app: MakeApp
) -> None:
    hits = engine.script.hits
    burst = tuple(replace(hits[0], image_id=number) for number in range(1000, 1300))
    engine.script.hits = (replace(hits[0], similar=burst), *hits[1:])
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        for number in range(4):
            await say(pilot, app, f"red square {number}")
        *before, last = app.chat.talk.query("ExchangeView")
        assert all(view.lines == last.lines for view in before)  # type: ignore[attr-defined]
        told = app.chat.talk.exchanges
        assert [sum(1 + len(hit.similar) for hit in each.hits) for each in told] == [12, 12, 12, 324]


async def test_hits_of_the_text_are_there_while_it_imagines_and_typing_goes_on(
    engine: FakeEngine, make_app: MakeApp
) -> None:
    engine.script.gate.clear()
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        chat = app.chat
        await until(pilot, lambda: chat.opened)
        await pilot.press(*"red", "enter")
        await until(pilot, lambda: "step 4/4" in chat.status.facts.doing)
        assert chat.status.facts.doing == "imagining 1/3, step 4/4, Esc stops"
        assert len(chat.photos.tiles) == 24
        assert chat.imagined.tiles[0].title.startswith("imagined 1 ━━━")
        await pilot.press(*"blue")
        assert chat.prompt.text == "blue"
        engine.script.gate.set()
        await idle(pilot, app)
        assert chat.prompt.text == "blue"


async def test_esc_stops_imagining_and_keeps_what_is_there(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.gate.clear()
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        chat = app.chat
        await until(pilot, lambda: chat.opened)
        await pilot.press(*"red", "enter")
        await until(pilot, lambda: "imagining" in chat.status.facts.doing)
        await pilot.press("escape")
        await idle(pilot, app)
        assert chat.exchange is not None and chat.exchange.state == "stopped"
        assert len(chat.photos.tiles) == 24
        assert chat.focused is chat.prompt
        assert chat.status.facts.doing == ""


async def test_a_new_message_cancels_the_turn_before(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.gate.clear()
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        chat = app.chat
        await until(pilot, lambda: chat.opened)
        await pilot.press(*"red", "enter")
        await until(pilot, lambda: "imagining" in chat.status.facts.doing)
        await pilot.press(*"no, blue", "enter")
        engine.script.gate.set()
        await idle(pilot, app)
        assert [each.message for each in chat.talk.exchanges] == ["red", "no, blue"]
        assert chat.talk.exchanges[0].pictures == 0
        assert chat.talk.exchanges[1].pictures == 3


async def test_messages_sent_before_the_library_is_open_wait_for_it(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        app.open_session(None, None)
        app.chat.say("red")
        await idle(pilot, app)
        assert engine.played == [Say("red")]
        assert [each.message for each in app.chat.talk.exchanges] == ["red"]


@pytest.mark.parametrize(("key", "message"), [("y", "yes"), ("n", "no")])
async def test_questions_are_answered_from_the_grid_at_once(
    engine: FakeEngine, make_app: MakeApp, key: str, message: str
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", key)
        await idle(pilot, app)
        assert engine.played[-1] == Say(message)


async def test_a_question_is_skipped(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "s")
        await until(pilot, lambda: engine.played[-1] == Rerank())
        await idle(pilot, app)
        assert engine.feedback == [Skip()]
        assert app.chat.question is None


async def test_a_question_of_choices_is_answered_in_words(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.question = Question("Which season?", "", Expects.CHOICE, ("summer", "winter"))
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "y")
        assert len(engine.played) == 1
        assert app.chat.focused is app.chat.prompt
        await pilot.press(*"summer", "enter")
        await idle(pilot, app)
        assert engine.played[-1] == Say("summer")


async def test_liking_and_unliking_is_seen_at_once_and_ranks_again(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        chat = app.chat
        await pilot.press("tab", "plus")
        assert chat.photos.tiles[0].title.endswith("♥ liked")
        await idle(pilot, app)
        liked = next(iter(chat.liked))
        await pilot.press("right", "minus")
        await until(pilot, lambda: len(engine.feedback) == 2)
        await idle(pilot, app)
        unliked = next(iter(chat.unliked))
        assert engine.feedback == [OfPhoto(liked, True), OfPhoto(unliked, False)]
        assert unliked not in [hit.image_id for hit in chat.photos.shown]
        assert engine.played.count(Rerank()) == 2


async def test_the_same_opinion_again_takes_it_back(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "plus")
        await until(pilot, lambda: Rerank() in engine.played)
        await idle(pilot, app)
        await pilot.press("plus")
        await until(pilot, lambda: len(engine.feedback) == 2)
        assert engine.feedback[-1].good is None  # type: ignore[union-attr]
        assert app.chat.liked == frozenset()


async def test_feedback_while_it_imagines_does_not_stop_it(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.gate.clear()
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        chat = app.chat
        await until(pilot, lambda: chat.opened)
        await pilot.press(*"red", "enter")
        await until(pilot, lambda: "imagining" in chat.status.facts.doing)
        await pilot.press("tab", "plus")
        await until(pilot, lambda: engine.feedback)
        engine.script.gate.set()
        await idle(pilot, app)
        assert Rerank() not in engine.played
        assert chat.exchange is not None and chat.exchange.pictures == 3


async def test_imagined_pictures_are_picked_and_vetoed(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "tab", "p", "right", "x")
        await until(pilot, lambda: len(engine.feedback) == 2)
        await idle(pilot, app)
        assert engine.feedback == [OfPicture(0, 0, True), OfPicture(0, 1, False)]
        titles = [tile.title for tile in app.chat.imagined.tiles]
        assert titles == ["imagined 1 ♥ picked", "imagined 2 ✗ vetoed", "imagined 3"]


async def test_imagining_again_adds_pictures(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "r")
        await until(pilot, lambda: ImagineAgain() in engine.played)
        await idle(pilot, app)
        assert [tile.title for tile in app.chat.imagined.tiles][-1] == "imagined 6"


async def test_imagining_is_switched_off_and_on(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "i")
        assert not engine.imagining
        await say(pilot, app, "blue")
        assert app.chat.imagined_away
        await pilot.press("tab", "i")
        assert engine.imagining


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
        narrowing = Narrowing(datetime(2019, 1, 1), datetime(2021, 1, 1), "holiday", "canon")
        assert engine.played[-1] == Narrow(narrowing)
        assert app.chat.status.facts.filter == "from 2019-01-01, before 2021-01-01, in holiday, by canon"


async def test_esc_leaves_the_filters_as_they_were(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "f", *"2019", "escape")
        assert app.screen is app.chat
        assert app.chat.narrowing.is_empty


async def test_the_focus_goes_round_and_esc_goes_between_prompt_and_photos(
    engine: FakeEngine, make_app: MakeApp
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        chat = app.chat
        seen = []
        for _ in range(4):
            await pilot.press("tab")
            seen.append(chat.focused and chat.focused.id)
        assert seen == ["photos", "imagined", "talk", "prompt"]
        await pilot.press("escape")
        assert chat.focused is chat.photos
        await pilot.press("escape")
        assert chat.focused is chat.prompt
        await pilot.press("shift+tab")
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


async def test_a_failing_generator_leaves_the_hits_and_says_what_to_do(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.fail = Part.IMAGINE
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        view = app.chat.talk.query("ExchangeView").last()
        assert "The GPU ran out of memory. Press i to go on without imagining." in view.lines  # type: ignore[attr-defined]
        assert len(app.chat.photos.tiles) == 24
        assert app.chat.imagined_away


async def test_a_failing_search_gives_the_message_back(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.fail = Part.SEARCH
    engine.imagining = False
    engine.script.question = None
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.opened)
        engine.script.hits = ()
        await say(pilot, app, "a red square")
        assert app.chat.prompt.text == "a red square"


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA [bold]error"), MemoryError(), DarError("The disk is gone.", "Mount it.")]
)
async def test_a_crash_in_a_turn_is_a_line_and_the_message_comes_back(
    engine: FakeEngine, make_app: MakeApp, error: Exception
) -> None:
    engine.script.crash = error
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a red square")
        await until(pilot, lambda: len(app.chat.talk.remarks) == 2)
        assert app.chat.prompt.text == "a red square"
        expected = {RuntimeError: "CUDA [bold]error", MemoryError: "not enough memory", DarError: "Mount it."}
        assert expected[type(error)] in app.chat.talk.remarks[-1]
        engine.script.crash = None
        await pilot.press("enter")
        await idle(pilot, app)
        assert len(app.chat.photos.tiles) == 24


async def test_the_talk_scrolls_along_only_at_its_end(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=(120, 24)) as pilot:
        for number in range(8):
            await say(pilot, app, f"message {number}")
        talk = app.chat.talk
        assert talk.scroll_offset.y == talk.max_scroll_y
        talk.focus()
        await pilot.press("home")
        await pilot.pause(0.1)
        app.chat.talk.remark("something new")
        await pilot.pause(0.1)
        assert talk.scroll_offset.y == 0
        await pilot.press("end")
        await pilot.pause(0.1)
        app.chat.talk.remark("something newer")
        await until(pilot, lambda: talk.scroll_offset.y == talk.max_scroll_y)


async def test_narrow_terminals_show_one_pane_named_by_tabs(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        chat = app.chat
        assert (chat.talk.display, chat.has_class("-narrow")) == (True, True)
        await say(pilot, app, "red")
        assert chat.has_class("-see-photos")
        assert chat.photos.size.width > 70 and not chat.talk.size
        await pilot.press("tab", "tab")
        assert chat.has_class("-see-imagined") and chat.imagined.size.width > 70 and not chat.photos.size
        await pilot.press("tab")
        assert chat.has_class("-see-talk") and chat.talk.size.width > 70
        assert chat.prompt.size.height == 1
        await pilot.resize_terminal(140, 45)
        await pilot.pause()
        assert chat.talk.size and chat.photos.size and chat.imagined.size
