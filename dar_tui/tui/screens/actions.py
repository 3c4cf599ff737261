"""What to do with the marked photos: a list of actions, and a line for the folder, file or program that one needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from dar_tui.tui import wording
from dar_tui.tui.screens.dialogs import LEAVE, ChoiceList, FolderSuggester, page
from dar_tui.tui.screens.leaving import LeftOnce
from dar_tui.tui.widgets.prompt import FormInput
from indexer.paths import at_home
from indexer.printable import visible


class ActionKind(StrEnum):
    """What can be done with photos; the first three are ways of `dar_tui.collecting`."""

    COPY = "copy"
    MOVE = "move"
    LINK = "link"
    PATHS = "paths"
    SHEET = "sheet"
    OPEN = "open"
    SLIDESHOW = "slideshow"
    CLEAR = "clear"


@dataclass(frozen=True)
class ActionChoice:
    """What was chosen. `where`: the absolute path of a folder or new file, or the program to open photos with."""

    kind: ActionKind
    where: str = ""


_LINES = {
    ActionKind.COPY: "Copy to a folder",
    ActionKind.MOVE: "Move to a folder; the library follows",
    ActionKind.LINK: "Link in a folder: the photos stay where they are",
    ActionKind.PATHS: "Write their paths to a file",
    ActionKind.SHEET: "Make a contact sheet, a page with small pictures",
    ActionKind.OPEN: "Open them, with a program of your choice",
    ActionKind.SLIDESHOW: "Slideshow of this page's",
    ActionKind.CLEAR: "Unmark them",
}
_ASKS = {
    ActionKind.COPY: "To which folder? It is made if it is not there; nothing in it is overwritten.",
    ActionKind.MOVE: "To which folder? It is made if it is not there; nothing in it is overwritten.",
    ActionKind.LINK: "In which folder? It is made if it is not there; nothing in it is overwritten.",
    ActionKind.PATHS: "Into which new file? One path a line; in a file named *.nul parted by NUL bytes, for xargs -0.",
    ActionKind.SHEET: "Into which new file? Its name ends in .html.",
    ActionKind.OPEN: "With which program? Nothing written: the system's viewer.",
}
_FOLDERS = (ActionKind.COPY, ActionKind.MOVE, ActionKind.LINK)


class ActionsScreen(LeftOnce[ActionChoice]):
    """Lists the actions, then asks on the same screen for what the chosen one needs; gives both."""

    BINDINGS: ClassVar[list[BindingType]] = [*LEAVE]

    def __init__(self, photos: int, are_marked: bool, pages: Path, now: datetime) -> None:
        super().__init__()
        self._photos, self._are_marked, self._pages, self._now = photos, are_marked, pages, now
        self._kinds = [kind for kind in ActionKind if are_marked or kind is not ActionKind.CLEAR]
        self._kind: ActionKind | None = None

    def compose(self) -> ComposeResult:
        """The list; below it the line, which is shown once it is needed."""
        count = wording.count(self._photos, "photo")
        title = f"{count} marked: what to do?" if self._are_marked else "The selected photo: what to do?"
        ask = Vertical(
            Static("", classes="text", id="ask", markup=False),
            FormInput("", suggester=FolderSuggester(), id="where"),
            Static("", classes="wrong", id="wrong", markup=False),
            id="asking",
        )
        ask.display = False
        body = [ChoiceList(*(Option(_LINES[kind]) for kind in self._kinds), markup=False), ask]
        yield from page(title, body, [("Enter", "do it"), ("\u2192", "take the suggestion")])

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Takes an action, or asks for what it needs."""
        kind = self._kinds[event.option_index]
        if kind not in _ASKS:
            self.dismiss(ActionChoice(kind))
            return
        self._kind = kind
        self.query_one(OptionList).display = False
        self.query_one("#asking").display = True
        self.query_one("#ask", Static).update(_ASKS[kind])
        line = self.query_one("#where", Input)
        line.value = self._suggested(kind)
        line.focus()

    def _suggested(self, kind: ActionKind) -> str:
        name = f"{self._pages}/dar-{self._now:%Y-%m-%d-%H%M%S}"
        return {ActionKind.PATHS: f"{name}.txt", ActionKind.SHEET: f"{name}.html"}.get(kind, "")

    @on(Input.Changed)
    def retyped(self) -> None:
        """What was wrong is being put right."""
        self.query_one("#wrong", Static).update("")

    @on(Input.Submitted)
    def take(self, event: Input.Submitted) -> None:
        """Takes what is written, or says what is wrong with it."""
        kind, text = self._kind, event.value.strip()
        if kind is None:
            return
        if kind is ActionKind.OPEN:
            self.dismiss(ActionChoice(kind, text))
            return
        path = at_home(Path(text)).absolute()
        wrong = self._wrong(kind, text, path)
        if wrong:
            self.query_one("#wrong", Static).update(wrong)
        else:
            self.dismiss(ActionChoice(kind, str(path)))

    def _wrong(self, kind: ActionKind, text: str, path: Path) -> str:
        if not text:
            return "Write its path first."
        if kind in _FOLDERS:
            return f"{visible(path)} is a file, not a folder." if path.exists() and not path.is_dir() else ""
        if kind is ActionKind.SHEET and path.suffix.lower() != ".html":
            return "The name must end in .html."
        if path.exists():
            return f"{visible(path.name)} is there already. Choose another name."
        return "" if path.parent.is_dir() else f"There is no folder {visible(path.parent)}."
