"""Which question is worth asking: the one whose answer is expected to spare the user most photos to look at.

What it is compared with is the next page: whatever is asked, the user sees the best photos not seen yet, so that a
question pays as far as its answer brings the photo forward among them.

Pure functions over the bank, the need and arrays. Knows no library, no encoder and no model.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from dar_tui.dialogue.need import Need
from dar_tui.language.rules.words import content, mentions
from dar_tui.language.turn import Expects, Question
from dar_tui.questions.bank import Attribute, BankVectors, Slot

Vectors = NDArray[np.float32]
Chances = NDArray[np.float64]

# How well a similarity tells whether a photo shows a thing: the correlation of the two in the liability model. With the
# bundled encoder what captions say of the development photos is likeliest at 0.6 to 0.7 (mean log likelihood of people,
# animals, vehicles, sport, water and food -0.150 at both, -0.154 at 0.5, -0.160 at 0.8).
RELIABILITY = 0.65
# Sentence vectors this near put the same question in other words ("a climber", "climbing"); "a lake" and "a river" lie
# below.
SAME_MEANING = 0.8
# A user asked three times about clothing has been asked enough about clothing.
MOST_OF_A_TOPIC = 3
# A question that is expected to spare fewer photos is not worth reading: the next page is shown without one.
LEAST_SAVED = 0.25
# People know the year of a photo about as often as not; a question about it had better be twice as good.
_YEAR_ANSWERABLE = 0.5
# A filter by year hides photos that know no date; it is proposed only where nearly all do.
_MOST_UNDATED = 0.05
# How likely someone asked so names a thing that the photo shows. A guess that orders the slots, and the order hardly
# matters: over 1,000 dialogues about development photos, mean log rank -0.14 in this order and in a random one.
MENTIONED = 0.5
# Enough to show what may be named, and read at a glance.
EXAMPLES = 3
# How much likelier the photo is, e to this power, for each standard deviation that it is nearer to the one than to the
# other: likeliest for what captions say of pairs among the best ten of the development photos (0.44 and 0.46).
CLOSER = 0.45
# Of such pairs half are as near as one another, by their captions.
_PAIR_ANSWERABLE = 0.5
# Most people know where a photo was taken; a filter by place hides photos that do not.
PLACE_TOPIC = "where it was taken"
_PLACE_ANSWERABLE = 0.7
_LEAST_PLACED = 0.5
_YEAR = re.compile(r"in \d{4}")
_OF_PEOPLE = frozenset(
    {"how many people", "age", "gender", "clothing", "clothing colour", "hair", "posture", "activity"}
)


@dataclass(frozen=True)
class Proposal:
    """A question, and how many photos fewer its answer is expected to let the user look at than the next page would."""

    question: Question
    saved: float


def open_attributes(
    bank: Sequence[Attribute],
    meanings: Vectors,
    need: Need,
    asked: Iterable[Question],
    unanswerable: frozenset[str] = frozenset(),
) -> list[int]:
    """The attributes, by number, that may still be asked.

    Left out: what the need answers, what the user cannot answer (`unanswerable`: topics as a whole), what was asked
    before in these or other words, and what presupposes something not wanted.
    """
    topics = {question.topic for question in asked} | set(need.unknown)
    put = [number for number, attribute in enumerate(bank) if attribute.statement in topics]
    wants = [frozenset(content(want)) for want in (*need.wants, *(need.unknown))]
    rejects = frozenset(stem for reject in need.rejects for stem in content(reject))
    by_topic = Counter(bank[number].topic for number in put)
    known = {attribute.topic for attribute in bank if attribute.one_of and _within(attribute.facts, wants)}
    without_people = bool(rejects & frozenset(content("person, someone, man, woman, human")))
    found = []
    for number, attribute in enumerate(bank):
        closed = (
            number in put
            or attribute.topic in known
            or attribute.topic in unanswerable
            or any(_within(facts, wants) for facts in attribute.answering)
            or bool(rejects & attribute.facts)
            or (without_people and attribute.topic in _OF_PEOPLE)
            or bool(attribute.needs and not _mentioned(wants, attribute.needs))
            or by_topic[attribute.topic] >= MOST_OF_A_TOPIC
        )
        if closed or any(float(meanings[number] @ meanings[other]) >= SAME_MEANING for other in put):
            continue
        found.append(number)
    return found


def probabilities(bank: Sequence[Attribute], vectors: BankVectors, photos: Vectors, background: Vectors) -> Chances:
    """(attributes, photos): the chance that each photo shows each attribute.

    Liability model (Falconer 1965): a photo shows the attribute where r*z + sqrt(1 - r^2)*e exceeds the threshold that
    `share` of photos exceed; z is the photo's place along the direction, standardised over the library, r how well that
    tells, e chance. So the chances average to `share` over the library whatever the encoder's scale.
    """
    there = background @ vectors.directions.T
    deviation = np.maximum(there.std(axis=0, keepdims=True), 1e-9)
    z = ((photos @ vectors.directions.T - there.mean(axis=0, keepdims=True)) / deviation).T.astype(np.float64)
    return np.stack([shown_chance(each, attribute.share) for each, attribute in zip(z, bank, strict=True)])


def shown_chance(z: Chances, share: float) -> Chances:
    """(photos,) the chance that each shows a thing that `share` of all photos show, by its standardised similarity."""
    threshold = NormalDist().inv_cdf(1 - min(max(share, 0.001), 0.999))
    margin = (RELIABILITY * z - threshold) / math.sqrt(1 - RELIABILITY**2)
    # The logistic curve that is within 0.01 of the normal one everywhere.
    return np.asarray(1 / (1 + np.exp(np.clip(-1.702 * margin, -50, 50))), np.float64)


def looked_at(joint: Chances, page: int) -> Chances:
    """(...,) the photos looked at before the page that has the right one, expected over `joint` (..., photos).

    `joint`: the chance of each photo and, where it is one answer of several, of that answer; best first is looked at
    first. So the sum over all answers is what is expected with the question, and of `weights` alone without it.
    """
    costs = np.arange(joint.shape[-1]) // page * page
    return np.asarray(-np.sort(-joint, axis=-1) @ costs, np.float64)


def saved_by_yes_or_no(weights: Chances, shows: Chances, page: int) -> Chances:
    """(attributes,) photos spared by knowing whether the photo shows each attribute.

    `weights` (photos,) the chance of each; `shows` (attributes, photos). What the encoder cannot see spares nothing.
    """
    answered = looked_at(weights * shows, page) + looked_at(weights * (1 - shows), page)
    return np.asarray(looked_at(weights, page) - answered, np.float64)


def saved_by_naming(weights: Chances, named: Chances, page: int) -> Chances:
    """(attributes,) photos spared by hearing each attribute named, as likely as `named` (attributes, photos).

    What is not named tells nothing: people leave out most of what they have seen.
    """
    return np.asarray((named @ weights) * looked_at(weights, page) - looked_at(weights * named, page), np.float64)


def ranked(
    bank: Sequence[Attribute], open_numbers: Sequence[int], weights: Chances, shows: Chances, page: int
) -> list[tuple[int, Proposal]]:
    """The open attributes worth asking, best first, each with its number in the bank."""
    numbers = np.array(open_numbers, np.int64)
    answerable = np.array([bank[number].answerable for number in open_numbers])
    saved = saved_by_yes_or_no(weights, shows[numbers], page) * answerable
    order = sorted(range(len(numbers)), key=lambda at: (-saved[at], open_numbers[at]))
    return [
        (open_numbers[at], Proposal(bank[open_numbers[at]].put(), float(saved[at])))
        for at in order
        if saved[at] >= LEAST_SAVED
    ]


def open_slots(
    slots: Sequence[Slot], bank: Sequence[Attribute], need: Need, asked: Sequence[Question]
) -> tuple[Slot, ...]:
    """The slots not asked yet whose needs are wanted, and those that may be asked again."""
    put = {question.topic for question in asked} | set(need.unknown)
    again = {slot.name for slot in slots if slot.repeats} - set(need.unknown)
    by_statement = {attribute.statement: attribute for attribute in bank}
    return tuple(
        slot
        for slot in slots
        if (slot.name not in put or slot.name in again)
        and (not slot.needs or _wanted(by_statement[slot.needs], need.wants))
    )


def unanswerable_topics(slots: Sequence[Slot], need: Need) -> frozenset[str]:
    """The topics of slots of which the user cannot say anything."""
    return frozenset(topic for slot in slots if slot.name in need.unknown and not slot.repeats for topic in slot.topics)


def proposed(
    slots: Sequence[Slot],
    bank: Sequence[Attribute],
    open_numbers: Sequence[int],
    weights: Chances,
    shows: Chances,
    page: int,
    offered: frozenset[str] = frozenset(),
) -> list[Proposal]:
    """The slots worth asking, best first, each with the likeliest things of the candidates as examples.

    `open_numbers`: the attributes still open. `weights` (photos,) and `shows` (attributes, photos) as for `ranked`.
    `offered`: examples given before, which nobody took up.
    A slot spares what hearing each of its open attributes named spares, as if they were independent.
    """
    numbers = np.array(open_numbers, np.int64)
    saved = np.maximum(saved_by_naming(weights, MENTIONED * shows[numbers], page), 0)
    found = []
    for slot in slots:
        of_slot = [at for at, number in enumerate(open_numbers) if bank[number].topic in slot.topics]
        total = float(saved[of_slot].sum())
        if total < LEAST_SAVED:
            continue
        best = [bank[open_numbers[at]] for at in sorted(of_slot, key=lambda at: -saved[at])]
        best = [each for each in best if each.statement not in offered]
        found.append(Proposal(slot.put(_examples(best)), total))
    return sorted(found, key=lambda proposal: -proposal.saved)


def _examples(best: Sequence[Attribute]) -> tuple[str, ...]:
    """The first few things, of different topics if there are such, since one of each shows what may be named."""
    named = [each for each in best if not each.choices]
    first = {each.topic: each.statement for each in reversed(named)}
    ordered = [*(each.statement for each in named if first[each.topic] == each.statement)]
    return tuple(dict.fromkeys([*ordered, *(each.statement for each in named)]))[:EXAMPLES]


def photo_question(
    numbers: Sequence[int],
    names: Sequence[str],
    near: Chances,
    weights: Chances,
    asked: Iterable[Question],
    page: int,
) -> Proposal | None:
    """ "Is it closer to 1 or to 4?", of the two photos on the page whose choice spares most; None if none pays.

    `numbers`, `names` of the photos on the page; `near` (photos on the page, photos): how near each candidate is to
    each of them, standardised over the library.
    """
    put = {question.photos for question in asked}
    found: Proposal | None = None
    for one, other in combinations(range(len(names)), 2):
        pair = (names[one], names[other])
        if pair in put or pair[::-1] in put:
            continue
        closer = 1 / (1 + np.exp(-CLOSER * (near[one] - near[other])))
        saved = float(saved_by_yes_or_no(weights, closer[None], page)[0]) * _PAIR_ANSWERABLE
        if saved >= LEAST_SAVED and (found is None or saved > found.saved):
            first, second = str(numbers[one]), str(numbers[other])
            text = f"Is it closer to {first} or to {second}?"
            question = Question(text, f"closer to {pair[0]} or {pair[1]}", Expects.CHOICE, (first, second), (), pair)
            found = Proposal(question, saved)
    return found


def year_question(
    taken_at: Sequence[datetime | None], weights: Chances, need: Need, asked: Iterable[Question], page: int
) -> Proposal | None:
    """ "Was it in 2019?" where the candidates' dates part them; None where days are known, or photos know no date."""
    topics = {question.topic for question in asked} | set(need.unknown)
    undated = sum(weight for moment, weight in zip(taken_at, weights, strict=True) if moment is None)
    if need.when or undated > _MOST_UNDATED or any(_YEAR.fullmatch(topic) for topic in topics):
        return None
    years = sorted({moment.year for moment in taken_at if moment is not None})
    there = np.array(
        [[moment is not None and moment.year == year for moment in taken_at] for year in years], np.float64
    )
    if not years:
        return None
    saved = saved_by_yes_or_no(weights, there, page) * _YEAR_ANSWERABLE
    best = int(np.argmax(saved))
    if saved[best] < LEAST_SAVED:
        return None
    return Proposal(Question(f"Was it in {years[best]}?", f"in {years[best]}", Expects.YES_NO), float(saved[best]))


