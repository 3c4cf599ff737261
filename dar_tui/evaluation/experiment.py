"""Dialogues against a corpus: every arm's ranks for every dialogue, in numbered steps, resumable after each few.

`run` goes through the encoders; `Experiment` measures the arms of one; an arm is a query strategy with a fusion
strategy. Fusion strategies make the same `Query` that a library executes. But for reciprocal ranks it is linear in a
photo's vectors (standardised scores are, once the spread is known), so a batch becomes one matrix product. Knows no
command line and prints nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dar_tui.evaluation.corpus import Corpus, encode_corpus
from dar_tui.evaluation.datasets import Case, Dialogs, TurnWords, Writer
from dar_tui.evaluation.gates import Gate
from dar_tui.evaluation.metrics import Places, places
from dar_tui.evaluation.pictures import DrawnPictures, GivenPictures, Pictures
from dar_tui.evaluation.report import Entry, Journal, MeasuredRun, Report, Settings, report_of, save
from dar_tui.fusion.strategies import DEFAULT, Evidence, Fit, Vector, strategy_named, text_only
from dar_tui.imagine.worker import LoadGenerator
from dar_tui.reformulate import QueryStrategy, Reformulator, RuleReformulator
from indexer.encoders import JOINT, Encoder
from indexer.errors import UsageError
from indexer.search.ranking import Query, merged, scores
from indexer.store.vectors import spread_of

Vectors = NDArray[np.float32]

# As in `indexer.search.strength`: below this, differences between cosines are rounding.
_NO_DEVIATION = 1e-6

# (dialogues done, dialogues in all).
OnDialogue = Callable[[int, int], None]
# Dialogues encoded and ranked together: enough for a matrix product, few enough that little is lost by an interruption.
TOGETHER = 16
_TEXTS_AT_ONCE = 64

# (the step, done, in all).
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Arm:
    """A way of searching that is measured. `weight`: the pictures', None for the strategy's own."""

    encoder: str
    query: QueryStrategy
    fusion: str
    weight: float | None = None

    @property
    def name(self) -> str:
        """Unlike that of any other arm of a run."""
        weight = "" if self.weight is None else f"@{self.weight:g}"
        return f"{self.encoder}/{self.query}/{self.fusion}{weight}"

    @property
    def baseline(self) -> Arm:
        """The same text without pictures."""
        return Arm(self.encoder, self.query, "text-only")


def place(arm: Arm, evidence: Sequence[Evidence], corpus: Corpus, targets: NDArray[np.int64]) -> Places:
    """Where the arm puts each piece of evidence's target. What asks for nothing finds nothing: it comes last."""
    strategy = strategy_named(arm.fusion)
    queries = [strategy(each, arm.weight) for each in evidence]
    linear = np.array([at for at, query in enumerate(queries) if query.combine != "rrf"], np.int64)
    ranks, ties = np.zeros(len(queries), np.int64), np.zeros(len(queries), np.int64)
    if len(linear):
        vectors = [directions(queries[at], corpus) for at in linear]
        joint_only = not any(visual.any() for _, visual in vectors)
        rows = [joint if joint_only else np.concatenate([joint, visual]) for joint, visual in vectors]
        found = places(corpus.joint if joint_only else corpus.both, np.stack(rows), targets[linear])
        ranks[linear], ties[linear] = found.ranks, found.ties
        asks_nothing = linear[[not row.any() for row in rows]]
        ranks[asks_nothing] = len(corpus.joint) - 1
    for at in set(range(len(queries))) - set(linear.tolist()):
        values = _scores(queries[at], corpus)
        own = values[targets[at]]
        ranks[at], ties[at] = (values > own).sum(), (values == own).sum() - 1
    return Places(ranks, ties)


def directions(query: Query, corpus: Corpus) -> tuple[Vectors, Vectors]:
    """(dim,) joint and (visual_dim,) visual: the sum of their products with a photo's orders photos as the query does.

    Standardising takes one mean from all photos and divides by one deviation: the order needs the second only.
    """
    visual_dim = 0 if corpus.visual is None else corpus.visual.shape[1]
    joint, visual = np.zeros(corpus.joint.shape[1]), np.zeros(visual_dim)
    for term in merged(query):
        weight = term.weight
        if query.combine == "z":
            deviation = corpus.moments[term.space].deviation(term.vector)
            weight = weight / deviation if deviation > _NO_DEVIATION else 0.0
        target = joint if term.space == JOINT else visual
        target += weight * term.vector.astype(np.float64)
    length = float(np.sqrt(joint @ joint + visual @ visual)) or 1.0
    return (joint / length).astype(np.float32), (visual / length).astype(np.float32)


def _scores(query: Query, corpus: Corpus) -> NDArray[np.float32]:
    """What a library computes by exact search, for every photo."""
    terms = merged(query)
    cosines = [np.asarray(corpus.vectors(term.space) @ term.vector, np.float32) for term in terms]
    return scores(query.combine, terms, cosines, [spread_of(values) for values in cosines])


