"""The page of photos for what is known now (evidence -> query -> page), and whether an answer would change it.

The same for the real dialogue and for one that is only assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.fusion.evidence import Gallery, QueryEncoder, SearchRequest, evidence
from dar_tui.fusion.finding import Filters, Found, Narrowing, filters_of, find, undated
from dar_tui.fusion.strategies import Strategy, adaptive, text_only
from dar_tui.language.rules.dates import not_a_stretch
from dar_tui.language.turn import Question
from dar_tui.language.understanding import not_understood
from dar_tui.questions.selection import Proposal
from dar_tui.reformulate import query_text
from dar_tui.session.events import Stage
from indexer.encoders import JOINT
from indexer.library import Library
from indexer.search.ranking import Query

# A question is put only if its answer is expected to bring a photo onto the first page in one of two such cases.
LEAST_CHANGE = 0.5
# How many proposals are tried for that, as many as there are questions answered in words; those further down are worth
# still less.
_TRIED = 5
# Photos picked at random that a photo's fit is compared with, to tell why it is shown.
_COMPARED = 500


@dataclass(frozen=True, eq=False)
class SearchSettings:
    """How a session searches: `page` photos of `library`, by one fusion strategy.

    `picture_weight`: None for the strategy's own.
    """

    library: Library
    encoder: QueryEncoder
    strategy: Strategy
    picture_weight: float | None
    page: int


@dataclass(frozen=True, eq=False)
class TurnContext:
    """All that decides the page: what is looked for, the dialogue, the generated images, what the user narrows to."""

    request: SearchRequest
    dialogue: Dialogue
    gallery: Gallery
    narrowing: Narrowing
    search: SearchSettings

    @property
    def stage(self) -> Stage:
        """FUSED once this turn has a generated image."""
        return Stage.FUSED if any(turn == self.request.turn for turn, _ in self.gallery) else Stage.TEXT

    def page(self, stage: Stage) -> Found:
        """The photos, best first. Raises DarError where the library cannot be searched."""
        found = find(self.search.library, self.query(stage), self.search.page, self.filters())
        if self.dialogue.by_date:
            newest_first = sorted(found.hits, key=lambda hit: hit.taken_at or datetime.min, reverse=True)
            found = replace(found, hits=tuple(newest_first))
        wants = self.request.need.wants
        return found.doubtful if wants and len(self.search.encoder.unread(wants)) == len(wants) else found

    def notes(self, found: Found, before: Need) -> tuple[str, ...]:
        """What is to be known of a page and was not when the need was `before`: text and dates that are not understood,
        filters that leave out all photos, or those without a date."""
        need, known = self.request.need, {*before.wants, *before.rejects}
        new = [text for text in (*need.wants, *need.rejects) if text not in known]
        without_date = undated(self.search.library, self.filters()) if need.when != before.when else ""
        left_out = found.note or (f'{without_date} "include photos without a date" shows them.' if without_date else "")
        stretches = not_a_stretch(new, self.dialogue.turns[-1].at)
        return tuple(note for note in (not_understood(self.search.encoder.unread(new)), stretches, left_out) if note)

    def query(self, stage: Stage) -> Query:
        """The query of a stage: the text's alone, or the strategy's."""
        strategy, library, encoder = self.search.strategy, self.search.library, self.search.encoder
        gated = strategy is adaptive and stage is Stage.FUSED
        known = evidence(self.request, self.dialogue, self.gallery, encoder, library, gated=gated)
        return text_only(known) if stage is Stage.TEXT else strategy(known, self.search.picture_weight)

    def filters(self) -> Filters:
        """What the need demands; photos unliked or ruled out are not shown again."""
        names = (*self.dialogue.unliked, *self.dialogue.ruled_out)
        refused = [int(name) for name in names if name.isdecimal()]
        return filters_of(self.search.library, self.request.need, refused, self.narrowing)

    def why(self, image_id: int) -> str:
        """What put this photo on the page, in words: how well each statement fits it, and what else speaks for it."""
        search, need = self.search, self.request.need
        found = search.library.photos([image_id])
        if not found:
            return "That photo is no longer in the library."
        texts = self.request.query.texts
        sample = search.library.vectors(search.library.sample(_COMPARED), JOINT)
        own = search.library.vectors([image_id], JOINT)[0]
        reasons = []
        for text, vector in zip(texts, search.encoder.texts(texts), strict=True):
            share = float(np.mean(sample @ vector < own @ vector))
            reasons.append(f'"{text}" fits it better than {share:.0%} of the photos')
        name = str(image_id)
        reasons += ["you liked it"] if name in self.dialogue.liked else []
        others = len(set(self.dialogue.liked) - {name})
        reasons += [f"it is compared with {others} you liked"] if others else []
        images = sum(turn == self.request.turn for turn, _ in self.gallery)
        reasons += [f"it is compared with {images} generated images"] if images else []
        taken = found[0].taken_at
        reasons += [f"it was taken on {taken:%Y-%m-%d}" for _ in need.when[:1] if taken]
        return f"{found[0].path.name}: {'; '.join(reasons) or 'nothing was described yet'}."

    def worthwhile(self, proposals: Sequence[Proposal]) -> Question | None:
        """The first proposal whose answer is expected to change the page; None: asking more is of no use."""
        page = self._ids()
        for proposal in proposals[:_TRIED]:
            change = sum(
                chance * len(self._answered(proposal.question, answer)._ids() - page)
                for answer, chance in proposal.answers
            )
            if change >= LEAST_CHANGE:
                return proposal.question
        return None

    def _answered(self, question: Question, answer: str) -> TurnContext:
        # Rules write the query: a language model would take seconds.
        at = self.dialogue.turns[-1].at
        then = self.dialogue.asked(question).said(answer, at)
        query = query_text(then, self.request.query.strategy)
        return replace(self, request=SearchRequest(self.request.turn, query, then.need()), dialogue=then)

    def _ids(self) -> set[int]:
        return {hit.image_id for hit in self.page(self.stage).hits}
