"""What the app asks of whatever finds and imagines: one protocol, and the plain data that crosses it.

The app knows nothing else of sessions, libraries and models. `session_engine` is the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dar_tui.language.turn import Question
from dar_tui.session.events import Event

if TYPE_CHECKING:
    from dar_tui.tui.conversation import Exchange
    from indexer.indexing.events import Event as IndexEvent

# Takes a line about something slow that is being done ("Loading the text encoder ...").
Report = Callable[[str], None]


@dataclass(frozen=True)
class PhotoFilter:
    """Which photos the user searches among, set by hand. `folder` and `camera` are part of a name; "" for any.

    `after` <= taken < `before`, naive local times.
    """

    after: datetime | None = None
    before: datetime | None = None
    folder: str = ""
    camera: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether every photo passes."""
        return self == PhotoFilter()

    @property
    def words(self) -> str:
        """The conditions in a few words."""
        parts = [
            f"from {self.after:%Y-%m-%d}" if self.after else "",
            f"before {self.before:%Y-%m-%d}" if self.before else "",
            f"in {self.folder}" if self.folder else "",
            f"by {self.camera}" if self.camera else "",
        ]
        return ", ".join(part for part in parts if part)

    @property
    def parts(self) -> list[tuple[ShownChip, PhotoFilter]]:
        """A chip for each condition, and the filter without it."""
        named = [
            (self.after and f"from {self.after:%Y-%m-%d}", replace(self, after=None)),
            (self.before and f"before {self.before:%Y-%m-%d}", replace(self, before=None)),
            (self.folder and f"folder: {self.folder}", replace(self, folder="")),
            (self.camera and f"camera: {self.camera}", replace(self, camera="")),
        ]
        return [(ShownChip(ChipKinds.FILTERS, text), without) for text, without in named if text]


class ChipKinds(StrEnum):
    """What a chip says of the photo: wanted, not wanted, a date, a place, or which photos are searched."""

    WANTS = "wants"
    REJECTS = "rejects"
    WHEN = "when"
    WHERE = "where"
    FILTERS = "filters"


@dataclass(frozen=True)
class ShownChip:
    """One piece of what is looked for."""

    kind: ChipKinds
    text: str

    @property
    def can_flip(self) -> bool:
        """Whether "not that" means something."""
        return self.kind in (ChipKinds.WANTS, ChipKinds.REJECTS)


@dataclass(frozen=True)
class Understood:
    """An event: what is looked for from now on, as the session has understood it."""

    chips: tuple[ShownChip, ...]


# What the user can ask for. Each is answered by a stream of `dar_tui.session.events`.


@dataclass(frozen=True)
class SendMessage:
    """The description, an answer, a correction. `selected`: the image id of the photo that "this one" would mean."""

    text: str
    selected: int | None = None


@dataclass(frozen=True)
class Rerank:
    """Show the page again, with the feedback given since."""


@dataclass(frozen=True)
class ImagineAgain:
    """Draw this turn's pictures anew, from other seeds."""


@dataclass(frozen=True)
class ApplyFilter:
    """Search among these photos only, now and from now on."""

    photo_filter: PhotoFilter


@dataclass(frozen=True)
class MoreLike:
    """Show the photos most like this one. Nothing of the session changes."""

    image_id: int


@dataclass(frozen=True)
class ShowSeen:
    """Show the photos seen earlier in the session, the latest first. Nothing of the session changes."""


@dataclass(frozen=True)
class ShowNextPage:
    """Show photos that were not seen yet; those seen count as passed over."""


@dataclass(frozen=True)
class ChangeChip:
    """Search without a chip, or for its opposite (`flip`)."""

    chip: ShownChip
    flip: bool


Action = SendMessage | Rerank | ImagineAgain | ApplyFilter | MoreLike | ShowSeen | ShowNextPage | ChangeChip


# What the user thinks of what is shown. Recorded at once; an action that is running takes it into account.


