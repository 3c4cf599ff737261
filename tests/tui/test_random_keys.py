"""A thousand random keys and resizes, seeded: whatever is pressed, the app stays, and so do the photos."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dar_tui.tui import desktop
from dar_tui.tui.keymap import KEYS
from tests.tui.conftest import BLOCKS, MakeApp, say, until
from tests.tui.fake_engine import FakeEngine

# Everything but what ends the app; letters, marks and a few characters nobody expects.
PRESSED = [
    *sorted({each for key in KEYS if key.id != "quit" for each in key.keys.split(",")}),
    *"etaoin .,;~",
    *("delete", "ctrl+c", "ctrl+u", "ctrl+k", "f5", "\u00e9", "\u72ac"),
]
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
    app = make_app(engine, BLOCKS)
    async with app.run_test(size=(120, 36)) as pilot:
        await say(pilot, app, "red")
        for _ in range(250):
            if chance.random() < 0.05:
                await pilot.resize_terminal(*chance.choice(SIZES))
            await pilot.press(chance.choice(PRESSED))
        await pilot.resize_terminal(120, 36)
        for _ in range(10):
            await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.chat)
        assert app.failure is None
        app.chat.prompt.focus()
        app.chat.prompt.text = ""
        await pilot.press(*"still here")
        assert app.chat.prompt.text == "still here"
    # Copied and moved about, but every picture is still somewhere.
    assert before <= {each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
