"""One index run: scan, compare, read, encode, commit, in numbered steps; `index` is the door to it.

Knows the order of things, what must hold before a run may begin and what may interrupt it. Knows nothing of terminals,
and of vectors only that an encoder makes them and the writer stores them.
"""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.encoders import fastest_batch
from indexer.errors import DarError, LibraryNotFound, UsageError
from indexer.indexing.captioning import describe
from indexer.indexing.events import (
    Event,
    Finished,
    IndexSummary,
    Planned,
    ProblemFound,
    Progress,
    RunNote,
    Scanning,
)
from indexer.indexing.plan import UNKNOWN_SIZE, Candidate, IndexOptions, Ledger, Plan, Target, make_plan
from indexer.indexing.reading import (
    Broken,
    Decoded,
    Hashed,
    KnownImages,
    Mapped,
    OutOfReach,
    PhotoReader,
    Reading,
    Refreshed,
    Vanished,
    encode_each,
    look_ahead,
)
from indexer.indexing.writer import (
    Batch,
    FactsEntry,
    FileEntry,
    FileProblem,
    LibraryWriter,
    NewImage,
    null_digest,
    open_writer,
)
from indexer.paths import at_home, outermost, resolved, to_path, within
from indexer.photos.decoders import Decoders
from indexer.photos.formats import READS, package_for
from indexer.photos.scan import LINKED_FOLDER, LINKED_PHOTO, ScanResult, is_deleted, scan
from indexer.printable import visible
from indexer.store.backup import prepare_folder
from indexer.store.catalog import CATALOG_NAME, Catalog
from indexer.store.embeddings import is_embedded, unembedded

if TYPE_CHECKING:
    from indexer.encoders import Encoder
    from indexer.indexing.captioning import Captioner

# A commit syncs three files, 5 to 50 ms; every 64 photos or 2 s that is little time, and little work lost to a kill.
_COMMIT_PHOTOS = 64
_COMMIT_SECONDS = 2.0
# Four batches read ahead keep the encoder busy over a run of slow files; at 260 px that is 7 MB of pixels.
_BATCHES_AHEAD = 4
# Fewer are read again within a second.
_WORTH_A_NOTE = 500
# Often enough for a bar to move smoothly.
_PROGRESS_SECONDS = 0.1
# The catalog's note of what the dar could open that last looked through the whole library (`formats.READS`).
_READS = "reads"
# As many as are read while nobody wonders what takes so long.
_MANY_THUMBNAILS = 2_000


