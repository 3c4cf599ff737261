"""Four screens as text, compared with what they were when somebody last looked at them.

To accept a change that is meant: DAR_UPDATE_SNAPSHOTS=1 pytest tests/tui/test_snapshots.py, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dar_tui.tui.app import DarApp
from tests.tui.conftest import MakeApp, say, until
from tests.tui.fake_engine import FakeEngine
from tests.tui.reading import screen_text

FOLDER = Path(__file__).parent / "snapshots"


def compare(app: DarApp, name: str, hidden: Path) -> None:
    """`hidden`: the test's own folder, whose name differs from run to run."""
    text = screen_text(app).replace(str(hidden), "~") + "\n"
    file = FOLDER / f"{name}.txt"
    if os.environ.get("DAR_UPDATE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


async def test_welcome(engine: FakeEngine, make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(engine)
    async with app.run_test(size=(110, 30)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened and not app.chat.status.facts.doing)
        compare(app, "welcome", tmp_path)


@pytest.mark.parametrize(("name", "size"), [("turn", (140, 40)), ("narrow", (80, 24))])
async def test_a_turn_with_results(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    app = make_app(engine)
    async with app.run_test(size=size) as pilot:
        await say(pilot, app, "a red square on a beach")
        await pilot.press("tab", "right", "plus")
        await until(pilot, lambda: not app.chat.controller.player.running and len(engine.played) == 2)
        compare(app, name, tmp_path)


async def test_help(engine: FakeEngine, make_app: MakeApp, tmp_path: Path) -> None:
    # A path of the length that was looked at: the help folds a longer one.
    app = make_app(engine, keys=Path("~/keys.toml"))
    async with app.run_test(size=(120, 85)) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("f1")
        await pilot.pause()
        compare(app, "help", tmp_path)
