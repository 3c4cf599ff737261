"""Which files in a folder may be photos.

Lists names, sizes and times; opens no file and knows nothing of what is already in the library. Paths are bytes
throughout, since a file name need not be valid text.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import translate
from pathlib import Path

from indexer.errors import DarError
from indexer.photos.formats import accepted_suffixes, left_out_suffixes
from indexer.photos.sidecars import SIDECAR_SUFFIXES, sidecars_of, stamp_of
from indexer.printable import stripped, visible

# What operating systems and NAS boxes leave beside photos: indexes, thumbnails and recycle bins. Lower case.
_LITTER = frozenset(
    {
        *(b".ds_store", b".appledouble", b".spotlight-v100", b".fseventsd", b".trashes", b".trash", b"__macosx"),
        *(b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"$recycle.bin", b"recycler", b"system volume information"),
        *(b"@eadir", b"#recycle", b"@recycle", b".@__thumb", b"#snapshot", b".thumbnails", b"lost+found"),
    }
)
# .Trash-1000 and its like; ._IMG_1.jpg holds a Mac file's resource fork, not its picture.
_LITTER_PREFIXES = (b".trash-", b"._")
NO_SIDECARS = stamp_of(())
"""The stamp of a file that has none."""


@dataclass(frozen=True)
class FoundFile:
    """A candidate: its path within the scanned folder ("/" between parts), size in bytes and time of last change.

    `sidecars`: paths within the scanned folder of the files that tell of it; `stamp` changes when they do.
    """

    relpath: bytes
    size: int
    mtime_ns: int
    sidecars: tuple[bytes, ...] = ()
    stamp: int = NO_SIDECARS


@dataclass(frozen=True)
class ScanOptions:
    """What to leave out and what to let in.

    `exclude`: globs, matched on each name and on each path within the folder; a folder that matches is not entered.
    `*` also matches "/". `follow_links`: enter linked folders and take linked files.
    """

    exclude: tuple[str, ...] = ()
    include_hidden: bool = False
    follow_links: bool = False


@dataclass(frozen=True)
class ScanResult:
    """`files` and `unreadable` (sub-folder, reason) are sorted by path; b"" stands for the scanned folder itself.

    What lies in an unreadable sub-folder is unknown, not gone. `missing_extra` counts, by suffix such as ".heic",
    the photos left out because what decodes them is not installed.
    """

    files: tuple[FoundFile, ...]
    unreadable: tuple[tuple[bytes, str], ...] = ()
    missing_extra: Mapping[str, int] = field(default_factory=dict)


def scan(folder: Path, options: ScanOptions | None = None) -> ScanResult:
    """Lists the candidate photos in `folder` and below.

    Raises DarError if the folder is missing, is not a folder or cannot be listed, and if it went away meanwhile: what
    is no longer there then may lie on a drive that was unplugged.
    """
    options = options or ScanOptions()
    before = _check_folder(folder)
    result = _Walk(os.fsencode(folder), options).run()
    if _check_folder(folder) != before:
        raise DarError(
            f"The folder {visible(folder)} was replaced while it was listed.", "Check that its drive is mounted."
        )
    return result


def _check_folder(folder: Path) -> tuple[int, int]:
    """The folder's identity: its device and its number there."""
    shown = visible(folder)
    try:
        status = folder.stat()
        if stat.S_ISDIR(status.st_mode):
            os.scandir(folder).close()
            return status.st_dev, status.st_ino
    except FileNotFoundError:
        raise DarError(
            f"There is no folder {shown}.", "Check the path, or that its drive or network share is mounted."
        ) from None
    except OSError as error:
        raise DarError(f"The folder {shown} cannot be read: {reason_of(error)}.", "Check its permissions.") from None
    raise DarError(f"{shown} is a file, not a folder.", "Give the folder that holds it.")


def reason_of(error: OSError) -> str:
    """The system's own words for an error, in lower case: "permission denied"."""
    text = stripped(error.strerror or str(error) or "unknown error")
    return text[:1].lower() + text[1:]


