"""What a scan means, held against the catalog: which files to read, which are gone, which are as they were.

Compares sizes and times only; opens no photo. Paths are absolute bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.indexing.batch import FileProblem
from indexer.paths import join, relative, within
from indexer.photos.scan import FoundFile, ScanResult
from indexer.photos.taken import RULES
from indexer.store.catalog import Catalog, FileRecord

# Stands for the size of what could not be looked at, in the table of problems: no file has it, so the next run looks
# again.
UNKNOWN_SIZE = -1


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
    """`familiar` files are as long as an image the library knows, so their hash may settle them without decoding;
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
