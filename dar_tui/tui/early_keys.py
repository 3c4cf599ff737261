"""Keys typed before the app reads the keyboard: the third of a second in which Python imports it.

From `__enter__` on the terminal neither echoes nor edits lines: Enter stays Enter, and nothing is drawn. What was typed
stays in the terminal's own queue for Textual to read, unless the terminal is asked something: its answer comes the
same way, behind what was typed.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import time
from types import TracebackType
from typing import Any, Self

try:
    import termios
except ImportError:  # Windows keeps early keys as events, which Textual reads
    termios = None  # type: ignore[assignment]

# A terminal's answers, and keys that are no letters: CSI, SS3, and strings (APC, DCS, OSC) up to their end.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[_P\]^].*?(?:\x1b\\|\x07)|.?)", re.DOTALL)
_INPUT, _LOCAL = 0, 3
# Terminals answer in a few milliseconds, far away ones in a tenth of a second; kitty on a busy machine took longer than
# 0.2 s. What is asked here every terminal answers, so that this is hardly ever waited out.
_PATIENCE = 1.0


class EarlyKeys:
    """A context manager that holds the terminal of stdin; it is put back as it was at the end."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._read = b""

    def __enter__(self) -> Self:
        if termios is not None:
            with contextlib.suppress(termios.error, ValueError, OSError):
                self._before = termios.tcgetattr(sys.stdin.fileno())
                mode = termios.tcgetattr(sys.stdin.fileno())
                mode[_INPUT] &= ~(termios.ICRNL | termios.IXON)
                # Ctrl+C still ends what loads.
                mode[_LOCAL] &= ~(termios.ECHO | termios.ICANON)
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, mode)
                # Until now the terminal made newlines of Enter.
                while select.select([sys.stdin.fileno()], [], [], 0)[0] and (more := self._more()):
                    self._read += more.replace(b"\n", b"\r")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            with contextlib.suppress(termios.error, ValueError, OSError):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._before)

    def ask(self, question: str, until: str) -> str:
        """Asks the terminal; what comes until something matches, or for a second. "" for `until` asks and waits not."""
        start, deadline = len(self._read), time.monotonic() + _PATIENCE
        if self._before is None or sys.__stdout__ is None:
            return ""
        sys.__stdout__.write(question)
        sys.__stdout__.flush()
        while until and not re.search(until.encode(), self._read[start:]):
            left = max(0.0, deadline - time.monotonic())
            if not select.select([sys.stdin.fileno()], [], [], left)[0] or not (more := self._more()):
                break
            self._read += more
        return self._read[start:].decode("utf-8", "ignore")

    @property
    def text(self) -> str:
        """What was typed so far, without the terminal's answers; Enter is a carriage return, Backspace a DEL.

        What is typed from now on is for Textual to read.
        """
        return _SEQUENCE.sub("", self._read.decode("utf-8", "ignore")).replace("\b", "\x7f")

    @staticmethod
    def _more() -> bytes:
        return os.read(sys.stdin.fileno(), 4096)
