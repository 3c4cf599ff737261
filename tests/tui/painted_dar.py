"""The real `dar` with small models that know colours: `python -m tests.tui.painted_dar ARGUMENTS`.

TEST_CRASH: a letter typed into the prompt ends the app by an error. TEST_LOAD_SECONDS: how long the generator loads;
TEST_STEP_SECONDS: how long each of its steps takes. Neither can be interrupted, as in real models.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from dar_tui.cancellation import Cancelled
from dar_tui.cli import main
from dar_tui.imagine import Imagined, OnStep
from indexer.encoders import Notify
from tests.session.world import PaintEncoder, PaintGenerator


class SlowPainter(PaintGenerator):
    """Takes its time over every step."""

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], on_step: OnStep, cancelled: Cancelled
    ) -> Iterator[Imagined]:
        def slowly(k: int, step: int, steps: int) -> None:
            time.sleep(float(os.environ.get("TEST_STEP_SECONDS", "0")))
            on_step(k, step, steps)

        yield from super().generate(prompts, seeds, slowly, cancelled)


def load_encoder(
    spec: str, *, cache: Path | None = None, device: str = "auto", notify: Notify | None = None
) -> PaintEncoder:
    return PaintEncoder()


def load_generator(spec: str = "", device: str = "auto", notify: Notify | None = None, **_: object) -> PaintGenerator:
    time.sleep(float(os.environ.get("TEST_LOAD_SECONDS", "0")))
    return SlowPainter()


def crash(self: object, event: object) -> None:
    raise RuntimeError("a test's own")


if __name__ == "__main__":
    if os.environ.get("TEST_CRASH"):
        from dar_tui.tui.widgets.prompt import Prompt

        Prompt._on_key = crash  # type: ignore[method-assign, assignment]
    sys.exit(main(encoder_loader=load_encoder, generator_loader=load_generator))
