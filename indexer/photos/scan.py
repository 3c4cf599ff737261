"""Which files in a folder may be photos, and how many of which kinds are left out.

Lists names, sizes and times, and knows nothing of what is already in the library. Opens only files without suffix, for
their first bytes, and the .ppignore of a folder. Paths are bytes throughout, since a file name need not be valid text.
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
from typing import TYPE_CHECKING

from indexer.errors import DarError
from indexer.photos.file_facts import SIDECAR_SUFFIXES, sidecars_of, stamp_of
from indexer.photos.formats import (
    NO_SUFFIX,
    OTHER,
    accepted_suffixes,
    begins_like_a_photo,
    kind_left_out,
    left_out_suffixes,
)
from indexer.printable import stripped, visible

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

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
# Files that keep what lies beside and below them out of galleries: Android's, and PhotoPrism's list of names.
_NO_MEDIA, _IGNORE_FILE = b".nomedia", b".ppignore"
# Enough for any list written by hand.
_IGNORE_BYTES = 1 << 20
LINKED_FOLDER, LINKED_PHOTO = "linked folder", "linked photo"
EXCLUDED, NO_MEDIA, IGNORED = "excluded", "folder with .nomedia", "in .ppignore"
"""What else a scan leaves out, beside the kinds of `formats.kind_left_out`."""
# No photo is smaller, and each file without suffix that is larger is opened.
_LEAST_BYTES = 1_000


@dataclass(frozen=True)
class FoundFile:
    """A candidate: its path within the scanned folder ("/" between parts), size in bytes and time of last change.

    `sidecars`: paths within the scanned folder of the files that are about it; `stamp` changes when they do.
    """

    relpath: bytes
    size: int
    mtime_ns: int
    sidecars: tuple[bytes, ...] = ()
    stamp: int = NO_SIDECARS


@dataclass(frozen=True)
class ScanOptions:
    """What to leave out and what to let in.

    `exclude`: names ("Work", "*.png"), the last parts of paths ("life/Work") or whole paths ("~/Pictures/[old]"), as
    globs or literally; "./raw" is at the top of the scanned folder only. `*` also matches "/". A folder that matches
    is not entered. `iexclude`: the same in any case. `follow_links`: enter linked folders and take linked files.
    """

    exclude: tuple[str, ...] = ()
    include_hidden: bool = False
    follow_links: bool = False
    iexclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScanResult:
    """`files` and `unreadable` (sub-folder, reason) are sorted by path; b"" stands for what was scanned itself.

    What lies in an unreadable sub-folder is unknown, not gone. `missing_extra` counts, by suffix such as ".heic",
    the photos left out because what decodes them is not installed. `skipped` counts by kind all that is left out,
    those among it. `unmatched`: the patterns that left out nothing.
    """

    files: tuple[FoundFile, ...]
    unreadable: tuple[tuple[bytes, str], ...] = ()
    missing_extra: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()


def scan(folder: Path, options: ScanOptions | None = None) -> ScanResult:
    """Lists the candidate photos in `folder` and below; a file that is a candidate is itself the only one.

    Raises DarError if there is no such folder or file, if the folder cannot be listed or the file is no photo, and if
    the folder went away meanwhile: what is no longer there then may lie on a drive that was unplugged.
    """
    options = options or ScanOptions()
    if _is_file(folder):
        return ScanResult((_only_file(folder),), unmatched=(*options.exclude, *options.iexclude))
    before = _identity(folder)
    result = _Walk(os.fsencode(folder), options).run()
    if _is_file(folder) or _identity(folder) != before:
        raise DarError(
            f"The folder {visible(folder)} was replaced while it was listed.", "Check that its drive is mounted."
        )
    return result


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def is_deleted(path: bytes) -> bool:
    """Whether a file is gone from a folder that is there, not away with its drive (which leaves an empty folder)."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        try:
            with os.scandir(os.path.dirname(path)) as beside:  # noqa: PTH120 - pathlib takes no bytes
                return next(beside, None) is not None
        except OSError:
            return False
    except OSError:
        return False
    return False


