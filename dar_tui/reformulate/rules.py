"""R1 and R2 by rules alone: the reformulator that needs no model, and what any reformulator gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.language.stopping import Cancelled, never
from dar_tui.reformulate.prompts import prompts
from dar_tui.reformulate.query import WORD_BUDGET, QueryStrategy, QueryText, query_text


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
        """S_t and `k` prompts for the dialogue as it stands; the same for the same seed.

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
