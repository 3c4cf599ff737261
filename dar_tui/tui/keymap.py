"""Every key of the app in one table: what it does, where it holds, and how the user gives it other keys.

The screens' bindings, the help screen, the command palette and docs/keys.md all come from here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.cells import cell_len
from textual.binding import Binding

from indexer.printable import visible


class Place(StrEnum):
    """Where a key holds. Letters hold only where nothing is being typed."""

    ANYWHERE = "Anywhere"
    PARTS = "Moving about"
    TALK = "While writing"
    ANSWER = "A question"
    GRID = "Photos and imagined pictures"
    CHIPS = "What is looked for"
    PHOTO = "A photo"
    IMAGINED = "An imagined picture"
    LIBRARIES = "The list of libraries"


@dataclass(frozen=True)
class Key:
    """One thing a key does. `keys`: its keys, by comma. `action`: Textual's. `short`: for the line of hints, or ""."""

    id: str
    keys: str
    action: str
    help: str
    place: Place
    short: str = ""
    priority: bool = False


KEYS: tuple[Key, ...] = (
    Key("help", "f1", "app.help", "show all keys", Place.ANYWHERE, "help"),
    Key("palette", "ctrl+p", "app.command_palette", "find any command by name", Place.ANYWHERE, priority=True),
    Key("session.new", "ctrl+n", "app.new_session", "start a new session", Place.ANYWHERE),
    Key("session.resume", "ctrl+r", "app.sessions", "resume an earlier session", Place.ANYWHERE),
    Key("session.save", "ctrl+s", "app.save", "save the session as a page with its pictures", Place.ANYWHERE),
    Key("library", "ctrl+l", "app.libraries", "choose a library, or add photos", Place.ANYWHERE),
    Key("theme", "ctrl+t", "app.next_theme", "change the colours: dark, light and others", Place.ANYWHERE),
    Key("quit", "ctrl+q", "app.leave", "quit; the session is saved as it goes", Place.ANYWHERE, "quit", priority=True),
    # By priority: text areas undo by the same key.
    Key("suspend", "ctrl+z", "app.suspend_process", "suspend dar; fg brings it back", Place.ANYWHERE, priority=True),
    # These move the focus, by priority and so before the next key is looked at: whoever types on fast, on a machine
    # that is busy imagining, would otherwise write into the prompt what was meant for the photos.
    Key(
        "part.next",
        "tab",
        "screen.part(1)",
        "next: prompt, photos, imagined, talk, what is looked for",
        Place.PARTS,
        "photos",
        priority=True,
    ),
    Key("part.previous", "shift+tab", "screen.part(-1)", "go back", Place.PARTS, priority=True),
    Key("back", "escape", "screen.back", "stop what is running, else step back", Place.PARTS, priority=True),
    Key("send", "enter", "send", "send the message", Place.TALK, "send"),
    Key("newline", "ctrl+j,shift+enter,alt+enter", "newline", "begin a new line", Place.TALK),
    Key("earlier", "up", "earlier", "an earlier message, from the first line", Place.TALK),
    Key("later", "down", "later", "a later message, from the last line", Place.TALK),
    Key("answer.yes", "y", "screen.answer('yes')", "yes; while writing, only in an empty prompt", Place.ANSWER, "yes"),
    Key("answer.no", "n", "screen.answer('no')", "no", Place.ANSWER, "no"),
    Key("answer.skip", "s", "screen.answer('skip')", "skip it: not to be asked again", Place.ANSWER, "skip"),
    Key("grid.left", "left,h", "move('left')", "go left", Place.GRID),
    Key("grid.right", "right,l", "move('right')", "go right", Place.GRID),
    Key("grid.up", "up,k", "move('up')", "go up", Place.GRID),
    Key("grid.down", "down,j", "move('down')", "go down", Place.GRID),
    Key("grid.page_up", "pageup,ctrl+b", "move('page_up')", "a page up", Place.GRID),
    Key("grid.page_down", "pagedown,ctrl+f", "move('page_down')", "a page down", Place.GRID),
    Key("grid.first", "home,g", "move('first')", "the first", Place.GRID),
    Key("grid.last", "end,G", "move('last')", "the last", Place.GRID),
    Key("page.next", "N", "screen.next_page", "the next page: photos not seen yet", Place.GRID, "next"),
    Key("page.seen", "v", "screen.seen", "photos seen earlier; Esc steps back", Place.GRID),
    Key("zoom", "enter", "screen.zoom", "look at it large", Place.GRID, "zoom"),
    Key("zoom.number", "1,2,3,4,5,6,7,8,9", "screen.zoom({})", "look at photo 1 to 9 large", Place.GRID),
    Key("imagine.again", "r", "screen.imagine_again", "imagine again, differently", Place.GRID, "again"),
    Key("imagine.switch", "i", "screen.switch_imagining", "imagining on and off", Place.GRID),
    Key("undo", "u", "app.undo", "undo the last like, pick, filter, order, copy or move", Place.GRID, "undo"),
    Key("filter", "f", "app.filter", "narrow by date, folder or camera", Place.GRID, "filter"),
    Key("sort", "d", "screen.sort", "order by date, or by match again", Place.GRID, "date"),
    Key("tiles.larger", ">", "resize(1)", "larger photos, fewer of them", Place.GRID),
    Key("tiles.smaller", "<", "resize(-1)", "smaller photos, more of them", Place.GRID),
    Key("help.letter", "?", "app.help", "show all keys", Place.GRID),
    Key("write", "/", "screen.write", "go to the prompt", Place.GRID),
    Key("chip.left", "left,h", "move(-1)", "the piece before", Place.CHIPS),
    Key("chip.right", "right,l", "move(1)", "the next piece", Place.CHIPS),
    Key("chip.remove", "delete,backspace,x", "remove", "search without it", Place.CHIPS, "remove"),
    Key("chip.flip", "space,n", "flip", "wanted, or not wanted", Place.CHIPS, "flip"),
    Key("photo.like", "+,=", "app.like(True)", "like: more of this kind", Place.PHOTO, "like"),
    Key("photo.unlike", "-", "app.like(False)", "unlike: less of this kind", Place.PHOTO, "unlike"),
    Key("photo.open", "o", "app.open_photo", "open it in the system's viewer", Place.PHOTO, "open"),
    Key("photo.reveal", "e", "app.reveal_photo", "show it in its folder", Place.PHOTO),
    Key("photo.copy", "c", "app.copy_path", "copy its path", Place.PHOTO),
    Key("photo.more", "m", "app.more_like", "photos like this one; Esc steps back", Place.PHOTO, "more"),
    Key("photo.mark", "space", "app.mark", "mark it, or take the mark back", Place.PHOTO, "mark"),
    Key(
        "photo.actions",
        "a",
        "app.photo_actions",
        "copy, move, link, list, open or show the marked photos",
        Place.PHOTO,
        "actions",
    ),
    Key("photo.unfold", "b", "app.unfold", "show near-duplicates, or fold them again", Place.PHOTO),
    Key("imagined.pick", "p", "app.pick(True)", "pick: this is close", Place.IMAGINED, "pick"),
    Key("imagined.veto", "x", "app.pick(False)", "veto: this is wrong", Place.IMAGINED, "veto"),
    Key("library.add", "a", "screen.add", "add a folder of photos to the library", Place.LIBRARIES, "add a folder"),
    Key("library.update", "u", "screen.update", "look for new and changed photos", Place.LIBRARIES, "update"),
)


