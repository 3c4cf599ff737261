"""How pictures can be painted in this terminal, decided once before the app runs.

Knows terminals by their environment and, for Sixel, by asking; it must ask before Textual owns the keyboard.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Means(StrEnum):
    """A way to paint."""

    OFF = "off"
    BLOCKS = "blocks"
    KITTY = "kitty"
    SIXEL = "sixel"


class Symbols(StrEnum):
    """What a cell of blocks can be divided into: the finer, the sharper, and the fewer fonts have it."""

    HALVES = "halves"
    QUADRANTS = "quadrants"
    SEXTANTS = "sextants"


@dataclass(frozen=True)
class Graphics:
    """`grid`: the means for thumbnails; `zoom`: for one large picture; `symbols`: what blocks are made of."""

    grid: Means
    zoom: Means
    symbols: Symbols = Symbols.QUADRANTS


# Asks the terminal something and gives what it answers, up to what matches the pattern; "" for silence.
Ask = Callable[[str, str], str]
# Terminals that draw kitty's pictures where its placeholder characters are; others speak the protocol without those.
_PLACEHOLDERS = ("xterm-kitty", "xterm-ghostty")
# Terminals that draw sextants themselves, whatever the font: by TERM, by TERM_PROGRAM, and VTE's version from 0.62 on.
_DRAW_SEXTANTS = ("xterm-kitty", "xterm-ghostty", "foot", "wezterm", "contour")
_PROGRAMS_DRAW_SEXTANTS = ("WezTerm", "ghostty")
_VTE_DRAWS_SEXTANTS = 6200
# The number of the picture that is only sent to see whether it is taken.
_PIXEL = 4211
# What are you? Every terminal answers that, so that its answer ends the wait for answers that may not come.
_WHAT, _IT_IS = "\x1b[c", r"\x1b\[\?([\d;]*)c"
_SIXEL = "4"


def choose(images: str, environment: Mapping[str, str], ask: Ask | None) -> Graphics:
    """What `--images` (auto, blocks, kitty, sixel, off) comes to here. `ask`: None where there is no terminal."""
    return replace(_means(images, environment, ask), symbols=symbols_for(environment))


def symbols_for(environment: Mapping[str, str]) -> Symbols:
    """The finest symbols that this terminal shows for sure: sextants (Unicode 13) where it draws them itself, since few
    fonts have them; quadrants elsewhere, and halves on the bare console."""
    term = environment.get("TERM", "")
    if term == "linux":
        return Symbols.HALVES
    # What the outer terminal of a multiplexer can draw is not known: it may be another one after a reattach.
    if "TMUX" in environment or term.startswith(("screen", "tmux")):
        return Symbols.QUADRANTS
    vte = environment.get("VTE_VERSION", "")
    draws = (
        term.startswith(_DRAW_SEXTANTS)
        or environment.get("TERM_PROGRAM", "") in _PROGRAMS_DRAW_SEXTANTS
        or "WT_SESSION" in environment
        or (vte.isdigit() and int(vte) >= _VTE_DRAWS_SEXTANTS)
    )
    return Symbols.SEXTANTS if draws else Symbols.QUADRANTS


def _means(images: str, environment: Mapping[str, str], ask: Ask | None) -> Graphics:
    if images == "auto":
        return _automatic(environment, ask)
    means = Means(images)
    if means is Means.KITTY:
        return Graphics(Means.KITTY, Means.KITTY) if _has_library() else Graphics(Means.BLOCKS, Means.BLOCKS)
    if means is Means.SIXEL:
        # Sixel pictures cannot be scrolled or covered, so thumbnails stay blocks.
        return Graphics(Means.BLOCKS, Means.SIXEL if _has_library() else Means.BLOCKS)
    return Graphics(means, means)


def _automatic(environment: Mapping[str, str], ask: Ask | None) -> Graphics:
    if environment.get("NO_COLOR"):
        return Graphics(Means.OFF, Means.OFF)
    blocks = Graphics(Means.BLOCKS, Means.BLOCKS)
    term, true_colour = environment.get("TERM", ""), environment.get("COLORTERM", "") in ("truecolor", "24bit")
    # A multiplexer swallows both protocols.
    if ask is None or "TMUX" in environment or term.startswith(("screen", "tmux", "linux")):
        return blocks
    # The colour of the cells carries the picture's number, so it must arrive exactly.
    if term in _PLACEHOLDERS and true_colour and _places_by_characters(ask) and _has_library():
        return Graphics(Means.KITTY, Means.KITTY)
    if _may_know_sixel(environment) and _draws_sixel(ask) and _has_library():
        return Graphics(Means.BLOCKS, Means.SIXEL)
    return blocks


def _places_by_characters(ask: Ask) -> bool:
    """Whether the terminal knows placeholder characters, which kitty does from 0.28 on: it says OK to one pixel.

    An older one takes the key U for an error and says nothing.
    """
    answer = ask(f"\x1b_Ga=T,U=1,i={_PIXEL},s=1,v=1,c=1,r=1,t=d,f=24;AAAA\x1b\\{_WHAT}", _IT_IS)
    ask(f"\x1b_Ga=d,d=I,i={_PIXEL},q=2\x1b\\", "")
    return f"\x1b_Gi={_PIXEL};OK\x1b\\" in answer


def _draws_sixel(ask: Ask) -> bool:
    found = re.search(_IT_IS, ask(_WHAT, _IT_IS))
    return found is not None and _SIXEL in found[1].split(";")


def _may_know_sixel(environment: Mapping[str, str]) -> bool:
    """Not asked: terminals known not to, the more so while they are slow to answer."""
    known = environment.get("TERM_PROGRAM", "") in ("Apple_Terminal", "vscode")
    return not known and "VTE_VERSION" not in environment


def _has_library() -> bool:
    # Imported without a stdout: it would ask the terminal by itself, and take what is typed for the answer.
    with contextlib.suppress(Exception), _no_stdout():
        import textual_image.renderable  # noqa: F401

        return True
    return False


@contextlib.contextmanager
def _no_stdout() -> Iterator[None]:
    before = sys.__stdout__
    sys.__stdout__ = None  # type: ignore[misc]
    try:
        yield
    finally:
        sys.__stdout__ = before  # type: ignore[misc]
