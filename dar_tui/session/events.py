"""What a session yields while a turn runs, as plain data; a question is `dar_tui.language.turn.Question` itself.

Knows neither how a turn runs nor how it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.language.turn import Question

if TYPE_CHECKING:
    # The rules of language behind these take 0.2 s to import, which the app's first paint does not have.
    from dar_tui.dialogue.need import Need
    from dar_tui.imagine import Imagined
    from dar_tui.reformulate.query import QueryText
    from indexer.search.hits import Hit


class Stage(StrEnum):
    """What hits were found with: the text alone, or text and pictures (and feedback) together."""

    TEXT = "text"
    FUSED = "fused"


class Part(StrEnum):
    """The part of a turn that failed."""

    REFORMULATE = "reformulate"
    SEARCH = "search"
    IMAGINE = "imagine"
    ASK = "ask"
    SAVE = "save"


@dataclass(frozen=True)
class Reformulated:
    """S_t: the query text, and the need behind it."""

    turn: int
    query: QueryText
    need: Need


@dataclass(frozen=True)
class Results:
    """The page of photos as they rank now, best first."""

    turn: int
    stage: Stage
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Certainty:
    """How sure the page just shown is: with this `chance` the photo is one of its `photos`."""

    turn: int
    photos: int
    chance: float


@dataclass(frozen=True)
class Prompts:
    """P_t1 ... P_tK, with the seed each is drawn from."""

    turn: int
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Loading:
    """The generator is being loaded, which is done once."""

    turn: int


@dataclass(frozen=True)
class Loaded:
    """The generator that `Loading` announced is ready; the first step begins."""

    turn: int


@dataclass(frozen=True)
class Imagining:
    """Image `k` (from 0) has taken `step` of `steps` (from 1)."""

    turn: int
    k: int
    step: int
    steps: int


@dataclass(frozen=True)
class ImageGenerated:
    """I_tk is there. `path` is the session's own copy; None where the disk refused it."""

    turn: int
    k: int
    imagined: Imagined
    path: Path | None


@dataclass(frozen=True)
class SessionNote:
    """One line the user should know: a rewrite not used, a filter left out."""

    text: str


@dataclass(frozen=True)
class TurnFailed:
    """One part of the turn failed; what was shown before stays."""

    part: Part
    message: str
    hint: str


@dataclass(frozen=True)
class Timings:
    """Seconds a turn's parts took; None for a part that did not run.

    `text_hits`, `first_picture` and `fused_hits` count from the message; the others are each part's own.
    """

    reformulate: float | None = None
    text_hits: float | None = None
    load: float | None = None
    first_picture: float | None = None
    imagine: float | None = None
    fused_hits: float | None = None
    ask: float | None = None
    total: float = 0.0


@dataclass(frozen=True)
class TurnDone:
    """The turn is over; `cancelled` if it was cut short."""

    turn: int
    timings: Timings
    cancelled: bool = False


Event = (
    Reformulated
    | Results
    | Certainty
    | Prompts
    | Loading
    | Loaded
    | Imagining
    | ImageGenerated
    | SessionNote
    | Question
    | TurnFailed
    | TurnDone
)
