"""What an index run is to do: its options, its encoder, which files to read, and the count of what became of them.

A scan is compared with the catalog by sizes and times; no photo is opened here. Paths are absolute bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.encoders import Successor, is_retired
from indexer.errors import EncoderMismatch
from indexer.indexing.events import Counts
from indexer.indexing.writer import COMPACT_ABOVE, GRAPH_THRESHOLD, FileProblem, LibraryWriter
from indexer.paths import join, relative, within
from indexer.photos.facts import RULES
from indexer.photos.scan import FoundFile, ScanOptions, ScanResult
from indexer.search.strength import NULL_TEXTS
from indexer.store.catalog import Catalog, EncoderRecord, FileRecord

if TYPE_CHECKING:
    from indexer.encoders import Encoder

# Stands for the size of what could not be looked at, in the table of problems: no file has it, so the next run looks
# again.
UNKNOWN_SIZE = -1


@dataclass(frozen=True)
class IndexOptions:
    """How to index.

    `workers`: reading threads, 0 for one per processor. `batch_size`: photos encoded together, 0 for as many as the
    encoder is fastest with. `encoder_spec`: what the encoder is called on the command line;
    "" is the one searches use, another one's vectors go beside that one's. `switch_encoder`: encode everything with it,
    then search with it. `retry_problems`: read broken files again though they have not changed.
    `null_texts`: texts no photo matches, to judge the strength of matches by. `vectors`: where a new library's vectors
    shall be ("": in its folder; "qdrant:URL": on a server). `dry_run`: only say what would be done.
    """

    workers: int = 0
    batch_size: int = 0
    scan: ScanOptions = field(default_factory=ScanOptions)
    dry_run: bool = False
    retry_problems: bool = False
    encoder_spec: str = ""
    switch_encoder: bool = False
    null_texts: tuple[str, ...] = NULL_TEXTS
    vectors: str = ""
    graph_threshold: int = GRAPH_THRESHOLD
    compact_above: int = COMPACT_ABOVE

    @property
    def threads(self) -> int:
        """How many threads read."""
        return self.workers or os.cpu_count() or 1


class Target:
    """The encoder of one run. `spec` is what it is called on the command line ("": the one searches use).

    `record`: what the library knows of it; None until its first photo. `encoder`: None until something is encoded.
    """

    def __init__(
        self,
        catalog: Catalog,
        writer: LibraryWriter | None,
        source: Encoder | Callable[[], Encoder],
        spec: str,
        switch: bool,
    ) -> None:
        self._catalog = catalog
        self._writer = writer
        self._source = source
        self._spec = spec
        self.switches = switch
        self.encoder: Encoder | None = None
        self.record: EncoderRecord | None = catalog.encoder_named(spec)
        # The active encoder, where this run's takes its place.
        self.replaced: EncoderRecord | None = None

    def identify(self) -> None:
        """Loads the encoder now where its name does not show whether the library has its vectors already."""
        if self._writer is None or self._catalog.active_encoder() is None:
            return
        # A new version of dar may bring other weights under the same name: whoever asks to switch means those too.
        if self.switches or self.record is None or is_retired(self.record.encoder_id):
            self.load()

    def load(self) -> tuple[Encoder, EncoderRecord]:
        """The encoder, loaded once, and its record. Raises EncoderMismatch if its weights are not those of before."""
        assert self._writer is not None
        if self.encoder is None:
            encoder = self._source() if callable(self._source) else self._source
            known = self.record
            if known is not None and isinstance(encoder, Successor) and encoder.replaces(known.encoder_id):
                # Beside the vectors of before, which are searched until the last of the new ones is there.
                self.replaced = known if known.active else None
                self.switches = self.switches or known.active
            elif known is not None and known.encoder_id != encoder.id and not self.switches:
                raise EncoderMismatch(
                    f"The library's vectors are of the encoder {known.encoder_id}, not {encoder.id}.",
                    "Add --switch-encoder to encode its photos again, or use another --library.",
                )
            spec = self._spec or (known.spec if known is not None else encoder.id)
            self.record = self._writer.use_encoder(spec, encoder.id, encoder.dim, encoder.visual_dim)
            self.encoder = encoder
        assert self.record is not None
        return self.encoder, self.record

    def searched_instead(self) -> EncoderRecord | None:
        """The encoder that searches use, where that is not this one."""
        active = self._catalog.active_encoder()
        return active if active is not None and self.record is not None and active.id != self.record.id else None


@dataclass(frozen=True)
class Candidate:
    """A file that has to be read, and what the catalog knows at its path.

    `sidecars`: absolute paths; `stamp`: theirs, 0 if nobody looked for them. `outdated`: the image's bytes were read by
    older rules.
    """

    path: bytes
    size: int
    mtime_ns: int
    known: FileRecord | None
    sidecars: tuple[bytes, ...] = ()
    stamp: int = 0
    outdated: bool = False


@dataclass(frozen=True)
class Plan:
    """`familiar` files are as long as an image the library knows, so their hash may decide them without decoding;
    `fresh` ones cannot be known. `gone` are known files that are no longer there; `solved` are paths whose problem is.
    `broken` counts files that failed before and have not changed since. `refresh` are unchanged files whose facts
    have to be read again: their sidecars changed, or the rules.
    """

    unchanged: int
    broken: int
    familiar: tuple[Candidate, ...]
    fresh: tuple[Candidate, ...]
    gone: dict[bytes, FileRecord]
    solved: tuple[bytes, ...]
    unlisted: tuple[FileProblem, ...]
    refresh: tuple[Candidate, ...] = ()


def make_plan(
    catalog: Catalog, scans: Sequence[tuple[bytes, ScanResult]], *, own: bytes, retry_problems: bool = False
) -> Plan:
    """Compares each scanned folder with the catalog; the library's `own` folder is never taken for photos."""
    unchanged = broken = 0
    familiar: list[Candidate] = []
    fresh: list[Candidate] = []
    gone: dict[bytes, FileRecord] = {}
    solved: list[bytes] = []
    unlisted: list[FileProblem] = []
    refresh: list[Candidate] = []
    outdated = catalog.outdated_images(RULES)
    for folder, result in scans:
        known = dict(catalog.files_in(folder))
        failed = {path: (size, mtime_ns) for path, size, mtime_ns, _ in catalog.problems_in(folder)}
        for file in result.files:
            path = join(folder, file.relpath)
            if relative(path, own) is not None:
                continue
            record = known.pop(path, None)
            failure = failed.pop(path, None)
            if record is not None and (record.size, record.mtime_ns) == (file.size, file.mtime_ns):
                unchanged += 1
                if record.stamp != file.stamp or record.image_id in outdated:
                    refresh.append(_candidate(folder, file, record, outdated=record.image_id in outdated))
            elif failure == (file.size, file.mtime_ns) and not retry_problems:
                broken += 1
            else:
                (familiar if catalog.has_size(file.size) else fresh).append(_candidate(folder, file, record))
        # What lies in a folder that cannot be listed is unknown, not gone.
        hidden = [join(folder, relpath) for relpath, _ in result.unreadable]
        gone.update({path: record for path, record in known.items() if not within(path, hidden)})
        solved += [path for path in failed if path in hidden or not within(path, hidden)]
        unlisted += [
            FileProblem(join(folder, relpath), UNKNOWN_SIZE, 0, reason) for relpath, reason in result.unreadable
        ]
    return Plan(
        *(unchanged, broken, tuple(familiar), tuple(fresh), gone, tuple(solved), tuple(unlisted), tuple(refresh))
    )


