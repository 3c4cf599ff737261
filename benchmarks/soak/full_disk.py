"""A disk, a small tmpfs, on which each write fails in turn: nothing free at first, then a page more each time.

Needs root, to mount. Knows what must hold afterwards from `tests.indexer.endurance`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dar_tui.cli import main as dar
from indexer.indexing.repair import repair
from indexer.store.catalog import CATALOG_NAME
from tests.indexer.colours import ColourEncoder, draw
from tests.indexer.endurance import OPTIONS, Operation, Outcome, Truth, found, indexing, run, say
from tests.session.world import PaintGenerator

PAGE = 4096
_DISK = "64m"
_PHOTOS = 40
# Runs that go through in a row before the disk counts as large enough: files that shrink again may yet not fit.
_ENOUGH = 12
# A chat writes its session, 9 pictures and the caches; it goes on without any of them, so success says nothing.
_ROOM_FOR_ALL = 160


@dataclass(frozen=True)
class Scene:
    """A library to begin from, the operation that meets a full disk, and whether a failure may leave it damaged.

    `photos`: as they are by then.
    """

    name: str
    base: Path
    photos: Path
    operation: Callable[[Path], Operation]
    was_sound: bool = True
    goes_on: bool = False
    """Whether the operation ends well even so, its hits there though nothing can be saved."""
    stale: Truth | None = None
    """What may be found as well until the operation is done: photos that are gone by now."""


def full_disk(work: Path, step: int) -> None:
    """Plays every scene with `step` pages more free each time. Raises AssertionError for whatever is wrong."""
    if os.geteuid() != 0:
        raise SystemExit("The full disk needs root, to mount a small tmpfs; run it with sudo.")
    for scene in _scenes(work):
        with _disk(work / f"disk-{scene.name}") as disk:
            _play(scene, disk, step)


def _play(scene: Scene, disk: Path, step: int) -> None:
    truth = Truth.of(scene.photos)
    whole = disk / "whole"
    shutil.copytree(scene.base, whole)
    _assert_done(run(scene.operation(whole)), "with room")
    _assert_done(run(indexing(whole, scene.photos)), "with room")
    expected = found(whole, truth)
    shutil.rmtree(whole)
    failures: dict[str, int] = {}
    pages = done_in_a_row = runs = 0
    while pages <= _ROOM_FOR_ALL if scene.goes_on else done_in_a_row < _ENOUGH:
        where = f"{scene.name}, {pages} pages free"
        library = disk / "library"
        shutil.copytree(scene.base, library)
        filler = _fill(disk, pages)
        outcome = run(scene.operation(library))
        assert not outcome.fault, f"{where}: {outcome.fault}"
        assert outcome.is_done or not scene.goes_on, f"{where}: {outcome.refused}"
        filler.unlink()
        failures[_kind(outcome)] = failures.get(_kind(outcome), 0) + 1
        done_in_a_row = done_in_a_row + 1 if outcome.is_done else 0
        if scene.was_sound:
            stale = {} if outcome.is_done or scene.stale is None else scene.stale.vectors
            wrongs = Truth({**truth.vectors, **stale}).wrongs(library)
            assert not wrongs, f"{where}: {wrongs}"
        _assert_done(run(scene.operation(library)), where)
        _assert_done(run(indexing(library, scene.photos)), where)
        wrongs = truth.wrongs(library, graphs=True)
        assert not wrongs and found(library, truth) == expected, f"{where}, afterwards: {wrongs}"
        shutil.rmtree(library)
        pages += step
        runs += 1
    counted = ", ".join(f"{count} x {kind}" for kind, count in sorted(failures.items()))
    say(f"full disk, {scene.name}: {runs} runs, {counted}; sound after each, whole after one with room")


def _kind(outcome: Outcome) -> str:
    if outcome.is_done:
        return "done"
    return "disk full" if "is full" in outcome.refused else "disk I/O error"


def _assert_done(outcome: Outcome, where: str) -> None:
    assert outcome.is_done, f"{where}: {outcome}"


def _fill(disk: Path, pages: int) -> Path:
    filler = disk / "filler"
    filler.touch()
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - pages * PAGE)
    return filler


@contextmanager
def _disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "dar-soak", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _scenes(work: Path) -> Iterator[Scene]:
    photos = work / "photos"
    for number in range(_PHOTOS):
        draw(photos / f"{number:04}.png", number)
    empty, base = work / "empty", work / "base"
    empty.mkdir()
    yield Scene("index", empty, photos, lambda library: indexing(library, photos), was_sound=False)

    base.mkdir()
    _assert_done(run(indexing(base, photos)), "base")
    yield Scene("chat", base, photos, partial(_chatting, work, pictures=True), goes_on=True)

    broken = Path(shutil.copytree(base, work / "broken"))
    (broken / CATALOG_NAME).write_bytes(b"garbage" * 999)
    for path in (*broken.glob("graph-*"), *sorted((broken / "thumbs").rglob("*.jpg"))[:10]):
        path.unlink()
    yield Scene("repair", broken, photos, _repairing, was_sound=False)

    changing = Path(shutil.copytree(photos, work / "changing"))
    before = work / "before"
    before.mkdir()
    _assert_done(run(indexing(before, changing)), "before")
    stale = Truth.of(changing)
    for number in range(20):
        (changing / f"{number:04}.png").unlink()
        draw(changing / f"{_PHOTOS + number:04}.png", _PHOTOS + number)
    yield Scene("compaction", before, changing, lambda library: indexing(library, changing), stale=stale)


def _repairing(library: Path) -> Operation:
    return lambda: repair(library, graph_threshold=OPTIONS.graph_threshold) and None


def _encoder(*_: object, **__: object) -> ColourEncoder:
    return ColourEncoder()


def _chatting(work: Path, library: Path, *, pictures: bool) -> Operation:
    script = work / "script.txt"
    script.write_text("red\nno\nactually blue\n/like 1\n/skip\n" if pictures else "red\n")

    def chat() -> None:
        # Everything dar writes lies on the full disk: sessions, pictures, caches, logs.
        os.environ.update(DAR_HOME=str(library.parent / "home"), DAR_CACHE=str(library.parent / "home" / "cache"))
        arguments = ["chat", "--script", str(script), "--json", "--library", str(library)]
        code = dar(
            arguments,
            encoder_loader=lambda *_, **__: ColourEncoder(),
            generator_loader=lambda *_, **__: PaintGenerator(),
        )
        sys.stdout.flush()
        if code:
            raise RuntimeError(f"dar chat ended with {code}")

    return chat
