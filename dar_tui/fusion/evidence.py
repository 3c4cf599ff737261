"""What one turn's query is made of: the dialogue's texts, generated images and photos as vectors.

Knows where each vector comes from and in which space it lives, and whether an image agrees with the text, which the
`adaptive` strategy asks. Does not know how they are weighed (`dar_tui.fusion.strategies`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.fusion.strategies import REJECT_WEIGHT, Evidence, Fit, Vector, text_only
from dar_tui.imagine import Conditions, Imagined
from dar_tui.language.rules import read
from dar_tui.language.rules.words import content, core, stem
from dar_tui.language.turn import Expects
from dar_tui.language.understanding import is_readable
from dar_tui.reformulate.query import QueryText
from indexer.encoders import JOINT, VISUAL, Encoder, SentenceEncoder
from indexer.errors import DarError, ModelUnavailable
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.search.strength import Strength
from indexer.search.where import Where

# A dialogue repeats its statements turn after turn; more different texts than this no dialogue has.
_TEXTS_KEPT = 500
# Enough photos that a chance match does not decide, few enough that in a library of a thousand they are still alike.
NEIGHBOURS = 20


@dataclass(frozen=True, eq=False)
class GeneratedImage:
    """An image's seed, and the (dim,) unit vector it is searched by, in the encoder's picture space.

    Its pixels are in the session's album: a hundred turns' of 256x256 would weigh 60 MB here.
    """

    seed: int
    vector: Vector


# An answer ("running") says less of the photo than the user's own words, and the less the more these say: it weighs
# as many times less as it has fewer facts than they have together, times ANSWER_WEIGHT, and never more than they do.
# A plain no says less than "no dogs". Chosen on 1,000 dialogues of five (trial) questions answered in words, about
# the development photos (encoder trained without them, before its hub coordinate): with 0.4, 0.6, 0.8 the mean log
# rank changed by -0.15, -0.17, -0.17 after whole captions, by -0.46, -0.56, -0.61 after their first seven words, and
# with 0.6 and 0.8 by -0.43 and -0.44 where the user answered in whole captions. With 0.3 for every answer the first
# two were -0.18 and -0.55; with 1 the third -0.40.
ANSWER_WEIGHT, DENIAL_WEIGHT = 0.8, 0.05

# "People" is one thing to say and many to see: an encoder puts a lone climber far from it. Of 12 photos ranked by how
# little they suit the word alone 12 showed somebody, ranked by the nearest of these none (7,091 captioned photos, 82 %
# of them with people, `benchmarks.rejects`). Broad words only: what has one look ("dog") is found by its own name.
_CHILD = ("a child", "children", "a boy", "a girl", "a baby")
_KINDS = {
    "people person human anyone anybody somebody someone face": (
        "people", "a person", "a man", "a woman", "a child", "a crowd of people", "a person doing sports"
    ),
    "man": ("a man", "men"),
    "woman": ("a woman", "women"),
    "child kid": _CHILD,
    "animal pet": ("an animal", "a dog", "a cat", "a bird", "a horse", "wild animals"),
    "water": ("water", "the sea", "a lake", "a river", "a swimming pool"),
    "snow": ("snow", "a snowy landscape", "skiing"),
    "vehicle traffic": ("a vehicle", "cars", "a truck", "a bus", "a motorcycle"),
    "plant vegetation": ("plants", "trees", "grass", "flowers"),
    "building": ("a building", "a house", "buildings in a city"),
    "text": ("text", "a page of text", "a sign with words"),
    "food": ("food", "a meal on a plate", "fruit", "cake"),
}  # fmt: skip
KINDS: Mapping[str, tuple[str, ...]] = {stem(word): kinds for names, kinds in _KINDS.items() for word in names.split()}


def kinds_of(reject: str) -> tuple[str, ...]:
    """What there is to see of a reject: its kinds where it is a broad word, else the reject, alone and as one thing."""
    facts = content(reject)
    if len(facts) == 1 and (broad := KINDS.get(facts[0])):
        return broad
    return (f"a {core(reject)}",) if len(facts) == 1 else ()


# Where what is wanted nearly always comes with what is rejected ("a street without people": of 744 streets 687 show
# somebody), REJECT_WEIGHT leaves a page full of it, so rejects weigh more until at most _MOST_SEEN of the first _PAGE
# show one, or the last of these is reached. A photo shows it if nearer to it than half way from the photos that are
# nearest to those that are farthest (2 % each of a sample). Measured by `benchmarks.rejects` on 7,091 captioned photos;
# fewer than _LEAST_PHOTOS fit on a few pages anyhow.
FIRMER = (REJECT_WEIGHT, 0.6, 0.9, 1.2)
_PAGE, _MOST_SEEN = 12, 2
_SAMPLE, _EXTREME, _LEAST_PHOTOS = 4000, 0.02, 100

# By turn and number, both from 0.
Gallery = Mapping[tuple[int, int], GeneratedImage]


@dataclass(frozen=True)
class SearchRequest:
    """What is looked for: the turn, its query text and the need behind it."""

    turn: int
    query: QueryText
    need: Need


@dataclass(eq=False)
class QueryEncoder:
    """Turns texts and pictures into vectors by one encoder, each text once."""

    encoder: Encoder
    _texts: dict[str, Vector] = field(default_factory=dict)
    _readable: dict[str, bool] = field(default_factory=dict)
    # What rejects weigh in each turn: its own query decides, not the answers that are only tried.
    firmness: dict[int, float] = field(default_factory=dict)

    @property
    def picture_space(self) -> str:
        """Where pictures are compared with photos: the visual space if the encoder has one."""
        return VISUAL if self.encoder.visual_dim else JOINT

    @property
    def picture_dim(self) -> int:
        """The length of a picture's vector."""
        return self.encoder.visual_dim or self.encoder.dim

    def texts(self, texts: Sequence[str]) -> list[Vector]:
        """One (dim,) unit vector for each text, in the joint space."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if missing:
            if len(self._texts) + len(missing) > _TEXTS_KEPT:
                self._texts = {}
                missing = list(dict.fromkeys(texts))
            self._texts = self._texts | dict(zip(missing, self.encoder.encode_texts(missing), strict=True))
        known = self._texts
        return [known[text] for text in texts]

    def unread(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Those of the texts that the encoder does not understand: other scripts, emoji, random letters."""
        for text in texts:
            if text not in self._readable:
                self._readable[text] = is_readable(text, self.encoder)
        return tuple(text for text in texts if not self._readable[text])

    def picture(self, imagined: Imagined) -> Vector:
        """The picture's vector: the generator's own, or what the encoder sees. Raises DarError for an unusable one."""
        vector = imagined.vector
        if vector is None:
            embeddings = self.encoder.encode_images([imagined.image])
            vector = (embeddings.joint if embeddings.visual is None else embeddings.visual)[0]
        if vector.shape != (self.picture_dim,) or not np.isfinite(vector).all() or not vector.any():
            raise DarError(
                f"An imagined picture cannot be searched by: its vector of {len(vector)} numbers is not one of"
                f" {self.picture_dim}.",
                "Use a generator that was made for this encoder.",
            )
        return vector

    def conditions(self, statements: Sequence[str]) -> Conditions:
        """The statements as a conditioned generator takes them. Raises ModelUnavailable where this encoder cannot."""
        if not isinstance(self.encoder, SentenceEncoder):
            raise ModelUnavailable(
                f"The generator draws from the bundled encoder's vectors; this library has those of {self.encoder.id}.",
                "Choose a generator that draws from text: --generator diffusers:MODEL.",
            )
        joint, sentence = self.encoder.encode_texts_and_sentences(statements)
        return Conditions(_direction(joint), _direction(sentence), tuple(statements))


