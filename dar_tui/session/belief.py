"""What is known, as one posterior over the library's photos: p(photo | all that was said, answered, seen and chosen).

    log p(photo | evidence) = log p(evidence 1 | photo) + log p(evidence 2 | photo) + ... - log of the sum over photos

Every kind of evidence says how many nats (natural logarithms of odds) it gives each photo:

    statements          strength(facts) * z      z: the cosine of photo and text, standardised over the library
    few words (answer)  word * z                 an answer of a few words, evidence of its own
    a plain "no"        log(1 - p)               p: the chance that the photo shows the thing
    generated images    image * z                z in the space in which photos are compared with photos
    likes, picks        like * z, and -unlike * z for what was refused
    closer to A than B  -log(1 + exp(-closer * (z_A - z_B)))
    passed over         log(overlooked)          for each time it was on screen while the user went on
    a fact, such as a date or a place            log(1 - mistaken), log(mistaken), or the mean of both where unknown
    words about the photo, and in it             see `fusion.mentions`

With statements alone the order is that of `Library.search` with their text: strength * z is monotone in the cosine.
The numbers are an encoder's `Calibration`; `dar eval fit` finds them from photos with captions. Knows vectors and
numbers, no dialogue and no library: `dar_tui.session.page` gathers the evidence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dar_tui.fusion.mentions import Mentioned, nats_of
from dar_tui.questions.selection import CLOSER, shown_chance
from indexer.errors import DarError
from indexer.search.ranking import Query, Term, merged, scores
from indexer.store.vectors import Spread

Nats = NDArray[np.float64]
Ids = NDArray[np.int64]

# What a candidate of another kind of evidence counts for the strength of a match, which is judged by the texts alone.
_UNSEEN_BY_STRENGTH = 1e-6


@dataclass(frozen=True)
class Calibration:
    """What an encoder's scores are worth, in nats for each standard deviation. The defaults suit an unknown encoder.

    `word`: one fact, such as "a dog". `growth`: what a text gains each time that its facts grow e-fold; texts that say
    the same thing again gain little, which is why strengths do not add up. `image`, `like`, `unlike`, `closer`: see the
    module. `overlooked`: the chance that the photo is on screen and not seen. `again`: nats by which a photo passed
    over must be likelier than one not seen yet to be shown before it. `mistaken`: that a plain answer or a
    photo's date is wrong. `doubt`: the chance that none of this holds; it keeps certainty below 1.
    """

    word: float = 0.5
    growth: float = 1.2
    image: float = 0.5
    like: float = 0.5
    unlike: float = 0.1
    closer: float = CLOSER
    overlooked: float = 0.07
    again: float = 1.6
    mistaken: float = 0.1
    doubt: float = 0.03

    def strength(self, facts: int) -> float:
        """Nats for each deviation of a text of so many facts."""
        return self.word + self.growth * math.log(max(facts, 1))


@dataclass(frozen=True, eq=False)
class Clue:
    """Evidence along one direction: `nats` for each deviation; negative pushes away."""

    term: Term
    nats: float


@dataclass(frozen=True, eq=False)
class Denial:
    """The user says that the photo does not show what `term` describes, as `share` of photos do."""

    term: Term
    share: float


@dataclass(frozen=True, eq=False)
class Closer:
    """The user says that the photo is closer to one photo than to another."""

    one: Term
    other: Term


@dataclass(frozen=True, eq=False)
class Fact:
    """Photos known to meet a condition, and photos of which nothing is known; all others are known not to meet it."""

    meeting: Ids
    unknown: Ids


@dataclass(frozen=True, eq=False)
class Belief:
    """All evidence there is. `statements`: the text's query, rejects included; `facts`: how many facts it states.

    `passed`: how often each photo, by id, was on screen while the user went on.
    """

    calibration: Calibration = field(default_factory=Calibration)
    statements: Query | None = None
    facts: int = 0
    clues: Sequence[Clue] = ()
    denials: Sequence[Denial] = ()
    closer: Sequence[Closer] = ()
    passed: Mapping[int, int] = field(default_factory=dict)
    known: Sequence[Fact] = ()
    mentions: Sequence[Mentioned] = ()

    def query(self, posterior: Posterior, dim: int) -> Query:
        """The query that ranks a library by the posterior, and leaves it in `posterior`. `dim`: the joint space's."""
        own = merged(self.statements) if self.statements else ()
        others = [
            *(clue.term for clue in self.clues),
            *(replace(each.term, weight=-_UNSEEN_BY_STRENGTH) for each in self.denials),
            *(replace(term, weight=_UNSEEN_BY_STRENGTH) for each in self.closer for term in (each.one, each.other)),
        ]
        terms = (*own, *others) or (Term(np.zeros(dim, np.float32)),)

        def scorer(ids: Ids, cosines: Sequence[NDArray[np.float32]], spreads: Sequence[Spread]) -> Nats:
            nats = self.nats(ids, cosines, spreads)
            posterior.take(ids, nats, self.calibration.doubt)
            return nats - self.calibration.again * self._times(ids) if self.passed else nats

        combine = self.statements.combine if self.statements else "z"
        if combine == "least" and any(term.weight >= 0 for term in others):
            # Rejects alone, and an answer or a photo that was liked beside them.
            combine = "z"
        by_example = not own and all(term.weight > 0 for term in terms)
        spoken_of = np.unique(np.concatenate([np.zeros(0, np.int64), *(each.ids for each in self.mentions)]))
        return Query(terms, combine, by_example, scorer, spoken_of)

    def _times(self, ids: Ids) -> Nats:
        """(n,) how often each photo was passed over."""
        times = np.zeros(len(ids))
        places = _positions(ids, np.fromiter(self.passed, np.int64))
        here = places >= 0
        times[places[here]] = np.fromiter(self.passed.values(), np.float64)[here]
        return times

    def nats(self, ids: Ids, cosines: Sequence[NDArray[np.float32]], spreads: Sequence[Spread]) -> Nats:
        """(n,) the log likelihood of all evidence for each photo; cosines and spreads in the order of `query`'s terms.

        Each kind of evidence adds its own line.
        """
        given = self.calibration
        own = merged(self.statements) if self.statements else ()
        count = len(own)
        total = self._of_statements(own, cosines[:count], spreads[:count]) if own else np.zeros(len(ids))
        rest = iter([_z(values, spread) for values, spread in zip(cosines[count:], spreads[count:], strict=True)])
        for clue in self.clues:
            total += clue.nats * next(rest)
        for denial in self.denials:
            chance = shown_chance(next(rest), denial.share)
            total += np.log((1 - given.mistaken) * (1 - chance) + given.mistaken)
        for _ in self.closer:
            total -= np.logaddexp(0, -given.closer * (next(rest) - next(rest)))
        for fact in self.known:
            total += self._of_fact(fact, ids)
        total += nats_of(self.mentions, ids)
        if self.passed:
            total += math.log(given.overlooked) * self._times(ids)
        return total

    def _of_statements(
        self, terms: Sequence[Term], cosines: Sequence[NDArray[np.float32]], spreads: Sequence[Spread]
    ) -> Nats:
        combine = self.statements.combine if self.statements else ""
        if len(terms) == 1 and combine == "cosine":
            z = _z(cosines[0], spreads[0])
        else:
            values = scores(combine, terms, cosines, spreads).astype(np.float64)
            z = (values - values.mean()) / max(float(values.std()), 1e-9)
        return self.calibration.strength(self.facts) * z

    def _of_fact(self, fact: Fact, ids: Ids) -> Nats:
        """Where nothing is known a photo is as likely to meet the condition as those are of which it is known."""
        wrong = self.calibration.mistaken
        meets, unknown = np.isin(ids, fact.meeting), np.isin(ids, fact.unknown)
        share = meets.sum() / max(len(ids) - unknown.sum(), 1)
        chance = np.where(unknown, share, meets)
        return np.asarray(np.log((1 - wrong) * chance + wrong * (1 - chance)), np.float64)


