"""A real pseudo-terminal around a command, for what only happens in one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_SECONDS = 60.0


def run_in_terminal(
    arguments: Sequence[str | bytes],
    *,
    cwd: Path,
    columns: int = 80,
    lines: int = 24,
    typed: bytes = b"",
    watch: Callable[[bytes, subprocess.Popen[bytes]], bytes | None] | None = None,
    **environment: str,
) -> tuple[int, bytes]:
    """Runs a command with stdin, stdout and stderr on a terminal of this size; returns (exit code, all it wrote).

    `watch` is called with everything written so far whenever there is more; what it returns is typed.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    settings = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines), **environment}
    process = subprocess.Popen(
        arguments, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **settings},
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    if typed:
        os.write(ours, typed)
    written = b""
    deadline = time.monotonic() + _SECONDS
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.1)[0]:
                if process.poll() is not None:
                    break
                continue
            try:
                more = os.read(ours, 65536)
            except OSError:  # Linux says EIO once the other side is closed
                break
            if not more:
                break
            written += more
            if watch is not None and (answer := watch(written, process)):
                os.write(ours, answer)
        return process.wait(timeout=max(deadline - time.monotonic(), 1)), written
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