def evidence(
    request: SearchRequest,
    dialogue: Dialogue,
    gallery: Gallery,
    encoder: QueryEncoder,
    library: Library,
    *,
    gated: bool = False,
) -> Evidence:
    """Everything that is known now, as vectors. `gated`: each picture's fit is measured, for `adaptive`.

    Pictures are this turn's, vetoed ones apart; pictures picked in any turn pull like photos liked, vetoed ones push.
    """
    space = encoder.picture_space
    vetoed = set(dialogue.vetoed)
    answers = {answer for question in dialogue.questions for answer in (question.topic, *question.choices)}
    denied = {core(answer) for answer in answers}
    answers |= answers_in_words(dialogue)
    texts, rejects = request.query.texts, request.need.rejects
    own = sum(len(content(text)) for text in texts if text not in answers)
    shares = [_share(text, own) if text in answers else 1.0 for text in texts]
    shown = [drawn.vector for place, drawn in gallery.items() if place[0] == request.turn and place not in vetoed]
    rejected, kinds = against(encoder, rejects, alone=not texts)
    found = Evidence(
        turn=request.turn,
        texts=encoder.texts(texts),
        weights=[weight * share for weight, share in zip(request.query.weights, shares, strict=True)],
        pictures=shown,
        picture_space=space,
        rejects=rejected,
        kinds=kinds,
        reject_weight=DENIAL_WEIGHT if denied.issuperset(rejects) else REJECT_WEIGHT,
        liked=[*photo_vectors(library, dialogue.liked, space), *kept_vectors(gallery, dialogue.picked)],
        unliked=[*photo_vectors(library, dialogue.unliked, space), *kept_vectors(gallery, dialogue.vetoed)],
        dim=encoder.encoder.dim,
    )
    found = firmly(found, encoder, library)
    if not gated or not shown or not texts:
        return found
    text = text_only(Evidence(request.turn, found.texts, found.weights)).terms[0].vector
    return replace(found, fits=fits(library, text, shown, space))