class Posterior:
    """The chance that each photo is the one, as the last search left it; photos it did not look at have none."""

    def __init__(self) -> None:
        self.ids: Ids = np.zeros(0, np.int64)
        self.chances: Nats = np.zeros(0)

    def take(self, ids: Ids, nats: Nats, doubt: float) -> None:
        """For all photos that a search looks at; of several calls that with most photos counts."""
        if len(ids) < len(self.ids):
            return
        likelihood = np.exp(nats - nats.max(initial=-np.inf))
        self.ids = ids
        self.chances = (1 - doubt) * likelihood / likelihood.sum() + doubt / max(len(ids), 1)

    def of(self, ids: Sequence[int] | Ids) -> Nats:
        """The chances of these photos, 0 for one not looked at."""
        places = _positions(self.ids, np.array(ids, np.int64))
        return np.where(places >= 0, self.chances[places] if len(self.chances) else 0.0, 0.0)


def calibration_of(encoder: str, folder: Path | None = None) -> Calibration:
    """The encoder's constants, by its spec or id: those fitted here (in `folder`), those that ship, or the defaults.

    Raises DarError for a file of constants that cannot be read.
    """
    path = None if folder is None else calibration_path(folder, encoder)
    if path is not None and path.is_file():
        try:
            return _from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise DarError(f"The constants {path} cannot be read: {error}.", "Run `dar eval fit` again.") from error
    shipped = json.loads(files(__package__).joinpath("calibrations.json").read_text(encoding="utf-8"))
    found = [value for name, value in shipped.items() if encoder == name or encoder.startswith(f"{name}-")]
    return _from_json(found[0]) if found else Calibration()


def calibration_path(folder: Path, encoder: str) -> Path:
    """Where the constants fitted for an encoder are kept."""
    return folder / f"{''.join(each if each.isalnum() or each in '-._' else '_' for each in encoder)}.json"


def calibration_json(calibration: Calibration) -> str:
    """The file's text."""
    return json.dumps(asdict(calibration), indent=1) + "\n"


def _from_json(data: dict[str, Any]) -> Calibration:
    names = {each.name for each in fields(Calibration)}
    return Calibration(**{name: float(value) for name, value in data.items() if name in names})


def _z(cosines: NDArray[np.float32], spread: Spread) -> Nats:
    if spread.deviation <= 0:
        return np.zeros(len(cosines))
    return (cosines.astype(np.float64) - spread.mean) / spread.deviation


def _positions(ids: Ids, wanted: Ids) -> NDArray[np.int64]:
    """Where each wanted id stands in `ids`, -1 where it does not."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(ids) if np.any(ids[1:] < ids[:-1]) else np.arange(len(ids))
    places = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    return np.asarray(np.where(ids[order[places]] == wanted, order[places], -1), np.int64)
