"""Photos brought together in a folder: copied, moved or linked, and how that is undone; their paths in a file.

Nothing is ever overwritten: a name that is taken gets a number, a file with the same bytes is left as it is. A file is
whole under its name or not there. Names are bytes, whatever they hold. Knows files, no library and no terminal.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from indexer.errors import DarError
from indexer.printable import visible

# What says when and where a photo was taken must stay beside it: Lightroom's and darktable's, and Google Takeout's.
_SIDECARS = (".xmp", ".XMP", ".json", ".supplemental-metadata.json")
# Of so many photos of one name in one folder none is kept by hand.
_MOST_NUMBERS = 10_000
# After one of these no further file will fit either.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Way(StrEnum):
    """How photos come into the folder. A link is symbolic, and names the photo by its whole path."""

    COPY = "copy"
    MOVE = "move"
    LINK = "link"


@dataclass(frozen=True)
class PlacedFile:
    """A file that was put somewhere. `stamp`: its size and time then, by which a later change of it is seen."""

    source: Path
    target: Path
    way: Way
    stamp: tuple[int, int]


@dataclass(frozen=True)
class Collected:
    """What came of it. `placed`: in the order of their photos, sidecars after theirs. `there`: photos whose bytes were
    in the folder already. `failed`: (photo, reason). `made`: the folders that were made, outermost first.
    """

    way: Way
    folder: Path
    photos: int
    placed: tuple[PlacedFile, ...] = ()
    there: tuple[Path, ...] = ()
    failed: tuple[tuple[Path, str], ...] = ()
    made: tuple[Path, ...] = ()

    @property
    def words(self) -> str:
        """One line that reports it."""
        verb = {Way.COPY: "Copied", Way.MOVE: "Moved", Way.LINK: "Linked"}[self.way]
        line = f"{verb} {_photos(self.photos)} to {visible(self.folder)}"
        if self.there:
            line += f"; {_photos(len(self.there))} there already"
        if self.failed:
            path, reason = self.failed[0]
            line += f"; {_photos(len(self.failed))} not: {visible(path.name)}: {reason}"
        return f"{line}."


def _photos(count: int) -> str:
    return f"{count:,} photo{'' if count == 1 else 's'}"


def collect(files: Sequence[Path], folder: Path, way: Way) -> Collected:
    """Copies, moves or links files into `folder`, which is made if need be.

    A file that fails is reported and the others follow, unless the disk is full. Raises DarError where the folder
    cannot be made.
    """
    made = tuple(_make(folder))
    placed: list[PlacedFile] = []
    there: list[Path] = []
    failed: list[tuple[Path, str]] = []
    photos = 0
    files = list(dict.fromkeys(files))
    for at, source in enumerate(files):
        try:
            target = _free(source, folder)
            if target is None:
                there.append(source)
                continue
            placed.append(_place(source, target, way))
            photos += 1
            placed += _sidecars(source, placed[-1].target, way)
        except OSError as error:
            reason = error.strerror or str(error)
            failed.append((source, reason))
            if error.errno in _FULL:
                failed += [(each, reason) for each in files[at + 1 :]]
                break
    return Collected(way, folder, photos, tuple(placed), tuple(there), tuple(failed), made)


def take_back(collected: Collected) -> list[str]:
    """Undoes it, latest first; returns a line for each file that stays because it was changed or its place is taken."""
    stays: list[str] = []
    for file in reversed(collected.placed):
        try:
            if _stamp(file.target) != file.stamp:
                stays.append(f"{visible(file.target)} was changed and stays.")
            elif file.way is Way.MOVE:
                file.source.parent.mkdir(parents=True, exist_ok=True)
                _move(file.target, file.source)
            else:
                file.target.unlink()
        except FileExistsError:
            stays.append(f"{visible(file.target)} stays: {visible(file.source)} is there again.")
        except FileNotFoundError:
            stays.append(f"{visible(file.target)} is not there any more.")
        except OSError as error:
            stays.append(f"{visible(file.target)} stays: {error.strerror or error}.")
    for folder in reversed(collected.made):
        # What somebody has put there meanwhile keeps it.
        with contextlib.suppress(OSError):
            folder.rmdir()
    return stays


def write_paths(files: Sequence[Path], path: Path) -> None:
    """Writes the paths, one a line, into a new file; into one named *.nul ended by NUL bytes, as `xargs -0` reads them.

    Raises DarError where the file is there, cannot be written, or a path with a line break would become two lines.
    """
    end = b"\0" if path.suffix == ".nul" else b"\n"
    names = [os.fsencode(file) for file in files]
    if any(end in name for name in names):
        raise DarError("A path here has a line break in it.", "End the file's name in .nul: NUL bytes part the paths.")

    def write(target: int) -> None:
        with os.fdopen(target, "wb", closefd=False) as file:
            file.write(b"".join(name + end for name in names))

    try:
        _written(path, write)
    except FileExistsError as error:
        raise DarError(f"{visible(path)} is there already.", "Choose another name.") from error
    except OSError as error:
        raise DarError(f"{visible(path)} cannot be written: {error.strerror or error}.", "Choose another.") from error


def _make(folder: Path) -> Iterator[Path]:
    """Makes a folder and its missing parents; yields what was made."""
    missing = []
    for each in (folder, *folder.parents):
        if each.exists():
            break
        missing.append(each)
    try:
        for each in reversed(missing):
            each.mkdir()
            yield each
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise DarError(f"{visible(folder)} cannot be made: {error.strerror or error}.", "Choose another.") from error


def _free(source: Path, folder: Path) -> Path | None:
    """A name that is free in the folder; None if the file, or one with its bytes, is there under such a name."""
    for number in range(1, _MOST_NUMBERS):
        target = folder / (source.name if number == 1 else f"{source.stem}-{number}{source.suffix}")
        if not os.path.lexists(target):
            return target
        with contextlib.suppress(OSError):
            if target.samefile(source) or filecmp.cmp(source, target, shallow=False):
                return None
    raise FileExistsError(errno.EEXIST, "too many photos of this name")


def _place(source: Path, target: Path, way: Way) -> PlacedFile:
    if way is Way.LINK:
        target.symlink_to(source.absolute())
    elif way is Way.MOVE:
        if source.is_symlink():
            # Moved, a relative one would lead nowhere; and what it names is not what was asked for.
            raise OSError(errno.EINVAL, "it is a link; copy it instead")
        _move(source, target)
    else:
        _copy(source, target)
    return PlacedFile(source, target, way, _stamp(target))


def _sidecars(source: Path, target: Path, way: Way) -> Iterator[PlacedFile]:
    """Takes along what belongs to a photo, under its new name."""
    named = [(source.name + suffix, target.name + suffix, way) for suffix in _SIDECARS]
    # IMG.xmp may belong to IMG.dng as well, so it is never moved away from there.
    shared = Way.COPY if way is Way.MOVE else way
    named += [(source.stem + suffix, target.stem + suffix, shared) for suffix in _SIDECARS[:2]]
    seen: list[Path] = []
    for name, becomes, how in named:
        file = source.with_name(name)
        # A disk that ignores case has one file under both spellings.
        # os.path's, since a name with an ending may be longer than names may be, which pathlib takes for an error.
        if os.path.isfile(file) and not any(file.samefile(each) for each in seen):  # noqa: PTH113
            seen = [*seen, file] if how is not Way.MOVE else seen
            with contextlib.suppress(FileExistsError):
                yield _place(file, target.with_name(becomes), how)


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.lstat()
    return facts.st_size, facts.st_mtime_ns


def _move(source: Path, target: Path) -> None:
    """Raises FileExistsError where the target is there."""
    _reserve(target)
    try:
        try:
            source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # To another disk: the photo is removed here only once its copy has been read back whole.
            _fill(source, target)
            if not filecmp.cmp(source, target, shallow=False):
                raise OSError(errno.EIO, "the copy is not the same") from error
            source.unlink()
    except OSError:
        # Removing the photo is the last step, so that whatever failed, it is still there.
        target.unlink(missing_ok=True)
        raise


def _copy(source: Path, target: Path) -> None:
    """Raises FileExistsError where the target is there."""
    with source.open("rb"):
        _reserve(target)
    try:
        _fill(source, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _reserve(target: Path) -> None:
    """Takes the name by an empty file, which only one process can make; what follows replaces that file."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _fill(source: Path, reserved: Path) -> None:
    """Puts a copy, with its times, in the place of the reserved name once it is whole on the disk."""
    # A name of its own: the photo's with an ending could be longer than names may be.
    temporary = reserved.with_name(f".dar-{os.getpid()}-{threading.get_ident()}.part")
    try:
        shutil.copyfile(source, temporary)
        shutil.copystat(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(reserved)
    finally:
        temporary.unlink(missing_ok=True)


def _written(path: Path, write: Callable[[int], None]) -> None:
    """Makes a new file; one that cannot be written whole is removed again."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        write(descriptor)
        os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
