"""An encoder that knows the words for colours, and `dar` run with it: `python -m tests.cli.colour_words ARGUMENTS`.

The command is the real one, with everything but the model; `main` takes the encoder as a parameter.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dar_tui.cli import main
from indexer.encoders import Encoder, ImageEmbeddings, Notify
from tests.indexer.colours import GRID, ColourEncoder, Vectors, unit

COLOURS = {
    "red": (230, 20, 20),
    "green": (20, 200, 20),
    "blue": (20, 20, 230),
    "yellow": (230, 230, 20),
    "white": (250, 250, 250),
    "black": (5, 5, 5),
}


class ColourWords(ColourEncoder):
    """A `ColourEncoder` to which "red" means a red picture; other texts mean a direction of their own."""

    id = "test-colour-words-1"

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self.pause = pause

    def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
        time.sleep(self.pause * len(batch))
        return super().encode_prepared(batch)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_texts(texts)
        for row, text in enumerate(texts):
            if text in COLOURS:
                cell = np.array(COLOURS[text], np.float32) / 255 - 0.45
                vectors[row] = unit(np.tile(cell, GRID * GRID))
        return vectors


class OtherColours(ColourWords):
    """The same under another id: what an upgrade of the model looks like."""

    id = "test-colour-words-2"


def load_colours(
    spec: str, *, cache: Path | None = None, device: str = "auto", notify: Notify | None = None
) -> Encoder:
    """Stands in for `indexer.encoders.load_encoder`."""
    return OtherColours() if spec == "other" else ColourWords(float(os.environ.get("TEST_ENCODER_PAUSE", "0")))


def dar(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The command in this process: its exit code, what it printed and what it said."""
    capfd.readouterr()
    code = main(list(arguments), encoder_loader=load_colours)
    return code, *capfd.readouterr()


if __name__ == "__main__":
    sys.exit(main(encoder_loader=load_colours))
