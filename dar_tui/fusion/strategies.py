"""F_t: from text, imagined pictures and feedback to one `indexer` query; one pure function for each named strategy.

Knows vectors and how a library combines terms. Knows no model, no library and no dialogue.

Text lives in the joint space. Pictures live in the joint space too, or in an image-only *visual* space. Where they do,
a sum such as a*t + b*p is meant in the product of both spaces: t becomes (t, 0), p becomes (0, p), and the cosine of
the sum with a photo is the weighted sum of both cosines, which is what a library's "cosine" computes.

Everywhere each picture is made unit length, then the mean of all, then it is weighted: the paper's equation 4 adds K
unit vectors, so that its pictures would outweigh the text far beyond b.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import JOINT
from indexer.errors import UsageError
from indexer.search.ranking import Query, Term

Vector = NDArray[np.float32]

# The best of those measured with the bundled models (docs/results.md).
DEFAULT = "orthogonal"

# What a picture counts beside the text where scores are standardised. On the development set 0.2 to 0.5 gained 2.7 to
# 3.5 points of Recall@10 and 3.3 to 4.7 of Recall@1; more weight hurts ever more queries (12, 15, 16, 18 %).
PICTURE_WEIGHT = 0.3
# The same for `orthogonal`. Where pictures share the text's space, within the 0.15 to 0.25 that ADaFuSE (2026) learns;
# where they have a space of their own, chosen as above: 0.5, 0.7 and 1 gained 3.0, 3.4, 3.6 and 3.7, 4.3, 4.7 points
# and hurt 13, 16 and 18 %.
RESIDUAL_WEIGHT, VISUAL_WEIGHT = 0.15, 0.7

# Rocchio's weights as Manning, Raghavan and Schuetze give them (Introduction to Information Retrieval, 2008, 9.1.1):
# the query counts 1, the mean of what was liked 0.75, the mean of what was not 0.15.
ROCCHIO_ALPHA, ROCCHIO_BETA, ROCCHIO_GAMMA = 1.0, 0.75, 0.15
# A reject is a statement about the photo, which a photo unliked is not; so it counts more. Texts of one encoder are all
# alike to some degree, so a whole step away from the reject would leave what is wanted behind. Of the first 12 photos
# for one thing less another (239 pairs such as "a street", "people") 84, 85, 86, 88, 88, 88, 89 % showed the one and
# not the other with weights of 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7; a photo looked for by its caption, less what it does
# not show, was among the first 10 in 71, 71, 70, 68, 65, 63, 57 % (8,434 queries, `benchmarks.rejects --weights`). The
# sum is level up to 0.3 and falls from there. The same for statements and for `--unlike`.
REJECT_WEIGHT = 0.3
# Shorter than this a sum has cancelled out, and its direction is rounding noise.
_NOTHING = 1e-6


@dataclass(frozen=True)
class Fit:
    """How one picture suits text and library (see `dar_tui.fusion.evidence.fits`).

    `agreement`: the mean standardised text score of the photos most like the picture; 0 is what any photo has.
    `is_near`: whether some photo is as near to it as photos of this library are to one another.
    """

    agreement: float
    is_near: bool


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that one turn's query is made of.

    Every array is (n, dim), any lengths; rows that are zero or not finite count for nothing. `texts` and `rejects` are
    in the joint space, and so are `kinds`, what there is of the rejects ("people": a man, a woman, a crowd): these
    count where nothing is wanted. `pictures`, `liked`, `unliked` (picked and vetoed pictures among them) are in
    `picture_space`.
    `weights`: one for each text, None for equal ones. `turn` counts from 0. `fits`: one for each picture, or none.
    `dim` is the joint space's, for the query that asks for nothing.
    """

    turn: int
    texts: Sequence[Vector] = ()
    weights: Sequence[float] | None = None
    pictures: Sequence[Vector] = ()
    picture_space: str = JOINT
    rejects: Sequence[Vector] = ()
    kinds: Sequence[Vector] = ()
    liked: Sequence[Vector] = ()
    unliked: Sequence[Vector] = ()
    fits: Sequence[Fit] = ()
    dim: int = 1
    reject_weight: float = REJECT_WEIGHT


