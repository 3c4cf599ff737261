"""The real engine: `dar_tui.session.session` on an `indexer` library, with the models that were asked for.

Everything heavy is imported by the methods that need it, which run in threads after the first paint: libraries bring
numpy (0.2 s), models much more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.session.events import Event, Results, Stage
from dar_tui.tui.conversation import KEPT_HITS, Drawing, Exchange, ExchangeState
from dar_tui.tui.engine import (
    Action,
    ApplyFilter,
    ChangeChip,
    ChipKinds,
    Feedback,
    ImagineAgain,
    LibraryFacts,
    MoreLike,
    Opened,
    PhotoFeedback,
    PhotoFilter,
    PhotoLookedAt,
    PhotosSeen,
    PictureFeedback,
    Report,
    Rerank,
    SavedSession,
    SendMessage,
    ShownChip,
    ShowNextPage,
    ShowSeen,
    SkipQuestion,
    Understood,
)
from dar_tui.tui.models import AppModels, Lazy, load_generator, open_with_encoder
from indexer.errors import DarError, LibraryNotFound
from indexer.printable import visible

if TYPE_CHECKING:
    from dar_tui.fusion.finding import Narrowing
    from dar_tui.imagine.worker import AnyGenerator
    from dar_tui.language.when import Hemisphere
    from dar_tui.session.session import Session
    from dar_tui.settings import Settings
    from indexer.encoders import Encoder
    from indexer.indexing.events import Event as IndexEvent
    from indexer.library import Library
    from indexer.search.hits import Hit

# Three screens full. A question is worth asking if it changes this page, so a longer one would ask on and on.
PAGE = 40
SESSIONS = "sessions"
# As many of the photos seen earlier are shown: more than anyone leafs through.
_MOST_SEEN = 500
# How often a wait that cannot be interrupted looks whether Esc was pressed.
_CANCEL_SECONDS = 0.05


class SessionEngine:
    """See `dar_tui.tui.engine.ChatEngine`."""

    def __init__(
        self,
        settings: Settings,
        library: Path,
        models: AppModels,
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
        self._report: Report = _unheard
        self._library: Library | None = None
        self._session: Session | None = None
        self._encoder: Encoder | None = None
        self._generator: Lazy[AnyGenerator] | None = None
        # Encoders load once, whoever asks first: the warm-up or a message that was quicker.
        self._loading = threading.Lock()
        self._warm: Encoder | None = None
        self._answering = False
        self._cancelled = threading.Event()

    # Opening

    def open(self, library: Path | None = None, session: Path | None = None) -> Opened:
        """Opens a library with a session; what was open before is closed."""
        from dar_tui.language.when import hemisphere_of
        from dar_tui.registry import remember_library
        from dar_tui.session.session import Session, SessionOptions
        from dar_tui.session.state import CALIBRATIONS
        from dar_tui.session.transcript import Log, Started

        path = library or self._path
        if self._session is not None and session == self._session.log.path:
            # Resumed while it is open: nobody else has it, and its writer must close it first.
            self._session.close()
        opened, encoder, missing = open_with_encoder(path, self._models.encoder, self._encoder_for)
        try:
            facts = facts_of(opened)
            parts = self._models.parts(opened, encoder, self._notify)
            if parts.load_generator is not None:
                load = parts.load_generator
                # The one that ships runs without: its libraries would be 360 MB for nothing.
                uses_torch = self._models.generator != "bundled"
                self._generator = self._generator or Lazy(lambda: load_generator(load, uses_torch=uses_torch))
                parts = replace(parts, load_generator=self._generator)
            options = SessionOptions(
                page=PAGE, pictures=self._pictures, calibrations=self._settings.home / CALIBRATIONS
            )
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
            chips=_shown_chips(made),
            pictures=dict.fromkeys(dialogue.picked, True) | dict.fromkeys(dialogue.vetoed, False),
            notes=(*notes_on(facts), *missing, *self._models.notes),
        )

    def _encoder_for(self, library: Library) -> Encoder:
        record = library.encoder
        if self._encoder is not None and (record is None or record.encoder_id == self._encoder.id):
            return self._encoder
        with self._loading:
            if record is None:
                return self._models.load_encoder(self._models.new_spec, self._notify)
            return self._models.encoder_of(library, self._notify)

    def warm_up(self, report: Report) -> None:
        """Text tower, then generator; that is left to a turn that is being played, for its text's hits come first."""
        self._report = report
        session, encoder = self._session, self._encoder
        if session is None or encoder is None:
            return
        report("loading the text encoder")
        self._load_text_tower(encoder)
        if self._imagining and not self._answering and self._generator is not None and not self._generator.is_made:
            report("loading the generator")
            session.prepare()

    def _load_text_tower(self, encoder: Encoder) -> None:
        with self._loading:
            if self._warm is not encoder:
                encoder.encode_texts(["a photo"])
                self._warm = encoder

    def _wait_for_text_tower(self, encoder: Encoder) -> None:
        """Returns once the text tower is loaded or the action is cancelled, whichever comes first."""
        if self._warm is encoder:
            return
        done = threading.Event()
        errors: list[BaseException] = []

        def load() -> None:
            try:
                self._load_text_tower(encoder)
            except BaseException as error:
                errors.append(error)
            finally:
                done.set()

        threading.Thread(target=load, name="dar-text-tower", daemon=True).start()
        while not done.wait(_CANCEL_SECONDS):
            if self._cancelled.is_set():
                return
        if errors:
            raise errors[0]

    # Playing

    def play(self, action: Action) -> Generator[Event | Understood, None, None]:
        """Hands actions to the session; filtering and "more like this" are the library's.

        What is looked for is reported as soon as an event shows that it has changed.
        """
        session, shown = self._session, None
        for event in self._play(action):
            if session is not None and (chips := _shown_chips(session)) != shown:
                shown = chips
                yield Understood(chips)
            yield event

    def _play(self, action: Action) -> Iterator[Event]:
        session, library, encoder = self._session, self._library, self._encoder
        if session is None or library is None or encoder is None:
            raise DarError("No library is open.", "Press ctrl+l to choose one.")
        self._cancelled.clear()
        match action:
            case SendMessage(text, selected):
                self._answering = True
                try:
                    # The turn begins before the encoder is there: the message is saved, and Esc ends it from now on.
                    events = session.turn(text, selected)
                    self._wait_for_text_tower(encoder)
                    yield from events
                finally:
                    self._answering = False
            case ChangeChip(chip, flip):
                from dar_tui.dialogue.need import Chip, ChipEdit, ChipKind

                edit = ChipEdit.FLIPPED if flip else ChipEdit.REMOVED
                yield from session.edit(Chip(ChipKind(chip.kind), chip.text), edit)
            case Rerank():
                yield from session.rerank()
            case ShowNextPage():
                yield from session.next_page()
            case ImagineAgain():
                yield from session.imagine_again()
            case ApplyFilter(photo_filter):
                session.narrowing = _narrowing(photo_filter)
                yield from session.rerank()
            case MoreLike(image_id):
                yield Results(0, Stage.TEXT, photos_like(library, image_id, PAGE, session.narrowing))
            case ShowSeen():
                yield Results(0, Stage.TEXT, tuple(library.photos(session.seen[:_MOST_SEEN])))

    def record(self, feedback: Feedback) -> None:
        """Records it in the session."""
        session = self._session
        if session is None:
            return
        from dar_tui.dialogue.dialogue import Opinion

        opinions = {True: Opinion.GOOD, False: Opinion.BAD, None: Opinion.NONE}
        match feedback:
            case PhotoFeedback(image_id, good):
                session.like(image_id, opinions[good])
            case PictureFeedback(turn, k, good):
                session.pick(turn, k, opinions[good])
            case PhotosSeen(image_ids):
                session.shown(image_ids)
            case PhotoLookedAt(image_id):
                session.opened(image_id)
            case SkipQuestion():
                session.skip()

    def cancel(self) -> None:
        """Ends what is played."""
        self._cancelled.set()
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

        from dar_tui.registry import remember_library
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
            try:
                with self._loading:
                    return self._models.load_encoder(spec, self._notify)
            finally:
                self._notify("")

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
        """The open library."""
        from indexer.library import Library

        with Library.open(self._path) as library:
            return facts_of(library)

    def libraries(self) -> list[LibraryFacts]:
        """Those known on this machine, one that cannot be opened with its reason."""
        from dar_tui.registry import known_libraries

        paths = known_libraries(self._settings.home)
        if self._library is not None and self._path not in paths:
            paths.append(self._path)
        return describe_all(paths)

    def sessions(self) -> list[SavedSession]:
        """Those saved with the open library."""
        from dar_tui.session.transcript import sessions

        return [
            SavedSession(each.path, each.at, each.first_message, each.messages, each.last_message)
            for each in sessions(self._path / SESSIONS)
        ]

    def close(self) -> None:
        """Closes session and library."""
        session, library = self._session, self._library
        self._session = self._library = None
        if session is not None:
            session.close()
        if library is not None:
            library.close()

    def _notify(self, line: str) -> None:
        self._report(line)


