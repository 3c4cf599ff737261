"""R1, S_t = R1(C_t): what is wanted, as text for the encoder. Three steps: summarise, structure, write.

Uses wants only. "No cat" would be read as cat by encoders, so rejects never become text. Knows no language model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.language.rules.words import FUNCTION_WORDS, content, words

# BLIP's text tower reads 35 tokens of a caption and CLIP's 77. English takes about 1.3 tokens a word, so 48 words fit
# CLIP.
WORD_BUDGET = 48


class QueryStrategy(StrEnum):
    """How the wants become query text."""

    JOINED = "joined"
    """All statements in one text, joined by ", ": ChatIR's way."""
    REWRITE = "rewrite"
    """One concise caption without repeats, S_t: the paper's way."""
    STATEMENTS = "statements"
    """Each statement encoded alone, the vectors averaged: best in our measurements."""


@dataclass(frozen=True)
class QueryText:
    """The texts to encode and what each weighs in the mean vector; `weights` sum to 1. No texts: nothing is wanted
    yet."""

    strategy: QueryStrategy
    texts: tuple[str, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Outline:
    """The wants with D0 and the later elaborations apart, each fact once."""

    subject: tuple[str, ...]
    details: tuple[str, ...]


def query_text(
    dialogue: Dialogue,
    strategy: QueryStrategy = QueryStrategy.STATEMENTS,
    word_budget: int = WORD_BUDGET,
) -> QueryText:
    """R1 by rules: the dialogue's query under a strategy. `word_budget` bounds `rewrite` alone."""
    need = summarise(dialogue)
    if strategy is QueryStrategy.STATEMENTS:
        return weighted(strategy, need.wants)
    is_joined = strategy is QueryStrategy.JOINED
    joined = safely_joined(need.wants) if is_joined else write(structure(need), word_budget)
    return weighted(strategy, (joined,) if joined else ())


def summarise(dialogue: Dialogue) -> Need:
    """Step (a): the dialogue summarised into what is wanted, rejected and unknown."""
    return dialogue.need()


def structure(need: Need) -> Outline:
    """Step (b): D0 and the elaborations apart, and what another statement states already left out.

    Of two statements with the same facts the later stays, unless it elaborates on nothing D0 did not say.
    """
    wants = need.wants
    facts = [set(content(text)) for text in wants]
    kept = []
    for at, fact in enumerate(facts):
        # A statement without English words has no facts to compare: only its very repetition is left out.
        within = any(fact <= other for other in facts[:at]) or any(fact < other for other in facts[at + 1 :])
        if not fact or not within:
            kept.append(at)
    first = len(need.subject)
    return Outline(tuple(wants[at] for at in kept if at < first), tuple(wants[at] for at in kept if at >= first))


def write(outline: Outline, word_budget: int = WORD_BUDGET) -> str:
    """Step (c): one refined query, a caption of at most `word_budget` words.

    The newest fact is never given up for an older one: room goes to the newest detail, then D0, then the other details
    from new to old. What does not fit is first stripped of its small words, then of its end.
    """
    return safely_joined(fitting(outline, word_budget))


def fitting(outline: Outline, word_budget: int) -> tuple[str, ...]:
    """The statements of the outline that a budget of words holds, shortened where they must be, in their order."""
    details = list(enumerate(outline.details, len(outline.subject)))
    by_claim = [*details[-1:], *enumerate(outline.subject), *reversed(details[:-1])]
    room = word_budget
    kept: dict[int, str] = {}
    for at, text in by_claim:
        text = _shortened(text, room)
        if text:
            kept[at] = text
            room -= _length(text)
    return tuple(kept[at] for at in sorted(kept))


def safely_joined(statements: Iterable[str]) -> str:
    """The statements as one text. The commas matter: no rejected phrase can arise across one."""
    return ", ".join(statements)


def weighted(strategy: QueryStrategy, texts: tuple[str, ...]) -> QueryText:
    """The texts with equal weights."""
    return QueryText(strategy, texts, tuple(1 / len(texts) for _ in texts))


def _shortened(text: str, room: int) -> str:
    if _length(text) <= room:
        return text
    found = words(text)
    if room <= 0 or not found:
        return text[: 8 * max(room, 0)]  # Signs and unspaced scripts: about eight characters stand for a word.
    # Only small words at a fact's edge go before facts do: taken from within, two facts could run into one that is
    # rejected.
    spoken = [at for at, word in enumerate(found) if word.key not in FUNCTION_WORDS]
    first, last = (spoken[0], spoken[-1]) if spoken else (0, len(found) - 1)
    end = min(last, first + room - 1)
    while end > first and found[end].key in FUNCTION_WORDS:
        end -= 1
    return text[found[first].start : found[end].end][: 12 * room]


def _length(text: str) -> int:
    # Scripts without spaces put many words into one run of letters.
    return max(len(words(text)), len(text) // 12, 1 if text else 0)
