"""The real engine: `dar_tui.session.session` on an `indexer` library, with the models that were asked for.

Everything heavy is imported by the methods that need it, which run in threads after the first paint: libraries bring
numpy (0.2 s), models much more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.registry import known_libraries, remember_library
from dar_tui.session.events import Event, Results, Stage
from dar_tui.tui.describing import describe_all, facts_of, notes_on
from dar_tui.tui.engine import (
    Action,
    Feedback,
    ImagineAgain,
    LibraryFacts,
    MoreLike,
    Narrow,
    Narrowing,
    OfPhoto,
    OfPicture,
    Opened,
    Rerank,
    SavedSession,
    Say,
    Tell,
)
from dar_tui.tui.models import Models, loaded
from dar_tui.tui.once import Once
from indexer.errors import DarError, LibraryNotFound

if TYPE_CHECKING:
    from dar_tui.fusion.finding import Narrowing as SessionNarrowing
    from dar_tui.imagine.worker import AnyGenerator
    from dar_tui.language.when import Hemisphere
    from dar_tui.session.session import Session
    from dar_tui.settings import Settings
    from indexer.encoders import Encoder
    from indexer.indexing.events import Event as IndexEvent
    from indexer.library import Library

# Three screens full. A question is worth asking if it changes this page, so a longer one would ask on and on.
PAGE = 40
SESSIONS = "sessions"


class SessionEngine:
    """See `dar_tui.tui.engine.Engine`."""

    def __init__(
        self,
        settings: Settings,
        library: Path,
        models: Models,
        *,
        pictures: int = 3,
        fusion: str = "",
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._settings = settings
        self._path = library
        self._models = models
        self._pictures = pictures
        self._fusion = fusion
        self._now = now
        self._imagining = True
        self._tell: Tell = _nobody
        self._library: Library | None = None
        self._session: Session | None = None
        self._encoder: Encoder | None = None
        self._generator: Once[AnyGenerator] | None = None
        # Encoders load once, whoever asks first: the warm-up or a message that was quicker.
        self._loading = threading.Lock()
        self._warm: Encoder | None = None
        self._answering = False

    # Opening

    def open(self, library: Path | None = None, session: Path | None = None) -> Opened:
        """Opens a library with a session; what was open before is closed."""
        from dar_tui.language.when import hemisphere_of
        from dar_tui.session.session import Session, SessionOptions
        from dar_tui.session.transcript import Log, Started
        from dar_tui.tui.opening import open_with_encoder
        from dar_tui.tui.restoring import exchanges_of

        path = library or self._path
        if self._session is not None and session == self._session.log.path:
            # Taken up again while it is in hand: nobody else has it, and its writer must let go first.
            self._session.close()
        opened, encoder, missing = open_with_encoder(path, self._models.encoder, self._encoder_for)
        try:
            facts = facts_of(opened)
            parts = self._models.parts(opened, encoder, self._say)
            if parts.load_generator is not None:
                load = parts.load_generator
                self._generator = self._generator or Once(lambda: loaded(load))
                parts = replace(parts, load_generator=self._generator)
            options = SessionOptions(page=PAGE, pictures=self._pictures)
            if self._fusion:
                options = replace(options, fusion=self._fusion)
            seasons = hemisphere_of(self._settings.hemisphere, opened.is_southern)
            started = Started(self._now(), str(path), self._models.profile, seasons)
            log = (
                Log(session, started)
                if session
                else Log.begin(path / SESSIONS, started.at, str(path), started.profile, seasons)
            )
            made = Session.resume(parts, log, options) if session else Session(parts, log, options)
        except BaseException:
            opened.close()
            raise
        self.close()
        made.imagining = self._imagining
        self._path, self._library, self._session, self._encoder = path, opened, made, encoder
        remember_library(self._settings.home, path)
        dialogue = made.dialogue
        return Opened(
            library=facts,
            session=made.id,
            generator=self._models.generator,
            imagining=self._imagining,
            exchanges=exchanges_of(session, opened) if session is not None else (),
            question=dialogue.pending,
            liked=frozenset(int(name) for name in dialogue.liked if name.isdecimal()),
            unliked=frozenset(int(name) for name in dialogue.unliked if name.isdecimal()),
            pictures=dict.fromkeys(dialogue.picked, True) | dict.fromkeys(dialogue.vetoed, False),
            notes=(*notes_on(facts), *missing, *self._models.notes),
        )

    def _encoder_for(self, library: Library) -> Encoder:
        record = library.encoder
        if self._encoder is not None and (record is None or record.encoder_id == self._encoder.id):
            return self._encoder
        with self._loading:
            if record is None:
                return self._models.load_encoder(self._models.new_spec, self._say)
            return self._models.encoder_of(library, self._say)

    def warm_up(self, tell: Tell) -> None:
        """Text tower, then generator; that is left to a turn that is being played, for its text's hits come first."""
        self._tell = tell
        session, encoder = self._session, self._encoder
        if session is None or encoder is None:
            return
        tell("loading the text encoder")
        self._load_text_tower(encoder)
        if self._imagining and not self._answering and self._generator is not None and not self._generator.is_made:
            tell("loading the generator")
            session.prepare()

    def _load_text_tower(self, encoder: Encoder) -> None:
        with self._loading:
            if self._warm is not encoder:
                encoder.encode_texts(["a photo"])
                self._warm = encoder

    # Playing

    def play(self, action: Action) -> Generator[Event, None, None]:
        """Hands actions to the session; narrowing and "more like this" are the library's."""
        session, library, encoder = self._session, self._library, self._encoder
        if session is None or library is None or encoder is None:
            raise DarError("No library is open.", "Press ctrl+l to choose one.")
        match action:
            case Say(text):
                self._answering = True
                try:
                    self._load_text_tower(encoder)
                    yield from session.turn(text)
                finally:
                    self._answering = False
            case Rerank():
                yield from session.rerank()
            case ImagineAgain():
                yield from session.imagine_again()
            case Narrow(narrowing):
                session.narrowing = _narrowing(narrowing)
                yield from session.rerank()
            case MoreLike(image_id):
                from dar_tui.tui.likeness import photos_like

                yield Results(0, Stage.TEXT, photos_like(library, image_id, PAGE, session.narrowing))

    def note(self, feedback: Feedback) -> None:
        """Records it in the session."""
        session = self._session
        if session is None:
            return
        from dar_tui.dialogue.dialogue import Opinion

        opinions = {True: Opinion.GOOD, False: Opinion.BAD, None: Opinion.NONE}
        match feedback:
            case OfPhoto(image_id, good):
                session.like(image_id, opinions[good])
            case OfPicture(turn, k, good):
                session.pick(turn, k, opinions[good])
            case _:
                session.skip()

    def cancel(self) -> None:
        """Ends what is played."""
        if self._session is not None:
            self._session.cancel()

    def set_imagining(self, on: bool) -> None:
        """Holds for this session and those opened after it."""
        self._imagining = on
        if self._session is not None:
            self._session.imagining = on

    # Libraries and sessions

    def index(self, folder: Path | None, stopped: Callable[[], bool]) -> Iterator[IndexEvent]:
        """One index run, one core left to the interface."""
        import os

        from indexer.indexing.plan import IndexOptions
        from indexer.indexing.run import index
        from indexer.photos.scan import ScanOptions

        spec = self._own_spec() or self._models.new_spec
        options = IndexOptions(
            workers=max(1, (os.cpu_count() or 1) - 1), scan=ScanOptions(self._settings.exclude), encoder_spec=spec
        )

        def load() -> Encoder:
            if self._encoder is not None:
                return self._encoder
            with self._loading:
                return self._models.load_encoder(spec, self._say)

        yield from index(self._path, [folder] if folder is not None else [], load, options, stopped)
        remember_library(self._settings.home, self._path)

    def _own_spec(self) -> str:
        from indexer.library import Library

        if self._library is not None and self._library.encoder is not None:
            return self._library.encoder.spec
        try:
            with Library.open(self._path) as library:
                return library.encoder.spec if library.encoder else ""
        except LibraryNotFound:
            return ""

    @property
    def hemisphere(self) -> Hemisphere:
        """Where the open session's seasons are."""
        from dar_tui.language.when import Hemisphere

        return self._session.dialogue.hemisphere if self._session is not None else Hemisphere.NORTH

    def facts(self) -> LibraryFacts:
        """The library in hand."""
        from indexer.library import Library

        with Library.open(self._path) as library:
            return facts_of(library)

    def libraries(self) -> list[LibraryFacts]:
        """Those known on this machine, one that cannot be opened with its reason."""
        paths = known_libraries(self._settings.home)
        if self._library is not None and self._path not in paths:
            paths.append(self._path)
        return describe_all(paths)

    def sessions(self) -> list[SavedSession]:
        """Those saved with the library in hand."""
        from dar_tui.session.transcript import sessions

        return [SavedSession(each.path, each.at, each.first_message) for each in sessions(self._path / SESSIONS)]

    def close(self) -> None:
        """Lets go of session and library."""
        session, library = self._session, self._library
        self._session = self._library = None
        if session is not None:
            session.close()
        if library is not None:
            library.close()

    def _say(self, line: str) -> None:
        self._tell(line)


def _nobody(line: str) -> None:
    return


def _narrowing(narrowing: Narrowing) -> SessionNarrowing:
    from dar_tui.fusion.finding import Narrowing as SessionNarrowing

    return SessionNarrowing(narrowing.after, narrowing.before, narrowing.folder, narrowing.camera)
