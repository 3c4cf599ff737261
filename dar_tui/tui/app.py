"""The app: screens, what opens them, and how it ends. What is shown is the screens', what is found the engine's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import events, on
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.filter import ANSIToTruecolor, LineFilter
from textual.screen import Screen

from dar_tui.tui import background, themes
from dar_tui.tui.engine import Engine, LibraryFacts, SavedSession
from dar_tui.tui.graphics.choice import Graphics, Means
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.graphics.picture import Painter
from dar_tui.tui.indexing import Indexing, Meter
from dar_tui.tui.keymap import KEYS, Place, bindings, read_remapping, textual_keymap
from dar_tui.tui.messages import (
    Indexed,
    IndexEnded,
    OpeningFailed,
    Painted,
    PictureReady,
    Said,
    SessionOpened,
    Trouble,
)
from dar_tui.tui.remembered import Remembered, recall, remember
from dar_tui.tui.screens.chat import ChatScreen
from indexer.errors import DarError, LibraryNotFound
from indexer.indexing.events import Planned
from indexer.printable import visible

if TYPE_CHECKING:
    # Other screens are imported when a key opens them: 0.06 s that the first paint does not have.
    from dar_tui.tui.screens.filters import ParseDate
    from dar_tui.tui.screens.libraries import Choice

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """How the app is to run. `home`: dar's data folder; `keys`: the user's own keys; `session`: one to take up again.

    `pages`: the folder that saved pages are suggested for; `typed`: what was typed before the app began.
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

    def __init__(self, engine: Engine, options: Options) -> None:
        # Only a theme of the terminal's own colours is stripped of them all under NO_COLOR; others turn grey.
        super().__init__(ansi_color=None if options.colours else True)
        self.engine = engine
        self.options = options
        self.remapping = read_remapping(options.keys)
        self.gallery = self._gallery()
        self.chat = ChatScreen(engine, self.remapping, self.gallery, sixel=options.graphics.zoom is Means.SIXEL)
        self.indexing = Indexing(engine, self.post_message)
        self._themed = False
        # Before it runs: another theme later would parse every style twice.
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = themes.chosen(recall(options.home).theme, self.available_themes, colours=options.colours)
        self._opening = 0
        # Keys that come before there is a prompt wait for it; None once it is there.
        self._early: list[events.Key | events.Paste] | None = []
        self._meter = Meter()
        self._library: LibraryFacts | None = None
        self.animation_level = "none"

    def on_mount(self) -> None:
        """Shows the chat at once, then opens the library."""
        self._themed = True
        self.set_keymap(textual_keymap(self.remapping))
        self.push_screen(self.chat)
        for problem in self.remapping.problems:
            self.call_after_refresh(self.chat.tell, Trouble(problem))

    async def on_event(self, event: events.Event) -> None:
        """Keeps what is typed before there is a prompt."""
        if self._early is not None and isinstance(event, events.Key | events.Paste):
            self._early.append(event)
        else:
            await super().on_event(event)

    @on(Painted)
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

        def make_painter() -> Painter:
            if self.options.graphics.grid is Means.KITTY:
                from dar_tui.tui.graphics.kitty import KittyPainter

                return KittyPainter()
            from dar_tui.tui.graphics.blocks import BlockPainter

            return BlockPainter()

        return Gallery(make_painter, lambda request: self._tell(PictureReady(request)), self._send)

    def _tell(self, message: PictureReady) -> None:
        self.chat.post_message(message)

    def _send(self, text: str) -> None:
        # The driver's queue keeps what it is given in order with what Textual draws.
        if self._driver is not None:
            self._driver.write(text)

    # Opening

    def open_session(self, library: Path | None, session: Path | None) -> None:
        """Opens a library with a session in a thread, then loads models; the prompt takes text meanwhile."""
        self._opening += 1
        number = self._opening
        self.chat.closed()
        self.chat.post_message(Said("opening the library"))

        def work() -> None:
            try:
                opened = self.engine.open(library, session)
            except DarError as error:
                self.post_message(OpeningFailed(number, error))
                return
            finally:
                self.chat.post_message(Said(""))
            self.post_message(SessionOpened(number, opened))
            try:
                self.engine.warm_up(self._said)
            finally:
                self.chat.post_message(Said(""))

        background.run(work, self._trouble, "dar-open")

    @on(SessionOpened)
    def session_opened(self, message: SessionOpened) -> None:
        """Shows the session, unless another was asked for meanwhile."""
        if message.number == self._opening and self.chat.is_running:
            self._library = message.opened.library
            self.chat.begin(message.opened)
            if message.opened.library.photos == 0 and not self.indexing.running:
                self.add_folder(first=True)

    @on(OpeningFailed)
    def opening_failed(self, message: OpeningFailed) -> None:
        """Without a library, offers to make one; says everything else."""
        if message.number != self._opening:
            return
        if isinstance(message.error, LibraryNotFound):
            if not self.indexing.running:
                self.add_folder(first=True)
        else:
            self._trouble(message.error)

    def _said(self, line: str) -> None:
        self.chat.post_message(Said(line))

    def _trouble(self, error: DarError) -> None:
        self.chat.tell(Trouble(f"{error.message} {error.hint}".rstrip()))

    # Indexing

    def add_folder(self, *, first: bool = False) -> None:
        """Asks for a folder and indexes it."""
        from dar_tui.tui.screens.folder import FolderScreen

        title = "Which photos?" if first else "Add a folder of photos"
        text = (
            "There are no photos yet. Choose a folder of photos: it is searched while it grows, and can be stopped and"
            " gone on with at any time."
            if first
            else "Its photos become part of the library in hand."
        )
        pictures = Path.home() / "Pictures"
        suggestion = str(pictures) if first and pictures.is_dir() else ""
        self.push_screen(FolderScreen(title, text, suggestion), self._index)

    def _index(self, folder: Path | None) -> None:
        if folder is not None:
            self.start_indexing(folder)

    def start_indexing(self, folder: Path | None) -> None:
        """Indexes a folder, or brings the library up to date (None)."""
        if self.indexing.running:
            self.notify("Indexing is going on already.", timeout=4)
            return
        self._meter = Meter()
        self.indexing.start(folder)

    @on(Indexed)
    def indexed(self, message: Indexed) -> None:
        """Says how far it is; opens the library as soon as there is one."""
        line = self._meter.line(message.event)
        if line is not None:
            self.chat.say_indexing(line)
        if isinstance(message.event, Planned) and self._library is None:
            self.open_session(None, None)

    @on(IndexEnded)
    def index_ended(self, message: IndexEnded) -> None:
        """Says what came of it."""
        self.chat.say_indexing("")
        if message.error is not None:
            self._trouble(message.error)
        if message.facts is not None:
            self._library = message.facts
            self.chat.show_facts(photos=message.facts.photos, encoder=message.facts.encoder)
            unreadable = f", {message.facts.unreadable:,} files unreadable" if message.facts.unreadable else ""
            self.chat.talk.remark(f"Indexed: {message.facts.photos:,} photos{unreadable}. Describe one.")

    # Keys

    def action_help(self) -> None:
        """All keys."""
        from dar_tui.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.remapping, self.options.keys))

    def action_new_session(self) -> None:
        """A new session; the one before is saved already."""
        self.open_session(None, None)

    def action_sessions(self) -> None:
        """Earlier sessions."""
        from dar_tui.tui.screens.sessions import SessionsScreen

        def listed(sessions: list[SavedSession]) -> None:
            self.push_screen(SessionsScreen(sessions), self._resume)

        self._fetch(self.engine.sessions, listed)

    def _resume(self, path: Path | None) -> None:
        if path is not None:
            self.open_session(None, path)

    def action_libraries(self) -> None:
        """Libraries."""
        from dar_tui.tui.screens.libraries import LibrariesScreen

        def listed(libraries: list[LibraryFacts]) -> None:
            current = self._library.path if self._library is not None else None
            self.push_screen(LibrariesScreen(libraries, current), self._do)

        self._fetch(self.engine.libraries, listed)

    def _do(self, choice: Choice | None) -> None:
        from dar_tui.tui.screens.libraries import AddFolder, Open

        if isinstance(choice, Open):
            self.open_session(choice.path, None)
        elif isinstance(choice, AddFolder):
            self.add_folder(first=self._library is None)
        elif choice is not None:
            self.start_indexing(None)

    def _fetch(self, get: Callable[[], T], then: Callable[[T], None]) -> None:
        """Gets something in a thread and goes on with it here; a screen opened meanwhile stays on top."""
        before = self.screen

        def work() -> None:
            found = get()
            self.call_from_thread(lambda: then(found) if self.screen is before else None)

        background.run(work, self._trouble, "dar-list")

    def action_filter(self) -> None:
        """Dates, folder, camera."""
        from dar_tui.tui.screens.filters import FiltersScreen

        self.push_screen(FiltersScreen(self.chat.narrowing, self.options.parse_date), self.chat.narrow)

    def action_save(self) -> None:
        """The session as a page."""
        from dar_tui.tui.screens.saving import SavingScreen

        if not self.chat.talk.exchanges:
            self.notify("There is nothing to save yet.", timeout=4)
            return
        name = f"dar-{self.options.now():%Y-%m-%d-%H%M%S}.html"
        self.push_screen(SavingScreen(self.options.pages / name), self._save)

    def _save(self, path: Path | None) -> None:
        if path is None:
            return
        from dar_tui.tui import export

        chat = self.chat
        record = export.Record(
            f"dar, {self.options.now():%Y-%m-%d %H:%M}", tuple(chat.talk.exchanges), chat.liked, chat.unliked
        )

        def work() -> None:
            export.save(record, path)
            self.call_from_thread(self.chat.talk.remark, f"Saved to {visible(path)}")

        background.run(work, self._trouble, "dar-save")

    def action_next_theme(self) -> None:
        """The other of dark and light."""
        self.theme = themes.other(self.theme)

    def watch_theme(self, theme: str) -> None:
        """Remembers the colours."""
        if self._themed and self.options.colours:
            remember(self.options.home, Remembered(theme))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every key of the chat is a command too, by its words."""
        yield from super().get_system_commands(screen)
        for key in KEYS:
            if screen is self.chat and "{}" not in key.action and key.action.startswith(("app.", "screen.")):
                yield SystemCommand(key.help.capitalize(), key.id, lambda key=key: self.run_action(key.action, screen))

    # The end

    def action_leave(self) -> None:
        """Quits at once. What was said is saved already; threads that still load are left behind."""
        self.engine.cancel()
        self.indexing.stop()
        if self.gallery is not None:
            self.gallery.close()
        self.exit()


# Long enough to write the last records and to commit a batch of photos, short enough for quitting within a second.
_GRACE = 0.5


def close(engine: Engine, grace: float = _GRACE) -> bool:
    """Closes the engine, but waits no longer than `grace` seconds; returns whether it came to an end."""
    thread = background.run(engine.close, lambda error: None, "dar-close")
    deadline = time.monotonic() + grace
    thread.join(max(0.0, deadline - time.monotonic()))
    return not thread.is_alive()
