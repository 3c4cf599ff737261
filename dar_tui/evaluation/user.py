"""A simulated user: knows one photo by what people said of it, answers questions and says which hits come near.

Knows captions and attributes, of the target and (to judge what is shown) of the other photos; sees no pixels.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.dialogue.turn import Expects, Question
from dar_tui.fusion.finding import Filters
from dar_tui.language.rules.words import content
from dar_tui.language.stopping import Cancelled, never
from dar_tui.questions.bank import Attribute, Vectors
from dar_tui.questions.selection import Proposal, open_attributes
from indexer.search.ranking import Query

# Where any of the bank's words for a thing says that it is there; elsewhere they also name its alternatives.
SYNONYMS = frozenset(
    {"people", "age", "animals", "clothing", "vehicles", "sport", "water", "ground", "nature", "place", "building"}
    | {"objects", "food", "season", "occasion"}
)
# Five people describing a photo would not all leave these out.
SALIENT = frozenset({"people", "age", "animals", "vehicles", "sport", "water", "season", "food"})
# A photo comes near if of all that is said of it and of the target this share is said of both. Not tuned.
LIKENESS = 0.25


class Oracle:
    """Answers questions about one photo from its captions, and from attributes where they are known.

    It says yes to what a caption mentions, and if `talkative` goes on in that caption's words, as people do. It says no
    where captions would mention the thing if it were there, and to what is not among the attributes though they name it
    for other photos (`vocabulary`). Of all else it cannot tell.
    """

    def __init__(
        self,
        captions: Sequence[str],
        bank: Mapping[str, Attribute],
        *,
        talkative: bool = False,
        attributes: frozenset[str] = frozenset(),
        vocabulary: frozenset[str] = frozenset(),
    ) -> None:
        self._captions = {text: frozenset(content(text)) for text in (*captions, *sorted(attributes))}
        self._bank = bank
        # The first caption is what the user has said already.
        self._unsaid = list(captions[1:]) if talkative else []
        self._vocabulary = [frozenset(content(each)) for each in vocabulary]

    def answer(self, question: Question) -> str:
        """yes, no, one of the choices, or "can't tell"."""
        attribute = self._bank.get(question.topic)
        if question.expects is Expects.CHOICE:
            said = [choice for choice in question.choices if self._mentions(choice)]
            return said[0] if len(said) == 1 else "can't tell"
        if attribute is None:  # Of the year, say, captions tell nothing.
            return "can't tell"
        phrases = attribute.settled_by if attribute.topic in SYNONYMS else (attribute.statement,)
        telling = [caption for phrase in phrases for caption in self._mentions(phrase)]
        if telling:
            unsaid = next((caption for caption in telling if caption in self._unsaid), None)
            if unsaid is None:
                return "yes"
            self._unsaid.remove(unsaid)
            return f"yes, {unsaid}"
        named = any(frozenset(content(phrase)) in self._vocabulary for phrase in phrases)
        return "no" if named or attribute.topic in SALIENT else "can't tell"

    def _mentions(self, phrase: str) -> list[str]:
        facts = frozenset(content(phrase))
        return [caption for caption, said in self._captions.items() if facts <= said]


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
