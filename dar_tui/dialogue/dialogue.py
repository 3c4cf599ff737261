"""The dialogue context C_t = (D0, Q1, A1, ..., Qt, At), with what the user thought of the photos and pictures shown.

A dialogue is the list of what happened, in order, and nothing else: everything is derived from it. Knows how to become
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

from dar_tui.dialogue import values
from dar_tui.dialogue.need import Memory, Need
from dar_tui.dialogue.turn import Expects, Question, Turn
from dar_tui.dialogue.when import Hemisphere
from indexer.errors import DarError

# Raised when an event gains or loses a field; older files stay readable by a branch in `event_from_json`.
VERSION = 1


class DialogueUnreadable(DarError):
    """A saved dialogue is damaged, or was written by another version of dar."""


class Opinion(StrEnum):
    """What the user thinks of a photo or an imagined picture; NONE takes an opinion back."""

    GOOD = "good"
    BAD = "bad"
    NONE = "none"


@dataclass(frozen=True)
class Said:
    """The user's message, and when it was said: "last summer" means nothing without it."""

    text: str
    at: datetime


@dataclass(frozen=True)
class Asked:
    """The system's question, which the next message answers unless it is skipped."""

    question: Question


@dataclass(frozen=True)
class Skipped:
    """The user will not answer the question that stands."""


@dataclass(frozen=True)
class OnPhoto:
    """A photo liked or unliked; `photo` is the library's name for it, an image id or a path."""

    photo: str
    opinion: Opinion


@dataclass(frozen=True)
class OnPicture:
    """An imagined picture, the `index`-th (from 0) of a turn (from 0), picked as close or vetoed."""

    turn: int
    index: int
    opinion: Opinion


Event = Said | Asked | Skipped | OnPhoto | OnPicture


@dataclass(frozen=True)
class Dialogue:
    """All that happened between user and system so far, in order."""

    events: tuple[Event, ...] = ()
    hemisphere: Hemisphere = Hemisphere.NORTH
    """Where the user's seasons are; the same for the whole dialogue."""
    # Shared by all that a dialogue becomes; it spares going through a long one again, and changes nothing else.
    _memory: Memory = field(default_factory=Memory, compare=False, repr=False)

    def after(self, *events: Event) -> Dialogue:
        """The dialogue with more having happened."""
        return Dialogue(self.events + events, self.hemisphere, self._memory)

    def said(self, text: str, at: datetime) -> Dialogue:
        """The dialogue after a message."""
        return self.after(Said(text, at))

    def asked(self, question: Question) -> Dialogue:
        """The dialogue after a question."""
        return self.after(Asked(question))

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """D0 and every later message, each with the question it answers."""
        turns: list[Turn] = []
        standing: Question | None = None
        for event in self.events:
            match event:
                case Asked(question):
                    standing = question
                case Skipped():
                    standing = None
                case Said(text, at):
                    # Nothing has been described before D0, so it answers nothing.
                    turns.append(Turn(text, at, standing if turns else None))
                    standing = None
        return tuple(turns)

    @property
    def pending(self) -> Question | None:
        """The question that stands unanswered, if one does."""
        standing: Question | None = None
        for event in self.events:
            if isinstance(event, Asked):
                standing = event.question
            elif isinstance(event, (Said, Skipped)):
                standing = None
        return standing

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every question put, answered or not."""
        return tuple(event.question for event in self.events if isinstance(event, Asked))

    @property
    def skipped(self) -> tuple[Question, ...]:
        """The questions the user would not answer."""
        skipped: list[Question] = []
        standing: Question | None = None
        for event in self.events:
            if isinstance(event, Skipped) and standing is not None:
                skipped.append(standing)
            if isinstance(event, Asked):
                standing = event.question
            elif isinstance(event, (Said, Skipped)):
                standing = None
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
        """Imagined pictures picked as close, as (turn, index)."""
        return tuple(place for place, opinion in self._pictures().items() if opinion is Opinion.GOOD)

    @property
    def vetoed(self) -> tuple[tuple[int, int], ...]:
        """Imagined pictures vetoed, as (turn, index)."""
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
        case Said(text, at):
            return {"kind": "said", "text": text, "at": at.isoformat()}
        case Asked(Question(text, topic, expects, choices)):
            return {"kind": "asked", "text": text, "topic": topic, "expects": str(expects), "choices": list(choices)}
        case Skipped():
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
                return Said(values.text(data["text"]), values.moment(data["at"]))
            case "asked":
                said, topic = values.text(data["text"]), values.text(data["topic"])
                return Asked(Question(said, topic, Expects(data["expects"]), values.texts(data["choices"])))
            case "skipped":
                return Skipped()
            case "on-photo":
                return OnPhoto(values.text(data["photo"]), Opinion(data["opinion"]))
            case "on-picture":
                return OnPicture(values.number(data["turn"]), values.number(data["index"]), Opinion(data["opinion"]))
            case kind:
                raise ValueError(f"unknown kind {kind!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise DialogueUnreadable(
            f"The saved dialogue holds something that is no event ({error}).", "Start a new one with `dar chat`."
        ) from error


__all__ = [
    "VERSION",
    "Asked",
    "Dialogue",
    "DialogueUnreadable",
    "Event",
    "Expects",
    "OnPhoto",
    "OnPicture",
    "Opinion",
    "Question",
    "Said",
    "Skipped",
    "Turn",
    "check_version",
    "event_from_json",
    "event_to_json",
    "hemisphere_from_json",
]
