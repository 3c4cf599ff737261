"""What every command is given: settings, streams, and the doors through which models come.

Opens no library and loads no model before a command asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

from dar_tui.cli.output import Output
from indexer.paths import at_home

if TYPE_CHECKING:
    from dar_tui.imagine import ConditionedGenerator, Generator
    from dar_tui.profiles import Profile
    from dar_tui.settings import Settings
    from indexer.encoders import Encoder, Notify
    from indexer.library import Library


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
        """The encoder of this spec; what is slow about it is told on stderr. Raises ModelUnavailable."""
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
