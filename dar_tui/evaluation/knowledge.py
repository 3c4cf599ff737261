"""What a user knows of one photo: which of the things that can be asked its captions and attributes say are there.

Sees no pixels. Errs towards not knowing: a wrong yes would measure the user, not the questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dar_tui.language.rules.words import content
from dar_tui.questions.bank import Attribute

# Where the bank's words for a thing say that it is there; elsewhere they also name its alternatives.
SYNONYMS = frozenset(
    {"people", "age", "animals", "clothing", "vehicles", "sport", "water", "ground", "nature", "place", "building"}
    | {"objects", "food", "season", "occasion"}
)
# Words that settle a thing without saying that it is there: a beach leaves no snow to ask about, and shows none.
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
        """Whether it is surely not there: what no caption tells would be told, were it there."""
        named = any(way in self._vocabulary for way in meanings(attribute))
        is_salient = attribute.topic in SALIENT and attribute.statement not in OVERLOOKED
        return (named or is_salient) and not self.telling(attribute)


def meanings(attribute: Attribute) -> list[frozenset[str]]:
    """The facts of each phrase that says the thing is there."""
    phrases: Iterable[str] = (attribute.statement,)
    if attribute.topic in SYNONYMS:
        others = ALTERNATIVES.get(attribute.statement, "").split()
        phrases = (attribute.statement, *(each for each in attribute.settled_by if each not in others))
    found = [frozenset(content(phrase)) for phrase in phrases]
    return [facts for facts in found if facts]
