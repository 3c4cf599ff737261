"""`dar chat` as a process on a pseudo-terminal, timed from outside, from the moment it is started."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

SECONDS = 120.0
QUIT = b"\x11"
# The cursor stands on the first letter, which is drawn apart.
PROMPT = "hat do you remember"
MESSAGES = ("a dog on the grass", "it is brown", "no people", "there is a ball", "it was a sunny day")


class Terminal:
    """`dar chat` on a pseudo-terminal, timed from its start."""

    def __init__(self, library: Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 160, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "VTE_VERSION": "7000"}
        environment.pop("NO_COLOR", None)
        # A user's second start finds compiled modules; compiling them is half of the first paint.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dar_tui.cli", "chat", "--library", str(library)],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, keys: bytes) -> None:
        """Sends keys."""
        os.write(self._ours, keys)

    def until(self, *texts: str) -> float:
        """Seconds from the start until one of the texts is drawn."""
        seen, deadline = b"", time.perf_counter() + SECONDS
        while not any(text.encode() in seen for text in texts):
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{texts} never came")
            if select.select([self._ours], [], [], 0.001)[0]:
                seen += os.read(self._ours, 65536)
        return time.perf_counter() - self._began

    def quit(self) -> float:
        """Seconds from Ctrl+Q to the process's end."""
        began = time.perf_counter()
        self.type(QUIT)
        while self._process.poll() is None:
            if select.select([self._ours], [], [], 0.001)[0]:
                try:
                    os.read(self._ours, 65536)
                except OSError:
                    break
        self._process.wait()
        return time.perf_counter() - began


def first_paint(library: Path) -> float:
    """From the start to the prompt on screen."""
    with Terminal(library) as terminal:
        return terminal.until(PROMPT)


def first_typing(library: Path) -> float:
    """From the start to typed letters on screen, typed when the prompt is seen."""
    with Terminal(library) as terminal:
        terminal.until(PROMPT)
        terminal.type(b"zebras")
        return terminal.until("zebras")


def first_hits(library: Path) -> float:
    """From the start to photos found by the text, typed when the prompt is seen."""
    with Terminal(library) as terminal:
        terminal.until(PROMPT)
        terminal.type(MESSAGES[0].encode() + b"\r")
        return terminal.until("strong", "weak", "no match")


def quit_while_loading(library: Path) -> float:
    """Ctrl+Q while the generator loads."""
    with Terminal(library) as terminal:
        terminal.until("loading the generator")
        return terminal.quit()


def quit_while_imagining(library: Path) -> float:
    """Ctrl+Q in the middle of a picture."""
    with Terminal(library) as terminal:
        terminal.until(PROMPT)
        terminal.type(MESSAGES[0].encode() + b"\r")
        terminal.until("step ")
        return terminal.quit()


PROCESSES: Mapping[str, Callable[[Path], float]] = {
    "first paint": first_paint,
    "typing on screen": first_typing,
    "hits from text, from process start": first_hits,
    "quit while the generator loads": quit_while_loading,
    "quit while imagining": quit_while_imagining,
}
