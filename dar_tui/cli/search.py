"""`dar search`: photos that match a description, that are like a photo, or that pass filters alone.

Text is read by the dialogue's rules and ranked by the chat's policy; what was understood goes to stderr and into JSON.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dar_tui.cli.options import JsonOption, LibraryOption, SearchEncoderOption, example_path, named_path
from dar_tui.cli.state import State, state_of
from indexer.errors import NothingFound, UsageError

if TYPE_CHECKING:
    from dar_tui.cli.query import Asked, QueryBuilder
    from dar_tui.cli.search_models import Reranking, SearchPictures
    from dar_tui.fusion.finding import Filters
    from indexer.library import Library
    from indexer.search.hits import Hit
    from indexer.search.where import Where


class Sort(StrEnum):
    """The order of what is printed."""

    DATE = "date"
    MATCH = "match"
    NAME = "name"


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search found, and what is to be known of it."""

    hits: list[Hit]
    encoder_id: str
    drawn: SearchPictures | None = None
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    advice: str = ""


def search(
    context: typer.Context,
    text: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]", help="What is in the photo.")] = None,
    k: Annotated[int, typer.Option("-k", "--count", min=1, max=10_000, metavar="N", help="How many.")] = 10,
    like: Annotated[
        list[Path] | None,
        typer.Option(
            parser=example_path,
            metavar="PHOTO",
            help="Like this photo, indexed or not ('-': from stdin); repeatable.",
            show_default=False,
        ),
    ] = None,
    unlike: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Without what this describes; repeatable.", show_default=False),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="DATE", help="Taken at or after DATE begins.", show_default=False)
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Taken before DATE begins (2019: before 2019).", show_default=False),
    ] = None,
    under: Annotated[
        list[Path] | None,
        typer.Option(
            parser=named_path, metavar="FOLDER", help="Only photos in this folder; repeatable.", show_default=False
        ),
    ] = None,
    camera: Annotated[
        str, typer.Option(metavar="NAME", help="Only from cameras whose name holds NAME.", show_default=False)
    ] = "",
    name: Annotated[
        str, typer.Option(metavar="PATTERN", help='Only files named like this: "IMG_20*".', show_default=False)
    ] = "",
    literal: Annotated[
        bool, typer.Option("--literal", help="Search for TEXT as typed: no dates, places or negations read out of it.")
    ] = False,
    sort: Annotated[
        Sort | None,
        typer.Option(help="Print in this order: date is newest first.", show_default="match; date without TEXT"),
    ] = None,
    strong: Annotated[
        bool, typer.Option("--strong", help="Only strong matches; exit code 3 if there are none.")
    ] = False,
    near: Annotated[
        str,
        typer.Option(
            metavar="PLACE", help="Within 25 km of a town or LAT,LON; 'Rome,5km' says how far.", show_default=False
        ),
    ] = "",
    place: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="In this city, region or country; repeatable.", show_default=False),
    ] = None,
    library: LibraryOption = None,
    encoder: SearchEncoderOption = "",
    json: JsonOption = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print paths only, one a line.")] = False,
    print0: Annotated[
        bool, typer.Option("-0", "--print0", help="Print paths only, each ended by a zero byte.")
    ] = False,
    no_fold: Annotated[
        bool, typer.Option("--no-fold", help="List every photo of a burst, and every re-saved copy.")
    ] = False,
    all_copies: Annotated[
        bool, typer.Option("--all-copies", help="Print the paths of copies and folded photos too, below each hit.")
    ] = False,
    imagine: Annotated[
        bool, typer.Option("--imagine", help="Imagine it first, and search by the pictures too.")
    ] = False,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Look at the best 50 again, with BLIP's matching head.")
    ] = False,
    reranker: Annotated[
        str, typer.Option(metavar="SPEC", help="The BLIP model of --rerank: blip:...", show_default=False)
    ] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Show the photos, in a terminal.")] = False,
) -> None:
    """Find photos by describing them, or list those that pass the filters."""
    from dar_tui.cli.query import Asked, photos_to_be_like
    from dar_tui.cli.results import others_of
    from dar_tui.language.when import hemisphere_of

    state = state_of(context)
    if json + paths + print0 > 1:
        raise UsageError("--json, --paths and -0 exclude one another.", "Give one of them.")
    if preview and (json or paths or print0):
        raise UsageError("--preview is for people, --json, --paths and -0 are for scripts.", "Give one of them.")
    asked = Asked(" ".join(text or ()), photos_to_be_like(like), tuple(unlike or ()), literal)
    where = replace(_placed(_where(after, before, under or [], camera, asked), near, place or []), name=name)
    _check(asked, where, sort, strong)
    look_again = _reranker(state, asked, reranker) if rerank or reranker else None
    with state.open_library(library, encoder) as opened:
        seasons = hemisphere_of(state.settings.hemisphere, opened.is_southern)
        if seasons is not asked.hemisphere:
            asked = replace(asked, hemisphere=seasons)
            dated = _where(after, before, under or [], camera, asked)
            where = replace(where, after=dated.after, before=dated.before)
        if asked.in_words:
            state.output.note(asked.in_words)
        if asked.compares:
            depth = max(k, look_again.depth) if look_again else k
            answer = _ranked(state, opened, asked, where, depth, imagine=imagine, fold=not no_fold)
        else:
            answer = _listed(opened, asked, where, k, by_name=sort is Sort.NAME)
    for line in answer.notes:
        state.output.note(line)
    hits = answer.hits
    chances: dict[int, float] = {}
    if look_again is not None:
        hits, chances = look_again(", ".join(asked.need.wants), hits)
        hits = hits[:k]
    found_any = bool(hits)
    hits = _sorted([hit for hit in hits if hit.strength == "strong"] if strong else hits, sort, asked)
    if json:
        _print_json(state, asked, answer, hits, chances)
    elif paths or print0:
        for hit in hits:
            for path in (hit.path, *(others_of(hit) if all_copies else ())):
                state.output.path(path, b"\0" if print0 else b"\n")
    elif hits:
        _print_table(state, asked, hits, preview=preview, all_copies=all_copies)
    if not hits and found_any:
        raise NothingFound("No photo in the library is a strong match.", "Leave --strong out to see the nearest.")
    if not hits:
        raise NothingFound("No photo in the library fits.", answer.advice)


