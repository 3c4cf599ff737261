"""What a dialogue adds up to: the things wanted, rejected and not known, and when and where.

Knows how later messages change earlier ones (a correction, a thing taken back). Reading a single message is
`dar_tui.language.rules`; what becomes of the Need is `dar_tui.reformulate` and the library's filters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

from dar_tui.language.rules import Reading, Swap, mentions, read
from dar_tui.language.rules.dates import seen_of
from dar_tui.language.rules.edits import put_for, strike, swap
from dar_tui.language.rules.fields import Fields, field_name, is_literal, stars_text
from dar_tui.language.rules.kinds import PHRASED, Kind, head_of, kind_of, of_kind
from dar_tui.language.rules.words import COLOURS, NUMBERS, PREPOSITIONS, Word, content, core, stem, tidy, words
from dar_tui.language.turn import Question, Turn
from dar_tui.language.when import Days, EveryYear, Hemisphere, Span, When

# Of each kind, the newest; D0's statements stay. Among a hundred statements the newest no longer moves their
# mean, and a turn of a dialogue of 2,000 took 36 s, which grew with the square. ChatIR's dialogues have eleven turns.
_KEPT = 64


@dataclass(frozen=True)
class Need:
    """What the user looks for.

    No statement in `subject` or `details` mentions anything in `rejects`, in any inflection.
    """

    subject: tuple[str, ...] = ()
    """What D0, the first message, wants."""
    details: tuple[str, ...] = ()
    """What later messages want, in their order."""
    rejects: tuple[str, ...] = ()
    """What is not in the photo, without articles. Never text for an encoder: it lowers scores or filters."""
    unknown: tuple[str, ...] = ()
    """Topics the user does not know or would not answer: not to be asked again."""
    when: tuple[When, ...] = ()
    """Days the photo was taken; all of them must hold."""
    where: tuple[str, ...] = ()
    """Names of places and folders. Places are in the wants too, since an encoder may know Paris; folders are not."""
    camera: str = ""
    """Part of the name of the camera the photo was taken with; "" for any."""
    undated: bool = False
    """Whether photos whose date is not known are wanted too, whatever `when` says."""
    written: tuple[tuple[str, str], ...] = ()
    """(field, phrase) that must stand in the words about the photo, or in it."""
    rating: tuple[int, int] | None = None
    """The fewest and the most stars."""
    quoted: tuple[str, ...] = ()
    """Phrases that were in quotes: to be found in words as they stand. All but literal ones are in the wants too."""

    @property
    def wants(self) -> tuple[str, ...]:
        """Every statement, D0's first."""
        return self.subject + self.details

    def allows(self, text: str) -> bool:
        """Whether `text` speaks of nothing that is rejected."""
        return not any(mentions(text, reject) for reject in self.rejects)


