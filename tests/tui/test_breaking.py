"""Ways to break the app that need no real terminal: sizes, amounts, hostile text, files that go, two at once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Static

from dar_tui.language.turn import Question
from dar_tui.session.events import SessionNote
from dar_tui.tui.engine import SendMessage
from dar_tui.tui.widgets.prompt import MAX_CHARACTERS
from tests import photos
from tests.tui.conftest import BLOCKS, WORDS, MakeApp, idle, say, until
from tests.tui.fake_engine import FakeEngine, Script, make_hits
from tests.tui.reading import screen_text


async def test_a_storm_of_sizes(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine, graphics=BLOCKS)
    async with app.run_test(size=(160, 45)) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "end")
        for size in [(80, 24), (20, 6), (200, 60), (3, 3), (100, 30), (1, 1), (99, 36)] * 2:
            await pilot.resize_terminal(*size)
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert app.chat.photos.cursor == 23
        assert app.chat.prompt.size.width > 50
        await until(pilot, lambda: "▀" in screen_text(app))


async def test_a_thousand_hits_cost_what_fits_on_the_screen(make_app: MakeApp, tmp_path: Path) -> None:
    engine = FakeEngine(tmp_path, Script(make_hits(tmp_path / "photos", 1000)))
    engine.imagining = False
    app = make_app(engine, graphics=BLOCKS)
    async with app.run_test(size=(160, 45)) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "G")
        photos_grid = app.chat.photos
        assert photos_grid.cursor == 999
        await until(pilot, lambda: "1000 ○ no match" in screen_text(app))
        await until(pilot, lambda: "▀" in screen_text(app))
        assert app.gallery is not None and len(app.gallery._kept) < 60
        await pilot.press("g")
        assert photos_grid.scroll_offset.y == 0


async def test_a_message_of_twenty_thousand_characters(engine: FakeEngine, make_app: MakeApp) -> None:
    message = ("a red square on a beach " * 1000)[:MAX_CHARACTERS].strip()
    app = make_app(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        app.chat.prompt.post_message(events.Paste(message))
        await until(pilot, lambda: len(app.chat.prompt.text) == len(message))
        assert app.chat.prompt.size.height <= 5
        await pilot.press("enter")
        await idle(pilot, app)
        assert engine.played == [SendMessage(message)]
        shown = str(app.chat.talk.query_one(".message", Static).content)
        assert len(shown) < 1000 and shown.endswith(f"… ({len(message):,} characters)")


HOSTILE = (
    "[bold red]x[/] [@click=app.exit]y[/] \x1b[2J\x1b]0;owned\x07 \u202etxt\u2028 \x9b31m {braces} $accent :smile:"
)


async def test_nothing_that_is_written_pasted_or_said_is_interpreted(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.question = Question(f"Is it {HOSTILE}?", choices=(HOSTILE, "other"))
    app = make_app(engine)
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        app.chat.prompt.post_message(events.Paste(HOSTILE))
        await pilot.pause()
        await pilot.press("enter")
        await idle(pilot, app)
        app.chat.talk.show(app.chat.controller.exchange.after(SessionNote(HOSTILE)))  # type: ignore[union-attr]
        await pilot.pause()
        text = screen_text(app)
        assert "[bold red]x[/] [@click=app.exit]y[/]" in text
        assert not set("\x1b\x07\x9b\u202e\u2028") & set(text)
        assert "\x1b" not in engine.played[0].text  # type: ignore[union-attr]


async def test_nothing_in_file_names_and_exif_is_interpreted(make_app: MakeApp, tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in photos.AWKWARD_NAMES]
    hits = make_hits(tmp_path / "photos", len(names), pictures=len(names), names=names)
    hits = tuple(replace(hit, camera=HOSTILE) for hit in hits)
    engine = FakeEngine(tmp_path, Script(hits))
    app = make_app(engine, graphics=BLOCKS)
    async with app.run_test(size=(220, 60)) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "enter")
        for _ in names:
            text = screen_text(app)
            assert not set("\x1b\x07\x9b\u202e\u2028") & set(text)
            text.encode("utf-8")
            await pilot.press("c", "right")
        await pilot.press("escape")
        assert not set("\x1b\x07\x9b\u202e") & set(screen_text(app))
        await pilot.press("ctrl+s", "enter")
        await until(pilot, lambda: any("Saved" in line for line in app.chat.talk.remarks))


async def test_photos_deleted_while_they_are_shown(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine, graphics=BLOCKS)
    async with app.run_test(size=(160, 45)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        for hit in engine.script.hits[:6]:
            hit.path.unlink()
            hit.thumbnail.unlink()
        await say(pilot, app, "red")
        await until(pilot, lambda: "photo is gone" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "photo is gone" in screen_text(app))
        await pilot.press("o")
        await until(pilot, lambda: any("not there any more" in line for line in app.chat.talk.remarks))


async def test_without_pictures_words_do(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine, graphics=WORDS)
    async with app.run_test(size=(80, 24)) as pilot:
        await say(pilot, app, "red")
        text = screen_text(app)
        assert "photo-03.jpg" in text and "▀" not in text
        await pilot.press("tab", "enter")
        assert "photo 1 of 24" in screen_text(app)


async def test_an_engine_that_floods_does_not_drown_typing(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.steps = 5000
    app = make_app(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press(*"red", "enter")
        await pilot.press(*"blue")
        assert app.chat.prompt.text == "blue"
        await idle(pilot, app)
        assert app.chat.controller.exchange is not None and app.chat.controller.exchange.pictures == 3


@pytest.mark.parametrize("keys", [["tab", "enter", "escape"] * 10, ["f1", "escape", "ctrl+l", "escape"] * 6])
async def test_screens_opened_and_left_in_haste(engine: FakeEngine, make_app: MakeApp, keys: list[str]) -> None:
    app = make_app(engine, graphics=BLOCKS)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        await pilot.press(*keys)
        await pilot.pause(0.2)
        while app.screen is not app.chat:
            await pilot.press("escape")
        assert len(app.chat.photos.tiles) == 24


async def test_many_turns_weigh_no_more_than_a_few(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.steps = 1
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        for number in range(40):
            app.chat.controller.send(f"message {number}")
            await idle(pilot, app)
        exchanges = app.chat.talk.exchanges
        assert len(exchanges) == 40
        assert max(len(each.hits) for each in exchanges[:-1]) <= 12
        assert all(not each.text_ranks for each in exchanges[:-1])