def _check(asked: Asked, where: Where, sort: Sort | None, strong: bool) -> None:
    """Raises UsageError where nothing is asked for, or what cannot go together."""
    from indexer.search.where import Where

    if not asked.compares and not asked.filters and where == Where():
        raise UsageError("Nothing to search for.", "Describe the photo: `dar search 'a dog on the beach'`.")
    if asked.compares:
        return
    if strong:
        raise UsageError("--strong needs something to match.", "Describe the photo as well.")
    if sort is Sort.MATCH:
        raise UsageError("Filters alone match nothing that photos could be sorted by.", "Use --sort date or name.")


def _ranked(state: State, library: Library, asked: Asked, where: Where, k: int, *, imagine: bool, fold: bool) -> Answer:
    """The photos that fit best, by the chat's policy: what the text says of days and folders filters too."""
    from dar_tui.cli.query import QueryBuilder
    from dar_tui.fusion.finding import filters_of, find, undated
    from dar_tui.fusion.mentions import mentioned, nobody_called, with_words
    from dar_tui.language.rules.dates import not_a_stretch
    from dar_tui.language.understanding import not_understood

    builder = QueryBuilder(state, library)
    encoder_id = builder.record.encoder_id
    drawn = _imagined(state, builder, asked) if imagine else None
    query, examples = builder.build(asked, drawn.vectors if drawn else ())
    mentions = mentioned(library, asked.need)
    if mentions:
        query = builder.believed(query, asked, mentions)
    filters = replace(filters_of(library, asked.need, sorted(examples)), base=where)
    found = find(library, query, k, filters, fold=fold)
    if not found.note:
        found = replace(found, hits=with_words(library, found.hits, mentions, asked.need))
    unread, said = builder.unread(asked), asked.need.wants + asked.rejects
    if unread and set(asked.need.wants) <= set(unread):
        found = found.doubtful
    about_dates = (found.note or undated(library, filters), not_a_stretch(said, asked.at))
    notes = (
        *about_dates,
        not_understood(unread),
        nobody_called(library, [want for want in asked.need.wants if want not in unread]),
    )
    hits = list(found.hits)
    advice = "" if hits else _advice(filters, library)
    return Answer(hits, encoder_id, drawn, tuple(note for note in notes if note), unread, advice)


