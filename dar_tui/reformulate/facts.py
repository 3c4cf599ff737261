"""Whether a text written by a language model still says what the user said: no fact lost, none added, no reject back.

Compares words, not meanings: a synonym counts as one fact lost and one added. That errs on the safe side, since rules
write the text instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dar_tui.dialogue.need import Need
from dar_tui.language.rules.words import COLOURS, NUMBERS, content, listed, mentions, stem, words

_EXACT = frozenset(stem(word) for word in COLOURS | frozenset(NUMBERS))
# Words by which a caption or prompt speaks of itself; they are no facts about the scene.
_ABOUT_PICTURES = frozenset(
    stem(word)
    for word in listed(
        "photo photograph photography picture image shot snapshot view scene depict depicting show showing featuring "
        "feature capture captured style photorealistic realistic detailed candid natural crisp sharp focus high "
        "quality "
        "resolution wide angle close medium full setting background foreground lens 35mm 50mm 4k 8k hd dslr camera "
        "composition subject framing framed vivid casual amateur authentic plain everyday visible present where "
        "who whose"
    )
)
_DENIALS = listed("no not without never none nobody nothing neither nor isn't aren't doesn't don't cannot lacking")


@dataclass(frozen=True)
class FactCheck:
    """What a text lost of the wants, added to them, and mentions although it is rejected; words as stems."""

    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    denies: bool = False

    @property
    def exact_changed(self) -> tuple[str, ...]:
        """The numbers and colours among what was lost or added."""
        return tuple(word for word in (*self.lost, *self.added) if word in _EXACT)


def check(text: str, wants: Iterable[str], need: Need) -> FactCheck:
    """Compares `text` with the wants it was to put in words."""
    facts = _facts(" , ".join(wants))
    said = _facts(text)
    return FactCheck(
        lost=tuple(word for word in facts if word not in said),
        added=tuple(word for word in said if word not in facts),
        rejected=tuple(reject for reject in need.rejects if mentions(text, reject)),
        denies=any(word.key.replace("\u2019", "'") in _DENIALS for word in words(text)),
    )


def _facts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in content(text) if word not in _ABOUT_PICTURES))