def index(
    library: Path,
    folders: Sequence[Path],
    encoder: Encoder | Callable[[], Encoder],
    options: IndexOptions | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    captioner: Callable[[], Captioner] | None = None,
) -> Iterator[Event]:
    """Brings the library up to date with the folders (all its own, if none are given); ends with Finished.

    The encoder is only called for if there is something to encode. `captioner`, if given, loads what describes the
    photos that it has not described, once they are in; a rehearsal does without. When `cancelled` says so, on
    KeyboardInterrupt and when the iterator is closed, what is encoded is committed first. Raises DarError for a folder
    that is missing or looks unmounted, LibraryBusy, EncoderMismatch, and for a full disk; everything committed before
    stays.
    """
    options = options or IndexOptions()
    exists = (library / CATALOG_NAME).is_file()
    for folder in folders:
        if not at_home(folder).is_dir():
            scan(at_home(folder), options.scan)  # raises, and knows why
    if not folders and not exists:
        if not library.exists():
            raise LibraryNotFound(f"There is no library at {visible(library)}.", "Name a folder: `dar index FOLDER`.")
        raise UsageError("No folder was given and the library has none yet.", "Name a folder: `dar index FOLDER`.")
    with ExitStack() as stack:
        writer: LibraryWriter | None = None
        if options.dry_run:
            catalog = Catalog.open(library / CATALOG_NAME) if exists else Catalog.empty()
            stack.callback(catalog.close)
        else:
            prepare_folder(library)
            writer = stack.enter_context(open_writer(library, options.vectors))
            catalog = writer.catalog
        for event in Run(library, catalog, writer, encoder, options, cancelled).events(folders):
            if isinstance(event, Finished) and captioner is not None and writer is not None:
                summary = event.summary
                if not summary.interrupted:
                    done = yield from describe(writer, captioner, cancelled)
                    summary = replace(summary, captioned=done.captioned, interrupted=done.interrupted)
                writer.copy_catalog()
                event = Finished(summary)
            yield event


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
        # What the next batch encodes, by content hash, and the copies of it that were read meanwhile.
        self._waiting: dict[bytes, tuple[Candidate, Decoded]] = {}
        self._copies: dict[bytes, list[tuple[Candidate, Hashed]]] = {}
        self._batched: set[bytes] = set()
        self._reread: Callable[[Candidate], Reading] = _unread
        self._interrupted = False
        self._encoded = self._done = self._total = 0
        self._started = self._committed = time.perf_counter()
        self._reported = 0.0
        self._new_problems: list[ProblemFound] = []
        self._scans: list[tuple[bytes, ScanResult]] = []

    def events(self, folders: Sequence[Path]) -> Iterator[Event]:
        """The run, from listing the folders to the summary."""
        # 1. List the folders.
        targets = outermost([resolved(folder) for folder in folders] or [root.path for root in self._catalog.roots()])
        for target in targets:
            yield Scanning(to_path(target))
            yield from self._scan(target, asked_for=bool(folders))
        # 2. Compare them with the catalog.
        # Problems that an older dar met are tried again by one that opens more.
        retry = self._options.retry_problems or self._catalog.meta(_READS) != str(READS)
        plan = make_plan(self._catalog, self._scans, own=resolved(self._library), retry_problems=retry)
        self._ledger = Ledger(plan)
        self._target.identify()
        if self._writer is not None:
            self._writer.claim(self._listed)
            self._batch.problems += plan.unlisted
            self._batch.gone += plan.solved
        for problem in plan.unlisted:
            yield ProblemFound(to_path(problem.path), problem.reason)
        self._total = len(plan.familiar) + len(plan.fresh) + (len(plan.refresh) if self._writer else 0)
        yield Planned(self._total, self._ledger.counts())
        # 3 and 4, with whatever is encoded committed however they end.
        try:
            yield from self._read_all(plan)
        except (KeyboardInterrupt, GeneratorExit):
            self._flush()
            raise
        except BaseException as error:
            # What waits for the encoder is left out: it may be what the encoder failed on.
            self._waiting, self._copies = {}, {}
            self._flush_after(error)
            raise
        # 5. The names of places, of photos too that came before there were any; then what is derived from all photos.
        if self._writer is not None:
            self._writer.put_places()
        if not self._interrupted and self._writer is not None:
            yield from _finish(self._catalog, self._writer, self._target, self._options)
            self._finish_scans()
        if self._writer is not None:
            self._writer.copy_catalog()  # now, since whoever has the summary may ask for nothing more
        yield Finished(self._summary())

    @property
    def _listed(self) -> list[bytes]:
        """The folders that were listed to the end."""
        return [target for target, _ in self._scans]

    def _scan(self, target: bytes, *, asked_for: bool) -> Iterator[Event]:
        """Lists one folder. One that is away, or suddenly empty, is never taken for deleted; a photo that was indexed
        by itself is, once it is gone from the folder it was in."""
        if not asked_for and self._catalog.image_at(target) is not None and is_deleted(target):
            self._scans.append((target, ScanResult(())))
            return
        try:
            result = scan(to_path(target), self._options.scan)
            if not result.files and not result.unreadable and next(self._catalog.files_in(target), None) is not None:
                left_out = ", ".join(f"{count:,} {kind}" for kind, count in result.skipped.items())
                raise DarError(
                    f"{visible(target)} has no photos but what is left out ({left_out}); the library has some there."
                    if left_out
                    else f"{visible(target)} is empty, but the library has photos there; is its drive mounted?",
                    f"If they are gone for good: `dar library forget {visible(target)}`.",
                )
        except DarError as error:
            if asked_for:
                raise
            yield ProblemFound(to_path(target), f"{error.message} {self._what_stays(target)}")
            return
        self._scans.append((target, result))
        linked = result.skipped.get(LINKED_FOLDER, 0) + result.skipped.get(LINKED_PHOTO, 0)
        if linked and not result.files:
            yield RunNote(
                f"{visible(target)} holds {linked:,} links but no photos; --follow-links takes what they lead to."
            )
        for suffix, count in result.missing_extra.items():
            package = package_for(os.fsencode(suffix))
            yield RunNote(f"{count} {suffix} files are left out: `pip install {package}` reads them.")

    def _what_stays(self, target: bytes) -> str:
        if next(self._catalog.files_in(target), None) is None:
            return f"`dar library forget {shlex.quote(visible(target))}` takes it out of the library."
        named = shlex.quote(visible(target))
        return (
            f"Its photos stay in the library. Mount its drive, or if it moved: `dar library move {named} NEW`; if it is"
            f" gone for good: `dar library forget {named}`."
        )

    def _read_all(self, plan: Plan) -> Iterator[Event]:
        # 3. Files as long as a known image: a hash recognises moves, copies and touches without decoding anything.
        #    Gone files leave in the same commit, so that a moved photo is never missing in between.
        fresh = list(plan.fresh)
        with self._look_ahead() as in_threads:
            for candidate, reading in in_threads(PhotoReader(self._library, None, _nothing_known).hash, plan.familiar):
                if not isinstance(reading, Hashed):
                    self._take(candidate, reading)
                elif self._catalog.image_of(reading.content_hash) is not None:
                    self._done += 1
                    self._record_file(candidate, reading)
                else:
                    fresh.append(candidate)
                    continue
                yield from self._after_each()
                if self._interrupted:
                    break
        if not self._interrupted:
            self._batch.gone += self._ledger.remove_rest()
        self._flush()
        # Facts of unchanged files, before what takes longer: nothing of this is encoded.
        if plan.refresh and not self._interrupted and self._writer is not None:
            yield from self._refresh(plan.refresh)
        # 4. Everything else is decoded ahead in threads, while this one encodes and commits.
        if not self._interrupted:
            fresh += self._without_vectors(fresh, plan)
            yield from self._read_fresh(fresh)
        yield from self._tell()

    def _refresh(self, candidates: Sequence[Candidate]) -> Iterator[Event]:
        if (outdated := sum(candidate.outdated for candidate in candidates)) >= _WORTH_A_NOTE:
            yield RunNote(
                f"Reading dates and places of {outdated:,} photos again: this version of dar finds more of them."
            )
        with Decoders() as decoders, self._look_ahead() as in_threads:
            reader = PhotoReader(self._library, None, _nothing_known, decoders)
            for candidate, reading in in_threads(reader.refresh, candidates):
                self._done += 1
                if isinstance(reading, Refreshed) and candidate.known is not None:
                    self._batch.facts.append(FactsEntry(candidate.path, candidate.known, reading.facts, reading.own))
                yield from self._after_each()
                if self._interrupted:
                    break
        self._flush()

    def _read_fresh(self, fresh: list[Candidate]) -> Iterator[Event]:
        if not fresh:
            return
        with ExitStack() as stack:
            reader = PhotoReader(self._library, None, _nothing_known)
            if self._writer is not None:
                encoder, record = self._target.load()
                # Entered before the threads that ask it, so that it outlives them.
                known = stack.enter_context(KnownImages(self._library / CATALOG_NAME, record.id))
                reader = PhotoReader(self._library, encoder, known, stack.enter_context(Decoders()))
                self._reread = reader.read_unknown
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
            return  # Whether it is gone, or its drive, the next scan finds out.
        if isinstance(reading, OutOfReach):
            self._note_out_of_reach(candidate, reading.reason)
        elif isinstance(reading, Broken):
            self._note_problem(candidate, reading.size, reading.mtime_ns, reading.reason)
        elif isinstance(reading, Hashed):
            self._decide(candidate, reading)

    def _decide(self, candidate: Candidate, reading: Hashed) -> None:
        """Whether a photo is encoded: decided here alone, in the thread that owns the catalog."""
        content_hash, record = reading.content_hash, self._target.record
        if content_hash in self._waiting:
            # 1. A copy of what waits for the encoder shares its fate.
            self._copies.setdefault(content_hash, []).append((candidate, reading))
        elif self._writer is None or content_hash in self._batched:
            # 2. Encoded, not yet committed; a rehearsal encodes nothing.
            self._record_file(candidate, reading)
        elif record is not None and is_embedded(self._catalog, record.id, content_hash):
            # 3. Committed, by an earlier run or since the file was read.
            self._record_file(candidate, reading)
        elif isinstance(reading, Decoded):
            # 4. To be encoded.
            self._waiting[content_hash] = candidate, reading
            if len(self._waiting) >= self._batch_size():
                self._encode()
        else:
            # 5. The reader took it for known, and it is not.
            self._done -= 1
            self._take(candidate, self._reread(candidate))

    def _record_file(self, candidate: Candidate, reading: Hashed) -> None:
        origin = self._ledger.count(candidate, self._catalog.image_of(reading.content_hash))
        if origin is not None:
            self._batch.gone.append(origin)
        entry = FileEntry(candidate.path, reading.size, reading.mtime_ns, reading.content_hash, reading.facts)
        self._batch.files.append(entry)

    def _note_problem(self, candidate: Candidate, size: int, mtime_ns: int, reason: str) -> None:
        self._ledger.problems += 1
        self._batch.problems.append(FileProblem(candidate.path, size, mtime_ns, reason))
        self._new_problems.append(ProblemFound(to_path(candidate.path), reason))

    def _encode(self) -> None:
        """Puts what waits through the encoder and into the batch; a photo it cannot take becomes a problem."""
        waiting, self._waiting = self._waiting, {}
        copies, self._copies = self._copies, {}
        if not waiting or self._target.encoder is None:
            return
        results = encode_each(self._target.encoder, [photo.pixels for _, photo in waiting.values()])
        for (content_hash, original), embeddings in zip(waiting.items(), results, strict=True):
            files = [original, *copies.get(content_hash, ())]
            if isinstance(embeddings, str):
                for candidate, photo in files:
                    self._note_problem(candidate, photo.size, photo.mtime_ns, embeddings)
                continue
            visual = None if embeddings.visual is None else embeddings.visual[0]
            damage = original[1].fields.damage
            self._batch.images.append(NewImage(content_hash, original[1].fields, embeddings.joint[0], visual))
            self._batched.add(content_hash)
            for candidate, photo in files:
                if damage:
                    self._new_problems.append(ProblemFound(to_path(candidate.path), damage, refused=False))
                self._record_file(candidate, photo)
            self._encoded += 1

    def _note_out_of_reach(self, candidate: Candidate, reason: str) -> None:
        """A file that cannot be read now: a photo known there stays, and the next run tries again."""
        self._ledger.problems += 1
        if candidate.known is None:
            self._batch.problems.append(FileProblem(candidate.path, UNKNOWN_SIZE, 0, reason))
        self._new_problems.append(ProblemFound(to_path(candidate.path), reason))

    def _after_each(self) -> Iterator[Event]:
        now = time.perf_counter()
        due = len(self._batch) + len(self._waiting) >= _COMMIT_PHOTOS or now - self._committed >= _COMMIT_SECONDS
        self._interrupted = self._cancelled()
        if due or self._interrupted:
            self._flush()
        if now - self._reported >= _PROGRESS_SECONDS or self._new_problems:
            yield from self._tell()

    def _tell(self) -> Iterator[Event]:
        self._reported = time.perf_counter()
        problems, self._new_problems = self._new_problems, []
        yield from problems
        yield Progress(self._done, self._total, self._ledger.counts())

    def _flush(self) -> None:
        """Commits everything taken so far."""
        self._encode()
        batch, self._batch = self._batch, Batch()
        if self._writer is not None and len(batch):
            self._writer.commit(batch)
        self._batched.clear()
        self._committed = time.perf_counter()

    def _flush_after(self, error: BaseException) -> None:
        """Commits what can be committed after `error`, which is the one to report even if that fails too."""
        try:
            self._flush()
        except Exception as second:
            error.add_note(f"What was encoded before could not be committed: {second}")

    def _without_vectors(self, besides: Sequence[Candidate], plan: Plan) -> list[Candidate]:
        """Photos this run's scans have found, the catalog knows and the encoder has no vectors of: after a loss, or
        for a new encoder. Those of folders that are away, or cannot be listed, wait."""
        record = self._target.record
        if record is None or self._writer is None:
            return []
        planned, listed = {candidate.path for candidate in besides}, self._listed
        unlisted = [problem.path for problem in plan.unlisted]
        lacking = [
            Candidate(path, known.size, known.mtime_ns, known)
            for path, known in unembedded(self._catalog, record.id)
            if path not in planned and within(path, listed) and not within(path, unlisted)
        ]
        # They count as unchanged already, and again when they are read.
        self._ledger.unchanged -= len(lacking)
        self._total += len(lacking)
        return lacking

    def _finish_scans(self) -> None:
        """A photo that was indexed by itself and is gone leaves no root; after a look at all roots, whatever problems
        are on record are this dar's."""
        assert self._writer is not None
        for target, result in self._scans:
            if not result.files and is_deleted(target):
                self._writer.forget(target)
        roots = {root.path for root in self._catalog.roots()}
        if roots <= set(self._listed) and self._catalog.meta(_READS) != str(READS):
            with self._writer.catalog.transaction():
                self._writer.catalog.put_meta(_READS, str(READS))

    def _skipped(self) -> dict[str, int]:
        skipped: Counter[str] = Counter()
        for _, result in self._scans:
            skipped.update(result.skipped)
        return dict(sorted(skipped.items()))

    def _unmatched(self) -> tuple[str, ...]:
        first, *others = [result.unmatched for _, result in self._scans] or [()]
        return tuple(pattern for pattern in first if all(pattern in other for other in others))

    def _notes(self) -> int:
        listed = self._listed
        return sum(within(os.fsencode(note.path), listed) for note in self._catalog.notes())

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
            notes=self._notes(),
            skipped=self._skipped(),
            unmatched=self._unmatched(),
        )


