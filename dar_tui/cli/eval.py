"""`dar eval`: the field's benchmarks on one's own machine, and how sure the difference between two runs is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dar_tui.cli.options import JsonOption
from dar_tui.cli.state import state_of
from indexer.errors import UsageError

if TYPE_CHECKING:
    from dar_tui.evaluation.report import Report

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
    Path | None, typer.Option(metavar="DIR", help="Where figures go and an interrupted run goes on from.")
]
PhotosOption = Annotated[
    int | None, typer.Option(min=2, metavar="N", help="Only N photos: those of the lowest SHA-256 of their names.")
]
SkipOption = Annotated[int, typer.Option(min=0, metavar="N", help="Leave out the first N of these.")]
FigureOption = Annotated[bool, typer.Option("--figure", help="Draw figure.png and figure.svg, too.")]


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
    from dar_tui.cli.eval_run import Options, measure
    from dar_tui.evaluation.datasets import check_images, read_corpus, read_dialogs, read_rewrites
    from dar_tui.evaluation.experiment import Benchmark, chat_cases

    said, names = read_dialogs(dialogs), read_corpus(corpus)
    rows = names.rows_of(said)
    rewritten = read_rewrites(rewrites, said) if rewrites else None
    if rewritten is not None and language:
        raise UsageError("--rewrites and --language exclude one another.", "Give one of them.")
    photos = check_images(names, images)
    benchmark = Benchmark(
        kind="chatir",
        cases=chat_cases(said, rows, rewritten)[:first],
        photos=tuple(photos),
        source=" ".join([said.digest, names.digest, rewritten.digest if rewritten else ""]),
        settings={"dialogs": dialogs.name, "photos": len(photos), "rewrites": rewrites.name if rewrites else None},
    )
    options = Options(encoder, query or ["joined"], fusion, weight, generated, imagine, generator, pictures, language)
    measure(state_of(context), benchmark, options, seed=seed, out=out, figure=figure, json=json)


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
    from dar_tui.cli.eval_run import Options, measure
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
    options = Options(
        encoder, query or ["statements"], fusion, weight, generated, imagine, generator, pictures, language
    )
    measure(state_of(context), benchmark, options, seed=seed, out=out, figure=figure, json=json)


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
    from dar_tui.cli.eval_live import Setting, measure
    from dar_tui.cli.eval_run import queries_named
    from dar_tui.evaluation.datasets import check_photos, chosen, distractors_of, read_attributes, read_captions

    known = chosen(read_captions(captions), photos, skip)
    (strategy,) = queries_named([query])
    setting = Setting(
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
        told={"captions": captions.name, "photos": len(known.names), "skip": skip},
    )
    measure(state_of(context), setting, out, figure=figure, json=json)


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
    from dar_tui.cli.eval_live import fit as fit_encoder
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
        raise UsageError("These two runs look for other photos.", "Compare runs over the same dialogues.")
    gains = compared(a, b)
    if json:
        told = {measure: asdict(gain) for measure, gain in gains.items()}
        state.output.json({"ours": a.name, "theirs": b.name, "queries": len(first.targets), "gains": told})
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
