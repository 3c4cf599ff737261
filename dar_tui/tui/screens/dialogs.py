"""The screens that are one list or one form: keys, libraries, sessions, filters, a folder to index, a page to save.

Each is opened by a key, covers the chat, and gives its result to whoever opened it; Esc gives none. They look nothing
up: what they list is handed to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import CommandList, CommandPalette
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from dar_tui.tui import wording
from dar_tui.tui.engine import LibraryFacts, PhotoFilter, SavedSession
from dar_tui.tui.keymap import KEYS, Hint, Place, Remapping, bindings, shown
from dar_tui.tui.screens.leaving import LeftOnce
from dar_tui.tui.widgets.lines import Hints
from dar_tui.tui.widgets.prompt import FormInput
from indexer.errors import UsageError
from indexer.paths import at_home
from indexer.printable import stripped, visible

# What every one of them has: Esc leaves it as if it had not been opened. Tab by priority, as in the chat: what is typed
# next is for the next line.
LEAVE: tuple[BindingType, ...] = (
    *(
        Binding(each.key, "dismiss", show=False, priority=True, id="back")
        for each in bindings(Place.PARTS)
        if each.id == "back"
    ),
    Binding("tab", "app.focus_next", show=False, priority=True),
)


def page(title: str, body: Iterable[Widget], keys: Sequence[tuple[str, str]]) -> ComposeResult:
    """A title, a body, and a line of keys."""
    with Vertical(classes="page"):
        yield Static(title, classes="title", markup=False)
        yield from body
    hints = Hints(id="hints")
    hints.keys = (*(Hint(key, does) for key, does in keys), Hint("Esc", "back", "screen.dismiss"))
    with Vertical(id="bottom"):
        yield hints


# Lists


class ChoiceList(OptionList):
    """A list to choose from. In a terminal too low to show a line of it, Textual's pages would end the app."""

    def action_page_up(self) -> None:
        """A page up."""
        if self.option_count and self.scrollable_content_region.height:
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        """A page down."""
        if self.option_count and self.scrollable_content_region.height:
            super().action_page_down()  # type: ignore[no-untyped-call]


_NOTES = {
    Place.GRID: "while photos or imagined pictures have the focus: Tab goes there, Esc back to the prompt",
    Place.CHIPS: "the line above the prompt, reached by Tab; a click on a cross removes, on the words flips",
    Place.PHOTO: "the selected photo, in the grid and when looked at large",
    Place.IMAGINED: "pictures dar imagined, which are not photos of yours",
    Place.ANSWER: "y, n and s answer from the photos at once, from an empty prompt after a moment or by Enter",
}


class Palette(CommandPalette):
    """Every command, found by its words; with the same care as `ChoiceList` in a terminal too low for a line of it."""

    def _action_command_list(self, action: str) -> None:
        commands = self.query_one(CommandList)
        if commands.option_count and commands.scrollable_content_region.height:
            super()._action_command_list(action)


class HelpScreen(LeftOnce[None]):
    """Every key, as the user has set them: a list to scroll through."""

    BINDINGS: ClassVar[list[BindingType]] = [*LEAVE]

    def __init__(self, remapping: Remapping, keys_file: Path) -> None:
        super().__init__()
        self._remapping = remapping
        self._keys_file = keys_file

    def compose(self) -> ComposeResult:
        """One block of lines for each place."""
        blocks = [self._block(place) for place in Place]
        last = Content(f'Other keys: write lines such as  "photo.like" = "+,a"  into {visible(self._keys_file)}')
        lines = VerticalScroll(*(Static(block, classes="text", markup=False) for block in [*blocks, last]))
        yield from page("Keys", [lines], [("\u2191\u2193", "scroll")])

    def on_mount(self) -> None:
        """Arrows scroll at once."""
        self.query_one(VerticalScroll).focus()

    def _block(self, place: Place) -> Content:
        note = f"  {_NOTES[place]}" if place in _NOTES else ""
        lines = [Content.assemble((place.value, "bold $accent"), (note, "$foreground-muted"))]
        for key in KEYS:
            if key.place is place:
                keys = shown(self._remapping.keys_of(key))
                lines.append(
                    Content.assemble((f"  {keys:<24} ", "bold"), f"{key.help}  ", (key.id, "$foreground-disabled"))
                )
        return Content("\n").join(lines)