def _listed(library: Library, asked: Asked, where: Where, k: int, *, by_name: bool) -> Answer:
    """The photos that pass the filters, no encoder being asked."""
    from dar_tui.cli.query import is_empty
    from dar_tui.fusion.finding import filters_of, passing_of, undated
    from dar_tui.fusion.mentions import with_words

    record = library.encoder
    if record is None:
        raise is_empty(library)
    filters = replace(filters_of(library, asked.need), base=where)
    passing = passing_of(lambda count: library.listing(filters.where, count, by_name=by_name), k, filters)
    hits = list(with_words(library, passing, (), asked.need))
    note, advice = undated(library, filters), "" if hits else _advice(filters, library)
    return Answer(hits, record.encoder_id, notes=(note,) if note else (), advice=advice)


def _sorted(hits: Sequence[Hit], sort: Sort | None, asked: Asked) -> list[Hit]:
    """In the order asked for, ranks counting along it."""
    ordered = list(hits)
    if asked.compares and sort is Sort.DATE:
        ordered.sort(key=lambda hit: hit.taken_at or datetime.min, reverse=True)
    elif asked.compares and sort is Sort.NAME:
        ordered.sort(key=lambda hit: (hit.path.name.casefold(), hit.path))
    return [
        replace(hit, rank=rank, similar=tuple(replace(each, rank=rank) for each in hit.similar))
        for rank, hit in enumerate(ordered, 1)
    ]


def _advice(filters: Filters, library: Library) -> str:
    """Which filter kept all photos out, and how dates and places were read. Raises NothingFound if none is there."""
    from dar_tui.cli.query import is_empty
    from dar_tui.dialogue.need import written_text
    from dar_tui.fusion.finding import Filters
    from dar_tui.language.rules.fields import stars_text
    from indexer.paths import relative, resolved
    from indexer.printable import visible
    from indexer.search.where import Where

    info = library.info()
    if not info.photos:
        raise is_empty(library)
    where = filters.base
    roots = [resolved(root.path) for root in info.roots]
    advice: list[str] = []
    for folder in where.under:
        asked = resolved(folder)
        if all(relative(asked, root) is None and relative(root, asked) is None for root in roots):
            advice.append(f"{visible(folder)} is not in the library: `dar library info` lists what is.")
    dates = (("from", where.after), ("before", where.before))
    bounds = " and ".join(f"{word} {moment:%Y-%m-%d %H:%M}" for word, moment in dates if moment)
    latitude, longitude, km = where.near or (0.0, 0.0, 0.0)
    # Each by itself: only a filter that lets no photo pass is blamed.
    given = {
        f"in {' or '.join(map(visible, where.under))} (--under)": Where(under=where.under),
        f"dated {bounds}": Where(where.after, where.before),
        f"by a camera called {visible(where.camera)} (--camera)": Where(camera=where.camera),
        f"named {visible(where.name)} (--name)": Where(name=where.name),
        f"within {km:g} km of {latitude:.3f},{longitude:.3f} (--near)": Where(near=where.near),
        **{f"in a place called {visible(name)} (--place)": Where(places=(name,)) for name in where.places},
        **{f"in a place or folder called {visible(name)}": Where(places=(name,)) for name in filters.folders},
        **{f"dated {when.understood}": Filters((when,)).where for when in filters.when},
        **{f"found by {written_text(*each)}": Where(written=(each,)) for each in filters.written},
        **({f"found by {stars_text(filters.rating)}": Where(rating=filters.rating)} if filters.rating else {}),
    }
    given = {words: alone for words, alone in given.items() if alone != Where()}
    emptied = [words for words, alone in given.items() if not library.count(alone)]
    if emptied:
        advice.append(f"No photo is {', and none '.join(emptied)}.")
        if read := [words for words in given if words.startswith(("dated", "within")) and words not in emptied]:
            advice.append(f"Some are {' and '.join(read)}.")
    elif len(given) > 1:
        advice.append(f"Some photos pass each filter, but none is {' and '.join(given)}.")
    elif given:
        advice.append(f"The filter was read as {next(iter(given))}.")
    return " ".join(advice)


