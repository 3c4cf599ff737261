"""The dialogue context C_t = (D0, Q1, A1, ..., Qt, At), with what the user thought of the photos and images shown.

A dialogue is the list of its events, in order, and nothing else: everything is derived from it. Knows how to become
JSON and come back. Does not know what the words mean (`dar_tui.dialogue.need`) and keeps no files
(`dar_tui.session.transcript`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from dar_tui.dialogue.need import Chip, ChipEdit, ChipKind, Edited, Memory, Need, Step, chips_of
from dar_tui.language.rules.intents import Act
from dar_tui.language.turn import Expects, Question, Turn
from dar_tui.language.when import Hemisphere
from indexer.errors import DarError

# Raised when an event gains or loses a field; older files stay readable by a branch in `event_from_json`.
VERSION = 1
# Clocks go wrong, but not so far; at the calendar's ends no "last summer" can be worked out.
_YEARS = range(1900, 3000)


class DialogueUnreadable(DarError):
    """A saved dialogue is damaged, or was written by another version of dar."""


class Opinion(StrEnum):
    """What the user thinks of a photo or a generated image; NONE takes an opinion back."""

    GOOD = "good"
    BAD = "bad"
    NONE = "none"


@dataclass(frozen=True)
class UserMessage:
    """The user's message, and when it came: "last summer" means nothing without it."""

    text: str
    at: datetime
    typed: str = ""
    """What was typed, where its spelling was corrected."""


@dataclass(frozen=True)
class Remark:
    """A message about the search and not about the photo. `photos`: those it speaks of, or that were on the page.

    `rest`: what it describes besides ("like number 3 but at night"), a turn of its own. `about`: what is sorted by.
    """

    text: str
    at: datetime
    act: Act
    photos: tuple[str, ...] = ()
    rest: str = ""
    about: str = ""

    @property
    def changes_need(self) -> bool:
        """Whether what is looked for is another after it."""
        return bool(self.rest) or self.act in (Act.UNDO, Act.START_OVER)


@dataclass(frozen=True)
class QuestionAsked:
    """The system's question, which the next message answers unless it is skipped."""

    question: Question


@dataclass(frozen=True)
class QuestionSkipped:
    """The user will not answer the open question."""


@dataclass(frozen=True)
class OnPhoto:
    """A photo liked or unliked; `photo` is the library's name for it, an image id or a path."""

    photo: str
    opinion: Opinion


@dataclass(frozen=True)
class OnPicture:
    """A generated image, the `index`-th (from 0) of a turn (from 0), picked as close or vetoed."""

    turn: int
    index: int
    opinion: Opinion


@dataclass(frozen=True)
class PhotosShown:
    """Photos that were on the user's screen, by the library's names for them."""

    photos: tuple[str, ...]


@dataclass(frozen=True)
class PhotoOpened:
    """A photo that the user looked at closely, so that going on says little about it."""

    photo: str


@dataclass(frozen=True)
class NextPage:
    """The user asked for photos not seen yet, without a word about those on screen."""


Event = (
    UserMessage
    | Remark
    | QuestionAsked
    | QuestionSkipped
    | OnPhoto
    | OnPicture
    | Edited
    | PhotosShown
    | PhotoOpened
    | NextPage
)

NUMBERED = (UserMessage, Remark, Edited)
"""What is a turn of a session, each by the next number."""
# They are answered and change nothing, so there is nothing to take back.
_ANSWERED = frozenset({Act.HELP, Act.SUMMARY, Act.WHY, Act.PATH, Act.UNREADABLE, Act.UNCLEAR})
# Nothing that the user did on purpose, so nothing to take back.
_OBSERVED = (QuestionAsked, PhotosShown, PhotoOpened)
_OPINIONS = {Act.LIKE: Opinion.GOOD, Act.FOUND: Opinion.GOOD, Act.UNLIKE: Opinion.BAD}