class SessionsScreen(LeftOnce[Path]):
    """The saved sessions, latest first; gives the chosen one's file."""

    BINDINGS: ClassVar[list[BindingType]] = [*LEAVE]

    def __init__(self, sessions: Sequence[SavedSession]) -> None:
        super().__init__()
        self._sessions = sessions

    def compose(self) -> ComposeResult:
        """A line for each session."""
        body: Widget = ChoiceList(*(Option(_session_line(each)) for each in self._sessions), markup=False)
        if not self._sessions:
            body = Static("No session of this library is saved yet.", classes="text")
        yield from page("Earlier sessions", [body], [("Enter", "resume")])

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Takes the selected session."""
        self.dismiss(self._sessions[event.option_index].path)


def _session_line(session: SavedSession) -> Content:
    # Several sessions may begin with the same words: where each led tells them apart.
    message = " ".join(stripped(session.first_message, 60).split()) or "(no message)"
    more = ""
    if session.messages > 1:
        last = " ".join(stripped(session.last_message, 40).split())
        more = f"  {wording.count(session.messages, 'message')}, last: {last}"
    return Content.assemble(
        (f"{session.at:%Y-%m-%d %H:%M}  ", "$foreground-muted"), message, (more, "$foreground-muted")
    )


@dataclass(frozen=True)
class OpenLibrary:
    """Open this library."""

    path: Path


@dataclass(frozen=True)
class AddFolder:
    """Ask for a folder and add it to the open library."""


@dataclass(frozen=True)
class UpdateLibrary:
    """Look for new and changed photos in the folders of the open library."""


LibraryChoice = OpenLibrary | AddFolder | UpdateLibrary


class LibrariesScreen(LeftOnce[LibraryChoice]):
    """The libraries on this machine: to open another one, to add a folder to the open one, to bring it up to date."""

    BINDINGS: ClassVar[list[BindingType]] = [*LEAVE, *bindings(Place.LIBRARIES)]

    def __init__(self, libraries: Sequence[LibraryFacts], current: Path | None) -> None:
        super().__init__()
        self._libraries = libraries
        self._current = current

    def compose(self) -> ComposeResult:
        """Two lines for each library: what it is, and what is in it."""
        body: Widget = ChoiceList(*(Option(self._line(each)) for each in self._libraries), markup=False)
        if not self._libraries:
            body = Static("There is no library yet: press a to make one from a folder of photos.", classes="text")
        yield from page("Libraries", [body], [("Enter", "open"), ("a", "add a folder of photos"), ("u", "update")])

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Opens the selected library."""
        self.dismiss(OpenLibrary(self._libraries[event.option_index].path))

    def action_add(self) -> None:
        """Adds a folder."""
        self.dismiss(AddFolder())

    def action_update(self) -> None:
        """Brings the open library up to date."""
        self.dismiss(UpdateLibrary())

    def _line(self, facts: LibraryFacts) -> Content:
        here = "  (open)" if facts.path == self._current else ""
        lines = [Content.assemble((visible(facts.path), "bold"), (here, "$accent"))]
        if facts.problem:
            lines.append(Content.assemble((f"  {facts.problem}", "$text-error")))
        else:
            unreadable = f", {facts.unreadable:,} files unreadable" if facts.unreadable else ""
            encoder = f", {visible(facts.encoder)}" if facts.encoder else ""
            lines.append(
                Content.assemble(
                    (f"  {wording.count(facts.photos, 'photo')}{unreadable}{encoder}", "$foreground-muted")
                )
            )
        lines += [Content.assemble((f"  {visible(folder)} is not there now", "$text-warning")) for folder in facts.away]
        return Content("\n").join(lines)


# Forms

# (what is written, what to call it in an error, now) -> the moment it begins; raises UsageError.
ParseDate = Callable[[str, str, datetime], datetime]


class FiltersScreen(LeftOnce[PhotoFilter]):
    """Filters by date, folder and camera; gives the new filter, an empty one for every photo."""

    BINDINGS: ClassVar[list[BindingType]] = [*LEAVE]

    def __init__(self, current: PhotoFilter, parse_date: ParseDate) -> None:
        super().__init__()
        self._current = current
        self._parse_date = parse_date

    def compose(self) -> ComposeResult:
        """A line for each condition."""
        now = self._current
        body = [
            Static("taken at or after (2019, June 2021, 2024-12-31, 2 weeks ago)", classes="quiet"),
            FormInput(f"{now.after:%Y-%m-%d}" if now.after else "", id="after"),
            Static("taken before", classes="quiet"),
            FormInput(f"{now.before:%Y-%m-%d}" if now.before else "", id="before"),
            Static("in a folder whose name holds", classes="quiet"),
            FormInput(now.folder, id="folder"),
            Static("by a camera whose name holds", classes="quiet"),
            FormInput(now.camera, id="camera"),
            Static("", classes="wrong", id="wrong", markup=False),
        ]
        keys = [("Enter", "apply"), ("Tab", "next line"), ("^u", "empty a line")]
        yield from page("Search only among photos", body, keys)

    def on_mount(self) -> None:
        """Takes the keyboard."""
        self.query_one("#after", Input).focus()

    @on(Input.Changed)
    def retyped(self) -> None:
        """What was wrong is being put right."""
        self.query_one("#wrong", Static).update("")

    @on(Input.Submitted)
    def apply(self) -> None:
        """Takes what is written, or says which date makes no sense."""
        try:
            after, before = self._date("after"), self._date("before")
        except UsageError as error:
            self.query_one("#wrong", Static).update(f"{error.message} {error.hint}")
            return
        if after and before and after >= before:
            self.query_one("#wrong", Static).update("These dates leave no day between them.")
            return
        self.dismiss(PhotoFilter(after, before, self._text("folder"), self._text("camera")))

    def _date(self, name: str) -> datetime | None:
        text = self._text(name)
        return self._parse_date(text, "The date", datetime.now()) if text else None

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()


