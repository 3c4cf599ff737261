"""One dialogue with a library, turn after turn, each a stream of typed events. `dar_tui.session.algorithm` runs a turn.

Knows no terminal. Usable from several threads: a turn runs in the one that iterates it, and may be cancelled from any
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from dar_tui.dialogue.dialogue import (
    Dialogue,
    NextPage,
    OnPhoto,
    OnPicture,
    Opinion,
    PhotoOpened,
    PhotosShown,
    QuestionSkipped,
    Remark,
)
from dar_tui.dialogue.hearing import Heard, Reader, hear
from dar_tui.dialogue.need import Chip, ChipEdit, ChipKind, Edited
from dar_tui.fusion.evidence import GeneratedImage, SearchRequest
from dar_tui.fusion.finding import Narrowing
from dar_tui.language.rules.intents import Act
from dar_tui.language.rules.spelling import Speller
from dar_tui.questions.bank import load_bank
from dar_tui.session.algorithm import Algorithm, Steps
from dar_tui.session.events import Event, TurnDone, TurnFailed
from dar_tui.session.state import CancelToken, SessionOptions, SessionParts, SessionState, Stopwatch
from dar_tui.session.transcript import Log
from indexer.encoders import TakesWordsApart
from indexer.errors import UsageError

# Photos picked at random whose captions tell what words this library's photos are described with.
_CAPTIONS = 200

__all__ = ["Session", "SessionOptions", "SessionParts"]


class Session:
    """A dialogue with a library. `turn` runs a message; the feedback methods record, and `rerank` shows their effect.

    Raises UsageError for a fusion strategy that does not exist. Every message, page and image is saved in `log` as it
    comes. `imagining` and `narrowing` may be set at any time and count from the next run.
    """

    def __init__(
        self,
        parts: SessionParts,
        log: Log,
        options: SessionOptions | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.imagining = True
        self.narrowing = Narrowing()
        self.log = log
        self._now = now
        self._state = SessionState(parts, log, options or SessionOptions())
        self._reading: Reader | None = None

    @classmethod
    def resume(
        cls,
        parts: SessionParts,
        log: Log,
        options: SessionOptions | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> Session:
        """The session as it was after the last thing saved, images included. `rerank` shows its page.

        Raises DialogueUnreadable for a file that is no session.
        """
        session = cls(parts, log, options, now=now)
        session._state.restore()
        return session

    # What there is

    @property
    def id(self) -> str:
        """The session's name, by which it is resumed."""
        return self._state.id

    @property
    def dialogue(self) -> Dialogue:
        """Every message, question and opinion so far."""
        return self._state.dialogue

    @property
    def chips(self) -> tuple[Chip, ...]:
        """What is looked for, piece by piece, and what the user narrows the search to; `edit` changes one."""
        return (*self._state.dialogue.chips, *(chip for chip, _ in _narrowed(self.narrowing)))

    @property
    def request(self) -> SearchRequest | None:
        """What is looked for; None before the first message."""
        return self._state.request

    @property
    def gallery(self) -> dict[tuple[int, int], GeneratedImage]:
        """Every generated image of the session, by turn and number, both from 0."""
        return dict(self._state.gallery)

    @property
    def seen(self) -> tuple[int, ...]:
        """The photos seen earlier, by image id, the latest first; `Library.photos` has them as hits."""
        return tuple(int(name) for name in reversed(self._state.dialogue.seen) if name.isdecimal())

    @property
    def is_ready_to_imagine(self) -> bool:
        """Whether the generator is loaded."""
        return self._state.imagination is not None and self._state.imagination.is_ready

    def prepare(self) -> None:
        """Loads the generator ahead of the first turn; for a worker thread. Raises DarError."""
        if self._state.imagination is not None:
            self._state.imagination.prepare()

    def cancel(self) -> None:
        """Ends the turn that is running, from any thread; what it has shown stays."""
        self._state.cancel()

    def close(self) -> None:
        """Cancels what runs and lets another process write the session."""
        self.cancel()
        self.log.close()

    # Feedback. The last opinion of a photo or image counts.

    def like(self, image_id: int, opinion: Opinion = Opinion.GOOD) -> None:
        """More like this photo; `Opinion.NONE` takes it back."""
        self._state.record(OnPhoto(str(image_id), opinion))

    def unlike(self, image_id: int) -> None:
        """Away from this photo, which is not shown again."""
        self._state.record(OnPhoto(str(image_id), Opinion.BAD))

    def pick(self, turn: int, k: int, opinion: Opinion = Opinion.GOOD) -> None:
        """This generated image is close. Raises UsageError where there is none."""
        if (turn, k) not in self._state.gallery:
            raise UsageError(f"There is no picture {k + 1} of turn {turn}.", "Name one that was shown.")
        self._state.record(OnPicture(turn, k, opinion))

    def veto(self, turn: int, k: int) -> None:
        """This generated image is wrong: away from it. Raises UsageError where there is none."""
        self.pick(turn, k, Opinion.BAD)

    def shown(self, image_ids: Sequence[int]) -> None:
        """These photos of the page are on the user's screen, and so are the copies folded under them.

        Once the user goes on, with a message or to the next page, they count as passed over. Each is recorded once
        until then.
        """
        with self._state.lock:
            wanted = frozenset(image_ids)
            groups = ((hit.image_id, *(each.image_id for each in hit.similar)) for hit in self._state.page.hits)
            folded = [image for group in groups if group[0] in wanted for image in group]
            on_screen = self._state.dialogue.on_screen
            new = [name for image in dict.fromkeys([*image_ids, *folded]) if (name := str(image)) not in on_screen]
            if new:
                self._state.record(PhotosShown(tuple(new)))

    def opened(self, image_id: int) -> None:
        """The user looked at this photo closely; that it was passed over counts no more."""
        self._state.record(PhotoOpened(str(image_id)))

    def skip(self) -> None:
        """The open question stays unanswered. Raises UsageError where none is open."""
        if self._state.dialogue.pending is None:
            raise UsageError("There is no question to skip.", "Say more about the photo.")
        self._state.record(QuestionSkipped())

    # Turns

    def turn(self, message: str, selected: int | None = None) -> Iterator[Event]:
        """Runs a message; a turn that still runs is cancelled. Ends with TurnDone. Raises UsageError for no words.

        What talks about the search ("the second one is close", "undo", "start over") is done and not searched for.
        `selected`: the photo that "this one" means.
        """
        if not message.strip():
            raise UsageError("The message is empty.", "Say what you remember of the photo.")
        state = self._state
        token = state.begin()
        shown = [str(hit.image_id) for hit in state.page.hits]
        heard = hear(
            state.dialogue, message, self._now(), shown, "" if selected is None else str(selected), self._reader()
        )
        if heard.act is Act.PATH:
            heard = self._like_path(heard, message)
        with state.lock:
            failed = None if heard.event is None else state.record(heard.event)
            number, request = state.dialogue.messages - 1, state.request
        run = self._run(token, imagining=self.imagining)
        at = number if heard.describes or request is None else request.turn
        return _until_cancelled(run, at, run.heard(heard, number, request), failed)

    def edit(self, chip: Chip, edit: ChipEdit) -> Iterator[Event]:
        """Runs a turn after a chip was removed or flipped. Chips of `narrowing` are only removed."""
        if (narrowing := _without(self.narrowing, chip)) != self.narrowing:
            self.narrowing = narrowing
            return self.rerank()
        state = self._state
        token = state.begin()
        with state.lock:
            failed = state.record(Edited(chip, edit))
            number = state.dialogue.messages - 1
        run = self._run(token, imagining=self.imagining)
        steps = run.turn(number) if state.dialogue.number >= 0 else run.changed()
        return _until_cancelled(run, number, steps, failed)

    def rerank(self) -> Iterator[Event]:
        """The page after feedback, or as a resumed session left it; a new question if none is open. Draws nothing."""
        return self._again(Algorithm.rerank, imagining=self.imagining)

    def next_page(self) -> Iterator[Event]:
        """Photos not seen yet: what was `shown` counts as passed over. The open question stays."""
        self._state.record(NextPage())
        return self.rerank()

    def imagine_again(self) -> Iterator[Event]:
        """More images of this turn, from other prompts and seeds, and the page with all that are not vetoed."""
        return self._again(Algorithm.imagine_again, imagining=True)

    def _like_path(self, heard: Heard, message: str) -> Heard:
        """A photo's path that was pasted: more like that photo, if the library has it."""
        path = Path(heard.path).expanduser()
        found = self._state.parts.library.image_for(path)
        if found is None:
            return replace(heard, notes=(f"{path.name} is not in this library. Index its folder first.",))
        photo = str(found)
        return Heard(Act.LIKE, Remark(message, self._now(), Act.LIKE, (photo,)), (photo,))

    def _reader(self) -> Reader:
        """How far this library's encoder reads; where it cannot tell, everything is taken as it stands."""
        if self._reading is None:
            encoder = self._state.parts.encoder

            def readable(text: str) -> bool:
                return not self._state.search.encoder.unread([text])

            library = self._state.parts.library

            def is_word(word: str) -> bool:
                knows = encoder.pieces(word) == 1 if isinstance(encoder, TakesWordsApart) else True
                return knows or any(len(each.about) for each in library.mentions([word]))

            captions = (hit.caption for hit in library.photos(library.sample(_CAPTIONS)))
            statements = (attribute.statement for attribute in load_bank())
            self._reading = Reader(readable, Speller.of((*statements, *captions), is_word).corrected)
        return self._reading

    def _again(self, steps: Callable[[Algorithm, SearchRequest | None], Steps], *, imagining: bool) -> Iterator[Event]:
        with self._state.lock:
            token = self._state.begin()
            request = self._state.request
        run = self._run(token, imagining=imagining)
        return _until_cancelled(run, request.turn if request else 0, steps(run, request))

    def _run(self, token: CancelToken, *, imagining: bool) -> Algorithm:
        return Algorithm(self._state, token, Stopwatch(), self.narrowing, imagining)


