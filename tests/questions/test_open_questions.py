"""Questions answered in words: which are open, which is asked first, and what becomes of the answer."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.language.turn import Expects
from dar_tui.questions.bank import Slot, load_bank, load_slots
from dar_tui.questions.selection import open_attributes, open_slots, proposed, unanswerable_topics

AT = datetime(2024, 6, 1)
BANK = load_bank()
SLOTS = load_slots()
APART = np.eye(len(BANK), dtype=np.float32)
EVEN = np.full(4, 0.25)


def said(text: str) -> Dialogue:
    return Dialogue().said(text, AT)


def opened(dialogue: Dialogue) -> set[str]:
    return {slot.name for slot in open_slots(SLOTS, BANK, dialogue.need(), dialogue.questions)}


def test_slots_speak_of_the_bank() -> None:
    topics = {attribute.topic for attribute in BANK}
    statements = {attribute.statement for attribute in BANK}
    for slot in SLOTS:
        assert slot.topics <= topics and slot.needs in statements | {""}
        assert slot.question.endswith("?") and slot.put().expects is Expects.OPEN


def test_clothes_are_asked_of_people_and_a_coat_of_dogs() -> None:
    assert "the clothes" in opened(said("two men by a lake"))
    assert opened(said("a dog on grass")) >= {"the place", "the colour of the dog"}
    assert not opened(said("a lake")) & {"the clothes", "the colour of the dog"}


@pytest.mark.parametrize("slot", [each for each in SLOTS if not each.repeats], ids=lambda each: each.name)
@pytest.mark.parametrize("answer", ["can't tell", "no", "a rope"])
def test_nothing_is_asked_twice_nor_what_the_user_does_not_know(slot: Slot, answer: str) -> None:
    dialogue = said("a man and a dog").asked(slot.put()).said(answer, AT)
    need = dialogue.need()
    assert slot.name not in opened(dialogue)
    unanswerable = unanswerable_topics(SLOTS, need)
    assert unanswerable == (frozenset() if answer == "a rope" else slot.topics)
    left = open_attributes(BANK, APART, need, dialogue.questions, unanswerable)
    assert not unanswerable & {BANK[number].topic for number in left}
    # "What are they wearing?" - "no" pushes no clothes away.
    assert not need.rejects and need.details == (("a rope",) if answer == "a rope" else ())


def test_a_bare_colour_is_the_dogs() -> None:
    slot = next(each for each in SLOTS if each.name == "the colour of the dog")
    assert said("a dog").asked(slot.put()).said("brown", AT).need().details == ("brown dog",)


def test_what_separates_the_candidates_is_asked_for_with_examples() -> None:
    # Photos of which the encoder sees nothing but who wears a helmet: every other one.
    shows = np.full((len(BANK), 12), 0.5)
    shows[next(number for number, each in enumerate(BANK) if each.statement == "a helmet")] = [0.99, 0.01] * 6
    even, numbers = np.full(12, 1 / 12), list(range(len(BANK)))
    found = proposed(SLOTS, BANK, numbers, even, shows, 1)
    assert {each.question.topic for each in found} == {"anything else", "the clothes"}
    assert found[0].question.examples[0] == "a helmet" and "A helmet" in found[0].question.text
    again = proposed(SLOTS, BANK, numbers, even, shows, 1, frozenset({"a helmet"}))
    assert "a helmet" not in again[0].question.examples
    # Where one page has all of them, the answer spares nothing.
    assert not proposed(SLOTS, BANK, numbers, even, shows, 12)


def test_a_slot_whose_things_are_all_known_is_not_proposed() -> None:
    shows = np.tile((0.99, 0.99, 0.01, 0.01), (len(BANK), 1))
    numbers = [number for number, each in enumerate(BANK) if each.topic not in {"clothing", "clothing colour"}]
    topics = {each.question.topic for each in proposed(SLOTS, BANK, numbers, EVEN, shows, 1)}
    assert topics == {slot.name for slot in SLOTS} - {"the clothes"}


def test_anything_else_is_asked_until_there_is_nothing_and_leaves_other_questions_open() -> None:
    slot = next(each for each in SLOTS if each.repeats)
    asked = said("a man and a dog").asked(slot.put(("a rope",)))
    assert slot.name in opened(asked.said("a rope", AT))
    nothing = asked.said("can't tell", AT)
    assert slot.name not in opened(nothing) and unanswerable_topics(SLOTS, nothing.need()) == frozenset()