def facts_of(library: Library) -> LibraryFacts:
    """What is in an open library."""
    info = library.info()
    return LibraryFacts(
        path=info.path,
        photos=info.photos,
        unreadable=info.problems,
        encoder=info.encoder.spec if info.encoder else "",
        folders=tuple(root.path for root in info.roots),
        away=tuple(root.path for root in info.roots if not root.present),
    )


def describe_all(paths: Iterable[Path]) -> list[LibraryFacts]:
    """Every library, one that cannot be opened with its reason."""
    # Not at the top: numpy comes with it, and the first paint does not wait for those.
    from indexer.library import Library

    found: list[LibraryFacts] = []
    for path in paths:
        try:
            with Library.open(path) as library:
                found.append(facts_of(library))
        except DarError as error:
            found.append(LibraryFacts(path, 0, problem=f"{error.message} {error.hint}".rstrip()))
    return found


def notes_on(facts: LibraryFacts) -> tuple[str, ...]:
    """What the user should know before searching."""
    return tuple(
        f"{visible(folder)} is not there now: its photos are found, but cannot be opened. Is its drive mounted?"
        for folder in facts.away
    )


def exchanges_of(session: Path, library: Library) -> tuple[Exchange, ...]:
    """The turns of a saved session, oldest first; photos deleted since are left out. Raises DialogueUnreadable."""
    from dar_tui.dialogue.dialogue import NUMBERED, QuestionAsked
    from dar_tui.dialogue.need import Edited
    from dar_tui.session.transcript import Pictured, Prompted, Record, Shown, resume

    album = session.with_suffix("")

    def after(exchange: Exchange, record: Record) -> Exchange:
        match record:
            case Prompted(turn, query, prompts, seeds, _) if turn == exchange.turn:
                # A turn's images are numbered through when it is imagined again: those that are there stay.
                drawn_before = {(each.prompt, each.seed): each for each in exchange.drawings}
                origins = zip(prompts, seeds, strict=True)
                drawings = tuple(drawn_before.get(origin, Drawing(*origin)) for origin in origins)
                return replace(exchange, query=" ".join(query), drawings=drawings)
            case Pictured(turn, index, path) if turn == exchange.turn and index < len(exchange.drawings):
                drawn = replace(exchange.drawings[index], path=album / Path(path).name, done=True)
                drawings = (*exchange.drawings[:index], drawn, *exchange.drawings[index + 1 :])
                return replace(exchange, drawings=drawings)
            case Shown(turn, stage, photos) if turn == exchange.turn:
                ids = [int(name) for name in photos if name.isdecimal()][:KEPT_HITS]
                return replace(exchange, hits=tuple(library.photos(ids)), stage=Stage(stage))
            case QuestionAsked(question):
                return replace(exchange, question=question)
            case _:
                return exchange

    exchanges: list[Exchange] = []
    for record in resume(session).records:
        if isinstance(record, NUMBERED):
            text = record.chip.text if isinstance(record, Edited) else getattr(record, "typed", "") or record.text
            exchanges.append(Exchange(text, turn=len(exchanges), state=ExchangeState.DONE))
        elif exchanges:
            exchanges[-1] = after(exchanges[-1], record)
    return tuple(exchanges)


def photos_like(library: Library, image_id: int, k: int, narrowing: Narrowing) -> tuple[Hit, ...]:
    """The `k` photos nearest to one, itself left out, in the space where photos are compared best."""
    from dar_tui.fusion.finding import Filters, find
    from indexer.encoders import JOINT, VISUAL
    from indexer.search.ranking import Query, Term

    record = library.encoder
    space = VISUAL if record is not None and record.visual_dim else JOINT
    query = Query((Term(library.vectors([image_id], space)[0], space),), by_example=True)
    return find(library, query, k, Filters(without=frozenset({image_id}), narrowing=narrowing)).hits


def _shown_chips(session: Session) -> tuple[ShownChip, ...]:
    """What the session has understood; what the user filters by hand the app knows itself."""
    return tuple(ShownChip(ChipKinds(str(chip.kind)), chip.text) for chip in session.dialogue.chips)


def _unheard(line: str) -> None:
    return


def _narrowing(photo_filter: PhotoFilter) -> Narrowing:
    from dar_tui.fusion.finding import Narrowing

    return Narrowing(photo_filter.after, photo_filter.before, photo_filter.folder, photo_filter.camera)
