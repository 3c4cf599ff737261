"""A dialogue played from a script, one message or feedback command a line, and what is printed of it.

Knows the script's language, a session's events and the JSON of docs/json.md. Opens nothing and loads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from dar_tui.cli.output import Output, json_path
from dar_tui.cli.results import hit_json, table
from dar_tui.dialogue.need import Chip, ChipKind
from dar_tui.language.turn import Question
from dar_tui.session.events import (
    Certainty,
    Event,
    ImageGenerated,
    Imagining,
    Loaded,
    Loading,
    Part,
    Prompts,
    Reformulated,
    Results,
    SessionNote,
    TurnDone,
    TurnFailed,
)
from dar_tui.session.session import Session
from indexer.errors import DarError, UsageError
from indexer.printable import stripped, visible

_NUMBERED = ("like", "unlike", "pick", "veto")
_ANSWERS = {"yes": "yes", "no": "no"}
_COMMAND = re.compile(r"/(?P<name>[a-z]+)(?:\s+(?P<number>\d+))?\s*")
_BARE = ("skip", "next", *_ANSWERS)
_HINT = "Commands: /like N, /unlike N, /pick N, /veto N, /skip, /yes, /no, /next."


@dataclass(frozen=True)
class ScriptLine:
    """One line of a script: a message, or a command such as like 2. `number` counts from 1; 0 where there is none."""

    text: str
    command: str = ""
    number: int = 0


def parse(text: str, at: int) -> ScriptLine | None:
    """A script's line; None for a blank one. Raises UsageError, naming the line `at`, for a command there is not."""
    text = text.strip()
    if not text:
        return None
    if not text.startswith("/"):
        return ScriptLine(text)
    found = _COMMAND.fullmatch(text)
    name = found["name"] if found else ""
    number = int(found["number"] or 0) if found else 0
    if name in _NUMBERED and number >= 1:
        return ScriptLine(text, name, number)
    if name in _BARE and found and found["number"] is None:
        return ScriptLine(text, name)
    raise UsageError(f"Line {at} of the script, {visible_text(text)}, is no command.", _HINT)


def lines(texts: Iterable[str]) -> Iterator[ScriptLine]:
    """The script's lines, blank ones left out. Raises UsageError at the first that means nothing."""
    for at, text in enumerate(texts, 1):
        line = parse(text, at)
        if line is not None:
            yield line


def visible_text(text: str) -> str:
    """A user's own words, safe to print in a message."""
    return repr(stripped(text)[:60])


@dataclass
class ScriptTurn:
    """What one line brought about; filled while its events come."""

    turn: int
    message: str
    query: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    imagined: list[ImageGenerated] = field(default_factory=list)
    results: Results | None = None
    certainty: Certainty | None = None
    question: Question | None = None
    notes: list[str] = field(default_factory=list)
    done: TurnDone | None = None
    chips: tuple[Chip, ...] = ()

    def take(self, event: Event) -> None:
        """Adds one event."""
        match event:
            case Reformulated():
                self.query = event.query.texts
            case Prompts():
                self.prompts = event.prompts
            case ImageGenerated():
                self.imagined.append(event)
            case Results():
                self.results, self.certainty = event, None
            case Certainty():
                self.certainty = event
            case Question():
                self.question = event
            case SessionNote(text):
                self._note(text)
            case TurnFailed(part, message, hint):
                self._note(f"{message} {hint}".strip())
                if part is Part.SEARCH:
                    raise DarError(message, hint)
            case TurnDone():
                self.done = event
            case Loading() | Loaded() | Imagining():
                pass

    def _note(self, text: str) -> None:
        # A full disk refuses each record of a turn in the same words.
        if text not in self.notes:
            self.notes.append(text)

    def to_json(self) -> dict[str, Any]:
        """The object that docs/json.md describes."""
        timings = asdict(self.done.timings) if self.done else {}
        return {
            "turn": self.turn,
            "message": self.message,
            "query": list(self.query),
            **{str(kind): [chip.text for chip in self.chips if chip.kind is kind] for kind in ChipKind},
            "prompts": list(self.prompts),
            "imagined": [json_path(each.path)["path"] for each in self.imagined if each.path],
            "question": None if self.question is None else _question_json(self.question),
            "stage": str(self.results.stage) if self.results else None,
            "hits": [hit_json(hit) for hit in self.results.hits] if self.results else [],
            "certainty": None if self.certainty is None else _certainty_json(self.certainty),
            "timings": {name: round(seconds, 4) for name, seconds in timings.items() if seconds is not None},
            "notes": self.notes,
        }


