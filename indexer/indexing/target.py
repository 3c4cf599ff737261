"""Which encoder a run makes vectors with: the one searches use, or another one beside it.

Knows names and records; what the vectors are and where they lie is the writer's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from indexer.encoders import Successor, is_retired
from indexer.errors import EncoderMismatch
from indexer.indexing.writer import LibraryWriter
from indexer.store.catalog import Catalog
from indexer.store.records import EncoderRecord

if TYPE_CHECKING:
    from indexer.encoders import Encoder


class Target:
    """The encoder of one run. `spec` is what it is called on the command line ("": the one searches use).

    `record`: what the library knows of it; None until its first photo. `encoder`: None until something is encoded.
    """

    def __init__(
        self,
        catalog: Catalog,
        writer: LibraryWriter | None,
        source: Encoder | Callable[[], Encoder],
        spec: str,
        switch: bool,
    ) -> None:
        self._catalog = catalog
        self._writer = writer
        self._source = source
        self._spec = spec
        self.switches = switch
        self.encoder: Encoder | None = None
        self.record: EncoderRecord | None = catalog.encoder_named(spec)
        # The active encoder, where this run's takes its place.
        self.replaced: EncoderRecord | None = None

    def identify(self) -> None:
        """Loads the encoder now where its name does not tell whether the library has its vectors already."""
        if self._writer is None or self._catalog.active_encoder() is None:
            return
        # A new version of dar may bring other weights under the same name: whoever asks to switch means those too.
        if self.switches or self.record is None or is_retired(self.record.encoder_id):
            self.load()

    def load(self) -> tuple[Encoder, EncoderRecord]:
        """The encoder, loaded once, and its record. Raises EncoderMismatch if its weights are not those of before."""
        assert self._writer is not None
        if self.encoder is None:
            encoder = self._source() if callable(self._source) else self._source
            known = self.record
            if known is not None and isinstance(encoder, Successor) and encoder.replaces(known.encoder_id):
                # Beside the vectors of before, which are searched until the last of the new ones is there.
                self.replaced = known if known.active else None
                self.switches = self.switches or known.active
            elif known is not None and known.encoder_id != encoder.id and not self.switches:
                raise EncoderMismatch(
                    f"The library's vectors are of the encoder {known.encoder_id}, not {encoder.id}.",
                    "Add --switch-encoder to encode its photos again, or use another --library.",
                )
            spec = self._spec or (known.spec if known is not None else encoder.id)
            self.record = self._writer.use_encoder(spec, encoder.id, encoder.dim, encoder.visual_dim)
            self.encoder = encoder
        assert self.record is not None
        return self.encoder, self.record

    def searched_instead(self) -> EncoderRecord | None:
        """The encoder that searches use, where that is not this one."""
        active = self._catalog.active_encoder()
        return active if active is not None and self.record is not None and active.id != self.record.id else None
