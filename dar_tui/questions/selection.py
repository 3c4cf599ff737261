"""Which question is worth asking: the one whose answer is expected to say most about which candidate is the photo.

Pure functions over the bank, the need and arrays. Knows no library, no encoder and no model.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
# Below this an answer leaves the candidates as they are: a question that splits them evenly gives 1 bit.
LEAST_BITS = 0.03
# People know the year of a photo about as often as not; a question about it had better be twice as good.
_YEAR_ANSWERABLE = 0.5
# A filter by year hides photos that know no date; it is proposed only where nearly all do.
_MOST_UNDATED = 0.05
# How likely someone asked so names a thing that the photo shows. A guess that orders the slots, and the order hardly
# matters: over 1,000 dialogues about development photos, mean log rank -0.14 in this order and in a random one.
MENTIONED = 0.5
_YEAR = re.compile(r"in \d{4}")
_OF_PEOPLE = frozenset(
    {"how many people", "age", "gender", "clothing", "clothing colour", "hair", "posture", "activity"}
)


@dataclass(frozen=True)
class Proposal:
    """A question, the bits its answer is expected to give, and how likely a yes (the first choice, or any words) is.

    `example`: of a question answered in words, what is likely to be named.
    """

    question: Question
    bits: float
    yes: float
    example: str = ""

    @property
    def answers(self) -> tuple[tuple[str, float], ...]:
        """What may be answered, and how likely that is; what changes nothing is left out."""
        if self.question.expects is Expects.OPEN:
            return ((self.example, self.yes),)
        first, second = self.question.choices[:2] if self.question.choices else ("yes", "no")
        return ((first, self.yes), (second, 1 - self.yes))


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
    normal = NormalDist()
    shares = (min(max(each.share, 0.001), 0.999) for each in bank)
    thresholds = np.array([normal.inv_cdf(1 - share) for share in shares])[:, None]
    margin = (RELIABILITY * z - thresholds) / math.sqrt(1 - RELIABILITY**2)
    # The logistic curve that is within 0.01 of the normal one everywhere.
    return np.asarray(1 / (1 + np.exp(np.clip(-1.702 * margin, -50, 50))), np.float64)


def information(weights: Chances, shows: Chances) -> Chances:
    """(attributes,) bits that the answer gives about which photo it is: H(answer) - H(answer | photo).

    `weights` (photos,) the chance of each; `shows` (attributes, photos). What the encoder cannot see gives nothing.
    """
    return np.asarray(_entropy(shows @ weights) - _entropy(shows) @ weights, np.float64)


def ranked(
    bank: Sequence[Attribute], open_numbers: Sequence[int], weights: Chances, shows: Chances
) -> list[tuple[int, Proposal]]:
    """The open attributes worth asking, best first, each with its number in the bank."""
    bits = information(weights, shows) * np.array([attribute.answerable for attribute in bank])
    order = sorted(open_numbers, key=lambda number: (-bits[number], number))
    return [
        (number, Proposal(bank[number].put(), float(bits[number]), float(shows[number] @ weights)))
        for number in order
        if bits[number] >= LEAST_BITS
    ]


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


def unanswerable_topics(slots: Sequence[Slot], need: Need) -> frozenset[str]:
    """The topics of slots of which the user cannot say anything."""
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


def year_question(
    taken_at: Sequence[datetime | None], weights: Chances, need: Need, asked: Iterable[Question]
) -> Proposal | None:
    """ "Was it in 2019?" where the candidates' dates part them; None where days are known, or photos know no date."""
    topics = {question.topic for question in asked} | set(need.unknown)
    undated = sum(weight for moment, weight in zip(taken_at, weights, strict=True) if moment is None)
    if (
        need.when
        or undated > _MOST_UNDATED
        or any(topic.startswith("in 1") or topic.startswith("in 2") for topic in topics)
    ):
        return None
    best: Proposal | None = None
    for year in sorted({moment.year for moment in taken_at if moment is not None}):
        there = np.array([moment is not None and moment.year == year for moment in taken_at], np.float64)
        yes = float(there @ weights)
        bits = float(_entropy(np.array([yes]))[0]) * _YEAR_ANSWERABLE
        if bits >= LEAST_BITS and (best is None or bits > best.bits):
            best = Proposal(Question(f"Was it in {year}?", f"in {year}", Expects.YES_NO), bits, yes)
    return best


def _wanted(attribute: Attribute, wants: Sequence[str]) -> bool:
    return any(mentions(want, phrase) for want in wants for phrase in (attribute.statement, *attribute.answered_by))


def _mentioned(texts: Sequence[frozenset[str]], phrase: str) -> bool:
    return _within(frozenset(content(phrase)), texts)


def _within(facts: frozenset[str], texts: Sequence[frozenset[str]]) -> bool:
    """Whether one of the texts says all of these facts."""
    return bool(facts) and any(facts <= text for text in texts)


def _entropy(chances: Chances) -> Chances:
    """Bits of a yes or no with these chances."""
    safe = np.clip(chances, 1e-12, 1 - 1e-12)
    return np.asarray(-(safe * np.log2(safe) + (1 - safe) * np.log2(1 - safe)), np.float64)