def _narrowed(narrowing: Narrowing) -> list[tuple[Chip, Narrowing]]:
    """A chip for each part of what the user narrows to by hand, and what is left without it."""
    named = (
        ("after", narrowing.after and f"after {narrowing.after:%Y-%m-%d}", None),
        ("before", narrowing.before and f"before {narrowing.before:%Y-%m-%d}", None),
        ("folder", narrowing.folder and f"folder: {narrowing.folder}", ""),
        ("camera", narrowing.camera and f"camera: {narrowing.camera}", ""),
    )
    return [
        (Chip(ChipKind.FILTER, text), replace(narrowing, **{name: empty}))  # type: ignore[arg-type]
        for name, text, empty in named
        if text
    ]


def _without(narrowing: Narrowing, chip: Chip) -> Narrowing:
    return next((left for each, left in _narrowed(narrowing) if each == chip), narrowing)


def _until_cancelled(run: Algorithm, turn: int, steps: Steps, failed: TurnFailed | None = None) -> Iterator[Event]:
    try:
        if failed:
            yield failed
        with closing(steps) as running:
            for event in running:
                if run.token.is_set():
                    break
                yield event
        yield TurnDone(turn, run.watch.timings(), cancelled=run.token.is_set())
    finally:
        # Whoever stops iterating wants no more images either.
        run.token.set()
