"""The main screen: what the user does there, made into actions.

Searching, imagining and saving are the engine's; how it looks is `chat_view`'s, what is played comes by `playing`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.widget import Widget

from dar_tui.tui import wording
from dar_tui.tui.conversation import Exchange, State
from dar_tui.tui.engine import (
    Engine,
    ImagineAgain,
    MoreLike,
    Narrow,
    Narrowing,
    OfPhoto,
    OfPicture,
    Opened,
    Rerank,
    Say,
    Skip,
)
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.keymap import Place, Remapping, bindings
from dar_tui.tui.screens.chat_view import GREETING
from dar_tui.tui.screens.playing import Playing
from dar_tui.tui.screens.zoom import ImaginedZoom, PhotoZoom
from dar_tui.tui.widgets.imagined import Imagined
from dar_tui.tui.widgets.photos import Photos
from dar_tui.tui.widgets.prompt import Prompt
from dar_tui.tui.widgets.question import takes_yes

if TYPE_CHECKING:
    from indexer.search.hits import Hit


class ChatScreen(Playing):
    """One session on the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.PARTS)]

    def __init__(self, engine: Engine, remapping: Remapping, gallery: Gallery | None, *, sixel: bool) -> None:
        super().__init__(engine, remapping, gallery)
        self._deeds = self
        self._sixel = sixel
        self.opened = False
        self._waiting = ""

    def in_hand(self) -> Photos | Imagined | None:
        """The grid or the strip, while it has the focus."""
        return self.focused if isinstance(self.focused, Photos | Imagined) else None

    # A session begins

    def closed(self) -> None:
        """Another session is being opened; what is written meanwhile waits for it."""
        self.opened = False
        self.player.forget()

    def begin(self, opened: Opened) -> None:
        """Shows a session, new or taken up again."""
        self.opened = True
        self.exchange, self._aside = None, None
        self.narrowing, self.imagining = opened.narrowing, opened.imagining
        self.liked, self.unliked, self.of_pictures = opened.liked, opened.unliked, dict(opened.pictures)
        self.talk.clear()
        self.talk.remark(GREETING, "hello")
        for exchange in opened.exchanges:
            self.talk.begin(exchange)
            self.prompt.remember(exchange.message)
        for note in opened.notes:
            self.talk.remark(note)
        self.ask(opened.question)
        self.show_facts(
            library=opened.library.name,
            photos=opened.library.photos,
            encoder=opened.library.encoder,
            generator=opened.generator,
            filter=self.narrowing.words,
            turn=len(opened.exchanges),
            order="",
            taken="",
        )
        if opened.exchanges:
            self.exchange = replace(opened.exchanges[-1], state=State.DONE)
            self.player.play(Rerank())
        self.show_exchange(keep=False)
        if self._waiting:
            waiting, self._waiting = self._waiting, ""
            self.say(waiting)

    # What the user says

    @on(Prompt.Sent)
    def sent(self, message: Prompt.Sent) -> None:
        """Plays a message; one sent before the library is open waits for it."""
        self.say(message.text)

    @on(Prompt.TooLong)
    def too_long(self, message: Prompt.TooLong) -> None:
        """Says that what was pasted was cut."""
        self.notify(f"The last {message.dropped:,} characters did not fit.", severity="warning", markup=False)

    def say(self, text: str) -> None:
        """Begins an exchange."""
        if not self.opened:
            self._waiting = f"{self._waiting}\n{text}".strip()
            self.talk.remark(f"Waiting for the library to search for: {wording.shortened(text, 200)}")
            return
        if self.exchange is not None:
            self.exchange = self.exchange.put_away()
            self.talk.show(self.exchange)
        turn = len(self.talk.exchanges)
        self._aside = None
        self.ask(None)
        # Yesterday's page stays until today's is there: a grid that empties at every message would flicker.
        before = self.exchange
        self.exchange = Exchange(text, turn=turn)
        self.talk.begin(self.exchange)
        self.player.play(Say(text))
        self.show_facts(turn=turn + 1, taken="")
        if before is None:
            self.show_exchange(keep=False)
        self.show_progress()

    @on(Prompt.Answered)
    def answered(self, message: Prompt.Answered) -> None:
        """Answers the question by a key."""
        self.action_answer(message.answer)

    def action_answer(self, answer: str) -> None:
        """yes, no or skip."""
        question = self.question
        if question is None:
            self.notify("There is no question to answer.", timeout=3)
        elif answer == "skip":
            self.ask(None)
            self.player.note(Skip())
        elif takes_yes(question):
            self.say(answer)
        else:
            self.notify(f"Answer in words: {' or '.join(question.choices) or question.text}", markup=False, timeout=4)
            self.prompt.focus()

    # What the user thinks

    def judge(self, tiles: Photos | Imagined, good: bool) -> None:
        """Takes an opinion of the picture in hand; the same one again takes it back."""
        if isinstance(tiles, Imagined):
            place = (tiles.turn, tiles.cursor)
            opinion = None if self.of_pictures.get(place) is good else good
            self.of_pictures.pop(place, None)
            if opinion is not None:
                self.of_pictures[place] = opinion
            self.show_drawings()
            self.player.note(OfPicture(*place, opinion))
            return
        if tiles.hit is None:
            return
        image_id = tiles.hit.image_id
        had = image_id in (self.liked if good else self.unliked)
        self.liked, self.unliked = self.liked - {image_id}, self.unliked - {image_id}
        if not had and good:
            self.liked |= {image_id}
        elif not had:
            self.unliked |= {image_id}
        tiles.change(liked=self.liked, unliked=self.unliked)
        self.player.note(OfPhoto(image_id, None if had else good))

    def more_like(self, hit: Hit) -> None:
        """Shows the photos most like this one until Esc."""
        self._aside = (self.player.play(MoreLike(hit.image_id)), hit)
        self.show_progress()

    # Keys

    def action_part(self, step: int) -> None:
        """Moves the focus on or back: prompt, photos, imagined, talk."""
        parts: list[Widget] = [self.prompt, self.photos]
        if not self.imagined_away:
            parts.append(self.imagined)
        parts.append(self.talk)
        at = parts.index(self.focused) if self.focused in parts else 0
        part = parts[(at + step) % len(parts)]
        self.see(part.id or "")
        self.set_focus(part)

    def action_write(self) -> None:
        """Goes to the prompt."""
        self.set_focus(self.prompt)

    def action_back(self) -> None:
        """Stops what runs; else leaves a view aside; else goes to the prompt, and from there to the photos."""
        if self.player.running and (self.exchange is None or self.exchange.doing or self._aside):
            self.player.stop()
        elif self._aside is not None:
            self._aside = None
            self.show_facts(order=self.order_words)
            self.show_exchange(keep=False)
        elif self.focused is not self.prompt:
            self.set_focus(self.prompt)
        elif self.photos.tiles:
            self.see("photos")
            self.set_focus(self.photos)

    def action_zoom(self, number: int | None = None) -> None:
        """Looks at the picture in hand, or at photo `number`, large."""
        tiles = self.photos if number is not None else self.in_hand()
        if number is not None:
            if number > len(self.photos.tiles):
                return
            self.photos.cursor = number - 1
        if tiles is None or not tiles.tiles:
            return
        zoom = PhotoZoom if isinstance(tiles, Photos) else ImaginedZoom
        self.app.push_screen(zoom(tiles, self, self.remapping, self.gallery, sixel=self._sixel))

    @on(Photos.Chosen)
    def chosen(self) -> None:
        """A double click looks at it large."""
        self.action_zoom()

    def action_imagine_again(self) -> None:
        """Imagines once more, from other seeds."""
        if self.exchange is None:
            self.notify("Describe the photo first.", timeout=3)
            return
        self._aside = None
        self.exchange = replace(self.exchange, state=State.RUNNING)
        self.player.play(ImagineAgain())
        self.show_progress()

    def action_switch_imagining(self) -> None:
        """Imagining on or off, from the next turn on."""
        self.imagining = not self.imagining
        self._engine.set_imagining(self.imagining)
        self.notify("Imagining is on." if self.imagining else "Imagining is off: text alone finds photos.", timeout=3)
        self.show_drawings()

    def action_sort(self) -> None:
        """By date or by match."""
        self.photos.change(by_date=not self.photos.page.by_date)
        self.show_facts(order=self.order_words)

    def narrow(self, narrowing: Narrowing | None) -> None:
        """Searches among other photos from now on; None changes nothing."""
        if narrowing is None or narrowing == self.narrowing:
            return
        self.narrowing = narrowing
        self._aside = None
        self.show_facts(filter=narrowing.words)
        self.player.play(Narrow(narrowing))
        self.show_progress()