# Looking through a folder of a hundred thousand names for a suggestion would be felt while typing.
_MOST_NAMES = 2000


class FolderScreen(LeftOnce[Path]):
    """Which folder of photos to index: what a first run begins with, and how a library grows. Gives a folder."""

    BINDINGS: ClassVar[list[BindingType]] = [*LEAVE]

    def __init__(self, title: str, text: str, suggestion: str = "") -> None:
        super().__init__()
        self._title_text, self._text, self._suggestion = title, text, suggestion

    def compose(self) -> ComposeResult:
        """What it is for, and a line to write the folder on."""
        body = [
            Static(self._text, classes="text", markup=False),
            FormInput(
                self._suggestion, placeholder="a folder, such as ~/Pictures", suggester=FolderSuggester(), id="folder"
            ),
            Static("", classes="wrong", id="wrong", markup=False),
            Static("Photos are only read, never changed, and never leave this machine.", classes="quiet"),
        ]
        yield from page(self._title_text, body, [("Enter", "index it"), ("\u2192", "take the suggestion")])

    def on_mount(self) -> None:
        """Takes the keyboard."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def retyped(self) -> None:
        """What was wrong is being put right."""
        self.query_one("#wrong", Static).update("")

    @on(Input.Submitted)
    def choose(self, event: Input.Submitted) -> None:
        """Takes the folder, or says what is wrong with it."""
        text = event.value.strip()
        wrong = self.query_one("#wrong", Static)
        if not text:
            wrong.update("Write the folder's path first.")
            return
        folder = at_home(Path(text)).absolute()
        if folder.is_dir():
            self.dismiss(folder)
        else:
            what = "is a file, not a folder" if folder.exists() else "is not there"
            wrong.update(f"{visible(folder)} {what}. Write another, or check the spelling.")


class FolderSuggester(Suggester):
    """Completes the name of a folder."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first folder, by name, that begins as what is written."""
        if not value:
            return None
        typed = at_home(Path(value))
        parent, begins = (typed, "") if value.endswith("/") else (typed.parent, typed.name)
        try:
            names = [
                entry.name
                for _, entry in zip(range(_MOST_NAMES), parent.iterdir(), strict=False)
                if entry.name.startswith(begins) and (begins or not entry.name.startswith(".")) and entry.is_dir()
            ]
        except OSError:
            return None
        return value + min(names)[len(begins) :] if names else None


PAGE_KINDS = (".html", ".md")


class SavingScreen(LeftOnce[Path]):
    """Where to save the session as a page, and as which kind; gives a file that is not there yet."""

    BINDINGS: ClassVar[list[BindingType]] = [*LEAVE]

    def __init__(self, suggestion: Path) -> None:
        super().__init__()
        self._suggestion = suggestion

    def compose(self) -> ComposeResult:
        """The file's name."""
        body = [
            Static("A name ending in .html makes one page with the pictures in it; .md makes Markdown with a folder"
                   " of pictures beside it.", classes="text"),
            FormInput(str(self._suggestion), id="file"),
            Static("", classes="wrong", id="wrong", markup=False),
        ]  # fmt: skip
        yield from page("Save the session as a page with its pictures", body, [("Enter", "save")])

    def on_mount(self) -> None:
        """Takes the keyboard."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def retyped(self) -> None:
        """What was wrong is being put right."""
        self.query_one("#wrong", Static).update("")

    @on(Input.Submitted)
    def choose(self, event: Input.Submitted) -> None:
        """Takes the name, or says what is wrong with it."""
        path = at_home(Path(event.value.strip())).absolute()
        wrong = self.query_one("#wrong", Static)
        if path.suffix.lower() not in PAGE_KINDS:
            wrong.update("The name must end in .html or .md.")
        elif path.exists():
            wrong.update(f"{visible(path.name)} is there already. Choose another name.")
        elif not path.parent.is_dir():
            wrong.update(f"There is no folder {visible(path.parent)}.")
        else:
            self.dismiss(path)
