"""What a turn yielded: kinds of events, pages of photos."""

from __future__ import annotations

from dar_tui.session.events import Event, Results, Stage


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def page(events: list[Event], stage: Stage = Stage.FUSED) -> list[str]:
    (found,) = (event for event in events if isinstance(event, Results) and event.stage is stage)
    return [hit.path.stem for hit in found.hits]


def of(events: list[Event], kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in events if isinstance(event, kind)]
