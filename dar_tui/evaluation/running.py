"""A whole benchmark: encoder after encoder, each one's corpus, pictures and arms, into one report.

Knows how the parts belong together. Knows no command line and prints nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dar_tui.evaluation.cases import Case, Writer
from dar_tui.evaluation.corpus import encode_corpus
from dar_tui.evaluation.dialogs import Dialogs
from dar_tui.evaluation.experiment import Experiment, arms_of
from dar_tui.evaluation.journal import Entry, Journal, Settings
from dar_tui.evaluation.pictures import DrawnPictures, GivenPictures, Pictures
from dar_tui.evaluation.report import Report, Run, report_of, save
from dar_tui.fusion.strategies import DEFAULT, strategy_named
from dar_tui.imagine.imagining import LoadGenerator
from dar_tui.reformulate import QueryStrategy, Reformulator, RuleReformulator
from indexer.encoders import Encoder
from indexer.errors import UsageError

# (what is being done, done, in all).
OnProgress = Callable[[str, int, int], None]


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
    by, the digest of their files. `told`: settings for the report beside those that are added here."""

    kind: str
    cases: tuple[Case, ...]
    photos: tuple[Path, ...]
    source: str
    told: Settings


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
    """Measures everything and saves it in `out`, from where an interrupted run goes on. Raises DarError.

    `encoders`: by spec. Vectors and pictures are kept below `cache`.
    """
    has_pictures = sources.generated is not None or sources.load_generator is not None
    for fusion in ways.fusions:
        strategy_named(fusion)
    if not has_pictures and any(fusion != "text-only" for fusion in ways.fusions):
        raise UsageError("Without pictures every fusion is text-only.", "Add --imagine, or --generated DIR.")
    fusions = ways.fusions or ((DEFAULT,) if has_pictures else ())
    writer = Writer(ways.queries, ways.pictures if sources.load_generator else 0, ways.seed, sources.reformulator)
    runs: list[Run] = []
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
    told: Settings = {
        **benchmark.told,
        "encoders": ", ".join(spec for spec, _ in encoders),
        "pictures": _told_pictures(ways, sources),
        "rewrites by": sources.rewriter,
        "seed": ways.seed,
    }
    report = Report(benchmark.kind, told, tuple(case.target for case in benchmark.cases), tuple(runs))
    save(report, out)
    return report


def _runs(benchmark: Benchmark, entries: Sequence[Entry], baselines: dict[str, str]) -> tuple[Run, ...]:
    return report_of(benchmark.kind, {}, [case.target for case in benchmark.cases], entries, baselines).runs


def _pictures(benchmark: Benchmark, ways: Ways, sources: Sources, encoder: Encoder, cache: Path) -> Pictures | None:
    if sources.generated is not None:
        return GivenPictures.check(sources.generated, encoder, benchmark.cases)
    if sources.load_generator is None:
        return None
    # What pictures are drawn from is decided by the dialogues and by who rewrites them.
    source = json.dumps([benchmark.source, sources.rewriter])
    return DrawnPictures(cache, encoder, sources.load_generator(), ways.pictures, ways.seed, source)


def _told_pictures(ways: Ways, sources: Sources) -> str:
    if sources.generated is not None:
        return f"given in {sources.generated.name}"
    return f"{ways.pictures} by {sources.generator}" if sources.load_generator else "none"
