"""The saved sessions, to take one up again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from dar_tui.tui.engine import SavedSession
from dar_tui.tui.screens.page import Page
from indexer.printable import stripped


class SessionsScreen(Page[Path]):
    """Gives the chosen session's file."""

    TITLE_TEXT = "Earlier sessions"
    KEYS: ClassVar[Sequence[tuple[str, str]]] = (("Enter", "go on with it"),)

    def __init__(self, sessions: Sequence[SavedSession]) -> None:
        super().__init__()
        self._sessions = sessions

    def body(self) -> Sequence[Widget]:
        """A line for each session, latest first."""
        if not self._sessions:
            return [Static("No session of this library is saved yet.", classes="text")]
        return [OptionList(*(Option(_line(each)) for each in self._sessions), markup=False)]

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Takes the session in hand."""
        self.dismiss(self._sessions[event.option_index].path)


def _line(session: SavedSession) -> Content:
    said = stripped(session.first_message, 120) or "(nothing said)"
    return Content.assemble((f"{session.at:%Y-%m-%d %H:%M}  ", "$foreground-muted"), said)
