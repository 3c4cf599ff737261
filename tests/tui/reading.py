"""The screen as text, as a person reads it."""

from __future__ import annotations

from textual.app import App


def screen_text(app: App[None]) -> str:
    """The lines on the screen, without colours and without spaces at their ends."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
