"""What is played on the engine, put on the screen as it happens.

Knows events and the exchange they add up to. What the user does is `chat`'s, how it looks `chat_view`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on

from dar_tui.session.events import Part, Results
from dar_tui.tui import wording
from dar_tui.tui.engine import Engine, Rerank
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.keymap import Remapping
from dar_tui.tui.messages import Noted, Played, PlayEnded, Trouble
from dar_tui.tui.player import Player
from dar_tui.tui.screens.chat_view import ChatView

if TYPE_CHECKING:
    from indexer.search.hits import Hit


class Playing(ChatView):
    """The chat with a player."""

    def __init__(self, engine: Engine, remapping: Remapping, gallery: Gallery | None) -> None:
        super().__init__(remapping, gallery)
        self._engine = engine
        self.player = Player(engine, self.post_message)
        # What is shown beside the session (more like a photo): the number it is played under, and the photo.
        self._aside: tuple[int, Hit] | None = None

    @on(Played)
    def take(self, message: Played) -> None:
        """Adds what happened to the exchange it belongs to."""
        if not self.player.is_current(message.number):
            return
        if self._aside is not None and message.number == self._aside[0]:
            if isinstance(message.event, Results):
                hit = self._aside[1]
                self.photos.show_page(self.page_of(message.event.hits), keep=False)
                self.show_facts(order=f"like {wording.name(hit)}, Esc steps back")
            return
        if self.exchange is None:
            return
        was_asking = self.exchange.question
        self.exchange = self.exchange.after(message.event)
        if self.exchange.question is not None and self.exchange.question is not was_asking:
            self.ask(self.exchange.question)
        self.talk.show(self.exchange)
        if isinstance(message.event, Results):
            self.show_exchange(keep=True)
            if self.has_class("-see-talk") and self.focused is self.prompt:
                self.see("photos")
        else:
            self.show_drawings()
        self.show_progress()

    @on(PlayEnded)
    def over(self, message: PlayEnded) -> None:
        """Closes the exchange; a message that came to nothing goes back into the prompt."""
        if not self.player.is_current(message.number):
            return
        self.player.ended(message.number)
        aside = self._aside is not None and message.number == self._aside[0]
        if self.exchange is not None and not aside:
            self.exchange = self.exchange.ended()
            self.talk.show(self.exchange)
            failed = any(each.part in (Part.REFORMULATE, Part.SEARCH) for each in self.exchange.failures)
            if (failed or message.error) and not self.exchange.hits:
                self.prompt.restore(self.exchange.message)
            timings = self.exchange.timings
            self.show_facts(taken=wording.seconds(timings.total) if timings.total else "")
        if message.error is not None:
            self.trouble(Trouble(f"{message.error.message} {message.error.hint}".rstrip()))
        self.show_drawings()
        self.show_progress()

    @on(Noted)
    def noted(self) -> None:
        """Feedback is recorded: a running turn heeds it by itself, otherwise the page is shown again."""
        if not self.player.running and self.exchange is not None:
            self._aside = None
            self.player.play(Rerank())

    @on(Trouble)
    def trouble(self, message: Trouble) -> None:
        """Says what went wrong where it stays readable."""
        self.talk.remark(message.text, "error")
        if self.has_class("-narrow") and not self.has_class("-see-talk"):
            self.notify(message.text, severity="error", markup=False)

    def tell(self, trouble: Trouble) -> None:
        """The same from any thread."""
        self.post_message(trouble)
