"""The whole system with a simulated user: what questions, feedback and pictures each add to D0.

Every dialogue is a real session over a real library. Ranks are known as far as the page goes, as a user knows them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from dar_tui.evaluation.datasets import AT, seed_of
from dar_tui.evaluation.report import Entry, Journal
from dar_tui.evaluation.simulated_user import Onlooker, Oracle, RandomQuestioner
from dar_tui.fusion.strategies import DEFAULT
from dar_tui.imagine.worker import AnyGenerator
from dar_tui.language.rules.words import content
from dar_tui.language.turn import Question
from dar_tui.questions.bank import Attribute, Slot, bank_vectors, load_bank, load_slots
from dar_tui.questions.questioner import GroundedQuestioner, Policy, Questioner
from dar_tui.reformulate import Reformulator, RuleReformulator
from dar_tui.session.events import Event, Results, TurnDone, TurnFailed
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
    """Which parts of the system take part."""

    questions: str = ""
    """ "" for none, "random", or a `Policy`."""
    feedback: bool = False
    pictures: bool = False

    @property
    def name(self) -> str:
        """Such as "open questions + pictures"; "D0 alone" where nothing takes part."""
        asked = [f"{self.questions} questions"] if self.questions else []
        parts = [*asked, *(["feedback"] if self.feedback else []), *(["pictures"] if self.pictures else [])]
        return " + ".join(parts) or "D0 alone"


ALONE = Mode()
RANDOM = "random"
QUESTIONS = (RANDOM, *Policy)


def modes_of(questions: Sequence[str], *, pictures: bool) -> tuple[Mode, ...]:
    """What is compared: nothing but D0, each way to ask, and the last of these with feedback and with pictures.

    Raises UsageError for a way to ask that does not exist.
    """
    for name in questions:
        if name not in QUESTIONS:
            raise UsageError(f"There is no way to ask called {name!r}.", f"Use one of {', '.join(QUESTIONS)}.")
    asked = tuple(Mode(name) for name in dict.fromkeys(questions))
    best = asked[-1].questions if asked else ""
    shown = (Mode(pictures=True), Mode(best, pictures=True), Mode(best, feedback=True, pictures=True))
    return tuple(dict.fromkeys((ALONE, *asked, Mode(best, feedback=True), *(shown if pictures else ()))))


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
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    generator: AnyGenerator | None = None
    reformulator: Reformulator = field(default_factory=RuleReformulator)
    options: SessionOptions = field(default_factory=lambda: SessionOptions(PAGE, fusion=DEFAULT))

    @cached_property
    def bank(self) -> tuple[Attribute, ...]:
        """What can be asked."""
        return load_bank()

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """What can be asked for in words."""
        return load_slots()

    @cached_property
    def questioners(self) -> dict[str, GroundedQuestioner]:
        """By policy; what each knows of the library serves all dialogues."""
        return {each: GroundedQuestioner(self.library, self.encoder, self.cache, policy=each) for each in Policy}

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
        for mode in modes:
            ranks, taken = self._dialogue(number, target, mode)
            places[mode.name] = (tuple(ranks), (0,) * len(ranks))
            seconds |= {f"{mode.name}: {part}": value for part, value in taken.items()}
        return Entry(number, places, seconds)

    def _dialogue(self, number: int, target: str, mode: Mode) -> tuple[list[int], dict[str, float]]:
        """The target's place on the page after D0 and after each answer; PAGE where it is not on it.

        Where nothing is asked any more the page stays as it is.
        """
        oracle = self._oracle(target)
        onlooker = Onlooker(self.caption_words, self.ids[target])
        generator = self.generator if mode.pictures else None
        engine = SessionParts(
            self.library,
            self.encoder,
            self.reformulator,
            None if generator is None else lambda: generator,
            self._questioner(mode, number),
        )
        ranks = [PAGE] * (self.turns + 1)
        seconds: dict[str, float] = {}
        with _session(engine, self.options, f"{self.seed}-{number}") as session:
            message = self.captions[target][0]
            for turn in range(self.turns + 1):
                question: Question | None = None
                shown: list[tuple[int, ...]] = []
                for event in session.turn(message):
                    if isinstance(event, Results):
                        shown = [(hit.image_id, *(each.image_id for each in hit.similar)) for hit in event.hits]
                    elif isinstance(event, Question):
                        question = event
                    _note(event, seconds)
                found = [at for at, group in enumerate(shown) if self.ids[target] in group]
                ranks[turn:] = [found[0] if found else PAGE] * (self.turns + 1 - turn)
                if question is None:
                    break
                if mode.feedback:
                    liked = onlooker.likes([photo for group in shown for photo in group])
                    if liked is not None:
                        session.like(liked)
                message = oracle.answer(question)
        return ranks, seconds

    def _oracle(self, target: str) -> Oracle:
        vocabulary = frozenset(each for known in self.attributes.values() for each in known)
        return Oracle(
            self.captions[target],
            {each.statement: each for each in self.bank},
            self.slots,
            talkative=self.talkative,
            attributes=self.attributes.get(target, frozenset()),
            vocabulary=vocabulary if target in self.attributes else frozenset(),
        )

    def _questioner(self, mode: Mode, number: int) -> Questioner | None:
        if mode.questions == RANDOM:
            meanings = bank_vectors(self.bank, self.encoder, self.cache).meanings
            return RandomQuestioner(self.bank, meanings, seed_of(self.seed, number))
        return self.questioners[mode.questions] if mode.questions else None


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
