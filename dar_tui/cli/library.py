"""`dar library`: which libraries there are, what is in one, whether it is sound, where its photos are, which encoder
searches it."""

from __future__ import annotations

import glob
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dar_tui.cli.options import JsonOption, LibraryOption, named_path
from dar_tui.cli.output import json_path
from dar_tui.cli.state import State, state_of
from indexer.errors import DarError, UsageError
from indexer.paths import relative, resolved
from indexer.printable import stripped, visible

if TYPE_CHECKING:
    from indexer.library import EncoderInfo, LibraryInfo

app = typer.Typer(help="List, inspect, check and move libraries.", rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True)
def libraries(context: typer.Context) -> None:
    """List, inspect, check and move libraries."""
    if context.invoked_subcommand is None:
        _list(state_of(context), json=False)


@app.command("list")
def list_(context: typer.Context, json: JsonOption = False) -> None:
    """List the libraries on this machine."""
    _list(state_of(context), json=json)


def _list(state: State, *, json: bool) -> None:
    from dar_tui.registry import known_libraries
    from indexer.library import Library

    default = os.path.realpath(state.settings.library)
    found: list[dict[str, Any]] = []
    for path in known_libraries(state.settings.home):
        try:
            with Library.open(path) as library:
                info = library.info()
            found.append({**json_path(path), "photos": info.photos, "size": info.size, "problem": ""})
            line = f"{info.photos:>9,} photos  {_size(info.size):>8}  {visible(path)}"
        except DarError as error:
            found.append({**json_path(path), "photos": None, "size": None, "problem": error.message})
            line = f"{'-':>9} photos  {'-':>8}  {visible(path)}  ({error.message})"
        found[-1]["default"] = os.path.realpath(path) == default
        if not json:
            state.output.result(line + ("  (default)" if found[-1]["default"] else ""))
    if json:
        state.output.json({"libraries": found})
    elif not found:
        state.output.note("There is no library yet. Run `dar index FOLDER` to make one.")


