"""How the chat looks: its parts, what each shows of the exchange in hand, and what is seen on a narrow terminal.

Shows state and changes none; what happens to it is `chat`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import DescendantFocus
from textual.widgets import Static

from dar_tui.tui.conversation import Exchange, State
from dar_tui.tui.engine import Narrowing
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.keymap import Place, Remapping
from dar_tui.tui.messages import Painted, PictureReady
from dar_tui.tui.messages import Said as SaidMessage
from dar_tui.tui.screens.picture_actions import PictureActions
from dar_tui.tui.screens.zoom import ZoomScreen
from dar_tui.tui.widgets.imagined import Imagined
from dar_tui.tui.widgets.photos import Page, Photos
from dar_tui.tui.widgets.prompt import Prompt
from dar_tui.tui.widgets.question import QuestionLine, takes_yes
from dar_tui.tui.widgets.status import Hints, Status
from dar_tui.tui.widgets.talk import Talk

if TYPE_CHECKING:
    from dar_tui.language.turn import Question
    from indexer.search.hits import Hit

GREETING = (
    "Describe the photo you remember: who or what is in it, where, when, which colours. Then answer what is asked,"
    " and tell it which pictures come close."
)
_PANES = {"photos": "Photos", "imagined": "Imagined", "talk": "Talk"}


class ChatView(PictureActions):
    """The chat's parts and what they show."""

    def __init__(self, remapping: Remapping, gallery: Gallery | None) -> None:
        super().__init__()
        # Two columns need 40 for the talk and 60, two thumbnails, for the photos; a high strip of pictures, 36 lines.
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]
        self.remapping = remapping
        self.gallery = gallery
        self.exchange: Exchange | None = None
        self.question: Question | None = None
        self.narrowing = Narrowing()
        self.imagining = True
        self.liked: frozenset[int] = frozenset()
        self.unliked: frozenset[int] = frozenset()
        self.of_pictures: dict[tuple[int, int], bool] = {}
        self._loading = ""
        self._indexing = ""

    def compose(self) -> ComposeResult:
        """See dar.tcss for how it is laid out."""
        yield Status(id="status")
        yield Static("", id="tabs", markup=False)
        with Horizontal(id="body"):
            yield Talk(id="talk")
            with Vertical(id="found"):
                yield Photos(id="photos")
                yield Imagined(id="imagined")
        with Vertical(id="bottom"):
            yield QuestionLine(id="question")
            with Horizontal(id="writing"):
                yield Static("\u276f", id="mark", markup=False)
                yield Prompt(self.remapping.keys_for("send"), id="prompt")
            yield Hints(id="hints")

    def on_mount(self) -> None:
        """Begins with the prompt."""
        self.photos.use(self.gallery)
        self.imagined.use(self.gallery)
        self.show_exchange(keep=False)
        self.talk.remark(GREETING, "hello")
        self.see("talk")
        self.prompt.focus()
        self.call_after_refresh(self.app.post_message, Painted())

    # Its parts

    @property
    def talk(self) -> Talk:
        """What was said."""
        return self.query_one("#talk", Talk)

    @property
    def photos(self) -> Photos:
        """The photos found."""
        return self.query_one("#photos", Photos)

    @property
    def imagined(self) -> Imagined:
        """The pictures imagined."""
        return self.query_one("#imagined", Imagined)

    @property
    def prompt(self) -> Prompt:
        """Where messages are written."""
        return self.query_one("#prompt", Prompt)

    @property
    def status(self) -> Status:
        """The top line."""
        return self.query_one("#status", Status)

    def in_hand(self) -> Photos | Imagined | None:
        """The grid or the strip, while it has the focus."""
        return self.focused if isinstance(self.focused, Photos | Imagined) else None

    # What they show

    def ask(self, question: Question | None) -> None:
        """Shows the question that stands, or none, and readies the keys that answer it."""
        self.question = question
        answers = self.remapping.answers() if question is not None else {}
        in_words = question is not None and not takes_yes(question)
        if in_words:
            answers = {key: answer for key, answer in answers.items() if answer == "skip"}
        self.prompt.expect(answers, in_words=in_words)
        self.query_one(QuestionLine).ask(
            question, [(f"{key} Enter" if in_words else key, answer) for key, answer in answers.items()]
        )

    def page_of(self, hits: tuple[Hit, ...], exchange: Exchange | None = None) -> Page:
        """Hits as the grid shows them; with an exchange, what rose in it."""
        return Page(
            hits,
            exchange.rise if exchange is not None else _no_rise,
            self.liked,
            self.unliked,
            by_date=self.photos.page.by_date,
            empty="No photo fits. Press f to search among more." if not self.narrowing.is_empty else "No photo fits.",
        )

    def show_exchange(self, *, keep: bool) -> None:
        """Shows the page of the exchange in hand. `keep`: the photo in hand stays so."""
        exchange = self.exchange
        if exchange is None:
            self.photos.show_page(Page(empty="Photos will be here."), keep=False)
        else:
            self.photos.show_page(self.page_of(exchange.hits, exchange), keep=keep)
        self.show_drawings()

    def show_drawings(self) -> None:
        """Shows the imagined pictures of the exchange in hand."""
        exchange = self.exchange
        drawings = exchange.drawings if exchange is not None else ()
        turn = exchange.turn if exchange is not None else 0
        opinions = {k: good for (of_turn, k), good in self.of_pictures.items() if of_turn == turn}
        self.imagined.empty = "" if self.imagining else "Imagining is off: i turns it on."
        drawing = exchange is not None and exchange.state is State.RUNNING
        self.imagined.show_drawings(turn, drawings, opinions, drawing=drawing)
        self.imagined.border_title = "imagined, not photos"
        # Nothing came of it, and nothing will: the failure is told in the talk.
        away = not drawing and not any(each.done for each in drawings)
        if away and self.focused is self.imagined:
            self.prompt.focus()
        self.imagined.set_class(away, "-away")
        self.show_tabs()

    def show_facts(self, **changes: object) -> None:
        """Changes what the top line says."""
        self.status.facts = replace(self.status.facts, **changes)  # type: ignore[arg-type]

    def show_progress(self) -> None:
        """Says at the top what is going on."""
        doing = self.exchange.doing if self.exchange is not None else ""
        doing = f"{doing}, Esc stops" if doing else self._loading or self._indexing
        self.show_facts(doing=doing)

    @property
    def order_words(self) -> str:
        """How the photos are ordered, where it is not by match."""
        return "by date" if self.photos.page.by_date else ""

    @on(SaidMessage)
    def said(self, message: SaidMessage) -> None:
        """Says at the top what is being loaded."""
        self._loading = message.text
        self.show_progress()

    def say_indexing(self, text: str) -> None:
        """Says at the top how far indexing has come."""
        self._indexing = text
        self.show_progress()

    @on(PictureReady)
    def repaint(self, message: PictureReady) -> None:
        """The gallery has painted a picture that something here, or the zoom above, may show."""
        self.photos.repaint(message.request)
        self.imagined.repaint(message.request)
        if isinstance(self.app.screen, ZoomScreen):
            self.app.screen.repaint(message.request)

    # Panes

    def see(self, pane: str) -> None:
        """On a narrow terminal, shows this pane: photos, imagined or talk. The prompt is always seen."""
        if pane in _PANES:
            for each in _PANES:
                self.set_class(each == pane, f"-see-{each}")
            self.show_tabs()

    def show_tabs(self) -> None:
        """Names the panes of a narrow terminal, the one that is seen first among equals."""
        shown = {name: title for name, title in _PANES.items() if name != "imagined" or not self.imagined_away}
        parts: list[tuple[str, str]] = []
        for name, title in shown.items():
            seen = self.has_class(f"-see-{name}")
            parts += [(f" {title} ", "bold reverse" if seen else "$foreground-muted"), ("  ", "")]
        self.query_one("#tabs", Static).update(Content.assemble(*parts, ("Tab", "$foreground-muted")))

    @property
    def imagined_away(self) -> bool:
        """Whether there is no strip of imagined pictures."""
        return self.imagined.has_class("-away")

    @on(DescendantFocus)
    def focus_moved(self, event: DescendantFocus) -> None:
        """Brings what has the focus into sight, and its keys into the bottom line."""
        self.see(event.widget.id or "")
        hints = self.remapping.hints
        if isinstance(event.widget, Photos | Imagined):
            own = Place.PHOTO if isinstance(event.widget, Photos) else Place.IMAGINED
            # The first ones fit on a narrow terminal.
            keys = [*hints(own), *hints(Place.ANYWHERE), ("Esc", "write"), *hints(Place.GRID)]
        else:
            keys = [*hints(Place.TALK), *hints(Place.PARTS), *hints(Place.ANYWHERE)]
        self.query_one(Hints).keys = keys


def _no_rise(hit: Hit) -> int:
    return 0
