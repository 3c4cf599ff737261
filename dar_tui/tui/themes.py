"""The app's colours: one dark and one light theme, quiet so that photos are what is seen, and no colours at all."""

from __future__ import annotations

from collections.abc import Container

from textual.theme import Theme

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
