"""Textual messages from threads to the screen, and between screens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual.message import Message

from dar_tui.session.events import Event, Imagining
from dar_tui.tui.engine import LibraryFacts, Opened, Understood
from dar_tui.tui.graphics.picture import Request
from indexer.errors import DarError
from indexer.indexing.events import Event as IndexEvent


@dataclass
class EventPlayed(Message):
    """An event of the action played under this number."""

    number: int
    event: Event | Understood

    def can_replace(self, message: Message) -> bool:
        """A later step of a picture replaces one not shown yet: a fast generator must not flood the queue."""
        return (
            isinstance(message, EventPlayed)
            and isinstance(self.event, Imagining)
            and isinstance(message.event, Imagining)
            and (message.number, message.event.turn, message.event.k) == (self.number, self.event.turn, self.event.k)
        )


@dataclass
class PlayEnded(Message):
    """The action played under this number is over; with the error that ended it, if one did."""

    number: int
    error: DarError | None


@dataclass
class FeedbackRecorded(Message):
    """Feedback is recorded; the page does not take it into account yet."""


@dataclass
class FirstPaint(Message):
    """The chat is on the screen for the first time."""


@dataclass
class FolderNamed(Message):
    """The user wrote the name of a folder where there is no library yet: its photos are wanted."""

    folder: Path


@dataclass
class SessionOpened(Message):
    """A library is open, with a session on it; `number`: of the request to open it."""

    number: int
    opened: Opened


@dataclass
class OpeningFailed(Message):
    """It could not be opened."""

    number: int
    error: DarError


@dataclass
class StatusText(Message):
    """A line for the status: something slow that is being done; "" once it is over."""

    text: str


@dataclass
class ErrorReport(Message):
    """What went wrong, with what to do."""

    text: str


@dataclass
class PictureReady(Message):
    """The gallery has painted a picture."""

    request: Request


@dataclass
class Indexed(Message):
    """An index run has come this far."""

    event: IndexEvent


@dataclass
class IndexEnded(Message):
    """The index run is over, the library as it is now; with the error that ended it, if one did."""

    facts: LibraryFacts | None
    error: DarError | None
