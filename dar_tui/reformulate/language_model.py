"""R1 and R2 by a language model, checked: what it loses or invents is not used, and rules write the text instead.

Knows the prompts put to the model, how to read its answers, and how to check that a text still says what the user said:
no fact lost, none added, no reject back. The check compares words, not meanings: a synonym counts as one fact lost and
one added. That errs on the safe side, since rules write the text instead. Does not know which model it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from dar_tui.cancellation import Cancelled, Stopped, never
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.language import LanguageModel
from dar_tui.language.rules.words import COLOURS, NUMBERS, content, listed, mentions, stem, tidy, words
from dar_tui.reformulate import Reformulation
from dar_tui.reformulate.prompts import prompts as prompts_by_rules
from dar_tui.reformulate.query import WORD_BUDGET, Outline, QueryStrategy, QueryText, query_text, structure, weighted
from indexer.errors import DarError

# The steps and the sentence in quotes are the paper's (Long et al., SIGIR 2025, "Dialogue reformulation").
_R1_SYSTEM = """You rewrite a dialogue about a photo into one search query.
(a) Summarise the dialogue.
(b) Structure it so that the first description and the later elaborations stay apart.
(c) Write one refined query in the style of an image caption.
The reconstructed [New Query] should be concise and in an appropriate format to retrieve a target image from a pool of \
candidate images.
Use every fact given. Add no fact. Keep numbers and colours. Never say what is not in the photo.
Answer with one line: New Query: <query>"""
_R2_SYSTEM = """You write prompts for a text-to-image model from a search query.
(a) Fill this template with primary subject, setting and key details:
[Adjective] [Primary Subject] in [Setting], [Key Details]. Style: photorealistic.
(b) Vary wording, modifiers and details so that the prompts differ.
(c) Adapt them to the style of a diffusion model.
Add no things, people, colours or numbers. Never say what is not in the photo.
Answer with one prompt on each line, numbered."""
# A query of 48 words is some 65 tokens; a prompt some 80. Small models that run on are cut here.
_QUERY_TOKENS = 120
_PROMPT_TOKENS = 110
# The template asks for adjectives and modifiers; more new words than these are an invented scene.
_MOST_MODIFIERS = 3
# So that a note stays one line.
_WORDS_SHOWN = 4

# Puts system, user and the most tokens to the model.
_Ask = Callable[[str, str, int], str]

_QUERY_LABEL = re.compile(r"\**\[?(?:new|refined|final|search)?\s*query\]?\**\s*[:=]\**\s*(?P<query>.+)", re.IGNORECASE)
_NUMBERED = re.compile(
    r"\s*(?:[-*\u2022]|\(?\d{1,2}[.):]|(?:\*\*)?prompt\s*\d*\s*[:.)](?:\*\*)?)\s*(?P<prompt>.+)", re.IGNORECASE
)
_THINKING = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL | re.IGNORECASE)
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
_QUOTES = " \t\"'`*\u201c\u201d\u2018\u2019[]<>"


@dataclass(frozen=True)
class LanguageReformulator:
    """Reformulates with `model` and falls back to rules, with a note, wherever its text fails the fact check.

    `joined` and `statements` put the user's own words, so there the model writes the prompts alone.
    """

    model: LanguageModel
    strategy: QueryStrategy = QueryStrategy.REWRITE
    word_budget: int = WORD_BUDGET

    def drafts(
        self, dialogue: Dialogue, k: int = 3, seed: int = 0, cancelled: Cancelled = never
    ) -> Iterator[Reformulation]:
        """The rules' query at once, without prompts; then the model's query and prompts, unless `cancelled()`."""
        need = dialogue.need()
        yield Reformulation(need, query_text(dialogue, self.strategy, self.word_budget), ())
        try:
            written = self.reformulate(dialogue, k, seed, cancelled)
        except Stopped:
            return
        yield written

    def reformulate(self, dialogue: Dialogue, k: int = 3, seed: int = 0, cancelled: Cancelled = never) -> Reformulation:
        """R1 and R2 for the dialogue so far; rules write what the model cannot. Raises Stopped: `cancelled()`."""
        ask = partial(self.model.complete, cancelled=cancelled)
        need = dialogue.need()
        by_rules = query_text(dialogue, self.strategy, self.word_budget)
        fallback = prompts_by_rules(need, k, seed)
        if not need.wants:
            return Reformulation(need, by_rules, tuple(fallback), ())
        notes: list[str] = []
        outline = structure(need)
        query = by_rules
        if self.strategy is QueryStrategy.REWRITE:
            query = self._query(ask, need, outline, notes) or by_rules
        found = self._prompts(ask, need, outline, k, notes) if k else []
        filled = [*found, *(prompt for prompt in fallback if prompt not in found)][:k]
        return Reformulation(need, query, tuple(filled), tuple(notes))

    def _query(self, ask: _Ask, need: Need, outline: Outline, notes: list[str]) -> QueryText | None:
        answer = _answer(ask, _R1_SYSTEM, _put(outline), _QUERY_TOKENS, notes)
        if answer is None:
            return None
        text = parse_query(answer)
        fault = self._query_fault(text, need, outline)
        if fault:
            notes.append(f"Query written by rules: the language model {fault}.")
            return None
        return weighted(QueryStrategy.REWRITE, (text,))

    def _query_fault(self, text: str, need: Need, outline: Outline) -> str:
        if not text:
            return "gave no query"
        if len(words(text)) > self.word_budget:
            return "wrote too much"
        found = check(text, (*outline.subject, *outline.details), need)
        return _denied(found) or _fault("lost", found.lost) or _fault("added", found.added)

    def _prompts(self, ask: _Ask, need: Need, outline: Outline, k: int, notes: list[str]) -> list[str]:
        user = f"Query: {', '.join((*outline.subject, *outline.details))}\nWrite {k} prompts."
        answer = _answer(ask, _R2_SYSTEM, user, _PROMPT_TOKENS * k, notes)
        if answer is None:
            return []
        found = list(dict.fromkeys(parse_prompts(answer)))
        faults = [fault for fault in (_prompt_fault(text, need, outline) for text in found[:k]) if fault]
        good = [text for text in found[:k] if not _prompt_fault(text, need, outline)]
        if len(good) < k:
            reason = faults[0] if faults else "gave too few"
            notes.append(f"{k - len(good)} of {k} prompts written by rules: the language model {reason}.")
        return good


def _answer(ask: _Ask, system: str, user: str, max_tokens: int, notes: list[str]) -> str | None:
    try:
        return ask(system, user, max_tokens)
    except Stopped:
        raise
    except (DarError, OSError, RuntimeError, ValueError) as error:
        # A timeout is an OSError; model libraries raise the others. The turn continues without the model.
        reason = error.message if isinstance(error, DarError) else str(error) or type(error).__name__
        note = f"The language model failed, so rules were used: {_one_line(reason)}"
        if note not in notes:
            notes.append(note)
        return None


def parse_query(answer: str) -> str:
    """The query in a model's answer: after "New Query:" if it has that, else its one line; "" where there is none."""
    lines = [line.strip() for line in _THINKING.sub("", answer).splitlines() if line.strip()]
    labelled = [match["query"] for line in lines if (match := _QUERY_LABEL.search(line))]
    # A label alone on its line has its query on the next.
    for at, line in enumerate(lines[:-1]):
        if re.fullmatch(r"\**\[?(?:new|refined) query\]?\**\s*:?\**", line, re.IGNORECASE):
            labelled.append(lines[at + 1])
    text = labelled[-1] if labelled else lines[0] if len(lines) == 1 else ""
    return tidy(text.strip(_QUOTES))


