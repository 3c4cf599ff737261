"""Many files in one folder, folders nested deep, and a dialogue of many turns."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import run_once
from dar_tui.session.events import TurnFailed
from dar_tui.session.session import Session
from tests.cli.conftest import command
from tests.indexer.endurance import chance, say
from tests.session.test_long import MESSAGES
from tests.session.world import NAMES, World

# Eight pixels each way, a colour in each quarter: quick to write, and an encoder of colours tells them apart.
_SIDE = 8


def one_folder(work: Path, count: int, seed: int) -> None:
    """`count` tiny JPEGs in one folder: indexed, indexed again, searched."""
    folder = work / "photos"
    folder.mkdir()
    numbers = chance(seed, 2)
    for number in range(count):
        (folder / f"{number:06}.jpg").write_bytes(_tiny(number, numbers))
    first, peak = _timed(work, "index", folder)
    again, peak_again = _timed(work, "index")
    search, peak_search = _timed(work, "search", "red")
    info = _json_of(work, "library", "info", "--json")
    assert (info["photos"], info["problems"]) == (count, 0), info
    assert _json_of(work, "library", "verify", "--deep") is None
    say(
        f"{count:,} files in one folder: indexed in {first:.0f} s ({peak:.0f} MB), again in {again:.1f} s"
        f" ({peak_again:.0f} MB), searched in {search:.2f} s ({peak_search:.0f} MB)"
    )


def nested(work: Path, levels: int, seed: int) -> None:
    """One photo below `levels` folders, and one on the way there."""
    folder = work / "photos"
    folder.mkdir()
    numbers = chance(seed, 3)
    descriptor = os.open(folder, os.O_RDONLY)
    for level in range(levels):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
        if level in (levels // 2, levels - 1):
            photo = os.open("a.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor)
            os.write(photo, _tiny(level, numbers))
            os.close(photo)
    os.close(descriptor)
    seconds, peak = _timed(work, "index", folder)
    assert _json_of(work, "library", "info", "--json")["photos"] == 2
    hits = _json_of(work, "search", "red", "--json")["hits"]
    deepest = max(hit["path"].count("/d/") + hit["path"].count("/d") for hit in hits)
    assert len(hits) == 2 and deepest >= levels, hits
    say(f"{levels:,} nested folders: indexed in {seconds:.1f} s ({peak:.0f} MB), the photo below all of them is found")
    subprocess.run(["rm", "-rf", str(folder)], check=True)  # Python's own rmtree calls itself for each level


def turns(work: Path, count: int, seed: int) -> None:
    """A session of `count` turns, resumed at the end."""
    world = World(work / "world")
    session = world.session()
    numbers = chance(seed, 4)
    tenth: list[float] = []
    memory: list[int] = []
    for number in range(count):
        if number % (count // 10) == 0:
            started = time.perf_counter()
        message = str(numbers.choice(MESSAGES)).format(colour=numbers.choice(NAMES), number=number)
        failed = [event for event in session.turn(message) if isinstance(event, TurnFailed)]
        assert not failed, f"turn {number}: {failed}"
        if number % (count // 10) == count // 10 - 1:
            tenth.append((time.perf_counter() - started) / (count // 10) * 1000)
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    session.close()
    started = time.perf_counter()
    resumed = Session.resume(world.engine(), session.log)
    seconds = time.perf_counter() - started
    assert resumed.dialogue == session.dialogue and resumed.dialogue.messages == count
    resumed.close()
    size = session.log.path.stat().st_size / 1e6
    say(
        f"{count:,} turns: {tenth[0]:.0f} ms each in the first tenth, {tenth[-1]:.0f} in the last; peak memory"
        f" {memory[0]} MB then {memory[-1]}; transcript {size:.1f} MB, resumed whole in {seconds:.1f} s"
    )


def _tiny(number: int, numbers: np.random.Generator) -> bytes:
    cells = numbers.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(cells).resize((_SIDE, _SIDE), Image.Resampling.NEAREST).save(
        buffer, "JPEG", quality=95, comment=str(number).encode()
    )
    return buffer.getvalue()


def _environment(work: Path) -> dict[str, str]:
    return {"DAR_HOME": str(work / "home"), "DAR_CACHE": str(work / "cache")}


def _timed(work: Path, *arguments: object) -> tuple[float, float]:
    return run_once([os.fsdecode(each) for each in command(*arguments)], _environment(work))


def _json_of(work: Path, *arguments: object) -> dict[str, object] | None:
    done = subprocess.run(
        command(*arguments), env={**os.environ, **_environment(work)}, capture_output=True, timeout=600
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout) if "--json" in arguments else None
