"""The models that the app was asked for, as a protocol, and loading the largest of them unnoticed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from dar_tui.tui.engine import Tell
from dar_tui.tui.unnoticed import unnoticed

if TYPE_CHECKING:
    from dar_tui.imagine.worker import AnyGenerator, LoadGenerator
    from dar_tui.session.session import SessionParts as Parts
    from indexer.encoders import Encoder
    from indexer.library import Library


class Models(Protocol):
    """The models that were asked for. `generator`, `profile`: their names; "" for no generator.

    `encoder`: the encoder whose vectors are to be searched; "" for the one each library uses.
    """

    @property
    def encoder(self) -> str: ...

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know of them, such as one that is missing and what is used instead."""
        ...

    @property
    def generator(self) -> str: ...

    @property
    def profile(self) -> str: ...

    @property
    def new_spec(self) -> str:
        """The encoder of a library that has none yet."""
        ...

    def load_encoder(self, spec: str, tell: Tell) -> Encoder: ...

    def encoder_of(self, library: Library, tell: Tell) -> Encoder:
        """The encoder a library was made with. Raises EncoderMismatch where it is not the same any more."""
        ...

    def parts(self, library: Library, encoder: Encoder, tell: Tell) -> Parts: ...


def loaded(load: LoadGenerator) -> AnyGenerator:
    """The generator with its models, which some would load with the first picture."""
    from dar_tui.imagine import Preloadable

    with unnoticed():
        generator = load()
        if isinstance(generator, Preloadable):
            generator.load()
    return generator
