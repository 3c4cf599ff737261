"""What a message becomes: an event of the dialogue, and what is to be done and answered.

The one place where a message's words meet what is on the page. Pure: the dialogue is not changed, nothing is searched.
May import language; not session. What the words mean is `dar_tui.language.rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dar_tui.dialogue.dialogue import Dialogue, Event, Remark, UserMessage
from dar_tui.dialogue.need import Chip, ChipKind
from dar_tui.language.rules import Reading, read
from dar_tui.language.rules.fields import NO_FIELDS
from dar_tui.language.rules.intents import LAST, Act, Intent, intent_of
from dar_tui.language.rules.spelling import Corrected
from dar_tui.language.turn import Turn
from indexer.printable import visible

HELP = (
    'Say what you remember ("a dog in snow, last winter"), correct it ("no, brown", "forget the snow"), or speak of '
    'the photos shown ("the second one is close", "like 3 but at night", "none of these"). "show me more", "undo", '
    '"start over", "sort by date", "what are you looking for?" and "why number 2?" work too.'
)
_NOTHING_OPEN = 'That says nothing of the photo, and no question is open. Say what you remember, or "help".'


@dataclass(frozen=True)
class Reader:
    """How far texts can be read: `readable` tells English from what is not, `corrected` puts typing errors right."""

    readable: Callable[[str], bool] = lambda text: True
    corrected: Callable[[str], Corrected] = Corrected


@dataclass(frozen=True)
class Heard:
    """What a message becomes. `event`: what to add to the dialogue; every message leaves one.

    `photos`: those it speaks of, by their names. `notes`: answers for the user. `path`: of a photo that was pasted.
    """

    act: Act
    event: Event | None = None
    photos: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    path: str = ""

    @property
    def describes(self) -> bool:
        """Whether there is something new to search for."""
        return isinstance(self.event, UserMessage) or (isinstance(self.event, Remark) and bool(self.event.rest))


def hear(
    dialogue: Dialogue,
    message: str,
    at: datetime,
    shown: Sequence[str] = (),
    selected: str = "",
    reader: Reader | None = None,
) -> Heard:
    """Reads a message in the light of the dialogue and of the photos on the page.

    `shown`: their names, in order. `selected`: the one that "this one" means.
    """
    heard = _heard(dialogue, message, at, shown, selected, reader or Reader())
    return heard if heard.event else replace(heard, event=Remark(message, at, heard.act, heard.photos))


def _heard(
    dialogue: Dialogue, message: str, at: datetime, shown: Sequence[str], selected: str, reader: Reader
) -> Heard:
    intent = intent_of(message, dialogue.pending)
    match intent.act:
        case Act.DESCRIBE:
            return _description(dialogue, message, at, reader)
        case Act.FOUND | Act.LIKE | Act.UNLIKE:
            return _of_photos(intent, message, at, shown, selected)
        case Act.NONE | Act.NEXT if not shown:
            return Heard(Act.UNCLEAR, notes=("No photos are shown yet. Say what you remember of the photo.",))
        case Act.NONE | Act.NEXT:
            photos = tuple(shown)
            return Heard(intent.act, Remark(message, at, intent.act, photos, intent.rest), photos)
        case Act.UNDO if not dialogue.can_undo:
            return Heard(Act.UNCLEAR, notes=("There is nothing to take back.",))
        case Act.START_OVER | Act.UNDO | Act.SORT:
            return Heard(intent.act, Remark(message, at, intent.act, rest=intent.rest, about=intent.about))
        case Act.SKIP:
            return Heard(Act.SKIP)
        case Act.HELP:
            return Heard(Act.HELP, notes=(HELP,))
        case Act.SUMMARY:
            return Heard(Act.SUMMARY, notes=(summary(dialogue.chips),))
        case Act.WHY:
            photos, wrong = _photos(intent, shown, selected)
            return Heard(Act.WHY, photos=photos[:1]) if not wrong else Heard(Act.UNCLEAR, notes=(wrong,))
        case Act.PATH:
            return Heard(Act.PATH, path=intent.about)
        case _:
            return Heard(Act.UNCLEAR, notes=(_NOTHING_OPEN,))


def summary(chips: Sequence[Chip]) -> str:
    """What is looked for, in a sentence."""
    named = {ChipKind.REJECT: "not: ", ChipKind.WHEN: "when: ", ChipKind.WHERE: "where: "}
    said = ", ".join(f"{named.get(chip.kind, '')}{chip.text}" for chip in chips)
    return f"Looking for: {said}." if said else "Looking for nothing yet. Say what you remember of the photo."


def _description(dialogue: Dialogue, message: str, at: datetime, reader: Reader) -> Heard:
    if not reader.readable(message):
        note = f'Not understood: "{visible(message)}". dar reads English, so it is not searched for.'
        return Heard(Act.UNREADABLE, notes=(note,))
    corrected = reader.corrected(message)
    notes = tuple(f'Read "{typed}" as "{right}".' for typed, right in corrected.changes)
    turns = dialogue.turns
    reading = read(Turn(corrected.text, at, dialogue.pending if turns else None))
    if not dialogue.pending and _is_empty(reading):
        return Heard(Act.UNCLEAR, notes=(_NOTHING_OPEN,))
    notes += tuple(f"There is no day {day}, so it is left out." for day in reading.no_days)
    typed = message if corrected.changes else ""
    return Heard(Act.DESCRIBE, UserMessage(corrected.text, at, typed), notes=notes)


def _is_empty(reading: Reading) -> bool:
    """Whether nothing in a message says anything of the photo, or changes what was said."""
    asks = reading.asks
    said = (
        reading.wants,
        reading.rejects,
        reading.unknown,
        reading.swaps,
        reading.when,
        reading.where,
        reading.no_days,
    )
    asked = (asks.forgets, asks.when_forgotten, asks.camera, asks.undated is not None, asks.fields != NO_FIELDS)
    return not any(said) and not any(asked)


def _of_photos(intent: Intent, message: str, at: datetime, shown: Sequence[str], selected: str) -> Heard:
    photos, wrong = _photos(intent, shown, selected)
    if wrong:
        return Heard(Act.UNCLEAR, notes=(wrong,))
    return Heard(intent.act, Remark(message, at, intent.act, photos, intent.rest), photos)


def _photos(intent: Intent, shown: Sequence[str], selected: str) -> tuple[tuple[str, ...], str]:
    """The photos that are meant, and what is wrong with the message where that is not clear."""
    if not shown:
        return (), "No photos are shown yet. Say what you remember of the photo."
    if not intent.numbers:
        # Without a cursor "this one" is the only photo there is, or the best: people speak of what they see first.
        return (selected or shown[0],), ""
    places = [len(shown) if number == LAST else number for number in intent.numbers]
    if wrong := [str(place) for place in places if not 1 <= place <= len(shown)]:
        return (), f"There is no photo {', '.join(wrong)} on this page: it shows {len(shown)}."
    return tuple(dict.fromkeys(shown[place - 1] for place in places)), ""
