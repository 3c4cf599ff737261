"""`dar eval chatir` and `captions`: from options to a report. Knows which models stand behind a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.cli.state import State
from indexer.errors import UsageError

if TYPE_CHECKING:
    from dar_tui.evaluation.experiment import Benchmark, Sources, Ways
    from dar_tui.imagine.worker import AnyGenerator
    from dar_tui.reformulate import QueryStrategy


@dataclass(frozen=True)
class Options:
    """What the benchmarks have in common, as given."""

    encoder: Sequence[str] | None
    query: Sequence[str]
    fusion: Sequence[str] | None
    weight: Sequence[float] | None
    generated: Path | None
    imagine: bool
    generator: str
    pictures: int
    language: str


def measure(
    state: State, benchmark: Benchmark, options: Options, *, seed: int, out: Path | None, figure: bool, json: bool
) -> None:
    from dar_tui.cli.eval_output import Progress, show
    from dar_tui.evaluation.experiment import Ways, run

    if options.generated and options.imagine:
        raise UsageError("--generated and --imagine exclude one another.", "Give one of them.")
    weights = (None, *(options.weight or ()))
    ways = Ways(queries_named(options.query), tuple(options.fusion or ()), weights, options.pictures, seed)
    specs = list(dict.fromkeys(options.encoder or [state.new_encoder()]))
    sources = _sources(state, options)
    folder = out or state.settings.home / "eval" / _name(benchmark, ways, options, specs)
    with Progress(state.output) as progress:
        report = run(
            benchmark,
            ways,
            sources,
            [(spec, partial(state.load_encoder, spec)) for spec in specs],
            folder,
            state.settings.cache / "eval",
            progress.advance,
        )
    show(state.output, report, folder, figure=figure, json=json)


def queries_named(names: Sequence[str]) -> tuple[QueryStrategy, ...]:
    from dar_tui.reformulate import QueryStrategy

    known = [str(each) for each in QueryStrategy]
    for name in names:
        if name not in known:
            raise UsageError(f"There is no query strategy {name!r}.", f"Use one of {', '.join(known)}.")
    return tuple(QueryStrategy(name) for name in dict.fromkeys(names))


def _sources(state: State, options: Options) -> Sources:
    from dar_tui.cli.imagining import language_model
    from dar_tui.evaluation.experiment import Sources
    from dar_tui.reformulate import QueryStrategy, RuleReformulator
    from dar_tui.reformulate.language_model import LanguageReformulator

    spec = options.generator or state.profile().generator
    model = language_model(state, options.language or "rules")
    rules = RuleReformulator(QueryStrategy.REWRITE)

    return Sources(
        options.generated,
        partial(uncached, state, spec) if options.imagine else None,
        spec,
        LanguageReformulator(model, QueryStrategy.REWRITE) if model else rules,
        options.language or "rules",
    )


def uncached(state: State, spec: str) -> AnyGenerator:
    """The generator of this spec. Benchmarks keep what is drawn themselves; the picture cache would forget it."""
    from dar_tui.imagine import load_generator

    loader = state.generator_loader or load_generator
    return loader(spec, state.settings.device, state.output.note, cache=state.settings.cache)


def _name(benchmark: Benchmark, ways: Ways, options: Options, specs: Sequence[str]) -> str:
    """The folder of a run that was given none: the same for the same command."""
    import hashlib

    said = repr((benchmark.source, len(benchmark.cases), benchmark.settings, ways, options, specs))
    return f"{benchmark.kind}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
