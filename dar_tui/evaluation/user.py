"""A simulated user: knows one photo by what people said of it, answers questions and says which hits come near.

Knows captions and attributes, of the target and (to judge what is shown) of the other photos; sees no pixels.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.dialogue.turn import Expects, Question
from dar_tui.evaluation.knowledge import Knowledge, meanings
from dar_tui.fusion.finding import Filters
from dar_tui.language.rules.words import content
from dar_tui.language.stopping import Cancelled, never
from dar_tui.questions.bank import Attribute, Vectors
from dar_tui.questions.selection import Proposal, open_attributes
from dar_tui.questions.slots import Slot
from indexer.search.ranking import Query

# A photo comes near if of all that is said of it and of the target this share is said of both. Not tuned.
LIKENESS = 0.25


# People asked what they see name so many things before they stop. Not tuned.
MOST_NAMED = 3


class Oracle:
    """Answers questions about one photo from what is known of it; the first caption is what the user has said already.

    It says yes to what a caption mentions, no to what captions would mention if it were there, and cannot tell of all
    else. Asked for words it names what captions mention and was not said yet. If `talkative` it goes on in such a
    caption's words, as people do.
    """

    def __init__(
        self,
        captions: Sequence[str],
        bank: Mapping[str, Attribute],
        slots: Sequence[Slot] = (),
        *,
        talkative: bool = False,
        attributes: frozenset[str] = frozenset(),
        vocabulary: frozenset[str] = frozenset(),
    ) -> None:
        self._knowledge = Knowledge(captions, attributes, vocabulary)
        self._told = [frozenset(content(captions[0]))]
        self._bank = bank
        self._slots = {slot.name: slot for slot in slots}
        self._unsaid = list(captions[1:]) if talkative else []

    def answer(self, question: Question) -> str:
        """yes, no, one of the choices, words, or "can't tell"."""
        if question.expects is Expects.OPEN:
            return self._named(self._slots.get(question.topic))
        if question.expects is Expects.CHOICE:
            said = [choice for choice in question.choices if self._knowledge.mentioning(choice)]
            return said[0] if len(said) == 1 else "can't tell"
        attribute = self._bank.get(question.topic)
        if attribute is None:  # Of the year, say, captions tell nothing.
            return "can't tell"
        if telling := self._knowledge.telling(attribute):
            caption = self._caption(telling)
            return f"yes, {caption}" if caption else "yes"
        return "no" if self._knowledge.denies(attribute) else "can't tell"

    def _named(self, slot: Slot | None) -> str:
        topics = slot.topics if slot else frozenset[str]()
        asked = (each for each in self._bank.values() if each.topic in topics and not each.choices)
        known = [each for each in asked if not self._is_told(each) and self._knowledge.telling(each)]
        if not known:
            return "can't tell"
        if caption := self._caption([text for each in known for text in self._knowledge.telling(each)]):
            return caption
        named = [each.statement for each in known[:MOST_NAMED]]
        self._told += [frozenset(content(each)) for each in named]
        return " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0]

    def _is_told(self, attribute: Attribute) -> bool:
        return any(way <= facts for way in meanings(attribute) for facts in self._told)

    def _caption(self, telling: Sequence[str]) -> str:
        """The first caption of these that was not said yet, said now; "" for none."""
        unsaid = next((caption for caption in telling if caption in self._unsaid), "")
        if unsaid:
            self._unsaid.remove(unsaid)
            self._told.append(frozenset(content(unsaid)))
        return unsaid


class Onlooker:
    """Says which of the photos shown comes nearest to the target, by what people said of both."""

    def __init__(self, said: Mapping[int, frozenset[str]], target: int) -> None:
        """`said`: by photo, the words people used of it."""
        self._said = said
        self._target = target
        self._liked: set[int] = set()

    def likes(self, shown: Sequence[int]) -> int | None:
        """The photo to press + on; None where none comes near, or the target itself is there. Each photo once."""
        if self._target in shown:
            return None
        near = [(self._likeness(photo), -at, photo) for at, photo in enumerate(shown) if photo not in self._liked]
        if not near or max(near)[0] < LIKENESS:
            return None
        best = max(near)[2]
        self._liked.add(best)
        return best

    def _likeness(self, photo: int) -> float:
        ours, theirs = self._said[self._target], self._said[photo]
        return len(ours & theirs) / max(len(ours | theirs), 1)


class RandomQuestioner:
    """Asks whatever may still be asked: the baseline that any choice must beat."""

    def __init__(self, bank: Sequence[Attribute], meanings: Vectors, seed: int) -> None:
        self._bank = tuple(bank)
        self._meanings = meanings
        self._random = random.Random(seed)

    def propose(
        self, dialogue: Dialogue, need: Need, query: Query, filters: Filters, cancelled: Cancelled = never
    ) -> list[Proposal]:
        """Three at random, taken for even chances."""
        numbers = open_attributes(self._bank, self._meanings, need, dialogue.questions)
        picked = self._random.sample(numbers, min(3, len(numbers)))
        return [Proposal(self._bank[number].put(), 0.0, 0.5) for number in picked]
