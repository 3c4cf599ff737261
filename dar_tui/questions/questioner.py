"""Questions grounded in the current candidates: the bank, the encoder's view of it and the library, put together.

Three parts: the candidates (the best few hundred photos, how likely each is the one, and the library behind them), how
a language model may word a chosen question, and the questioner. Loads and encodes nothing before the first question.
What is worth asking is `selection`'s business; what becomes of answers is `dar_tui.dialogue.need`'s.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dar_tui.cancellation import Cancelled, Stopped, never
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.fusion.finding import Filters, find
from dar_tui.language import LanguageModel
from dar_tui.language.rules.words import content, words
from dar_tui.questions.bank import Attribute, BankVectors, Slot, bank_vectors, load_bank, load_slots
from dar_tui.questions.selection import (
    Proposal,
    open_attributes,
    open_slots,
    photo_question,
    place_question,
    probabilities,
    proposed,
    ranked,
    unanswerable_topics,
    year_question,
)
from indexer.encoders import JOINT, Encoder
from indexer.errors import DarError
from indexer.library import Library
from indexer.printable import stripped
from indexer.search.ranking import Query

logger = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
Weights = NDArray[np.float64]

# "The top few hundred": of 1,000 photos the right one is nearly always among these.
SIZE = 300
# Photos seen at once, where nobody says how many.
PAGE = 10
# As many captions as a small language model keeps apart in one prompt.
_CAPTIONS = 5
# Mean and deviation of a contrast over 2,000 photos are known to 2 %.
SAMPLE = 2000
# How much likelier the photo is for each standard deviation of score among the candidates: e to this power. About what
# Recall@1 of 25 and Recall@10 of 70 in METHOD say of a candidate's chances by rank.
_SHARPNESS = 1.5

# Of the photos on screen, those between which a user may be asked to choose.
_COMPARED = 12

_SYSTEM = """You help someone find a photo they remember. Ask them one short question about the photo.
Ask only whether it shows the thing named. It must be answerable with yes or no.
Answer with the question alone, on one line."""
_TOKENS = 40
# Longer is no question to answer with a key.
_MOST_WORDS = 14
# "Not" turns the answer round, and "or" offers two where a yes is to mean one thing.
_MISLEADING = frozenset({"not", "no", "without", "isn't", "aren't", "don't", "or"})
# What a model is given as shown by most candidates.
_COMMON = 5
_MOSTLY = 0.6


class Policy(StrEnum):
    """Which questions are put."""

    YES_NO = "yes-no"
    """Those answered by yes or no alone."""
    OPEN = "open"
    """Those answered in words first, then those answered by yes or no. The app's: see docs/results.md."""


class Questioner(Protocol):
    """Proposes questions."""

    def propose(
        self,
        dialogue: Dialogue,
        need: Need,
        query: Query,
        filters: Filters,
        cancelled: Cancelled = never,
        *,
        page: int = PAGE,
        shown: Sequence[int] = (),
    ) -> list[Proposal]:
        """Questions worth asking of the photos that the query ranks, best first; [] where the next page is worth more.

        `page`: photos seen at once. `shown`: those on screen, in their order; a question may be which of two is nearer.
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
    """Asks what separates the candidates best; `model`, if given, puts the best question in its own words.

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
        self,
        dialogue: Dialogue,
        need: Need,
        query: Query,
        filters: Filters,
        cancelled: Cancelled = never,
        *,
        page: int = PAGE,
        shown: Sequence[int] = (),
    ) -> list[Proposal]:
        """Questions worth asking, best first. Raises DarError where the library cannot be read."""
        # 1. The candidates, and the chance that each is the photo.
        found = candidates(self._library, query, filters)
        if found is None:
            return []
        # 2. The chance that each shows each attribute.
        known = self._bank()
        shows = probabilities(known.bank, known.vectors, found.vectors, known.background)
        # 3. What may still be asked, ordered by what its answer is worth.
        unanswerable = unanswerable_topics(known.slots, need)
        allowed = open_attributes(known.bank, known.vectors.meanings, need, dialogue.questions, unanswerable)
        slots = open_slots(known.slots, known.bank, need, dialogue.questions)
        offered = frozenset(example for question in dialogue.questions for example in question.examples)
        in_words = proposed(slots, known.bank, allowed, found.weights, shows, page, offered)
        by_number = ranked(known.bank, allowed, found.weights, shows, page)
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
        year = year_question(found.taken_at, found.weights, need, dialogue.questions, page)
        place = place_question(found.cities, found.weights, need, dialogue.questions, page)
        if place is not None and self._policy is Policy.OPEN:
            in_words = sorted([*in_words, place], key=lambda proposal: -proposal.saved)
        pair = None if in_words else self._pair(known, found, shown, dialogue, page)
        others = [*by_yes, *([year] if year else []), *([pair] if pair else [])]
        # Words first, whatever they spare: of the answers by yes or no most cannot be given. Over 1,000 dialogues about
        # development photos five questions moved the mean log rank by -0.03 so, by -0.14 in words (docs/results.md).
        return [*in_words, *sorted(others, key=lambda proposal: -proposal.saved)]

    def _pair(
        self, known: _Known, found: Candidates, shown: Sequence[int], dialogue: Dialogue, page: int
    ) -> Proposal | None:
        if self._policy is not Policy.OPEN or len(shown) < 2:
            return None
        shown = shown[:_COMPARED]
        vectors = self._library.vectors(shown, JOINT)
        there = vectors @ known.background.T
        deviation = np.maximum(there.std(axis=1, keepdims=True), 1e-9)
        near = (vectors @ found.vectors.T - there.mean(axis=1, keepdims=True)) / deviation
        names = [str(image) for image in shown]
        return photo_question(range(1, len(shown) + 1), names, near, found.weights, dialogue.questions, page)

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