def _reranker(state: State, asked: Asked, spec: str) -> Reranking:
    from dar_tui.cli.search_models import Reranking

    if not asked.need.wants:
        raise UsageError("--rerank needs a text to compare photos with.", "Describe the photo as well.")
    return Reranking(state, spec)


def _where(after: str | None, before: str | None, under: list[Path], camera: str, asked: Asked) -> Where:
    from dar_tui.cli.dates import parse_date
    from indexer.search.where import Where

    begins = parse_date(after, "--after", asked.at, asked.hemisphere) if after is not None else None
    ends = parse_date(before, "--before", asked.at, asked.hemisphere) if before is not None else None
    if begins is not None and ends is not None and begins >= ends:
        raise UsageError(
            f"--after {after} and --before {before} leave no day between them.",
            "Give an earlier --after or a later --before.",
        )
    return Where(begins, ends, tuple(under), camera)


def _placed(where: Where, near: str, places: list[str]) -> Where:
    if near:
        from indexer.photos.places import whereabouts

        where = replace(where, near=whereabouts(near))
    return replace(where, places=tuple(places))


def _imagined(state: State, builder: QueryBuilder, asked: Asked) -> SearchPictures:
    from dar_tui.cli.search_models import imagine

    if not asked.text.strip():
        raise UsageError("--imagine needs a text to imagine.", "Describe the photo: `dar search --imagine 'a dog'`.")
    drawn = imagine(state, builder, asked.text)
    if drawn.note:
        state.output.note(drawn.note)
    return drawn


def _drawn_json(drawn: SearchPictures | None) -> dict[str, Any]:
    from dar_tui.cli.output import json_path

    if drawn is None:
        return {}
    return {"prompts": list(drawn.prompts), "imagined": [json_path(path)["path"] for path in drawn.paths]}


def _print_json(state: State, asked: Asked, answer: Answer, hits: list[Hit], chances: dict[int, float]) -> None:
    from dar_tui.cli.output import json_path
    from dar_tui.cli.results import hit_json

    drawn = answer.drawn
    stage = "fused" if drawn and drawn.paths else asked.stage
    state.output.json(
        {
            "query": asked.text,
            "understood": {**asked.as_json, "unread": list(answer.unread)},
            "like": [json_path(path)["path"] for path in asked.like],
            "unlike": list(asked.unlike),
            "encoder": answer.encoder_id,
            "stage": "reranked" if chances else stage,
            **_drawn_json(drawn),
            "notes": list(answer.notes),
            "hits": [
                hit_json(hit) | _chance_json(hit, chances) | ({} if asked.compares else {"score": None}) for hit in hits
            ],
        }
    )


def _chance_json(hit: Hit, chances: dict[int, float]) -> dict[str, Any]:
    return {"matching": round(chances[hit.image_id], 6)} if hit.image_id in chances else {}


def _print_table(state: State, asked: Asked, hits: list[Hit], *, preview: bool, all_copies: bool) -> None:
    from dar_tui.cli.results import none_match, table

    output = state.output
    titles, *lines = table(hits, compared=asked.compares, all_copies=all_copies)
    if none_match(hits) and asked.compares:
        output.note("Nothing in the library matches well; these are the nearest.")
    output.result(titles)
    pictures = _painted(state, hits) if preview else [[]] * len(hits)
    for line, picture in zip(lines, pictures, strict=True):
        output.result(line)
        for row in picture:
            output.result(row)


def _painted(state: State, hits: list[Hit]) -> list[list[str]]:
    if not state.output.stdout_is_terminal or os.environ.get("NO_COLOR") or state.settings.images == "off":
        state.output.note("--preview needs a terminal with colours; here are the names only.")
        return [[] for _ in hits]
    from dar_tui.cli.results import PreviewPainter

    painter = PreviewPainter()
    return [painter.paint(hit.thumbnail) for hit in hits]
