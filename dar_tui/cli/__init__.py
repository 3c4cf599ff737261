"""The `dar` command's door. All of it is imported inside `main`, so that Ctrl-C meets a handler from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dar_tui.cli.state import EncoderLoader, GeneratorLoader

INTERRUPTED = 130


def main(
    arguments: Sequence[str] | None = None,
    *,
    encoder_loader: EncoderLoader | None = None,
    generator_loader: GeneratorLoader | None = None,
) -> int:
    """Runs `dar` with these arguments (None: the process's own) and returns its exit code.

    The loaders stand in for `indexer.encoders.load_encoder` and `dar_tui.imagine.load_generator`.
    """
    try:
        from dar_tui.cli.app import run

        return run(arguments, encoder_loader, generator_loader)
    except KeyboardInterrupt:
        return INTERRUPTED
