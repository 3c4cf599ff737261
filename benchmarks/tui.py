"""How the terminal app feels: first paint, first typing, first hits, quitting, gaps in the event loop, memory.

    python -m benchmarks.tui LIBRARY [--turns 100] [--repeats 3] [--text-only] [--json FILE]

Processes are timed from outside (`terminal`), from the moment they are started. Gaps and memory are measured
on the same app without a terminal: with pictures in this process, without a generator in one of its own. Every figure
is of the real models of the profile `bundled`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.commands import CHAT_MB
from benchmarks.report import Figure, median_of, once, read, show
from benchmarks.terminal import MESSAGES, PROCESSES, SECONDS, first_paint
from dar_tui.cli.dates import parse_date
from dar_tui.cli.output import Output
from dar_tui.cli.screen import ScreenModels, Wanted
from dar_tui.cli.state import State
from dar_tui.tui.app import AppOptions, DarApp
from dar_tui.tui.background import leave_a_core
from dar_tui.tui.graphics.choice import Graphics, Means
from dar_tui.tui.session_engine import SessionEngine

SIZE = (200, 60)


# The loop is asked this often whether it is free; a gap is how much later than that it answers.
_BEAT = 0.002


# The design's: a prompt within half a second, hits from text a second later.
_TARGET_MS = {"first paint": 500.0, "hits from text, from process start": 1500.0}


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


class Talking:
    """The app without a terminal, talked to turn after turn."""

    def __init__(self, app: DarApp) -> None:
        self.app = app
        self.chat = app.chat

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for it; raises TimeoutError if it never comes."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError
            await asyncio.sleep(0.01)

    async def turn(self, number: int) -> None:
        """Says something and waits for all that comes of it."""
        self.chat.controller.send(MESSAGES[number % len(MESSAGES)])
        await self.until(lambda: not self.chat.controller.player.running)


@asynccontextmanager
async def talking(library: Path, home: Path, *, imagines: bool) -> AsyncIterator[Talking]:
    """The app, opened on a library, with its data under `home`."""
    state = State(Output())
    settings = replace(state.settings, home=home)
    engine = SessionEngine(settings, library, ScreenModels(state, Wanted(library, imagines=imagines)))
    graphics = Graphics(Means.BLOCKS, Means.BLOCKS)
    app = DarApp(engine, AppOptions(home, home / "keys.toml", home, graphics, parse_date))
    async with app.run_test(size=SIZE) as pilot:
        yield Talking(app)
        await pilot.pause()
    engine.close()


async def feel(library: Path, home: Path, turns: int) -> list[Figure]:
    """Gaps while loading, painting and imagining, and memory after 1, 10 and `turns` turns."""
    pulse, measured = Pulse(), []
    async with talking(library, home, imagines=True) as talk:
        app, chat = talk.app, talk.chat
        with pulse.beating():
            await talk.until(lambda: chat.controller.opened and chat.status.facts.doing.startswith("loading the gen"))
            await talk.until(lambda: not chat.status.facts.doing)
        measured.append(once("worst gap while loading models", pulse.worst * 1000, "ms"))
        await talk.turn(0)
        with pulse.beating():
            await talk.turn(1)
        measured.append(once("worst gap while searching, imagining, painting", pulse.worst * 1000, "ms"))
        assert app.gallery is not None
        gallery = app.gallery
        await asyncio.sleep(1)
        gallery.forget()
        shown = len(chat.photos._visible())
        began = time.perf_counter()
        with pulse.beating():
            chat.show_page(keep=True)
            await talk.until(lambda: len(gallery._kept) >= min(24, shown))
        measured.append(once(f"painting {shown} thumbnails", (time.perf_counter() - began) * 1000, "ms"))
        measured.append(once("worst gap while painting them", pulse.worst * 1000, "ms"))
        measured += await _memory_over(talk, 2, turns, "memory")
    return measured


async def without_generator(library: Path, home: Path, turns: int) -> list[Figure]:
    """Memory after 1, 10 and `turns` turns."""
    async with talking(library, home, imagines=False) as talk:
        await talk.until(lambda: talk.chat.controller.opened)
        return await _memory_over(talk, 0, turns, "memory without a generator", CHAT_MB)


def _in_own_process(library: Path, folder: Path, turns: int) -> list[Figure]:
    """The same, where nothing else was loaded before."""
    measured = folder / "text-only.json"
    module = [sys.executable, "-m", "benchmarks.tui", str(library), f"--turns={turns}", "--text-only"]
    subprocess.run([*module, "--json", str(measured)], check=True, stdout=subprocess.DEVNULL)
    return read(measured)


async def _memory_over(talk: Talking, done: int, turns: int, name: str, most: float | None = None) -> list[Figure]:
    """Goes on to `turns` turns after the `done` that were; memory at some of them on the way."""
    measured = []
    for number in range(done, turns):
        await talk.turn(number)
        if number + 1 in (done + 1, 10, turns):
            measured.append(once(f"{name}, {number + 1} turn{'s' * (number > 0)}", memory(), "MB", at_most=most))
    return measured


def main(
    library: Annotated[Path, typer.Argument(help="A library that is there, such as `dar index --library DIR` makes.")],
    turns: Annotated[int, typer.Option(help="Turns to measure memory over.")] = 100,
    repeats: Annotated[int, typer.Option(help="Processes to take the median of.")] = 3,
    text_only: Annotated[bool, typer.Option(help="Measure memory without a generator, and nothing else.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints the table."""
    leave_a_core(os.environ)
    if text_only:
        with TemporaryDirectory(prefix="dar-bench-") as home:
            figures = asyncio.run(without_generator(library, Path(home), turns))
        show("dar chat without a generator", figures, json_file)
        return
    first_paint(library)
    figures = [
        median_of(name, [measure(library) * 1000 for _ in range(repeats)], "ms", at_most=_TARGET_MS.get(name))
        for name, measure in PROCESSES.items()
    ]
    with TemporaryDirectory(prefix="dar-bench-") as home:
        figures += _in_own_process(library, Path(home), turns)
        figures += asyncio.run(feel(library, Path(home), turns))
    show("dar chat in a terminal", figures, json_file)


if __name__ == "__main__":
    typer.run(main)
