"""`dar index`: brings a library up to date with its folders."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dar_tui.cli import INTERRUPTED
from dar_tui.cli.options import JsonOption, LibraryOption, named_path
from dar_tui.cli.output import json_path
from dar_tui.cli.state import State, state_of

if TYPE_CHECKING:
    from indexer.encoders import Encoder
    from indexer.indexing.captioning import Captioner
    from indexer.indexing.events import IndexSummary


def index(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=named_path,
            metavar="[FOLDER|PHOTO]...",
            help="Folders of photos, or single photos. None: what the library has already.",
        ),
    ] = None,
    library: LibraryOption = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The set of models whose encoder to use; see --encoder.", show_default=False),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="The encoder of a new library, or another one beside those it has.",
            show_default=False,
        ),
    ] = None,
    switch_encoder: Annotated[
        bool, typer.Option("--switch-encoder", help="Encode the whole library with --encoder, and search with that.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(metavar="auto|cpu|cuda", help="Where large encoders run.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Threads that read photos; 0: one a core.")] = 0,
    batch_size: Annotated[
        int, typer.Option(min=0, metavar="N", help="Photos encoded together; 0: as the encoder is fastest.")
    ] = 0,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Leave out names ('Work', '*.gif') or paths ('life/Work', '~/Photos/old') like this; repeatable.",
            show_default=False,
        ),
    ] = None,
    iexclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="The same whatever the case: 'work' is 'Work' too.", show_default=False),
    ] = None,
    include_hidden: Annotated[
        bool, typer.Option("--include-hidden", help="Take hidden files and folders too.")
    ] = False,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Follow symbolic links.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try unreadable files again though unchanged.")] = False,
    captions: Annotated[
        bool, typer.Option("--captions", help="Describe the photos too, each in a sentence; slow without a GPU.")
    ] = False,
    captioner: Annotated[
        str,
        typer.Option(metavar="SPEC", help="The BLIP model of --captions: a hub id or a folder.", show_default=False),
    ] = "",
    vectors: Annotated[
        str,
        typer.Option(metavar="qdrant:URL", help="Keep a new library's vectors on a Qdrant server.", show_default=False),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    json: JsonOption = False,
) -> None:
    """Make folders of photos searchable. Running it again only looks at what changed."""
    from dar_tui.cli.progress import show
    from dar_tui.registry import remember_library
    from indexer.encoders import absolute_spec
    from indexer.indexing.plan import IndexOptions
    from indexer.indexing.run import index as run
    from indexer.photos.scan import ScanOptions
    from indexer.printable import visible as shown

    state = state_of(context)
    settings = state.settings
    path = state.library_path(library)
    asked = encoder or (state.profile(profile).encoder if profile else "")
    own = _own_spec(path)
    spec = absolute_spec(asked or own or state.new_encoder())
    if asked or not own:
        # Before folders are looked through; a library that has its encoder may not need it at all.
        state.check_encoder(spec)
    describe = _captioner(state, captioner, device) if (captions or captioner) and not dry_run else None
    given = tuple(exclude or ())
    options = IndexOptions(
        workers=workers,
        batch_size=batch_size,
        scan=ScanOptions((*settings.exclude, *given), include_hidden, follow_links, tuple(iexclude or ())),
        dry_run=dry_run,
        vectors=vectors,
        retry_problems=retry,
        encoder_spec=spec,
        switch_encoder=switch_encoder,
    )

    def load() -> Encoder:
        return state.load_encoder(spec, device)

    with _interruptible() as interrupted:
        summary = show(run(path, folders or [], load, options, interrupted.is_set, describe), state.output)
    # A name in the config file may be there for folders to come; a path that it names, for one that is there.
    named = {*given, *(iexclude or ()), *(() if folders else (each for each in settings.exclude if "/" in each))}
    for pattern in summary.unmatched:
        if pattern in named:
            state.output.note(f"Nothing is left out by the pattern {shown(pattern)}: no name or path matches it.")
    if not dry_run:
        remember_library(settings.home, path)
    if not (asked or own or settings.encoder or dry_run):
        from dar_tui.models.profiles import reason

        state.output.note(reason(settings))
    _tell(state, summary, json=json)
    if summary.interrupted:
        raise typer.Exit(INTERRUPTED)


def _captioner(state: State, spec: str, device: str | None) -> Callable[[], Captioner]:
    """What loads the captioner. Raises ModelUnavailable, with the command that pulls it, before any work is begun."""
    from indexer.indexing.captioning import find_captioner, load_captioner

    chosen = spec or state.settings.captioner
    find_captioner(chosen)
    return lambda: load_captioner(chosen, device or state.settings.device)


def _own_spec(path: Path) -> str:
    """What the library calls its encoder; "" for a new library."""
    from indexer.errors import LibraryNotFound
    from indexer.library import Library

    try:
        with Library.open(path) as library:
            return library.encoder.spec if library.encoder else ""
    except LibraryNotFound:
        return ""


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """The first Ctrl-C asks the run to commit what it has and end; the second one ends it at once."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def on_interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupted.set()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(state: State, summary: IndexSummary, *, json: bool) -> None:
    from indexer.printable import visible

    if json:
        report = asdict(summary) | {"unmatched": list(summary.unmatched)}
        del report["library"]
        where = {f"library{key.removeprefix('path')}": value for key, value in json_path(summary.library).items()}
        report |= {
            "seconds": round(summary.seconds, 3),
            "images_per_second": round(summary.images_per_second, 2),
        }
        state.output.json(where | report, compact=True)
        return
    counts = (
        *((summary.added, "added"), (summary.changed, "changed"), (summary.moved, "moved")),
        *((summary.removed, "removed"), (summary.unchanged, "unchanged"), (summary.problems, "unreadable")),
    )
    changes = ", ".join(f"{count:,} {name}" for count, name in counts if count) or "no photos found"
    verb = "Would be: " if summary.dry_run else ""
    rate = f", {summary.images_per_second:.0f} photos/s" if summary.encoded and not summary.dry_run else ""
    state.output.note(f"{verb}{changes} ({_duration(summary.seconds)}{rate}).")
    if summary.notes:
        state.output.note(
            f"{summary.notes:,} {'is' if summary.notes == 1 else 'are'} damaged and indexed by what can be read:"
            " `dar library info --problems`."
        )
    kinds = [f"{count:,} {_kind_named(kind, count)}" for kind, count in summary.skipped.items() if kind != "other"]
    if kinds:
        state.output.note(f"Left out: {', '.join(kinds)}.")
    if summary.captioned:
        state.output.note(f"{summary.captioned:,} described.")
    if summary.interrupted:
        state.output.note("Interrupted. What is indexed is kept; run the same command again to continue.")
    elif not summary.dry_run:
        state.output.note(f"{summary.photos:,} photos in {visible(summary.library)}.")


def _kind_named(kind: str, count: int) -> str:
    """One of `ScanResult.skipped`'s kinds, for people."""
    several = "" if count == 1 else "s"
    match kind:
        case "video" | "linked folder" | "linked photo":
            return kind + several
        case "folder with .nomedia":
            return f"folder{several} with .nomedia"
        case "no suffix":
            return f"file{several} without suffix"
        case "in .ppignore":
            return "named in .ppignore"
        case _:
            return kind


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