def parse_prompts(answer: str) -> list[str]:
    """The prompts in a model's answer: its numbered or bulleted lines, else its lines."""
    lines = [line.strip() for line in _THINKING.sub("", answer).splitlines() if line.strip()]
    numbered = [match["prompt"] for line in lines if (match := _NUMBERED.fullmatch(line))]
    found = (text.strip(_QUOTES) for text in numbered or lines)
    return [text for text in found if len(words(text)) > 1]


def _put(outline: Outline) -> str:
    elaborations = "\n".join(f"- {text}" for text in outline.details) or "- none"
    return f"First description: {', '.join(outline.subject) or 'none'}\nElaborations:\n{elaborations}"


def _prompt_fault(text: str, need: Need, outline: Outline) -> str:
    """R2 may choose among details and add modifiers; the subject and the newest fact it must keep."""
    kept = (*(outline.subject or outline.details[:1]), *outline.details[-1:])
    needed = check(text, kept, need)
    everything = check(text, (*outline.subject, *outline.details), need)
    exact = tuple(word for word in everything.added if word in everything.exact_changed)
    invented = everything.added if len(everything.added) > _MOST_MODIFIERS else exact
    return _denied(everything) or _fault("lost", needed.lost) or _fault("added", invented)


def _denied(found: FactCheck) -> str:
    if found.rejected:
        return f"brought back {_listed(found.rejected)}"
    return "wrote what is not there" if found.denies else ""


def _fault(verb: str, facts: tuple[str, ...] | list[str]) -> str:
    return f"{verb} {_listed(facts)}" if facts else ""


def _listed(facts: tuple[str, ...] | list[str]) -> str:
    more = ", ..." if len(facts) > _WORDS_SHOWN else ""
    return ", ".join(repr(fact) for fact in facts[:_WORDS_SHOWN]) + more


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]


# The fact check


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
    stated = _facts(text)
    return FactCheck(
        lost=tuple(word for word in facts if word not in stated),
        added=tuple(word for word in stated if word not in facts),
        rejected=tuple(reject for reject in need.rejects if mentions(text, reject)),
        denies=any(word.key.replace("\u2019", "'") in _DENIALS for word in words(text)),
    )


def _facts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in content(text) if word not in _ABOUT_PICTURES))
