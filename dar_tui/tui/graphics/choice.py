"""How pictures can be painted in this terminal, decided once before the app runs.

Knows terminals by their environment and, for Sixel, by asking; it must ask before Textual owns the keyboard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Means(StrEnum):
    """A way to paint."""

    OFF = "off"
    BLOCKS = "blocks"
    KITTY = "kitty"
    SIXEL = "sixel"


@dataclass(frozen=True)
class Graphics:
    """`grid`: the means for thumbnails; `zoom`: for one large picture."""

    grid: Means
    zoom: Means


# Terminals that draw kitty's pictures where its placeholder characters are; others speak the protocol without those.
_PLACEHOLDERS = ("xterm-kitty", "xterm-ghostty")


def choose(images: str, environment: Mapping[str, str], *, is_terminal: bool) -> Graphics:
    """What `--images` (auto, blocks, kitty, sixel, off) comes to here. May ask the terminal, for up to 0.1 s."""
    if images == "auto":
        return _automatic(environment, is_terminal=is_terminal)
    means = Means(images)
    if means is Means.KITTY:
        return Graphics(Means.KITTY, Means.KITTY) if _has_library() else Graphics(Means.BLOCKS, Means.BLOCKS)
    if means is Means.SIXEL:
        # Sixel pictures cannot be scrolled or covered, so thumbnails stay blocks.
        return Graphics(Means.BLOCKS, Means.SIXEL if _has_library() else Means.BLOCKS)
    return Graphics(means, means)


def _automatic(environment: Mapping[str, str], *, is_terminal: bool) -> Graphics:
    if environment.get("NO_COLOR"):
        return Graphics(Means.OFF, Means.OFF)
    blocks = Graphics(Means.BLOCKS, Means.BLOCKS)
    term, true_colour = environment.get("TERM", ""), environment.get("COLORTERM", "") in ("truecolor", "24bit")
    # A multiplexer swallows both protocols.
    if not is_terminal or "TMUX" in environment or term.startswith(("screen", "tmux", "linux")):
        return blocks
    if term in _PLACEHOLDERS and true_colour and _has_library():
        # The colour of the cells carries the picture's number, so it must arrive exactly.
        return Graphics(Means.KITTY, Means.KITTY)
    if _may_know_sixel(environment) and _has_library():
        from textual_image.renderable import Image, SixelImage

        if Image is SixelImage:
            return Graphics(Means.BLOCKS, Means.SIXEL)
    return blocks


def _may_know_sixel(environment: Mapping[str, str]) -> bool:
    """Not asked: terminals known not to, which would only cost their 0.1 s of silence."""
    known = environment.get("TERM_PROGRAM", "") in ("Apple_Terminal", "vscode")
    return not known and "VTE_VERSION" not in environment


def _has_library() -> bool:
    # Imported now, before Textual reads the keyboard: it asks the terminal questions as it is imported.
    with contextlib.suppress(Exception):
        import textual_image.renderable  # noqa: F401

        return True
    return False