def fits(library: Library, text: Vector, pictures: Sequence[Vector], picture_space: str) -> tuple[Fit, ...]:
    """One Fit for each picture; it agrees with the text if the photos most like it suit the text better than most do.

    Text and picture may live in spaces that cannot be compared, but the photos have a place in both.

    `text`: (dim,) unit, joint; `pictures`: unit, in `picture_space`."""
    return tuple(_fit(library, text, picture, picture_space) for picture in pictures)


def against(encoder: QueryEncoder, rejects: Sequence[str], *, alone: bool) -> tuple[list[Vector], list[Vector]]:
    """(each reject's vector, the vectors of all their kinds). `alone`: there is nothing else to go by.

    Else a reject is the mean of its kinds, and these are not given: it counts once, however many there are of it.
    """
    kinds = [kinds_of(reject) for reject in rejects]
    if alone:
        return encoder.texts(rejects), encoder.texts([kind for each in kinds for kind in each])
    return [
        np.mean(encoder.texts((reject, *each)), axis=0) if len(each) > 1 else encoder.texts((reject,))[0]
        for reject, each in zip(rejects, kinds, strict=True)
    ], []


def firmly(known: Evidence, encoder: QueryEncoder, library: Library) -> Evidence:
    """The evidence with what was rejected weighing as much as it takes to keep it off the page (see `FIRMER`)."""
    if not (known.rejects and known.texts) or known.reject_weight < REJECT_WEIGHT:
        return known
    if known.turn not in encoder.firmness:
        try:
            encoder.firmness[known.turn] = _firmness(known, library)
        except DarError:  # A photo left the library meanwhile; the search itself says what is wrong with a damaged one.
            return known
    return replace(known, reject_weight=encoder.firmness[known.turn])


def _firmness(known: Evidence, library: Library) -> float:
    sample = library.sample(_SAMPLE)
    if len(sample) < _LEAST_PHOTOS:
        return FIRMER[0]
    reject = _direction(np.stack(known.rejects))
    seen = np.quantile(library.vectors(sample) @ reject, (_EXTREME, 1 - _EXTREME)).mean()
    alone = Evidence(known.turn, known.texts, known.weights, rejects=known.rejects)
    for weight in FIRMER:
        page = library.search(text_only(replace(alone, reject_weight=weight)), _PAGE, fold=False)
        cosines = library.vectors([hit.image_id for hit in page]) @ reject
        if np.count_nonzero(cosines > seen) <= _MOST_SEEN:
            break
    return weight


def _fit(library: Library, text: Vector, picture: Vector, space: str) -> Fit:
    like = library.search(Query((Term(picture, space),), by_example=True), NEIGHBOURS, fold=False)
    if not like:
        return Fit(0.0, False)
    among = Where(only=frozenset(hit.image_id for hit in like))
    # Standardised over the whole library, though only these are scored.
    matching = library.search(Query((Term(text, JOINT),), "z"), NEIGHBOURS, among, fold=False)
    agreement = float(np.mean([hit.score for hit in matching])) if matching else 0.0
    return Fit(agreement, like[0].strength is not Strength.NONE)


def answers_in_words(dialogue: Dialogue) -> set[str]:
    """The statements that answer questions asking for words."""
    asked = (turn for turn in dialogue.turns if turn.question and turn.question.expects is Expects.OPEN)
    return {want for turn in asked for want in read(turn).wants}


def _share(answer: str, own: int) -> float:
    """What an answer weighs beside a statement of the user's, who put `own` facts in words."""
    # "Outside" is a fact though all its words are prepositions.
    return min(1.0, ANSWER_WEIGHT * max(1, len(content(answer))) / max(own, 1))


def photo_vectors(library: Library, names: Sequence[str], space: str) -> list[Vector]:
    found = []
    for name in names:
        try:
            found.append(library.vectors([int(name)], space)[0])
        except (DarError, ValueError):  # Deleted since it was liked; what was liked about it is lost.
            continue
    return found


def kept_vectors(gallery: Gallery, places: Sequence[tuple[int, int]]) -> list[Vector]:
    return [gallery[place].vector for place in places if place in gallery]


def _direction(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = vectors.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
