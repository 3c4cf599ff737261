"""Writing: what Enter, pasting, the arrows and a question's keys do, and that text is never lost."""

from __future__ import annotations

import pytest
from textual import events

from dar_tui.language.turn import Expects, Question
from dar_tui.tui.engine import Say, Skip
from dar_tui.tui.widgets.prompt import ANSWER_SECONDS, MAX_CHARACTERS
from tests.tui.conftest import MakeApp, idle, say, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.reading import screen_text

WIDE = (120, 40)


@pytest.mark.parametrize(("key", "message"), [("y", "yes"), ("n", "no")])
async def test_a_questions_key_in_an_empty_prompt_answers_after_a_moment(
    engine: FakeEngine, make_app: MakeApp, key: str, message: str
) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press(key)
        assert app.chat.prompt.text == key
        await pilot.pause(ANSWER_SECONDS + 0.1)
        await idle(pilot, app)
        assert engine.played[-1] == Say(message)
        assert app.chat.prompt.text == ""


async def test_enter_takes_the_answer_at_once(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("y", "enter")
        await idle(pilot, app)
        assert engine.played[-1] == Say("yes")


async def test_words_that_begin_with_an_answers_key_can_be_written(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press(*"yellow")
        await pilot.pause(ANSWER_SECONDS + 0.1)
        assert app.chat.prompt.text == "yellow"
        assert engine.played == [Say("red")]


async def test_a_letter_taken_back_answers_nothing(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("y", "backspace")
        await pilot.pause(ANSWER_SECONDS + 0.1)
        assert engine.played == [Say("red")]


async def test_letters_are_letters_while_no_question_stands(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.question = None
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("y")
        await pilot.pause(ANSWER_SECONDS + 0.1)
        assert app.chat.prompt.text == "y"


OPEN = Question("What place is it?", "the place", Expects.OPEN)


async def test_where_words_are_asked_for_a_letter_is_the_first_of_them(engine: FakeEngine, make_app: MakeApp) -> None:
    """A slow writer of "snow" once skipped the question with its first letter."""
    engine.script.question = OPEN
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        assert "What place is it?   s Enter skip" in screen_text(app)
        await pilot.press("s")
        await pilot.pause(ANSWER_SECONDS + 0.1)
        assert app.chat.question == OPEN
        await pilot.press(*"now", "enter")
        await idle(pilot, app)
        assert engine.played[-1] == Say("snow") and engine.feedback == []


async def test_enter_after_s_alone_skips_where_words_are_asked_for(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.question = OPEN
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("s", "enter")
        await until(pilot, lambda: engine.feedback == [Skip()])
        assert app.chat.question is None and app.chat.prompt.text == ""


async def test_the_empty_prompt_says_that_a_question_stands(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.opened)
        await until(pilot, lambda: "What do you remember of it?" in screen_text(app))
        await say(pilot, app, "red")
        assert "Answer, or say anything else" in screen_text(app)
        await pilot.press("tab", "s")
        await until(pilot, lambda: app.chat.question is None)
        await until(pilot, lambda: "What do you remember of it?" in screen_text(app))


async def test_every_letter_that_is_a_key_elsewhere_can_be_written(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.opened)
        await pilot.press(*"hjklgGmbdfoecrixp/?+-=123")
        assert app.chat.prompt.text == "hjklgGmbdfoecrixp/?+-=123"


async def test_an_empty_message_is_not_sent(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.opened)
        await pilot.press("enter", "space", "enter")
        await pilot.pause(0.1)
        assert engine.played == []


async def test_a_message_may_have_lines(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.opened)
        await pilot.press(*"red", "ctrl+j", *"blue")
        assert app.chat.prompt.size.height == 2
        await pilot.press("enter")
        await idle(pilot, app)
        assert engine.played == [Say("red\nblue")]


async def test_arrows_bring_back_what_was_said_and_what_was_being_written(
    engine: FakeEngine, make_app: MakeApp
) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await say(pilot, app, "blue")
        await pilot.press(*"gre")
        seen = []
        for key in ("up", "up", "up", "down", "down"):
            await pilot.press(key)
            seen.append(app.chat.prompt.text)
        assert seen == ["blue", "red", "red", "blue", "gre"]


async def test_pasted_lines_stay_lines_and_nothing_is_sent(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.opened)
        app.chat.prompt.post_message(events.Paste("one\r\ntwo\rthree\n"))
        await pilot.pause()
        assert app.chat.prompt.text == "one\ntwo\nthree\n"
        assert engine.played == []


async def test_a_pasted_text_that_is_too_long_is_cut_and_said_so(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.chat.opened)
        app.chat.prompt.post_message(events.Paste("x" * (MAX_CHARACTERS + 5)))
        await until(pilot, lambda: len(app.chat.prompt.text) == MAX_CHARACTERS)
        await until(pilot, lambda: any("last 5 characters" in each.message for each in app._notifications))


async def test_a_draft_survives_a_turn_a_screen_and_a_new_session(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press(*"half a mess", "f1", "escape", "ctrl+n")
        await until(pilot, lambda: len(engine.opened) == 2 and app.chat.opened)
        assert app.chat.prompt.text == "half a mess"