def _is_file(path: Path) -> bool:
    """Whether it is a file that may be scanned by itself; raises DarError if it is no folder either."""
    shown = visible(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(path).close()
            return False
    except (FileNotFoundError, NotADirectoryError):
        raise DarError(
            f"There is no folder {shown}.", "Check the path, or that its drive or network share is mounted."
        ) from None
    except OSError as error:
        raise DarError(f"The folder {shown} cannot be read: {reason_of(error)}.", "Check its permissions.") from None
    if stat.S_ISREG(mode):
        return True
    raise DarError(f"{shown} is neither a folder nor a file.", "Give a photo, or the folder that holds it.")


def _only_file(path: Path) -> FoundFile:
    suffix = os.path.splitext(os.fsencode(path.name))[1].lower()  # noqa: PTH122 - pathlib takes no bytes
    if suffix not in accepted_suffixes() and not _begins_like_a_photo(os.fsencode(path)):
        raise DarError(f"{visible(path)} is not a photo that can be read here.", "Give a photo, or a folder of photos.")
    status = path.stat()
    return FoundFile(b"", status.st_size, status.st_mtime_ns)


def _begins_like_a_photo(path: bytes) -> bool:
    """Raises nothing: a file that cannot be read is no photo, but counted."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return False
    try:
        return begins_like_a_photo(os.read(descriptor, 16))
    except OSError:
        return False
    finally:
        os.close(descriptor)


def reason_of(error: OSError) -> str:
    """The system's own words for an error, in lower case: "permission denied"."""
    text = stripped(error.strerror or str(error) or "unknown error")
    return text[:1].lower() + text[1:]


@dataclass(frozen=True)
class _Folder:
    """A folder to enter, and the lists of names to ignore that it inherits, each with the folder it lies in."""

    relpath: bytes
    ignored: tuple[tuple[bytes, GitIgnoreSpec], ...] = ()


class _Walk:
    """One pass over one folder; a loop with its own stack, since folders nest deeper than Python's calls may."""

    def __init__(self, folder: bytes, options: ScanOptions) -> None:
        self._folder = folder
        self._options = options
        self._excluded = _Excluded(options, os.fsdecode(folder))
        self._accepted = accepted_suffixes()
        self._left_out = left_out_suffixes()
        self._files: list[FoundFile] = []
        self._unreadable: dict[bytes, str] = {}
        self._missing_extra: Counter[str] = Counter()
        # Of the folder being listed: .json and .xmp files by their names in lower case.
        self._sidecars: dict[bytes, tuple[bytes, int, int]] = {}
        self._skipped: Counter[str] = Counter()

    def run(self) -> ScanResult:
        entered: set[tuple[int, int]] = set()
        # Linked folders wait until all real ones are done, so that a photo is found under its own path first and
        # whichever link leads back to it is cut.
        real, linked = [_Folder(b"")], list[_Folder]()
        while real or linked:
            folder = real.pop() if real else linked.pop(0)
            path = self._absolute(folder.relpath)
            try:
                status = os.stat(path)  # noqa: PTH116 - pathlib takes no bytes
                identity = (status.st_dev, status.st_ino)
                if identity in entered:
                    continue
                entered.add(identity)
                with os.scandir(path) as listing:
                    entries = list(listing)
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed since its parent was listed
            except OSError as error:
                self._unreadable[folder.relpath] = _folder_reason(error)
                continue
            self._enter(folder, entries, real, linked)
        return ScanResult(
            tuple(sorted(self._files, key=lambda file: file.relpath)),
            tuple(sorted(self._unreadable.items())),
            dict(sorted(self._missing_extra.items())),
            dict(sorted(self._skipped.items())),
            self._excluded.unmatched(),
        )

    def _enter(
        self, folder: _Folder, entries: list[os.DirEntry[bytes]], real: list[_Folder], linked: list[_Folder]
    ) -> None:
        names = {entry.name for entry in entries}
        if _NO_MEDIA in names:
            self._skipped[NO_MEDIA] += 1
            return
        if _IGNORE_FILE in names:
            try:
                spec = _ignored_names(self._absolute(_join(folder.relpath, _IGNORE_FILE)))
            except OSError as error:
                # Which photos it keeps out is not known, so none is taken and none is gone.
                self._unreadable[folder.relpath] = f"its .ppignore cannot be read: {reason_of(error)}"
                return
            folder = _Folder(folder.relpath, (*folder.ignored, (folder.relpath, spec)))
        first = len(self._files)
        self._sidecars.clear()
        for entry in entries:
            self._sort(folder, entry, real, linked)
        self._add_sidecars(folder.relpath, first)

    def _sort(self, folder: _Folder, entry: os.DirEntry[bytes], real: list[_Folder], linked: list[_Folder]) -> None:
        """Takes a file, or notes a folder to enter later; passes over what is neither, litter, hidden or excluded."""
        name, follow = entry.name, self._options.follow_links
        relpath = _join(folder.relpath, name)
        lowered = name.lower()
        if lowered in _LITTER or lowered.startswith(_LITTER_PREFIXES):
            return
        if name.startswith(b".") and not self._options.include_hidden:
            return
        if self._excluded(name, relpath):
            self._skipped[EXCLUDED] += 1
            return
        try:
            if folder.ignored and _is_ignored(relpath, entry.is_dir(), folder.ignored):
                self._skipped[IGNORED] += 1
            elif entry.is_dir(follow_symlinks=False):
                real.append(_Folder(relpath, folder.ignored))
            elif not follow and entry.is_symlink():
                self._pass_link(entry)
            elif entry.is_symlink() and entry.is_dir():
                linked.append(_Folder(relpath, folder.ignored))
            elif entry.is_file(follow_symlinks=follow):
                self._take(relpath, entry)
        except (FileNotFoundError, NotADirectoryError):
            return  # removed since it was listed
        except OSError as error:
            if not entry.is_symlink():  # a link that leads nowhere (or to itself) is no loss
                self._unreadable[relpath] = _folder_reason(error)

    def _take(self, relpath: bytes, entry: os.DirEntry[bytes]) -> None:
        suffix = _suffix(entry.name)
        if suffix in SIDECAR_SUFFIXES:
            status = entry.stat(follow_symlinks=self._options.follow_links)
            self._sidecars[entry.name.lower()] = (entry.name, status.st_size, status.st_mtime_ns)
            return
        if suffix not in self._accepted:
            if suffix in self._left_out:
                self._missing_extra[os.fsdecode(suffix)] += 1
                self._skipped[os.fsdecode(suffix)] += 1
                return
            kind = kind_left_out(suffix)
            if kind != NO_SUFFIX or not self._is_nameless_photo(entry):
                self._skipped[kind] += 1
                return
        status = entry.stat(follow_symlinks=self._options.follow_links)
        self._files.append(FoundFile(relpath, status.st_size, status.st_mtime_ns))

    def _is_nameless_photo(self, entry: os.DirEntry[bytes]) -> bool:
        size = entry.stat(follow_symlinks=self._options.follow_links).st_size
        return size >= _LEAST_BYTES and _begins_like_a_photo(entry.path)

    def _pass_link(self, entry: os.DirEntry[bytes]) -> None:
        if entry.is_dir():
            self._skipped[LINKED_FOLDER] += 1
        elif entry.is_file():
            photo = _suffix(entry.name) in self._accepted | self._left_out
            self._skipped[LINKED_PHOTO if photo else OTHER] += 1

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


def _suffix(name: bytes) -> bytes:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - pathlib takes no bytes


def _ignored_names(path: bytes) -> GitIgnoreSpec:
    """A folder's .ppignore: names and globs as in .gitignore, in any case, for what lies beside and below it."""
    from pathspec import GitIgnoreSpec

    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - pathlib takes no bytes
        return GitIgnoreSpec.from_lines([])
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        lines = os.fsdecode(file.read(_IGNORE_BYTES)).lower().splitlines()
    understood: list[str] = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue  # a line that means nothing keeps nothing out
        understood.append(line)
    return GitIgnoreSpec.from_lines(understood)


def _is_ignored(relpath: bytes, is_folder: bool, ignored: tuple[tuple[bytes, GitIgnoreSpec], ...]) -> bool:
    ending = "/" if is_folder else ""
    return any(
        spec.match_file(os.fsdecode(relpath[len(base) + 1 if base else 0 :]).lower() + ending) for base, spec in ignored
    )


def _join(relpath: bytes, name: bytes) -> bytes:
    return relpath + b"/" + name if relpath else name


def _folder_reason(error: OSError) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "is nested too deep: its path is longer than the system allows"
    return f"cannot be listed: {reason_of(error)}"


class _Excluded:
    """Whether a name or a path within the scanned folder is one that the user wants left out."""

    def __init__(self, options: ScanOptions, folder: str) -> None:
        self._prefix = folder.rstrip("/") + "/"
        # "Pictures/private" is what one writes beside the folder Pictures.
        self._named = os.path.basename(folder.rstrip("/")) + "/"  # noqa: PTH119 - need not be valid text
        self._patterns = [_Pattern(given, folder, re.NOFLAG) for given in options.exclude]
        self._patterns += [_Pattern(given, folder, re.IGNORECASE) for given in options.iexclude]

    def __call__(self, name: bytes, relpath: bytes) -> bool:
        if not self._patterns:
            return False
        shown, path = os.fsdecode(name), os.fsdecode(relpath)
        found = False
        for pattern in self._patterns:
            # All of them, since those that match nothing are reported.
            if pattern.matches(shown, path, self._named + path, self._prefix + path):
                pattern.used = found = True
        return found

    def unmatched(self) -> tuple[str, ...]:
        """The patterns that left out nothing, as they were given."""
        return tuple(dict.fromkeys(pattern.given for pattern in self._patterns if not pattern.used and pattern.given))


class _Pattern:
    """One pattern, tried as a glob and literally, since names hold brackets too."""

    def __init__(self, given: str, folder: str, flags: re.RegexFlag) -> None:
        self.given = given
        self.used = False
        text = os.path.expanduser(given)  # noqa: PTH111 - pathlib raises for a user who is not there
        text = text.rstrip("/") or text
        names, tops, tails, paths = [], [], [], []
        if text.startswith("/"):
            # Folders are scanned under their real path; a link may have been followed on the way to this one.
            paths = [text, os.path.realpath(text)]
        elif text.startswith("./"):
            tops = [text[2:]]
        elif text.startswith("../"):
            paths = [os.path.realpath(text)]
        elif "/" in text:
            tails = [text]
            if os.path.lexists(text):  # beside where the command runs
                paths = [os.path.realpath(text)]
        elif text:
            names = [text]
        # A name that is there is meant, though its brackets are a glob's.
        near = (text, os.path.join(folder, text), os.path.join(os.path.dirname(folder), text))  # noqa: PTH118, PTH120
        as_glob = "(?!)" if any(map(os.path.lexists, near)) else ""
        self._expressions = tuple(
            re.compile(
                "|".join(f"{before}(?:{as_glob}{translate(each)}|{re.escape(each)}\\Z)" for each in texts), flags
            )
            if texts
            else None
            for texts, before in ((names, ""), (tops, ""), (tails, "(?s:.*/)?"), (paths, ""))
        )

    def matches(self, *texts: str) -> bool:
        """Whether the name, the path below the scanned folder, the same with that folder's name, or the whole path
        matches."""
        return any(
            expression is not None and expression.match(text) is not None
            for expression, text in zip(self._expressions, texts, strict=True)
        )
