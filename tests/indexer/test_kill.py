"""Kill -9 in the middle of indexing, ten times: nothing committed is lost or encoded twice, and search never lies."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from indexer.library import Library
from indexer.search.ranking import Query, Term
from tests.indexer.colours import GRID, draw, unit

PHOTOS = 2000
KILLS = 10
HERE = Path(__file__).parent


def cells(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (GRID, GRID, 3), dtype=np.uint8)


def vector(seed: int) -> np.ndarray:
    return unit((cells(seed).astype(np.float32) / 255 - 0.45).reshape(-1))


class Searcher(threading.Thread):
    """Searches without pause, now and then through a newly opened library, and notes whatever is not true."""

    def __init__(self, library: Path, photos: Path) -> None:
        super().__init__(daemon=True)
        self.wrong: list[str] = []
        self.searches = self.most = 0
        self._library, self._photos = library, photos
        self._over = threading.Event()

    def run(self) -> None:
        numbers = random.Random(0)
        while not self._over.is_set():
            try:
                with Library.open(self._library) as library:
                    for _ in range(20):
                        self._search(library, numbers.randrange(PHOTOS))
                        time.sleep(0.002)
            except Exception as error:
                self.wrong.append(repr(error))
                return

    def _search(self, library: Library, seed: int) -> None:
        hits = library.search(Query((Term(vector(seed)),)), k=10, fold=False)
        self.searches += 1
        self.most = max(self.most, len(hits))
        for hit in hits:
            expected = float(vector(seed) @ vector(int(hit.path.stem)))
            if abs(hit.score - expected) > 1e-5:
                self.wrong.append(f"{hit.path.name} scores {hit.score}, not {expected}")
            if hit.path.parent != self._photos or not hit.path.is_file() or not hit.thumbnail.is_file():
                self.wrong.append(f"{hit.path} is not a photo that was committed")
        if [hit.score for hit in hits] != sorted((hit.score for hit in hits), reverse=True):
            self.wrong.append("hits out of order")

    def stop(self) -> None:
        self._over.set()
        self.join()


def start(*arguments: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "kill_script.py"), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def committed(path: Path) -> set[int]:
    with Library.open(path) as library:
        hits = library.search(Query((Term(vector(0)),)), k=PHOTOS, fold=False)
        assert library.verify(deep=True) == []
        return {int(hit.path.stem) for hit in hits}


def logged(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def test_ten_kills_lose_nothing_and_search_never_lies(tmp_path: Path) -> None:
    photos, library, log = tmp_path / "photos", tmp_path / "library", tmp_path / "log"
    for number in range(PHOTOS):
        draw(photos / f"{number}.png", number, (12, 8))
    Library.create(library).close()
    numbers = random.Random(20)
    searcher = Searcher(library, photos)
    searcher.start()
    safe: set[int] = set()
    try:
        for _ in range(KILLS):
            before = len(logged(log))
            run = start(library, photos, log)
            assert run.stdout is not None
            assert run.stdout.readline() == "planned\n"
            time.sleep(numbers.uniform(0.0, 0.5))
            run.kill()
            assert run.wait() == -9
            run.stdout.close()
            now = committed(library)
            assert safe <= now
            assert {cells(number).tobytes().hex() for number in safe}.isdisjoint(logged(log)[before:])
            safe = now
        assert 0 < len(safe) < PHOTOS
        before = len(logged(log))
        run = start(library, photos, log)
        output, _ = run.communicate(timeout=120)
        assert run.returncode == 0
        assert output.split() == ["planned", str(PHOTOS), str(PHOTOS - len(safe))]
    finally:
        searcher.stop()
    assert committed(library) == set(range(PHOTOS))
    last = logged(log)[before:]
    assert sorted(last) == sorted(cells(number).tobytes().hex() for number in set(range(PHOTOS)) - safe)
    assert searcher.wrong == []
    assert searcher.searches > 50
    assert searcher.most == 10