def place_question(
    places: Sequence[str], weights: Chances, need: Need, asked: Iterable[Question], page: int
) -> Proposal | None:
    """ "Where was it taken? Rome, Lucca?" where the candidates were taken in places apart, by their GPS.

    `places`: each candidate's city, "" where it is not known. None where the place is known or mostly unknown.
    """
    topics = {question.topic for question in asked} | set(need.unknown)
    known = sum(weight for place, weight in zip(places, weights, strict=True) if place)
    names = sorted({place for place in places if place})
    if need.where or known < _LEAST_PLACED or PLACE_TOPIC in topics or len(names) < 2:
        return None
    there = np.array([[place == name for place in places] for name in names], np.float64)
    saved = float(saved_by_naming(weights, _PLACE_ANSWERABLE * there, page).sum())
    if saved < LEAST_SAVED:
        return None
    likeliest = sorted(names, key=lambda name: (-float(there[names.index(name)] @ weights), name))[:EXAMPLES]
    text = f"Where was it taken? {', '.join(likeliest)}?"
    return Proposal(Question(text, PLACE_TOPIC, Expects.OPEN, examples=tuple(likeliest)), saved)


def _wanted(attribute: Attribute, wants: Sequence[str]) -> bool:
    return any(mentions(want, phrase) for want in wants for phrase in (attribute.statement, *attribute.answered_by))


def _mentioned(texts: Sequence[frozenset[str]], phrase: str) -> bool:
    return _within(frozenset(content(phrase)), texts)


def _within(facts: frozenset[str], texts: Sequence[frozenset[str]]) -> bool:
    """Whether one of the texts says all of these facts."""
    return bool(facts) and any(facts <= text for text in texts)
