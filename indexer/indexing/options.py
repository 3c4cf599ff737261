"""How an index run is to go: settings, made once, passed down."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from indexer.indexing.writer import COMPACT_ABOVE, GRAPH_THRESHOLD
from indexer.photos.scan import ScanOptions
from indexer.search.null_texts import NULL_TEXTS


@dataclass(frozen=True)
class IndexOptions:
    """How to index.

    `workers`: reading threads, 0 for one per processor. `batch_size`: photos encoded together, 0 for as many as the
    encoder is fastest with. `encoder_spec`: what the encoder is called on the command line;
    "" is the one searches use, another one's vectors go beside that one's. `switch_encoder`: encode everything with it,
    then search with it. `retry_problems`: read broken files again though they have not changed.
    `null_texts`: texts no photo matches, to judge the strength of matches by. `vectors`: where a new library's vectors
    shall be ("": in its folder; "qdrant:URL": on a server). `dry_run`: only say what would be done.
    """

    workers: int = 0
    batch_size: int = 0
    scan: ScanOptions = field(default_factory=ScanOptions)
    dry_run: bool = False
    retry_problems: bool = False
    encoder_spec: str = ""
    switch_encoder: bool = False
    null_texts: tuple[str, ...] = NULL_TEXTS
    vectors: str = ""
    graph_threshold: int = GRAPH_THRESHOLD
    compact_above: int = COMPACT_ABOVE

    @property
    def threads(self) -> int:
        """How many threads read."""
        return self.workers or os.cpu_count() or 1