@dataclass
class _Folding:
    """The Need while the turns are gone through. Statements carry the turn they came from."""

    statements: list[tuple[int, str]] = field(default_factory=list)
    rejects: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    when: list[When] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    camera: str = ""
    undated: bool = False
    written: list[tuple[str, str]] = field(default_factory=list)
    rating: tuple[int, int] | None = None
    quoted: list[str] = field(default_factory=list)

    def take(self, at: int, reading: Reading) -> None:
        """Adds one message; later messages win over earlier ones."""
        before = set(self.statements)
        self._withdraw(reading)
        replaced, denied = self._replace(reading)
        wanted = reading.wants
        reading = replace(reading, wants=tuple(want for want in reading.wants if want not in replaced))
        swaps = reading.swaps or self._implied(reading)
        taken_back = [each.old for each in swaps if each.is_denied and each.old not in reading.rejects]
        rejects = [*reading.rejects, *taken_back, *denied]
        # 1. "a cat, not a dog" changes the word in place.
        changed = [each for each in swaps if any(mentions(text, each.old) for _, text in self.statements)]
        for each in changed:
            self.statements = [(turn, _put(text, each)) for turn, text in self.statements]
        # 2. A new want brings back what an earlier message rejected; this message's own rejects hold.
        self.rejects = [old for old in self.rejects if not any(mentions(want, old) for want in wanted)]
        # 3. What is rejected goes from every statement, this message's too.
        wants = [want for want in reading.wants if not self._is_stated(want, changed)]
        self.statements = [(turn, text) for turn, text in [*self.statements, *((at, want) for want in wants)] if text]
        for reject in rejects:
            self._strike(reject)
        self.rejects += [reject for reject in rejects if reject not in self.rejects]
        # 4. A topic once unknown and now mentioned is known.
        mentioned = [*wanted, *rejects]
        self.unknown = [topic for topic in self.unknown if not any(mentions(text, topic) for text in mentioned)]
        self.unknown += [topic for topic in reading.unknown if topic not in self.unknown]
        self._dates(reading)
        self.camera = reading.asks.camera or self.camera
        self.undated = self.undated if reading.asks.undated is None else reading.asks.undated
        self._fields(reading.asks.fields)
        self.where = [name for name in self.where if not any(mentions(name, reject) for reject in rejects)]
        self.where += [name for name in reading.where if name not in self.where]
        self._keep_rejected_out(before)
        self._forget()

    def _fields(self, fields: Fields) -> None:
        self.written = [each for each in self.written if each not in fields.written]
        self.quoted = [each for each in self.quoted if each not in fields.quoted]
        if fields.withdrawn:
            self.rating = None if fields.rating else self.rating
            return
        self.written += fields.written
        self.quoted += fields.quoted
        self.rating = fields.rating or self.rating

    def copy(self) -> _Folding:
        """A copy that can be changed."""
        return replace(
            self,
            statements=list(self.statements),
            rejects=list(self.rejects),
            unknown=list(self.unknown),
            when=list(self.when),
            where=list(self.where),
            written=list(self.written),
            quoted=list(self.quoted),
        )

    def _strike(self, phrase: str) -> None:
        struck = ((turn, strike(text, phrase)) for turn, text in self.statements)
        self.statements = [(turn, text) for turn, text in struck if text]

    def _keep_rejected_out(self, before: set[tuple[int, str]]) -> None:
        """Strikes what was rejected before from statements that are new or were changed: an edit may bring two words
        together that are rejected."""
        kept = []
        for turn, text in self.statements:
            left = text
            while (turn, left) not in before and any(mentions(left, reject) for reject in self.rejects):
                for reject in self.rejects:
                    left = strike(left, reject)
            kept += [(turn, left)] if left else []
        self.statements = kept

    def _forget(self) -> None:
        subject = [each for each in self.statements if each[0] == 0]
        details = [each for each in self.statements if each[0] > 0]
        self.statements = subject[:_KEPT] + details[-_KEPT:]
        self.rejects, self.unknown = self.rejects[-_KEPT:], self.unknown[-_KEPT:]
        self.when, self.where = self.when[-_KEPT:], self.where[-_KEPT:]
        self.written, self.quoted = self.written[-_KEPT:], self.quoted[-_KEPT:]

    def _is_stated(self, want: str, changed: Iterable[Swap]) -> bool:
        """Whether a correction made in place already states all of `want`."""
        facts = set(content(want))
        swapped = [each for each in changed if mentions(want, each.new) or mentions(each.new, want)]
        return bool(swapped) and any(facts <= set(content(text)) for _, text in self.statements)

    def _implied(self, reading: Reading) -> tuple[Swap, ...]:
        """ "Actually blue", "actually two dogs": what is corrected goes unsaid where only one thing can be meant."""
        found = []
        known = " , ".join(text for _, text in self.statements)
        if not reading.corrects:
            return tuple(each for want in reading.wants if (each := _recoloured(want, known)))
        for want in reading.wants:
            keys = words(want)
            if len(keys) == 1 and keys[0].key in COLOURS:
                earlier = {word.key for word in words(known)} & COLOURS - {keys[0].key}
                found += [Swap(colour, want) for colour in earlier if len(earlier) == 1]
            elif recoloured := _recoloured(want, known):
                found.append(replace(recoloured, is_denied=True))
            elif len(keys) == 1 and stem(keys[0].text) in NUMBERS:
                others = [(word.text, noun) for word, noun in _counts(known) if stem(word.text) != stem(want)]
                found += [Swap(f"{old} {noun}", f"{want} {noun}") for old, noun in others if len(others) == 1]
            elif len(keys) >= 2 and stem(keys[0].text) in NUMBERS:
                noun = keys[1].text
                counted = [each for each in NUMBERS if mentions(known, f"{each} {noun}") and each != stem(keys[0].text)]
                found += [Swap(f"{each} {noun}", f"{keys[0].text} {noun}") for each in counted]
        return tuple(found)

    def _withdraw(self, reading: Reading) -> None:
        """Takes back what is no longer meant, which says nothing of its not being there."""
        for phrase in reading.asks.forgets:
            known = " , ".join(text for _, text in self.statements)
            words_of = {"colour": COLOURS, "color": COLOURS, "number": frozenset(NUMBERS)}.get(phrase.casefold())
            anywhere = phrase.casefold() in ("place", "location", "city", "country", "where")
            named = [*self.where, *(word.text for word in of_kind(known, Kind.SETTING))] if anywhere else []
            struck = [word.text for word in words(known) if words_of and word.key in words_of] or [*named, phrase]
            for each in struck:
                self._strike(each)
                self.rejects = [old for old in self.rejects if not mentions(old, each)]
                self.where = [name for name in self.where if not mentions(each, name)]
                self.when = [when for when in self.when if not mentions(when.phrase, each)]

    def _replace(self, reading: Reading) -> tuple[list[str], list[str]]:
        """Puts what a correction names in the place of what is of its kind: "no, a girl" after a boy.

        Returns the wants that have found their place, and what they replaced, which is not in the photo.
        """
        placed: list[str] = []
        denied: list[str] = []
        if not reading.corrects or reading.swaps:
            return placed, denied
        for name in self.where if reading.where else ():
            self._strike(name)
        self.where = [] if reading.where else self.where
        for want in reading.wants:
            kind = kind_of(want)
            old = self._sole(kind, want) if kind else None
            if old is not None and kind in PHRASED:
                self._strike(old)
                denied.append(old)
            elif old is not None and len(words(want)) <= _SHORT:
                self._put_for(old, want)
                placed.append(want)
                is_other = not mentions(want, old)
                denied += [old] if is_other else []
            elif kind is None and reading.asks.replaces and (subject := self._subject(want)):
                self._put_for(subject, want)
                placed.append(want)
                denied.append(subject)
        return placed, denied

    def _sole(self, kind: Kind, want: str) -> str | None:
        """The one thing of this kind that was wanted, other than what `want` is about, or the same in other number."""
        new = head_of(want)
        found = [word for _, text in self.statements for word in of_kind(text, kind)]
        others = {stem(word.text): word.text for word in found if new is None or stem(word.text) != stem(new.text)}
        if len(others) == 1 and len({stem(word.text) for word in found}) == 1:
            return next(iter(others.values()))
        counted = new is not None and words(want)[0].key in NUMBERS and not others
        same = [word.text for word in found if new is not None and stem(word.text) == stem(new.text)]
        return same[0] if counted and len(same) == 1 and not _is_counted(self.statements, same[0]) else None

    def _subject(self, want: str) -> str | None:
        """The noun that D0 is about, where `want` is a thing too that can take its place."""
        said = words(want)
        if not self.statements or not said or said[0].key not in _NEW or len(said) > _SHORT:
            return None
        head = head_of(self.statements[0][1])
        return head.text if head is not None and not mentions(want, head.text) else None

    def _put_for(self, old: str, new: str) -> None:
        done = False
        changed = []
        for turn, text in self.statements:
            word = next((word for word in words(text) if word.text == old), None)
            changed.append((turn, text if done or word is None else put_for(text, word, new)))
            done = done or word is not None
        self.statements = changed

    def _dates(self, reading: Reading) -> None:
        asks, kept = reading.asks, [old for old in self.when if old.excluded]
        said = [when for when in reading.when if not when.excluded]
        if asks.when_forgotten or ((asks.when_replaced or reading.corrects) and said):
            for old in self.when:
                self._unsee(old, reading.wants)
            self.when = kept
        for when in reading.when:
            for old in [each for each in self.when if when.excluded and each.spans == when.spans]:
                self._unsee(old, reading.wants)
        if asks.when_joined and len(said) == 1 and (last := [old for old in self.when if not old.excluded][-1:]):
            self.when = [old for old in self.when if old is not last[0]]
            phrase = f"{last[0].phrase.strip()} or {_LED.sub('', said[0].phrase.strip())}"
            self.when.append(When(phrase, last[0].spans + _in_year_of(last[0], said[0])))
            return
        for when in reading.when:
            self._date(when)

    def _unsee(self, when: When, said: Iterable[str] = ()) -> None:
        """Takes out of the statements what a date that is dropped put there: "in winter"."""
        seen = core(seen_of(when.phrase))
        if seen and not any(mentions(want, seen) for want in said):
            self._strike(seen)

    def _date(self, when: When) -> None:
        if when.excluded:
            self.when = [old for old in self.when if old.excluded or old.spans != when.spans]
        else:
            self.when = [old for old in self.when if not old.clashes(when)]
            self.when = [old for old in self.when if not (old.excluded and old.spans == when.spans)]
        if all(replace(old, phrase="") != replace(when, phrase="") for old in self.when):
            self.when.append(when)

    # Chips

    def edit(self, edited: Edited) -> None:
        """Removes or flips what a chip stands for; nothing where there is no such chip any more."""
        chip, flips = edited.chip, edited.edit is ChipEdit.FLIPPED
        if chip not in chips_of(self.need(())):
            return
        match chip.kind:
            case ChipKind.WANT:
                parted = [(turn, _without(text, chip.text)) for turn, text in self.statements]
                self.statements = [(turn, text) for turn, text in parted if text]
                self._reject(chip.text) if flips else None
            case ChipKind.REJECT:
                self.rejects = [old for old in self.rejects if old != chip.text]
                self.statements += [(1, chip.text)] if flips else []
            case ChipKind.WHEN:
                (old,) = [when for when in self.when if chip_of(when) == chip.text][:1]
                self.when = [when for when in self.when if when is not old]
                if flips:
                    self.when.append(replace(old, excluded=not old.excluded))
                self._unsee(old)
            case ChipKind.WHERE:
                name = next(name for name in self.where if mentions(chip.text, name))
                self.where = [each for each in self.where if each != name]
                self._strike(name)
                self._reject(name) if flips else None
            case ChipKind.FILTER:
                self.camera = "" if self.camera and chip.text.endswith(self.camera) else self.camera
                self.undated = self.undated and chip.text != UNDATED
                self.written = [each for each in self.written if written_text(*each) != chip.text]
                self.quoted = [each for each in self.quoted if not is_literal(each) or f'"{each}"' != chip.text]
                self.rating = None if self.rating and stars_text(self.rating) == chip.text else self.rating

    def _reject(self, text: str) -> None:
        reject = core(text)
        self._strike(reject)
        self.rejects += [reject] if reject not in self.rejects else []

    def need(self, unknown: Iterable[str]) -> Need:
        """What it adds up to, with these topics unknown besides."""
        return Need(
            subject=_once(text for at, text in self.statements if at == 0),
            details=_once(text for at, text in self.statements if at > 0),
            rejects=tuple(self.rejects),
            unknown=_once([*self.unknown, *unknown]),
            when=tuple(self.when),
            where=tuple(self.where),
            camera=self.camera,
            undated=self.undated,
            written=tuple(self.written),
            rating=self.rating,
            quoted=tuple(
                each for each in self.quoted if is_literal(each) or any(each in text for _, text in self.statements)
            ),
        )


