"""The transcript, exchange after exchange: the message, what it found, what was imagined, asked and went wrong.

Scrolls along only while its end is in sight.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from dar_tui.session.events import Stage
from dar_tui.tui import wording
from dar_tui.tui.conversation import Exchange, ExchangeState
from indexer.printable import stripped

# A message longer than this is shown by its beginning; it was sent whole.
_SHOWN = 600
# Exchanges kept on screen. Older ones are in the saved session.
_MOST = 200


class ExchangeView(Vertical):
    """One exchange: the message, and a few lines on what came of it."""

    def __init__(self, exchange: Exchange) -> None:
        message = Static(wording.shortened(wording.clean(exchange.message), _SHOWN), markup=False, classes="message")
        self._outcome = Static(_content(exchange), markup=False, classes="outcome")
        super().__init__(message, self._outcome)
        self.exchange = exchange

    @property
    def lines(self) -> list[str]:
        """What is reported of it, line by line."""
        return [text for text, _ in _outcome(self.exchange)]

    def show(self, exchange: Exchange) -> None:
        """Shows how far it has come."""
        self.exchange = exchange
        self._outcome.update(_content(exchange))


class AppLine(Static):
    """A line of the app's own: a greeting, an error, a hint."""

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(Content(text), markup=False, classes=kind)
        self.text = text


class Talk(VerticalScroll):
    """The transcript on screen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._last_remark = ""

    def on_mount(self) -> None:
        """From the start the end is what counts."""
        self.anchor()

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The exchanges on screen, oldest first."""
        return [view.exchange for view in self.query(ExchangeView)]

    @property
    def remarks(self) -> Sequence[str]:
        """The app's own lines on screen, oldest first."""
        return [remark.text for remark in self.query(AppLine)]

    def begin(self, exchange: Exchange) -> None:
        """Adds an exchange at the end, and goes there: who sends a message wants to see what comes of it."""
        self._last_remark = ""
        self.mount(ExchangeView(exchange))
        self._drop_oldest()
        self.anchor()

    def show(self, exchange: Exchange) -> None:
        """Shows how far the last exchange has come."""
        views = self.query(ExchangeView)
        if views:
            views.last().show(exchange)

    def remark(self, text: str, kind: str = "") -> None:
        """Adds a line of the app's own; the same line twice running is one."""
        if text != self._last_remark:
            self._last_remark = text
            self.mount(AppLine(text, kind))
            self._drop_oldest()

    def clear(self) -> None:
        """Removes everything."""
        self._last_remark = ""
        self.remove_children()

    def _drop_oldest(self) -> None:
        if len(self.children) > _MOST:
            self.remove_children(list(self.children)[: len(self.children) - _MOST])


def summary(exchange: Exchange) -> str:
    """What came of it in one line, without its question."""
    return " \u00b7 ".join(text for text, _ in _outcome(exchange) if not text.startswith("? "))


def _content(exchange: Exchange) -> Content:
    return Content("\n").join(Content.assemble((text, style)) for text, style in _outcome(exchange))


def _outcome(exchange: Exchange) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    if exchange.stage is not None:
        lines.append((_found(exchange), ""))
    if exchange.doing:
        lines.append((f"{exchange.doing}\u2026  Esc stops", "$foreground-muted"))
    elif exchange.pictures:
        lines.append((_imagined(exchange), ""))
    if exchange.state is ExchangeState.STOPPED:
        lines.append(("stopped; what was found stays", "$text-warning"))
    lines += [(stripped(note, 500), "$foreground-muted") for note in exchange.notes]
    lines += [(stripped(failure.line, 500), "$text-error") for failure in exchange.failures]
    if exchange.question is not None:
        lines.append((f"? {stripped(exchange.question.text, 500)}", "$text-accent"))
    return lines


def _found(exchange: Exchange) -> str:
    tally = exchange.tally
    if not tally.photos:
        return "no photo fits"
    if not tally.scored:
        return "photos found then"
    none = not (tally.strong or tally.weak)
    found = wording.count(tally.photos, "photo")
    how = ", none matches well" if none else f", {tally.strong} strong" if tally.strong else ", weak matches"
    taken = wording.seconds(exchange.timings.text_hits)
    return f"{found}{how}{f' in {taken}' if taken else ''}"


def _imagined(exchange: Exchange) -> str:
    pictures = wording.count(exchange.pictures, "picture")
    taken = wording.seconds(exchange.timings.imagine)
    rose = exchange.tally.risen
    risen = f", {wording.count(rose, 'photo')} moved up" if exchange.stage is Stage.FUSED and rose else ""
    return f"imagined {pictures}{f' in {taken}' if taken else ''}{risen}"
