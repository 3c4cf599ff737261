"""The world outside the terminal: the system's picture viewer and file manager. Knows commands, not photos."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote_from_bytes

from indexer.errors import DarError
from indexer.printable import visible

# A viewer that is going to fail does so at once; one that works may run as long as the user looks.
_SECONDS = 3.0


def open_photo(path: Path) -> None:
    """Opens a photo in the system's viewer. Raises DarError where there is none or the photo is gone."""
    _check(path)
    _start({"darwin": ["open", str(path)], "win32": ["explorer", str(path)]}.get(sys.platform, ["xdg-open", str(path)]))


# More windows than this at once were asked for by mistake.
_MOST_OPEN = 30


def open_photos(paths: Sequence[Path], program: str = "") -> None:
    """Opens photos in a program, all in one; in the system's viewer, one after the other, where none is named.

    `program`: a command as in a shell, with options, such as `gimp -n`. Raises DarError.
    """
    for path in paths:
        _check(path)
    if program:
        try:
            command = shlex.split(program)
        except ValueError as error:
            raise DarError(f"{program} is no command: {error}.", "Write the program's name.") from error
        _start([*command, *(str(path.absolute()) for path in paths)])
        return
    if len(paths) > _MOST_OPEN:
        raise DarError(f"{len(paths)} photos are too many windows.", "Name a program that shows them all in one.")
    for path in paths:
        open_photo(path)


def reveal_photo(path: Path) -> None:
    """Shows a photo in its folder, selected where the file manager can. Raises DarError."""
    _check(path)
    if sys.platform == "darwin":
        _start(["open", "-R", str(path)])
    elif sys.platform == "win32":
        _start(["explorer", f"/select,{path}"])
    else:
        try:
            _start(_show_items(path))
        except DarError:
            _start(["xdg-open", str(path.parent)])


def _show_items(path: Path) -> list[str]:
    """The file managers' common call on Linux (org.freedesktop.FileManager1)."""
    import os

    uri = f"file://{quote_from_bytes(os.fsencode(path))}"
    return [
        *("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.FileManager1"),
        *("/org/freedesktop/FileManager1", "org.freedesktop.FileManager1.ShowItems"),
        *(f"array:string:{uri}", "string:"),
    ]


def _check(path: Path) -> None:
    if not path.is_file():
        raise DarError(f"{visible(path)} is not there any more.", "Press ctrl+l and update the library.")


def _start(command: Sequence[str]) -> None:
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        code = process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        return
    except OSError as error:
        raise _no_viewer(command[0]) from error
    if code != 0 and sys.platform != "win32":  # explorer says 1 for success
        raise _no_viewer(command[0])


def _no_viewer(command: str) -> DarError:
    return DarError(f"No program here opens pictures ({command} failed).", "Press c to copy the photo's path.")
