"""Questions grounded in the current candidates: the bank, the encoder's view of it and the library, put together.

Loads and encodes nothing before the first question. Does not know what becomes of answers (`dar_tui.dialogue.need`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.fusion.finding import Filters
from dar_tui.language import LanguageModel
from dar_tui.language.stopping import Cancelled, never
from dar_tui.questions.bank import Attribute, BankVectors, bank_vectors, load_bank
from dar_tui.questions.candidates import candidates, sample
from dar_tui.questions.selection import Proposal, open_attributes, probabilities, ranked, year_question
from dar_tui.questions.slots import Slot, load_slots, open_slots, proposed, untold_topics
from dar_tui.questions.wording import worded
from indexer.encoders import Encoder
from indexer.library import Library
from indexer.search.ranking import Query


class Policy(StrEnum):
    """Which questions are put."""

    YES_NO = "yes-no"
    """Those answered by yes or no alone."""
    OPEN = "open"
    """Those answered in words first, then those answered by yes or no. The app's: see docs/results.md."""


# What a model is told that most candidates show.
_COMMON = 5
_MOSTLY = 0.6


class Questioner(Protocol):
    """Proposes questions."""

    def propose(
        self, dialogue: Dialogue, need: Need, query: Query, filters: Filters, cancelled: Cancelled = never
    ) -> list[Proposal]:
        """Questions worth asking of the photos that the query ranks, best first; [] where none is.

        Worded without a model once `cancelled()`.
        """
        ...


@dataclass(frozen=True, eq=False)
class _Known:
    """The bank as encoder and library see it, at the library's number of rows."""

    bank: tuple[Attribute, ...]
    slots: tuple[Slot, ...]
    vectors: BankVectors
    background: NDArray[np.float32]
    rows: int


class GroundedQuestioner:
    """Asks what tells the candidates apart best; `model`, if given, puts the best question in its own words.

    `cache` is the folder that keeps the encoded bank.
    """

    def __init__(
        self,
        library: Library,
        encoder: Encoder,
        cache: Path,
        model: LanguageModel | None = None,
        policy: Policy = Policy.OPEN,
    ) -> None:
        self._library = library
        self._encoder = encoder
        self._cache = cache
        self._model = model
        self._policy = policy
        self._known: _Known | None = None
        self._lock = threading.Lock()

    def propose(
        self, dialogue: Dialogue, need: Need, query: Query, filters: Filters, cancelled: Cancelled = never
    ) -> list[Proposal]:
        """Questions worth asking, best first. Raises DarError where the library cannot be read."""
        # 1. The candidates, and the chance that each is the photo.
        found = candidates(self._library, query, filters)
        if found is None:
            return []
        # 2. The chance that each shows each attribute.
        known = self._bank()
        shows = probabilities(known.bank, known.vectors, found.vectors, known.background)
        # 3. What may still be asked, ordered by what its answer would tell.
        untold = untold_topics(known.slots, need)
        allowed = open_attributes(known.bank, known.vectors.meanings, need, dialogue.questions, untold)
        slots = open_slots(known.slots, known.bank, need, dialogue.questions)
        in_words = proposed(slots, known.bank, allowed, found.weights, shows)
        by_number = ranked(known.bank, allowed, found.weights, shows)
        by_yes = [proposal for _, proposal in by_number]
        # 4. The best in a model's words, if there is one and it asks just that. Questions answered in words stay as
        # they are.
        if self._model is not None and by_number and not in_words:
            number = by_number[0][0]
            means = shows @ found.weights
            common = [known.bank[at].statement for at in np.argsort(-means)[:_COMMON] if means[at] >= _MOSTLY]
            text = worded(self._model, known.bank[number], need.wants, common, found.captions, cancelled)
            if text:
                by_yes[0] = replace(by_yes[0], question=known.bank[number].put(text))
        # 5. The catalog's own facts.
        year = year_question(found.taken_at, found.weights, need, dialogue.questions)
        # Words first, whatever the bits: over 1,000 dialogues about development photos five answers in words moved the
        # mean log rank by -0.14, five by yes or no by -0.03, most of which nobody could give (docs/results.md).
        return [*in_words, *sorted([*by_yes, *([year] if year else [])], key=lambda proposal: -proposal.bits)]

    def _bank(self) -> _Known:
        with self._lock:
            rows = self._library.encoder.rows if self._library.encoder else 0
            if self._known is None:
                bank = load_bank()
                slots = load_slots() if self._policy is Policy.OPEN else ()
                vectors = bank_vectors(bank, self._encoder, self._cache)
                self._known = _Known(bank, slots, vectors, sample(self._library), rows)
            elif rows > 2 * self._known.rows:
                # The library has doubled since the sample was drawn; before that the spread hardly moves.
                self._known = replace(self._known, background=sample(self._library), rows=rows)
            return self._known
