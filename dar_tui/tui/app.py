"""The app: what it shows first, how a library comes into it, what its own keys open, and how it ends.

Shows the screens and hands results from one to the other; the session is the chat's `controller`'s, finding the
engine's. The screens that keys open are imported then: 0.06 s that the first paint does not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from rich.console import Console, RenderableType
from textual import events, on
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.driver import Driver
from textual.filter import ANSIToTruecolor, LineFilter
from textual.screen import Screen

from dar_tui.tui import background, desktop, themes, wording
from dar_tui.tui.engine import ChatEngine, LibraryFacts, Opened, SavedSession
from dar_tui.tui.graphics.choice import Graphics, Means
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.graphics.picture import PicturePainter
from dar_tui.tui.indexing import Indexing, Meter
from dar_tui.tui.keymap import KEYS, Place, bindings, read_remapping, shown, textual_keymap
from dar_tui.tui.marks import PhotoActions
from dar_tui.tui.messages import (
    ErrorReport,
    FirstPaint,
    FolderNamed,
    Indexed,
    IndexEnded,
    OpeningFailed,
    PictureReady,
    SessionOpened,
    StatusText,
)
from dar_tui.tui.screens.chat import ChatScreen
from dar_tui.tui.screens.zoom import ZoomScreen
from dar_tui.tui.terminal import tolerant
from dar_tui.tui.widgets.pictures import ImaginedStrip, PhotoGrid
from indexer.errors import DarError, LibraryNotFound
from indexer.indexing.events import Planned, Progress
from indexer.printable import visible

if TYPE_CHECKING:
    from dar_tui.tui.screens.dialogs import LibraryChoice, ParseDate
    from indexer.search.hits import Hit

T = TypeVar("T")
# A page that waits for photos is searched again each time that so many more are indexed.
_SEARCH_AGAIN = 200

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppOptions:
    """How the app is to run: everything that whoever opens it decides beforehand.

    `home`: dar's data folder; `keys`: the user's own keys; `session`: one to resume. `pages`: the folder that saved
    pages are suggested for; `typed`: what was typed before the app began.
    """

    home: Path
    keys: Path
    pages: Path
    graphics: Graphics
    parse_date: ParseDate
    session: Path | None = None
    colours: bool = True
    typed: str = ""
    now: Callable[[], datetime] = datetime.now


class DarApp(App[None]):
    """`dar chat` in a terminal."""

    CSS_PATH = "dar.tcss"
    TITLE = "dar"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.ANYWHERE)]
    # Text is to be read, not watched arriving; and every frame of an animation is a screen of pictures.
    DEFAULT_ANIMATION = "none"

    def __init__(self, engine: ChatEngine, options: AppOptions) -> None:
        # Only a theme of the terminal's own colours is stripped of them all under NO_COLOR; others turn grey.
        super().__init__(ansi_color=None if options.colours else True)
        self.engine = engine
        self.options = options
        self.remapping = read_remapping(options.keys)
        self.gallery = self._gallery()
        self.chat = ChatScreen(engine, self.remapping, self.gallery, sixel=options.graphics.zoom is Means.SIXEL)
        self.indexing = Indexing(engine, self.post_message)
        self.photo_actions = PhotoActions(self, self)
        self._library: LibraryFacts | None = None
        self._meter = Meter()
        # How many files of the index run were done when the page was searched last.
        self._searched_again = 0
        # Photos were moved to a folder that is being added: the library is updated after it.
        self._update_next = False
        # The error that ended the app, if one did.
        self.failure: DarError | None = None
        self._opening = 0
        self._openings = background.WorkQueue(self._report, "dar-open")
        self._overtaken: Opened | None = None
        # Keys that come before there is a prompt wait for it; None once it is there.
        self._early: list[events.Key | events.Paste] | None = []
        self._themed = False
        # Before it runs: another theme later would parse every style twice.
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = themes.chosen(themes.recall(options.home).theme, self.available_themes, colours=options.colours)
        self.animation_level = "none"

    # The first paint

    def on_mount(self) -> None:
        """Shows the chat at once, then opens the library."""
        self._themed = True
        self._quit_on_signals()
        self.set_keymap(textual_keymap(self.remapping))
        self.push_screen(self.chat)
        for problem in self.remapping.problems:
            self.call_after_refresh(self.chat.post_message, ErrorReport(problem))

    async def on_event(self, event: events.Event) -> None:
        """Keeps what is typed before there is a prompt; hands letters that are to be written to it."""
        if self._early is not None and isinstance(event, events.Key | events.Paste):
            self._early.append(event)
            return
        is_key = isinstance(event, events.Key) and not event.is_forwarded and self.screen is self.chat
        if is_key and self.chat.redirect(cast(events.Key, event)):
            return
        await super().on_event(event)

    @on(FirstPaint)
    async def painted(self) -> None:
        """Hands over early keys and opens the library: not before, since that imports numpy and SQLite."""
        early, self._early = self._early, None
        self.chat.prompt.type(self.options.typed)
        for event in early or ():
            await self.on_event(event)
        self.open_session(None, self.options.session)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without the one that turns the terminal's 16 colours into others, which our themes do not use.

        It looks at every cell of every picture: a third of the time that a screen full of them takes.
        """
        filters = super().get_line_filters()
        return (
            filters if self.native_ansi_color else [each for each in filters if not isinstance(each, ANSIToTruecolor)]
        )

    def _gallery(self) -> Gallery | None:
        if self.options.graphics.grid is Means.OFF:
            return None

        def make_painter() -> PicturePainter:
            if self.options.graphics.grid is Means.KITTY:
                from dar_tui.tui.graphics.kitty import KittyPainter

                return KittyPainter()
            from dar_tui.tui.graphics.blocks import block_painter

            return block_painter(self.options.graphics.symbols)

        return Gallery(make_painter, lambda request: self._send_to_chat(PictureReady(request)), self._send)

    def _send_to_chat(self, message: PictureReady | StatusText | ErrorReport) -> None:
        self.chat.post_message(message)

    def _send(self, text: str) -> None:
        # The driver's queue keeps what it is given in order with what Textual draws.
        if self._driver is not None:
            self._driver.write(text)

    def _report(self, error: DarError) -> None:
        self._send_to_chat(ErrorReport(f"{error.message} {error.hint}".rstrip()))

    # Opening

    def open_session(self, library: Path | None, session: Path | None) -> None:
        """Opens a library (None: the open one) with a session (None: a new one), in a thread; then loads models.

        The prompt takes text meanwhile.
        """
        self._opening += 1
        number = self._opening
        self.chat.controller.suspend()
        self._send_to_chat(StatusText("opening the library"))

        def warm_up() -> None:
            try:
                self.engine.warm_up(lambda line: self._send_to_chat(StatusText(line)))
            finally:
                self._send_to_chat(StatusText(""))

        def work() -> None:
            if number != self._opening:
                return
            try:
                opened = self.engine.open(library, session)
            except Exception as error:
                self.post_message(OpeningFailed(number, background.named(error)))
                return
            finally:
                self._send_to_chat(StatusText(""))
            self.post_message(SessionOpened(number, opened))
            background.run(warm_up, self._report, "dar-warm-up")

        # One after the other: the engine has the one that was opened last, which must be the one asked for last.
        self._openings.put(work)

    @on(SessionOpened)
    def session_opened(self, message: SessionOpened) -> None:
        """Shows the session. Where another was asked for meanwhile, keeps it: that one may not open."""
        if not self.chat.is_running:
            return
        if message.number != self._opening:
            self._overtaken = message.opened
            return
        self._overtaken = None
        self._begin(message.opened)

    def _begin(self, opened: Opened) -> None:
        if self._library is not None and self._library.path != opened.library.path:
            self.photo_actions.clear()
        self._library = opened.library
        self.chat.controller.begin(opened)
        if opened.library.photos == 0 and not self.indexing.running:
            self.add_folder(first=True)

    @on(OpeningFailed)
    def opening_failed(self, message: OpeningFailed) -> None:
        """Without a library, offers to make one; reports everything else."""
        if message.number != self._opening:
            return
        overtaken, self._overtaken = self._overtaken, None
        if isinstance(message.error, LibraryNotFound):
            if self._library is not None:
                # It was there a moment ago; one that is made now is opened as the first is.
                self._report(message.error)
                self._library = None
            if not self.indexing.running:
                self.chat.controller.without_library()
                self.add_folder(first=True)
            return
        # The engine still has what was open before.
        if overtaken is not None:
            self._begin(overtaken)
        elif self._library is not None:
            self.chat.controller.resume()
        else:
            self.chat.controller.without_library()
        self._report(message.error)

    # Indexing

    def add_folder(self, *, first: bool = False) -> None:
        """Asks for a folder and indexes it."""
        from dar_tui.tui.screens.dialogs import FolderScreen

        title = "Which photos?" if first else "Add a folder of photos"
        text = (
            "There are no photos yet. Choose a folder of photos: it is searched while it is indexed, and indexing can"
            " be stopped and resumed at any time."
            if first
            else "Its photos become part of the open library."
        )
        pictures = Path.home() / "Pictures"
        suggestion = str(pictures) if first and pictures.is_dir() else ""

        def index(folder: Path | None) -> None:
            if folder is not None:
                self.start_indexing(folder)

        self._open(FolderScreen(title, text, suggestion), index)

    def start_indexing(self, folder: Path | None) -> None:
        """Indexes a folder, or brings the library up to date (None)."""
        if self.indexing.running:
            self.notify("Indexing is running already.", timeout=4)
            return
        self._meter, self._searched_again = Meter(), 0
        self.indexing.start(folder)

    @on(FolderNamed)
    def folder_named(self, message: FolderNamed) -> None:
        """Indexes a folder that was written into the prompt."""
        self.start_indexing(message.folder)

    @on(Indexed)
    def indexed(self, message: Indexed) -> None:
        """Shows how far it is; opens the library as soon as there is one."""
        line = self._meter.line(message.event)
        if line is not None:
            self.chat.show_indexing(line)
        if isinstance(message.event, Planned) and self._library is None:
            self.open_session(None, None)
        if isinstance(message.event, Progress) and message.event.done >= self._searched_again + _SEARCH_AGAIN:
            self._searched_again = message.event.done
            self.chat.controller.photos_changed()

    @on(IndexEnded)
    def index_ended(self, message: IndexEnded) -> None:
        """Shows what came of it."""
        self.chat.show_indexing("")
        if message.error is not None:
            self._report(message.error)
        if message.facts is not None:
            self._library = message.facts
            self.chat.show_status(photos=message.facts.photos, encoder=message.facts.encoder)
            self.chat.talk.remark(self._index_summary(message.facts))
            self.chat.controller.photos_changed()
        update, self._update_next = self._update_next, False
        if update and message.error is None:
            self.start_indexing(None)

    def _index_summary(self, facts: LibraryFacts) -> str:
        unreadable = f", {facts.unreadable:,} files unreadable" if facts.unreadable else ""
        if facts.photos:
            return f"Indexed: {facts.photos:,} photos{unreadable}. Describe one."
        folders = ", ".join(visible(folder) for folder in facts.folders)
        key = shown(self.remapping.keys_for("library")[0])
        return f"There are no photos in {folders}{unreadable}. Press {key} and then a to add another folder."

    # What keys open

    def _open(self, screen: Screen[T], then: Callable[[T | None], None]) -> None:
        """Opens a screen, unless one of its kind is open: its key pressed again would cover it with another."""
        if not any(type(each) is type(screen) for each in self.screen_stack):
            self.push_screen(screen, then)

    def action_command_palette(self) -> None:
        """Every command by its words."""
        from dar_tui.tui.screens.dialogs import Palette

        if not any(isinstance(each, Palette) for each in self.screen_stack):
            self.push_screen(Palette(id="--command-palette"))

    def action_help(self) -> None:
        """All keys."""
        from dar_tui.tui.screens.dialogs import HelpScreen

        self._open(HelpScreen(self.remapping, self.options.keys), lambda _: None)

    def action_new_session(self) -> None:
        """A new session; the one before is saved already."""
        self.open_session(None, None)

    def action_sessions(self) -> None:
        """Earlier sessions."""
        from dar_tui.tui.screens.dialogs import SessionsScreen

        def resume(path: Path | None) -> None:
            if path is not None:
                self.open_session(None, path)

        def listed(sessions: list[SavedSession]) -> None:
            self._open(SessionsScreen(sessions), resume)

        self._fetch(self.engine.sessions, listed)

    def action_libraries(self) -> None:
        """Libraries."""
        from dar_tui.tui.screens.dialogs import LibrariesScreen

        def listed(libraries: list[LibraryFacts]) -> None:
            current = self._library.path if self._library is not None else None
            self._open(LibrariesScreen(libraries, current), self._do)

        self._fetch(self.engine.libraries, listed)

    def _do(self, choice: LibraryChoice | None) -> None:
        from dar_tui.tui.screens.dialogs import AddFolder, OpenLibrary

        if isinstance(choice, OpenLibrary):
            self.open_session(choice.path, None)
        elif isinstance(choice, AddFolder):
            self.add_folder(first=self._library is None)
        elif choice is not None:
            self.start_indexing(None)

    def _fetch(self, get: Callable[[], T], then: Callable[[T], None]) -> None:
        """Gets something in a thread and continues with it here; a screen opened meanwhile stays on top."""
        before = self.screen

        def work() -> None:
            found = get()
            self.call_from_thread(lambda: then(found) if self.screen is before else None)

        background.run(work, self._report, "dar-list")

    def action_filter(self) -> None:
        """Dates, folder, camera."""
        from dar_tui.tui.screens.dialogs import FiltersScreen

        controller = self.chat.controller
        self._open(FiltersScreen(controller.photo_filter, self.options.parse_date), controller.apply_filter)

    def action_save(self) -> None:
        """The session as a page."""
        from dar_tui.tui.screens.dialogs import SavingScreen

        if not self.chat.talk.exchanges:
            self.notify("There is nothing to save yet.", timeout=4)
            return
        name = f"dar-{self.options.now():%Y-%m-%d-%H%M%S}.html"
        self._open(SavingScreen(self.options.pages / name), self._save)

    def _save(self, path: Path | None) -> None:
        if path is None:
            return
        from dar_tui.tui import export

        controller = self.chat.controller
        first = wording.shortened(" ".join(self.chat.talk.exchanges[0].message.split()), 80)
        title = f"{first} (dar, {self.options.now():%Y-%m-%d %H:%M})"
        page = export.SavedPage(title, tuple(self.chat.talk.exchanges), controller.liked, controller.unliked)

        def work() -> None:
            export.save(page, path)
            self.call_from_thread(self.chat.talk.remark, f"Saved to {visible(path)}")

        background.run(work, self._report, "dar-save")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every key of the chat is a command too, by its words; above another screen those that hold anywhere.

        Textual's own commands name what has no meaning here (maximise a widget) or is here under another name.
        """
        named: set[str] = set()
        for key in KEYS:
            here = key.place is Place.ANYWHERE or (screen is self.chat and key.place is not Place.LIBRARIES)
            is_command = key.action.startswith(("app.", "screen.")) and "{}" not in key.action
            if here and is_command and key.id != "palette" and key.help not in named:
                named.add(key.help)
                keys = shown(self.remapping.keys_of(key))
                yield SystemCommand(key.help.capitalize(), keys, lambda key=key: self.run_action(key.action, screen))

    # What is done with the selected picture, the same in the grid and when it is looked at large

    @property
    def _tiles(self) -> PhotoGrid | ImaginedStrip | None:
        return self.screen.selected_tiles if isinstance(self.screen, ChatScreen | ZoomScreen) else None

    @property
    def _hit(self) -> Hit | None:
        tiles = self._tiles
        return tiles.hit if isinstance(tiles, PhotoGrid) else None

    def action_like(self, good: bool) -> None:
        """Likes or unlikes the selected photo."""
        if hit := self._hit:
            self.chat.controller.judge_photo(hit, good)
            self._update_zoom()

    def action_pick(self, good: bool) -> None:
        """Picks or vetoes the selected imagined picture."""
        tiles = self._tiles
        if isinstance(tiles, ImaginedStrip) and tiles.tiles:
            self.chat.controller.judge_picture(tiles.turn, tiles.cursor, good)
            self._update_zoom()

    def action_undo(self) -> None:
        """Takes back the last opinion, filter, order, copy or move."""
        self.chat.controller.undo()
        self._update_zoom()

    def action_more_like(self) -> None:
        """Shows the photos most like the selected one, in the grid."""
        if hit := self._hit:
            if isinstance(self.screen, ZoomScreen):
                self.screen.dismiss(None)
            self.chat.controller.more_like(hit)

    def action_open_photo(self) -> None:
        """Opens it in the system's viewer."""
        self._outside(desktop.open_photo)

    def action_reveal_photo(self) -> None:
        """Shows it in its folder."""
        self._outside(desktop.reveal_photo)

    def action_copy_path(self) -> None:
        """Copies its path, by the terminal's own clipboard."""
        if hit := self._hit:
            # What is no Unicode cannot be in a clipboard; it is copied as it is shown.
            path = str(hit.path)
            self.copy_to_clipboard(path if path.isprintable() else visible(path))
            self.notify(f"Copied {visible(hit.path)}", markup=False, timeout=3)

    def action_mark(self) -> None:
        """Marks the selected photo, or takes its mark back."""
        if hit := self._hit:
            self.photo_actions.switch(hit)
            self.show_moved()

    def action_photo_actions(self) -> None:
        """What to do with the marked photos."""
        selected = self._hit
        if isinstance(self.screen, ZoomScreen):
            self.screen.dismiss(None)
        self.photo_actions.choose(selected)

    def follow_moved(self, folder: Path | None) -> None:
        """Photos were moved, to `folder` if that is known: indexes it, or all of the library where it is part of it."""
        if self.indexing.running:
            self.chat.talk.remark("Update the library once indexing is over: photos were moved.")
            return
        folders = self._library.folders if self._library is not None else ()
        is_inside = folder is None or any(folder.resolve().is_relative_to(each.resolve()) for each in folders)
        # A folder that is new comes first, so that its photos are never without a file; then where they were.
        self._update_next = not is_inside
        self.start_indexing(None if is_inside else folder)

    @property
    def pages(self) -> Path:
        """The folder that new files are suggested for."""
        return self.options.pages

    def clock(self) -> datetime:
        """The time now."""
        return self.options.now()

    def report_error(self, error: DarError) -> None:
        """Shows an error of a thread."""
        self._report(error)

    def show_moved(self) -> None:
        """Shows in the zoom, if that is open, which photo is selected now."""
        self._update_zoom()

    def action_unfold(self) -> None:
        """Shows the near-duplicates of the selected photo as photos of their own, or folds them again."""
        tiles = self._tiles
        if isinstance(tiles, PhotoGrid) and tiles.hit is not None:
            if not tiles.unfold():
                self.notify("There are no near-duplicates of this one.", timeout=3)
            self._update_zoom()

    def _outside(self, act: Callable[[Path], None]) -> None:
        if hit := self._hit:
            background.run(lambda: act(hit.path), self._report, "dar-desktop")

    @on(ZoomScreen.LookedAt)
    def looked_at(self, message: ZoomScreen.LookedAt) -> None:
        """A photo was looked at large."""
        self.chat.controller.looked_at(message.hit)

    def _update_zoom(self) -> None:
        if isinstance(self.screen, ZoomScreen):
            self.screen.show_selected()

    # Colours

    def action_next_theme(self) -> None:
        """The other of dark and light."""
        self.theme = themes.other(self.theme)

    def watch_theme(self, theme: str) -> None:
        """Remembers the colours."""
        if self._themed and self.options.colours:
            themes.remember(self.options.home, themes.InterfaceState(theme))

    # The end

    def action_leave(self) -> None:
        """Quits at once. The session is saved already; threads that still load are left behind."""
        self._leave(0)

    def _leave(self, code: int) -> None:
        self.engine.cancel()
        self.indexing.stop()
        if self.gallery is not None:
            self.gallery.close()
        self.exit(return_code=code)

    def _quit_on_signals(self) -> None:
        """A signal that ends the process ends the app, which leaves the terminal as it found it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not on Windows, and not where a test runs the app outside the main thread.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self._leave, 128 + number)

    def get_driver_class(self) -> type[Driver]:
        """Textual's own, but for bytes that are not UTF-8."""
        driver = super().get_driver_class()
        return tolerant(driver)

    def action_help_quit(self) -> None:
        """Ctrl+C, which people press to quit."""
        key = shown(self.remapping.keys_for("quit")[0])
        self.notify(f"Press {key} to quit; Esc stops what is running.", markup=False, timeout=4)

    @property
    def exit_code(self) -> int:
        """The process's exit code. An app that ended without being asked to has failed."""
        return self.return_code or (1 if self.failure is not None or self.return_code is None else 0)

    def _handle_exception(self, error: Exception) -> None:
        # Also logs it, with its traceback.
        self.failure = background.named(error)
        super()._handle_exception(error)

    def panic(self, *renderables: RenderableType) -> None:
        """Ends the app by an error outside its own thread."""
        self.failure = self.failure or DarError("Unexpected error while reading the terminal.", background.SEE_LOG)
        super().panic(*renderables)

    def _print_error_renderables(self) -> None:
        # Textual would print screens full of traceback; whoever runs the app prints one line, the log has the rest.
        if self.failure is None:
            super()._print_error_renderables()
            return
        with contextlib.suppress(Exception):
            text = io.StringIO()
            Console(file=text, width=200).print(*self._exit_renderables)
            logger.error("The app ended by an error.\n%s", text.getvalue())
        self._exit_renderables.clear()
