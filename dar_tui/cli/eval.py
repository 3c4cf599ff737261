"""`dar eval`: the field's benchmarks on one's own machine, and how sure the difference between two runs is.

From options to a report; knows which models stand behind a run. What is measured, and how, is `dar_tui.evaluation`'s.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dar_tui.cli.options import JsonOption
from dar_tui.cli.state import State, state_of
from indexer.errors import UsageError
from indexer.printable import visible

if TYPE_CHECKING:
    from rich.progress import TaskID

    from dar_tui.cli.output import Output
    from dar_tui.evaluation.datasets import Captioned
    from dar_tui.evaluation.experiment import Benchmark, Sources, Ways
    from dar_tui.evaluation.report import Report, Settings
    from dar_tui.imagine.worker import AnyGenerator
    from dar_tui.reformulate import QueryStrategy

app = typer.Typer(help="Measure how well photos are found.", no_args_is_help=True, rich_markup_mode=None)

ImagesOption = Annotated[Path, typer.Option(metavar="DIR", help="The folder with the photos.")]
EncoderOption = Annotated[
    list[str] | None,
    typer.Option("--encoder", metavar="SPEC", help="The encoder; repeatable. Default: the profile's."),
]
QueryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--query", metavar="NAME", help="How dialogues become queries: joined, rewrite or statements; repeatable."
    ),
]
FusionOption = Annotated[
    list[str] | None, typer.Option("--fusion", metavar="NAME", help="How pictures count; repeatable.")
]
WeightOption = Annotated[
    list[float] | None,
    typer.Option("--weight", metavar="W", help="Picture weights to try beside the strategy's own; repeatable."),
]
GeneratedOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Pictures drawn before: {dialogue}_{turn}.jpg or {dialogue}_{turn}_{k}.png."),
]
ImagineOption = Annotated[bool, typer.Option("--imagine", help="Draw pictures; what is drawn is kept.")]
GeneratorOption = Annotated[str, typer.Option(metavar="SPEC", help="What draws. Default: the profile's.")]
PicturesOption = Annotated[int, typer.Option("--pictures", "-K", min=1, max=32, help="Pictures drawn a turn.")]
LanguageOption = Annotated[str, typer.Option(metavar="SPEC", help="The language model that rewrites. Default: rules.")]
SeedOption = Annotated[int, typer.Option(min=0, help="What chance is drawn from.")]
OutOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where figures go and an interrupted run continues from.")
]
PhotosOption = Annotated[
    int | None, typer.Option(min=2, metavar="N", help="Only N photos: those of the lowest SHA-256 of their names.")
]
SkipOption = Annotated[int, typer.Option(min=0, metavar="N", help="Leave out the first N of these.")]
FigureOption = Annotated[bool, typer.Option("--figure", help="Draw figure.png and figure.svg, too.")]
# Without a terminal the lines end up in a log, where one every half minute shows that work goes on.
_LOG_SECONDS = 30.0


@app.command()
def chatir(
    context: typer.Context,
    dialogs: Annotated[Path, typer.Option(metavar="FILE", help="Dialogues: ChatIR's JSON, or rewrites of its form.")],
    corpus: Annotated[Path, typer.Option(metavar="FILE", help="The JSON list of the photos to search among.")],
    images: ImagesOption,
    rewrites: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Queries for --query rewrite: PlugIR's or DAR's file.")
    ] = None,
    encoder: EncoderOption = None,
    query: QueryOption = None,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    generated: GeneratedOption = None,
    imagine: ImagineOption = False,
    generator: GeneratorOption = "",
    pictures: PicturesOption = 3,
    language: LanguageOption = "",
    first: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N dialogues.")] = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    figure: FigureOption = False,
    json: JsonOption = False,
) -> None:
    """The ChatIR protocol: cumulative Hits@k over dialogues of eleven lengths."""
    from dar_tui.evaluation.datasets import check_images, read_corpus, read_dialogs, read_rewrites
    from dar_tui.evaluation.experiment import Benchmark, chat_cases

    dialogues, names = read_dialogs(dialogs), read_corpus(corpus)
    rows = names.rows_of(dialogues)
    rewritten = read_rewrites(rewrites, dialogues) if rewrites else None
    if rewritten is not None and language:
        raise UsageError("--rewrites and --language exclude one another.", "Give one of them.")
    photos = check_images(names, images)
    benchmark = Benchmark(
        kind="chatir",
        cases=chat_cases(dialogues, rows, rewritten)[:first],
        photos=tuple(photos),
        source=" ".join([dialogues.digest, names.digest, rewritten.digest if rewritten else ""]),
        settings={"dialogs": dialogs.name, "photos": len(photos), "rewrites": rewrites.name if rewrites else None},
    )
    options = BenchmarkOptions(
        encoder, query or ["joined"], fusion, weight, generated, imagine, generator, pictures, language
    )
    measure_benchmark(state_of(context), benchmark, options, seed=seed, out=out, figure=figure, json=json)


@app.command()
def captions(
    context: typer.Context,
    images: ImagesOption,
    captions: Annotated[
        Path, typer.Option(metavar="FILE", help="Tab-separated, Flickr8k's or Flickr30k's token file, or COCO's JSON.")
    ],
    photos: PhotosOption = None,
    skip: SkipOption = 0,
    turns: Annotated[int | None, typer.Option(min=1, metavar="N", help="Captions used. Default: all have.")] = None,
    encoder: EncoderOption = None,
    query: QueryOption = None,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    generated: GeneratedOption = None,
    imagine: ImagineOption = False,
    generator: GeneratorOption = "",
    pictures: PicturesOption = 3,
    language: LanguageOption = "",
    seed: SeedOption = 0,
    out: OutOption = None,
    figure: FigureOption = False,
    json: JsonOption = False,
) -> None:
    """The caption benchmark: D0 is a photo's first caption, each further one says more of it."""
    from dar_tui.evaluation.datasets import check_photos, chosen, read_captions
    from dar_tui.evaluation.experiment import Benchmark, caption_cases

    known = chosen(read_captions(captions), photos, skip)
    length = turns or known.fewest
    paths = check_photos(known, images, length)
    benchmark = Benchmark(
        kind="captions",
        cases=caption_cases(known.names, known.captions, length),
        photos=tuple(paths),
        source=known.digest,
        settings={"captions": captions.name, "photos": len(paths), "skip": skip, "turns": length},
    )
    options = BenchmarkOptions(
        encoder, query or ["statements"], fusion, weight, generated, imagine, generator, pictures, language
    )
    measure_benchmark(state_of(context), benchmark, options, seed=seed, out=out, figure=figure, json=json)


