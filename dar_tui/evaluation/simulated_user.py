"""A simulated user: knows one photo by its captions, answers questions and judges which hits come near it.

Knows captions and attributes of the target and, to judge what is shown, of the other photos; sees no pixels. Errs
towards not knowing: a wrong yes would measure the user, not the questions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from dar_tui.language.rules.words import content
from dar_tui.language.turn import Expects, Question
from dar_tui.questions.bank import Attribute, Slot

# Where the bank's words for a thing say that it is there; elsewhere they also name its alternatives.
SYNONYMS = frozenset(
    {"people", "age", "animals", "clothing", "vehicles", "sport", "water", "ground", "nature", "place", "building"}
    | {"objects", "food", "season", "occasion"}
)
# Words that decide a thing without saying that it is there: a beach leaves no snow to ask about, and shows none.
ALTERNATIVES = {
    "two dogs": "two three dogs several one",
    "snow": "skiing ski snowboard sled ice summer beach",
    "autumn leaves": "fall leaf leaves summer winter snow",
    "flowers": "garden",
    "sunglasses": "glasses goggles",
    "a dress": "skirt bride",
    "a suit": "tie",
    "a uniform": "player soldier police",
    "a swimsuit": "trunks bathing",
    "a costume": "mask",
    "a shirtless man": "bare",
    "a cow": "sheep goat",
    "a wild animal": "zoo",
    "water": "boat beach rain bath",
    "waves": "calm surf surfing surfer",
    "grass": "field park meadow yard",
    "sand": "beach desert",
    "a wooden floor": "wood wooden floor deck",
    "trees": "park",
    "mountains": "hill peak",
    "the sky": "indoors",
    "a green landscape": "field hill",
    "a mountain": "cliff",
    "a park": "garden yard",
    "a back yard": "garden lawn",
    "a living room": "room",
    "a restaurant": "bar pub",
    "a market": "shop store",
    "a stadium": "court track pitch",
    "a playground": "slide swing",
    "a city": "town",
    "an office": "classroom school",
    "a stage": "concert performance",
    "a train station": "airport platform subway",
    "a skate park": "ramp",
    "a race track": "race",
    "a building": "city",
    "a brick wall": "wall",
    "a window": "door doorway",
    "soccer": "football basketball baseball tennis rugby volleyball",
    "American football": "soccer rugby basketball baseball",
    "basketball": "soccer football",
    "baseball": "soccer football bat",
    "a skateboarder": "skater skating",
    "an ice skater": "skater skating",
    "a gymnast": "flip handstand cartwheel",
    "a truck": "bus lorry tractor",
    "a train": "tram subway",
    "an aeroplane": "helicopter",
    "a cart": "stroller pram",
    "a ball": "toy soccer football basketball baseball tennis volleyball",
    "a book": "newspaper magazine reading",
    "a guitar": "instrument",
    "a bench": "chair seat",
    "a sofa": "bed",
    "a bag": "backpack suitcase",
    "a rope": "leash cord",
    "a bottle": "cup glass drink beer mug",
    "a tent": "camping",
    "a swing": "playground",
    "a slide": "playground",
    "a fire": "candle fireworks",
    "food": "plate",
    "a wedding": "bride groom",
    "a birthday party": "party celebration",
    "a concert": "show band performance",
    "a competition": "sport game match race",
}
# Five people describing a photo would not all leave these out ...
SALIENT = frozenset({"people", "age", "animals", "vehicles", "sport", "water", "season", "food"})
# ... but these of them they well might.
OVERLOOKED = frozenset(
    {"a face", "a crowd", "teenagers", "an old person", "autumn leaves", "flowers", "waves", "a splash", "an insect"}
    | {"a race", "ice", "a wild animal", "two dogs"}
)
_WEARING = re.compile(r"a person wearing (?P<colour>\w+)")
_GARMENTS = (
    r"(?:shirt|t-?shirt|sweatshirt|sweater|jacket|coat|hat|cap|helmet|dress|skirt|pants|jeans|shorts|suit|swimsuit"
    r"|bikini|trunks|uniform|jersey|vest|shoe|boot|scarf|glove|costume|robe|hoodie|outfit|top|overalls|wetsuit)s?"
)

# A photo comes near if of all words used of it and of the target this share is used of both. Not tuned.
LEAST_OVERLAP = 0.25

# Whoever compares two photos tells which is nearer if their shares differ by so much. Not tuned.
LEAST_DIFFERENCE = 0.05

# People asked what they see name so many things before they stop. Not tuned.
MOST_NAMED = 3


class Knowledge:
    """What captions, and attributes where they are known, say of one photo.

    `vocabulary`: attributes that are named for other photos; one that is not named for this one is not there.
    """

    def __init__(
        self,
        captions: Sequence[str],
        attributes: frozenset[str] = frozenset(),
        vocabulary: frozenset[str] = frozenset(),
    ) -> None:
        self._said = {text: frozenset(content(text)) for text in (*captions, *sorted(attributes))}
        self._vocabulary = [frozenset(content(each)) for each in vocabulary]

    def telling(self, attribute: Attribute) -> list[str]:
        """The captions that say it is there."""
        if wearing := _WEARING.fullmatch(attribute.statement):
            # "A man in a red and white striped shirt" is somebody wearing red, whatever the statement's words.
            dressed = re.compile(rf"\b{wearing['colour']}\b(?:[ ,-]+\w+){{0,3}}?[ -]{_GARMENTS}\b", re.IGNORECASE)
            return [text for text in self._said if dressed.search(text)]
        ways = meanings(attribute)
        return [text for text, facts in self._said.items() if any(way <= facts for way in ways)]

    def mentioning(self, phrase: str) -> list[str]:
        """The captions that have all facts of the phrase."""
        facts = frozenset(content(phrase))
        return [text for text, said in self._said.items() if facts and facts <= said]

    def denies(self, attribute: Attribute) -> bool:
        """Whether it is surely not there: what no caption mentions would be mentioned, were it there."""
        named = any(way in self._vocabulary for way in meanings(attribute))
        is_salient = attribute.topic in SALIENT and attribute.statement not in OVERLOOKED
        return (named or is_salient) and not self.telling(attribute)


def meanings(attribute: Attribute) -> list[frozenset[str]]:
    """The facts of each phrase that says the thing is there."""
    phrases: Iterable[str] = (attribute.statement,)
    if attribute.topic in SYNONYMS:
        others = ALTERNATIVES.get(attribute.statement, "").split()
        phrases = (attribute.statement, *(each for each in attribute.answered_by if each not in others))
    found = [frozenset(content(phrase)) for phrase in phrases]
    return [facts for facts in found if facts]


class Oracle:
    """Answers questions about one photo from its captions; the first caption is what the user has written already.

    Yes to what a caption mentions, no to what captions would mention if it were there, "can't tell" to all else. Asked
    for words it names what captions mention and it has not mentioned yet. If `talkative` it adds such a caption's
    words, as people do.
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
        mistakes: float = 0.0,
        chance: random.Random | None = None,
    ) -> None:
        """`mistakes`: the chance of a wrong answer, drawn from `chance`."""
        self._mistakes = mistakes
        self._chance = chance or random.Random(0)
        self._knowledge = Knowledge(captions, attributes, vocabulary)
        self._mentioned = [frozenset(content(captions[0]))]
        self._bank = bank
        self._slots = {slot.name: slot for slot in slots}
        self._remaining = list(captions[1:]) if talkative else []

    def answer(self, question: Question) -> str:
        """yes, no, one of the choices, words, or "can't tell"."""
        errs = self._chance.random() < self._mistakes
        if question.expects is Expects.OPEN:
            wrong = [each for each in question.examples if not self._knowledge.mentioning(each)]
            return wrong[0] if errs and wrong else self._named(self._slots.get(question.topic), question.examples)
        if question.expects is Expects.CHOICE:
            said = [choice for choice in question.choices if self._knowledge.mentioning(choice)]
            if errs and said:
                said = [choice for choice in question.choices if choice not in said]
            return said[0] if len(said) == 1 else "can't tell"
        attribute = self._bank.get(question.topic)
        if attribute is None:  # Of the year, say, captions mention nothing.
            return "can't tell"
        if telling := self._knowledge.telling(attribute):
            caption = "" if errs else self._caption(telling)
            return "no" if errs else f"yes, {caption}" if caption else "yes"
        if self._knowledge.denies(attribute):
            return "yes" if errs else "no"
        return "can't tell"

    def _named(self, slot: Slot | None, examples: Sequence[str] = ()) -> str:
        topics = slot.topics if slot else frozenset[str]()
        asked = (each for each in self._bank.values() if each.topic in topics and not each.choices)
        known = [each for each in asked if not self._is_mentioned(each) and self._knowledge.telling(each)]
        if not known:
            return "can't tell"
        if caption := self._caption([text for each in known for text in self._knowledge.telling(each)]):
            return caption
        # What has just been read comes to mind first.
        known = sorted(known, key=lambda each: each.statement not in examples)
        named = [each.statement for each in known[:MOST_NAMED]]
        self._mentioned += [frozenset(content(each)) for each in named]
        return " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0]

    def _is_mentioned(self, attribute: Attribute) -> bool:
        return any(way <= facts for way in meanings(attribute) for facts in self._mentioned)

    def _caption(self, telling: Sequence[str]) -> str:
        """The first of these captions not used yet, which is used with this; "" for none."""
        caption = next((caption for caption in telling if caption in self._remaining), "")
        if caption:
            self._remaining.remove(caption)
            self._mentioned.append(frozenset(content(caption)))
        return caption


class Onlooker:
    """Chooses which of the photos shown comes nearest to the target, by the words of both photos' captions."""

    def __init__(self, said: Mapping[int, frozenset[str]], target: int) -> None:
        """`said`: by photo, the words people used of it."""
        self._said = said
        self._target = target
        self._liked: set[int] = set()

    def likes(self, shown: Sequence[int]) -> int | None:
        """The photo to press + on; None where none comes near, or the target itself is there. Each photo once."""
        if self._target in shown:
            return None
        near = [(self._overlap(photo), -at, photo) for at, photo in enumerate(shown) if photo not in self._liked]
        if not near or max(near)[0] < LEAST_OVERLAP:
            return None
        best = max(near)[2]
        self._liked.add(best)
        return best

    def closer(self, photos: Sequence[int]) -> int | None:
        """Which of two photos comes nearer to the target, 0 or 1; None where they are nearly as near as one another."""
        first, second = map(self._overlap, photos)
        return None if abs(first - second) < LEAST_DIFFERENCE else int(second > first)

    def _overlap(self, photo: int) -> float:
        ours, theirs = self._said[self._target], self._said.get(photo, frozenset())
        return len(ours & theirs) / max(len(ours | theirs), 1)
