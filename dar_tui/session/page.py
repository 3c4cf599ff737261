"""The page of photos for what is known now: evidence -> query -> page.

Gathers the evidence of a dialogue for `dar_tui.session.belief`, or for one of the named strategies of `fusion`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.fusion.evidence import (
    Gallery,
    QueryEncoder,
    SearchRequest,
    against,
    answers_in_words,
    evidence,
    kept_vectors,
    photo_vectors,
)
from dar_tui.fusion.finding import Filters, Narrowing, filters_of, find, undated
from dar_tui.fusion.mentions import Mentioned, mentioned, nobody_called, with_words
from dar_tui.fusion.strategies import Evidence, Strategy, Vector, adaptive, text_only
from dar_tui.language.rules.answers import chosen_photo
from dar_tui.language.rules.dates import not_a_stretch
from dar_tui.language.rules.words import content, core
from dar_tui.language.understanding import not_understood
from dar_tui.questions.bank import load_bank
from dar_tui.session.belief import Belief, Calibration, Closer, Clue, Denial, Posterior
from dar_tui.session.events import Stage
from indexer.encoders import JOINT
from indexer.library import Library
from indexer.search.hits import Hit
from indexer.search.ranking import Query, Term

# Photos picked at random that a photo's fit is compared with, to tell why it is shown.
_COMPARED = 500
# What a thing is taken for of which nobody knows how many photos show it.
_UNKNOWN_SHARE = 0.1
# An answer of no more facts ("the sea", "a red shirt") is evidence of its own. One of more says again part of what was
# said before, and joins the statements: a second caption is worth 0.54 nats so, and 0.39 on its own.
FEW_FACTS = 3
_BETWEEN = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+", re.IGNORECASE)
# What an answer of few words weighs in the text along which the strength of a match is measured.
_WORDS_WEIGHT = 0.2


@dataclass(frozen=True, eq=False)
class SearchSettings:
    """How a session searches: `page` photos of `library`, by belief, or by one fusion strategy.

    `picture_weight`: None for the strategy's own.
    """

    library: Library
    encoder: QueryEncoder
    strategy: Strategy | None
    picture_weight: float | None
    page: int
    calibration: Calibration

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """Of each thing that can be asked about, the share of photos that show it."""
        return {core(attribute.statement): attribute.share for attribute in load_bank()}


@dataclass(frozen=True)
class Page:
    """Photos, best first, and how likely each is the one looked for, copies included; none where that is not known."""

    hits: tuple[Hit, ...] = ()
    note: str = ""
    chances: Mapping[int, float] = field(default_factory=dict)

    @property
    def chance(self) -> float | None:
        """The chance that the photo is on this page."""
        return sum(self.chances.values()) if self.chances else None


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

    @cached_property
    def mentions(self) -> tuple[Mentioned, ...]:
        """What is said where it stands in the words about photos, or in them."""
        return mentioned(self.search.library, self.request.need)

    def page(self, stage: Stage) -> Page:
        """The photos, best first. Raises DarError where the library cannot be searched."""
        posterior = Posterior()
        query = self.query(stage, posterior)
        found = find(self.search.library, query, self.search.page, self.filters())
        wants = self.request.need.wants
        if wants and len(self.search.encoder.unread(wants)) == len(wants):
            found = found.doubtful
        hits = found.hits
        if not found.note:
            hits = with_words(self.search.library, hits, self.mentions, self.request.need)
        if self.dialogue.by_date:
            hits = tuple(sorted(hits, key=lambda hit: hit.taken_at or datetime.min, reverse=True))
        if query.scorer is None:
            return Page(hits, found.note)
        shown = [each.image_id for hit in hits for each in (hit, *hit.similar)]
        chances = posterior.of(shown).tolist()
        return Page(hits, found.note, dict(zip(shown, chances, strict=True)))

    def notes(self, found: Page, before: Need) -> tuple[str, ...]:
        """What is to be known of a page and was not when the need was `before`: text and dates that are not understood,
        filters that leave out all photos, or those without a date."""
        need, known = self.request.need, {*before.wants, *before.rejects}
        new = [text for text in (*need.wants, *need.rejects) if text not in known]
        without_date = undated(self.search.library, self.filters()) if need.when != before.when else ""
        left_out = found.note or (f'{without_date} "include photos without a date" shows them.' if without_date else "")
        stretches = not_a_stretch(new, self.dialogue.turns[-1].at)
        unread = self.search.encoder.unread(new)
        names = nobody_called(self.search.library, [text for text in need.wants if text not in (*known, *unread)])
        notes = (not_understood(unread), names, stretches, left_out)
        return tuple(note for note in notes if note)

    def query(self, stage: Stage, posterior: Posterior | None = None) -> Query:
        """The query of a stage: the text's alone, or the images' too. `posterior` is filled as it is searched."""
        strategy, library, encoder = self.search.strategy, self.search.library, self.search.encoder
        if strategy is None:
            return self.belief(stage).query(posterior or Posterior(), encoder.encoder.dim)
        gated = strategy is adaptive and stage is Stage.FUSED
        known = evidence(self.request, self.dialogue, self.gallery, encoder, library, gated=gated)
        return text_only(known) if stage is Stage.TEXT else strategy(known, self.search.picture_weight)

    def belief(self, stage: Stage) -> Belief:
        """All evidence of the dialogue: each answer and each photo's part in it goes where it counts."""
        dialogue, gallery, encoder, given = self.dialogue, self.gallery, self.search.encoder, self.search.calibration
        space, library = encoder.picture_space, self.search.library
        # 1. Answers of few words apart from what the user has put in sentences, and plain noes apart from rejects.
        asked = {answer for question in dialogue.questions for answer in (question.topic, *question.choices)}
        answered = asked | answers_in_words(dialogue)
        texts, rejects = self.request.query.texts, self.request.need.rejects
        few = {text: parts for text in texts if text in answered and (parts := _listed(text))}
        own = [
            (text, weight) for text, weight in zip(texts, self.request.query.weights, strict=True) if text not in few
        ]
        denied = {core(answer) for answer in asked}.intersection(rejects)
        refused = [reject for reject in rejects if reject not in denied]
        # 2. The statements, as one text direction, away from what is rejected.
        rejected, kinds = against(encoder, refused, alone=not texts)
        said = Evidence(
            turn=self.request.turn,
            texts=encoder.texts([text for text, _ in own]),
            weights=[weight for _, weight in own],
            rejects=rejected,
            kinds=kinds,
            dim=encoder.encoder.dim,
        )
        named = [part for parts in few.values() for part in parts]
        words = [Clue(Term(each, JOINT, _WORDS_WEIGHT), given.word) for each in encoder.texts(named)]
        denials = [
            Denial(Term(vector, JOINT, -1.0), self.search.shares.get(topic, _UNKNOWN_SHARE))
            for topic, vector in zip(denied, encoder.texts(list(denied)), strict=True)
        ]
        # 3. Images and photos, in the space where photos are compared with photos.
        vetoed = set(dialogue.vetoed)
        drawn = [each.vector for at, each in gallery.items() if at[0] == self.request.turn and at not in vetoed]
        kinds_of_evidence = [
            (drawn if stage is Stage.FUSED else [], given.image),
            ([*photo_vectors(library, dialogue.liked, space), *kept_vectors(gallery, dialogue.picked)], given.like),
            (
                [*photo_vectors(library, dialogue.unliked, space), *kept_vectors(gallery, dialogue.vetoed)],
                -given.unlike,
            ),
        ]
        images = [
            Clue(Term(_mean(vectors), space, np.sign(nats)), nats) for vectors, nats in kinds_of_evidence if vectors
        ]
        # 4. Choices between two photos. Nearness in the joint space agrees with captions in 60 % of pairs, in the
        # visual space in 57 %.
        pairs = []
        for turn in dialogue.turns:
            chosen = chosen_photo(turn.answer, turn.question) if turn.question else None
            if turn.question is not None and chosen is not None:
                vectors = photo_vectors(library, turn.question.photos, JOINT)
                if len(vectors) == len(turn.question.photos):
                    pairs.append(Closer(Term(vectors[chosen]), Term(vectors[1 - chosen])))
        # 5. What was on screen while the user went on.
        passed = {int(photo): times for photo, times in dialogue.passed.items() if photo.isdecimal()}
        return Belief(
            given,
            text_only(said) if own or refused else None,
            len({fact for text, _ in own for fact in content(text)}),
            (*words, *images),
            denials,
            pairs,
            passed=passed,
            mentions=self.mentions,
        )

    def filters(self) -> Filters:
        """What the need demands; photos unliked or ruled out are not shown again.

        By belief those on earlier pages give way by themselves; by a strategy they are left out.
        """
        paged = self.dialogue.paged if self.search.strategy is not None else ()
        names = (*self.dialogue.unliked, *self.dialogue.ruled_out, *paged)
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
        reasons += [f'"{each.phrase}" is among its words' for each in self.mentions if image_id in each.ids]
        reasons += ["you liked it"] if name in self.dialogue.liked else []
        others = len(set(self.dialogue.liked) - {name})
        reasons += [f"it is compared with {others} you liked"] if others else []
        images = sum(turn == self.request.turn for turn, _ in self.gallery)
        reasons += [f"it is compared with {images} generated images"] if images else []
        taken = found[0].taken_at
        reasons += [f"it was taken on {taken:%Y-%m-%d}" for _ in need.when[:1] if taken]
        reasons += ["you have seen it before"] if name in self.dialogue.passed else []
        return f"{found[0].path.name}: {'; '.join(reasons) or 'nothing was described yet'}."


def _listed(answer: str) -> list[str]:
    """The things that an answer of few words names ("a helmet, rocks and a red shirt"); [] for a sentence."""
    parts = [part for part in _BETWEEN.split(answer) if part]
    return parts if all(len(content(part)) <= FEW_FACTS for part in parts) else []


def _mean(vectors: Sequence[Vector]) -> Vector:
    mean = np.mean([vector / max(float(np.linalg.norm(vector)), 1e-9) for vector in vectors], axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