@app.command()
def live(
    context: typer.Context,
    images: ImagesOption,
    captions: Annotated[Path, typer.Option(metavar="FILE", help="As for `dar eval captions`.")],
    attributes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Tab-separated: a photo's name, something true of it.")
    ] = None,
    photos: PhotosOption = None,
    skip: SkipOption = 0,
    dialogues: Annotated[int, typer.Option(min=2, metavar="N", help="Photos that are looked for.")] = 200,
    turns: Annotated[int, typer.Option(min=1, max=20, metavar="N", help="Pages after the first.")] = 5,
    row: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="captions, captions+seen, questions, questions+feedback or questions+pictures, beside next-page;"
            " repeatable. Default: all.",
        ),
    ] = None,
    distractors: Annotated[
        Path | None, typer.Option(metavar="DIR", help="More photos for the library, which nobody looks for.")
    ] = None,
    overlooks: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Chance that the photo on the page is not seen.")
    ] = 0.05,
    mistakes: Annotated[float, typer.Option(min=0, max=1, metavar="P", help="Chance of a wrong answer.")] = 0.05,
    talkative: Annotated[bool, typer.Option("--talkative", help="Answers go on in the words of a caption.")] = False,
    encoder: Annotated[str, typer.Option(metavar="SPEC", help="The encoder. Default: the profile's.")] = "",
    query: Annotated[str, typer.Option(metavar="NAME", help="joined, rewrite or statements.")] = "statements",
    fusion: Annotated[str, typer.Option(metavar="NAME", help="How pictures count. Default: the app's.")] = "",
    imagine: Annotated[bool, typer.Option("--imagine", help="Measure what drawn pictures add, too.")] = False,
    generator: GeneratorOption = "",
    pictures: PicturesOption = 3,
    seed: SeedOption = 0,
    out: OutOption = None,
    figure: FigureOption = False,
    json: JsonOption = False,
) -> None:
    """Whole sessions with a simulated user: what questions, feedback and pictures add to turning pages."""
    from dar_tui.evaluation.datasets import check_photos, chosen, distractors_of, read_attributes, read_captions

    known = chosen(read_captions(captions), photos, skip)
    (strategy,) = queries_named([query])
    setting = LiveOptions(
        known=known,
        paths=check_photos(known, images, 1),
        attributes=read_attributes(attributes) if attributes else {},
        dialogues=min(dialogues, len(known.names)),
        turns=turns,
        rows=row or (),
        overlooks=overlooks,
        mistakes=mistakes,
        distractors=distractors_of(distractors, known) if distractors else {},
        talkative=talkative,
        encoder=encoder,
        query=strategy,
        fusion=fusion,
        generator=generator if imagine else None,
        pictures=pictures,
        seed=seed,
        shown={"captions": captions.name, "photos": len(known.names), "skip": skip},
    )
    measure_live(state_of(context), setting, out, figure=figure, json=json)


