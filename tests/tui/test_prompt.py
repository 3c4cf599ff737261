"""Writing: what Enter, pasting, the arrows and a question's keys do, and that text is never lost."""

from __future__ import annotations

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from dar_tui.language.turn import Expects, Question
from dar_tui.tui.engine import SendMessage, SkipQuestion
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
        assert engine.played[-1] == SendMessage(message)
        assert app.chat.prompt.text == ""


async def test_enter_takes_the_answer_at_once(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("y", "enter")
        await idle(pilot, app)
        assert engine.played[-1] == SendMessage("yes")


async def test_words_that_begin_with_an_answers_key_can_be_written(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press(*"yellow")
        await pilot.pause(ANSWER_SECONDS + 0.1)
        assert app.chat.prompt.text == "yellow"
        assert engine.played == [SendMessage("red")]


async def test_a_letter_taken_back_answers_nothing(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("y", "backspace")
        await pilot.pause(ANSWER_SECONDS + 0.1)
        assert engine.played == [SendMessage("red")]


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
        assert app.chat.controller.question == OPEN
        await pilot.press(*"now", "enter")
        await idle(pilot, app)
        assert engine.played[-1] == SendMessage("snow") and engine.feedback == []


async def test_enter_after_s_alone_skips_where_words_are_asked_for(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.question = OPEN
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("s", "enter")
        await until(pilot, lambda: engine.feedback == [SkipQuestion()])
        assert app.chat.controller.question is None and app.chat.prompt.text == ""


async def test_the_empty_prompt_says_that_a_question_stands(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await until(pilot, lambda: "What do you remember of it?" in screen_text(app))
        await say(pilot, app, "red")
        assert "Answer, or say anything else" in screen_text(app)
        await pilot.press("tab", "s")
        await until(pilot, lambda: app.chat.controller.question is None)
        await pilot.press("escape")
        await until(pilot, lambda: "What do you remember of it?" in screen_text(app))


async def test_every_letter_that_is_a_key_elsewhere_can_be_written(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press(*"hjklgGmbdfoecrixp/?+-=123")
        assert app.chat.prompt.text == "hjklgGmbdfoecrixp/?+-=123"


async def test_an_empty_message_is_not_sent(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("enter", "space", "enter")
        await pilot.pause(0.1)
        assert engine.played == []


async def test_a_message_may_have_lines(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press(*"red", "ctrl+j", *"blue")
        assert app.chat.prompt.size.height == 2
        await pilot.press("enter")
        await idle(pilot, app)
        assert engine.played == [SendMessage("red\nblue")]


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
        await until(pilot, lambda: app.chat.controller.opened)
        app.chat.prompt.post_message(events.Paste("one\r\ntwo\rthree\n"))
        await pilot.pause()
        assert app.chat.prompt.text == "one\ntwo\nthree\n"
        assert engine.played == []


async def test_a_pasted_text_that_is_too_long_is_cut_and_said_so(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        app.chat.prompt.post_message(events.Paste("x" * (MAX_CHARACTERS + 5)))
        await until(pilot, lambda: len(app.chat.prompt.text) == MAX_CHARACTERS)
        await until(pilot, lambda: any("last 5 characters" in each.message for each in app._notifications))


async def test_a_draft_survives_a_turn_a_screen_and_a_new_session(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press(*"half a mess", "f1", "escape", "ctrl+n")
        await until(pilot, lambda: len(engine.opened) == 2 and app.chat.controller.opened)
        assert app.chat.prompt.text == "half a mess"


@pytest.mark.parametrize("keys", [["tab", "ctrl+n"], ["ctrl+n"], ["shift+tab", "ctrl+n"]])
async def test_a_new_session_invites_writing_and_takes_letters_as_text(
    engine: FakeEngine, make_app: MakeApp, keys: list[str]
) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press(*keys)
        await until(pilot, lambda: len(engine.opened) == 2 and app.chat.controller.opened)
        await pilot.press(*"dig")
        assert (app.chat.prompt.text, app.chat.focused) == ("dig", app.chat.prompt)
        assert engine.imagining and not app.chat.photos.page.by_date


async def test_esc_in_the_prompt_stays_there(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("escape", *"dig")
        assert (app.chat.prompt.text, app.chat.focused) == ("dig", app.chat.prompt)


@pytest.mark.parametrize("tabs", [1, 2])
async def test_letters_without_anything_to_command_are_written(
    engine: FakeEngine, make_app: MakeApp, tabs: int
) -> None:
    """With the focus in the transcript, or in a grid that has never held a photo."""
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press(*["tab"] * tabs, *"snow", "backspace", "backspace", *"ap", "enter")
        await idle(pilot, app)
        assert engine.played == [SendMessage("snap")]


async def test_the_prompt_says_how_to_write_while_letters_are_commands(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab")
        await until(pilot, lambda: "Press / or Esc to write" in screen_text(app))
        await pilot.press(*"/dogs")
        assert app.chat.prompt.text == "dogs"
        await until(pilot, lambda: "Press /" not in screen_text(app))


BURST = ["d", "o", "g", "s", *["backspace"] * 4, "c", "a", "t"]


async def burst(pilot: Pilot[None], keys: list[str]) -> None:
    """All keys at once, as a terminal hands over what was typed while the machine was busy."""
    for key in keys:
        character = key if len(key) == 1 else None
        pilot.app.post_message(events.Key("slash" if key == "/" else key, character))
    await pilot.pause()


async def test_keys_of_one_burst_keep_their_order(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await burst(pilot, BURST)
        await until(pilot, lambda: app.chat.prompt.text == "cat")
        await burst(pilot, ["home", "a", "space", "end", "s", "left", "delete"])
        await until(pilot, lambda: app.chat.prompt.text == "acat")


@pytest.mark.parametrize("opener", ["f", "ctrl+l"])
async def test_keys_of_one_burst_keep_their_order_in_forms(engine: FakeEngine, make_app: MakeApp, opener: str) -> None:
    engine.script.no_library = opener == "ctrl+l"
    app = make_app(engine)
    async with app.run_test() as pilot:
        if opener == "f":
            await say(pilot, app, "red")
            await pilot.press("tab", "f")
        await until(pilot, lambda: app.screen is not app.chat)
        field = app.screen.query(Input).first()
        field.clear()
        await burst(pilot, BURST)
        await until(pilot, lambda: field.value == "cat")


async def test_what_follows_the_key_to_the_prompt_in_one_burst_is_written(
    engine: FakeEngine, make_app: MakeApp
) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab")
        await burst(pilot, ["/", "d", "i", "g"])
        await until(pilot, lambda: app.chat.prompt.text == "dig")
        assert engine.imagining