def _in_year_of(earlier: When, later: When) -> tuple[Span, ...]:
    """The days of "or June" after "in May 2019": June of that year."""
    years = {span.first.year for span in earlier.spans if isinstance(span, Days) and span.first and span.last}
    if len(years) != 1 or "or" in earlier.phrase.split():
        return later.spans
    (year,) = years
    return tuple(span.in_year(year) if isinstance(span, EveryYear) else span for span in later.spans)


def _is_counted(statements: Iterable[tuple[int, str]], noun: str) -> bool:
    return any(mentions(text, f"{number} {noun}") for _, text in statements for number in NUMBERS if number != "one")


def _counts(text: str) -> list[tuple[Word, str]]:
    """Each number in the text with the noun it counts."""
    found = words(text)
    return [(word, after.text) for word, after in pairwise(found) if stem(word.text) in NUMBERS and word.key != "zero"]


def _put(text: str, each: Swap) -> str:
    """The swap made in one statement, with the articles and qualities that belong to the old noun."""
    old, new = words(core(each.old)), words(core(each.new))
    if len(old) == 1 and len(new) >= 1 and kind_of(each.old) and kind_of(each.new):
        word = next((word for word in words(text) if stem(word.text) == stem(old[0].text)), None)
        plural = word is not None and word.text.endswith("s") and not each.new.endswith("s")
        if word is not None and not plural and not mentions(each.new, each.old):
            return put_for(text, word, core(each.new))
    return swap(text, each.old, each.new)


