"""The app's colours: one dark and one light theme, quiet so that photos are what is seen, and no colours at all.

The theme is what the app remembers from one run to the next besides sessions. Losing it loses nothing else.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path

from textual.theme import Theme

from indexer.files import make_private_folder, write_atomically

DARK, LIGHT = "dar-dark", "dar-light"
# Textual's own themes of the terminal's 16 colours: under NO_COLOR it strips even those from them.
PLAIN = "ansi-dark"


def _tracks(background: str) -> dict[str, str]:
    """Scrollbars on the background: Textual's are darker, black in a dark theme."""
    names = ("scrollbar-background", "scrollbar-background-hover", "scrollbar-background-active")
    return dict.fromkeys((*names, "scrollbar-corner-color"), background)


THEMES = (
    Theme(
        name=DARK,
        primary="#e0a458",
        secondary="#7fa99b",
        accent="#e0a458",
        foreground="#e6e1d9",
        background="#141414",
        surface="#1d1d1d",
        panel="#272727",
        boost="#202020",
        success="#9ec07c",
        warning="#e5c07b",
        error="#e06c75",
        dark=True,
        variables=_tracks("#141414"),
    ),
    Theme(
        name=LIGHT,
        primary="#9a5b13",
        secondary="#3f6f61",
        accent="#9a5b13",
        foreground="#22201c",
        background="#faf8f4",
        surface="#f1ede6",
        panel="#e4dfd5",
        boost="#ece7de",
        success="#3d7a29",
        warning="#8a6100",
        error="#b3261e",
        dark=False,
        variables=_tracks("#faf8f4"),
    ),
)


def chosen(remembered: str, available: Container[str], *, colours: bool) -> str:
    """The theme to begin with."""
    if not colours:
        return PLAIN
    return remembered if remembered in available else DARK


def other(name: str) -> str:
    """The light theme from the dark one, the dark one from any other."""
    return LIGHT if name == DARK else DARK


_STATE_FILE = "interface.json"


@dataclass(frozen=True)
class InterfaceState:
    """`theme`: the name of one of Textual's; "" for the app's own choice."""

    theme: str = ""


def recall(home: Path) -> InterfaceState:
    """What was remembered; the defaults where nothing was, or nothing readable."""
    try:
        values = json.loads((home / _STATE_FILE).read_text(encoding="utf-8"))
        return InterfaceState(str(values["theme"]))
    except (OSError, ValueError, KeyError, TypeError):
        return InterfaceState()


def remember(home: Path, state: InterfaceState) -> None:
    """Writes it down. A disk that refuses is no reason to say anything."""
    with contextlib.suppress(OSError):
        make_private_folder(home)
        write_atomically(home / _STATE_FILE, json.dumps(asdict(state)).encode("utf-8"), sync=False)
