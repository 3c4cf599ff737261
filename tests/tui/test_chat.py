"""A turn on screen: while it runs, when it ends, when it fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dar_tui.session.events import Part
from dar_tui.tui.engine import SendMessage
from indexer.errors import DarError
from tests.tui.conftest import MakeApp, idle, say, say_and_imagine, until
from tests.tui.fake_engine import FakeEngine

WIDE = (140, 45)


async def test_a_turn_shows_hits_pictures_what_rose_and_the_question(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "a red square")
        chat = app.chat
        assert chat.photos.tiles[0].title == "1 ● strong ↑3"
        assert chat.photos.tiles[3].title == "4 ● strong x2"
        assert [tile.title for tile in chat.imagined.tiles] == ["imagined 1", "imagined 2", "imagined 3"]
        assert chat.imagined.border_title == "imagined, not photos"
        assert chat.controller.question is not None and chat.query_one("#question").display
        lines = [str(line) for line in chat.talk.query("ExchangeView").last().lines]  # type: ignore[attr-defined]
        assert lines == [
            "24 photos, 4 strong in 50 ms",
            "imagined 3 pictures in 0.5 s, 3 photos moved up",
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
        await until(pilot, lambda: chat.controller.opened)
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
        await say_and_imagine(pilot, app, "red")
        await pilot.press("escape")
        await idle(pilot, app)
        assert chat.controller.exchange is not None and chat.controller.exchange.state == "stopped"
        assert len(chat.photos.tiles) == 24
        assert chat.focused is chat.prompt
        assert chat.status.facts.doing == ""


async def test_a_new_message_cancels_the_turn_before(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.gate.clear()
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        chat = app.chat
        await say_and_imagine(pilot, app, "red")
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
        app.chat.controller.send("red")
        await idle(pilot, app)
        assert engine.played == [SendMessage("red")]
        assert [each.message for each in app.chat.talk.exchanges] == ["red"]


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
        await until(pilot, lambda: app.chat.controller.opened)
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
