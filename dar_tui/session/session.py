"""One dialogue with a library, turn after turn, each told as typed events. `dar_tui.session.algorithm` plays a turn.

Knows no terminal. Usable from several threads: a turn runs in the one that iterates it, and may be cancelled from any
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime

from dar_tui.dialogue.dialogue import Dialogue, OnPhoto, OnPicture, Opinion, Said, Skipped
from dar_tui.fusion.evidence import Asking, Drawn, Reader
from dar_tui.fusion.finding import Narrowing
from dar_tui.fusion.strategies import strategy_named
from dar_tui.imagine.cache import Album
from dar_tui.imagine.worker import Imagination
from dar_tui.session.algorithm import Loop, Steps, Workshop, told
from dar_tui.session.drawing import Artist
from dar_tui.session.events import Event, TurnDone, TurnFailed
from dar_tui.session.page import Pager
from dar_tui.session.parts import Engine, Options
from dar_tui.session.saving import Log
from dar_tui.session.state import Standing, Token
from dar_tui.session.stopwatch import Stopwatch
from indexer.errors import UsageError

__all__ = ["Engine", "Options", "Session"]


class Session:
    """A dialogue with a library. `turn` plays a message; the feedback methods record, and `rerank` shows their effect.

    Raises UsageError for a fusion strategy that does not exist. Everything said and shown is saved in `log` as it
    happens. `imagining` and `narrowing` may be set at any time and count from what is played next.
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
        options = options or Options()
        self.log = log
        self._album = Album(log.path.with_suffix(""))
        self._now = now
        reader = Reader(engine.encoder)
        self._artist: Artist | None = None
        if engine.load_generator is not None:
            self._artist = Artist(Imagination(engine.load_generator), reader, self._album, log)
        self._standing = Standing(log)
        strategy, weight = strategy_named(options.fusion), options.picture_weight
        self._shop = Workshop(
            session=self.id,
            standing=self._standing,
            log=log,
            reformulator=engine.reformulator,
            pager=Pager(engine.library, reader, strategy, weight, options.page),
            artist=self._artist,
            questioner=engine.questioner,
            pictures=options.pictures,
        )

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
        loop = self._loop(token, imagining=self.imagining)
        return _until_cancelled(loop, number, loop.turn(number), failed)

    def rerank(self) -> Iterator[Event]:
        """The page after feedback, or as a resumed session left it; a new question if none stands. Draws nothing."""
        return self._again(Loop.rerank, imagining=self.imagining)

    def imagine_again(self) -> Iterator[Event]:
        """More pictures of this turn, from other prompts and seeds, and the page with all that are not vetoed."""
        return self._again(Loop.imagine_again, imagining=True)

    def _again(self, play: Callable[[Loop, Asking | None], Steps], *, imagining: bool) -> Iterator[Event]:
        with self._standing.lock:
            token = self._standing.begin()
            asking = self._standing.asking
        loop = self._loop(token, imagining=imagining)
        return _until_cancelled(loop, asking.turn if asking else 0, play(loop, asking))

    def _loop(self, token: Token, *, imagining: bool) -> Loop:
        return Loop(self._shop, token, Stopwatch(), self.narrowing, imagining)


def _until_cancelled(loop: Loop, turn: int, steps: Steps, failed: TurnFailed | None = None) -> Iterator[Event]:
    token = loop.token
    try:
        yield from told(failed)
        with closing(steps) as running:
            for event in running:
                if token.is_set():
                    break
                yield event
        yield TurnDone(turn, loop.watch.timings(), cancelled=token.is_set())
    finally:
        # Whoever stops iterating wants no more pictures either.
        token.set()