@dataclass(frozen=True, eq=False)
class Experiment:
    """One encoder's arms over one corpus. Without `pictures` every fusion is the text alone."""

    encoder: Encoder
    corpus: Corpus
    arms: tuple[Arm, ...]
    writer: Writer
    pictures: Pictures | None
    journal: Journal

    def run(self, cases: Sequence[Case], on_progress: OnDialogue = lambda done, total: None) -> dict[int, Entry]:
        """Plays what the journal does not have; returns all entries by the case's number. Raises DarError."""
        gate = Gate.of(self.corpus) if any(arm.fusion == "adaptive" for arm in self.arms) and self.pictures else None
        for start in range(0, len(cases), TOGETHER):
            # Always the same ones together: what is encoded in one batch differs in the last digit from another.
            some = cases[start : start + TOGETHER]
            if any(case.number not in self.journal.entries for case in some):
                self.journal.add(self._play(some, gate))
            on_progress(start + len(some), len(cases))
        return {case.number: self.journal.entries[case.number] for case in cases}

    def _play(self, cases: Sequence[Case], gate: Gate | None) -> list[Entry]:
        clock = _Clock()
        # 1. R1 and R2: the words of every turn.
        with clock.part("words"):
            words = [self.writer.words(case) for case in cases]
        # 2. E_t of every text, each once.
        with clock.part("text"):
            vectors = self._encoded(words)
        # 3. The pictures, found or drawn, and E_v of them.
        drawn: list[list[list[Vector]]] = [[[] for _ in each] for each in words]
        if self.pictures is not None:
            with clock.part("pictures"):
                drawn = [self.pictures.vectors(case, each) for case, each in zip(cases, words, strict=True)]
        # 4. F_t and the rank of the target, arm for arm.
        targets = np.array([case.row for case, each in zip(cases, words, strict=True) for _ in each], np.int64)
        found: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        with clock.part("search"):
            shape = (len(cases), -1)
            for arm in self.arms:
                evidence = self._evidence(arm, words, vectors, drawn, gate)
                placed = place(arm, evidence, self.corpus, targets)
                found[arm.name] = placed.ranks.reshape(shape), placed.ties.reshape(shape)
        seconds = {part: taken / len(cases) for part, taken in clock.seconds.items()}
        return [
            Entry(
                case.number,
                {
                    name: (tuple(ranks[row].tolist()), tuple(ties[row].tolist()))
                    for name, (ranks, ties) in found.items()
                },
                seconds,
            )
            for row, case in enumerate(cases)
        ]

    def _evidence(
        self,
        arm: Arm,
        words: Sequence[Sequence[TurnWords]],
        vectors: dict[str, Vector],
        drawn: Sequence[Sequence[Sequence[Vector]]],
        gate: Gate | None,
    ) -> list[Evidence]:
        found = []
        for turns, pictured in zip(words, drawn, strict=True):
            for turn, (each, pictures) in enumerate(zip(turns, pictured, strict=True)):
                wording = each.wordings[arm.query]
                texts = [vectors[text] for text in wording.texts]
                fits: tuple[Fit, ...] = ()
                if gate is not None and arm.fusion == "adaptive" and texts and pictures:
                    fits = gate.fits(text_only(Evidence(turn, texts)).terms[0].vector, pictures)
                found.append(
                    Evidence(
                        turn,
                        texts,
                        pictures=pictures,
                        picture_space=self.corpus.picture_space,
                        rejects=[vectors[text] for text in wording.rejects],
                        fits=fits,
                        dim=self.encoder.dim,
                    )
                )
        return found

    def _encoded(self, words: Sequence[Sequence[TurnWords]]) -> dict[str, Vector]:
        wordings = [wording for turns in words for each in turns for wording in each.wordings.values()]
        texts = list(dict.fromkeys(text for each in wordings for text in (*each.texts, *each.rejects)))
        # Of like length together: a batch is as long as its longest text.
        texts.sort(key=lambda text: (len(text), text))
        found: dict[str, Vector] = {}
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = texts[start : start + _TEXTS_AT_ONCE]
            found |= dict(zip(batch, self.encoder.encode_texts(batch), strict=True))
        return found


def arms_of(
    encoder: str, queries: Sequence[QueryStrategy], fusions: Sequence[str], weights: Sequence[float | None]
) -> tuple[Arm, ...]:
    """Every query strategy with every fusion strategy, the text alone of each first."""
    found = []
    for query in dict.fromkeys(queries):
        found.append(Arm(encoder, query, "text-only"))
        found += [
            Arm(encoder, query, fusion, weight)
            for fusion in dict.fromkeys(fusions)
            if fusion != "text-only"
            for weight in dict.fromkeys(weights)
        ]
    return tuple(found)