# The candidates


@dataclass(frozen=True, eq=False)
class Candidates:
    """n photos, best first: `vectors` (n, dim) joint, `weights` (n,) the chance that each is the one, adding to 1.

    `captions`: those of the best ones that have a caption, best first.
    """

    ids: tuple[int, ...]
    vectors: Vectors
    weights: Weights
    taken_at: tuple[datetime | None, ...]
    cities: tuple[str, ...]
    captions: tuple[str, ...] = ()


def candidates(library: Library, query: Query, filters: Filters, size: int = SIZE) -> Candidates | None:
    """The best photos under the query and the filters; None where there are fewer than two to choose from."""
    # Copies stay apart: folding hundreds takes far longer than all else here, and who has the photo has its copies.
    hits = find(library, query, size, filters, fold=False).hits
    if len(hits) < 2:
        return None
    ids = tuple(hit.image_id for hit in hits)
    scores = np.array([hit.score for hit in hits], np.float64)
    weights = chances(scores) if query.scorer is None else posterior(scores)
    cities = tuple(stripped(hit.city) for hit in hits)
    captions = tuple(stripped(hit.caption) for hit in hits if hit.caption)[:_CAPTIONS]
    return Candidates(ids, library.vectors(ids, JOINT), weights, tuple(hit.taken_at for hit in hits), cities, captions)


def chances(scores: NDArray[np.float64]) -> Weights:
    """Scores, on any scale, to the chance that each photo is the one: a softmax of the standardised scores."""
    deviation = float(scores.std())
    if deviation <= 1e-9:
        return np.full(len(scores), 1 / len(scores))
    exponents = _SHARPNESS * (scores - scores.max()) / deviation
    raw = np.exp(exponents)
    return np.asarray(raw / raw.sum(), np.float64)


def posterior(nats: NDArray[np.float64]) -> Weights:
    """Log likelihoods to the chance that each photo is the one."""
    raw = np.exp(nats - nats.max())
    return np.asarray(raw / raw.sum(), np.float64)


def sample(library: Library, size: int = SAMPLE, seed: int = 0) -> Vectors:
    """The (n, dim) joint vectors of `size` photos picked at random; all of a library that has no more."""
    return library.vectors(library.sample(size, seed), JOINT)


# A language model's wording, which is not believed unless it asks what was chosen


def worded(
    model: LanguageModel,
    attribute: Attribute,
    wants: Sequence[str],
    common: Sequence[str],
    captions: Sequence[str] = (),
    cancelled: Cancelled = never,
) -> str:
    """The model's question for this attribute; "" where it fails or is cancelled, or asks something else.

    `wants`: what the user said. `common`: what most candidates show. `captions`: descriptions of the best ones.
    """
    if attribute.choices:
        return ""
    described = f"The best of them: {'; '.join(captions)}\n" if captions else ""
    user = (
        f"They said: {', '.join(wants) or 'nothing yet'}\n"
        f"The photos found mostly show: {', '.join(common) or 'many things'}\n"
        f"{described}"
        f"Ask whether it shows: {attribute.statement}"
    )
    try:
        answer = model.complete(_SYSTEM, user, _TOKENS, cancelled=cancelled)
    except Stopped:
        return ""
    except (DarError, OSError, RuntimeError, ValueError) as error:
        logger.warning("The language model wrote no question: %s", error)
        return ""
    lines = [line.strip(" \t\"'*-") for line in answer.splitlines() if line.strip()]
    question = lines[0] if len(lines) == 1 else ""
    return question if _asks(question, attribute) else ""


def _asks(question: str, attribute: Attribute) -> bool:
    found = words(question)
    facts = set(content(attribute.statement)) | set(content(attribute.question))
    asked = set(content(question))
    about = set(content(attribute.statement)) <= asked or asked == set(content(attribute.question))
    return (
        bool(re.fullmatch(r"[^?]+\?", question))
        and 0 < len(found) <= _MOST_WORDS
        and about
        and len(asked - facts) <= 2
        and not any(word.key in _MISLEADING for word in found)
    )
