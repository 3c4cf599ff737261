"""`dar chat` in a terminal: checks that there is one, opens the app in it, and leaves at once when the app is done."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.cli.output import Output
from dar_tui.cli.state import ChatModels, State, saved_session
from indexer.errors import ModelUnavailable, UsageError

if TYPE_CHECKING:
    from dar_tui.session.session import SessionParts
    from dar_tui.tui.engine import Report
    from dar_tui.tui.terminal import EarlyKeys
    from indexer.encoders import Encoder
    from indexer.library import Library


@dataclass(frozen=True)
class Wanted:
    """The options of `dar chat` that the app takes. "" is the profile's or the settings' own choice."""

    library: Path
    resume: str | None = None
    images: str = ""
    profile: str = ""
    encoder: str = ""
    generator: str = ""
    language: str = ""
    fusion: str = ""
    query: str = ""
    pictures: int = 3
    imagines: bool = True
    asks: bool = True


def check_terminal() -> None:
    """Raises UsageError where the app cannot be shown."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "`dar chat` needs a terminal.",
            "Give the messages with --script FILE, or --script - to read them from stdin.",
        )
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise UsageError(
            "This terminal (TERM=dumb) cannot show the app.", "Set TERM, or give the messages with --script FILE."
        )


def run(state: State, wanted: Wanted) -> None:
    """Shows the app until the user quits, then ends the process."""
    check_terminal()
    if "XTERM_VERSION" in os.environ:
        # xterm shows 16 million colours, calls itself "xterm", which means 16, and takes COLORTERM away.
        os.environ.setdefault("COLORTERM", "truecolor")
    from dar_tui.tui.terminal import EarlyKeys

    with EarlyKeys() as keys:
        code, ended = _show(state, wanted, keys)
    state.output.flush()
    if ended and code == 0:
        state.output.note("")
    from dar_tui.tui.terminal import leave

    leave(code)


def _show(state: State, wanted: Wanted, keys: EarlyKeys) -> tuple[int, bool]:
    """The app's exit code, and whether the engine came to its end."""
    from dar_tui.cli.dates import parse_date
    from dar_tui.tui.app import AppOptions, DarApp
    from dar_tui.tui.background import LOG_NAME, finish, leave_a_core
    from dar_tui.tui.graphics.choice import choose
    from dar_tui.tui.session_engine import SessionEngine
    from dar_tui.tui.terminal import shielded

    leave_a_core(os.environ)
    settings = state.settings
    # The terminal is asked what it can show before the app reads the keyboard.
    graphics = choose(wanted.images or settings.images, os.environ, keys.ask)
    engine = SessionEngine(
        settings, wanted.library, ScreenModels(state, wanted), pictures=wanted.pictures, fusion=wanted.fusion
    )
    options = AppOptions(
        home=settings.home,
        keys=settings.config_file.with_name("keys.toml"),
        pages=Path.cwd(),
        graphics=graphics,
        parse_date=lambda text, option, now: parse_date(text, option, now, engine.hemisphere),
        session=_session(wanted),
        colours=not os.environ.get("NO_COLOR"),
        typed=keys.text,
    )
    # A terminal that is closed sends SIGHUP, which ends the process: what was said is on disk already.
    with shielded(settings.cache / LOG_NAME):
        app = DarApp(engine, options)
        app.run()
        ended = finish(engine.close)
    if app.failure is not None:
        state.output.error(app.failure)
    return app.exit_code, ended


def _session(wanted: Wanted) -> Path | None:
    """The file of the session to resume. Raises NothingFound or UsageError where there is none."""
    if wanted.resume is None:
        return None
    from dar_tui.tui.session_engine import SESSIONS

    return saved_session(wanted.library / SESSIONS, wanted.resume)


class ScreenModels:
    """See `dar_tui.tui.models.AppModels`: what commands load, with what they have to say shown by the app."""

    def __init__(self, state: State, wanted: Wanted) -> None:
        self._state = state
        self._wanted = wanted
        self.encoder = wanted.encoder
        profile = state.profile(wanted.profile)
        self.profile = profile.name
        self.notes: list[str] = []
        self.generator = self._or_bundled(wanted.generator or profile.generator, "bundled") if wanted.imagines else ""
        self._language = self._or_bundled(wanted.language or profile.language, "rules")
        self.new_spec = self._or_bundled(wanted.encoder or state.new_encoder(wanted.profile), "bundled")

    def load_encoder(self, spec: str, report: Report) -> Encoder:
        return self._reporting_to(report).load_encoder(spec)

    def encoder_of(self, library: Library, report: Report) -> Encoder:
        from dar_tui.cli.query import QueryBuilder

        return QueryBuilder(self._reporting_to(report), library).encoder

    def parts(self, library: Library, encoder: Encoder, report: Report) -> SessionParts:
        wanted = self._wanted
        models = ChatModels(self._reporting_to(report), self.profile, self.generator, self._language, wanted.query)
        return models.engine(library, encoder, imagines=wanted.imagines, asks=wanted.asks)

    def _or_bundled(self, spec: str, instead: str) -> str:
        """The spec, or with a note what ships with dar, for a model that is not on this machine."""
        from dar_tui.models.hub_files import check_here

        try:
            check_here(spec)
        except ModelUnavailable as error:
            self.notes.append(f"{error.message} {error.hint} Using `{instead}` instead.")
            return instead
        return spec

    def _reporting_to(self, report: Report) -> State:
        return replace(self._state, output=_ToScreen(report))


class _ToScreen(Output):
    """Notes that commands print go to the app's own line; the terminal is not theirs now."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def note(self, line: str) -> None:
        """One line at the top of the app."""
        self._report(line)