@dataclass(frozen=True)
class Dialogue:
    """Every event between user and system so far, in order."""

    events: tuple[Event, ...] = ()
    hemisphere: Hemisphere = Hemisphere.NORTH
    """Where the user's seasons are; the same for the whole dialogue."""
    # Shared by all that a dialogue becomes; it spares going through a long one again, and changes nothing else.
    _memory: Memory = field(default_factory=Memory, compare=False, repr=False)

    def after(self, *events: Event) -> Dialogue:
        """The dialogue with these events added."""
        return Dialogue(self.events + events, self.hemisphere, self._memory)

    def said(self, text: str, at: datetime) -> Dialogue:
        """The dialogue after a message."""
        return self.after(UserMessage(text, at))

    def asked(self, question: Question) -> Dialogue:
        """The dialogue after a question."""
        return self.after(QuestionAsked(question))

    @cached_property
    def _counting(self) -> tuple[tuple[int, Event], ...]:
        """The events that count, each with the number of the message it belongs to: not those before the user started
        over, nor those taken back."""
        return self._replayed[0]

    @cached_property
    def _replayed(self) -> tuple[tuple[tuple[int, Event], ...], bool]:
        """The events that count, and whether any can be taken back."""
        number = -1
        counting: list[tuple[int, Event]] = []
        # What each message, opinion and change can be taken back to: a list, and how much of it there was.
        before: list[tuple[list[tuple[int, Event]], int]] = []
        for event in self.events:
            number += isinstance(event, NUMBERED)
            if isinstance(event, Remark) and event.act is Act.UNDO:
                if before:
                    counting, length = before.pop()
                    del counting[length:]
                continue
            if not isinstance(event, _OBSERVED) and not (isinstance(event, Remark) and event.act in _ANSWERED):
                before.append((counting, len(counting)))
            if isinstance(event, Remark) and event.act is Act.START_OVER:
                counting = []
            counting.append((number, event))
        return tuple(counting), bool(before)

    @cached_property
    def _steps(self) -> tuple[tuple[int, Step], ...]:
        """What the need is made of, each with its message's number."""
        steps: list[tuple[int, Step]] = []
        pending: Question | None = None
        said = False
        for number, event in self._counting:
            match event:
                case QuestionAsked(question):
                    pending = question
                case QuestionSkipped() | Remark(act=Act.SKIP):
                    pending = None
                case UserMessage(text, at):
                    # Nothing has been described before D0, so it answers nothing.
                    steps.append((number, Turn(text, at, pending if said else None)))
                    pending, said = None, True
                case Remark(rest=rest, at=at) if rest:
                    steps.append((number, Turn(rest, at)))
                    pending, said = None, True
                case Edited():
                    steps.append((number, event))
        return tuple(steps)

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """D0 and every later message that describes, each with the question it answers."""
        return tuple(step for _, step in self._steps if isinstance(step, Turn))

    @property
    def number(self) -> int:
        """The number (from 0), among all that the user did, of what last changed the need; -1 where nothing has."""
        return max((number for number, _ in self._steps), default=-1) if self.turns else -1

    @property
    def messages(self) -> int:
        """How many messages and changed chips there were, those taken back too: the next one's number."""
        return sum(isinstance(event, NUMBERED) for event in self.events)

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to take back."""
        return self._replayed[1]

    @cached_property
    def pending(self) -> Question | None:
        """The open question: asked, neither answered nor skipped."""
        return self._asked()[0]

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every question asked, answered or not."""
        return tuple(event.question for _, event in self._counting if isinstance(event, QuestionAsked))

    @property
    def skipped(self) -> tuple[Question, ...]:
        """The questions the user would not answer."""
        return self._asked()[1]

    def _asked(self) -> tuple[Question | None, tuple[Question, ...]]:
        """The open question, and those skipped."""
        pending: Question | None = None
        skipped: list[Question] = []
        for _, event in self._counting:
            match event:
                case QuestionAsked(question):
                    pending = question
                case QuestionSkipped() | Remark(act=Act.SKIP):
                    # A choice by photos ends with the page they are on; that leaves nothing to be avoided.
                    skipped += [pending] if pending is not None and not pending.photos else []
                    pending = None
                case UserMessage():
                    pending = None
                case Remark(rest=rest) if rest:
                    pending = None
        return pending, tuple(skipped)

    @property
    def liked(self) -> tuple[str, ...]:
        """Photos liked, the last opinion of each counting."""
        return tuple(photo for photo, opinion in self._photos().items() if opinion is Opinion.GOOD)

    @property
    def unliked(self) -> tuple[str, ...]:
        """Photos unliked, the last opinion of each counting."""
        return tuple(photo for photo, opinion in self._photos().items() if opinion is Opinion.BAD)

    @property
    def picked(self) -> tuple[tuple[int, int], ...]:
        """Generated images picked as close, as (turn, index)."""
        return tuple(place for place, opinion in self._pictures().items() if opinion is Opinion.GOOD)

    @property
    def vetoed(self) -> tuple[tuple[int, int], ...]:
        """Generated images vetoed, as (turn, index)."""
        return tuple(place for place, opinion in self._pictures().items() if opinion is Opinion.BAD)

    def need(self) -> Need:
        """What the dialogue adds up to."""
        return self._memory.need_of(tuple(step for _, step in self._steps), self.skipped, self.hemisphere)

    @property
    def chips(self) -> tuple[Chip, ...]:
        """What was understood, piece by piece, as the user sees it; `changed` removes or flips one."""
        return chips_of(self.need())

    def changed(self, chip: Chip, edit: ChipEdit) -> Dialogue:
        """The dialogue with this chip removed or flipped (wanted or not)."""
        return self.after(Edited(chip, edit))

    @property
    def ruled_out(self) -> tuple[str, ...]:
        """Photos that are not to be shown again, since none of them was the one."""
        remarks = (event for _, event in self._counting if isinstance(event, Remark) and event.act is Act.NONE)
        return tuple(dict.fromkeys(photo for event in remarks for photo in event.photos))

    @cached_property
    def seen(self) -> tuple[str, ...]:
        """Photos that were on screen, in the order they last were."""
        order: dict[str, None] = {}
        for event in self.events:
            for photo in event.photos if isinstance(event, PhotosShown) else ():
                order.pop(photo, None)
                order[photo] = None
        return tuple(order)

    @property
    def on_screen(self) -> frozenset[str]:
        """Photos shown since the user last went on."""
        return self._passing[0]

    @property
    def passed(self) -> Mapping[str, int]:
        """How often each photo was on screen while the user went on: described more, or asked for the next page.

        Liking or opening a photo takes back what was counted of it until then.
        """
        return self._passing[1]

    @property
    def paged(self) -> frozenset[str]:
        """Photos on the pages after which the next one was asked for."""
        return self._passing[2]

    @cached_property
    def _passing(self) -> tuple[frozenset[str], Mapping[str, int], frozenset[str]]:
        on_screen: set[str] = set()
        times: dict[str, int] = {}
        paged: set[str] = set()
        for _, event in self._counting:
            match event:
                case PhotosShown(photos):
                    on_screen.update(photos)
                case OnPhoto(photo, Opinion.GOOD) | PhotoOpened(photo):
                    on_screen.discard(photo)
                    times.pop(photo, None)
                case Remark(act=Act.LIKE | Act.FOUND, photos=photos, rest=rest):
                    on_screen.difference_update(photos)
                    times = {photo: count for photo, count in times.items() if photo not in photos}
                    if rest:
                        on_screen = _passed_over(on_screen, times)
                case Remark(act=Act.NEXT, photos=photos):
                    paged |= on_screen | set(photos)
                    on_screen = _passed_over(on_screen | set(photos), times)
                case NextPage():
                    paged |= on_screen
                    on_screen = _passed_over(on_screen, times)
                case UserMessage() | Edited():
                    on_screen = _passed_over(on_screen, times)
        return frozenset(on_screen), times, frozenset(paged)

    @property
    def by_date(self) -> bool:
        """Whether the page is wanted in the order of dates."""
        sorts = [event for _, event in self._counting if isinstance(event, Remark) and event.act is Act.SORT]
        return bool(sorts) and sorts[-1].about == "date"

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values that `from_json` turns back into an equal dialogue."""
        events = [event_to_json(event) for event in self.events]
        return {"version": VERSION, "hemisphere": str(self.hemisphere), "events": events}

    @classmethod
    def from_json(cls, data: object) -> Dialogue:
        """The dialogue that `to_json` wrote. Raises DialogueUnreadable for another version or other data."""
        if not isinstance(data, Mapping):
            raise DialogueUnreadable("What was saved is no dialogue.", "Start a new one with `dar chat`.")
        check_version(data.get("version"))
        events = data.get("events")
        if not isinstance(events, list):
            raise DialogueUnreadable("The saved dialogue has no list of events.", "Start a new one with `dar chat`.")
        return cls(tuple(event_from_json(each) for each in events), hemisphere_from_json(data))

    def _photos(self) -> dict[str, Opinion]:
        opinions: dict[str, Opinion] = {}
        for _, event in self._counting:
            if isinstance(event, OnPhoto):
                opinions[event.photo] = event.opinion
            elif isinstance(event, Remark) and event.act in _OPINIONS:
                opinions |= dict.fromkeys(event.photos, _OPINIONS[event.act])
        return opinions

    def _pictures(self) -> dict[tuple[int, int], Opinion]:
        pictured = (event for _, event in self._counting if isinstance(event, OnPicture))
        return {(event.turn, event.index): event.opinion for event in pictured}


def _passed_over(on_screen: set[str], times: dict[str, int]) -> set[str]:
    """Counts what is on screen in `times`; what is on screen then: nothing."""
    for photo in on_screen:
        times[photo] = times.get(photo, 0) + 1
    return set()


def check_version(version: object) -> None:
    """Raises DialogueUnreadable unless this version of dar wrote it."""
    if version != VERSION or isinstance(version, bool):
        raise DialogueUnreadable(
            f"The saved dialogue has version {version!r}; this dar reads version {VERSION}.",
            "Open it with the dar that wrote it, or start a new one with `dar chat`.",
        )


def hemisphere_from_json(data: Mapping[str, Any]) -> Hemisphere:
    """The hemisphere saved with a dialogue; the north in those from before it was. Raises DialogueUnreadable."""
    try:
        return Hemisphere(data.get("hemisphere", Hemisphere.NORTH))
    except ValueError as error:
        raise DialogueUnreadable(
            f"The saved dialogue has no hemisphere {data['hemisphere']!r}.", "Start a new one with `dar chat`."
        ) from error


def event_to_json(event: Event) -> dict[str, Any]:
    """One event as JSON values, its kind under "kind"."""
    match event:
        case UserMessage(text, at, typed):
            said = {"kind": "said", "text": text, "at": at.isoformat()}
            return {**said, "typed": typed} if typed else said
        case Remark(text, at, act, photos, rest, about):
            remark = {"kind": "remarked", "text": text, "at": at.isoformat(), "act": str(act), "photos": list(photos)}
            return {**remark, "rest": rest, "about": about}
        case Edited(Chip(kind, text), edit):
            return {"kind": "edited", "chip": str(kind), "text": text, "edit": str(edit)}
        case QuestionAsked(question):
            return {
                "kind": "asked",
                "text": question.text,
                "topic": question.topic,
                "expects": str(question.expects),
                "choices": list(question.choices),
                # Left out where there are none, as in the files of earlier versions.
                **({"examples": list(question.examples)} if question.examples else {}),
                **({"photos": list(question.photos)} if question.photos else {}),
            }
        case QuestionSkipped():
            return {"kind": "skipped"}
        case OnPhoto(photo, opinion):
            return {"kind": "on-photo", "photo": photo, "opinion": str(opinion)}
        case OnPicture(turn, index, opinion):
            return {"kind": "on-picture", "turn": turn, "index": index, "opinion": str(opinion)}
        case PhotosShown(photos):
            return {"kind": "seen", "photos": list(photos)}
        case PhotoOpened(photo):
            return {"kind": "opened", "photo": photo}
        case NextPage():
            return {"kind": "next-page"}


def event_from_json(data: Mapping[str, Any]) -> Event:
    """The event that `event_to_json` wrote. Raises DialogueUnreadable for anything else."""
    try:
        match data["kind"]:
            case "said":
                return UserMessage(json_text(data["text"]), json_moment(data["at"]), json_text(data.get("typed", "")))
            case "remarked":
                text, photos, rest = json_text(data["text"]), json_texts(data["photos"]), json_text(data["rest"])
                return Remark(text, json_moment(data["at"]), Act(data["act"]), photos, rest, json_text(data["about"]))
            case "edited":
                return Edited(Chip(ChipKind(data["chip"]), json_text(data["text"])), ChipEdit(data["edit"]))
            case "asked":
                wording, topic = json_text(data["text"]), json_text(data["topic"])
                choices, examples = json_texts(data["choices"]), json_texts(data.get("examples", []))
                photos = json_texts(data.get("photos", []))
                return QuestionAsked(Question(wording, topic, Expects(data["expects"]), choices, examples, photos))
            case "skipped":
                return QuestionSkipped()
            case "on-photo":
                return OnPhoto(json_text(data["photo"]), Opinion(data["opinion"]))
            case "on-picture":
                return OnPicture(json_number(data["turn"]), json_number(data["index"]), Opinion(data["opinion"]))
            case "seen":
                return PhotosShown(json_texts(data["photos"]))
            case "opened":
                return PhotoOpened(json_text(data["photo"]))
            case "next-page":
                return NextPage()
            case kind:
                raise ValueError(f"unknown kind {kind!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise DialogueUnreadable(
            f"The saved dialogue holds something that is no event ({error}).", "Start a new one with `dar chat`."
        ) from error


# Values of saved dialogues and sessions, each what it has to be. They raise TypeError or ValueError where it is not.


def json_text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def json_texts(value: object) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(json_text(each) for each in _listed(value))


def json_number(value: object) -> int:
    """A whole number from 0 on: a turn, a place in a list, a seed."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number of anything")
    return value


def json_numbers(value: object) -> tuple[int, ...]:
    """A list of whole numbers from 0 on."""
    return tuple(json_number(each) for each in _listed(value))


def json_moment(value: object) -> datetime:
    """A date and time of this age."""
    at = datetime.fromisoformat(json_text(value))
    if at.year not in _YEARS:
        raise ValueError(f"{value!r} is no time for anybody to say something")
    return at


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value
