"""The two streams: results to stdout, notes and errors to stderr.

Knows what a terminal may be shown and what a script must get exactly. Knows nothing of commands.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from indexer.errors import DarError


class ClosedPipe(Exception):
    """Whoever read our stdout wants no more (`dar search ... | head`). Not an error."""


def open_closed_streams() -> None:
    """Gives a process that was started without stdin, stdout or stderr (`dar ... >&-`) ones that lead nowhere.

    To be called before any file is opened: the system gives a new file the lowest free number, and what is written
    to "stdout" by number would go into the library's catalog.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - a stream, not a path


def keep_logs_off_stderr() -> None:
    """Stops Python from printing dar's logged warnings: what a user should know of them comes as a note, worded."""
    import logging

    for name in ("dar_tui", "indexer"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


class Output:
    """Writes text for people, and bytes and JSON for scripts."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                # In an ASCII locale a file name with an umlaut is shown escaped, instead of ending the command.
                reconfigure(errors="backslashreplace")

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether results go to a person's screen."""
        return sys.stdout.isatty()

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether notes go to a person's screen, where a bar may be drawn."""
        return sys.stderr.isatty()

    def result(self, line: str) -> None:
        """One line of results."""
        self._write((line + "\n").encode(sys.stdout.encoding or "utf-8", "backslashreplace"))

    def path(self, path: Path, end: bytes) -> None:
        """A path exactly as the system knows it, whatever its bytes."""
        self._write(os.fsencode(path) + end)

    def json(self, value: Any, *, compact: bool = False) -> None:
        """One JSON value, in ASCII, with a newline."""
        self._write((json.dumps(value, indent=None if compact else 2) + "\n").encode("ascii"))

    def note(self, line: str) -> None:
        """One line on stderr."""
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except BrokenPipeError:
            return  # nobody listens, which ends nothing

    def error(self, error: DarError) -> None:
        """What, why and what to do, on one line."""
        self.note(f"dar: {error.message}" + (f" {error.hint}" if error.hint else ""))

    def flush(self) -> None:
        """Hands over what is still buffered; raises ClosedPipe."""
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise ClosedPipe from None

    def _write(self, content: bytes) -> None:
        try:
            buffer = getattr(sys.stdout, "buffer", None)
            if buffer is None:
                sys.stdout.write(content.decode("utf-8", "backslashreplace"))
            else:
                sys.stdout.flush()
                buffer.write(content)
        except BrokenPipeError:
            raise ClosedPipe from None


def json_path(path: Path) -> dict[str, str]:
    """A path for JSON, which holds Unicode only: "path", and "path_base64" with its bytes if it is not valid UTF-8."""
    raw = os.fsencode(path)
    try:
        return {"path": raw.decode("utf-8")}
    except UnicodeDecodeError:
        import base64

        return {"path": raw.decode("utf-8", "replace"), "path_base64": base64.b64encode(raw).decode("ascii")}


def discard_stdout() -> None:
    """Points stdout to nowhere, so that Python does not complain about a closed pipe while it shuts down."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