def _nothing_known(content_hash: bytes) -> bool:
    return False


def _unread(candidate: Candidate) -> Reading:
    raise RuntimeError("no encoder is loaded")


def _finish(catalog: Catalog, writer: LibraryWriter, target: Target, options: IndexOptions) -> Iterator[RunNote]:
    """Switches to the run's encoder if that was asked for, and brings peaks, sketches and graphs up to date."""
    encoder, record = target.encoder, target.record
    if encoder is not None and record is not None:
        if target.switches and not record.active:
            writer.activate(record)
            if old := target.replaced:
                yield RunNote(
                    f"Searches use the encoder of this version of dar now, {record.encoder_id}."
                    f" `dar library drop {old.encoder_id}` frees the disk that the vectors of before take."
                )
        digest, _ = catalog.null_vectors(record)
        if options.null_texts and digest != null_digest(options.null_texts):
            writer.keep_null_vectors(options.null_texts, encoder.encode_texts(list(options.null_texts)))
    # Of libraries from before there were hashes, and of photos whose thumbnail was lost then.
    if unhashed := catalog.unhashed():
        if len(unhashed) > _MANY_THUMBNAILS:
            yield RunNote(
                f"Reading {len(unhashed):,} thumbnails once, to distinguish copies of a picture from similar ones."
            )
        writer.hash_pictures(unhashed)
    if not writer.is_finished():
        if catalog.counts()[1] > options.graph_threshold:
            yield RunNote("Bringing the search graph up to date.")
        writer.finish(options.threads, options.graph_threshold, options.compact_above)
    active = target.searched_instead()
    if record is not None and active is None and (lacking := len(unembedded(catalog, record.id))):
        yield RunNote(
            f"{lacking:,} photos, of folders that could not be looked at, have no vectors of {record.spec} yet and are"
            " not found until `dar index` sees them."
        )
    if active is None or record is None:
        return
    yield RunNote(f"Searches still use {active.spec}; `dar library use {record.spec}` makes them use {record.spec}.")
    if lacking := len(unembedded(catalog, active.id)):
        yield RunNote(f"{active.spec} has no vectors yet of {lacking:,} photos; `dar index` makes them.")
