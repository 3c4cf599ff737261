"""The app: what it shows first, how a library comes into it, and how it ends.

What is shown is the screens', what is found the engine's, what keys open `commands`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.filter import ANSIToTruecolor, LineFilter

from dar_tui.tui import background, themes
from dar_tui.tui.commands import Commands
from dar_tui.tui.engine import Engine
from dar_tui.tui.graphics.choice import Means
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.graphics.picture import Painter
from dar_tui.tui.indexing import Indexing, Meter
from dar_tui.tui.keymap import Place, bindings, textual_keymap
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
from dar_tui.tui.options import Options
from dar_tui.tui.remembered import Remembered, recall, remember
from dar_tui.tui.screens.chat import ChatScreen
from indexer.errors import DarError, LibraryNotFound
from indexer.indexing.events import Planned


class DarApp(Commands):
    """`dar chat` in a terminal."""

    CSS_PATH = "dar.tcss"
    TITLE = "dar"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.ANYWHERE)]
    # Text is to be read, not watched arriving; and every frame of an animation is a screen of pictures.
    DEFAULT_ANIMATION = "none"

    def __init__(self, engine: Engine, options: Options) -> None:
        super().__init__(engine, options)
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
            if self._library is not None:
                # It was there a moment ago; one that is made now is opened as the first is.
                self._trouble(message.error)
                self._library = None
            if not self.indexing.running:
                self.add_folder(first=True)
        else:
            self._trouble(message.error)

    def _said(self, line: str) -> None:
        self.chat.post_message(Said(line))

    # Indexing

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

    # Colours

    def action_next_theme(self) -> None:
        """The other of dark and light."""
        self.theme = themes.other(self.theme)

    def watch_theme(self, theme: str) -> None:
        """Remembers the colours."""
        if self._themed and self.options.colours:
            remember(self.options.home, Remembered(theme))

    # The end

    def action_leave(self) -> None:
        """Quits at once. What was said is saved already; threads that still load are left behind."""
        self.engine.cancel()
        self.indexing.stop()
        if self.gallery is not None:
            self.gallery.close()
        self.exit()