def _recoloured(want: str, known: str) -> Swap | None:
    """ "Blue shirt" after "a red shirt": said without an article it is the same shirt, in another colour."""
    said = words(want)
    if said and said[0].key in ("the", "his", "her", "my", "its", "their"):
        said = said[1:]
    if len(said) != 2 or said[0].key not in COLOURS or said[1].key in COLOURS:
        return None
    noun = said[1].text
    others = [colour for colour in COLOURS if colour != said[0].key and mentions(known, f"{colour} {noun}")]
    return Swap(f"{others[0]} {noun}", f"{said[0].text} {noun}", is_denied=False) if len(others) == 1 else None


# Chips


class ChipKind(StrEnum):
    """What a chip says of the photo. The values are keys of the JSON and saved in sessions."""

    WANT = "wants"
    REJECT = "rejects"
    WHEN = "when"
    WHERE = "where"
    FILTER = "filters"


@dataclass(frozen=True)
class Chip:
    """One piece of what was understood, as it stands on screen."""

    kind: ChipKind
    text: str


class ChipEdit(StrEnum):
    """What the user does to a chip; FLIPPED: what was wanted is rejected, and the other way round."""

    REMOVED = "removed"
    FLIPPED = "flipped"


@dataclass(frozen=True)
class Edited:
    """A chip removed or flipped."""

    chip: Chip
    edit: ChipEdit


