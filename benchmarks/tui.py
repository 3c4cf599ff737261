"""How the terminal app feels: first paint, first typing, first hits, quitting, gaps in the event loop, memory.

    python -m benchmarks.tui LIBRARY [--turns 100] [--repeats 3]

Processes are timed from outside, on a pseudo-terminal, from the moment they are started. Gaps and memory are measured
in this process, on the same app without a terminal. Every figure is of the real models of the profile `bundled`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dar_tui.cli.dates import parse_date
from dar_tui.cli.output import Output
from dar_tui.cli.screen import ScreenModels, Wanted
from dar_tui.cli.state import State
from dar_tui.tui.app import DarApp
from dar_tui.tui.background import leave_a_core
from dar_tui.tui.graphics.choice import Graphics, Means
from dar_tui.tui.options import Options
from dar_tui.tui.session_engine import SessionEngine

SIZE = (200, 60)
SECONDS = 120.0
QUIT = b"\x11"
# The loop is asked this often whether it is free; a gap is how much later than that it answers.
_BEAT = 0.002
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


class Pulse:
    """Measures how long the event loop does not answer."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beats while inside; `worst` is reset at the beginning."""
        self._worst = 0.0
        task = asyncio.get_running_loop().create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()

    @property
    def worst(self) -> float:
        """The longest gap so far, in seconds."""
        return self._worst

    async def _beat(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_BEAT)
            now = time.perf_counter()
            self._worst = max(self._worst, now - last - _BEAT)
            last = now


def memory() -> float:
    """Resident megabytes of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    return 0.0


async def feel(library: Path, home: Path, turns: int) -> dict[str, str]:
    """Gaps while loading, painting and imagining, and memory after 1, 10 and `turns` turns."""
    state = State(Output())
    settings = replace(state.settings, home=home)
    wanted = Wanted(library)
    engine = SessionEngine(settings, library, ScreenModels(state, wanted))
    graphics = Graphics(Means.BLOCKS, Means.BLOCKS)
    app = DarApp(engine, Options(home, home / "keys.toml", home, graphics, parse_date))
    pulse, told = Pulse(), {}
    async with app.run_test(size=SIZE) as pilot:
        chat = app.chat

        async def until(condition: Callable[[], object]) -> None:
            deadline = time.monotonic() + SECONDS
            while not condition():
                if time.monotonic() > deadline:
                    raise TimeoutError
                await asyncio.sleep(0.01)

        async def turn(number: int) -> None:
            chat.say(MESSAGES[number % len(MESSAGES)])
            await until(lambda: not chat.player.running)

        with pulse.beating():
            await until(lambda: chat.opened and chat.status.facts.doing.startswith("loading the gen"))
            await until(lambda: not chat.status.facts.doing)
        told["worst gap while loading models"] = f"{pulse.worst * 1000:.0f} ms"
        await turn(0)
        with pulse.beating():
            await turn(1)
        told["worst gap while searching, imagining, painting"] = f"{pulse.worst * 1000:.0f} ms"
        assert app.gallery is not None
        gallery = app.gallery
        await asyncio.sleep(1)
        gallery.forget()
        shown = len(chat.photos._visible())
        began = time.perf_counter()
        with pulse.beating():
            chat.show_exchange(keep=True)
            await until(lambda: len(gallery._kept) >= min(24, shown))
        told[f"painting {shown} thumbnails"] = f"{(time.perf_counter() - began) * 1000:.0f} ms"
        told["worst gap while painting them"] = f"{pulse.worst * 1000:.0f} ms"
        for number in range(2, turns + 1):
            if number in (2, 11):
                told[f"memory after {number - 1} turn{'s' if number > 2 else ''}"] = f"{memory():.0f} MB"
            await turn(number)
        told[f"memory after {turns} turns"] = f"{memory():.0f} MB"
        await pilot.pause()
    engine.close()
    return told


def main(
    library: Annotated[Path, typer.Argument(help="A library that is there, such as `dar index --library DIR` makes.")],
    turns: Annotated[int, typer.Option(help="Turns to measure memory over.")] = 100,
    repeats: Annotated[int, typer.Option(help="Processes to take the median of.")] = 3,
) -> None:
    """Prints the table."""
    leave_a_core(os.environ)
    first_paint(library)
    table = Table("what", "median", title=f"dar chat, {os.cpu_count()} cores")
    for name, measure in PROCESSES.items():
        table.add_row(name, f"{statistics.median(measure(library) for _ in range(repeats)) * 1000:.0f} ms")
    with TemporaryDirectory(prefix="dar-bench-") as home:
        for name, value in asyncio.run(feel(library, Path(home), turns)).items():
            table.add_row(name, value)
    Console().print(table)


PROCESSES: Mapping[str, Callable[[Path], float]] = {
    "first paint": first_paint,
    "typing on screen": first_typing,
    "hits from text, from process start": first_hits,
    "quit while the generator loads": quit_while_loading,
    "quit while imagining": quit_while_imagining,
}


if __name__ == "__main__":
    typer.run(main)