class ScriptPlayer:
    """Plays lines in a session and prints each as it ends."""

    def __init__(self, session: Session, output: Output, *, as_json: bool) -> None:
        self._session = session
        self._output = output
        self._json = as_json
        self._shown: Results | None = None

    def play(self, line: ScriptLine) -> None:
        """Plays one line. Raises UsageError for a number that names nothing shown, DarError where searching failed."""
        answer = _ANSWERS.get(line.command)
        if not line.command or answer:
            played = ScriptTurn(len(self._session.dialogue.turns), line.text)
            events = self._session.turn(answer or line.text)
        else:
            played = ScriptTurn(max(0, len(self._session.dialogue.turns) - 1), line.text)
            if line.command == "next":
                events = self._session.next_page()
            else:
                self._feedback(line)
                events = self._session.rerank()
        for event in events:
            played.take(event)
        self._shown = played.results or self._shown
        if played.results:
            # Whoever plays a script has all of the page before them.
            self._session.shown([hit.image_id for hit in played.results.hits])
        # After feedback a question asked before still stands.
        played.question = self._session.dialogue.pending
        played.chips = self._session.chips
        if self._json:
            self._output.json(played.to_json(), compact=True)
        else:
            self._print(played)
        self._output.flush()

    def _feedback(self, line: ScriptLine) -> None:
        match line.command:
            case "like":
                self._session.like(self._image(line))
            case "unlike":
                self._session.unlike(self._image(line))
            case "pick":
                self._session.pick(self._picture_turn(line), line.number - 1)
            case "veto":
                self._session.veto(self._picture_turn(line), line.number - 1)
            case _:
                self._session.skip()

    def _image(self, line: ScriptLine) -> int:
        hits = self._shown.hits if self._shown else ()
        if line.number > len(hits):
            raise UsageError(f"{line.text}: {len(hits)} photos are shown.", "Count from 1, in the last page shown.")
        return hits[line.number - 1].image_id

    def _picture_turn(self, line: ScriptLine) -> int:
        turns = [turn for turn, _ in self._session.gallery]
        if not turns:
            raise UsageError(f"{line.text}: nothing was imagined yet.", "Leave --no-imagine out.")
        return max(turns)

    def _print(self, played: ScriptTurn) -> None:
        output = self._output
        output.result(f"[{played.turn}] {stripped(played.message)}")
        for note in played.notes:
            output.note(note)
        if played.query:
            output.result(f"    looking for: {stripped('; '.join(played.query))}")
        for picture in played.imagined:
            if picture.path:
                output.result(f"    imagined: {visible(picture.path)}")
        for row in table(played.results.hits) if played.results and played.results.hits else ["no photos"]:
            output.result(f"    {row}")
        if played.certainty:
            output.result(f"    {sureness(played.certainty)}")
        if played.question:
            output.result(f"    {played.question.text}")


def sureness(certainty: Certainty) -> str:
    """How sure the session is, as it is shown."""
    probably = "Probably" if certainty.chance >= 0.5 else "Perhaps"
    return f"{probably} among these {certainty.photos}: {certainty.chance:.0%}"


def _certainty_json(certainty: Certainty) -> dict[str, Any]:
    return {"photos": certainty.photos, "chance": round(certainty.chance, 4)}


def _question_json(question: Question) -> dict[str, Any]:
    return {
        "text": question.text,
        "topic": question.topic,
        "expects": str(question.expects),
        "choices": list(question.choices),
        "examples": list(question.examples),
        "photos": [int(name) for name in question.photos],
    }
