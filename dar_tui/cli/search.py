"""`dar search`: photos that match a description, or that are like a photo."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dar_tui.cli.options import JsonOption, LibraryOption, SearchEncoderOption, named_path
from dar_tui.cli.state import State, state_of
from indexer.errors import NothingFound, UsageError

if TYPE_CHECKING:
    from dar_tui.cli.imagining import Drawn
    from dar_tui.cli.query import Asked, QueryBuilder
    from dar_tui.cli.reranking import Reranking
    from indexer.library import Library
    from indexer.search.hits import Hit
    from indexer.search.ranking import Query
    from indexer.search.where import Where


def search(
    context: typer.Context,
    text: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]", help="What is in the photo.")] = None,
    k: Annotated[int, typer.Option("-k", "--count", min=1, max=10_000, metavar="N", help="How many.")] = 10,
    like: Annotated[
        list[Path] | None,
        typer.Option(
            parser=named_path,
            metavar="PHOTO",
            help="Like this photo, indexed or not; repeatable.",
            show_default=False,
        ),
    ] = None,
    unlike: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Away from what this describes; repeatable.", show_default=False),
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
    library: LibraryOption = None,
    encoder: SearchEncoderOption = "",
    json: JsonOption = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print paths only, one a line.")] = False,
    print0: Annotated[
        bool, typer.Option("-0", "--print0", help="Print paths only, each ended by a zero byte.")
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
    """Find photos by describing them."""
    from dar_tui.cli.query import Asked, QueryBuilder, photos_to_be_like

    state = state_of(context)
    if json + paths + print0 > 1:
        raise UsageError("--json, --paths and -0 exclude one another.", "Give one of them.")
    if preview and (json or paths or print0):
        raise UsageError("--preview is for people, --json, --paths and -0 are for scripts.", "Give one of them.")
    asked = Asked(" ".join(text or ()), photos_to_be_like(like), tuple(unlike or ()))
    look_again = _reranker(state, asked, reranker) if rerank or reranker else None
    where = _where(after, before, under or [], camera)
    with state.open_library(library, encoder) as opened:
        builder = QueryBuilder(state, opened)
        encoder_id = builder.record.encoder_id
        query, examples = builder.build(asked)
        query, drawn = _imagined(state, builder, asked, query) if imagine else (query, None)
        hits = opened.search(query, max(k, look_again.depth) if look_again else k, _without(where, examples))
        advice = "" if hits else _advice(where, opened)
    chances: dict[int, float] = {}
    if look_again is not None:
        hits, chances = look_again(asked.text, hits)
        hits = hits[:k]
    if json:
        _print_json(state, asked, encoder_id, hits, drawn, chances)
    elif paths or print0:
        for hit in hits:
            state.output.path(hit.path, b"\0" if print0 else b"\n")
    elif hits:
        _print_table(state, hits, preview=preview)
    if not hits:
        raise NothingFound("No photo in the library fits.", advice)


def _advice(where: Where, library: Library) -> str:
    """What may have kept all photos out, of the filters that were given. Raises NothingFound if there are no photos."""
    from dar_tui.cli.query import is_empty
    from indexer.paths import relative, resolved
    from indexer.printable import visible

    info = library.info()
    if not info.photos:
        raise is_empty(library)
    roots = [resolved(root.path) for root in info.roots]
    advice: list[str] = []
    for folder in where.under:
        asked = resolved(folder)
        if all(relative(asked, root) is None and relative(root, asked) is None for root in roots):
            advice.append(f"{visible(folder)} is not in the library: `dar library info` lists what is.")
    if where.after or where.before:
        bounds = [
            f"{word} {moment:%Y-%m-%d %H:%M}"
            for word, moment in (("from", where.after), ("before", where.before))
            if moment
        ]
        advice.append(f"The dates were read as {' and '.join(bounds)}.")
        advice.append("Photos whose date is not known are left out by --after and --before.")
    return " ".join(advice) or ("Widen --under or --camera." if where.under or where.camera else "")


def _reranker(state: State, asked: Asked, spec: str) -> Reranking:
    from dar_tui.cli.reranking import Reranking

    if not asked.text.strip():
        raise UsageError("--rerank needs a text to compare photos with.", "Describe the photo as well.")
    return Reranking(state, spec)


def _where(after: str | None, before: str | None, under: list[Path], camera: str) -> Where:
    from dar_tui.cli.dates import parse_date
    from indexer.search.where import Where

    now = datetime.now()
    begins = parse_date(after, "--after", now) if after is not None else None
    ends = parse_date(before, "--before", now) if before is not None else None
    if begins is not None and ends is not None and begins >= ends:
        raise UsageError(
            f"--after {after} and --before {before} leave no day between them.",
            "Give an earlier --after or a later --before.",
        )
    return Where(begins, ends, tuple(under), camera)


def _without(where: Where, examples: frozenset[int]) -> Where:
    from dataclasses import replace

    return replace(where, without=examples)


def _imagined(state: State, builder: QueryBuilder, asked: Asked, query: Query) -> tuple[Query, Drawn]:
    from dar_tui.cli.imagining import imagine

    if not asked.text.strip():
        raise UsageError("--imagine needs a text to imagine.", "Describe the photo: `dar search --imagine 'a dog'`.")
    fused, drawn = imagine(state, builder, asked.text, query)
    if drawn.note:
        state.output.note(drawn.note)
    return fused, drawn


def _drawn_json(drawn: Drawn | None) -> dict[str, Any]:
    from dar_tui.cli.output import json_path

    if drawn is None:
        return {}
    return {"prompts": list(drawn.prompts), "imagined": [json_path(path)["path"] for path in drawn.paths]}


def _print_json(
    state: State, asked: Asked, encoder_id: str, hits: list[Hit], drawn: Drawn | None, chances: dict[int, float]
) -> None:
    from dar_tui.cli.hits import hit_json
    from dar_tui.cli.output import json_path

    stage = "fused" if drawn and drawn.paths else asked.stage
    state.output.json(
        {
            "query": asked.text,
            "like": [json_path(path)["path"] for path in asked.like],
            "unlike": list(asked.unlike),
            "encoder": encoder_id,
            "stage": "reranked" if chances else stage,
            **_drawn_json(drawn),
            "hits": [hit_json(hit) | _chance_json(hit, chances) for hit in hits],
        }
    )


def _chance_json(hit: Hit, chances: dict[int, float]) -> dict[str, Any]:
    return {"matching": round(chances[hit.image_id], 6)} if hit.image_id in chances else {}


def _print_table(state: State, hits: list[Hit], *, preview: bool) -> None:
    from dar_tui.cli.hits import none_match, table

    output = state.output
    titles, *lines = table(hits)
    if none_match(hits):
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
    from dar_tui.cli.preview import Painter

    painter = Painter()
    return [painter.paint(hit.thumbnail) for hit in hits]
