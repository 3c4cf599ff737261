"""The state of one session, what a session is made from, and how its turns are cancelled and timed.

Every change goes through `SessionState`, under one lock, and is saved as it is made. A turn that was cancelled changes
nothing more. Does not know what a turn does (`dar_tui.session.algorithm`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from dar_tui.dialogue.dialogue import Dialogue, Event
from dar_tui.fusion.evidence import GeneratedImage, QueryEncoder, SearchRequest
from dar_tui.fusion.finding import Narrowing
from dar_tui.fusion.strategies import strategy_named
from dar_tui.imagine.cache import Album
from dar_tui.imagine.worker import Imagination, LoadGenerator
from dar_tui.questions.questioner import Questioner
from dar_tui.reformulate import Reformulator
from dar_tui.session.belief import calibration_of
from dar_tui.session.events import Timings, TurnFailed
from dar_tui.session.page import Page, SearchSettings, TurnContext
from dar_tui.session.transcript import Log, Prompted
from indexer.encoders import Encoder
from indexer.library import Library

BELIEF = "belief"
"""The app's way to rank: all evidence as one posterior (`dar_tui.session.belief`)."""

CALIBRATIONS = "calibrations"
"""The folder, in dar's home, of the constants that `dar eval fit` has found for encoders."""

_T = TypeVar("_T")
_Span = Literal["reformulate", "load", "imagine", "ask"]
_Moment = Literal["text_hits", "first_picture", "fused_hits"]

# Set once the turn it was made for is over or cancelled.
CancelToken = threading.Event


@dataclass(frozen=True)
class SessionParts:
    """What a session works with. No generator: it searches by text alone. No questioner: it asks nothing."""

    library: Library
    encoder: Encoder
    reformulator: Reformulator
    load_generator: LoadGenerator | None = None
    questioner: Questioner | None = None


@dataclass(frozen=True)
class SessionOptions:
    """`page`: photos shown. `pictures`: K. `fusion`: "belief", or a strategy's name, to compare with.

    `picture_weight`: None for the strategy's own. `calibrations`: a folder of constants fitted for encoders, None for
    those that ship.

    K = 3: the paper's choice; one picture gave +6.43 Hits@10 there, three +7.61, more hardly any.
    """

    page: int = 10
    pictures: int = 3
    fusion: str = BELIEF
    picture_weight: float | None = None
    calibrations: Path | None = None


class SessionState:
    """All that the turns of one session share. Usable from several threads: `dialogue`, `request`, `prompted` and
    `gallery` are replaced under `lock`, never changed, so that any thread may keep what it read.

    Raises UsageError for a fusion strategy that does not exist.
    """

    def __init__(self, parts: SessionParts, log: Log, options: SessionOptions) -> None:
        self.parts = parts
        self.options = options
        self.log = log
        self.album = Album(log.path.with_suffix(""))
        self.imagination = Imagination(parts.load_generator) if parts.load_generator is not None else None
        self.search = SearchSettings(
            parts.library,
            QueryEncoder(parts.encoder),
            None if options.fusion == BELIEF else strategy_named(options.fusion),
            options.picture_weight,
            options.page,
            calibration_of(parts.encoder.id, options.calibrations),
        )
        self.lock = threading.RLock()
        self.dialogue = Dialogue(hemisphere=log.started.hemisphere)
        self.request: SearchRequest | None = None
        self.prompted: Prompted | None = None
        self.page = Page()
        self.gallery: dict[tuple[int, int], GeneratedImage] = {}
        self._token = CancelToken()
        self._token_lock = threading.Lock()

    @property
    def id(self) -> str:
        """The session's name, by which it is resumed."""
        return self.log.path.stem

    def begin(self) -> CancelToken:
        """Cancels the turn that runs, if one does; the token is the next turn's."""
        with self._token_lock:
            self._token.set()
            self._token = CancelToken()
            return self._token

    def cancel(self) -> None:
        """Cancels the turn that runs. Never waits: `lock` is held while the disk writes, which may take seconds."""
        with self._token_lock:
            self._token.set()

    def context(self, request: SearchRequest, narrowing: Narrowing) -> TurnContext:
        """All that decides the page, as it is at this moment."""
        with self.lock:
            return TurnContext(request, self.dialogue, self.gallery, narrowing, self.search)

    # Changes. A token that is set comes too late, and nothing is changed.

    def record(self, event: Event, token: CancelToken | None = None) -> TurnFailed | None:
        """Adds to the dialogue; returns what failed in saving it."""
        with self.lock:
            if token is not None and token.is_set():
                return None
            self.dialogue = self.dialogue.after(event)
            return self.log.write(event)

    def set_request(self, request: SearchRequest | None, token: CancelToken) -> None:
        """What is looked for from now on."""
        with self.lock:
            if not token.is_set():
                self.request = request

    def set_page(self, page: Page, token: CancelToken) -> None:
        """The page that is shown from now on."""
        with self.lock:
            if not token.is_set():
                self.page = page

    def record_prompts(self, prompted: Prompted, token: CancelToken) -> TurnFailed | None:
        """What images are generated from; returns what failed in saving it."""
        with self.lock:
            if token.is_set():
                return None
            self.prompted = prompted
            return self.log.write(prompted)

    def add_image(self, place: tuple[int, int], image: GeneratedImage, token: CancelToken) -> bool:
        """Adds a generated image to the gallery; False where it comes too late."""
        with self.lock:
            if token.is_set():
                return False
            self.gallery = {**self.gallery, place: image}
            return True

    def restore(self) -> None:
        """The state after the last thing saved in the log. A generated image whose file is gone is left out.

        Raises DialogueUnreadable, or SessionBusy where another process writes the session.
        """
        saved = self.log.restored()
        with self.lock:
            self.dialogue, self.prompted = saved.dialogue, saved.prompted
            for place, (prompt, seed) in saved.pictured.items():
                imagined = self.album.find(*place, prompt, seed)
                if imagined is not None and imagined.vector is not None:
                    self.gallery[place] = GeneratedImage(seed, imagined.vector)
            turn = self.dialogue.number
            if turn >= 0:
                # A message cut off before its query was saved is read anew; the first draft comes without a model.
                query = saved.queries.get(turn) or next(self.parts.reformulator.drafts(self.dialogue, 0)).query
                self.request = SearchRequest(turn, query, self.dialogue.need())


class Stopwatch:
    """How long the parts of a turn take; starts when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._seconds: dict[_Span | _Moment, float] = {}

    @contextmanager
    def part(self, name: _Span) -> Iterator[None]:
        """Counts the time inside."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.took(name, time.perf_counter() - began)

    def took(self, name: _Span, seconds: float) -> None:
        """Counts what somebody else has measured; a part that runs in pieces takes as long as all of them."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def each(self, name: _Span, steps: Iterator[_T]) -> Iterator[_T]:
        """The same steps; counts the time within them, and not what their user does between two."""
        while True:
            with self.part(name):
                step = next(steps, None)
            if step is None:
                return
            yield step

    def mark(self, name: _Moment) -> None:
        """Notes the time since the start, the first time it is called for this moment."""
        self._seconds.setdefault(name, time.perf_counter() - self._began)

    def timings(self) -> Timings:
        """What was measured so far."""
        return Timings(**self._seconds, total=time.perf_counter() - self._began)