def bindings(*places: Place) -> list[Binding]:
    """Textual's bindings for the keys of these places."""
    return [binding for key in KEYS if key.place in places for binding in _bindings(key)]


def _bindings(key: Key) -> list[Binding]:
    def binding(keys: str, action: str, id_: str) -> Binding:
        return Binding(keys, action, key.help, show=False, priority=key.priority, id=id_)

    if "{}" not in key.action:
        return [binding(key.keys, key.action, key.id)]
    # One action for each key, which is its number.
    return [binding(each, key.action.format(each), f"{key.id}.{each}") for each in key.keys.split(",")]


@dataclass(frozen=True)
class Hint:
    """A key as shown in the bottom line, what it does in a word, and the action that a click on it runs, or ""."""

    key: str
    does: str
    action: str = ""

    @property
    def cells(self) -> int:
        """The cells it takes, a space within and two after it."""
        return cell_len(self.key) + cell_len(self.does) + 3


@dataclass(frozen=True)
class Remapping:
    """The user's own keys, by id, and what in their file made no sense."""

    keys: Mapping[str, str]
    problems: tuple[str, ...] = ()

    def keys_of(self, key: Key) -> str:
        """The keys that do this now."""
        return self.keys.get(key.id, key.keys)

    def keys_for(self, id_: str) -> list[str]:
        """The keys that do what has this id."""
        return next(self.keys_of(key) for key in KEYS if key.id == id_).split(",")

    def hints(self, *places: Place) -> list[Hint]:
        """What is worth a hint in these places."""
        return [
            Hint(shown(self.keys_of(key).split(",")[0]), key.short, key.action)
            for place in places
            for key in KEYS
            if key.place is place and key.short
        ]

    def answers(self) -> dict[str, str]:
        """The characters that answer a question: character -> yes, no or skip."""
        return {
            character: key.id.removeprefix("answer.")
            for key in KEYS
            if key.place is Place.ANSWER
            for character in self.keys_of(key).split(",")
        }


def read_remapping(file: Path) -> Remapping:
    """Reads keys.toml, lines such as `"photo.like" = "+,l"`. What is wrong in it is reported, never fatal."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Remapping({})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Remapping({}, (f"{visible(file)} cannot be read: {error}.",))
    ids = {key.id for key in KEYS}
    keys: dict[str, str] = {}
    problems: list[str] = []
    for id_, value in _flat(values).items():
        if id_ not in ids:
            problems.append(f"{visible(file)}: there is no key {id_!r}; F1 lists those there are.")
        elif not isinstance(value, str) or not value.strip():
            problems.append(f'{visible(file)}: {id_} must be keys such as "ctrl+g" or "+,l".')
        else:
            keys[id_] = value
    return Remapping(keys, tuple(problems))


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """`photo.like = "l"` is a table in TOML, where `"photo.like" = "l"` is a key."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def textual_keymap(remapping: Remapping) -> dict[str, str]:
    """The remapping by binding id, numbered keys one by one."""
    keymap: dict[str, str] = {}
    for key in KEYS:
        if key.id not in remapping.keys:
            continue
        if "{}" in key.action:
            for number, each in zip(key.keys.split(","), remapping.keys[key.id].split(","), strict=False):
                keymap[f"{key.id}.{number}"] = each
        else:
            keymap[key.id] = remapping.keys[key.id]
    return keymap


def shown(keys: str) -> str:
    """Keys as people read them: "ctrl+s" as ^s, arrows as arrows, 1 to 9 as 1-9."""
    if keys == "1,2,3,4,5,6,7,8,9":
        return "1-9"
    return " ".join(_NAMES.get(each, each.replace("ctrl+", "^")) for each in keys.split(","))


_NAMES: Mapping[str, str] = {
    "left": "\u2190",
    "right": "\u2192",
    "up": "\u2191",
    "down": "\u2193",
    "escape": "Esc",
    "enter": "Enter",
    "tab": "Tab",
    "f1": "F1",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
}
