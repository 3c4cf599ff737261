"""Writers killed at random moments, and bytes changed at random in every file of a library."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np

from indexer.errors import DarError
from indexer.indexing.repair import repair
from indexer.library import Library
from tests.indexer.colours import draw
from tests.indexer.endurance import OPTIONS, Running, Truth, chance, found, indexing, run, say, seconds_of

_PHOTOS = 60
_FIRST_NEW = 1000
# How many photos go, and how many come, before each run: enough to be compacted away.
_CHANGED = 25


def kills(work: Path, count: int, seed: int) -> None:
    """Kill -9 at `count` random moments of runs that add, remove, compact and build graphs, each on what the last left.

    Raises AssertionError, naming seed and number, for whatever is wrong afterwards.
    """
    photos, library = work / "photos", work / "library"
    for number in range(_PHOTOS):
        draw(photos / f"{number:04}.png", number)
    library.mkdir()
    assert run(indexing(library, photos)).is_done
    numbers = chance(seed)
    whole_run = 0.0
    alive, before = sorted(photos.iterdir()), Truth.of(photos)
    next_new, killed = _FIRST_NEW, 0
    for number in range(count):
        for path in numbers.choice(len(alive), _CHANGED, replace=False):
            alive[path].unlink()
        for _ in range(_CHANGED):
            draw(photos / f"{next_new:04}.png", next_new)
            next_new += 1
        alive = sorted(photos.iterdir())
        truth = Truth.of(photos)
        if not whole_run:  # as long as the runs to come
            shutil.copytree(library, work / "timed")
            whole_run = seconds_of(indexing(work / "timed", photos))
        running = Running(indexing(library, photos))
        time.sleep(float(numbers.uniform(0, whole_run)))
        running.kill()
        killed += bool(running.outcome().fault)
        wrongs = Truth({**truth.vectors, **before.vectors}).wrongs(library)
        assert not wrongs, f"seed {seed}, kill {number}: {wrongs}"
        before = Truth({**truth.vectors, **before.vectors}) if number % 5 else truth
        if number % 5 == 0:
            outcome = run(indexing(library, photos))
            assert outcome.is_done, f"seed {seed}, kill {number}: {outcome}"
            wrongs = truth.wrongs(library, graphs=True)
            assert not wrongs and _count(library) == _PHOTOS, f"seed {seed}, kill {number}, afterwards: {wrongs}"
    say(f"kill -9, seed {seed}: {killed} of {count} runs died of it, the others were done; sound after each")


def _count(library: Path) -> int:
    with Library.open(library) as opened:
        return opened.info().photos


def flips(work: Path, count: int, seed: int) -> None:
    """Bytes changed in one of the library's files, `count` times over: found and repaired, or of no consequence.

    A change: one bit, up to 64 bytes in a row, a page of zeros, or the end cut off.
    """
    photos, sound, copy = work / "photos", work / "sound", work / "copy"
    for number in range(_PHOTOS):
        draw(photos / f"{number:04}.png", number)
    sound.mkdir()
    assert run(indexing(sound, photos)).is_done
    truth = Truth.of(photos)
    expected = found(sound, truth)
    files = [path.relative_to(sound) for path in sorted(sound.rglob("*")) if path.is_file() and path.stat().st_size]
    # SQLite makes it anew for whoever opens first.
    files = [path for path in files if not path.name.endswith("-shm")]
    kinds = {path: _kind(path) for path in files}
    tally: Counter[str] = Counter()
    numbers = chance(seed, 1)
    for number in range(count):
        # Each kind of file as often as another: there are many thumbnails.
        kind = sorted(set(kinds.values()))[number % len(set(kinds.values()))]
        victim = numbers.choice([str(path) for path in files if kinds[path] == kind])
        shutil.copytree(sound, copy)
        how = _damage(copy / victim, numbers)
        where = f"seed {seed}, damage {number}, {how} of {victim}"
        wrongs = truth.wrongs(copy, graphs=True)
        lies = [text for text in wrongs if " scores " in text or "is not a photo" in text or "out of order" in text]
        assert not lies, f"{where}: {lies}"
        is_same = not wrongs and _same(copy, truth, expected)
        assert wrongs or is_same, f"{where}: not found, and searches find something else"
        tally[f"{kind} {'found' if wrongs else 'of no consequence'}"] += 1
        try:
            repair(copy, graph_threshold=OPTIONS.graph_threshold)
            outcome = run(indexing(copy, photos))
            assert outcome.is_done, f"{where}: {outcome}"
            wrongs = truth.wrongs(copy, graphs=True)
            assert not wrongs and _same(copy, truth, expected), f"{where}, repaired: {wrongs}"
        except DarError as error:
            raise AssertionError(f"{where}: {error.message}") from error
        shutil.rmtree(copy)
    counted = ", ".join(f"{name} {times}" for name, times in sorted(tally.items()))
    say(f"damage, seed {seed}: {count} times ({counted}); no wrong hit, each repaired")


def _same(library: Path, truth: Truth, expected: list[list[str]]) -> bool:
    try:
        return found(library, truth) == expected
    except DarError:
        return False


def _kind(path: Path) -> str:
    if path.parts[0] == "thumbs":
        return "thumbnail"
    return path.stem if path.stem.startswith("catalog") else path.name.split("-")[0] + path.suffix


def _damage(path: Path, numbers: np.random.Generator) -> str:
    content = bytearray(path.read_bytes())
    place = int(numbers.integers(len(content)))
    match int(numbers.integers(4)):
        case 0:
            content[place] ^= 1 << int(numbers.integers(8))
            how = f"bit in byte {place}"
        case 1:
            length = min(int(numbers.integers(1, 65)), len(content) - place)
            content[place : place + length] = numbers.bytes(length)
            how = f"{length} bytes from {place}"
        case 2:
            place -= place % 4096
            content[place : place + 4096] = bytes(len(content[place : place + 4096]))
            how = f"page of zeros at {place}"
        case _:
            del content[place:]
            how = f"cut at {place}"
    path.write_bytes(content)
    return how
