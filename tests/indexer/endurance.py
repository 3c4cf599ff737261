"""What must hold of a library whatever its writer met: for tests and for the soak, which break it in many ways.

Operations run in forked children, so that one that dies of a signal is told apart from one that failed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.errors import DarError
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.library import Library
from indexer.search.ranking import Query, Term
from tests.indexer.colours import ColourEncoder, Vectors, vector_of

Operation = Callable[[], None]
# Small, so that a small library is written in several batches, has graphs, and is compacted.
OPTIONS = IndexOptions(workers=1, batch_size=8, graph_threshold=10, compact_above=4)
_PROBES = 3


@dataclass(frozen=True)
class Outcome:
    """How an operation ended. `refused`: what dar said if it gave up in words; `fault`: whatever else went wrong."""

    refused: str = ""
    fault: str = ""

    @property
    def is_done(self) -> bool:
        return not self.refused and not self.fault


class Running:
    """An operation under way in a child process."""

    def __init__(self, operation: Operation, before: Operation | None = None) -> None:
        reading, writing = os.pipe()
        self._pipe = reading
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            os._exit(_child(operation, before, writing))
        os.close(writing)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def outcome(self) -> Outcome:
        """Waits for it to end."""
        with os.fdopen(self._pipe, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status):
            return Outcome(fault=f"died of {signal.Signals(os.WTERMSIG(status)).name}")
        found = pickle.loads(told)
        assert isinstance(found, Outcome)
        return found


def _child(operation: Operation, before: Operation | None, pipe: int) -> int:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        if before is not None:
            before()
        operation()
        outcome = Outcome()
    except DarError as error:
        outcome = Outcome(refused=error.message if error.hint else f"{error.message} (no hint)")
    except BaseException:
        outcome = Outcome(fault=traceback.format_exc(limit=-4))
    os.write(pipe, pickle.dumps(outcome)[:60_000])
    return 0


def run(operation: Operation, before: Operation | None = None) -> Outcome:
    """Runs it in a child, after `before` (a limit to set, say), and waits."""
    return Running(operation, before).outcome()


def indexing(library: Path, photos: Path) -> Operation:
    """An index run over the photos."""
    return lambda: list(index(library, [photos], ColourEncoder(), OPTIONS)) and None


@dataclass(frozen=True)
class Truth:
    """The photos of a folder and what the encoder makes of each; what searches find is held against it."""

    vectors: dict[str, Vectors]

    @classmethod
    def of(cls, photos: Path) -> Truth:
        return cls({str(path): vector_of(path) for path in sorted(photos.rglob("*.png"))})

    def wrongs(self, library: Path, *, graphs: bool = False) -> list[str]:
        """All that is wrong with the library: what verifying finds, and each hit that is not as it should be.

        `graphs`: search by them, and count one that a writer left half replaced; without, it is only slower.
        """
        threshold = OPTIONS.graph_threshold if graphs else 10**9
        try:
            with Library.open(library, graph_threshold=threshold) as opened:
                wrong = [text for text in opened.verify(deep=True) if graphs or "searches are exact until" not in text]
                count = opened.info().photos
                probes = list(self.vectors.values())[:_PROBES] if count else []
                for probe in probes:
                    hits = opened.search(Query((Term(probe),)), 10, fold=False)
                    wrong += [text for hit in hits if (text := self._wrong(str(hit.path), hit.score, probe))]
                    if len(hits) != min(10, count):
                        wrong.append(f"{len(hits)} hits of {count} photos")
                    if [hit.score for hit in hits] != sorted((hit.score for hit in hits), reverse=True):
                        wrong.append("hits out of order")
        except DarError as error:
            return [f"{error.message} {error.hint}"]
        return wrong

    def _wrong(self, path: str, score: float, probe: Vectors) -> str:
        vector = self.vectors.get(path)
        if vector is None:
            return f"{path} is not a photo"
        expected = float(vector @ probe)
        return "" if abs(score - expected) < 1e-4 else f"{path} scores {score}, not {expected}"


def found(library: Path, truth: Truth) -> list[list[str]]:
    """The names that searches for some of the photos find, best first."""
    with Library.open(library) as opened:
        probes = list(truth.vectors.values())[:_PROBES]
        return [[hit.path.name for hit in opened.search(Query((Term(each),)), 10, fold=False)] for each in probes]


def seconds_of(operation: Operation) -> float:
    """How long it takes in a child."""
    started = time.perf_counter()
    outcome = run(operation)
    assert outcome.is_done, outcome
    return time.perf_counter() - started


def say(text: str) -> None:
    """A line of a log, with the time."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True, file=sys.stdout)


def chance(*seed: int) -> np.random.Generator:
    """Chance that is the same in every run."""
    return np.random.default_rng(seed)
