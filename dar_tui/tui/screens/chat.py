"""The main screen: its parts, what they show of the session, and what the user's keys and clicks in them ask for.

Everything that changes the session is the controller's, which shows through this screen (`controller.ChatView`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import DescendantFocus, Key
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from dar_tui.tui import wording
from dar_tui.tui.controller import ChatController, takes_yes
from dar_tui.tui.conversation import Exchange, ExchangeState
from dar_tui.tui.engine import ChatEngine, Opened
from dar_tui.tui.graphics.gallery import Gallery
from dar_tui.tui.keymap import Hint, Place, Remapping, bindings, shown
from dar_tui.tui.messages import (
    ErrorReport,
    EventPlayed,
    FeedbackRecorded,
    FirstPaint,
    FolderNamed,
    PictureReady,
    PlayEnded,
    StatusText,
)
from dar_tui.tui.screens.zoom import ZoomScreen
from dar_tui.tui.widgets.chips import ChipLine
from dar_tui.tui.widgets.detail import PhotoDetail
from dar_tui.tui.widgets.lines import Hints, QuestionLine, StatusLine
from dar_tui.tui.widgets.pictures import GridPage, ImaginedStrip, PhotoGrid
from dar_tui.tui.widgets.prompt import Prompt
from dar_tui.tui.widgets.talk import Talk, summary
from indexer.paths import at_home
from indexer.printable import visible

if TYPE_CHECKING:
    from indexer.search.hits import Hit

GREETING = (
    "Describe the photo you remember: who or what is in it, where, when, which colours. Then answer what is asked,"
    " and mark the pictures that come close."
)
# Photos on screen for one of these and not for less were seen: what scrolls by is not.
_GLANCE = 0.7
_PANES = {"photos": "Photos", "imagined": "Imagined", "talk": "Talk"}


class ChatScreen(Screen[None]):
    """One session on the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Place.PARTS)]

    def __init__(self, engine: ChatEngine, remapping: Remapping, gallery: Gallery | None, *, sixel: bool) -> None:
        super().__init__()
        # Two columns need 40 for the talk and 60, two thumbnails, for the photos; a high strip of pictures, 36 lines.
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (36, "-tall")]
        self.remapping = remapping
        self.gallery = gallery
        self.controller = ChatController(engine, self, self.post_message)
        self._sixel = sixel
        self._on_screen: tuple[int, ...] = ()
        # The user went to the photos since the last turn, so that "this one" means something.
        self._has_selected = False
        self._loading = ""
        self._indexing = ""

    def compose(self) -> ComposeResult:
        """See dar.tcss for how it is laid out."""
        yield StatusLine(id="status")
        yield Static("", id="tabs", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="side"):
                yield PhotoDetail(id="detail")
                yield Talk(id="talk")
            with Vertical(id="found"):
                yield PhotoGrid(id="photos")
                yield ImaginedStrip(id="imagined")
        with Vertical(id="bottom"):
            yield Static("", id="latest", markup=False)
            yield ChipLine(id="chips")
            yield QuestionLine(id="question")
            with Horizontal(id="writing"):
                yield Static("\u276f", id="mark", markup=False)
                yield Prompt(self.remapping.keys_for("send"), id="prompt")
            yield Hints(id="hints")

    def on_mount(self) -> None:
        """Begins with the prompt."""
        self.photos.use(self.gallery)
        self.imagined.use(self.gallery)
        self.detail.use(self.gallery)
        self.show_page(keep=False)
        self.talk.remark(GREETING, "hello")
        self.see("talk")
        self.prompt.focus()
        self.call_after_refresh(self.app.post_message, FirstPaint())
        self.set_interval(_GLANCE, self._notice)

    # Its parts

    @property
    def talk(self) -> Talk:
        """The transcript."""
        return self.query_one("#talk", Talk)

    @property
    def detail(self) -> PhotoDetail:
        """The selected photo, larger."""
        return self.query_one("#detail", PhotoDetail)

    @property
    def photos(self) -> PhotoGrid:
        """The photos found."""
        return self.query_one("#photos", PhotoGrid)

    @property
    def imagined(self) -> ImaginedStrip:
        """The pictures imagined."""
        return self.query_one("#imagined", ImaginedStrip)

    @property
    def prompt(self) -> Prompt:
        """Where messages are written."""
        return self.query_one("#prompt", Prompt)

    @property
    def chips(self) -> ChipLine:
        """What is looked for."""
        return self.query_one("#chips", ChipLine)

    @property
    def status(self) -> StatusLine:
        """The top line."""
        return self.query_one("#status", StatusLine)

    @property
    def selected_tiles(self) -> PhotoGrid | ImaginedStrip | None:
        """The grid or the strip, while it has the focus."""
        return self.focused if isinstance(self.focused, PhotoGrid | ImaginedStrip) else None

    # What the controller shows (see `controller.ChatView`)

    def show_session(self, opened: Opened) -> None:
        # A new session begins with words: letters that are commands elsewhere are text from now on.
        self.set_focus(self.prompt)
        self.talk.clear()
        self.talk.remark(GREETING, "hello")
        for exchange in opened.exchanges:
            self.talk.begin(exchange)
            self.prompt.remember(exchange.message)
        for note in opened.notes:
            self.talk.remark(note)
        self.show_latest(opened.exchanges[-1] if opened.exchanges else None)
        self.show_status(
            library=opened.library.name,
            photos=opened.library.photos,
            encoder=opened.library.encoder,
            generator=opened.generator,
            filter=opened.photo_filter.words,
            turn=len(opened.exchanges),
            taken="",
        )

    def begin_exchange(self, exchange: Exchange) -> None:
        self._has_selected = False
        self.talk.begin(exchange)
        self.show_latest(exchange)

    def update_exchange(self, exchange: Exchange) -> None:
        self.talk.show(exchange)
        self.show_latest(exchange)
        self.show_chips()

    def show_latest(self, exchange: Exchange | None) -> None:
        """Where the talk is a pane of its own, its last message and outcome stand above the prompt."""
        latest = self.query_one("#latest", Static)
        message = "" if exchange is None else " ".join(wording.clean(exchange.message, 500).split())
        latest.update("" if exchange is None else f"{message}\n{summary(exchange)}")

    def show_question(self) -> None:
        question = self.controller.question
        answers = self.remapping.answers() if question is not None else {}
        in_words = question is not None and not takes_yes(question)
        if in_words:
            answers = {key: answer for key, answer in answers.items() if answer == "skip"}
        self.prompt.expect(answers, in_words=in_words)
        self.query_one(QuestionLine).ask(
            question, [(f"{key} Enter" if in_words else key, answer) for key, answer in answers.items()]
        )
        if self._asked != self.photos.page.asked:
            self.photos.change(asked=self._asked)
            self.show_detail()

    def show_page(self, *, keep: bool) -> None:
        exchange = self.controller.exchange
        if exchange is None:
            self.photos.show_page(GridPage(empty="Photos will be here."), keep=False)
        else:
            self.photos.show_page(self._page_of(exchange.hits, exchange), keep=keep)
        self.show_detail()
        self.show_status(order=self._order_words)
        self.show_drawings()

    def show_results(self) -> None:
        self.show_page(keep=True)
        if self.has_class("-see-talk") and self.focused is self.prompt:
            self.see("photos")

    def show_aside(self, hits: tuple[Hit, ...], like: Hit | None) -> None:
        page = self._page_of(hits)
        if like is None:
            # In the order they were seen, whatever the order of the page.
            page = replace(page, seen=True, by_date=False, empty="No photos were seen before these.")
        self.photos.show_page(page, keep=False)
        self.show_detail()
        what = "seen earlier" if like is None else f"like {wording.name(like)}"
        self.show_status(order=f"{what}, Esc steps back")

    def show_drawings(self) -> None:
        exchange = self.controller.exchange
        drawings = exchange.drawings if exchange is not None else ()
        turn = exchange.turn if exchange is not None else 0
        opinions = {k: good for (of_turn, k), good in self.controller.of_pictures.items() if of_turn == turn}
        self.imagined.empty = "" if self.controller.imagining else "Imagining is off: i turns it on."
        drawing = exchange is not None and exchange.state is ExchangeState.RUNNING
        self.imagined.show_drawings(turn, drawings, opinions, drawing=drawing)
        self.imagined.border_title = "imagined, not photos"
        # Nothing came of it, and nothing will: the failure is reported in the talk.
        away = not drawing and not any(each.done for each in drawings)
        if away and self.focused is self.imagined:
            self.prompt.focus()
        self.imagined.set_class(away, "-away")
        self._show_tabs()

    def show_detail(self) -> None:
        """Shows the selected photo beside the grid."""
        photos = self.photos
        self.detail.show(photos.hit, photos.tiles[photos.cursor].title if photos.hit is not None else "")

    def show_opinions(self) -> None:
        self.photos.change(liked=self.controller.liked, unliked=self.controller.unliked)
        self.show_detail()
        self.show_drawings()

    def show_status(self, **changes: object) -> None:
        self.status.facts = replace(self.status.facts, **changes)  # type: ignore[arg-type]

    def show_progress(self) -> None:
        exchange = self.controller.exchange
        doing = exchange.doing if exchange is not None else ""
        doing = f"{doing}, Esc stops" if doing else self._loading or self._indexing
        self.show_status(doing=doing)

    def remark(self, text: str) -> None:
        self.talk.remark(text)

    def report(self, text: str) -> None:
        self.talk.remark(text, "error")
        # The talk is under another pane, or under the zoom or a form: what nobody sees was not reported.
        is_hidden = self.has_class("-narrow") and not self.has_class("-see-talk")
        if is_hidden or self.app.screen is not self:
            self.notify(text, severity="error", markup=False)

    def hint(self, text: str) -> None:
        self.notify(text, markup=False, timeout=4)

    def restore_message(self, text: str) -> None:
        self.prompt.restore(text)

    def ask_for_words(self) -> None:
        self.prompt.focus()

    def ask_for_photos(self, text: str) -> None:
        folder = at_home(Path(text.strip()))
        if folder.is_dir():
            self.post_message(FolderNamed(folder.absolute()))
            return
        self.prompt.restore(text)
        add = f"Press {shown(self.remapping.keys_for('library')[0])} and then a to add a folder of photos."
        is_path = text.strip().startswith(("/", "~", "./", "../"))
        why = f"There is no folder {visible(folder)}." if is_path else "There are no photos yet."
        self.talk.remark(f"{why} {add}")

    def selected_photo(self) -> int | None:
        return self.photos.hit.image_id if self._has_selected and self.photos.hit is not None else None

    def show_chips(self) -> None:
        exchange = self.controller.exchange
        certainty = exchange.certainty if exchange is not None else None
        words = "" if certainty is None else f"probably among these {certainty.photos}: {certainty.chance:.0%}"
        self.chips.show(self.controller.chips, words)
        if self.focused is self.chips and not self.controller.chips:
            self.set_focus(self.prompt)

    def show_order(self) -> None:
        self.photos.change(by_date=self.controller.by_date)
        self.show_detail()
        self.show_status(order=self._order_words)

    def show_indexing(self, text: str) -> None:
        """Shows how far indexing has come; "" once it is over."""
        self._indexing = text
        self.show_progress()

    def _page_of(self, hits: tuple[Hit, ...], exchange: Exchange | None = None) -> GridPage:
        """Hits as the grid shows them; with an exchange, what rose in it."""
        is_filtered = not self.controller.photo_filter.is_empty
        return GridPage(
            hits,
            exchange.rise if exchange is not None else _no_rise,
            self.controller.liked,
            self.controller.unliked,
            by_date=self.controller.by_date,
            marked=self.photos.page.marked,
            asked=self._asked,
            empty="No matching photos. Press f to search among more." if is_filtered else "No matching photos.",
        )

    @property
    def _asked(self) -> frozenset[int]:
        """The image ids of the two photos that the open question speaks of, if it does."""
        question = self.controller.question
        return frozenset(int(name) for name in question.photos if name.isdecimal()) if question else frozenset()

    @property
    def _order_words(self) -> str:
        """How the photos are ordered, where it is not by match."""
        return "by date" if self.controller.by_date else ""

    # Messages from threads and widgets

    @on(EventPlayed)
    def event_played(self, message: EventPlayed) -> None:
        """An event of what is played."""
        self.controller.take(message)

    @on(PlayEnded)
    def play_ended(self, message: PlayEnded) -> None:
        """What was played is over."""
        self.controller.end(message)

    @on(FeedbackRecorded)
    def feedback_recorded(self) -> None:
        """Feedback is on disk."""
        self.controller.feedback_recorded()

    @on(ErrorReport)
    def error_reported(self, message: ErrorReport) -> None:
        """Shows what went wrong."""
        self.report(message.text)

    @on(StatusText)
    def status_changed(self, message: StatusText) -> None:
        """Says at the top what is being loaded."""
        self._loading = message.text
        self.show_progress()

    @on(PictureReady)
    def repaint(self, message: PictureReady) -> None:
        """The gallery has painted a picture that something here, or the zoom above, may show."""
        self.photos.repaint(message.request)
        self.imagined.repaint(message.request)
        self.detail.repaint(message.request)
        if isinstance(self.app.screen, ZoomScreen):
            self.app.screen.repaint(message.request)

    @on(Prompt.Sent)
    def sent(self, message: Prompt.Sent) -> None:
        """Plays a message."""
        self.controller.send(message.text)

    @on(Prompt.TooLong)
    def too_long(self, message: Prompt.TooLong) -> None:
        """Says that what was pasted was cut."""
        self.notify(f"The last {message.dropped:,} characters did not fit.", severity="warning", markup=False)

    @on(Prompt.Answered)
    def answered(self, message: Prompt.Answered) -> None:
        """Answers the question by a key."""
        self.controller.answer(message.answer)

    @on(PhotoGrid.Chosen)
    def chosen(self) -> None:
        """A double click looks at it large."""
        self.action_zoom()

    @on(PhotoGrid.Moved, "#photos")
    def moved(self) -> None:
        """Another photo is selected."""
        self.show_detail()

    @on(PhotoGrid.PastEnd)
    def past_end(self) -> None:
        """A page further than the last photos is the next page."""
        self.controller.next_page()

    @on(ChipLine.Changed)
    def chip_changed(self, message: ChipLine.Changed) -> None:
        """A chip is removed or flipped."""
        self.controller.change_chip(message.chip, flip=message.flip)

    def _notice(self) -> None:
        """Reports the photos of the session's page that stayed on screen; a page that flickers by was not seen."""
        exchange = self.controller.exchange
        is_page = exchange is not None and exchange.stage is not None and self.controller.aside is None
        now: tuple[int, ...] = ()
        if is_page and self.app.screen is self and self.app.app_focus and self.photos.size:
            now = tuple(self.photos.shown[at].image_id for at in self.photos.seen())
        stayed = [each for each in now if each in self._on_screen]
        self._on_screen = now
        if stayed:
            self.controller.photos_seen(stayed)

    # Panes

    def see(self, pane: str) -> None:
        """On a narrow terminal, shows this pane: photos, imagined or talk. The prompt is always seen."""
        if pane in _PANES:
            for each in _PANES:
                self.set_class(each == pane, f"-see-{each}")
            self._show_tabs()

    def _show_tabs(self) -> None:
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
        if isinstance(event.widget, PhotoGrid | ImaginedStrip):
            own = Place.PHOTO if isinstance(event.widget, PhotoGrid) else Place.IMAGINED
            self._has_selected = self._has_selected or isinstance(event.widget, PhotoGrid)
            # The first ones fit on a narrow terminal.
            keys = [*hints(own), *hints(Place.ANYWHERE), Hint("Esc", "write", "screen.write"), *hints(Place.GRID)]
            self.prompt.invite(self._write_hint)
        elif isinstance(event.widget, ChipLine):
            keys = [*hints(Place.CHIPS), Hint("Esc", "write", "screen.write"), *hints(Place.ANYWHERE)]
            self.prompt.invite(self._write_hint)
        else:
            self.prompt.invite()
            keys = [*hints(Place.TALK), *hints(Place.PARTS), *hints(Place.ANYWHERE)]
        self.query_one(Hints).keys = keys

    @property
    def _write_hint(self) -> str:
        return f"Press {shown(self.remapping.keys_for('write')[0])} or Esc to write"

    # Keys

    def redirect(self, key: Key) -> bool:
        """Goes to the prompt ahead of a key that is to be written there; True for one that does nothing else.

        Called before the key is handed to the focus, so that what follows in the same burst is written too.
        """
        if not key.is_printable or self.focused is self.prompt:
            return False
        writes = key.character in self.remapping.keys_for("write")
        if isinstance(self.focused, ChipLine) and not writes:
            return False
        if isinstance(self.focused, PhotoGrid | ImaginedStrip):
            # An empty grid with a filter keeps its keys: one of them lifts the filter.
            has_commands = bool(self.focused.tiles) or not self.controller.photo_filter.is_empty
            if has_commands and not writes:
                return False
            self.set_focus(self.prompt)
            return writes and has_commands
        is_chip_line = isinstance(self.focused, ChipLine)
        self.set_focus(self.prompt)
        return writes and is_chip_line

    def action_part(self, step: int) -> None:
        """Moves the focus on or back: prompt, photos, imagined, talk."""
        parts: list[Widget] = [self.prompt, self.photos]
        if not self.imagined_away:
            parts.append(self.imagined)
        parts.append(self.talk)
        if self.chips.chips:
            parts.append(self.chips)
        at = parts.index(self.focused) if self.focused in parts else 0
        part = parts[(at + step) % len(parts)]
        self.see(part.id or "")
        self.set_focus(part)

    def action_write(self) -> None:
        """Goes to the prompt."""
        self.set_focus(self.prompt)

    def action_back(self) -> None:
        """Stops what runs; else leaves a view aside; else goes to the prompt.

        And stays there: in the photos letters are commands, which nobody expects from Esc.
        """
        if not self.controller.step_back():
            self.set_focus(self.prompt)

    def action_answer(self, answer: str) -> None:
        """yes, no or skip."""
        self.controller.answer(answer)

    def action_zoom(self, number: int | None = None) -> None:
        """Looks at the selected picture, or at photo `number`, large."""
        tiles = self.photos if number is not None else self.selected_tiles
        if number is not None:
            if number > len(self.photos.tiles):
                return
            self.photos.cursor = number - 1
        if tiles is not None and tiles.tiles:
            self.app.push_screen(ZoomScreen(tiles, self.remapping, self.gallery, sixel=self._sixel))

    def action_next_page(self) -> None:
        """Photos that were not seen yet."""
        self.controller.next_page()

    def action_seen(self) -> None:
        """The photos seen earlier."""
        self.controller.show_seen()

    def action_imagine_again(self) -> None:
        """Imagines once more, from other seeds."""
        self.controller.imagine_again()

    def action_switch_imagining(self) -> None:
        """Imagining on or off."""
        self.controller.switch_imagining()

    def action_sort(self) -> None:
        """By date or by match."""
        self.controller.sort()


def _no_rise(hit: Hit) -> int:
    return 0
