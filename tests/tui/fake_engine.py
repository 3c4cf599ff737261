"""An engine for tests: real hits with real thumbnails, a script in place of models, and a hand on every delay.

Everything it gives out is what the real one gives out; only where it comes from is made up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from PIL import Image

from dar_tui.dialogue.dialogue import Expects
from dar_tui.dialogue.need import Need
from dar_tui.imagine import Imagined
from dar_tui.language.turn import Question
from dar_tui.reformulate.query import QueryStrategy, QueryText
from dar_tui.session.events import (
    Certainty,
    Event,
    ImageGenerated,
    Imagining,
    Loading,
    Part,
    Prompts,
    Reformulated,
    Results,
    Stage,
    Timings,
    TurnDone,
    TurnFailed,
)
from dar_tui.tui.conversation import Exchange, ExchangeState
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
    Report,
    SavedSession,
    SendMessage,
    ShownChip,
    ShowNextPage,
    ShowSeen,
    Understood,
)
from indexer.errors import DarError, LibraryNotFound
from indexer.indexing.events import Counts, Finished, IndexSummary, Planned, Progress, Scanning
from indexer.indexing.events import Event as IndexEvent
from indexer.search.hits import Hit
from indexer.search.strength import Strength
from tests import photos

PROMPTS = ("a red square, photo", "a red square at dusk", "a red square, close up")


def make_hits(folder: Path, count: int, *, pictures: int = 12, names: Sequence[str] = ()) -> tuple[Hit, ...]:
    """`count` hits over `pictures` real photos with thumbnails; the first with a near-duplicate, some without a day."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(min(pictures, count)):
        name = names[number] if number < len(names) else f"photo-{number:02}.jpg"
        path = photos.jpeg(folder / name, number, (240, 160))
        thumbnail = photos.jpeg(folder / f"thumb-{number:02}.jpg", number, (120, 80))
        files.append((path, thumbnail))
    hits = [_hit(number, *files[number % len(files)]) for number in range(count)]
    if len(hits) > 1:
        twin = replace(hits[0], image_id=10_000, path=hits[0].path.with_name("twin.jpg"))
        hits[0] = replace(hits[0], similar=(twin,))
    return tuple(hits)


