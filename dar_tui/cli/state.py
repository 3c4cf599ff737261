"""What every command is given: settings, streams, and the doors through which models and sessions come.

Opens no library and loads no model before a command asks. Prints nothing but what a model has to report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

from dar_tui.cli.output import Output
from indexer.errors import NothingFound, UsageError
from indexer.paths import at_home

if TYPE_CHECKING:
    from dar_tui.imagine import ConditionedGenerator, Generator
    from dar_tui.imagine.cache import PictureCache
    from dar_tui.imagine.worker import AnyGenerator
    from dar_tui.language import LanguageModel
    from dar_tui.profiles import Profile
    from dar_tui.reformulate import Reformulator
    from dar_tui.session.session import SessionParts
    from dar_tui.settings import Settings
    from indexer.encoders import Encoder, Notify
    from indexer.library import Library

# What `--resume` without a name stands for.
LATEST = "latest"


class EncoderLoader(Protocol):
    """Has the signature of `indexer.encoders.load_encoder`, which it is outside of tests."""

    def __call__(
        self, spec: str, *, cache: Path | None = None, device: str = "auto", notify: Notify | None = None
    ) -> Encoder: ...


class GeneratorLoader(Protocol):
    """Has the signature of `dar_tui.imagine.load_generator`, which it is outside of tests."""

    def __call__(
        self, spec: str = ..., device: str = ..., notify: Notify | None = ..., *, cache: Path | None = ...
    ) -> Generator | ConditionedGenerator: ...


@dataclass
class State:
    """One run of `dar`."""

    output: Output
    encoder_loader: EncoderLoader | None = None
    generator_loader: GeneratorLoader | None = None
    offline: bool = False
    _profiles: dict[str, Profile] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Settings:
        """Read on first use, so that `dar --help` works whatever the config file says."""
        from dar_tui.settings import load_settings

        loaded = load_settings()
        return replace(loaded, offline=True) if self.offline else loaded

    def profile(self, name: str = "") -> Profile:
        """The profile of this name ("": the settings', or what suits the machine), looked for once."""
        if name not in self._profiles:
            from dar_tui.models.profiles import chosen_profile

            self._profiles[name] = chosen_profile(self.settings, name)
        return self._profiles[name]

    def new_encoder(self, profile: str = "") -> str:
        """The encoder a new library gets."""
        return self.settings.encoder if self.settings.encoder and not profile else self.profile(profile).encoder

    def library_path(self, given: Path | None) -> Path:
        """The library a command works on."""
        return at_home(given or self.settings.library).absolute()

    def open_library(self, given: Path | None, encoder: str = "") -> Library:
        """Opens it for reading, with this encoder's vectors ("": those of the one it uses).

        Raises LibraryNotFound and EncoderMismatch with the command that makes what is missing.
        """
        from dar_tui.registry import remember_library
        from indexer.library import Library

        library = Library.open(self.library_path(given), encoder)
        remember_library(self.settings.home, library.path)
        return library

    def check_encoder(self, spec: str) -> None:
        """Raises ModelUnavailable, with the command that pulls it, for an encoder that is not on this machine."""
        if self.encoder_loader is None:
            from dar_tui.models.hub_files import check_here

            check_here(spec)

    def load_encoder(self, spec: str, device: str | None = None) -> Encoder:
        """The encoder of this spec; what is slow about it is reported on stderr. Raises ModelUnavailable."""
        self.check_encoder(spec)
        load = self.encoder_loader
        if load is None:
            from indexer.encoders import load_encoder

            load = load_encoder
        return load(spec, cache=self.settings.cache, device=device or self.settings.device, notify=self.output.note)


def state_of(context: typer.Context) -> State:
    """The state `main` gave to the command."""
    state = context.find_object(State)
    if state is None:  # `app` was called by itself
        state = context.obj = State(Output())
    return state


def generator_loader(state: State, spec: str = "", profile: str = "") -> Callable[[], AnyGenerator]:
    """What loads the generator of this spec (empty: the profile's) when it is called; drawn pictures are cached.

    Raises ModelUnavailable, saying how to pull it, for one that is not on this machine.
    """
    from dar_tui.models.hub_files import check_here

    chosen = spec or state.profile(profile).generator
    if state.generator_loader is None:
        check_here(chosen)

    def load() -> AnyGenerator:
        from dar_tui.imagine import ConditionedGenerator, load_generator
        from dar_tui.imagine.cache import CachedGenerator

        make = state.generator_loader or load_generator
        generator = make(chosen, state.settings.device, state.output.note, cache=state.settings.cache)
        # What is drawn from vectors is not identified by its prompt, and drawn in a second.
        return (
            generator
            if isinstance(generator, ConditionedGenerator)
            else CachedGenerator(generator, picture_cache(state))
        )

    return load


def language_model(state: State, spec: str = "", profile: str = "") -> LanguageModel | None:
    """The language model of this spec (empty: the profile's); None for the rules.

    Raises ModelUnavailable, saying how to pull it, for one that is not on this machine, and UsageError for a server
    elsewhere while dar is offline.
    """
    from dar_tui.language.loading import load_language
    from dar_tui.models.hub_files import check_here

    chosen = spec or state.profile(profile).language
    if state.settings.offline:
        check_stays_here(chosen)
    check_here(chosen)
    return load_language(chosen, state.settings.device)


def check_stays_here(spec: str) -> None:
    """Raises UsageError for a language model on a server that is not this machine."""
    from urllib.parse import urlsplit

    family, _, address = spec.partition(":")
    if family == "server" and urlsplit(address).hostname not in ("localhost", "127.0.0.1", "::1"):
        raise UsageError(
            f"dar is offline, and {spec} is another machine.", "Leave --offline out, or use another model."
        )


def picture_cache(state: State) -> PictureCache:
    from dar_tui.imagine.cache import PictureCache

    return PictureCache(state.settings.cache / "pictures")


class ChatModels:
    """The models that a chat was asked for, made into an engine."""

    def __init__(self, state: State, profile: str, generator: str, language: str, query: str) -> None:
        state.profile(profile)
        self._state = state
        self._profile = profile
        self._generator = generator
        self._language = language
        self._query = query

    def engine(self, library: Library, encoder: Encoder, *, imagines: bool, asks: bool) -> SessionParts:
        """Raises UsageError for names that mean nothing; the generator is loaded later."""
        from dar_tui.questions.questioner import GroundedQuestioner
        from dar_tui.reformulate import RuleReformulator
        from dar_tui.reformulate.language_model import LanguageReformulator
        from dar_tui.reformulate.query import QueryStrategy
        from dar_tui.session.session import SessionParts

        model = language_model(self._state, self._language, self._profile)
        if self._query and self._query not in list(QueryStrategy):
            raise UsageError(f"There is no query strategy {self._query!r}.", f"Use one of {', '.join(QueryStrategy)}.")
        reformulator: Reformulator
        if model is None:
            reformulator = RuleReformulator(QueryStrategy(self._query or QueryStrategy.STATEMENTS))
        else:
            reformulator = LanguageReformulator(model, QueryStrategy(self._query or QueryStrategy.REWRITE))
        cache = self._state.settings.cache / "questions"
        return SessionParts(
            library,
            encoder,
            reformulator,
            generator_loader(self._state, self._generator, self._profile) if imagines else None,
            GroundedQuestioner(library, encoder, cache, model) if asks else None,
        )


def saved_session(folder: Path, name: str) -> Path:
    """The file of the session called `name`, or of the latest. Raises NothingFound or UsageError if there is none."""
    from dar_tui.session.transcript import sessions

    listed = sessions(folder)
    if not listed:
        raise NothingFound("This library has no saved session.", "Start one with `dar chat`.")
    if name == LATEST:
        return listed[0].path
    for each in listed:
        if each.path.stem == name:
            return each.path
    names = ", ".join(each.path.stem for each in listed[:3])
    raise UsageError(f"There is no session {name!r}.", f"The latest are {names}.")
