"""The first page of photos for what is known now, and whether an answer would change it.

Puts evidence, fusion and search together; the same for the real dialogue and for one that is only imagined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.dialogue.turn import Question
from dar_tui.fusion.evidence import Asking, Gallery, Reader, evidence
from dar_tui.fusion.finding import Filters, Found, Narrowing, filters_of, find, undated
from dar_tui.fusion.strategies import Strategy, adaptive, text_only
from dar_tui.language.rules.dates import not_a_stretch
from dar_tui.language.understanding import not_understood
from dar_tui.questions.selection import Proposal
from dar_tui.reformulate import query_text
from dar_tui.session.events import Stage
from indexer.library import Library
from indexer.search.ranking import Query

# A question is put only if its answer is expected to bring a photo onto the first page in one of two such cases.
LEAST_CHANGE = 0.5
# How many proposals are tried for that, as many as there are questions answered in words; those further down tell less
# still.
_TRIED = 5


@dataclass(frozen=True, eq=False)
class Situation:
    """All that decides the page: what is asked for, what happened, what was drawn."""

    asking: Asking
    dialogue: Dialogue
    gallery: Gallery
    narrowing: Narrowing

    @property
    def stage(self) -> Stage:
        """FUSED once this turn has a picture."""
        return Stage.FUSED if any(turn == self.asking.turn for turn, _ in self.gallery) else Stage.TEXT

    def after(self, question: Question, answer: str) -> Situation:
        """What would be, had this been asked and answered. Rules write the query: a model would take seconds."""
        at = self.dialogue.turns[-1].at
        then = self.dialogue.asked(question).said(answer, at)
        query = query_text(then, self.asking.query.strategy)
        return replace(self, asking=Asking(self.asking.turn, query, then.need()), dialogue=then)


@dataclass(frozen=True, eq=False)
class Pager:
    """Finds `size` photos by one fusion strategy; `weight` is the pictures', None for the strategy's own."""

    library: Library
    reader: Reader
    strategy: Strategy
    weight: float | None
    size: int

    def query(self, situation: Situation, stage: Stage) -> Query:
        """The query of a stage: the text's alone, or the strategy's."""
        gated = self.strategy is adaptive and stage is Stage.FUSED
        known = evidence(
            situation.asking, situation.dialogue, situation.gallery, self.reader, self.library, gated=gated
        )
        return text_only(known) if stage is Stage.TEXT else self.strategy(known, self.weight)

    def filters(self, situation: Situation) -> Filters:
        """What the need demands; photos unliked are not shown again."""
        refused = [int(name) for name in situation.dialogue.unliked if name.isdecimal()]
        return filters_of(self.library, situation.asking.need, refused, situation.narrowing)

    def find(self, situation: Situation, stage: Stage) -> Found:
        """The page. Raises DarError where the library cannot be searched."""
        found = find(self.library, self.query(situation, stage), self.size, self.filters(situation))
        wants = situation.asking.need.wants
        return found.doubtful if wants and len(self.reader.unread(wants)) == len(wants) else found

    def notes(self, situation: Situation, found: Found, before: Need) -> tuple[str, ...]:
        """What is to be known of a page and was not said when the need was `before`: text and dates that are not
        understood, filters that leave out all photos, or those without a date."""
        need = situation.asking.need
        known = {*before.wants, *before.rejects}
        new = [text for text in (*need.wants, *need.rejects) if text not in known]
        reversed_ = not_a_stretch(new, situation.dialogue.turns[-1].at)
        left_out = found.note or (undated(self.library, self.filters(situation)) if need.when != before.when else "")
        return tuple(note for note in (not_understood(self.reader.unread(new)), reversed_, left_out) if note)

    def worthwhile(self, situation: Situation, proposals: Sequence[Proposal]) -> Question | None:
        """The first proposal whose answer is expected to change the page; None: asking more is of no use."""
        page = self._ids(situation)
        for proposal in proposals[:_TRIED]:
            change = sum(
                chance * len(self._ids(situation.after(proposal.question, answer)) - page)
                for answer, chance in proposal.answers
            )
            if change >= LEAST_CHANGE:
                return proposal.question
        return None

    def _ids(self, situation: Situation) -> set[int]:
        return {hit.image_id for hit in self.find(situation, situation.stage).hits}
