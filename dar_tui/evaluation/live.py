"""The whole system with a simulated user: what questions, feedback and pictures each add to turning pages.

Every dialogue is a real session over a real library. Ranks are known as far as the page goes, as a user knows them. The
effort is what is compared: photos looked at until the right one is found.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from dar_tui.evaluation.datasets import AT, seed_of
from dar_tui.evaluation.report import Entry, Journal
from dar_tui.evaluation.simulated_user import Onlooker, Oracle
from dar_tui.imagine.worker import AnyGenerator
from dar_tui.language.rules.words import content
from dar_tui.questions.bank import Attribute, Slot, load_bank, load_slots
from dar_tui.questions.questioner import GroundedQuestioner
from dar_tui.reformulate import Reformulator, RuleReformulator
from dar_tui.session.events import Certainty, Event, Results, TurnDone, TurnFailed
from dar_tui.session.session import Session, SessionOptions, SessionParts
from dar_tui.session.transcript import Log, Started
from indexer.encoders import Encoder
from indexer.errors import DarError, UsageError
from indexer.files import make_private_folder
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.library import Library
from indexer.store.disk import disk_errors_named

PAGE = 10


@dataclass(frozen=True)
class Mode:
    """What a session does between two pages. Each page counts as a turn, whatever brought it about."""

    name: str
    says: str = ""
    """"captions": a caption not used yet. "questions": what answers the session's question. "": nothing."""
    remembers: bool = True
    """Photos on a page count as seen, and give way to others."""
    feedback: bool = False
    pictures: bool = False


NEXT_PAGE = Mode("next-page")
"""The baseline: D0 once, then page after page."""
MODES = (
    NEXT_PAGE,
    Mode("captions", "captions", remembers=False),
    Mode("captions+seen", "captions"),
    Mode("questions", "questions"),
    Mode("questions+feedback", "questions", feedback=True),
    Mode("questions+pictures", "questions", pictures=True),
)


def modes_of(names: Sequence[str], *, pictures: bool) -> tuple[Mode, ...]:
    """The rows of these names, the next page first; of none all, those with pictures only where there are `pictures`.

    Raises UsageError for a row that does not exist.
    """
    known = {mode.name: mode for mode in MODES}
    for name in names:
        if name not in known:
            raise UsageError(f"There is no row called {name!r}.", f"Use some of {', '.join(known)}.")
    wanted = [known[name] for name in names] or [mode for mode in MODES if pictures or not mode.pictures]
    return tuple(dict.fromkeys((NEXT_PAGE, *wanted)))


@dataclass(frozen=True)
class Lapses:
    """How the simulated user errs: the chance of not seeing the photo on the page, and of a wrong answer."""

    overlooks: float = 0.05
    mistakes: float = 0.05


@dataclass(frozen=True, eq=False)
class Trial:
    """What all dialogues share. `photos`: the name of each image in the library. `captions` by photo's name.

    `turns`: the questions put at most. `attributes`, by name, are what is known of photos beside captions.
    """

    library: Library
    encoder: Encoder
    cache: Path
    ids: Mapping[str, int]
    captions: Mapping[str, Sequence[str]]
    turns: int = 5
    seed: int = 0
    talkative: bool = False
    lapses: Lapses = field(default_factory=Lapses)
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    generator: AnyGenerator | None = None
    reformulator: Reformulator = field(default_factory=RuleReformulator)
    options: SessionOptions = field(default_factory=lambda: SessionOptions(PAGE))

    @cached_property
    def bank(self) -> tuple[Attribute, ...]:
        """What can be asked."""
        return load_bank()

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """What can be asked for in words."""
        return load_slots()

    @cached_property
    def questioner(self) -> GroundedQuestioner:
        """What it knows of the library serves all dialogues."""
        return GroundedQuestioner(self.library, self.encoder, self.cache)

    @cached_property
    def caption_words(self) -> dict[int, frozenset[str]]:
        """By image, the words of its captions that carry facts."""
        return {
            self.ids[name]: frozenset(word for text in texts for word in content(text))
            for name, texts in self.captions.items()
        }

    def play(self, number: int, target: str, modes: Sequence[Mode]) -> Entry:
        """One dialogue about one photo in every mode. Raises DarError where a part of a turn fails."""
        places: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        seconds: dict[str, float] = {}
        sure: dict[str, tuple[tuple[float, bool], ...]] = {}
        for mode in modes:
            played = self._dialogue(number, target, mode)
            places[mode.name] = (played.ranks, (0,) * len(played.ranks))
            sure[mode.name] = played.sure
            seconds |= {f"{mode.name}: {part}": value for part, value in played.seconds.items()}
        return Entry(number, places, seconds, sure)

    def _dialogue(self, number: int, target: str, mode: Mode) -> _Played:
        """The target's place on the page turn after turn, PAGE where it was not on it or was overlooked.

        The user stops once it is found. Lapses are drawn by dialogue and turn, the same ones in every mode.
        """
        chance = random.Random(seed_of(self.seed, number))
        overlooked = [chance.random() < self.lapses.overlooks for _ in range(self.turns + 1)]
        oracle = self._oracle(target, chance)
        onlooker = Onlooker(self.caption_words, self.ids[target])
        generator = self.generator if mode.pictures else None
        parts = SessionParts(
            self.library,
            self.encoder,
            self.reformulator,
            None if generator is None else lambda: generator,
            self.questioner if mode.says == "questions" else None,
        )
        ranks = [PAGE] * (self.turns + 1)
        sure: list[tuple[float, bool]] = []
        seconds: dict[str, float] = {}
        captions = list(self.captions[target][1:])
        with _session(parts, self.options, f"{self.seed}-{number}") as session:
            events = session.turn(self.captions[target][0])
            for turn in range(self.turns + 1):
                shown: list[tuple[int, ...]] = []
                certainty: Certainty | None = None
                for event in events:
                    if isinstance(event, Results):
                        shown = [(hit.image_id, *(each.image_id for each in hit.similar)) for hit in event.hits]
                    elif isinstance(event, Certainty):
                        certainty = event
                    _note(event, seconds)
                found = [at for at, group in enumerate(shown) if self.ids[target] in group]
                if certainty is not None:
                    sure.append((certainty.chance, bool(found)))
                if found and not overlooked[turn]:
                    ranks[turn:] = [found[0]] * (self.turns + 1 - turn)
                    break
                if mode.remembers:
                    session.shown([group[0] for group in shown])
                if mode.feedback:
                    liked = onlooker.likes([photo for group in shown for photo in group])
                    if liked is not None:
                        session.like(liked)
                question = session.dialogue.pending
                if mode.says == "captions" and captions:
                    events = session.turn(captions.pop(0))
                elif question is not None and question.photos:
                    closer = onlooker.closer([int(name) for name in question.photos])
                    wrong = chance.random() < self.lapses.mistakes
                    events = session.turn("can't tell" if closer is None else question.choices[closer ^ wrong])
                elif question is not None:
                    events = session.turn(oracle.answer(question))
                elif mode.remembers:
                    events = session.next_page()
                else:
                    break
        return _Played(tuple(ranks), tuple(sure), seconds)

    def _oracle(self, target: str, chance: random.Random) -> Oracle:
        vocabulary = frozenset(each for known in self.attributes.values() for each in known)
        return Oracle(
            self.captions[target],
            {each.statement: each for each in self.bank},
            self.slots,
            talkative=self.talkative,
            attributes=self.attributes.get(target, frozenset()),
            vocabulary=vocabulary if target in self.attributes else frozenset(),
            mistakes=self.lapses.mistakes,
            chance=chance,
        )


