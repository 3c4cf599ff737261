"""Marking photos and what is done with them: copies, moves, links, paths, contact sheet, programs, slideshow, undo."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from dar_tui.tui import marks
from dar_tui.tui.app import DarApp
from dar_tui.tui.screens.actions import ActionKind, ActionsScreen
from dar_tui.tui.screens.zoom import ZoomScreen
from tests.tui.conftest import MakeApp, say, until
from tests.tui.fake_engine import FakeEngine, Script, make_hits


def said(app: DarApp, words: str) -> bool:
    """Whether the talk shows it."""
    return any(words in str(getattr(each, "content", "")) for each in app.chat.talk.query("*"))


async def act(pilot: Pilot[None], app: DarApp, kind: ActionKind, where: str | None = None) -> None:
    """Chooses an action by its keys; `where` is written into its line."""
    await pilot.press("a")
    await until(pilot, lambda: isinstance(app.screen, ActionsScreen))
    await pilot.press(*["down"] * list(ActionKind).index(kind), "enter")
    if where is not None:
        await until(pilot, lambda: isinstance(app.screen.focused, Input))
        line = app.screen.query_one("#where", Input)
        line.value = where
        await pilot.press("enter")
    await until(pilot, lambda: not isinstance(app.screen, ActionsScreen))


async def mark(pilot: Pilot[None], app: DarApp, places: Sequence[int]) -> list[Path]:
    """Marks the photos at these places and returns their paths."""
    app.chat.set_focus(app.chat.photos)
    for place in places:
        app.chat.photos.cursor = place
        await pilot.press("space")
    return [app.chat.photos.shown[place].path for place in places]


async def test_marks_are_seen_and_stay_for_the_next_turn(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        await mark(pilot, app, [0, 2])
        assert app.chat.photos.tiles[2].title.startswith("\u2611")
        assert app.chat.status.facts.marked == 2
        await pilot.press("space")
        assert app.chat.status.facts.marked == 1
        await say(pilot, app, "blue")
        assert app.chat.photos.tiles[0].title.startswith("\u2611")


@pytest.mark.parametrize("kind", [ActionKind.COPY, ActionKind.LINK])
async def test_marked_photos_are_copied_or_linked_and_u_undoes_it(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path, kind: ActionKind
) -> None:
    app, trip = make_app(engine), tmp_path / "trip"
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        paths = await mark(pilot, app, [3, 1])
        await act(pilot, app, kind, str(trip))
        await until(pilot, lambda: not app.photo_actions.marked)
        assert {each.name for each in trip.iterdir()} == {path.name for path in paths}
        assert all(each.is_symlink() == (kind is ActionKind.LINK) for each in trip.iterdir())
        assert said(app, "2 photos to")
        await pilot.press("u")
        await until(pilot, lambda: not trip.exists())
        await until(pilot, lambda: len(app.photo_actions.marked) == 2)
        assert all(path.is_file() for path in paths)


async def test_moved_photos_are_followed_by_the_library_and_come_back(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    app, trip = make_app(engine), tmp_path / "trip"
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        paths = await mark(pilot, app, [1])
        await act(pilot, app, ActionKind.MOVE, str(trip))
        await until(pilot, lambda: engine.indexed == [trip, None])
        assert not paths[0].exists() and (trip / paths[0].name).is_file()
        await until(pilot, lambda: not app.indexing.running)
        await pilot.press("u")
        await until(pilot, lambda: engine.indexed == [trip, None, None])
        assert paths[0].is_file() and not trip.exists()


async def test_without_marks_the_selected_photo_is_copied(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        app.chat.set_focus(app.chat.photos)
        app.chat.photos.cursor = 4
        await act(pilot, app, ActionKind.COPY, str(tmp_path / "one"))
        await until(pilot, lambda: said(app, "Copied 1 photo"))
        assert [each.name for each in (tmp_path / "one").iterdir()] == [app.chat.photos.shown[4].path.name]


async def test_a_contact_sheet_and_a_file_of_paths_hold_names_of_any_bytes(make_app: MakeApp, tmp_path: Path) -> None:
    hits = make_hits(tmp_path / "photos", 4, names=[os.fsdecode(b"caf\xe9 <b>.jpg"), "plain.jpg"])
    engine = FakeEngine(tmp_path, Script(hits))
    app, sheet, paths = make_app(engine), tmp_path / "sheet.html", tmp_path / "paths.txt"
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        marked = await mark(pilot, app, [0, 1])
        await act(pilot, app, ActionKind.SHEET, str(sheet))
        await until(pilot, lambda: said(app, "contact sheet"))
        await act(pilot, app, ActionKind.PATHS, str(paths))
        await until(pilot, lambda: said(app, "Wrote the paths"))
    page = sheet.read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert "caf%E9%20%3Cb%3E.jpg" in page and "&lt;b&gt;" in page and "<b>" not in page
    assert paths.read_bytes().splitlines() == [os.fsencode(path) for path in marked]


async def test_a_file_that_is_there_is_not_written_over(engine: FakeEngine, make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    app = make_app(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        await mark(pilot, app, [0])
        await pilot.press("a", "down", "down", "down", "enter")
        line = app.screen.query_one("#where", Input)
        line.value = str(tmp_path / "mine.txt")
        await pilot.press("enter")
        assert "there already" in str(app.screen.query_one("#wrong").content)  # type: ignore[attr-defined]
        await pilot.press("escape")
        assert app.screen is app.chat
    assert (tmp_path / "mine.txt").read_text() == "mine"


async def test_marked_photos_open_in_a_program_of_ones_choice(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    program = tmp_path / "viewer"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/opened.new\nmv {tmp_path}/opened.new {tmp_path}/opened\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    app = make_app(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        paths = await mark(pilot, app, [0, 1])
        await act(pilot, app, ActionKind.OPEN, f"{program} --full")
        await until(pilot, (tmp_path / "opened").exists)
    assert (tmp_path / "opened").read_text().splitlines() == ["--full", *map(str, paths)]


async def test_a_slideshow_shows_the_marked_photos_one_by_one_and_stops_by_escape(
    engine: FakeEngine, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "SLIDE_SECONDS", 0.05)
    app = make_app(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        await mark(pilot, app, [1, 3, 6])
        await act(pilot, app, ActionKind.SLIDESHOW)
        assert isinstance(app.screen, ZoomScreen)
        shown = [app.chat.photos.shown[place].image_id for place in (1, 3, 6)]
        await until(pilot, lambda: engine.looked_at == shown)
        await pilot.press("escape")
        assert app.screen is app.chat


async def test_unmarking_all_and_the_list_without_marks(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=(120, 40)) as pilot:
        await say(pilot, app, "red")
        await mark(pilot, app, [0, 1])
        await act(pilot, app, ActionKind.CLEAR)
        assert app.chat.status.facts.marked == 0
        await pilot.press("a")
        assert app.screen.query_one(OptionList).option_count == len(ActionKind) - 1