@dataclass(frozen=True)
class PhotoFeedback:
    """A photo is like the one looked for (True), unlike it (False), or neither after all (None)."""

    image_id: int
    good: bool | None


@dataclass(frozen=True)
class PictureFeedback:
    """Imagined picture `k` (from 0) of a turn (from 0) is close (True), wrong (False), or neither after all (None)."""

    turn: int
    k: int
    good: bool | None


@dataclass(frozen=True)
class SkipQuestion:
    """The open question will not be answered."""


@dataclass(frozen=True)
class PhotosSeen:
    """These photos of the page are on the screen. Once the user goes on, they were passed over."""

    image_ids: tuple[int, ...]


@dataclass(frozen=True)
class PhotoLookedAt:
    """The user looked at this photo closely: it was not overlooked."""

    image_id: int


Feedback = PhotoFeedback | PictureFeedback | SkipQuestion | PhotosSeen | PhotoLookedAt


@dataclass(frozen=True)
class LibraryFacts:
    """A library as it is now. `away`: its folders that are not there, such as an unmounted drive."""

    path: Path
    photos: int
    unreadable: int = 0
    encoder: str = ""
    folders: tuple[Path, ...] = ()
    away: tuple[Path, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """What people call it: the folder its photos are in, if it is one; else the library's own."""
        return self.folders[0].name if len(self.folders) == 1 and self.folders[0].name else self.path.name


@dataclass(frozen=True)
class SavedSession:
    """A session that can be resumed: its file, when it began, how many messages it has, the first and the last."""

    path: Path
    at: datetime
    first_message: str
    messages: int = 1
    last_message: str = ""


@dataclass(frozen=True)
class Opened:
    """An open library with a session on it.

    `exchanges`: the turns so far, of a resumed session; `question`: the open one.
    `liked`, `unliked`: image ids; `pictures`: imagined ones by turn and number, picked (True) or vetoed (False).
    `notes`: lines the user should know, such as what would give better results.
    """

    library: LibraryFacts
    session: str
    generator: str
    imagining: bool
    exchanges: tuple[Exchange, ...] = ()
    question: Question | None = None
    photo_filter: PhotoFilter = field(default_factory=PhotoFilter)
    liked: frozenset[int] = frozenset()
    unliked: frozenset[int] = frozenset()
    pictures: Mapping[tuple[int, int], bool] = field(default_factory=dict)
    chips: tuple[ShownChip, ...] = ()
    notes: tuple[str, ...] = ()


class ChatEngine(Protocol):
    """Every method may take its time and is called in a thread, but `cancel` and `set_imagining`, which must not wait.

    Methods raise DarError for what the user can put right.
    """

    def open(self, library: Path | None = None, session: Path | None = None) -> Opened:
        """Opens a library (None: the open one) with a new session, or with a saved one. Raises LibraryNotFound."""
        ...

    def warm_up(self, report: Report) -> None:
        """Loads what the next turn needs, the generator last."""
        ...

    def play(self, action: Action) -> Generator[Event | Understood, None, None]:
        """Does what was asked, an event for everything it does. One at a time; closing it stops it."""
        ...

    def record(self, feedback: Feedback) -> None:
        """Records what the user thinks."""
        ...

    def cancel(self) -> None:
        """Makes what is played end soon, with what there is."""
        ...

    def set_imagining(self, on: bool) -> None:
        """Whether coming turns imagine."""
        ...

    def index(self, folder: Path | None, stopped: Callable[[], bool]) -> Iterator[IndexEvent]:
        """Brings the library up to date with a folder, or with all that it has; makes it if there is none."""
        ...

    def facts(self) -> LibraryFacts:
        """The open library, as it is now."""
        ...

    def libraries(self) -> list[LibraryFacts]:
        """Every library on this machine."""
        ...

    def sessions(self) -> list[SavedSession]:
        """The saved sessions of the open library, latest first."""
        ...

    def close(self) -> None:
        """Saves and closes. The session can be resumed."""
        ...