@dataclass(frozen=True)
class _Played:
    ranks: tuple[int, ...]
    sure: tuple[tuple[float, bool], ...]
    seconds: Mapping[str, float]


def run(
    stage: Trial,
    targets: Sequence[str],
    modes: Sequence[Mode],
    journal: Journal,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Entry]:
    """One dialogue about each target, those that the journal has left out; all entries in order. Raises DarError."""
    for number, target in enumerate(targets):
        if number not in journal.entries:
            journal.add([stage.play(number, target, modes)])
        on_progress(number + 1, len(targets))
    return [journal.entries[number] for number in range(len(targets))]


@contextmanager
def library_of(photos: Mapping[str, Path], encoder: Encoder, cache: Path) -> Iterator[tuple[Library, dict[str, int]]]:
    """A library of these photos alone, kept below `cache` for the next time, and each photo's image in it.

    Photos are linked where the disk allows it, else copied. Raises DarError for one that cannot be read.
    """
    stats = [(name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in photos.items()]
    key = hashlib.sha256(json.dumps([encoder.id, stats]).encode("utf-8", "surrogatepass")).hexdigest()[:24]
    folder = cache / f"library-{key}"
    with disk_errors_named(folder, "folder"):
        for name, path in photos.items():
            place = folder / "photos" / name
            make_private_folder(place.parent)
            if not place.exists():
                _link(path, place)
    for _ in index(folder / "library", (folder / "photos",), encoder, IndexOptions(workers=2)):
        pass
    with Library.open(folder / "library") as library:
        ids = {name: library.image_for(folder / "photos" / name) for name in photos}
        missing = [name for name, image in ids.items() if image is None]
        if missing:
            raise DarError(f"{missing[0]} cannot be read as a photo.", "Get this photo again.")
        yield library, {name: image for name, image in ids.items() if image is not None}


@contextmanager
def _session(engine: SessionParts, options: SessionOptions, name: str) -> Iterator[Session]:
    """A session whose name, by which its seeds are made, is the same in every run."""
    with TemporaryDirectory(prefix="dar-eval-") as folder:
        session = Session(engine, Log(Path(folder) / f"{name}.jsonl", Started(AT)), options, now=lambda: AT)
        try:
            yield session
        finally:
            session.close()


def _note(event: Event, seconds: dict[str, float]) -> None:
    """Adds what a turn's parts took. A part that failed would count as one that adds nothing: raises DarError."""
    if isinstance(event, TurnFailed):
        raise DarError(event.message, event.hint)
    if isinstance(event, TurnDone):
        for part in ("reformulate", "imagine", "ask", "total"):
            taken = asdict(event.timings)[part]
            seconds[part] = seconds.get(part, 0.0) + (taken or 0.0)


def _link(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:
        shutil.copyfile(path, place)
