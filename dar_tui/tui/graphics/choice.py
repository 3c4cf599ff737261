"""How pictures can be painted in this terminal, decided once before the app runs.

Knows terminals by their environment and, for Sixel, by asking; it must ask before Textual owns the keyboard.
"""

from __future__ import annotations

import contextlib
import sys
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
# The number of the picture that is only sent to see whether it is taken.
_PIXEL = 4211


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
    if term in _PLACEHOLDERS and true_colour and _has_library() and _places_by_characters():
        # The colour of the cells carries the picture's number, so it must arrive exactly.
        return Graphics(Means.KITTY, Means.KITTY)
    if _may_know_sixel(environment) and _has_library():
        from textual_image.renderable import Image, SixelImage

        if Image is SixelImage:
            return Graphics(Means.BLOCKS, Means.SIXEL)
    return blocks


def _places_by_characters() -> bool:
    """Whether the terminal knows placeholder characters, which kitty does from 0.28 on: it says OK to one pixel.

    An older one takes the key U for an error and says nothing.
    """
    from textual_image._terminal import capture_terminal_response

    out = sys.__stdout__
    if out is None:
        return False
    known = False
    # However asking fails (silence, no keyboard to listen to), the terminal has not said that it does.
    with contextlib.suppress(Exception):
        with capture_terminal_response("\x1b_G", "\x1b\\", timeout=0.2) as response:
            out.write(f"\x1b_Ga=T,U=1,i={_PIXEL},s=1,v=1,c=1,r=1,t=d,f=24;AAAA\x1b\\")
            out.flush()
        known = str(response.sequence).endswith(";OK\x1b\\")
    out.write(f"\x1b_Ga=d,d=I,i={_PIXEL},q=2\x1b\\")
    out.flush()
    return known


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
