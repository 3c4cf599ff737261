"""Any history of a library's folders, held against a library made afresh from what the folders hold in the end.

`DAR_STEPS=2000 pytest tests/indexer/test_library_machine.py` takes as many steps as one likes; the suite takes 200.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule
from numpy.typing import NDArray
from PIL import Image

from indexer.encoders import ImageEmbeddings
from indexer.indexing import run
from indexer.indexing.events import Finished
from indexer.indexing.plan import IndexOptions
from indexer.indexing.repair import repair
from indexer.indexing.run import index
from indexer.indexing.writer import Batch, LibraryWriter
from indexer.library import Library
from indexer.search.ranking import Query, Term
from indexer.store.file_store import FileStore
from tests.indexer.colours import GRID, ColourEncoder, Vectors

STEPS = int(os.environ.get("DAR_STEPS", "200"))
STEPS_EACH = 40
WHITE = 0
SEEDS = st.integers(WHITE, 14)
ROOTS = ("a", "b")
NAMES = st.sampled_from(["1.png", "2.png", "3.png", "x/4.png", "x/5.png", "y/z/6.png", "7 (1).png"])


class Killed(BaseException):
    """Stands for the death of the process: whatever runs after it must not reach the disk."""


class Refusing(ColourEncoder):
    """Has no vector for white pictures; ends the run at the `ends_at`-th picture."""

    def __init__(self, error: BaseException | None = None, ends_at: int = 0) -> None:
        super().__init__()
        self._error, self._ends_at = error, ends_at

    def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
        if self._error is not None and self.encoded + len(batch) > self._ends_at:
            raise self._error
        made = super().encode_prepared(batch)
        for row, pixels in enumerate(batch):
            if pixels.min() > 250:
                made.joint[row] = np.nan
        return made


class Mirrored(Refusing):
    """Other vectors of the same length."""

    id = "test-mirrored-1"

    def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
        made = super().encode_prepared(batch)
        return ImageEmbeddings(np.ascontiguousarray(made.joint[:, ::-1]), made.visual)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.ascontiguousarray(super().encode_texts(texts)[:, ::-1])


ENCODERS: dict[str, type[Refusing]] = {"colours": Refusing, "mirrored": Mirrored}


@cache
def photo(seed: int) -> bytes:
    """The bytes of a small photo; WHITE is one that the encoders refuse."""
    cells = np.random.default_rng(seed).integers(0, 200, (GRID, GRID, 3), dtype=np.uint8)
    if seed == WHITE:
        cells = np.full_like(cells, 255)
    buffer = io.BytesIO()
    Image.fromarray(cells).resize((16, 12 + seed % 3), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def shown(library: Library, query: Vectors) -> list[tuple[object, ...]]:
    """Every photo as a search shows it, best first: the files it is in, its facts, its score."""
    hits = library.search(Query((Term(query),)), 1000, fold=False)
    found = [
        (
            round(hit.score, 4),
            sorted([hit.path, *hit.copies]),
            (hit.width, hit.height, hit.format, hit.taken_at, hit.taken_from, hit.latitude, hit.camera),
        )
        for hit in hits
    ]
    return sorted(found, key=lambda each: (-each[0], each[1]))


class LibraryMachine(RuleBasedStateMachine):
    """Two folders, one library, and everything that happens to them."""

    files = Bundle("files")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="dar-machine-"))
        self.library = self.folder / "library"
        self.plugged = dict.fromkeys(ROOTS, True)
        # What each root held when it was last listed to the end.
        self.listed: dict[str, dict[str, bytes]] = {root: {} for root in ROOTS}
        self.active = "colours"
        self.clock = 1_500_000_000

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # The folders

    @initialize(seeds=st.lists(st.integers(1, 14), min_size=2, max_size=8))
    def begin(self, seeds: list[int]) -> None:
        for root in ROOTS:
            (self.folder / root).mkdir()
        for number, seed in enumerate(seeds):
            self.put(Path(ROOTS[number % 2]) / f"start{number}.png", photo(seed))
        self.run([self.folder / root for root in ROOTS])

    @rule(target=files, root=st.sampled_from(ROOTS), name=NAMES, seed=SEEDS)
    def add(self, root: str, name: str, seed: int) -> Path:
        self.put(Path(root) / name, photo(seed))
        return Path(root) / name

    @rule(target=files, source=files, root=st.sampled_from(ROOTS), name=NAMES)
    def copy(self, source: Path, root: str, name: str) -> Path:
        if self.is_there(source):
            self.put(Path(root) / name, (self.folder / source).read_bytes())
        return Path(root) / name

    @rule(target=files, source=files, root=st.sampled_from(ROOTS), name=NAMES)
    def rename(self, source: Path, root: str, name: str) -> Path:
        target = Path(root) / name
        if self.is_there(source) and self.plugged[root] and source != target:
            (self.folder / target).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / source).rename(self.folder / target)
        return target

    @rule(file=files, seed=SEEDS)
    def edit(self, file: Path, seed: int) -> None:
        if self.is_there(file):
            self.put(file, photo(seed))

    @rule(file=files, length=st.integers(0, 40))
    def cut_short(self, file: Path, length: int) -> None:
        if self.is_there(file):
            self.put(file, (self.folder / file).read_bytes()[:length])

    @rule(file=files)
    def delete(self, file: Path) -> None:
        if self.is_there(file):
            (self.folder / file).unlink()

    @precondition(lambda self: all(self.plugged.values()))
    @rule(root=st.sampled_from(ROOTS), mount_point_stays=st.booleans())
    def unplug(self, root: str, mount_point_stays: bool) -> None:
        if any(path.is_file() for path in (self.folder / root).rglob("*")):
            (self.folder / root).rename(self.folder / f"{root}-away")
            self.plugged[root] = False
            if mount_point_stays:
                (self.folder / root).mkdir()

    @precondition(lambda self: not all(self.plugged.values()))
    @rule()
    def replug(self) -> None:
        for root in ROOTS:
            if not self.plugged[root]:
                with suppress(FileNotFoundError):
                    (self.folder / root).rmdir()
                (self.folder / f"{root}-away").rename(self.folder / root)
                self.plugged[root] = True

    # Runs

    @rule(batch=st.integers(1, 5), workers=st.integers(1, 2))
    def index(self, batch: int, workers: int) -> None:
        self.run([], batch, workers)
        self.compare()

    @rule()
    def switch_encoder(self) -> None:
        self.active = "mirrored" if self.active == "colours" else "colours"
        self.run([], switch=True)
        self.compare()

    @rule(after=st.integers(0, 4), error=st.sampled_from([KeyboardInterrupt, MemoryError, ZeroDivisionError]))
    def end_early(self, after: int, error: Callable[[], BaseException]) -> None:
        with suppress(KeyboardInterrupt, MemoryError, ZeroDivisionError):
            self.run([], batch=2, encoder=ENCODERS[self.active](error(), after))
        self.check_whole()

    @rule(after=st.integers(0, 6))
    def cancel(self, after: int) -> None:
        polls = iter(range(after))
        self.run([], batch=2, cancelled=lambda: next(polls, None) is None)
        self.check_whole()

    @rule(commits=st.integers(0, 2), vectors_are_written=st.booleans())
    def kill(self, commits: int, vectors_are_written: bool) -> None:
        left = [commits]
        commit = LibraryWriter.commit

        def dying(writer: LibraryWriter, batch: Batch) -> None:
            left[0] -= 1
            if left[0] < 0:
                if vectors_are_written and batch.images and left[0] == -1:
                    writer._append(batch.images)
                raise Killed
            commit(writer, batch)

        LibraryWriter.commit = dying  # type: ignore[method-assign]
        try:
            with suppress(Killed):
                self.run([], batch=2)
        finally:
            LibraryWriter.commit = commit  # type: ignore[method-assign]
        self.check_whole()

    @rule(share=st.floats(0, 0.9))
    def lose_vectors(self, share: float) -> None:
        """The ends of the vector files are gone, as after a power cut on a disk that lied about syncing."""
        for path in self.library.glob("vectors-*.f32"):
            os.truncate(path, int(path.stat().st_size * share))

    @rule(at=st.floats(0, 1))
    def damage_and_repair(self, at: float) -> None:
        for path in self.library.glob("vectors-*-joint-*.f32"):
            content = bytearray(path.read_bytes())
            if content:
                content[int(at * (len(content) - 1))] ^= 0xFF
                path.write_bytes(content)
        repair(self.library, graph_threshold=6)

    # What must hold

    def compare(self) -> None:
        """The library holds what one made afresh holds, and finds it alike; folders that are away are as they were."""
        here = [root for root in ROOTS if self.plugged[root]]
        afresh = Path(tempfile.mkdtemp(dir=self.folder, prefix="afresh-"))
        for _ in index(
            afresh, [self.folder / root for root in here], ENCODERS[self.active](), self.options(1, 1, self.active)
        ):
            pass
        encoder = ENCODERS[self.active]()
        with Library.open(self.library, graph_threshold=6) as mine, Library.open(afresh, graph_threshold=6) as fresh:
            for seed in (1, 5, 99):
                query = encoder.encode_texts([f"query {seed}"])[0]
                assert self.only(here, shown(mine, query)) == shown(fresh, query)
            away = {path for root in ROOTS if root not in here for path in self.listed[root]}
            assert {str(path) for path in self.paths(mine)} == away | {str(path) for path in self.paths(fresh)}
            problems = [(each.path, each.reason) for each in mine.problems() if self.is_in(here, each.path)]
            assert problems == [(each.path, each.reason) for each in fresh.problems()]
            if not away:
                for one, other in zip(self.peaks(mine), self.peaks(fresh), strict=True):
                    np.testing.assert_allclose(one, other, atol=1e-5)
            wrong = [line for line in mine.verify(deep=True) if not (away and "have no vector" in line)]
            assert wrong == []
        shutil.rmtree(afresh)

    def check_whole(self) -> None:
        with Library.open(self.library, graph_threshold=6) as library:
            assert [line for line in library.verify(deep=True) if "have no vector" not in line] == []

    # How it is done

    def options(self, batch: int, workers: int, spec: str, switch: bool = False) -> IndexOptions:
        return IndexOptions(
            workers=workers,
            batch_size=batch,
            encoder_spec=spec,
            switch_encoder=switch,
            graph_threshold=6,
            compact_above=3,
        )

    def run(
        self,
        folders: Sequence[Path],
        batch: int = 4,
        workers: int = 2,
        *,
        switch: bool = False,
        encoder: Refusing | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        before = {root: self.contents(root) for root in ROOTS if self.plugged[root]}
        for event in index(
            self.library,
            folders,
            encoder or ENCODERS[self.active](),
            self.options(batch, workers, self.active, switch),
            cancelled,
        ):
            last = event
        assert isinstance(last, Finished)
        if not last.summary.interrupted:
            self.listed.update(before)

    def contents(self, root: str) -> dict[str, bytes]:
        """The photos of a root that is there, by path."""
        refused = photo(WHITE)
        return {
            str(path): content
            for path in (self.folder / root).rglob("*.png")
            if len(content := path.read_bytes()) > 40 and content != refused
        }

    def put(self, file: Path, content: bytes) -> None:
        if self.plugged[file.parts[0]]:
            path = self.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            self.clock += 1
            os.utime(path, (self.clock, self.clock))

    def is_there(self, file: Path) -> bool:
        return self.plugged[file.parts[0]] and (self.folder / file).is_file()

    def is_in(self, roots: Sequence[str], path: Path) -> bool:
        return any(path.is_relative_to(self.folder / root) for root in roots)

    def only(self, roots: Sequence[str], found: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        """The photos that are in these roots, without their copies elsewhere."""
        kept = []
        for score, paths, facts in found:
            inside = [path for path in paths if self.is_in(roots, path)]  # type: ignore[attr-defined]
            if inside:
                kept.append((score, inside, facts))
        return sorted(kept, key=lambda each: (-each[0], each[1]))

    def paths(self, library: Library) -> set[Path]:
        rows = library._catalog.paths_of(
            [row[0] for row in library._catalog.connection.execute("SELECT DISTINCT image_id FROM files")]
        )
        return {Path(os.fsdecode(path)) for paths in rows.values() for path in paths}

    def peaks(self, library: Library) -> tuple[Vectors, Vectors]:
        record = library.encoder
        assert record is not None
        return library._catalog.peaks(record.id)


def test_any_history_ends_in_the_library_that_the_folders_make(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from hypothesis.stateful import run_state_machine_as_test

    # Commits in the middle of runs, and a sketch and a graph from the first photos on: what large libraries use.
    monkeypatch.setattr(run, "_COMMIT_PHOTOS", 3)
    monkeypatch.setitem(FileStore.__init__.__kwdefaults__, "sketch_above", 2)
    run_state_machine_as_test(
        LibraryMachine,
        settings=settings(
            max_examples=max(STEPS // STEPS_EACH, 1),
            stateful_step_count=STEPS_EACH,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
