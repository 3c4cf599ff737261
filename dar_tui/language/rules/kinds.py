"""Which words are of one kind, so that "no, a girl" takes the place of a boy and "in a park" that of the beach.

A list of everyday words; what is in none of the kinds has no kind. Knows no dialogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from dar_tui.language.rules.words import ADJECTIVES, COLOURS, DETERMINERS, PREPOSITIONS, Word, stem, words


class Kind(StrEnum):
    """What can stand in each other's place."""

    PERSON = "person"
    ANIMAL = "animal"
    VEHICLE = "vehicle"
    SETTING = "setting"
    TIME_OF_DAY = "time of day"
    WEATHER = "weather"
    CLOTHING = "clothing"
    INSTRUMENT = "instrument"
    SPORT = "sport"
    FOOD = "food"
    FURNITURE = "furniture"
    BUILDING = "building"


_WORDS = {
    Kind.PERSON: "boy girl man woman child kid baby toddler teenager lady gentleman guy person people grandma grandpa "
    "grandmother grandfather mother father mum mom dad sister brother son daughter aunt uncle cousin wife husband "
    "friend bride groom teacher doctor nurse policeman soldier farmer waiter cook chef couple family crowd toddlers",
    Kind.ANIMAL: "dog cat horse cow bird sheep goat pig donkey chicken duck goose rabbit hamster mouse rat fish shark "
    "whale dolphin lion tiger bear wolf fox deer elk moose elephant giraffe zebra monkey gorilla camel kangaroo koala "
    "panda penguin owl eagle hawk parrot pigeon seagull swan frog toad snake lizard turtle tortoise crocodile spider "
    "butterfly bee ant beetle insect puppy kitten foal calf lamb pony squirrel hedgehog otter seal pet animal",
    Kind.VEHICLE: "car truck lorry bus van taxi tram train motorcycle motorbike scooter bicycle bike boat ship ferry "
    "canoe kayak yacht sailboat raft plane aeroplane airplane helicopter tractor ambulance cart wagon carriage jeep "
    "submarine balloon rocket vehicle",
    Kind.SETTING: "beach park forest woods wood street road city town village garden yard backyard field meadow "
    "mountain hill valley desert lake river sea ocean pool pond kitchen bedroom bathroom garage balcony "
    "office classroom school church museum restaurant cafe bar pub market shop supermarket station airport stadium "
    "playground zoo farm harbour harbor pier island jungle cave studio gym library hospital hotel hall indoors "
    "outdoors inside outside indoor outdoor countryside",
    Kind.TIME_OF_DAY: "night morning evening afternoon dusk dawn noon midnight sunrise sunset daytime day twilight",
    Kind.WEATHER: "sunny rainy snowy foggy cloudy windy stormy overcast misty hazy raining snowing clear",
    Kind.CLOTHING: "shirt t-shirt jacket coat dress skirt trousers pants jeans shorts sweater jumper hoodie hat cap "
    "helmet scarf gloves suit uniform costume swimsuit bikini shoes boots sandals socks tie vest blouse robe",
    Kind.INSTRUMENT: "guitar violin cello piano drum drums trumpet flute saxophone clarinet harp accordion banjo bass "
    "ukulele trombone tuba keyboard",
    Kind.SPORT: "football soccer basketball baseball tennis volleyball hockey golf rugby cricket badminton rowing "
    "skiing snowboarding surfing skating skateboarding climbing boxing cycling",
    Kind.FOOD: "apple banana orange pear cherry strawberry pizza pasta burger sandwich soup salad bread cake pie "
    "sushi rice meat steak sausage cheese egg pancake cookie chocolate icecream",
    Kind.FURNITURE: "sofa couch chair bench bed table desk armchair stool hammock shelf cupboard",
    Kind.BUILDING: "house castle tower bridge barn cabin hut cottage mosque temple cathedral palace skyscraper "
    "lighthouse windmill",
}  # fmt: skip
KIND_OF: Mapping[str, Kind] = {stem(word): kind for kind, text in _WORDS.items() for word in text.split()}
"""By stem. "orange" is a colour first: colours are asked about before kinds."""
WORDS = frozenset(word for text in _WORDS.values() for word in text.split())

# "In the morning" is replaced with its preposition: "at night" -> "in the morning".
PHRASED = frozenset({Kind.SETTING, Kind.TIME_OF_DAY})


def head_of(phrase: str) -> Word | None:
    """The noun that a short phrase is about: of "a small girl in a hat" the girl, of "in a park" the park."""
    found = words(phrase)
    while found and (found[0].key in PREPOSITIONS):
        found = found[1:]
    head: Word | None = None
    for word in found:
        if word.key in PREPOSITIONS or word.key in ("and", "or", "who") or (head and word.key.endswith("ing")):
            break
        head = word if word.key not in DETERMINERS else None
    return head


def kind_of(phrase: str) -> Kind | None:
    """The kind of what a phrase is about; None where it is in no list."""
    head = head_of(phrase)
    return KIND_OF.get(stem(head.text)) if head is not None and head.key not in COLOURS else None


def of_kind(text: str, kind: Kind) -> list[Word]:
    """The words of this kind in `text`, in order."""
    return [
        word for word in words(text) if KIND_OF.get(stem(word.text)) is kind and word.key not in COLOURS & ADJECTIVES
    ]
