"""One dialogue, turn after turn: Algorithm 1 of the DAR paper as a generator of typed events.

Text-only hits come first and never wait for a generator. Whatever else fails, they stand. Knows no terminal. Usable
from several threads: a turn runs in the one that iterates it, and may be cancelled from any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from dar_tui.album import Album
from dar_tui.artist import Artist
from dar_tui.dialogue import Asked, Dialogue, OnPhoto, OnPicture, Opinion, Said, Skipped
from dar_tui.events import (
    Event,
    Note,
    Part,
    Prompts,
    Reformulated,
    Results,
    Stage,
    TurnDone,
    TurnFailed,
)
from dar_tui.evidence import Asking, Drawn, Reader
from dar_tui.finding import Narrowing
from dar_tui.fusion import DEFAULT, strategy_named
from dar_tui.imagining import Imagination, LoadGenerator
from dar_tui.page import Pager, Situation
from dar_tui.questions.asking import Questioner
from dar_tui.reformulate import Reformulation, Reformulator
from dar_tui.saving import Log
from dar_tui.standing import Standing, Token
from dar_tui.stopwatch import Stopwatch
from dar_tui.transcript import Prompted, Shown
from indexer.encoders import Encoder
from indexer.errors import DarError, UsageError
from indexer.library import Library

_Steps = Callable[[Token, Asking | None, Stopwatch], Generator[Event, None, None]]


@dataclass(frozen=True)
class Engine:
    """What a session works with. No generator: it searches by text alone. No questioner: it asks nothing."""

    library: Library
    encoder: Encoder
    reformulator: Reformulator
    load_generator: LoadGenerator | None = None
    questioner: Questioner | None = None


@dataclass(frozen=True)
class Options:
    """`page`: photos shown. `pictures`: K. `fusion`: a strategy's name. `picture_weight`: None for the strategy's own.

    K = 3: the paper's choice; one picture gave +6.43 Hits@10 there, three +7.61, more hardly any.
    """

    page: int = 10
    pictures: int = 3
    fusion: str = DEFAULT
    picture_weight: float | None = None


class Session:
    """A dialogue with a library. `turn` plays a message; the feedback methods record, and `rerank` shows their effect.

    Raises UsageError for a fusion strategy that does not exist. Everything said and shown is saved in `log` as it
    happens. `imagining` may be switched and `narrowing` set at any time.
    """

    def __init__(
        self,
        engine: Engine,
        log: Log,
        options: Options | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.imagining = True
        self.narrowing = Narrowing()
        self._engine = engine
        self._options = options or Options()
        self.log = log
        self._album = Album(log.path.with_suffix(""))
        self._now = now
        self._reader = Reader(engine.encoder)
        self._pager = Pager(
            engine.library,
            self._reader,
            strategy_named(self._options.fusion),
            self._options.picture_weight,
            self._options.page,
        )
        self._artist: Artist | None = None
        if engine.load_generator is not None:
            self._artist = Artist(Imagination(engine.load_generator), self._reader, self._album, log)
        self._standing = Standing(log)

    @classmethod
    def resume(
        cls,
        engine: Engine,
        log: Log,
        options: Options | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> Session:
        """The session as it was after the last thing saved, pictures included. `rerank` shows where it stands.

        Raises DialogueUnreadable for a file that is no session.
        """
        session = cls(engine, log, options, now=now)
        session._standing.restore(log.restored(), session._album)
        return session

    # What there is

    @property
    def id(self) -> str:
        """The session's name, by which it is resumed."""
        return self.log.path.stem

    @property
    def dialogue(self) -> Dialogue:
        """All that happened so far."""
        return self._standing.dialogue

    @property
    def gallery(self) -> dict[tuple[int, int], Drawn]:
        """Every picture of the session, by turn and number, both from 0."""
        return dict(self._standing.gallery)

    @property
    def is_ready_to_imagine(self) -> bool:
        """Whether the generator is loaded."""
        return self._artist is not None and self._artist.imagination.is_ready

    def prepare(self) -> None:
        """Loads the generator ahead of the first turn; for a worker thread. Raises DarError."""
        if self._artist is not None:
            self._artist.imagination.prepare()

    def cancel(self) -> None:
        """Ends the turn that is running, from any thread; what it has shown stands."""
        self._standing.cancel()

    def close(self) -> None:
        """Cancels what runs and lets another process write the session."""
        self.cancel()
        self.log.close()

    # Feedback. The last opinion of a photo or picture counts.

    def like(self, image_id: int, opinion: Opinion = Opinion.GOOD) -> None:
        """More like this photo; `Opinion.NONE` takes it back."""
        self._standing.happened(OnPhoto(str(image_id), opinion))

    def unlike(self, image_id: int) -> None:
        """Away from this photo, which is not shown again."""
        self._standing.happened(OnPhoto(str(image_id), Opinion.BAD))

    def pick(self, turn: int, k: int, opinion: Opinion = Opinion.GOOD) -> None:
        """This imagined picture is close. Raises UsageError where there is none."""
        if (turn, k) not in self._standing.gallery:
            raise UsageError(f"There is no picture {k + 1} of turn {turn}.", "Name one that was shown.")
        self._standing.happened(OnPicture(turn, k, opinion))

    def veto(self, turn: int, k: int) -> None:
        """This imagined picture is wrong: away from it. Raises UsageError where there is none."""
        self.pick(turn, k, Opinion.BAD)

    def skip(self) -> None:
        """The question that stands stays unanswered. Raises UsageError where none stands."""
        if self._standing.dialogue.pending is None:
            raise UsageError("There is no question to skip.", "Say more about the photo.")
        self._standing.happened(Skipped())

    # Turns

    def turn(self, message: str) -> Iterator[Event]:
        """Plays a message; a turn that still runs is cancelled. Ends with TurnDone. Raises UsageError for no words."""
        if not message.strip():
            raise UsageError("The message is empty.", "Say what you remember of the photo.")
        with self._standing.lock:
            token = self._standing.begin()
            failed = self._standing.happened(Said(message, self._now()))
            number = len(self._standing.dialogue.turns) - 1
        watch = Stopwatch()
        return _until_cancelled(token, number, watch, self._steps(token, number, watch, failed))

    def rerank(self) -> Iterator[Event]:
        """The page after feedback, or as a resumed session left it; a new question if none stands. Draws nothing."""
        return self._again(self._steps_again)

    def imagine_again(self) -> Iterator[Event]:
        """More pictures of this turn, from other prompts and seeds, and the page with all that are not vetoed."""
        return self._again(self._steps_anew)

    def _steps(
        self, token: Token, turn: int, watch: Stopwatch, failed: TurnFailed | None
    ) -> Generator[Event, None, None]:
        """Algorithm 1, from C_t on: the message has joined the dialogue."""
        yield from _told(failed)
        # 1. S_t = R1(C_t) and P_tk = R2(S_t, k).
        with watch.part("reformulate"):
            said = self._reformulate(turn)
        asking = self._standing.settle(token, Asking(turn, said.query, said.need))
        seeds = tuple(self._seed(turn, k) for k in range(len(said.prompts)))
        yield Reformulated(turn, said.query, said.need)
        yield from map(Note, said.notes)
        yield from _told(self._standing.prompt(token, Prompted(turn, said.query.texts, said.prompts, seeds)))
        # 2. E_t(S_t), and the photos nearest to it.
        yield from self._results(asking, Stage.TEXT, watch)
        # 3. I_tk, drawn one by one; E_v(I_tk) comes with each.
        if self._artist is not None and self.imagining and said.prompts:
            yield from self._draw(self._artist, token, asking, said.prompts, seeds, watch)
            # 4. F_t = a * E_t(S_t) + b * mean_k E_v(I_tk), or as the strategy has it, and the photos nearest to it.
            if self._situation(asking).stage is Stage.FUSED and not token.is_set():
                yield from self._results(asking, Stage.FUSED, watch)
        # 5. Q_{t+1}, from the candidates.
        yield from self._ask(token, asking, watch)

    def _steps_anew(self, token: Token, asking: Asking | None, watch: Stopwatch) -> Generator[Event, None, None]:
        before = self._standing.prompted
        if asking is None or self._artist is None or before is None or before.turn != asking.turn:
            return
        first = len(before.prompts)
        said = self._engine.reformulator.reformulate(
            self._standing.dialogue, self._options.pictures, self._seed(asking.turn, -1 - first)
        )
        seeds = tuple(self._seed(asking.turn, first + k) for k in range(len(said.prompts)))
        # One record for all of the turn's pictures, since they are numbered through.
        drawn_from = Prompted(
            asking.turn, asking.query.texts, (*before.prompts, *said.prompts), (*before.seeds, *seeds)
        )
        yield from _told(self._standing.prompt(token, drawn_from))
        yield from self._draw(self._artist, token, asking, said.prompts, seeds, watch, first)
        if not token.is_set():
            yield from self._results(asking, self._situation(asking).stage, watch)

    def _draw(
        self,
        artist: Artist,
        token: Token,
        asking: Asking,
        prompts: tuple[str, ...],
        seeds: tuple[int, ...],
        watch: Stopwatch,
        first: int = 0,
    ) -> Iterator[Event]:
        yield Prompts(asking.turn, prompts, seeds)
        yield from artist.draw(
            asking, prompts, seeds, partial(self._standing.accept, token), token.is_set, watch, first
        )

    def _steps_again(self, token: Token, asking: Asking | None, watch: Stopwatch) -> Generator[Event, None, None]:
        if asking is None:
            return
        yield from self._results(asking, self._situation(asking).stage, watch)
        if self._standing.dialogue.pending is None:
            yield from self._ask(token, asking, watch)

    def _reformulate(self, turn: int) -> Reformulation:
        k = self._options.pictures if self._artist is not None and self.imagining else 0
        return self._engine.reformulator.reformulate(self._standing.dialogue, k, self._seed(turn, -1))

    def _results(self, asking: Asking, stage: Stage, watch: Stopwatch) -> Iterator[Event]:
        try:
            found = self._pager.find(self._situation(asking), stage)
        except DarError as error:
            yield TurnFailed(Part.SEARCH, error.message, error.hint)
            return
        watch.mark("text_hits" if stage is Stage.TEXT else "fused_hits")
        if found.note and stage is Stage.TEXT:
            yield Note(found.note)
        yield Results(asking.turn, stage, found.hits)
        shown = tuple(str(hit.image_id) for hit in found.hits)
        yield from _told(self.log.write(Shown(asking.turn, str(stage), shown)))

    def _ask(self, token: Token, asking: Asking, watch: Stopwatch) -> Iterator[Event]:
        """The most telling question whose answer would change the page; nothing where none would."""
        if self._engine.questioner is None or token.is_set():
            return
        situation = self._situation(asking)
        try:
            with watch.part("ask"):
                query = self._pager.query(situation, situation.stage)
                proposals = self._engine.questioner.propose(situation.dialogue, asking.need, query, situation.filters)
                question = self._pager.worthwhile(situation, proposals)
        except DarError as error:
            yield TurnFailed(Part.ASK, error.message, error.hint)
            return
        if question is None:
            return
        yield from _told(self._standing.happened(Asked(question), token))
        yield question

    def _situation(self, asking: Asking) -> Situation:
        with self._standing.lock:
            return Situation(asking, self._standing.dialogue, self._standing.gallery, self.narrowing)

    def _again(
        self, steps: Callable[[Token, Asking | None, Stopwatch], Generator[Event, None, None]]
    ) -> Iterator[Event]:
        with self._standing.lock:
            token = self._standing.begin()
            asking = self._standing.asking
        watch = Stopwatch()
        return _until_cancelled(token, asking.turn if asking else 0, watch, steps(token, asking, watch))

    def _seed(self, turn: int, k: int) -> int:
        """The same for the same session, turn and picture, so that a resumed session draws what it would have drawn."""
        return int.from_bytes(hashlib.sha256(f"{self.id}:{turn}:{k}".encode()).digest()[:4], "big")


def _told(failed: TurnFailed | None) -> Iterator[Event]:
    if failed:
        yield failed


def _until_cancelled(token: Token, turn: int, watch: Stopwatch, steps: Generator[Event, None, None]) -> Iterator[Event]:
    try:
        with closing(steps) as running:
            for event in running:
                if token.is_set():
                    break
                yield event
        yield TurnDone(turn, watch.timings(), cancelled=token.is_set())
    finally:
        # Whoever stops iterating wants no more pictures either.
        token.set()