@app.command()
def fit(
    context: typer.Context,
    images: ImagesOption,
    captions: Annotated[Path, typer.Option(metavar="FILE", help="As for `dar eval captions`.")],
    photos: PhotosOption = None,
    skip: SkipOption = 0,
    encoder: Annotated[str, typer.Option(metavar="SPEC", help="The encoder. Default: the profile's.")] = "",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: where `dar chat` looks.")] = None,
    json: JsonOption = False,
) -> None:
    """Find what an encoder's scores are worth, from captioned photos that it was not trained on."""
    from dar_tui.evaluation.datasets import check_photos, chosen, read_captions

    known = chosen(read_captions(captions), photos, skip)
    fit_encoder(state_of(context), known, check_photos(known, images, 1), encoder, out, json=json)


@app.command()
def compare(
    context: typer.Context,
    ours: Annotated[str, typer.Argument(metavar="A", help="A run's folder or report.json; #NAME for one of several.")],
    theirs: Annotated[str, typer.Argument(metavar="B", help="What it is compared with.")],
    json: JsonOption = False,
) -> None:
    """What one run gains over another over the same queries, with 95 % intervals."""
    from dataclasses import asdict

    from dar_tui.evaluation.report import compare as compared

    state = state_of(context)
    (first, a), (second, b) = _named(ours), _named(theirs)
    if first.targets != second.targets:
        raise UsageError("These two runs look for different photos.", "Compare runs over the same dialogues.")
    gains = compared(a, b)
    if json:
        as_json = {measure: asdict(gain) for measure, gain in gains.items()}
        state.output.json({"ours": a.name, "theirs": b.name, "queries": len(first.targets), "gains": as_json})
        return
    from dar_tui.evaluation.table import compared as lines

    for line in lines(gains, a.name, b.name):
        state.output.result(line)


@app.command()
def best(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder or report.json.")],
    json: JsonOption = False,
) -> None:
    """Which way of searching did best in a run, by how much, and what half of the queries would have chosen."""
    from dataclasses import asdict

    from dar_tui.evaluation.report import choose, load

    state = state_of(context)
    choice = choose(load(run))
    if json:
        state.output.json(asdict(choice))
        return
    from dar_tui.evaluation.table import chosen

    for line in chosen(choice):
        state.output.result(line)


def _named(given: str) -> tuple[Report, Any]:
    from dar_tui.evaluation.report import load

    path, _, name = given.partition("#")
    report = load(Path(path))
    if not name and len(report.runs) > 1:
        names = ", ".join(run.name for run in report.runs)
        raise UsageError(f"{path} holds several runs.", f"Name one, as in {path}#{report.runs[0].name}: {names}.")
    return report, report.run(name) if name else report.runs[0]