def _hit(number: int, path: Path, thumbnail: Path) -> Hit:
    return Hit(
        image_id=number + 1,
        path=path,
        score=1 - number / 1000,
        rank=number + 1,
        strength=(Strength.STRONG, Strength.WEAK, Strength.NONE)[min(number // 4, 2)],
        thumbnail=thumbnail,
        taken_at=datetime(2010 + number * 7 % 13, 1 + number % 12, 1 + number % 28, 12) if number % 5 != 4 else None,
        taken_from="exif",
        latitude=48.1372,
        longitude=11.5756,
        camera="Canon EOS R5",
        width=240,
        height=160,
        format="JPEG",
    )


def ranked(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    return tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, 1))


@dataclass
class Script:
    """How the engine behaves. `gate`, `before_question`: cleared, a turn waits before its
    pictures or its question; `open_gates`: opening these libraries waits; `broken`: one that cannot be opened; `fail`:
    the part that fails.
    """

    hits: tuple[Hit, ...]
    steps: int = 4
    question: Question | None = field(default_factory=lambda: Question("Is it indoors?", "indoors", Expects.YES_NO))
    gate: threading.Event = field(default_factory=threading.Event)
    before_question: threading.Event = field(default_factory=threading.Event)
    open_gates: dict[Path, threading.Event] = field(default_factory=dict)
    broken: Path | None = None
    folders: tuple[Path, ...] = ()
    new_first: bool = False
    certainty: float | None = None
    fail: Part | None = None
    crash: Exception | None = None
    open_error: DarError | None = None
    no_library: bool = False
    load_seconds: float = 0.0
    index_files: int = 0

    def __post_init__(self) -> None:
        self.gate.set()
        self.before_question.set()


class FakeEngine:
    """See `dar_tui.tui.engine.ChatEngine`."""

    def __init__(self, folder: Path, script: Script) -> None:
        self.folder = folder
        self.script = script
        self.played: list[Action] = []
        self.feedback: list[Feedback] = []
        self.opened: list[tuple[Path | None, Path | None]] = []
        self.library = folder / "library"
        self.imagining = True
        self.closed = False
        self.exchanges: tuple[Exchange, ...] = ()
        self.photo_filter = PhotoFilter()
        self.indexed: list[Path | None] = []
        self._cancelled = threading.Event()
        self._turns = 0
        self._unliked: set[int] = set()
        self.seen: list[int] = []
        self.looked_at: list[int] = []
        self._passed: set[int] = set()
        self.chips: tuple[ShownChip, ...] = ()

    def open(self, library: Path | None = None, session: Path | None = None) -> Opened:
        self.opened.append((library, session))
        if self.script.open_error is not None:
            raise self.script.open_error
        if self.script.no_library:
            raise LibraryNotFound("There is no library.", "Run `dar index FOLDER` to make one.")
        if library is not None and library in self.script.open_gates:
            self.script.open_gates[library].wait(10)
        if library is not None and library == self.script.broken:
            raise DarError("It was written by a newer version of dar.", "Update dar.")
        self.library = library or self.library
        self._turns = len(self.exchanges) if session else 0
        return Opened(
            library=self.facts(),
            session="2025-11-23-120000",
            generator="fake",
            imagining=self.imagining,
            exchanges=self.exchanges if session else (),
        )

    def warm_up(self, report: Report) -> None:
        report("loading models")
        # A load cannot be cancelled, as a real one cannot.
        threading.Event().wait(self.script.load_seconds)

    def play(self, action: Action) -> Generator[Event | Understood, None, None]:
        self.played.append(action)
        self._cancelled = cancelled = threading.Event()
        if self.script.crash is not None:
            raise self.script.crash
        if isinstance(action, MoreLike):
            others = [hit for hit in self.script.hits if hit.image_id != action.image_id]
            yield Results(0, Stage.TEXT, ranked(list(reversed(others))[:6]))
            return
        if isinstance(action, ShowSeen):
            by_id = {hit.image_id: hit for hit in self.script.hits}
            yield Results(0, Stage.TEXT, ranked([by_id[image_id] for image_id in reversed(self.seen)]))
            return
        if isinstance(action, ApplyFilter):
            self.photo_filter = action.photo_filter
        if isinstance(action, ShowNextPage | SendMessage):
            self._passed |= set(self.seen)
        if isinstance(action, SendMessage):
            self.chips = (*self.chips, ShownChip(ChipKinds.WANTS, action.text))
            yield Understood(self.chips)
        if isinstance(action, ChangeChip):
            yield self._changed(action)
        fresh = [hit for hit in self.script.hits if hit.image_id not in self._passed]
        hits = ranked(
            [hit for hit in fresh if hit.image_id not in self._unliked]
            if self.script.new_first
            else [hit for hit in self.script.hits if hit.image_id not in self._unliked]
        )
        if isinstance(action, SendMessage):
            self._turns += 1
            yield from self._say(action.text, hits)
        turn = self._turns - 1
        if isinstance(action, SendMessage | ImagineAgain) and self.imagining:
            yield from self._imagine(turn, cancelled, again=isinstance(action, ImagineAgain))
        if not cancelled.is_set():
            if not isinstance(action, SendMessage) or self.imagining:
                yield Results(turn, Stage.FUSED, ranked([*hits[3:6], *hits[:3], *hits[6:]]))
            self.script.before_question.wait(10)
            if self.script.question is not None and isinstance(action, SendMessage):
                yield self.script.question
        timings = Timings(text_hits=0.05, imagine=0.5, total=0.6)
        yield TurnDone(turn, timings, cancelled=cancelled.is_set())

    def _say(self, text: str, hits: tuple[Hit, ...]) -> Iterator[Event]:
        turn = self._turns - 1
        yield Reformulated(turn, QueryText(QueryStrategy.STATEMENTS, (text,), (1.0,)), Need(subject=(text,)))
        if self.script.fail is Part.SEARCH:
            yield TurnFailed(Part.SEARCH, "The library cannot be read.", "Check that its drive is there.")
            return
        yield Results(turn, Stage.TEXT, hits)
        if self.script.certainty is not None:
            yield Certainty(turn, len(hits), self.script.certainty)

    def _changed(self, action: ChangeChip) -> Understood:
        opposite = {ChipKinds.WANTS: ChipKinds.REJECTS, ChipKinds.REJECTS: ChipKinds.WANTS}
        changed = (replace(action.chip, kind=opposite[action.chip.kind]),) if action.flip else ()
        at = self.chips.index(action.chip)
        self.chips = (*self.chips[:at], *changed, *self.chips[at + 1 :])
        return Understood(self.chips)

    def _imagine(self, turn: int, cancelled: threading.Event, *, again: bool) -> Iterator[Event]:
        first = len(PROMPTS) if again else 0
        yield Prompts(turn, PROMPTS, (11, 12, 13) if not again else (21, 22, 23))
        yield Loading(turn)
        if self.script.fail is Part.IMAGINE:
            yield TurnFailed(Part.IMAGINE, "The GPU ran out of memory.", "Press i to go on without imagining.")
            return
        for k, prompt in enumerate(PROMPTS):
            for step in range(1, self.script.steps + 1):
                if cancelled.is_set():
                    return
                yield Imagining(turn, first + k, step, self.script.steps)
            while not self.script.gate.wait(0.01):
                if cancelled.is_set():
                    return
            image = Image.new("RGB", (48, 48), (200, 40 * k, 30))
            path = self.folder / f"turn-{turn}-{first + k}.png"
            image.save(path)
            yield ImageGenerated(turn, first + k, Imagined(prompt, 11 + k, image), path)

    def record(self, feedback: Feedback) -> None:
        if isinstance(feedback, PhotosSeen):
            self.seen += feedback.image_ids
            return
        if isinstance(feedback, PhotoLookedAt):
            self.looked_at.append(feedback.image_id)
            return
        self.feedback.append(feedback)
        if isinstance(feedback, PhotoFeedback):
            (self._unliked.add if feedback.good is False else self._unliked.discard)(feedback.image_id)

    def cancel(self) -> None:
        self._cancelled.set()

    def set_imagining(self, on: bool) -> None:
        self.imagining = on

    def index(self, folder: Path | None, stopped: Callable[[], bool]) -> Iterator[IndexEvent]:
        self.indexed.append(folder)
        total = self.script.index_files
        self.script.no_library = False
        yield Scanning(folder or self.folder)
        yield Planned(total, Counts())
        for done in range(1, total + 1):
            if stopped():
                break
            self.script.gate.wait(10)
            yield Progress(done, total, Counts(added=done))
        yield Finished(IndexSummary(self.folder, "fake", total, total, 0, 0, 0, 0, 0, 1.0, 1.0, total))

    def facts(self) -> LibraryFacts:
        return LibraryFacts(self.library, len(self.script.hits), 2, "fake-encoder", self.script.folders)

    def libraries(self) -> list[LibraryFacts]:
        other = LibraryFacts(self.folder / "other", 7, away=(Path("/mnt/[bold]usb"),))
        broken = LibraryFacts(self.folder / "broken", 0, problem="It was written by a newer version of dar.")
        return [self.facts(), other, broken]

    def sessions(self) -> list[SavedSession]:
        return [
            SavedSession(self.folder / "one.jsonl", datetime(2025, 5, 4, 12), "a red [bold]square", 3, "it was in Rome")
        ]

    def close(self) -> None:
        self.closed = True


def exchange(message: str, hits: tuple[Hit, ...] = (), turn: int = 0) -> Exchange:
    """One that is over."""
    return Exchange(message, turn=turn, state=ExchangeState.DONE, hits=hits, stage=Stage.TEXT if hits else None)
