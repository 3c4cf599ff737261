"""Questions answered in words, each about several of the bank's topics at once: "What are they wearing?"

A yes or no says little, and most of what could be asked so is not known; of its place, doings and things people
remember something. The slots are data (slots.json). Knows no photos and no dialogue.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from dar_tui.dialogue.need import Need
from dar_tui.dialogue.turn import Expects, Question
from dar_tui.language.rules.words import mentions
from dar_tui.questions.bank import Attribute
from dar_tui.questions.selection import LEAST_BITS, Proposal, information

Chances = NDArray[np.float64]

# How likely someone asked so names a thing that the photo shows. A guess that orders the slots, and the order hardly
# matters: over 1,000 dialogues about development photos, mean log rank -0.14 in this order and in a random one.
MENTIONED = 0.5


@dataclass(frozen=True)
class Slot:
    """A question about all the attributes of some topics. `needs`: the attribute that must be wanted, or ""."""

    name: str
    question: str
    topics: frozenset[str]
    needs: str = ""

    def put(self) -> Question:
        """The question."""
        return Question(self.question, self.name, Expects.OPEN)


def load_slots() -> tuple[Slot, ...]:
    """The slots that ship with dar."""
    told = json.loads(files(__package__).joinpath("slots.json").read_text(encoding="utf-8"))
    return tuple(Slot(each["name"], each["question"], frozenset(each["topics"]), each["needs"]) for each in told)


def open_slots(
    slots: Sequence[Slot], bank: Sequence[Attribute], need: Need, asked: Sequence[Question]
) -> tuple[Slot, ...]:
    """The slots not asked yet whose needs are wanted."""
    put = {question.topic for question in asked} | set(need.unknown)
    by_statement = {attribute.statement: attribute for attribute in bank}
    return tuple(
        slot
        for slot in slots
        if slot.name not in put and (not slot.needs or _wanted(by_statement[slot.needs], need.wants))
    )


def untold_topics(slots: Sequence[Slot], need: Need) -> frozenset[str]:
    """The topics of slots of which the user could not tell anything."""
    return frozenset(topic for slot in slots if slot.name in need.unknown for topic in slot.topics)


def proposed(
    slots: Sequence[Slot], bank: Sequence[Attribute], open_numbers: Sequence[int], weights: Chances, shows: Chances
) -> list[Proposal]:
    """The slots worth asking, best first.

    `open_numbers`: the attributes still open. `weights` (photos,) and `shows` (attributes, photos) as for `ranked`.
    A slot's bits are those of hearing each of its open attributes named or not, as if they were independent.
    """
    named = MENTIONED * shows
    bits = information(weights, named)
    found = []
    for slot in slots:
        numbers = [number for number in open_numbers if bank[number].topic in slot.topics]
        total = float(bits[numbers].sum())
        if total < LEAST_BITS:
            continue
        chances = named[numbers] @ weights
        likeliest = bank[numbers[int(np.argmax(bits[numbers]))]]
        example = likeliest.choices[0].answer if likeliest.choices else likeliest.statement
        found.append(Proposal(slot.put(), total, float(1 - np.prod(1 - chances)), example))
    return sorted(found, key=lambda proposal: -proposal.bits)


def _wanted(attribute: Attribute, wants: Sequence[str]) -> bool:
    return any(mentions(want, phrase) for want in wants for phrase in (attribute.statement, *attribute.settled_by))