Step = Turn | Edited
UNDATED = "undated photos too"
# A correction that says more than this describes and replaces nothing.
_SHORT = 4
# "The door" was there before; what takes another's place is new.
_NEW = frozenset({"a", "an", "my", "our", "his", "her", "some"})
_LED = re.compile(r"^(?:(?:in|on|from|during|at|of|for|taken|dated|the)\s+)+", re.IGNORECASE)
_CLOTHES = (
    r"(?:hat|cap|helmet|dress|jacket|suit|shirt|t-shirt|coat|costume|uniform|leash|lead|scarf|jeans|shorts|skirt"
    r"|sweater|boots|shoes|glasses|sunglasses|swimsuit|bikini|robe|apron|vest|mask|wig|tie)s?"
)
_PART = re.compile(
    r",\s+|\s+(?=(?:in front of|next to|in|on|at|by|near|under|along|inside|outside|behind|beside|across)\s+"
    rf"(?!(?:(?:a|an|the|his|her|their|my)\s+)?(?:[\w-]+\s+){{0,2}}{_CLOTHES}\b|(?:it|him|her|them|me|us|front)\b))",
    re.IGNORECASE,
)


def chips_of(need: Need) -> tuple[Chip, ...]:
    """What the need asks for, piece by piece. A date or place that a statement mentions too is one chip."""
    seen = [core(seen_of(when.phrase)) for when in need.when if not when.excluded]
    parts = list(dict.fromkeys(part for want in need.wants for part in parts_of(want)))
    places = {name: next((part for part in parts if _is_place(part, name)), name) for name in need.where}
    wants = [part for part in parts if core(part) not in seen and part not in places.values()]
    whens = [when for when in need.when if not (when.excluded and _goes_without_saying(when, need.when))]
    return (
        *(Chip(ChipKind.WANT, part) for part in wants),
        *(Chip(ChipKind.REJECT, reject) for reject in need.rejects),
        *(Chip(ChipKind.WHEN, chip_of(when)) for when in whens),
        *(Chip(ChipKind.WHERE, places[name]) for name in need.where),
        *((Chip(ChipKind.FILTER, f"camera: {need.camera}"),) if need.camera else ()),
        *((Chip(ChipKind.FILTER, UNDATED),) if need.undated else ()),
        *(Chip(ChipKind.FILTER, written_text(*each)) for each in need.written),
        *((Chip(ChipKind.FILTER, stars_text(need.rating)),) if need.rating else ()),
        *(Chip(ChipKind.FILTER, f'"{phrase}"') for phrase in need.quoted if is_literal(phrase)),
    )


