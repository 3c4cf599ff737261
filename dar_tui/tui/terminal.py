"""The terminal while the app has it: nothing but Textual may write there, and who must leave leaves at once.

Libraries in C (ONNX Runtime, libtiff, CUDA) print to the process's own stdout and stderr; their words go to the log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from indexer.files import make_private_folder

# One run's log; older ones are of no use to anybody.
LOG_NAME = "dar.log"


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
