"""What is said in each dialogue of a benchmark, turn after turn, as query texts and as something to imagine.

The same R1 and R2 as in the app; only ChatIR's own way of joining is raw. Knows no vectors and no photos.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.turn import Question
from dar_tui.reformulate import QueryStrategy, Reformulator, RuleReformulator, prompts, query_text

# Any moment: benchmarks hold no dates, but a message has a time.
AT = datetime(2026, 1, 1)


@dataclass(frozen=True)
class Wording:
    """What is encoded for one turn: texts whose vectors are averaged, and what the photo does not show."""

    texts: tuple[str, ...]
    rejects: tuple[str, ...] = ()


@dataclass(frozen=True)
class TurnWords:
    """One turn: its wording under each query strategy, and what pictures are drawn from."""

    wordings: Mapping[QueryStrategy, Wording]
    wants: tuple[str, ...]
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One dialogue. `number` is its place in the file, `row` its photo's place in the corpus.

    `joined`: ChatIR's texts, joined raw; else statements of one user, who was asked nothing. `rewrites`: another's
    queries, one for each turn, used for `rewrite` and to imagine from.
    """

    number: int
    target: str
    row: int
    texts: tuple[str, ...]
    is_chat: bool = False
    rewrites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Writer:
    """Puts cases into words. `reformulator` writes `rewrite` where a file does not; `pictures` prompts a turn (K)."""

    strategies: tuple[QueryStrategy, ...]
    pictures: int = 0
    seed: int = 0
    reformulator: Reformulator = field(default_factory=lambda: RuleReformulator(QueryStrategy.REWRITE))

    def words(self, case: Case) -> list[TurnWords]:
        """Every turn of the case."""
        found = []
        dialogue = Dialogue()
        for turn, text in enumerate(case.texts):
            dialogue = _heard(dialogue, text, answers=case.is_chat and turn > 0)
            found.append(self._turn(case, turn, dialogue))
        return found

    def _turn(self, case: Case, turn: int, dialogue: Dialogue) -> TurnWords:
        seed = seed_of(self.seed, case.number, turn)
        rewritten = Dialogue().said(case.rewrites[turn], AT) if case.rewrites else None
        need = (rewritten or dialogue).need()
        asked = tuple(prompts(need, self.pictures, seed)) if self.pictures and need.wants else ()
        wordings: dict[QueryStrategy, Wording] = {}
        for strategy in self.strategies:
            if strategy is QueryStrategy.JOINED and case.is_chat:
                wordings[strategy] = Wording((", ".join(case.texts[: turn + 1]),))
            elif strategy is QueryStrategy.REWRITE and case.rewrites:
                wordings[strategy] = Wording((case.rewrites[turn],))
            elif strategy is QueryStrategy.REWRITE:
                *_, said = self.reformulator.drafts(dialogue, self.pictures, seed)
                wordings[strategy] = Wording(said.query.texts, said.need.rejects)
                asked = said.prompts or asked
            else:
                wordings[strategy] = Wording(query_text(dialogue, strategy).texts, dialogue.need().rejects)
        return TurnWords(wordings, need.wants, asked)


def seed_of(seed: int, *place: int) -> int:
    """The same for the same seed and place, unlike that of any other."""
    return int.from_bytes(hashlib.sha256(repr((seed, *place)).encode()).digest()[:4], "big")


def split_answer(text: str) -> tuple[str, str]:
    """ChatIR's "question? answer" as (question, answer); ("", text) where there is no question."""
    question, mark, answer = text.partition("?")
    return (question.strip() + mark, answer.strip()) if mark and answer.strip() else ("", text)


def _heard(dialogue: Dialogue, text: str, *, answers: bool) -> Dialogue:
    question, said = split_answer(text) if answers else ("", text)
    if question:
        dialogue = dialogue.asked(Question(question))
    return dialogue.said(said, AT)