class Strategy(Protocol):
    """Makes the query. `weight` is the pictures' weight where the caller knows better; 0 ranks as `text_only` does."""

    def __call__(self, evidence: Evidence, weight: float | None = None) -> Query: ...


def text_only(evidence: Evidence, weight: float | None = None) -> Query:
    """q = t: no pictures. The baseline."""
    return _query(evidence, _text(evidence), None, 0.0)


def paper(evidence: Evidence, weight: float | None = None) -> Query:
    """q = a*t + b*p, a/b = 0.7/0.3 for turns 0 and 1, then 0.5/0.5 (DAR, Long et al., SIGIR 2025, section 4.1)."""
    return _convex(evidence, weight, early=0.3, late=0.5)


def released(evidence: Evidence, weight: float | None = None) -> Query:
    """q = a*t + b*p, a/b = 0.8/0.2 for turns 0 and 1, then 0.5/0.5 (the evaluation the DAR authors released)."""
    return _convex(evidence, weight, early=0.2, late=0.5)


def constant(evidence: Evidence, weight: float | None = None) -> Query:
    """q = 0.8*t + 0.2*p at every turn: where the image weights that ADaFuSE (2026) learns end, 0.15 to 0.25."""
    return _convex(evidence, weight, early=0.2, late=0.2)


def orthogonal(evidence: Evidence, weight: float | None = None) -> Query:
    """q = norm(t + a*(p - (t.p)t)), a = 0.15: only what the picture adds to the text. Ours; best measured.

    In a space of their own pictures are orthogonal to the text already, and the residual is p itself; there a = 0.7.
    """
    text, picture = _text(evidence), _mean(evidence.pictures)
    if text is not None and picture is not None and evidence.picture_space == JOINT:
        shared = float(text.astype(np.float64) @ picture.astype(np.float64))
        # Not made unit length again: a picture that says what the text says adds little.
        residual = picture.astype(np.float64) - shared * text.astype(np.float64)
        amount = RESIDUAL_WEIGHT if weight is None else weight
        fused = _unit(text.astype(np.float64) + amount * residual)
        return _query(evidence, fused, None, 0.0)
    return _query(evidence, text, picture, VISUAL_WEIGHT if weight is None else weight)


def z_score(evidence: Evidence, weight: float | None = None) -> Query:
    """score = z(t.x) + 0.3*z(p.x), each standardised over the library. Ours.

    Cosines of pictures with photos are larger and spread otherwise than those of texts; standardising makes them
    comparable.
    """
    return _query(
        evidence, _text(evidence), _mean(evidence.pictures), PICTURE_WEIGHT if weight is None else weight, "z"
    )


def rrf(evidence: Evidence, weight: float | None = None) -> Query:
    """score = 1/(60 + rank_t) + 1/(60 + rank_p): reciprocal rank fusion (Cormack et al., SIGIR 2009)."""
    return _query(evidence, _text(evidence), _mean(evidence.pictures), 1.0 if weight is None else weight, "rrf")


def adaptive(evidence: Evidence, weight: float | None = None) -> Query:
    """`z_score` with a gate on every picture: score = z(t.x) + 0.3*g*z(p.x). Ours, after ADaFuSE's finding that fixed
    weights make up to 55.6 % of queries worse.

    g_k = clip(agreement_k, 0, 1), halved where the picture lies off the library; p is the mean weighted by g_k, g the
    mean of the g_k. A picture whose photos match the text no better than any photo (agreement 0) counts nothing.
    """
    gates = [_gate(fit) for fit in evidence.fits]
    if len(gates) != len(evidence.pictures):
        gates = [1.0] * len(evidence.pictures)
    share = float(np.mean(gates)) if gates else 0.0
    full = PICTURE_WEIGHT if weight is None else weight
    return _query(evidence, _text(evidence), _mean(evidence.pictures, gates), full * share, "z")


STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "text-only": text_only,
        "paper": paper,
        "released": released,
        "constant": constant,
        "orthogonal": orthogonal,
        "z-score": z_score,
        "rrf": rrf,
        "adaptive": adaptive,
    }
)


def strategy_named(name: str) -> Strategy:
    """Raises UsageError, with the names there are, for one that does not exist."""
    if name not in STRATEGIES:
        raise UsageError(f"There is no fusion strategy {name!r}.", f"Use one of {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]


def _convex(evidence: Evidence, weight: float | None, *, early: float, late: float) -> Query:
    picture_weight = (early if evidence.turn <= 1 else late) if weight is None else weight
    text, picture = _text(evidence), _mean(evidence.pictures)
    return _query(evidence, text, picture, picture_weight, text_weight=1 - picture_weight)


def _query(
    evidence: Evidence,
    text: Vector | None,
    picture: Vector | None,
    picture_weight: float,
    combine: str = "cosine",
    *,
    text_weight: float = ROCCHIO_ALPHA,
) -> Query:
    """The strategy's own terms, and feedback's as Rocchio adds it: q + beta*mean(liked) - gamma*mean(unliked)."""
    pictured = _term(picture, evidence.picture_space, picture_weight)
    if pictured is None:
        # Without pictures every strategy is `text_only`, rejects and feedback included.
        combine, text_weight = "cosine", ROCCHIO_ALPHA
    terms = [
        _term(text, JOINT, text_weight),
        pictured,
        _term(_mean(evidence.rejects), JOINT, -evidence.reject_weight),
    ]
    feedback = [
        _term(_mean(evidence.liked), evidence.picture_space, ROCCHIO_BETA),
        _term(_mean(evidence.unliked), evidence.picture_space, -ROCCHIO_GAMMA),
    ]
    if text is None and pictured is None and not any(feedback) and evidence.rejects:
        # Away from the mean of them lie photos that show one of them clearly.
        rejected = [_term(_unit(reject), JOINT, -1.0) for reject in (*evidence.rejects, *evidence.kinds)]
        if lacking := tuple(term for term in rejected if term is not None):
            return Query(lacking, "least")
    if combine == "cosine" and any(feedback) and any(terms):
        # Photos are far nearer to photos than to texts; unless standardised, a like would drown the text.
        combine = "z"
    found = tuple(term for term in (*terms, *feedback) if term is not None)
    if not found:
        return Query((Term(np.zeros(evidence.dim, np.float32), JOINT),))
    return Query(found, combine, by_example=text is None and all(term.weight > 0 for term in found))


def _term(vector: Vector | None, space: str, weight: float) -> Term | None:
    return Term(vector, space, weight) if vector is not None and weight != 0 else None


def _text(evidence: Evidence) -> Vector | None:
    return _mean(evidence.texts, evidence.weights)


def _mean(vectors: Sequence[Vector], weights: Sequence[float] | None = None) -> Vector | None:
    """The unit vector along the weighted mean of the unit vectors; None where nothing is left of it.

    Summed in double precision from the smallest up, so that the order of the vectors does not matter.
    """
    units = [_unit(vector) for vector in vectors]
    shares = [1.0] * len(units) if weights is None else list(weights)
    kept = [weight * unit.astype(np.float64) for unit, weight in zip(units, shares, strict=True) if unit is not None]
    if not kept:
        return None
    return _unit(np.sort(np.stack(kept), axis=0).sum(axis=0) / len(kept))


def _unit(vector: NDArray[np.floating]) -> Vector | None:
    wide = vector.astype(np.float64)
    if not np.isfinite(wide).all():
        return None
    largest = float(np.abs(wide).max(initial=0.0))
    if largest <= _NOTHING:
        return None
    # Scaled first: squares of very large numbers would overflow.
    scaled = wide / largest
    return np.asarray(scaled / np.linalg.norm(scaled), np.float32)


def _gate(fit: Fit) -> float:
    agreement = min(max(fit.agreement, 0.0), 1.0) if np.isfinite(fit.agreement) else 0.0
    return agreement if fit.is_near else agreement / 2