@app.command()
def info(
    context: typer.Context,
    library: LibraryOption = None,
    problems: Annotated[
        bool, typer.Option("--problems", help="List the files that could not be read, or only in part.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show what is in a library and where its photos are."""
    state = state_of(context)
    with state.open_library(library) as opened:
        known, broken, damaged = opened.info(), opened.problems(), opened.notes()
        places = opened.places()
    if json:
        report = _info_json(known)
        report["unreadable"] = [{**json_path(each.path), "reason": each.reason} for each in broken]
        report["places"] = {
            "countries": [{"name": name, "photos": photos} for name, photos in places.countries],
            "cities": [{"name": name, "country": country, "photos": photos} for name, country, photos in places.cities],
        }
        report["damaged"] = [{**json_path(each.path), "reason": each.reason} for each in damaged]
        state.output.json(report)
        return
    for line in _info_lines(known):
        state.output.result(line)
    for title, named in (("countries", places.countries), ("cities", [(each[0], each[-1]) for each in places.cities])):
        if named:
            state.output.result(f"{title:<9} " + ", ".join(f"{stripped(name)} {photos:,}" for name, photos in named))
    for each in broken if problems else []:
        state.output.result(f"  {visible(each.path)}: {each.reason}")
    for each in damaged if problems else []:
        state.output.result(f"  {visible(each.path)}: {each.reason}; indexed all the same")
    if (broken or damaged) and not problems:
        state.output.note("`dar library info --problems` lists the files that could not be read, or only in part.")


def _info_json(known: LibraryInfo) -> dict[str, Any]:
    return {
        **json_path(known.path),
        "encoder": known.encoder.encoder_id if known.encoder else None,
        "encoders": [
            {
                "spec": each.record.spec,
                "id": each.record.encoder_id,
                "photos": each.photos,
                "active": each.record.active,
            }
            for each in known.encoders
        ],
        "photos": known.photos,
        "images": known.images,
        "problems": known.problems,
        "notes": known.notes,
        "size": known.size,
        "schema": known.schema,
        "folders": [
            {**json_path(root.path), "photos": root.photos, "problems": root.problems, "present": root.present}
            for root in known.roots
        ],
    }


def _info_lines(known: LibraryInfo) -> list[str]:
    copies = known.photos - known.images
    lines = [
        f"library   {visible(known.path)} ({_size(known.size)})",
        *(_encoder_line(each, known.photos, alone=len(known.encoders) == 1) for each in known.encoders),
        *([] if known.encoders else ["encoder   none yet"]),
        f"photos    {known.photos:,}" + (f" ({copies:,} of them exact copies)" if copies else ""),
        f"problems  {known.problems:,}" + (f", and {known.notes:,} photos read in part" if known.notes else ""),
    ]
    for root in known.roots:
        away = "" if root.present else "  (not there now)"
        if root.path.is_file():
            lines.append(f"photo     {visible(root.path)}")
        else:
            lines.append(f"folder    {visible(root.path)}: {root.photos:,} photos{away}")
    return lines


def _encoder_line(encoder: EncoderInfo, photos: int, *, alone: bool) -> str:
    record = encoder.record
    used = "" if alone else ", searches use it" if record.active else ""
    lacking = f", {photos - encoder.photos:,} photos without its vectors" if encoder.photos < photos else ""
    return f"encoder   {record.spec} ({record.encoder_id}{used}{lacking})"


@app.command()
def use(
    context: typer.Context,
    encoder: Annotated[str, typer.Argument(help="One of the library's encoders, as `dar library info` names it.")],
    library: LibraryOption = None,
) -> None:
    """Search with another of the library's encoders from now on. Nothing is lost or encoded again."""
    state = state_of(context)
    with state.open_library(library) as opened:
        used, photos = opened.use(encoder), opened.info().photos
    state.output.note(f"Searches of {visible(opened.path)} now use {used.record.spec}.")
    if used.photos < photos:
        state.output.note(f"It has no vectors yet of {photos - used.photos:,} photos; `dar index` makes them.")


@app.command()
def drop(
    context: typer.Context,
    encoder: Annotated[str, typer.Argument(help="One of the library's encoders, as `dar library info` names it.")],
    library: LibraryOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Remove an encoder's vectors from a library for good. Photos and other encoders' vectors stay."""
    state = state_of(context)
    with state.open_library(library) as opened:
        spare = opened.spare(encoder)
        what = f"the vectors of {spare.photos:,} photos that {spare.record.spec} made"
        if not yes and not _agreed(f"Remove {what} from {visible(opened.path)}?"):
            state.output.note("Nothing was removed.")
            raise typer.Exit(1)
        before = opened.info().size
        opened.drop(spare.record.encoder_id)
        freed = before - opened.info().size
    state.output.note(f"{what[0].upper()}{what[1:]} are gone: {_size(max(freed, 0))} of disk freed.")


def _agreed(question: str) -> bool:
    """Asks on stderr; raises UsageError where nobody can be asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("There is no terminal in which to ask whether to remove them.", "Add --yes.")
    return typer.confirm(question, err=True)


@app.command()
def verify(
    context: typer.Context,
    library: LibraryOption = None,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every row, vector and thumbnail.")] = False,
    json: JsonOption = False,
) -> None:
    """Check that a library's own files are whole. Exit code 1 if not."""
    state = state_of(context)
    with state.open_library(library) as opened:
        problems = opened.verify(deep=deep)
        path = opened.path
    if json:
        state.output.json({**json_path(path), "sound": not problems, "problems": problems})
    else:
        for problem in problems:
            state.output.result(problem)
        if not problems:
            state.output.result(f"{visible(path)} is sound.")
    if problems:
        if not json:
            state.output.note("Run `dar library repair`, then `dar index`: what is lost is made again from the photos.")
        raise typer.Exit(1)


@app.command()
def repair(context: typer.Context, library: LibraryOption = None, json: JsonOption = False) -> None:
    """Repair a library's own files. Exit code 1 if something is left to do; the photos are not touched."""
    from indexer.indexing.repair import repair as repair_library

    state = state_of(context)
    path = state.library_path(library)
    repairs = repair_library(path, threads=os.cpu_count() or 1)
    if json:
        state.output.json({**json_path(path), "done": repairs.done, "left": repairs.left})
    else:
        for line in repairs.done:
            state.output.result(line)
        for line in repairs.left:
            state.output.result(f"still to do: {line}")
        if not repairs.done and not repairs.left:
            state.output.result(f"{visible(path)} is sound; nothing had to be done.")
    if repairs.left:
        raise typer.Exit(1)


@app.command()
def move(
    context: typer.Context,
    old: Annotated[Path, typer.Argument(parser=named_path, metavar="OLD", help="Where the photos were.")],
    new: Annotated[Path, typer.Argument(parser=named_path, metavar="NEW", help="Where they are now.")],
    library: LibraryOption = None,
) -> None:
    """Say that a folder of photos has moved. Nothing is read or encoded again."""
    state = state_of(context)
    with state.open_library(library) as opened:
        opened.move_root(old, new)
    state.output.note(f"The photos of {visible(old)} are now found in {visible(new)}.")


@app.command()
def forget(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(parser=named_path, metavar="FOLDER", help="The folder to forget.")],
    library: LibraryOption = None,
) -> None:
    """Take a folder's photos out of a library. The photos themselves are not touched."""
    state = state_of(context)
    with state.open_library(library) as opened:
        dropped = opened.forget(folder)
        inside = _is_inside(folder, opened.info())
    state.output.note(f"{dropped:,} photos of {visible(folder)} are out of the library; the files are where they were.")
    if inside:
        kept = [*state.settings.exclude, glob.escape(os.fsdecode(resolved(folder)))]
        state.output.note(
            "It is in a folder of the library, so the next `dar index` takes it in again, unless it is left out:"
            f" `dar config set exclude {shlex.quote(visible(json.dumps(kept, ensure_ascii=False)))}`."
        )


def _is_inside(folder: Path, known: LibraryInfo) -> bool:
    """Whether a folder that stays in the library holds this one."""
    return any(relative(resolved(folder), resolved(root.path)) for root in known.roots)


def _size(count: int) -> str:
    """Bytes as people say them, in powers of ten as file managers do."""
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
