"""What the app's own keys open: help, sessions, libraries, folders, filters, saving; all commands of the palette too.

Knows the screens and what becomes of what is chosen there; not how libraries are opened or indexed, which is `app`'s.
Screens are imported when a key opens them: 0.06 s that the first paint does not have.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from textual.app import App, SystemCommand
from textual.screen import Screen

from dar_tui.tui import background
from dar_tui.tui.engine import Engine, LibraryFacts, SavedSession
from dar_tui.tui.keymap import KEYS, read_remapping, shown
from dar_tui.tui.messages import Trouble
from dar_tui.tui.options import Options
from dar_tui.tui.screens.chat import ChatScreen
from indexer.errors import DarError
from indexer.printable import visible

if TYPE_CHECKING:
    from dar_tui.tui.screens.libraries import Choice

T = TypeVar("T")


class Commands(App[None]):
    """The app as far as its keys go."""

    chat: ChatScreen

    def __init__(self, engine: Engine, options: Options) -> None:
        # Only a theme of the terminal's own colours is stripped of them all under NO_COLOR; others turn grey.
        super().__init__(ansi_color=None if options.colours else True)
        self.engine = engine
        self.options = options
        self.remapping = read_remapping(options.keys)
        self._library: LibraryFacts | None = None

    @abstractmethod
    def open_session(self, library: Path | None, session: Path | None) -> None:
        """Opens a library (None: the one in hand) with a session (None: a new one)."""

    @abstractmethod
    def start_indexing(self, folder: Path | None) -> None:
        """Indexes a folder, or brings the library up to date (None)."""

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

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every key of the chat is a command too, by its words; above another screen those that are not the chat's.

        Textual's own commands name what has no meaning here (maximise a widget) or is here under another name.
        """
        told: set[str] = set()
        for key in KEYS:
            own = key.action.startswith("screen.") and screen is self.chat
            if key.id == "palette" or key.help in told or "{}" in key.action:
                continue
            if own or key.action.startswith("app."):
                told.add(key.help)
                keys = shown(self.remapping.keys_of(key))
                yield SystemCommand(key.help.capitalize(), keys, lambda key=key: self.run_action(key.action, screen))

    def _trouble(self, error: DarError) -> None:
        self.chat.tell(Trouble(f"{error.message} {error.hint}".rstrip()))
