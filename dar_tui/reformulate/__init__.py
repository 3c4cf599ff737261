"""The dialogue into query text (R1) and prompts for the generator (R2): what a reformulator is, and the one by rules.

- `query`: R1 by rules, in three steps: summarise, structure, write
- `prompts`: R2 by rules
- `language_model`: both by a language model, used only where a fact check finds nothing lost and nothing invented

May import dialogue, language, `dar_tui.cancellation` and `indexer`; not imagine, fusion, questions or session. Knows no
vectors and no photos. Importing it loads no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from dar_tui.cancellation import Cancelled, never
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.reformulate.prompts import prompts
from dar_tui.reformulate.query import WORD_BUDGET, QueryStrategy, QueryText, query_text, structure, summarise, write

__all__ = [
    "WORD_BUDGET",
    "QueryStrategy",
    "QueryText",
    "Reformulation",
    "Reformulator",
    "RuleReformulator",
    "prompts",
    "query_text",
    "structure",
    "summarise",
    "write",
]


@dataclass(frozen=True)
class Reformulation:
    """One turn's S_t and P_t1..P_tK, the Need they were written from, and notes for the user (one line each)."""

    need: Need
    query: QueryText
    prompts: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Reformulator(Protocol):
    """Turns the dialogue into query text (R1) and diffusion prompts (R2)."""

    def drafts(
        self, dialogue: Dialogue, k: int = 3, seed: int = 0, cancelled: Cancelled = never
    ) -> Iterator[Reformulation]:
        """S_t and `k` prompts for the dialogue so far; the same for the same seed.

        The first is there at once and need not have prompts; each later one is better and replaces it. None follows
        once `cancelled()`.
        """
        ...


@dataclass(frozen=True)
class RuleReformulator:
    """Reformulates by rules."""

    strategy: QueryStrategy = QueryStrategy.STATEMENTS
    word_budget: int = WORD_BUDGET

    def reformulate(self, dialogue: Dialogue, k: int = 3, seed: int = 0) -> Reformulation:
        """S_t and `k` prompts; no model is asked and nothing can fail but a nonsensical `k`."""
        need = dialogue.need()
        query = query_text(dialogue, self.strategy, self.word_budget)
        return Reformulation(need, query, tuple(prompts(need, k, seed)))

    def drafts(
        self, dialogue: Dialogue, k: int = 3, seed: int = 0, cancelled: Cancelled = never
    ) -> Iterator[Reformulation]:
        """The one there is."""
        yield self.reformulate(dialogue, k, seed)
