"""What is done with several photos at once: marked, then copied, moved, linked, listed, opened or shown one by one.

`PhotoActions` is called by the app's keys; it keeps the marks, asks by a screen of its own what to do with them, and
does it in a thread. Without marks everything is done with the selected photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.app import App

from dar_tui.tui import background, desktop
from indexer.errors import DarError
from indexer.printable import visible

if TYPE_CHECKING:
    from dar_tui.collecting import Way
    from dar_tui.tui.screens.actions import ActionChoice
    from dar_tui.tui.screens.chat import ChatScreen
    from indexer.search.hits import Hit

# Seconds a photo stays in the slideshow.
SLIDE_SECONDS = 4.0


class ActionsHost(Protocol):
    """What the app does for them beyond Textual's own. `pages`: the folder suggested for new files."""

    chat: ChatScreen

    @property
    def pages(self) -> Path: ...

    def clock(self) -> datetime: ...

    def report_error(self, error: DarError) -> None: ...

    def show_moved(self) -> None: ...

    def follow_moved(self, folder: Path | None) -> None: ...


class PhotoActions:
    """The marked photos, in the order in which they were marked, and what is done with them."""

    def __init__(self, app: App[None], host: ActionsHost) -> None:
        self._app = app
        self._host = host
        self._marked: dict[int, Hit] = {}

    @property
    def marked(self) -> tuple[Hit, ...]:
        """The marked photos; marks stay from page to page and turn to turn."""
        return tuple(self._marked.values())

    def switch(self, hit: Hit) -> None:
        """Marks a photo, or takes its mark back."""
        if self._marked.pop(hit.image_id, None) is None:
            self._marked[hit.image_id] = hit
        self._show_marks()

    def clear(self) -> None:
        """Marks none any more."""
        self._marked.clear()
        self._show_marks()

    def _mark(self, hits: Iterable[Hit]) -> None:
        self._marked = {hit.image_id: hit for hit in hits}
        self._show_marks()

    def _show_marks(self) -> None:
        self._host.chat.photos.change(marked=frozenset(self._marked))
        self._host.chat.show_status(marked=len(self._marked))

    def choose(self, selected: Hit | None) -> None:
        """Asks what to do with the marked photos, or with the selected one."""
        hits = self.marked or ((selected,) if selected is not None else ())
        if not hits:
            self._app.notify("Mark photos with Space first.", timeout=4)
            return
        from dar_tui.tui.screens.actions import ActionsScreen

        def act(choice: ActionChoice | None) -> None:
            if choice is not None:
                self._do(choice, hits)

        host = self._host
        self._app.push_screen(ActionsScreen(len(hits), bool(self._marked), host.pages, host.clock()), act)

    def _do(self, choice: ActionChoice, hits: tuple[Hit, ...]) -> None:
        from dar_tui.tui.screens.actions import ActionKind

        paths = [hit.path for hit in hits]
        if choice.kind is ActionKind.CLEAR:
            self.clear()
        elif choice.kind is ActionKind.SLIDESHOW:
            self._slideshow(hits)
        elif choice.kind is ActionKind.OPEN:
            self._run(lambda: desktop.open_photos(paths, choice.where))
        elif choice.kind is ActionKind.PATHS:
            self._run(lambda: self._write_paths(paths, Path(choice.where)))
        elif choice.kind is ActionKind.SHEET:
            self._run(lambda: self._write_sheet(hits, Path(choice.where)))
        else:
            from dar_tui.collecting import Way

            way = Way(choice.kind.value)
            self._run(lambda: self._collect(hits, Path(choice.where), way))

    def _run(self, work: Callable[[], None]) -> None:
        background.run(work, self._host.report_error, "dar-photos")

    # In a thread

    def _collect(self, hits: tuple[Hit, ...], folder: Path, way: Way) -> None:
        from dar_tui.collecting import collect

        done = collect([hit.path for hit in hits], folder, way)
        marks = self.marked

        def show() -> None:
            self._host.chat.talk.remark(f"{done.words} {self._undo_hint}" if done.placed else done.words)
            self._app.notify(done.words, severity="warning" if done.failed else "information", markup=False, timeout=5)
            if done.placed:
                self._host.chat.controller.can_undo(f"{way.value} to {visible(folder.name)}", undo)
            if not done.failed:
                self.clear()
            if done.placed and way is way.MOVE:
                self._host.follow_moved(folder)

        def undo() -> None:
            self._run(self._take_back(done, marks))

        self._app.call_from_thread(show)

    def _take_back(self, done: object, marks: tuple[Hit, ...]) -> Callable[[], None]:
        from dar_tui.collecting import Collected, Way, take_back

        assert isinstance(done, Collected)

        def work() -> None:
            stays = take_back(done)

            def show() -> None:
                for line in stays:
                    self._host.chat.talk.remark(line)
                self._mark(marks)
                if done.way is Way.MOVE:
                    self._host.follow_moved(None)

            self._app.call_from_thread(show)

        return work

    def _write_paths(self, paths: list[Path], file: Path) -> None:
        from dar_tui.collecting import write_paths

        write_paths(paths, file)
        self._say(f"Wrote the paths to {visible(file)}")

    def _write_sheet(self, hits: tuple[Hit, ...], file: Path) -> None:
        from dar_tui.tui import export

        export.save_sheet(hits, file)
        self._say(f"Made the contact sheet {visible(file)}")

    def _say(self, line: str) -> None:
        self._app.call_from_thread(self._host.chat.talk.remark, line)
        self._app.call_from_thread(self._app.notify, line, markup=False, timeout=4)

    @property
    def _undo_hint(self) -> str:
        return f"Press {self._host.chat.remapping.keys_for('undo')[0]} among the photos to undo it."

    # Slideshow

    def _slideshow(self, hits: tuple[Hit, ...]) -> None:
        """Shows each photo large for some seconds, from the first; ends with the last, by Esc, or where one moves."""
        chat = self._host.chat
        ids = [hit.image_id for hit in hits]
        if len(ids) == 1:
            ids = [hit.image_id for hit in chat.photos.shown]
        places = [at for at, hit in enumerate(chat.photos.shown) if hit.image_id in ids]
        if not places:
            self._app.notify("The marked photos are not on this page.", timeout=4)
            return
        chat.photos.cursor = places[0]
        chat.set_focus(chat.photos)
        chat.action_zoom()
        screen, at = self._app.screen, places[0]
        rest = iter(places[1:])

        def step() -> None:
            nonlocal at
            following = next(rest, None)
            if self._app.screen is not screen or chat.photos.cursor != at or following is None:
                timer.stop()
                return
            at = chat.photos.cursor = following
            self._host.show_moved()

        timer = self._app.set_interval(SLIDE_SECONDS, step)
