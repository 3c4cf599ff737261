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

from dar_tui.dialogue.need import Memory, Need
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


Event = UserMessage | QuestionAsked | QuestionSkipped | OnPhoto | OnPicture


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
    def turns(self) -> tuple[Turn, ...]:
        """D0 and every later message, each with the question it answers."""
        turns: list[Turn] = []
        pending: Question | None = None
        for event in self.events:
            match event:
                case QuestionAsked(question):
                    pending = question
                case QuestionSkipped():
                    pending = None
                case UserMessage(text, at):
                    # Nothing has been described before D0, so it answers nothing.
                    turns.append(Turn(text, at, pending if turns else None))
                    pending = None
        return tuple(turns)

    @property
    def pending(self) -> Question | None:
        """The open question: asked, neither answered nor skipped."""
        pending: Question | None = None
        for event in self.events:
            if isinstance(event, QuestionAsked):
                pending = event.question
            elif isinstance(event, (UserMessage, QuestionSkipped)):
                pending = None
        return pending

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every question asked, answered or not."""
        return tuple(event.question for event in self.events if isinstance(event, QuestionAsked))

    @property
    def skipped(self) -> tuple[Question, ...]:
        """The questions the user would not answer."""
        skipped: list[Question] = []
        pending: Question | None = None
        for event in self.events:
            if isinstance(event, QuestionSkipped) and pending is not None:
                skipped.append(pending)
            if isinstance(event, QuestionAsked):
                pending = event.question
            elif isinstance(event, (UserMessage, QuestionSkipped)):
                pending = None
        return tuple(skipped)

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
        return self._memory.need_of(self.turns, self.skipped, self.hemisphere)

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
        return {event.photo: event.opinion for event in self.events if isinstance(event, OnPhoto)}

    def _pictures(self) -> dict[tuple[int, int], Opinion]:
        return {(event.turn, event.index): event.opinion for event in self.events if isinstance(event, OnPicture)}


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
        case UserMessage(text, at):
            return {"kind": "said", "text": text, "at": at.isoformat()}
        case QuestionAsked(Question(text, topic, expects, choices)):
            return {"kind": "asked", "text": text, "topic": topic, "expects": str(expects), "choices": list(choices)}
        case QuestionSkipped():
            return {"kind": "skipped"}
        case OnPhoto(photo, opinion):
            return {"kind": "on-photo", "photo": photo, "opinion": str(opinion)}
        case OnPicture(turn, index, opinion):
            return {"kind": "on-picture", "turn": turn, "index": index, "opinion": str(opinion)}


def event_from_json(data: Mapping[str, Any]) -> Event:
    """The event that `event_to_json` wrote. Raises DialogueUnreadable for anything else."""
    try:
        match data["kind"]:
            case "said":
                return UserMessage(json_text(data["text"]), json_moment(data["at"]))
            case "asked":
                wording, topic = json_text(data["text"]), json_text(data["topic"])
                return QuestionAsked(Question(wording, topic, Expects(data["expects"]), json_texts(data["choices"])))
            case "skipped":
                return QuestionSkipped()
            case "on-photo":
                return OnPhoto(json_text(data["photo"]), Opinion(data["opinion"]))
            case "on-picture":
                return OnPicture(json_number(data["turn"]), json_number(data["index"]), Opinion(data["opinion"]))
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
