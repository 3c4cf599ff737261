"""The chat's state, and what each thing the user does makes of it: turns, answers, opinions, filters, views aside.

`ChatController` is called by the screen's keys and messages; it plays actions on the engine, one after the other, and
shows what becomes of them through a `ChatView`. It knows no widgets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from textual.message import Message

from dar_tui.language.turn import Expects
from dar_tui.session.events import Part, Results
from dar_tui.tui import background, wording
from dar_tui.tui.conversation import Exchange, ExchangeState
from dar_tui.tui.engine import (
    Action,
    ApplyFilter,
    ChangeChip,
    ChatEngine,
    ChipKinds,
    Feedback,
    ImagineAgain,
    MoreLike,
    Opened,
    PhotoFeedback,
    PhotoFilter,
    PhotoLookedAt,
    PhotosSeen,
    PictureFeedback,
    Rerank,
    SendMessage,
    ShownChip,
    ShowNextPage,
    ShowSeen,
    SkipQuestion,
    Understood,
)
from dar_tui.tui.messages import ErrorReport, EventPlayed, FeedbackRecorded, PlayEnded
from indexer.errors import DarError

if TYPE_CHECKING:
    from dar_tui.language.turn import Question
    from indexer.search.hits import Hit

# Nobody remembers what came before these.
_MOST_UNDO = 100
# Kinds of question that y and n answer.
_BY_KEY = (Expects.YES_NO, Expects.UNTOLD)


def takes_yes(question: Question) -> bool:
    """Whether yes and no answer it."""
    return question.expects in _BY_KEY and not question.choices


class EnginePlayer:
    """Plays actions on an engine, each in a thread, and posts their events. Called from the interface's thread.

    One action after the other, the last one counting: events of those before it are of no more interest.
    """

    def __init__(self, engine: ChatEngine, post: Callable[[Message], object]) -> None:
        self._engine = engine
        self._post = post
        self._number = 0
        self._running = False
        # The engine plays one action at a time; the one before needs a moment to notice that it was cancelled.
        self._at_work = threading.Lock()
        self._feedback = background.WorkQueue(self._report, "dar-feedback")

    @property
    def running(self) -> bool:
        """Whether an action is being played."""
        return self._running

    def play(self, action: Action) -> int:
        """Ends what is played and plays this; returns the number its messages carry."""
        self._engine.cancel()
        self._number += 1
        self._running = True
        number = self._number

        def work() -> None:
            with self._at_work:
                if number != self._number:
                    return
                with closing(self._engine.play(action)) as events:
                    for event in events:
                        if number != self._number:
                            return
                        self._post(EventPlayed(number, event))
            self._post(PlayEnded(number, None))

        background.run(work, lambda error: self._fail(number, error), "dar-turn")
        return number

    def record(self, feedback: Feedback, *, ranks: bool = True) -> None:
        """Records feedback, in order; never waits for what is played.

        `FeedbackRecorded` is posted once it is done, unless the page shown now is not to be ranked by it (`ranks`).
        """

        def work() -> None:
            self._engine.record(feedback)
            if ranks:
                self._post(FeedbackRecorded())

        self._feedback.put(work)

    def stop(self) -> None:
        """Makes what is played end with what there is; it still reports how it ended."""
        self._engine.cancel()

    def forget(self) -> None:
        """What is played is of no more interest, not even how it ends."""
        self._engine.cancel()
        self._number += 1
        self._running = False

    def is_current(self, number: int) -> bool:
        """Whether messages of this number still count."""
        return number == self._number

    def ended(self, number: int) -> None:
        """The end of this action has been shown."""
        if number == self._number:
            self._running = False

    def _fail(self, number: int, error: DarError) -> None:
        self._post(PlayEnded(number, error))

    def _report(self, error: DarError) -> None:
        self._post(ErrorReport(f"{error.message} {error.hint}".rstrip()))


class ChatView(Protocol):
    """What the controller shows through. Every method is called on the interface's thread."""

    def show_session(self, opened: Opened) -> None:
        """Begins a session, new or resumed: its transcript, its facts, its question."""
        ...

    def begin_exchange(self, exchange: Exchange) -> None:
        """Adds a turn to the transcript."""
        ...

    def update_exchange(self, exchange: Exchange) -> None:
        """Shows how far the last turn has come."""
        ...

    def show_question(self) -> None:
        """Shows the open question, or none, and readies the keys that answer it."""
        ...

    def show_page(self, *, keep: bool) -> None:
        """Shows the photos of the last turn, and its pictures. `keep`: the selected photo stays so."""
        ...

    def show_results(self) -> None:
        """Shows a new page of the last turn, and brings it into sight."""
        ...

    def show_aside(self, hits: tuple[Hit, ...], like: Hit | None) -> None:
        """Shows photos like a photo, or those seen earlier (None), in place of the page."""
        ...

    def show_drawings(self) -> None:
        """Shows the imagined pictures of the last turn."""
        ...

    def show_opinions(self) -> None:
        """Shows what the user thinks of photos and pictures."""
        ...

    def show_status(self, **changes: object) -> None:
        """Changes the top line."""
        ...

    def show_progress(self) -> None:
        """Shows what is being done just now."""
        ...

    def remark(self, text: str) -> None:
        """Adds a line of the app's own to the transcript."""
        ...

    def report(self, text: str) -> None:
        """Shows what went wrong, where it stays readable."""
        ...

    def hint(self, text: str) -> None:
        """Shows a line for a few seconds."""
        ...

    def restore_message(self, text: str) -> None:
        """Puts a message that failed back into the prompt."""
        ...

    def ask_for_words(self) -> None:
        """Goes to the prompt, since only words answer."""
        ...

    def ask_for_photos(self, text: str) -> None:
        """A message came while there is no library to search; it may name a folder of photos."""
        ...

    def selected_photo(self) -> int | None:
        """The photo the user has gone to since the last turn, which a message may speak of."""
        ...

    def show_chips(self) -> None:
        """Shows what is looked for."""
        ...

    def show_order(self) -> None:
        """Shows the page in the order that holds now."""
        ...


