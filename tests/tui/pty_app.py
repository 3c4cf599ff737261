"""`dar chat` on a pseudo-terminal of its own, driven by bytes: what must be tested where the process really ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SECONDS = 90.0


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # What runs the tests may ignore it (nohup does), and the ignoring is inherited.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class PtyApp:
    """A running app. Everything it wrote so far is `written`. A variable that is "" is left out of the environment."""

    def __init__(self, *arguments: object, size: tuple[int, int] = (100, 30), **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "VTE_VERSION": "7000", **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.tui.painted_dar", *map(str, arguments)],
            cwd=REPOSITORY,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={name: value for name, value in {**os.environ, **settings}.items() if value},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self.written = b""

    def send(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def wait_for(self, *texts: str) -> None:
        """Waits until every text was written since the last call."""
        deadline = time.monotonic() + SECONDS
        missing = [text.encode() for text in texts]
        start = len(self.written)
        while any(text not in self.written[start:] for text in missing):
            assert time.monotonic() < deadline, f"{missing} not in {self.written[start:][-2000:]!r}"
            assert self._read(0.1), f"it ended: {self.written[-2000:]!r}"

    def wait(self) -> int:
        """Reads what still comes until the process ends; its exit code, negative for a signal."""
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.02)
        while self._read(0):
            pass
        return self.process.wait(1)

    def hang_up(self) -> None:
        """Closes the terminal, as a window manager does."""
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._ours >= 0:
            os.close(self._ours)

    def _read(self, seconds: float) -> bool:
        """Whether the terminal is still open; reads what is there."""
        if self._ours < 0:
            time.sleep(seconds)
            return False
        if not select.select([self._ours], [], [], seconds)[0]:
            return seconds > 0
        try:
            more = os.read(self._ours, 65536)
        except OSError:  # Linux says EIO once the other side is closed
            return False
        self.written += more
        return bool(more)


@contextlib.contextmanager
def running(*arguments: object, **options: str) -> Iterator[PtyApp]:
    app = PtyApp(*arguments, **options)
    try:
        yield app
    finally:
        app.close()
