"""`dar chat`: a dialogue with the library, in the app (see `screen`) or played from a script."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from dar_tui.cli.options import JsonOption, LibraryOption, SearchEncoderOption
from dar_tui.cli.output import keep_logs_off_stderr
from dar_tui.cli.state import LATEST, ChatModels, State, saved_session, state_of
from indexer.errors import DarError, UsageError
from indexer.paths import at_home

if TYPE_CHECKING:
    from dar_tui.cli.script import ScriptLine
    from dar_tui.session.session import Session, SessionOptions, SessionParts
    from indexer.library import Library

_SESSIONS = "sessions"


class ChatCommand(TyperCommand):
    """Lets --resume stand without a name, which Typer's options cannot."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Gives a --resume without a value the latest session."""
        given: list[str] = []
        for at, arg in enumerate(args):
            given.append(arg)
            if arg == "--resume" and (at + 1 == len(args) or args[at + 1].startswith("-")):
                given.append(LATEST)
        return super().parse_args(ctx, given)


def chat(
    context: typer.Context,
    script: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Play the messages in FILE, one a line (-: from stdin).", show_default=False),
    ] = None,
    json: JsonOption = False,
    resume: Annotated[
        str | None,
        typer.Option(metavar="[ID]", help="Resume a session; without ID the latest.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--count", min=1, max=1000, metavar="N", help="Photos on a page.")] = 10,
    library: LibraryOption = None,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="The set of models, as `dar models` lists them.", show_default=False)
    ] = "",
    encoder: SearchEncoderOption = "",
    generator: Annotated[
        str, typer.Option(metavar="SPEC", help="What imagines: bundled or diffusers:MODEL.", show_default=False)
    ] = "",
    language: Annotated[
        str,
        typer.Option(
            metavar="SPEC", help="What rewrites: rules, transformers:MODEL or server:URL#MODEL.", show_default=False
        ),
    ] = "",
    fusion: Annotated[
        str, typer.Option(metavar="NAME", help="How text and pictures are weighed.", show_default=False)
    ] = "",
    query: Annotated[
        str, typer.Option(metavar="NAME", help="How the dialogue becomes text: statements, rewrite or joined.")
    ] = "",
    pictures: Annotated[int, typer.Option(min=1, max=16, metavar="K", help="Pictures imagined in a turn.")] = 3,
    images: Annotated[
        str,
        typer.Option(metavar="auto|blocks|kitty|sixel|off", help="How the app shows pictures.", show_default=False),
    ] = "",
    no_imagine: Annotated[bool, typer.Option("--no-imagine", help="Search by text alone.")] = False,
    no_questions: Annotated[bool, typer.Option("--no-questions", help="Ask nothing.")] = False,
) -> None:
    """Find a photo in a dialogue: describe it, answer, see it imagined."""
    state = state_of(context)
    _check(json, images, fusion, script)
    if script is None:
        from dar_tui.cli import screen

        wanted = screen.Wanted(
            library=state.library_path(library),
            resume=resume,
            images=images,
            profile=profile,
            encoder=encoder,
            generator=generator,
            language=language,
            fusion=fusion,
            query=query,
            pictures=pictures,
            imagines=not no_imagine,
            asks=not no_questions,
        )
        screen.run(state, wanted)
        return
    from dar_tui.cli.query import QueryBuilder
    from dar_tui.cli.script import ScriptPlayer
    from dar_tui.session.session import SessionOptions
    from dar_tui.session.state import BELIEF, CALIBRATIONS

    keep_logs_off_stderr()
    options = SessionOptions(
        page=k, pictures=pictures, fusion=fusion or BELIEF, calibrations=state.settings.home / CALIBRATIONS
    )
    with _script(script) as messages, state.open_library(library, encoder) as opened:
        chosen = QueryBuilder(state, opened).encoder
        models = ChatModels(state, profile, generator, language, query)
        engine = models.engine(opened, chosen, imagines=not no_imagine, asks=not no_questions)
        session = _session(state, opened, engine, options, resume, profile)
        player = ScriptPlayer(session, state.output, as_json=json)
        try:
            for line in messages:
                player.play(line)
        finally:
            session.close()


def _check(json: bool, images: str, fusion: str, script: str | None) -> None:
    """Raises UsageError for what cannot be meant, before anything is loaded or shown."""
    from dar_tui.settings import IMAGES

    if images and images not in IMAGES:
        raise UsageError(f"--images {images!r} is not a way to show pictures.", f"Use one of {', '.join(IMAGES)}.")
    if json and script is None:
        raise UsageError("--json is for scripts.", "Give the messages with --script FILE, or --script -.")
    if fusion and script is None:
        from dar_tui.fusion.strategies import strategy_named

        strategy_named(fusion)


def _session(
    state: State, library: Library, engine: SessionParts, options: SessionOptions, resume: str | None, profile: str
) -> Session:
    from datetime import datetime

    from dar_tui.language.when import hemisphere_of
    from dar_tui.session.session import Session
    from dar_tui.session.transcript import Log

    folder = library.path / _SESSIONS
    hemisphere = hemisphere_of(state.settings.hemisphere, library.is_southern)
    log = Log.begin(folder, datetime.now(), str(library.path), state.profile(profile).name, hemisphere)
    if resume is None:
        return Session(engine, log, options)
    return Session.resume(engine, Log(saved_session(folder, resume), log.started), options)


@contextmanager
def _script(name: str) -> Iterator[Iterator[ScriptLine]]:
    """The script's lines: those of a file are all read and checked first, those of stdin are played as they come."""
    from dar_tui.cli.script import lines

    if name == "-":
        yield lines(sys.stdin)
        return
    try:
        text = at_home(Path(name)).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"The script {name} is not UTF-8 text.", "Save it as UTF-8.") from None
    except OSError as error:
        raise DarError(f"The script {name} cannot be read: {error.strerror}.", "Check the name.") from None
    yield iter(list(lines(text.splitlines())))
