"""The terminal: before the app reads it, and while nothing but Textual may write there.

`EarlyKeys` keeps what is typed in the third of a second in which Python imports the app. From `__enter__` on the
terminal neither echoes nor edits lines: Enter stays Enter, and nothing is drawn. What was typed stays in the terminal's
own queue for Textual to read, unless the terminal is asked something: its answer comes the same way, behind what was
typed. `shielded` keeps libraries in C (ONNX Runtime, libtiff, CUDA), which print to the process's own stdout and
stderr, off the screen; their words go to the log.

Imports nothing of the app, so that it costs no time before the first key is kept.
"""

from __future__ import annotations

import codecs
import contextlib
import logging
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

try:
    import termios
except ImportError:  # Windows keeps early keys as events, which Textual reads
    termios = None  # type: ignore[assignment]

from indexer.files import make_private_folder

if TYPE_CHECKING:
    from textual.driver import Driver

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
        # As long as the terminal is not as it was, a signal that ends the process must put it back.
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, _exit_on_signal)
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
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

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


def _exit_on_signal(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def tolerant(driver: type[Driver]) -> type[Driver]:
    """A driver that reads bytes which are not UTF-8 as replacement characters.

    Textual's own for Linux and macOS ends at the first of them: an old-style mouse report, a letter in Latin-1.
    """
    try:
        from textual.drivers import linux_driver
    except ImportError:  # Windows has one that reads characters
        return driver
    if not issubclass(driver, linux_driver.LinuxDriver):
        return driver

    class TolerantDriver(driver):  # type: ignore[misc, valid-type]
        """Decodes with replacement."""

        def run_input_thread(self) -> None:
            # The method takes the decoder from its module, and cannot be handed another one.
            linux_driver.getincrementaldecoder = _replacing_decoder  # type: ignore[attr-defined, assignment]
            super().run_input_thread()

    return TolerantDriver


def _replacing_decoder(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(encoding), errors="replace")


@contextlib.contextmanager
def shielded(log: Path) -> Iterator[None]:
    """Sends descriptors 1 and 2 and Python's logging to `log`; Textual keeps the terminal of stdout by copies of 1.

    Textual draws on `sys.__stderr__`, which would leave the screen empty under `dar chat 2>file`.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_log_file(log))
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(handler)
        stack.callback(logging.getLogger().removeHandler, handler)
        screen = os.dup(1)
        stack.callback(os.close, screen)
        for number, name in ((1, "__stdout__"), (2, "__stderr__")):
            stack.enter_context(_moved(number, name, screen, file.fileno()))
        yield


@contextlib.contextmanager
def _log_file(log: Path) -> Iterator[TextIO]:
    try:
        make_private_folder(log.parent)
        file = log.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError:
        # A disk that refuses a log is no reason not to start.
        file = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    with file:
        yield file


@contextlib.contextmanager
def _moved(number: int, name: str, screen: int, target: int) -> Iterator[None]:
    """`sys.NAME` writes to a copy of `screen`; descriptor `number` leads to `target` meanwhile."""
    before = getattr(sys, name)
    before.flush()
    kept = os.dup(number)
    with open(os.dup(screen), "w", encoding=before.encoding, errors="backslashreplace", buffering=1) as own:  # noqa: PTH123
        setattr(sys, name, own)
        os.dup2(target, number)
        try:
            yield
        finally:
            own.flush()
            setattr(sys, name, before)
            os.dup2(kept, number)
            os.close(kept)


def leave(code: int) -> None:
    """Ends the process without waiting for threads that still load or draw; nothing they do matters any more."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
