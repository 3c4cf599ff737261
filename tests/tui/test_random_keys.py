"""Random keys and resizes, seeded: whatever is pressed, the app stays, and so do the photos."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from textual.events import Key

from dar_tui.tui import desktop
from dar_tui.tui.keymap import KEYS
from tests.tui.conftest import MakeApp, say, until
from tests.tui.fake_engine import FakeEngine

# Everything but what ends the app; letters, marks and a few characters nobody expects.
PRESSED = [
    *sorted({each for key in KEYS if key.id != "quit" for each in key.keys.split(",")}),
    *"etaoin .,;~",
    *("delete", "ctrl+c", "ctrl+u", "ctrl+k", "f5", "\u00e9", "\u72ac"),
]
# A terminal sends what is typed fast in one piece; and a pause after each key would take a minute and a half.
# DAR_RANDOM_KEYS=1000 presses so many in each test.
PER_BURST = 10
BURSTS = int(os.environ.get("DAR_RANDOM_KEYS", "60")) // PER_BURST
SIZES = [(80, 24), (120, 36), (160, 45), (40, 12), (20, 6), (1, 1)]


@pytest.mark.parametrize("seed", range(4))
async def test_random_keys_and_sizes_break_nothing(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    # No viewer is started, and what is copied or saved goes below the test's own folder.
    monkeypatch.setattr(desktop, "_start", lambda command: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    before = {each.read_bytes() for each in (tmp_path / "photos").iterdir()}
    chance = random.Random(seed)
    app = make_app(engine)
    async with app.run_test(size=(120, 36)) as pilot:
        await say(pilot, app, "red")
        for _ in range(BURSTS):
            if chance.random() < 0.3:
                await pilot.resize_terminal(*chance.choice(SIZES))
            for key in chance.choices(PRESSED, k=PER_BURST):
                app.post_message(Key(key, key if len(key) == 1 else None))
            await pilot.pause()
        await pilot.resize_terminal(120, 36)
        for _ in range(10):
            await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)  # each kind of screen is open once at most
        assert app.failure is None
        app.chat.prompt.focus()
        app.chat.prompt.text = ""
        await pilot.press(*"still here")
        assert app.chat.prompt.text == "still here"
    # Copied and moved about, but every picture is still somewhere.
    assert before <= {each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}


@pytest.mark.parametrize("key", ["f1", "ctrl+l", "ctrl+r"])
async def test_a_key_pressed_twice_opens_one_screen(engine: FakeEngine, make_app: MakeApp, key: str) -> None:
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press(key)
        await until(pilot, lambda: app.screen is not app.chat)
        await pilot.press(key, key)
        await until(pilot, lambda: True)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)


@pytest.mark.parametrize("key", ["pageup", "pagedown"])
async def test_a_page_of_a_list_that_does_not_fit_the_screen_is_nothing(
    engine: FakeEngine, make_app: MakeApp, key: str
) -> None:
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: app.screen is not app.chat)
        await pilot.resize_terminal(20, 2)
        await pilot.press(key)
        assert app.failure is None


async def test_enter_and_escape_in_one_burst_leave_a_screen_once(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: app.screen is not app.chat)
        opened = app.screen
        for _ in range(3):
            opened.dismiss(None)
        await until(pilot, lambda: app.screen is app.chat)
        assert app.failure is None
