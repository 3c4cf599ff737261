"""Fixtures for the terminal app: a fake engine, the app on it, and waiting for what threads do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot

from dar_tui.cli.dates import parse_date
from dar_tui.tui.app import AppOptions, DarApp
from dar_tui.tui.graphics.choice import Graphics, Means
from tests.tui.fake_engine import FakeEngine, Script, make_hits

_SECONDS = 30.0

BLOCKS = Graphics(Means.BLOCKS, Means.BLOCKS)
WORDS = Graphics(Means.OFF, Means.OFF)


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    """An engine over 24 hits."""
    return FakeEngine(tmp_path, Script(make_hits(tmp_path / "photos", 24)))


MakeApp = Callable[..., DarApp]


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """Makes the app on an engine; words in place of pictures unless a test is about pictures."""

    def make(engine: FakeEngine, graphics: Graphics = WORDS, **changes: object) -> DarApp:
        options = {
            "home": tmp_path / "home",
            "keys": tmp_path / "keys.toml",
            "pages": tmp_path,
            "graphics": graphics,
            "parse_date": parse_date,
            "now": lambda: datetime(2025, 11, 23, 12),
        }
        return DarApp(engine, AppOptions(**{**options, **changes}))  # type: ignore[arg-type]

    return make


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Waits until threads and messages have made something true."""
    deadline = asyncio.get_running_loop().time() + _SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.005)
    await pilot.pause()


async def say(pilot: Pilot[None], app: DarApp, text: str) -> None:
    """Types a message, sends it, and waits until all of its turn is on the screen."""
    chat = app.chat
    await until(pilot, lambda: chat.controller.opened)
    chat.prompt.focus()
    chat.prompt.insert(text)
    await pilot.press("enter")
    await idle(pilot, app)


async def say_and_imagine(pilot: Pilot[None], app: DarApp, text: str) -> None:
    """Types a message, sends it, and waits until pictures of it are being drawn."""
    chat = app.chat
    await until(pilot, lambda: chat.controller.opened)
    await pilot.press(*text, "enter")
    await until(pilot, lambda: "imagining" in chat.status.facts.doing)


async def idle(pilot: Pilot[None], app: DarApp) -> None:
    """Waits until nothing is played any more."""
    await until(pilot, lambda: app.chat.controller.exchange is not None and not app.chat.controller.player.running)
