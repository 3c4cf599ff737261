"""The libraries on this machine: to open another one, to add a folder to the one in hand, to bring it up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from dar_tui.tui import wording
from dar_tui.tui.engine import LibraryFacts
from dar_tui.tui.keymap import Place, bindings
from dar_tui.tui.screens.page import Page
from indexer.printable import visible


@dataclass(frozen=True)
class Open:
    """Open this library."""

    path: Path


@dataclass(frozen=True)
class AddFolder:
    """Ask for a folder and add it to the library in hand."""


@dataclass(frozen=True)
class Update:
    """Look for new and changed photos in the folders of the library in hand."""


Choice = Open | AddFolder | Update


class LibrariesScreen(Page[Choice]):
    """Gives what to do."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.LIBRARIES)]
    TITLE_TEXT = "Libraries"
    KEYS: ClassVar[Sequence[tuple[str, str]]] = (("Enter", "open"), ("a", "add a folder of photos"), ("u", "update"))

    def __init__(self, libraries: Sequence[LibraryFacts], current: Path | None) -> None:
        super().__init__()
        self._libraries = libraries
        self._current = current

    def body(self) -> Sequence[Widget]:
        """Two lines for each library: what it is, and what is in it."""
        if not self._libraries:
            return [Static("There is no library yet: press a to make one from a folder of photos.", classes="text")]
        return [OptionList(*(Option(self._line(each)) for each in self._libraries), markup=False)]

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Opens the library in hand."""
        self.dismiss(Open(self._libraries[event.option_index].path))

    def action_add(self) -> None:
        """Adds a folder."""
        self.dismiss(AddFolder())

    def action_update(self) -> None:
        """Brings the library in hand up to date."""
        self.dismiss(Update())

    def _line(self, facts: LibraryFacts) -> Content:
        here = "  (open)" if facts.path == self._current else ""
        lines = [Content.assemble((visible(facts.path), "bold"), (here, "$accent"))]
        if facts.problem:
            lines.append(Content.assemble((f"  {facts.problem}", "$text-error")))
        else:
            unreadable = f", {facts.unreadable:,} files unreadable" if facts.unreadable else ""
            encoder = f", {visible(facts.encoder)}" if facts.encoder else ""
            lines.append(
                Content.assemble(
                    (f"  {wording.count(facts.photos, 'photo')}{unreadable}{encoder}", "$foreground-muted")
                )
            )
        lines += [Content.assemble((f"  {visible(folder)} is not there now", "$text-warning")) for folder in facts.away]
        return Content("\n").join(lines)