@dataclass(eq=False)
class _Clock:
    """Seconds by part."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


@dataclass(frozen=True)
class Ways:
    """The ways of searching that are measured: each query strategy with each fusion strategy and picture weight."""

    queries: tuple[QueryStrategy, ...]
    fusions: tuple[str, ...] = ()
    weights: tuple[float | None, ...] = (None,)
    pictures: int = 3
    """K, of what is drawn; all that are given count."""
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Sources:
    """Where pictures and rewrites come from: at most one of `generated` (a folder) and `load_generator`.

    `rewriter` names what writes the `rewrite` queries, for whoever repeats the run.
    """

    generated: Path | None = None
    load_generator: LoadGenerator | None = None
    generator: str = ""
    reformulator: Reformulator = field(default_factory=lambda: RuleReformulator(QueryStrategy.REWRITE))
    rewriter: str = "rules"


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Dialogues over photos. `photos`: paths, in the order of the cases' rows. `source`: what the dialogues are known
    by, the digest of their files. `settings`: for the report, beside those that are added here."""

    kind: str
    cases: tuple[Case, ...]
    photos: tuple[Path, ...]
    source: str
    settings: Settings


def chat_cases(dialogs: Dialogs, rows: Sequence[int], rewrites: Dialogs | None = None) -> tuple[Case, ...]:
    """ChatIR's dialogues as cases."""
    return tuple(
        Case(number, entry.target, row, entry.texts, True, rewrites.entries[number].texts if rewrites else ())
        for number, (entry, row) in enumerate(zip(dialogs.entries, rows, strict=True))
    )


def caption_cases(names: Sequence[str], captions: Sequence[Sequence[str]], turns: int) -> tuple[Case, ...]:
    """The caption benchmark: D0 is a photo's first caption, each further one an answer to "tell me more"."""
    return tuple(
        Case(number, name, number, tuple(texts[:turns]))
        for number, (name, texts) in enumerate(zip(names, captions, strict=True))
    )


def run(
    benchmark: Benchmark,
    ways: Ways,
    sources: Sources,
    encoders: Sequence[tuple[str, Callable[[], Encoder]]],
    out: Path,
    cache: Path,
    on_progress: OnProgress,
) -> Report:
    """Measures everything and saves it in `out`, resuming an interrupted run. Raises DarError.

    `encoders`: by spec. Vectors and pictures are kept below `cache`.
    """
    has_pictures = sources.generated is not None or sources.load_generator is not None
    for fusion in ways.fusions:
        strategy_named(fusion)
    if not has_pictures and any(fusion != "text-only" for fusion in ways.fusions):
        raise UsageError("Without pictures every fusion is text-only.", "Add --imagine, or --generated DIR.")
    fusions = ways.fusions or ((DEFAULT,) if has_pictures else ())
    writer = Writer(ways.queries, ways.pictures if sources.load_generator else 0, ways.seed, sources.reformulator)
    runs: list[MeasuredRun] = []
    for spec, load in encoders:
        encoder = load()
        corpus = encode_corpus(benchmark.photos, encoder, cache, partial(on_progress, f"{spec}: photos"))
        pictures = _pictures(benchmark, ways, sources, encoder, cache)
        arms = arms_of(spec, ways.queries, fusions, ways.weights)
        settings: Settings = {
            "benchmark": benchmark.source,
            "encoder": encoder.id,
            "pictures": pictures.digest if pictures else "",
            "rewrites by": sources.rewriter,
            "arms": ", ".join(arm.name for arm in arms),
            "photos": hashlib.sha256(json.dumps([case.target for case in benchmark.cases]).encode()).hexdigest(),
            "seed": ways.seed,
        }
        name = hashlib.sha256(json.dumps([spec, encoder.id]).encode()).hexdigest()[:16]
        journal = Journal(out / f"journal-{name}.jsonl", settings)
        experiment = Experiment(encoder, corpus, arms, writer, pictures, journal)
        entries = experiment.run(benchmark.cases, partial(on_progress, f"{spec}: dialogues"))
        baselines = {arm.name: "" if arm == arm.baseline else arm.baseline.name for arm in arms}
        runs += _runs(benchmark, list(entries.values()), baselines)
    described: Settings = {
        **benchmark.settings,
        "encoders": ", ".join(spec for spec, _ in encoders),
        "pictures": _pictures_setting(ways, sources),
        "rewrites by": sources.rewriter,
        "seed": ways.seed,
    }
    report = Report(benchmark.kind, described, tuple(case.target for case in benchmark.cases), tuple(runs))
    save(report, out)
    return report


def _runs(benchmark: Benchmark, entries: Sequence[Entry], baselines: dict[str, str]) -> tuple[MeasuredRun, ...]:
    return report_of(benchmark.kind, {}, [case.target for case in benchmark.cases], entries, baselines).runs


def _pictures(benchmark: Benchmark, ways: Ways, sources: Sources, encoder: Encoder, cache: Path) -> Pictures | None:
    if sources.generated is not None:
        return GivenPictures.check(sources.generated, encoder, benchmark.cases)
    if sources.load_generator is None:
        return None
    # What pictures are drawn from is decided by the dialogues and by who rewrites them.
    source = json.dumps([benchmark.source, sources.rewriter])
    return DrawnPictures(cache, encoder, sources.load_generator(), ways.pictures, ways.seed, source)


def _pictures_setting(ways: Ways, sources: Sources) -> str:
    if sources.generated is not None:
        return f"given in {sources.generated.name}"
    return f"{ways.pictures} by {sources.generator}" if sources.load_generator else "none"
