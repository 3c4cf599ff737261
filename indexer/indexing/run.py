"""One index run: scan, compare, read, encode, commit, in numbered steps.

Knows the order of things and what may interrupt it. Knows nothing of vectors but that an encoder makes them and the
writer keeps them.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.encoders import fastest_batch
from indexer.errors import DarError
from indexer.indexing.batch import Batch, FileEntry, FileProblem, NewImage
from indexer.indexing.encoding import encode_each
from indexer.indexing.events import Event, Finished, IndexSummary, Note, Planned, ProblemFound, Progress, Scanning
from indexer.indexing.finishing import finish
from indexer.indexing.options import IndexOptions
from indexer.indexing.plan import Candidate, Plan, make_plan
from indexer.indexing.reading import Broken, Decoded, Hashed, KnownImages, Mapped, Reader, Reading, Vanished, look_ahead
from indexer.indexing.settling import Ledger
from indexer.indexing.target import Target
from indexer.indexing.writer import LibraryWriter
from indexer.paths import outermost, resolved, to_path
from indexer.photos.decoders import Decoders
from indexer.photos.formats import package_for
from indexer.photos.scan import ScanResult, scan
from indexer.printable import visible
from indexer.store.catalog import CATALOG_NAME, Catalog
from indexer.store.embeddings import unembedded

if TYPE_CHECKING:
    from indexer.encoders import Encoder

# A commit syncs three files, 5 to 50 ms; every 64 photos or 2 s that is little time, and little work lost to a kill.
_COMMIT_PHOTOS = 64
_COMMIT_SECONDS = 2.0
# Four batches read ahead keep the encoder busy over a run of slow files; at 260 px that is 7 MB of pixels.
_BATCHES_AHEAD = 4
# Often enough for a bar to move smoothly.
_PROGRESS_SECONDS = 0.1


class Run:
    """One index run; without a writer, a rehearsal of one."""

    def __init__(
        self,
        library: Path,
        catalog: Catalog,
        writer: LibraryWriter | None,
        encoder: Encoder | Callable[[], Encoder],
        options: IndexOptions,
        cancelled: Callable[[], bool],
    ) -> None:
        self._library = library
        self._catalog = catalog
        self._writer = writer
        self._target = Target(catalog, writer, encoder, options.encoder_spec, options.switch_encoder)
        self._options = options
        self._cancelled = cancelled
        self._batch = Batch()
        self._waiting: list[tuple[Candidate, Decoded]] = []
        self._in_flight: set[bytes] = set()
        self._interrupted = False
        self._encoded = self._done = self._total = 0
        self._started = self._committed = time.perf_counter()
        self._told = 0.0
        self._new_problems: list[ProblemFound] = []

    def events(self, folders: Sequence[Path]) -> Iterator[Event]:
        """The run, from listing the folders to the summary."""
        # 1. List the folders.
        targets = outermost([resolved(folder) for folder in folders] or [root.path for root in self._catalog.roots()])
        scans: list[tuple[bytes, ScanResult]] = []
        for target in targets:
            yield Scanning(to_path(target))
            yield from self._scan(target, scans, asked_for=bool(folders))
        # 2. Compare them with the catalog.
        plan = make_plan(self._catalog, scans, own=resolved(self._library), retry_problems=self._options.retry_problems)
        listed = [target for target, _ in scans]
        self._ledger = Ledger(self._catalog, plan, listed)
        self._target.identify()
        if self._writer is not None:
            self._writer.claim(listed)
            self._batch.problems += plan.unlisted
            self._batch.gone += plan.solved
        for problem in plan.unlisted:
            yield ProblemFound(to_path(problem.path), problem.reason)
        self._total = len(plan.familiar) + len(plan.fresh)
        yield Planned(self._total, self._ledger.counts())
        # 3 to 5, with whatever is encoded committed however they end.
        try:
            yield from self._read_all(plan)
        except (KeyboardInterrupt, GeneratorExit):
            self._flush()
            raise
        # 5. The names of places, of photos too that came before there were any; then what is derived from all photos.
        if self._writer is not None:
            self._writer.put_places()
        if not self._interrupted and self._writer is not None:
            yield from finish(self._catalog, self._writer, self._target, self._options)
        if self._writer is not None:
            self._writer.copy_catalog()  # now, since whoever has the summary may ask for nothing more
        yield Finished(self._summary())

    def _scan(self, target: bytes, scans: list[tuple[bytes, ScanResult]], *, asked_for: bool) -> Iterator[Event]:
        """Lists one folder. One that is away, or suddenly empty, is never taken for deleted."""
        try:
            result = scan(to_path(target), self._options.scan)
            if not result.files and not result.unreadable and next(self._catalog.files_in(target), None) is not None:
                raise DarError(
                    f"{visible(target)} is empty, but the library has photos there; is its drive mounted?",
                    f"If they are gone for good: `dar library forget {visible(target)}`.",
                )
        except DarError as error:
            if asked_for:
                raise
            yield ProblemFound(to_path(target), f"{error.message} {self._what_stays(target)}")
            return
        scans.append((target, result))
        for suffix, count in result.missing_extra.items():
            package = package_for(os.fsencode(suffix))
            yield Note(f"{count} {suffix} files are left out: `pip install {package}` reads them.")

    def _what_stays(self, target: bytes) -> str:
        if next(self._catalog.files_in(target), None) is None:
            return f"`dar library forget {shlex.quote(visible(target))}` takes it out of the library."
        named = shlex.quote(visible(target))
        return (
            f"Its photos stay in the library. Mount its drive, or if it moved: `dar library move {named} NEW`; if it is"
            f" gone for good: `dar library forget {named}`."
        )

    def _read_all(self, plan: Plan) -> Iterator[Event]:
        # 3. Files as long as a known image: a hash tells moves, copies and touches without decoding anything.
        #    Gone files leave in the same commit, so that a moved photo is never missing in between.
        fresh = list(plan.fresh)
        with self._look_ahead() as in_threads:
            for candidate, reading in in_threads(Reader(self._library, None, _nothing_known).hash, plan.familiar):
                if isinstance(reading, Hashed) and self._catalog.image_of(reading.content_hash) is None:
                    fresh.append(candidate)
                    continue
                self._take(candidate, reading)
                yield from self._after_each()
                if self._interrupted:
                    break
        if not self._interrupted:
            self._batch.gone += self._ledger.remove_rest()
        self._flush()
        # 4. Everything else is decoded ahead in threads, while this one encodes and commits.
        if not self._interrupted:
            fresh += self._without_vectors(fresh)
            yield from self._read_fresh(fresh)
        yield from self._tell()

    def _read_fresh(self, fresh: list[Candidate]) -> Iterator[Event]:
        if not fresh:
            return
        with ExitStack() as stack:
            reader = Reader(self._library, None, _nothing_known)
            if self._writer is not None:
                encoder, record = self._target.load()
                # Entered before the threads that ask it, so that it outlives them.
                known = stack.enter_context(KnownImages(self._library / CATALOG_NAME, record.id))
                reader = Reader(self._library, encoder, known, stack.enter_context(Decoders()))
            in_threads = stack.enter_context(self._look_ahead())
            self._committed = time.perf_counter()
            for candidate, reading in in_threads(reader.read, fresh):
                self._take(candidate, reading)
                yield from self._after_each()
                if self._interrupted:
                    break
            self._flush()

    def _look_ahead(self) -> AbstractContextManager[Mapped]:
        options = self._options
        return look_ahead(options.threads, max(_BATCHES_AHEAD * self._batch_size(), options.threads))

    def _batch_size(self) -> int:
        return self._options.batch_size or fastest_batch(self._target.encoder)

    def _take(self, candidate: Candidate, reading: Reading) -> None:
        """Does with one file what has to be done, up to the next commit."""
        self._done += 1
        if isinstance(reading, Vanished):
            if candidate.known is not None:
                self._ledger.removed += 1
                self._batch.gone.append(candidate.path)
        elif isinstance(reading, Broken):
            self._note_problem(candidate, reading.size, reading.mtime_ns, reading.reason)
        elif isinstance(reading, Decoded) and reading.content_hash not in self._in_flight:
            self._in_flight.add(reading.content_hash)
            self._waiting.append((candidate, reading))
            if len(self._waiting) >= self._batch_size():
                self._encode()
        else:
            self._settle(candidate, reading)

    def _settle(self, candidate: Candidate, reading: Hashed) -> None:
        origin = self._ledger.settle(candidate, self._catalog.image_of(reading.content_hash))
        if origin is not None:
            self._batch.gone.append(origin)
        entry = FileEntry(candidate.path, reading.size, reading.mtime_ns, reading.content_hash)
        self._batch.files.append(entry)

    def _note_problem(self, candidate: Candidate, size: int, mtime_ns: int, reason: str) -> None:
        self._ledger.problems += 1
        self._batch.problems.append(FileProblem(candidate.path, size, mtime_ns, reason))
        self._new_problems.append(ProblemFound(to_path(candidate.path), reason))

    def _encode(self) -> None:
        """Puts what waits through the encoder and into the batch; a photo it cannot take becomes a problem."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._target.encoder is None:
            return
        results = encode_each(self._target.encoder, [photo.pixels for _, photo in waiting])
        for (candidate, photo), embeddings in zip(waiting, results, strict=True):
            if isinstance(embeddings, str):
                self._note_problem(candidate, photo.size, photo.mtime_ns, embeddings)
                continue
            visual = None if embeddings.visual is None else embeddings.visual[0]
            self._batch.images.append(NewImage(photo.content_hash, photo.fields, embeddings.joint[0], visual))
            self._settle(candidate, photo)
            self._encoded += 1

    def _after_each(self) -> Iterator[Event]:
        now = time.perf_counter()
        due = len(self._batch) + len(self._waiting) >= _COMMIT_PHOTOS or now - self._committed >= _COMMIT_SECONDS
        self._interrupted = self._cancelled()
        if due or self._interrupted:
            self._flush()
        if now - self._told >= _PROGRESS_SECONDS or self._new_problems:
            yield from self._tell()

    def _tell(self) -> Iterator[Event]:
        self._told = time.perf_counter()
        problems, self._new_problems = self._new_problems, []
        yield from problems
        yield Progress(self._done, self._total, self._ledger.counts())

    def _flush(self) -> None:
        """Commits everything taken so far."""
        self._encode()
        batch, self._batch = self._batch, Batch()
        self._in_flight.clear()
        if self._writer is not None and len(batch):
            self._writer.commit(batch)
        self._committed = time.perf_counter()

    def _without_vectors(self, besides: Sequence[Candidate]) -> list[Candidate]:
        """Photos the catalog knows and the encoder has no vectors of: after a loss, or for a new encoder."""
        record = self._target.record
        if record is None or self._writer is None:
            return []
        planned = {candidate.path for candidate in besides}
        lacking = [
            Candidate(path, known.size, known.mtime_ns, known)
            for path, known in unembedded(self._catalog, record.id)
            if path not in planned
        ]
        # They count as unchanged already, and again when they are settled.
        self._ledger.unchanged -= len(lacking)
        self._total += len(lacking)
        return lacking

    def _summary(self) -> IndexSummary:
        seconds = time.perf_counter() - self._started
        counts = self._ledger.counts()
        encoder = self._target.record or self._catalog.active_encoder()
        return IndexSummary(
            library=self._library,
            encoder=encoder.encoder_id if encoder else "",
            photos=self._catalog.counts()[0],
            added=counts.added,
            changed=counts.changed,
            moved=counts.moved,
            removed=counts.removed,
            unchanged=counts.unchanged,
            problems=counts.problems,
            seconds=seconds,
            images_per_second=self._encoded / seconds if seconds > 0 else 0.0,
            encoded=self._encoded,
            interrupted=self._interrupted,
            dry_run=self._writer is None,
        )


def _nothing_known(content_hash: bytes) -> bool:
    return False