class ChatController:
    """One session: its turns, its open question, and what the user thinks of photos and pictures."""

    def __init__(self, engine: ChatEngine, view: ChatView, post: Callable[[Message], object]) -> None:
        self._engine = engine
        self._view = view
        self.player = EnginePlayer(engine, post)
        self.opened = False
        self.exchange: Exchange | None = None
        self.question: Question | None = None
        self.turns = 0
        self.photo_filter = PhotoFilter()
        self.imagining = True
        self.liked: frozenset[int] = frozenset()
        self.unliked: frozenset[int] = frozenset()
        self.of_pictures: dict[tuple[int, int], bool] = {}
        # Photos shown beside the session: the number they are played under, and the photo they are like, or None for
        # those seen earlier.
        self.aside: tuple[int, Hit | None] | None = None
        self.by_date = False
        # What the session has understood, and the photos of the page that were on screen since the user last went on.
        self._understood: tuple[ShownChip, ...] = ()
        self._seen: frozenset[int] = frozenset()
        self._looked_at: int | None = None
        # What was last done and can be undone, latest last: what it was, and how it is undone.
        self._undo: list[tuple[str, Callable[[], None]]] = []
        # Feedback came while a turn was running, and no page since has taken it into account.
        self._is_behind = False
        # A library is being opened, so that a message sent now will be searched for.
        self._opening = True
        self._waiting = ""

    # A session begins

    def suspend(self) -> None:
        """Another session is being opened; a message sent meanwhile waits for it."""
        self.opened, self._opening = False, True
        self.player.forget()

    def resume(self) -> None:
        """The other session could not be opened: this one goes on, and takes what was sent meanwhile."""
        self.opened, self._opening = True, False
        if self.exchange is not None:
            self.exchange = self.exchange.ended()
            self._view.update_exchange(self.exchange)
        self._view.show_progress()
        self._send_waiting()

    def without_library(self) -> None:
        """There is nothing to open: what was sent meanwhile goes back into the prompt."""
        self.opened = self._opening = False
        if self._waiting:
            waiting, self._waiting = self._waiting, ""
            self.send(waiting)

    def begin(self, opened: Opened) -> None:
        """Takes on a session, new or resumed."""
        self.opened, self._opening = True, False
        self.exchange, self.aside, self.by_date = None, None, False
        self._undo.clear()
        self.turns = len(opened.exchanges)
        self.photo_filter, self.imagining = opened.photo_filter, opened.imagining
        self.liked, self.unliked, self.of_pictures = opened.liked, opened.unliked, dict(opened.pictures)
        self._understood, self._seen, self._looked_at = opened.chips, frozenset(), None
        self._view.show_session(opened)
        self._view.show_chips()
        self._ask(opened.question)
        if opened.exchanges:
            self.exchange = replace(opened.exchanges[-1], state=ExchangeState.DONE)
            self.player.play(Rerank())
        self._view.show_page(keep=False)
        self._send_waiting()

    def _send_waiting(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, ""
            self.send(waiting)

    # Turns

    def send(self, text: str) -> None:
        """Begins a turn; a message sent before the library is open waits for it."""
        if not self.opened and not self._opening:
            self._view.ask_for_photos(text)
            return
        if not self.opened:
            self._waiting = f"{self._waiting}\n{text}".strip()
            self._view.remark(f"Waiting for the library to search for: {wording.shortened(text, 200)}")
            return
        self._begin_turn(text, SendMessage(text, self._view.selected_photo()))

    def _begin_turn(self, text: str, action: Action) -> None:
        if self.exchange is not None:
            self.exchange = self.exchange.archived()
            self._view.update_exchange(self.exchange)
        self.aside, self._seen = None, frozenset()
        self._ask(None)
        # Yesterday's page stays until today's is there: a grid that empties at every message would flicker.
        is_first = self.exchange is None
        self.exchange = Exchange(text, turn=self.turns)
        self.turns += 1
        self._view.begin_exchange(self.exchange)
        self.player.play(action)
        self._view.show_status(turn=self.turns, taken="")
        if is_first:
            self._view.show_page(keep=False)
        self._view.show_progress()

    def answer(self, answer: str) -> None:
        """yes, no or skip."""
        question = self.question
        if answer == "no" and (question is None or not takes_yes(question)):
            self.next_page()
        elif question is None:
            self._view.hint("There is no question to answer.")
        elif answer == "skip":
            self._ask(None)
            self.player.record(SkipQuestion())
        elif takes_yes(question) and self._is_ready():
            self._begin_turn(answer, SendMessage(answer))
        else:
            self._view.hint(f"Answer in words: {' or '.join(question.choices) or question.text}")
            self._view.ask_for_words()

    def imagine_again(self) -> None:
        """Imagines once more, from other seeds."""
        if not self._is_ready():
            return
        if self.exchange is None:
            self._view.hint("Describe the photo first.")
            return
        self.aside = None
        self.exchange = replace(self.exchange, state=ExchangeState.RUNNING)
        self.player.play(ImagineAgain())
        self._view.show_progress()

    def switch_imagining(self) -> None:
        """Imagining on or off, from the next turn on."""
        self.imagining = not self.imagining
        self._engine.set_imagining(self.imagining)
        self._view.hint("Imagining is on." if self.imagining else "Imagining is off: text alone finds photos.")
        self._view.show_drawings()

    def step_back(self) -> bool:
        """Stops what runs, else leaves a view aside; False where there is nothing to step back from."""
        if self.player.running and (self.exchange is None or self.exchange.doing or self.aside):
            self.player.stop()
            return True
        if self.aside is not None:
            self.aside = None
            self._view.show_page(keep=False)
            return True
        return False

    # Events

    def take(self, message: EventPlayed) -> None:
        """Adds an event to the turn it belongs to."""
        if not self.player.is_current(message.number):
            return
        if self.aside is not None and message.number == self.aside[0]:
            if isinstance(message.event, Results):
                self._view.show_aside(message.event.hits, self.aside[1])
            return
        if isinstance(message.event, Understood):
            self._understood = message.event.chips
            self._view.show_chips()
            return
        if self.exchange is None:
            return
        if isinstance(message.event, Results):
            self._is_behind = False
        was_asking = self.exchange.question
        self.exchange = self.exchange.after(message.event)
        if self.exchange.question is not None and self.exchange.question is not was_asking:
            self._ask(self.exchange.question)
        self._view.update_exchange(self.exchange)
        if isinstance(message.event, Results):
            self._view.show_results()
        else:
            self._view.show_drawings()
        self._view.show_progress()

    def end(self, message: PlayEnded) -> None:
        """Closes the turn; a message that found nothing because something failed goes back into the prompt."""
        if not self.player.is_current(message.number):
            return
        self.player.ended(message.number)
        aside = self.aside is not None and message.number == self.aside[0]
        if self.exchange is not None and not aside:
            self.exchange = self.exchange.ended()
            self._view.update_exchange(self.exchange)
            failed = any(each.part in (Part.REFORMULATE, Part.SEARCH) for each in self.exchange.failures)
            if (failed or message.error) and not self.exchange.hits:
                self._view.restore_message(self.exchange.message)
            timings = self.exchange.timings
            self._view.show_status(taken=wording.seconds(timings.total) if timings.total else "")
        if message.error is not None:
            self._view.report(f"{message.error.message} {message.error.hint}".rstrip())
        self._view.show_drawings()
        self._view.show_progress()
        if self._is_behind:
            self.feedback_recorded()

    def feedback_recorded(self) -> None:
        """A running turn takes feedback into account with its next page; otherwise the page is ranked again."""
        self._is_behind = self.player.running
        if not self.player.running and self.exchange is not None:
            self.aside = None
            self.player.play(Rerank())

    def photos_changed(self) -> None:
        """Photos were indexed: the page is searched again, unless something is running, which finds them itself."""
        if self.opened and not self.player.running and self.exchange is not None and self.aside is None:
            self.player.play(Rerank())

    def _ask(self, question: Question | None) -> None:
        self.question = question
        self._view.show_question()

    # What the user thinks

    def judge_photo(self, hit: Hit, good: bool) -> None:
        """Likes or unlikes a photo; the same opinion again takes it back."""
        image_id = hit.image_id
        before = True if image_id in self.liked else False if image_id in self.unliked else None
        self.can_undo("the opinion of a photo", lambda: self._judge_photo(image_id, before))
        self._judge_photo(image_id, None if before is good else good)

    def _judge_photo(self, image_id: int, opinion: bool | None) -> None:
        self.liked, self.unliked = self.liked - {image_id}, self.unliked - {image_id}
        if opinion is True:
            self.liked |= {image_id}
        elif opinion is False:
            self.unliked |= {image_id}
        self._view.show_opinions()
        self.player.record(PhotoFeedback(image_id, opinion))

    def judge_picture(self, turn: int, k: int, good: bool) -> None:
        """Picks or vetoes an imagined picture; the same opinion again takes it back."""
        before = self.of_pictures.get((turn, k))
        self.can_undo("the opinion of a picture", lambda: self._judge_picture(turn, k, before))
        self._judge_picture(turn, k, None if before is good else good)

    def _judge_picture(self, turn: int, k: int, opinion: bool | None) -> None:
        self.of_pictures.pop((turn, k), None)
        if opinion is not None:
            self.of_pictures[turn, k] = opinion
        self._view.show_opinions()
        self.player.record(PictureFeedback(turn, k, opinion))

    # Which photos

    def more_like(self, hit: Hit) -> None:
        """Shows the photos most like this one until Esc."""
        if not self._is_ready():
            return
        self.aside = (self.player.play(MoreLike(hit.image_id)), hit)
        self._view.show_progress()

    def show_seen(self) -> None:
        """Shows the photos seen earlier, which no page brings back by itself, until Esc."""
        if self._is_ready():
            self.aside = (self.player.play(ShowSeen()), None)
            self._view.show_progress()

    def apply_filter(self, photo_filter: PhotoFilter | None) -> None:
        """Searches among other photos from now on; None changes nothing."""
        if photo_filter is None or photo_filter == self.photo_filter or not self._is_ready():
            return
        before = self.photo_filter
        self.can_undo("the filter", lambda: self._apply_filter(before))
        self._apply_filter(photo_filter)

    def _apply_filter(self, photo_filter: PhotoFilter) -> None:
        self.photo_filter = photo_filter
        self.aside = None
        if self.exchange is not None:
            # Ranks among other photos say nothing of what rose.
            self.exchange = replace(self.exchange, text_ranks={})
        self._view.show_status(filter=photo_filter.words)
        self._view.show_chips()
        self.player.play(ApplyFilter(photo_filter))
        self._view.show_progress()

    def next_page(self) -> None:
        """Shows photos that were not seen yet; those on screen count as passed over."""
        if not self._is_ready():
            return
        if self.exchange is None:
            self._view.hint("Describe the photo first.")
            return
        self.aside, self._seen = None, frozenset()
        # Ranks among photos seen before say nothing of what rose.
        self.exchange = replace(self.exchange, text_ranks={})
        self.player.play(ShowNextPage())
        self._view.show_progress()

    def photos_seen(self, image_ids: Iterable[int]) -> None:
        """These photos are on the screen, and were long enough to be looked at."""
        new = tuple(each for each in image_ids if each not in self._seen)
        if new and self.opened:
            self._seen |= frozenset(new)
            self.player.record(PhotosSeen(new), ranks=False)

    def looked_at(self, hit: Hit) -> None:
        """A photo was looked at large."""
        if hit.image_id != self._looked_at:
            self._looked_at = hit.image_id
            self.player.record(PhotoLookedAt(hit.image_id), ranks=False)

    # What is looked for

    @property
    def chips(self) -> tuple[ShownChip, ...]:
        """What was understood, and what the user has set by hand."""
        by_hand = tuple(chip for chip, _ in self.photo_filter.parts)
        return (*(chip for chip in self._understood if chip not in by_hand), *by_hand)

    def change_chip(self, chip: ShownChip, *, flip: bool) -> None:
        """Searches without a chip, or for its opposite."""
        if not self._is_ready():
            return
        without = next((each for part, each in self.photo_filter.parts if part == chip), None)
        if without is not None:
            self.apply_filter(without)
            return
        is_wanted = flip == (chip.kind is ChipKinds.REJECTS)
        said = ("wanted" if is_wanted else "not wanted") if flip else "removed"
        self._begin_turn(f"{chip.text}: {said}", ChangeChip(chip, flip))

    def sort(self) -> None:
        """By date, or by match again."""
        self.can_undo("the order", self._switch_order)
        self._switch_order()

    def _switch_order(self) -> None:
        self.by_date = not self.by_date
        self._view.show_order()

    # Undo

    def undo(self) -> None:
        """Takes back the last opinion, filter or order."""
        if not self._undo:
            self._view.hint("There is nothing to undo.")
            return
        what, undo = self._undo.pop()
        undo()
        self._view.hint(f"Undone: {what}.")

    def can_undo(self, what: str, undo: Callable[[], None]) -> None:
        """Something was done that `undo` takes back."""
        self._undo.append((what, undo))
        del self._undo[:-_MOST_UNDO]

    def _is_ready(self) -> bool:
        """Whether a session is open; else a hint says so."""
        if not self.opened:
            self._view.hint("The library is being opened." if self._opening else "No library is open.")
        return self.opened
