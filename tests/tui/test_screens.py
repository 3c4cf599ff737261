"""The other screens: help, palette, zoom, sessions, libraries, folders, saving; and what leads in and out of them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.widgets import Input, Static
from textual.widgets._toast import Toast

from dar_tui.tui import desktop
from dar_tui.tui.engine import PhotoFeedback, SendMessage
from dar_tui.tui.keymap import KEYS, Place
from dar_tui.tui.screens.dialogs import FolderScreen, HelpScreen, LibrariesScreen, SavingScreen, SessionsScreen
from dar_tui.tui.screens.zoom import ZoomScreen
from dar_tui.tui.widgets.lines import Hints
from indexer.errors import DarError, LibraryNotFound
from tests.tui.conftest import BLOCKS, MakeApp, idle, say, until
from tests.tui.fake_engine import FakeEngine, exchange
from tests.tui.reading import screen_text

WIDE = (140, 45)


@pytest.mark.parametrize("key", ["f1", "question_mark"])
async def test_help_lists_every_key(engine: FakeEngine, make_app: MakeApp, key: str) -> None:
    app = make_app(engine)
    async with app.run_test(size=(140, 120)) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", key)
        assert isinstance(app.screen, HelpScreen)
        await pilot.pause()
        text = screen_text(app)
        assert [each.help for each in KEYS if each.help not in text] == []
        await pilot.press("f1", "escape")
        assert app.screen is app.chat


async def test_every_command_is_in_the_palette(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        wanted = {
            each.help.capitalize()
            for each in KEYS
            if each.action.startswith(("app.", "screen."))
            and "{}" not in each.action
            and each.id != "palette"
            # These do something in their own list only.
            and each.place is not Place.LIBRARIES
        }
        # Each once, and none of Textual's own ("Maximize") among them.
        assert sorted(each.title for each in app.get_system_commands(app.chat)) == sorted(wanted)
        keys = {each.title: each.help for each in app.get_system_commands(app.chat)}
        assert keys["Choose a library, or add photos"] == "^l"
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"order by date")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(pilot, lambda: app.chat.photos.page.by_date)


async def test_a_photo_is_looked_at_large_with_all_that_is_known_of_it(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine, graphics=BLOCKS)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "enter")
        assert isinstance(app.screen, ZoomScreen)
        await until(pilot, lambda: "▀" in screen_text(app))
        text = screen_text(app)
        hit = app.chat.photos.shown[0]
        for part in (str(hit.path), "photo 1 of 24", "camera Canon EOS R5", "place 48.1372", "size 240 x 160, JPEG"):
            assert part in text.replace("\n", "")
        await pilot.press("right")
        assert app.chat.photos.cursor == 1
        assert "photo 2 of 24" in screen_text(app)
        await pilot.press("escape")
        assert app.screen is app.chat


async def test_numbers_zoom_and_zooming_judges(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "5", "plus")
        assert isinstance(app.screen, ZoomScreen)
        image_id = app.chat.photos.hit.image_id  # type: ignore[union-attr]
        await until(pilot, lambda: engine.feedback)
        assert engine.feedback == [PhotoFeedback(image_id, True)]
        assert "liked" in app.screen.words[0]
        await pilot.press("7")
        assert app.chat.photos.cursor == 6
        await pilot.press("m")
        await idle(pilot, app)
        assert app.screen is app.chat
        assert len(app.chat.photos.tiles) == 6


async def test_an_imagined_picture_looked_at_large_is_called_imagined(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "tab", "enter")
        assert isinstance(app.screen, ZoomScreen)
        assert "imagined by dar, not a photo" in app.screen.words[0]
        await pilot.press("p")
        assert "picked" in app.screen.words[0]


async def test_sixel_pictures_are_only_in_the_zoom(engine: FakeEngine, make_app: MakeApp) -> None:
    from dar_tui.tui.graphics.choice import Graphics, Means

    app = make_app(engine, graphics=Graphics(Means.BLOCKS, Means.SIXEL))
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "enter")
        await until(pilot, lambda: app.screen.query("#sixel"))
        await pilot.press("right")
        await until(pilot, lambda: app.screen.query("#sixel"))
        app.chat.photos.shown[2].path.unlink()
        await pilot.press("right")
        await until(pilot, lambda: "photo is gone" in screen_text(app))


async def test_a_photo_is_opened_revealed_and_its_path_copied(
    engine: FakeEngine, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(desktop, "_start", lambda command: started.append(list(command)))
    monkeypatch.setattr(desktop.sys, "platform", "linux")
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        path = app.chat.photos.shown[0].path
        await pilot.press("tab", "o")
        await until(pilot, lambda: len(started) == 1)
        await pilot.press("e", "c")
        await until(pilot, lambda: len(started) == 2)
        assert started[0] == ["xdg-open", str(path)]
        assert started[1][-2] == f"array:string:{path.as_uri()}"
        assert app.clipboard == str(path)


async def test_opening_a_photo_that_is_gone_or_without_a_viewer_says_what_to_do(
    engine: FakeEngine, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "o")
        await until(pilot, lambda: "Press c to copy" in app.chat.talk.remarks[-1])
        app.chat.photos.shown[0].path.unlink()
        await pilot.press("o")
        await until(pilot, lambda: "is not there any more" in app.chat.talk.remarks[-1])


async def test_an_error_in_the_zoom_is_shown_in_the_zoom(
    engine: FakeEngine, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    app = make_app(engine)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "enter", "o")
        await until(pilot, lambda: "Press c to copy" in app.chat.talk.remarks[-1])
        assert isinstance(app.screen, ZoomScreen)
        await until(pilot, lambda: any("Press c to copy" in str(each.render()) for each in app.screen.query(Toast)))


async def test_a_click_on_a_hint_does_what_its_key_does(engine: FakeEngine, make_app: MakeApp) -> None:
    def place(word: str) -> tuple[int, int]:
        hints = app.screen.query_one(Hints)
        return hints.content_region.x + str(hints.render()).index(f" {word} ") + 1, hints.region.y

    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", "right")
        await pilot.click(offset=place("like"))
        await until(pilot, lambda: engine.feedback)
        assert engine.feedback == [PhotoFeedback(app.chat.photos.shown[1].image_id, True)]
        assert app.focused is app.chat.photos
        await pilot.click(offset=place("zoom"))
        assert isinstance(app.screen, ZoomScreen)
        await pilot.pause()
        await pilot.click(offset=place("next"))
        assert app.chat.photos.cursor == 2
        await pilot.click(offset=place("back"))
        assert app.screen is app.chat
        await pilot.click(offset=place("write"))
        assert app.focused is app.chat.prompt
        app.chat.prompt.insert("it is blue")
        await pilot.click(offset=place("send"))
        await idle(pilot, app)
        assert app.chat.talk.exchanges[-1].message == "it is blue"
        await pilot.click(offset=place("help"))
        assert isinstance(app.screen, HelpScreen)
        await pilot.pause()
        await pilot.click(offset=place("back"))
        assert app.screen is app.chat


async def test_sessions_that_begin_alike_say_where_they_led(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, SessionsScreen))
        await pilot.pause()
        assert "a red [bold]square  3 messages, last: it was in Rome" in screen_text(app)


async def test_a_session_is_taken_up_again(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.exchanges = (exchange("a red [bold]square", engine.script.hits[:5]), exchange("blue", turn=1))
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, SessionsScreen))
        await pilot.pause()
        assert "2025-05-04 12:00  a red [bold]square" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: len(engine.opened) == 2 and app.chat.controller.opened)
        await idle(pilot, app)
        assert engine.opened[-1] == (None, engine.folder / "one.jsonl")
        assert [each.message for each in app.chat.talk.exchanges] == ["a red [bold]square", "blue"]
        assert len(app.chat.photos.tiles) == 24
        await pilot.press("up")
        assert app.chat.prompt.text == "blue"


async def test_a_new_session_begins_empty(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: len(engine.opened) == 2 and app.chat.controller.opened)
        await until(pilot, lambda: not app.chat.talk.exchanges)
        assert app.chat.photos.tiles == ()
        assert app.chat.controller.question is None


async def test_another_library_is_opened(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(app.screen, LibrariesScreen))
        await pilot.pause()
        text = screen_text(app)
        assert "24 photos, 2 files unreadable" in text
        assert "/mnt/[bold]usb is not there now" in text
        assert "written by a newer version" in text
        await pilot.press("down", "enter")
        await until(pilot, lambda: len(engine.opened) == 2)
        assert engine.opened[-1][0] == engine.folder / "other"


async def test_a_folder_is_added_and_the_library_updated(engine: FakeEngine, make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    engine.script.index_files = 3
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(app.screen, LibrariesScreen))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, FolderScreen))
        app.screen.query_one(Input).value = str(tmp_path / "holiday")
        await pilot.press("enter")
        await until(pilot, lambda: any("Indexed: 24 photos" in line for line in app.chat.talk.remarks))
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(app.screen, LibrariesScreen))
        await pilot.press("u")
        await until(pilot, lambda: len(engine.indexed) == 2)
        assert engine.indexed == [tmp_path / "holiday", None]


async def test_the_first_run_offers_to_index_and_searches_as_it_grows(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    engine.script.no_library = True
    engine.script.index_files = 40
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, FolderScreen))
        await pilot.pause()
        assert "There are no photos yet" in screen_text(app)
        field = app.screen.query_one(Input)
        field.value = ""
        await pilot.press("enter")
        assert "Write the folder" in str(app.screen.query_one("#wrong", Static).content)
        field.value = str(tmp_path / "nowhere")
        await pilot.press("enter")
        assert "is not there" in str(app.screen.query_one("#wrong", Static).content)
        engine.script.gate.clear()
        field.value = str(tmp_path / "photos")
        await pilot.press("enter")
        await until(pilot, lambda: app.chat.controller.opened)
        await until(pilot, lambda: "indexing 40 files" in app.chat.status.facts.doing)
        engine.imagining = False
        await pilot.press(*"red", "enter")
        await until(pilot, lambda: app.chat.photos.tiles)
        engine.script.gate.set()
        await until(pilot, lambda: any("Indexed" in line for line in app.chat.talk.remarks))
        assert app.chat.status.facts.doing == ""


async def test_the_first_run_can_be_left_and_come_back_to(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.no_library = True
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, FolderScreen))
        await pilot.press("escape")
        assert app.screen is app.chat
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(app.screen, LibrariesScreen))


@pytest.mark.parametrize(
    "error", [DarError("The encoder changed.", "Run `dar index --switch-encoder`."), RuntimeError("a [red]crash")]
)
async def test_a_library_that_cannot_be_opened_says_what_to_do(
    engine: FakeEngine, make_app: MakeApp, error: Exception
) -> None:
    engine.script.open_error = error  # type: ignore[assignment]
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        expected = "--switch-encoder" if isinstance(error, DarError) else "a [red]crash"
        await until(pilot, lambda: any(expected in line for line in app.chat.talk.remarks))
        assert app.screen is app.chat
        assert app.chat.status.facts.doing == ""


async def test_a_library_that_is_gone_offers_to_make_one(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.open_error = LibraryNotFound("There is no library at /gone.", "Run `dar index FOLDER`.")
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, FolderScreen))


async def test_a_library_that_goes_while_it_is_open_is_told_and_made_again(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        engine.script.open_error = LibraryNotFound("There is no library at /gone.", "Run `dar index FOLDER`.")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: isinstance(app.screen, FolderScreen))
        assert any("/gone" in remark for remark in app.chat.talk.remarks)
        engine.script.open_error = None
        app.screen.query_one(Input).value = str(tmp_path)
        await pilot.press("enter")
        await until(pilot, lambda: app.chat.controller.opened)
        await say(pilot, app, "blue")


async def test_saving_refuses_what_it_cannot_write_and_saves_the_rest(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press("ctrl+s")
        assert app.screen is app.chat
        await say(pilot, app, "red")
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, SavingScreen)
        field, wrong = app.screen.query_one(Input), app.screen.query_one("#wrong", Static)
        assert field.value == str(tmp_path / "dar-2025-11-23-120000.html")
        for value, says in (
            (tmp_path / "page.pdf", "must end in"),
            (tmp_path / "none" / "page.md", "There is no folder"),
        ):
            field.value = str(value)
            await pilot.press("enter")
            assert says in str(wrong.content)
        (tmp_path / "there.md").touch()
        field.value = str(tmp_path / "there.md")
        await pilot.press("enter")
        assert "is there already" in str(wrong.content)
        field.value = str(tmp_path / "page.html")
        await pilot.press("enter")
        await until(pilot, lambda: any("Saved to" in line for line in app.chat.talk.remarks))
        assert "data:image/jpeg;base64," in (tmp_path / "page.html").read_text()


async def test_the_theme_is_remembered(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        assert app.theme == "dar-dark"
        await pilot.press("ctrl+t")
        assert app.theme == "dar-light"
    again = make_app(engine)
    async with again.run_test() as pilot:
        await until(pilot, lambda: again.chat.controller.opened)
        assert again.theme == "dar-light"


async def test_without_colours_the_theme_has_none_and_nothing_is_remembered(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app(engine, colours=False)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        assert app.theme == "ansi-dark"
    assert not (tmp_path / "home" / "interface.json").exists()


async def test_what_lies_away_is_told(engine: FakeEngine, make_app: MakeApp) -> None:
    opened = engine.open()
    engine.open = lambda library=None, session=None: replace(opened, notes=("/mnt/usb is not there now",))  # type: ignore[method-assign]
    app = make_app(engine)
    async with app.run_test() as pilot:
        await until(pilot, lambda: "/mnt/usb is not there now" in app.chat.talk.remarks)


async def test_a_message_without_a_library_says_what_to_do_and_stays(engine: FakeEngine, make_app: MakeApp) -> None:
    engine.script.no_library = True
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, FolderScreen))
        await pilot.press("escape", *"a red dog", "enter")
        await until(pilot, lambda: any("Press ^l" in line for line in app.chat.talk.remarks))
        assert app.chat.prompt.text == "a red dog"
        assert engine.played == [] and app.chat.controller.turns == 0


async def test_a_folder_written_into_the_prompt_of_a_first_run_is_indexed(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    engine.script.no_library = True
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, FolderScreen))
        await pilot.press("escape")
        app.chat.prompt.insert(str(tmp_path / "nowhere"))
        await pilot.press("enter")
        await until(pilot, lambda: any("There is no folder" in line for line in app.chat.talk.remarks))
        assert app.chat.prompt.text == str(tmp_path / "nowhere")
        app.chat.prompt.clear()
        app.chat.prompt.insert(str(tmp_path))
        await pilot.press("enter")
        await until(pilot, lambda: engine.indexed == [tmp_path] and app.chat.controller.opened)
        assert engine.played == []


async def test_of_two_libraries_opened_quickly_the_last_is_shown_and_searched(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        slow, quick = tmp_path / "slow", tmp_path / "quick"
        engine.script.open_gates[slow] = gate = threading.Event()
        app.open_session(slow, None)
        await until(pilot, lambda: engine.opened[-1] == (slow, None))
        app.open_session(quick, None)
        app.chat.controller.send("red")
        await pilot.pause(0.05)
        gate.set()
        await idle(pilot, app)
        assert engine.library == quick and app.chat.status.facts.library == "quick"
        assert engine.played == [SendMessage("red")]


@pytest.mark.parametrize("meanwhile", [False, True])
async def test_a_library_that_cannot_be_opened_leaves_the_one_before_usable(
    engine: FakeEngine, make_app: MakeApp, tmp_path: Path, meanwhile: bool
) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        broken = tmp_path / "broken"
        engine.script.broken = broken
        if meanwhile:
            engine.script.open_gates[tmp_path / "slow"] = gate = threading.Event()
            app.open_session(tmp_path / "slow", None)
            await until(pilot, lambda: engine.opened[-1] == (tmp_path / "slow", None))
            app.open_session(broken, None)
            gate.set()
        else:
            app.open_session(broken, None)
        await until(pilot, lambda: any("newer version" in line for line in app.chat.talk.remarks))
        await until(pilot, lambda: app.chat.controller.opened)
        assert engine.library.name == app.chat.status.facts.library
        await say(pilot, app, "blue")
        assert engine.played[-1] == SendMessage("blue")


async def test_ctrl_c_says_how_to_quit(engine: FakeEngine, make_app: MakeApp) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await until(pilot, lambda: app.chat.controller.opened)
        await pilot.press(*"red", "ctrl+c")
        await until(pilot, lambda: any("Press ^q to quit" in each.message for each in app._notifications))
        assert app.chat.prompt.text == "red"


async def test_an_empty_folder_says_so(engine: FakeEngine, make_app: MakeApp, tmp_path: Path) -> None:
    engine.script.hits = ()
    engine.script.folders = (tmp_path / "empty",)
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, FolderScreen))
        await pilot.press("escape")
        app.start_indexing(tmp_path / "empty")
        await until(pilot, lambda: any("There are no photos in" in line for line in app.chat.talk.remarks))


async def test_a_message_is_searched_again_as_photos_arrive(engine: FakeEngine, make_app: MakeApp) -> None:
    hits, engine.script.hits = engine.script.hits, engine.script.hits[:2]
    engine.script.index_files = 250
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        engine.script.hits = hits
        app.start_indexing(None)
        await until(pilot, lambda: len(app.chat.photos.tiles) == 24)


@pytest.mark.parametrize("open_form", ["f", "ctrl+s"])
async def test_what_is_wrong_in_a_form_goes_as_one_types(engine: FakeEngine, make_app: MakeApp, open_form: str) -> None:
    app = make_app(engine)
    async with app.run_test(size=WIDE) as pilot:
        await say(pilot, app, "red")
        await pilot.press("tab", open_form, *"nonsense", "enter")
        wrong = app.screen.query_one("#wrong", Static)
        assert str(wrong.content)
        await pilot.press("x")
        await until(pilot, lambda: not str(wrong.content))