class _Walk:
    """One pass over one folder; a loop with its own stack, since folders nest deeper than Python's calls may."""

    def __init__(self, folder: bytes, options: ScanOptions) -> None:
        self._folder = folder
        self._options = options
        self._excluded = _matcher(options.exclude, os.fsdecode(folder))
        self._accepted = accepted_suffixes()
        self._left_out = left_out_suffixes()
        self._files: list[FoundFile] = []
        self._unreadable: dict[bytes, str] = {}
        self._missing_extra: Counter[str] = Counter()
        # Of the folder being listed: .json and .xmp files by their names in lower case.
        self._sidecars: dict[bytes, tuple[bytes, int, int]] = {}

    def run(self) -> ScanResult:
        entered: set[tuple[int, int]] = set()
        # Linked folders wait until all real ones are done, so that a photo is found under its own path first and
        # whichever link leads back to it is cut.
        real, linked = [b""], list[bytes]()
        while real or linked:
            relpath = real.pop() if real else linked.pop(0)
            path = self._absolute(relpath)
            try:
                status = os.stat(path)  # noqa: PTH116 - pathlib takes no bytes
                identity = (status.st_dev, status.st_ino)
                if identity in entered:
                    continue
                entered.add(identity)
                first = len(self._files)
                self._sidecars.clear()
                with os.scandir(path) as entries:
                    for entry in entries:
                        self._sort(relpath, entry, real, linked)
                self._add_sidecars(relpath, first)
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed since its parent was listed
            except OSError as error:
                self._unreadable[relpath] = _folder_reason(error)
        return ScanResult(
            tuple(sorted(self._files, key=lambda file: file.relpath)),
            tuple(sorted(self._unreadable.items())),
            dict(sorted(self._missing_extra.items())),
        )

    def _sort(self, relpath: bytes, entry: os.DirEntry[bytes], real: list[bytes], linked: list[bytes]) -> None:
        """Takes a file, or notes a folder to enter later; passes over what is neither, litter, hidden or excluded."""
        name, follow = entry.name, self._options.follow_links
        lowered = name.lower()
        if lowered in _LITTER or lowered.startswith(_LITTER_PREFIXES):
            return
        if name.startswith(b".") and not self._options.include_hidden:
            return
        if self._excluded is not None and self._excluded(name, _join(relpath, name)):
            return
        try:
            if entry.is_dir(follow_symlinks=False):
                real.append(_join(relpath, name))
            elif follow and entry.is_symlink() and entry.is_dir():
                linked.append(_join(relpath, name))
            elif entry.is_file(follow_symlinks=follow):
                self._take(relpath, entry)
        except (FileNotFoundError, NotADirectoryError):
            return  # removed since it was listed
        except OSError as error:
            if not entry.is_symlink():  # a link that leads nowhere (or to itself) is no loss
                self._unreadable[relpath] = _folder_reason(error)

    def _take(self, relpath: bytes, entry: os.DirEntry[bytes]) -> None:
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - pathlib takes no bytes
        if suffix in SIDECAR_SUFFIXES:
            status = entry.stat(follow_symlinks=self._options.follow_links)
            self._sidecars[entry.name.lower()] = (entry.name, status.st_size, status.st_mtime_ns)
            return
        if suffix in self._left_out:
            self._missing_extra[os.fsdecode(suffix)] += 1
        if suffix not in self._accepted:
            return
        status = entry.stat(follow_symlinks=self._options.follow_links)
        self._files.append(FoundFile(_join(relpath, entry.name), status.st_size, status.st_mtime_ns))

    def _add_sidecars(self, relpath: bytes, first: int) -> None:
        """Gives the files of one folder, listed from `first` on, what lies beside them."""
        names = {lowered: name for lowered, (name, _, _) in self._sidecars.items()}
        for place in range(first, len(self._files) if names else first):
            file = self._files[place]
            if beside := sidecars_of(os.path.basename(file.relpath), names):  # noqa: PTH119
                stamp = stamp_of([self._sidecars[name.lower()] for name in beside])
                paths = tuple(_join(relpath, name) for name in beside)
                self._files[place] = replace(file, sidecars=paths, stamp=stamp)

    def _absolute(self, relpath: bytes) -> bytes:
        return os.path.join(self._folder, relpath) if relpath else self._folder  # noqa: PTH118


def _join(relpath: bytes, name: bytes) -> bytes:
    return relpath + b"/" + name if relpath else name


def _folder_reason(error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "is nested too deep: its path is longer than the system allows"
    return f"cannot be listed: {reason_of(error)}"


class _Excluded:
    """Whether a name or a path within the folder matches one of the globs."""

    def __init__(self, globs: list[str]) -> None:
        self._pattern = re.compile("|".join(translate(glob) for glob in globs))

    def __call__(self, name: bytes, relpath: bytes) -> bool:
        return any(self._pattern.match(os.fsdecode(text)) for text in (name, relpath))


def _matcher(exclude: tuple[str, ...], folder: str) -> _Excluded | None:
    globs: list[str] = []
    for given in exclude:
        # A shell hands "~/Photos/private" over as an absolute path.
        glob = given.removeprefix(folder.rstrip("/") + "/").removeprefix("./").rstrip("/")
        globs.append(glob)
        if glob.startswith("**/"):
            globs.append(glob[3:])
    globs = [glob for glob in globs if glob]
    return _Excluded(globs) if globs else None
