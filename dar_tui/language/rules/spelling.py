"""Typing errors put right where the word meant is sure: one known word is near, and what was typed is no word.

Knows words only. Whoever makes a `Speller` says which words are known (what can be asked for, what captions and places
say) and whether a text's word is one that an encoder knows as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from dar_tui.language.rules.kinds import WORDS
from dar_tui.language.rules.words import ADJECTIVES, COLOURS, FUNCTION_WORDS, NUMBERS, listed, stem, words

# Of three letters everything is near everything.
_LEAST = 4
# Two errors are made in long words; in short ones two make another word.
_LONG = 7
# Slips of the fingers that are too short to be sure of by their letters.
_SLIPS = {"teh": "the", "hte": "the", "adn": "and", "nad": "and", "wth": "with", "wiht": "with", "taht": "that"}
# Everyday words that nothing else here lists: what is done, seen and held in photos.
_COMMON = listed(
    "running walking sitting standing jumping playing riding swimming climbing dancing eating cooking reading "
    "talking smiling laughing sleeping hugging posing looking throwing swinging sliding digging working painting "
    "fishing hiking camping wearing holding carrying drinking crying singing kissing driving flying skiing "
    "surfing birthday wedding party christmas holiday summer winter spring autumn yesterday picture photo photos "
    "pictures beautiful together mountains flowers flower tree trees grass water snow sunset sunrise rainbow "
    "cloud clouds leaves rocks sand waves waterfall fountain fence bridge window stairs statue umbrella balloon "
    "balloons candle candles frisbee ball stick saddle collar leash bicycle camera phone table bottle glass "
    "glasses sunglasses backpack costume beard children people baby little small large young black white brown "
    "yellow green orange purple between behind beside front under above near without something someone friends "
    "brother sister parents garden kitchen bedroom restaurant building church castle lighthouse harbour island "
    "forest beach street market museum airport station stadium snowboard skateboard motorcycle helicopter "
    "aeroplane sandcastle playground trampoline ice cream"
)
EVERYDAY = WORDS | _COMMON | ADJECTIVES | COLOURS | FUNCTION_WORDS | frozenset(NUMBERS)


@dataclass(frozen=True)
class Corrected:
    """A text with its typing errors put right, and each (as typed, as read)."""

    text: str
    changes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Speller:
    """Puts typing errors right by the words in `known`; a word for which `is_word` holds is left alone."""

    is_word: Callable[[str], bool]
    known: frozenset[str] = EVERYDAY
    _near: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _stems(self) -> frozenset[str]:
        return frozenset(map(stem, self.known))

    @classmethod
    def of(cls, texts: Iterable[str], is_word: Callable[[str], bool]) -> Speller:
        """One that knows the everyday words and those of `texts`."""
        return cls(is_word, EVERYDAY | {word.key for text in texts for word in words(text) if word.key.isalpha()})

    def corrected(self, text: str) -> Corrected:
        """The text with every error put right of which the right word is sure. Names, with their capitals, are kept."""
        changes = []
        for at, word in reversed(list(enumerate(words(text)))):
            key = word.key
            if slip := _SLIPS.get(word.text):
                changes.append((word.text, slip))
                text = f"{text[: word.start]}{slip}{text[word.end :]}"
                continue
            if len(key) < _LEAST or not key.isascii() or not key.isalpha() or (word.text != key and at > 0):
                continue
            if key in self.known or stem(key) in self._stems or self.is_word(key):
                continue
            if right := self._nearest(key):
                right = right.capitalize() if word.text[0].isupper() else right
                changes.append((word.text, right))
                text = f"{text[: word.start]}{right}{text[word.end :]}"
        return Corrected(text, tuple(reversed(changes)))

    def _nearest(self, word: str) -> str:
        """The one known word within one error, or two of a long one; "" where there is none or several."""
        if word not in self._near:
            if len(self._near) > 500:
                self._near.clear()
            self._near[word] = self._search(word)
        return self._near[word]

    def _search(self, word: str) -> str:
        most = 2 if len(word) >= _LONG else 1
        # The first letter is seldom wrong, and a word of another length by more than the errors cannot be near.
        near = [
            (distance, known)
            for known in self.known
            if known[:1] == word[:1] and len(known) >= _LEAST - 1 and abs(len(known) - len(word)) <= most
            if (distance := _errors(word, known, most)) <= most
        ]
        if not near:
            return ""
        least = min(distance for distance, _ in near)
        best = sorted((known for distance, known in near if distance == least), key=lambda known: (len(known), known))
        # "dogg" is near "dog" and "dogs": one word, said plainly.
        return best[0] if len({stem(known) for known in best}) == 1 else ""


def _errors(one: str, other: str, most: int) -> int:
    """Letters to add, drop, change or swap with their neighbour (optimal string alignment); above `most` any number."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        older, before, row = before, row, [at]
        for to, wanted in enumerate(other, 1):
            cost = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == wanted:
                cost = min(cost, older[to - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