def written_text(field_: str, phrase: str) -> str:
    """What must stand in the words about a photo, as it is typed: "person:Anna"."""
    return f'{field_name(field_)}:"{phrase}"' if " " in phrase else f"{field_name(field_)}:{phrase}"


def parts_of(statement: str) -> list[str]:
    """A statement parted where a place begins or a comma is: "a dog running", "in the snow"."""
    parts = [part for part in _PART.split(statement) if part and part.strip()]
    return parts if all(content(part) for part in parts) else [statement]


def chip_of(when: When) -> str:
    """A date as a chip: "2019", "last summer", "not winter"."""
    return f"{'not ' if when.excluded else ''}{_LED.sub('', when.phrase.strip())}"


def _is_place(part: str, name: str) -> bool:
    rest = words(strike(part, name))
    led = words(part)
    return (
        mentions(part, name) and not rest and bool(led) and (led[0].key in PREPOSITIONS or len(led) == len(words(name)))
    )


def _goes_without_saying(excluded: When, whens: Sequence[When]) -> bool:
    """Whether other days are asked for anyway: "2016, not 2015"."""
    return any(not when.excluded and when.clashes(replace(excluded, excluded=False)) for when in whens)


def _without(statement: str, part: str) -> str:
    parts = parts_of(statement)
    if part not in parts:
        return statement
    at = parts.index(part)
    start = sum(len(each) for each in parts[:at])
    start = statement.index(part, start)
    return tidy(f"{statement[:start].rstrip(' ,')} {statement[start + len(part) :].lstrip(' ,')}")


def need_of(turns: Iterable[Step], skipped: Iterable[Question] = (), hemisphere: Hemisphere = Hemisphere.NORTH) -> Need:
    """Goes through the turns in order, the first being D0. Same turns, same Need: the clock is in the turns.

    A skipped question's topic counts as unknown, so that it is not put again.
    """
    return Memory().need_of(tuple(turns), skipped, hemisphere)


class Memory:
    """`need_of` that continues from the turns it has read before, for dialogues that grow. Safe in several threads."""

    # A dialogue, and what it would be after each answer to a question.
    _PLACES = 4

    def __init__(self) -> None:
        # Replaced, never changed; so are the foldings in it.
        self._places: tuple[tuple[Hemisphere, tuple[Step, ...], _Folding], ...] = ()

    def need_of(self, turns: tuple[Step, ...], skipped: Iterable[Question], hemisphere: Hemisphere) -> Need:
        """As the function `need_of`."""
        begun = [each for each in self._places if each[0] is hemisphere and each[1] == turns[: len(each[1])]]
        before = max(begun, key=lambda each: len(each[1]), default=(hemisphere, (), _Folding()))
        folding = before[2].copy()
        for at, step in enumerate(turns[len(before[1]) :], len(before[1])):
            if isinstance(step, Edited):
                folding.edit(step)
            else:
                is_first = not any(isinstance(each, Turn) for each in turns[:at])
                folding.take(0 if is_first else max(at, 1), read(step, hemisphere))
        others = (each for each in self._places if each is not before)
        self._places = ((hemisphere, turns, folding), before, *others)[: self._PLACES]
        return folding.need(question.topic or question.text for question in skipped)


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
