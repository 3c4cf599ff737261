"""What a dialogue adds up to: the things wanted, rejected and not known, and when and where.

Knows how later messages change earlier ones (a correction, a thing taken back). Reading a single message is
`dar_tui.language.rules`; what becomes of the Need is `dar_tui.reformulate` and the library's filters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from dar_tui.language.rules import Reading, Swap, mentions, read
from dar_tui.language.rules.edits import strike, swap
from dar_tui.language.rules.words import COLOURS, NUMBERS, content, stem, words
from dar_tui.language.turn import Question, Turn
from dar_tui.language.when import Hemisphere, When

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

    def take(self, at: int, reading: Reading) -> None:
        """Adds one message; later messages win over earlier ones."""
        swaps = reading.swaps or self._implied(reading)
        taken_back = [each.old for each in swaps if each.old not in reading.rejects]
        rejects = [*reading.rejects, *taken_back]
        # 1. "a cat, not a dog" changes the word in place.
        changed = [each for each in swaps if any(mentions(text, each.old) for _, text in self.statements)]
        for each in changed:
            self.statements = [(turn, swap(text, each.old, each.new)) for turn, text in self.statements]
        # 2. A new want brings back what an earlier message rejected; this message's own rejects hold.
        self.rejects = [old for old in self.rejects if not any(mentions(want, old) for want in reading.wants)]
        # 3. What is rejected goes from every statement, this message's too.
        wants = [want for want in reading.wants if not self._is_stated(want, changed)]
        self.statements = [(turn, text) for turn, text in [*self.statements, *((at, want) for want in wants)] if text]
        for reject in rejects:
            self.statements = [(turn, strike(text, reject)) for turn, text in self.statements]
        self.statements = [(turn, text) for turn, text in self.statements if text]
        self.rejects += [reject for reject in rejects if reject not in self.rejects]
        # 4. A topic once unknown and now mentioned is known.
        mentioned = [*reading.wants, *rejects]
        self.unknown = [topic for topic in self.unknown if not any(mentions(text, topic) for text in mentioned)]
        self.unknown += [topic for topic in reading.unknown if topic not in self.unknown]
        for when in reading.when:
            self._date(when)
        self.where = [name for name in self.where if not any(mentions(name, reject) for reject in rejects)]
        self.where += [name for name in reading.where if name not in self.where]
        self._forget()

    def copy(self) -> _Folding:
        """A copy that can be changed."""
        return _Folding(*(list(values) for values in vars(self).values()))

    def _forget(self) -> None:
        subject = [each for each in self.statements if each[0] == 0]
        details = [each for each in self.statements if each[0] > 0]
        self.statements = subject[:_KEPT] + details[-_KEPT:]
        self.rejects, self.unknown = self.rejects[-_KEPT:], self.unknown[-_KEPT:]
        self.when, self.where = self.when[-_KEPT:], self.where[-_KEPT:]

    def _is_stated(self, want: str, changed: Iterable[Swap]) -> bool:
        """Whether a correction made in place already states all of `want`."""
        facts = set(content(want))
        swapped = [each for each in changed if mentions(want, each.new)]
        return bool(swapped) and any(facts <= set(content(text)) for _, text in self.statements)

    def _implied(self, reading: Reading) -> tuple[Swap, ...]:
        """ "Actually blue", "actually two dogs": what is corrected goes unsaid where only one thing can be meant."""
        if not reading.corrects:
            return ()
        found = []
        known = " , ".join(text for _, text in self.statements)
        for want in reading.wants:
            keys = words(want)
            if len(keys) == 1 and keys[0].key in COLOURS:
                earlier = {word.key for word in words(known)} & COLOURS - {keys[0].key}
                found += [Swap(colour, want) for colour in earlier if len(earlier) == 1]
            elif len(keys) >= 2 and stem(keys[0].text) in NUMBERS:
                noun = keys[1].text
                counted = [each for each in NUMBERS if mentions(known, f"{each} {noun}") and each != stem(keys[0].text)]
                found += [Swap(f"{each} {noun}", f"{keys[0].text} {noun}") for each in counted]
        return tuple(found)

    def _date(self, when: When) -> None:
        if when.excluded:
            self.when = [old for old in self.when if old.excluded or old.spans != when.spans]
        else:
            self.when = [old for old in self.when if not old.clashes(when)]
            self.when = [old for old in self.when if not (old.excluded and old.spans == when.spans)]
        if all(replace(old, phrase="") != replace(when, phrase="") for old in self.when):
            self.when.append(when)


def need_of(turns: Iterable[Turn], skipped: Iterable[Question] = (), hemisphere: Hemisphere = Hemisphere.NORTH) -> Need:
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
        self._places: tuple[tuple[Hemisphere, tuple[Turn, ...], _Folding], ...] = ()

    def need_of(self, turns: tuple[Turn, ...], skipped: Iterable[Question], hemisphere: Hemisphere) -> Need:
        """As the function `need_of`."""
        begun = [each for each in self._places if each[0] is hemisphere and each[1] == turns[: len(each[1])]]
        before = max(begun, key=lambda each: len(each[1]), default=(hemisphere, (), _Folding()))
        folding = before[2].copy()
        for at, turn in enumerate(turns[len(before[1]) :], len(before[1])):
            folding.take(at, read(turn, hemisphere))
        others = (each for each in self._places if each is not before)
        self._places = ((hemisphere, turns, folding), before, *others)[: self._PLACES]
        unknown = [*folding.unknown, *(question.topic or question.text for question in skipped)]
        return Need(
            subject=_once(text for at, text in folding.statements if at == 0),
            details=_once(text for at, text in folding.statements if at > 0),
            rejects=tuple(folding.rejects),
            unknown=_once(unknown),
            when=tuple(folding.when),
            where=tuple(folding.where),
        )


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