def _candidate(folder: bytes, file: FoundFile, known: FileRecord | None, *, outdated: bool = False) -> Candidate:
    sidecars = tuple(join(folder, sidecar) for sidecar in file.sidecars)
    return Candidate(join(folder, file.relpath), file.size, file.mtime_ns, known, sidecars, file.stamp, outdated)


class Ledger:
    """Pairs files that appeared with files that are gone, and counts."""

    def __init__(self, plan: Plan) -> None:
        self._gone = _by_image(plan.gone)
        self.added = self.changed = self.moved = self.removed = 0
        self.unchanged = plan.unchanged
        self.problems = plan.broken + len(plan.unlisted)

    def counts(self) -> Counts:
        """The counts so far."""
        return Counts(self.added, self.changed, self.moved, self.removed, self.unchanged, self.problems)

    def count(self, candidate: Candidate, image_id: int | None) -> bytes | None:
        """Counts a file that holds this image (None: a new one); returns the path it came from, if it moved."""
        if candidate.known is not None:
            if candidate.known.image_id == image_id:
                self.unchanged += 1
            else:
                self.changed += 1
            return None
        origin = self._origin(image_id) if image_id is not None else None
        if origin is None:
            self.added += 1
        else:
            self.moved += 1
        return origin

    def remove_rest(self) -> list[bytes]:
        """Counts the gone files that turned up nowhere as removed; returns their paths."""
        rest = [path for paths in self._gone.values() for path in paths]
        self._gone.clear()
        self.removed += len(rest)
        return rest

    def _origin(self, image_id: int) -> bytes | None:
        """A path that held this image and no longer does, each given out once."""
        # Only among what a scan found gone: a file of a folder that was not looked at may lie on a drive that is away.
        return self._gone[image_id].pop() if self._gone.get(image_id) else None


def _by_image(gone: Mapping[bytes, FileRecord]) -> dict[int, list[bytes]]:
    paths: dict[int, list[bytes]] = {}
    for path, record in sorted(gone.items(), reverse=True):
        paths.setdefault(record.image_id, []).append(path)
    return paths
