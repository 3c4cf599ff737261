"""Run by test_kill in a process of its own: indexes a folder with a slow encoder that logs what it encodes.

Arguments: library, photos, log. Prints "planned" once the work begins and the summary's counts at the end.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.encoders import ImageEmbeddings
from indexer.indexing.events import Finished, Planned
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from tests.indexer.colours import ColourEncoder

# 2,000 photos then take at least 4 s, so that ten kills within half a second each find it at work.
_SECONDS_EACH = 0.002


class LoggingEncoder(ColourEncoder):
    def __init__(self, log: Path) -> None:
        super().__init__()
        # Appended by one write each, which a kill does not cut in two.
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
        time.sleep(_SECONDS_EACH * len(batch))
        os.write(self._log, "".join(pixels.tobytes().hex() + "\n" for pixels in batch).encode())
        return super().encode_prepared(batch)


def main() -> None:
    library, photos, log = map(Path, sys.argv[1:])
    for event in index(library, [photos], LoggingEncoder(log), IndexOptions(workers=1)):
        if isinstance(event, Planned):
            print("planned", flush=True)
        elif isinstance(event, Finished):
            print(event.summary.photos, event.summary.encoded, flush=True)


if __name__ == "__main__":
    main()
