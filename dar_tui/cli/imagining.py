"""Generators and language models for commands: which, how they are kept, and `dar search --imagine`.

Loads a model only when it is first drawn with. Prints nothing but what a model has to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.cli.state import State
from indexer.errors import UsageError

if TYPE_CHECKING:
    from dar_tui.cli.query import QueryBuilder
    from dar_tui.fusion.strategies import Vector
    from dar_tui.imagine.cache import PictureCache
    from dar_tui.imagine.worker import AnyGenerator
    from dar_tui.language import LanguageModel

# K of the paper: one picture gave +6.43 Hits@10 there, three +7.61, more hardly any.
PICTURES = 3


@dataclass(frozen=True, eq=False)
class Drawn:
    """What `dar search --imagine` searches by: prompts, the pictures' files and their vectors; `note` says why there
    are none."""

    prompts: tuple[str, ...]
    paths: tuple[Path, ...]
    vectors: tuple[Vector, ...] = ()
    note: str = ""


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
        # What is drawn from vectors is not told apart by its prompt, and drawn in a second.
        return generator if isinstance(generator, ConditionedGenerator) else CachedGenerator(generator, _cache(state))

    return load


def language_model(state: State, spec: str = "", profile: str = "") -> LanguageModel | None:
    """The language model of this spec (empty: the profile's); None for the rules.

    Raises ModelUnavailable, saying how to pull it, for one that is not on this machine, and UsageError for a server
    elsewhere while dar is to stay offline.
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


def imagine(state: State, builder: QueryBuilder, text: str, generator: str = "") -> Drawn:
    """The pictures of a text; without any, for whatever reason, a note says why."""
    from datetime import datetime

    from dar_tui.cancellation import never
    from dar_tui.dialogue.dialogue import Dialogue
    from dar_tui.imagine import Imagined
    from dar_tui.imagine.cache import Origin
    from dar_tui.imagine.worker import Imagination, Ready
    from dar_tui.reformulate import RuleReformulator
    from indexer.errors import DarError

    said = RuleReformulator().reformulate(Dialogue().said(text, datetime.now()), PICTURES)
    if not said.prompts:
        return Drawn((), (), note="The text names nothing to imagine.")
    reader = builder.reader
    # The same text draws the same pictures, so that a search can be repeated.
    first = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:3], "big")
    seeds = range(first, first + len(said.prompts))
    vectors, paths = [], []
    ready: Ready | None = None
    imagination = Imagination(generator_loader(state, generator))
    try:
        for progress in imagination.draw(said.prompts, tuple(seeds), lambda: reader.conditions(said.need.wants), never):
            if isinstance(progress, Ready):
                ready = progress
            elif isinstance(progress, Imagined) and ready is not None:
                vectors.append(reader.picture(progress))
                origin = Origin(ready.model, progress.prompt, progress.seed, ready.recipe)
                kept = progress if progress.path else _cache(state).put(origin, progress)
                paths += [kept.path] if kept.path else []
    except DarError as error:
        if not vectors:
            return Drawn(said.prompts, (), note=f"Nothing was imagined: {error.message} {error.hint}".strip())
    return Drawn(said.prompts, tuple(paths), tuple(vectors))


def _cache(state: State) -> PictureCache:
    from dar_tui.imagine.cache import PictureCache

    return PictureCache(state.settings.cache / "pictures")