class EvalProgress:
    """A bar for each part of a benchmark in a terminal, a few plain lines elsewhere."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last = time.monotonic()
        self._tasks: dict[str, TaskID] = {}
        self._bars = None
        if output.stderr_is_terminal:
            from rich.console import Console
            from rich.progress import Progress as Bars

            self._bars = Bars(console=Console(stderr=True), transient=True)

    def __enter__(self) -> EvalProgress:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def advance(self, part: str, done: int, total: int) -> None:
        """Tells that `done` of `total` are done in this part."""
        if self._bars is not None:
            from rich.markup import escape

            if part not in self._tasks:
                self._tasks[part] = self._bars.add_task(escape(visible(part)), total=total)
            self._bars.update(self._tasks[part], completed=done)
        elif time.monotonic() - self._last >= _LOG_SECONDS:
            self._last = time.monotonic()
            self._output.note(f"{visible(part)}: {done:,} of {total:,}")


def show(output: Output, report: Report, folder: Path, *, figure: bool, json: bool) -> None:
    """The report as JSON or a table, and where it is kept."""
    from dar_tui.evaluation.report import FILE

    files = [folder / FILE, folder / "table.csv"]
    if figure:
        from dar_tui.evaluation.table import draw

        files += draw(report, folder / "figure")
    if json:
        output.json(report.to_json(), compact=True)
    else:
        import shutil

        from dar_tui.evaluation.table import WIDE, shown

        width = shutil.get_terminal_size().columns if output.stdout_is_terminal else WIDE
        for line in shown(report, width):
            output.result(line)
    for file in files:
        output.note(f"Saved in {visible(file)}")


@dataclass(frozen=True)
class BenchmarkOptions:
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


def measure_benchmark(
    state: State,
    benchmark: Benchmark,
    options: BenchmarkOptions,
    *,
    seed: int,
    out: Path | None,
    figure: bool,
    json: bool,
) -> None:
    from dar_tui.evaluation.experiment import Ways, run

    if options.generated and options.imagine:
        raise UsageError("--generated and --imagine exclude one another.", "Give one of them.")
    weights = (None, *(options.weight or ()))
    ways = Ways(queries_named(options.query), tuple(options.fusion or ()), weights, options.pictures, seed)
    specs = list(dict.fromkeys(options.encoder or [state.new_encoder()]))
    sources = _sources(state, options)
    folder = out or state.settings.home / "eval" / _name(benchmark, ways, options, specs)
    with EvalProgress(state.output) as progress:
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


def _sources(state: State, options: BenchmarkOptions) -> Sources:
    from dar_tui.cli.state import language_model
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


def _name(benchmark: Benchmark, ways: Ways, options: BenchmarkOptions, specs: Sequence[str]) -> str:
    """The folder of a run that was given none: the same for the same command."""
    import hashlib

    key = repr((benchmark.source, len(benchmark.cases), benchmark.settings, ways, options, specs))
    # The class had this name when the first runs were made; one that was interrupted is found again by its folder.
    key = key.replace("BenchmarkOptions(", "Options(")
    return f"{benchmark.kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, eq=False)
class LiveOptions:
    """What the command was given. `generator`: None for no pictures, "" for the profile's; no `rows`: all.

    `distractors`: photos by name that are in the library and never looked for.
    """

    known: Captioned
    paths: list[Path]
    attributes: Mapping[str, frozenset[str]]
    dialogues: int
    turns: int
    rows: Sequence[str]
    overlooks: float
    mistakes: float
    distractors: Mapping[str, Path]
    talkative: bool
    encoder: str
    query: QueryStrategy
    fusion: str
    generator: str | None
    pictures: int
    seed: int
    shown: Settings


def measure_live(state: State, setting: LiveOptions, out: Path | None, *, figure: bool, json: bool) -> None:
    """Plays every dialogue in every mode and shows what each mode found. Raises DarError."""
    import random

    from dar_tui.evaluation.live import NEXT_PAGE, PAGE, Lapses, Trial, library_of, modes_of, run
    from dar_tui.evaluation.report import Journal, report_of, save
    from dar_tui.fusion.strategies import strategy_named
    from dar_tui.reformulate import RuleReformulator
    from dar_tui.session.session import SessionOptions
    from dar_tui.session.state import BELIEF, CALIBRATIONS

    fusion = setting.fusion or BELIEF
    if fusion != BELIEF:
        strategy_named(fusion)
    encoder = state.load_encoder(setting.encoder or state.new_encoder())
    generator = None
    if setting.generator is not None:
        generator = uncached(state, setting.generator or state.profile().generator)
    modes = modes_of(setting.rows, pictures=generator is not None)
    targets = random.Random(setting.seed).sample(sorted(setting.known.names), setting.dialogues)
    settings: Settings = {
        **setting.shown,
        "dialogues": len(targets),
        "distractors": len(setting.distractors),
        "turns": setting.turns,
        "rows": ", ".join(mode.name for mode in modes),
        "answers": "talkative" if setting.talkative else "plain",
        "overlooks": setting.overlooks,
        "mistakes": setting.mistakes,
        "encoder": encoder.id,
        "query": str(setting.query),
        "fusion": fusion,
        "pictures": f"{setting.pictures} by {generator.id}" if generator else "none",
        "seed": setting.seed,
    }
    digest = {"digest": setting.known.digest, "attributes digest": _digest(setting.attributes)}
    name = hashlib.sha256(repr((sorted(settings.items()), sorted(digest.items()))).encode()).hexdigest()[:12]
    folder = out or state.settings.home / "eval" / f"live-{name}"
    cache = state.settings.cache / "eval"
    photos = {**dict(zip(setting.known.names, setting.paths, strict=True)), **setting.distractors}
    with library_of(photos, encoder, cache) as (library, ids), EvalProgress(state.output) as progress:
        stage = Trial(
            library,
            encoder,
            state.settings.cache / "questions",
            ids,
            dict(zip(setting.known.names, setting.known.captions, strict=True)),
            setting.turns,
            setting.seed,
            setting.talkative,
            Lapses(setting.overlooks, setting.mistakes),
            setting.attributes,
            generator,
            RuleReformulator(setting.query),
            SessionOptions(PAGE, setting.pictures, fusion, calibrations=state.settings.home / CALIBRATIONS),
        )
        journal = Journal(folder / "journal.jsonl", {**settings, **digest})
        entries = run(stage, targets, modes, journal, lambda done, total: progress.advance("dialogues", done, total))
    baselines = {mode.name: "" if mode == NEXT_PAGE else NEXT_PAGE.name for mode in modes}
    report = report_of("live", settings, targets, entries, baselines, PAGE)
    save(report, folder)
    show(state.output, report, folder, figure=figure, json=json)


def _digest(attributes: Mapping[str, frozenset[str]]) -> str:
    key = repr(sorted((name, sorted(known)) for name, known in attributes.items()))
    return hashlib.sha256(key.encode()).hexdigest() if attributes else ""


def fit_encoder(
    state: State, known: Captioned, paths: list[Path], encoder_spec: str, out: Path | None, *, json: bool
) -> None:
    """Finds the encoder's constants for the sessions' belief and writes them where sessions look. Raises DarError."""
    from dataclasses import asdict

    import numpy as np

    from dar_tui.evaluation.fitting import fitted
    from dar_tui.evaluation.live import library_of
    from dar_tui.questions.bank import load_bank
    from dar_tui.session.belief import calibration_json, calibration_of, calibration_path
    from dar_tui.session.state import CALIBRATIONS
    from indexer.files import make_private_folder, write_atomically
    from indexer.store.disk import disk_errors_named

    encoder = state.load_encoder(encoder_spec or state.new_encoder())
    bank = load_bank()
    photos = dict(zip(known.names, paths, strict=True))
    count = min(len(captions) for captions in known.captions)
    captions = [each[:count] for each in known.captions]
    with (
        library_of(photos, encoder, state.settings.cache / "eval") as (library, ids),
        EvalProgress(state.output) as progress,
    ):
        vectors = library.vectors([ids[name] for name in known.names])
        texts = []
        for number, each in enumerate(captions, 1):
            texts.append(encoder.encode_texts(each))
            progress.advance("captions", number, len(captions))
        statements = encoder.encode_texts([attribute.texts[0] for attribute in bank])
    found = fitted(vectors, captions, np.stack(texts), bank, statements, calibration_of(encoder.id))
    path = out or calibration_path(state.settings.home / CALIBRATIONS, encoder.id)
    with disk_errors_named(path, "file"):
        make_private_folder(path.parent)
        write_atomically(path, calibration_json(found).encode("ascii"))
    if json:
        state.output.json({"encoder": encoder.id, "photos": len(photos), **asdict(found)})
        return
    for name, value in asdict(found).items():
        state.output.result(f"{name:12} {value:.3f}")
    state.output.note(f"Saved in {visible(path)}; `dar chat` uses it.")
