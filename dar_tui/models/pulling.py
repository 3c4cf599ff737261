"""Fetches a model from the hub: resumed after an interruption, and checked before it counts.

The hub's own client starts a file again after an interruption and compares sizes only, so the bytes are fetched here,
into the files that client keeps them in; it then lays out the folder that models are loaded from. Tokens are those of
the client's own login. This is the only place in dar that reaches the hub.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import logging as levels
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dar_tui.models.hub_files import PARTIAL, HubSource, cache_folder, needed_files, storage_of
from indexer.encoders.conversion import as_safetensors, is_pickled
from indexer.errors import DarError, ModelUnavailable
from indexer.runtime import first_line

_CHUNK = 1 << 20
_ONLY_ERRORS = levels.ERROR


@dataclass(frozen=True)
class PullProgress:
    """`done` of `total` bytes of the model are here; `file` is being fetched or, with `checking`, read back."""

    file: str
    done: int
    total: int
    checking: bool = False


@dataclass(frozen=True)
class Pulled:
    """What a pull has done: the model's folder, its size, and how many bytes came over the network for it."""

    folder: Path
    size: int
    loaded: int


@dataclass(frozen=True)
class _Wanted:
    """One file: `digest` is the SHA-256 of large files, git's SHA-1 of small ones, and the file's name in the cache."""

    name: str
    size: int
    digest: str


def pull(source: HubSource, tell: Callable[[PullProgress], None]) -> Pulled:
    """Fetches what is missing, verifies everything, and returns once the model can be loaded without a network.

    What an interrupted pull has fetched is kept and resumed. Raises ModelUnavailable with what to do: a name that
    does not exist, a licence to accept first, no network, a full disk, files that came damaged.
    """
    from filelock import FileLock, Timeout

    storage = storage_of(source.hub_id)
    blobs = storage / "blobs"
    with _online(), _explained(source):
        commit, wanted = _listing(source)
        blobs.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(storage / ".dar-pull.lock", timeout=0):
                loaded = _fetch_all(source, commit, wanted, blobs, tell)
                folder = _lay_out(source, commit, wanted, storage)
                # Once here rather than at the first index run; also finds out whether they hold anything but weights.
                as_safetensors([folder / file.name for file in wanted if is_pickled(file.name)], check=True)
        except Timeout:
            raise ModelUnavailable(
                f"Another dar is pulling {source.hub_id} just now.", "Wait for it, or stop it."
            ) from None
    return Pulled(folder, sum(file.size for file in wanted), loaded)


def _listing(source: HubSource) -> tuple[str, list[_Wanted]]:
    """The newest commit, and the files of it that the model needs."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi()
    commit = str(api.model_info(source.hub_id).sha)
    files = {
        entry.path: _Wanted(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id)
        for entry in api.list_repo_tree(source.hub_id, recursive=True, revision=commit)
        if isinstance(entry, RepoFile)
    }
    return commit, [files[name] for name in needed_files(files, source)]


def _fetch_all(
    source: HubSource, commit: str, wanted: list[_Wanted], blobs: Path, tell: Callable[[PullProgress], None]
) -> int:
    total = sum(file.size for file in wanted)
    missing = sum(file.size - _there(blobs, file) for file in wanted)
    free = shutil.disk_usage(blobs).free
    if missing > free:
        raise ModelUnavailable(
            f"{source.hub_id} needs {missing / 1e9:.1f} GB more on the disk of {cache_folder()}, which has "
            f"{free / 1e9:.1f} GB left.",
            "Free some space, or set HF_HUB_CACHE to a folder on another disk.",
        )
    done = loaded = 0
    for file in sorted(wanted, key=lambda each: each.size):
        before = _there(blobs, file)
        if not (blobs / file.digest).exists():
            _fetch(source, commit, file, blobs, _Telling(tell, file.name, done, total))
            loaded += file.size - before
        tell(PullProgress(file.name, done + file.size, total, checking=True))
        _check(source, file, blobs)
        done += file.size
    return loaded


@dataclass(frozen=True)
class _Telling:
    """Tells how far the whole pull is, from how far one file is."""

    tell: Callable[[PullProgress], None]
    file: str
    before: int
    total: int

    def __call__(self, here: int) -> None:
        self.tell(PullProgress(self.file, self.before + here, self.total))


def _there(blobs: Path, file: _Wanted) -> int:
    """Bytes of this file that need not be fetched again."""
    for path in (blobs / file.digest, blobs / (file.digest + PARTIAL)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _fetch(source: HubSource, commit: str, file: _Wanted, blobs: Path, tell: Callable[[int], None]) -> None:
    """Loads the rest of one file and gives it its name, unchecked."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    partial = blobs / (file.digest + PARTIAL)
    partial.touch()
    if partial.stat().st_size > file.size:  # something else's
        partial.write_bytes(b"")
    with partial.open("r+b") as stream:
        here = stream.seek(0, 2)
        tell(here)
        http_get(
            hf_hub_url(source.hub_id, file.name, revision=commit),
            _Counting(stream, tell),  # type: ignore[arg-type]
            resume_size=here,
            # A compressed answer could not be resumed in the middle.
            headers={**build_hf_headers(), "Accept-Encoding": "identity"},
            expected_size=file.size,
        )
    partial.replace(blobs / file.digest)


class _Counting:
    """A file that tells how far it is written."""

    def __init__(self, stream: IO[bytes], tell: Callable[[int], None]) -> None:
        self._stream = stream
        self._tell = tell

    def write(self, chunk: bytes) -> int:
        written = self._stream.write(chunk)
        self._tell(self._stream.tell())
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _check(source: HubSource, file: _Wanted, blobs: Path) -> None:
    """Reads the file back. What differs is deleted, so that the next pull fetches it anew."""
    path = blobs / file.digest
    with path.open("rb") as stream:
        if len(file.digest) == 64:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        else:
            # What git calls a file: SHA-1 over a header and the contents.
            sha1 = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
            while chunk := stream.read(_CHUNK):
                sha1.update(chunk)
            digest = sha1.hexdigest()
    if digest != file.digest:
        path.unlink()
        raise ModelUnavailable(
            f"{file.name} of {source.hub_id} is damaged: its checksum is {digest[:12]}..., not {file.digest[:12]}... .",
            f"It is deleted; run `dar models pull {source}` again to fetch it anew.",
        )


def _lay_out(source: HubSource, commit: str, wanted: list[_Wanted], storage: Path) -> Path:
    """Lets the hub's client make the folder of names for the files, and says that it is the newest."""
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        source.hub_id, revision=commit, allow_patterns=[glob.escape(file.name) for file in wanted]
    )
    refs = storage / "refs"
    refs.mkdir(exist_ok=True)
    unfinished = refs / ".dar-main"
    unfinished.write_text(commit, encoding="ascii")
    unfinished.replace(refs / "main")
    return Path(folder)


@contextmanager
def _online() -> Iterator[None]:
    """Lets the hub's client out, quietly; everywhere else dar keeps it in."""
    from huggingface_hub import constants, logging
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    offline, loudness, quiet = constants.HF_HUB_OFFLINE, logging.get_verbosity(), are_progress_bars_disabled()
    constants.HF_HUB_OFFLINE = False
    logging.set_verbosity(_ONLY_ERRORS)
    disable_progress_bars()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        logging.set_verbosity(loudness)
        if not quiet:
            enable_progress_bars()


@contextmanager
def _explained(source: HubSource) -> Iterator[None]:
    """Turns what the hub's client raises into what to do."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    page = f"https://huggingface.co/{source.hub_id}"
    again = f"run `dar models pull {source}` again to continue"
    try:
        yield
    except DarError:
        raise
    except GatedRepoError:
        raise ModelUnavailable(
            f"The model {source.hub_id} is gated: its licence has to be accepted first.",
            f"Accept it at {page}, log in with `hf auth login`, and pull again.",
        ) from None
    except RepositoryNotFoundError:
        raise ModelUnavailable(
            f"The hub has no model {source.hub_id}, or it is private.",
            "Check the name; for a private model log in with `hf auth login` first.",
        ) from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise ModelUnavailable(
                f"The hub refuses to give out {source.hub_id} ({status}).",
                f"Log in with `hf auth login`, and see at {page} whether its licence has to be accepted.",
            ) from error
        raise ModelUnavailable(
            f"The hub failed while {source.hub_id} was pulled ({status}).", f"What came is kept; {again}."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ModelUnavailable(
                f"The disk of {cache_folder()} is full.", f"What came is kept; free some space and {again}."
            ) from error
        raise ModelUnavailable(f"The pull of {source.hub_id} failed: {first_line(error)}.", f"Then {again}.") from error
    # Errors of whichever HTTP library the client uses; they have no base of ours.
    except Exception as error:
        raise ModelUnavailable(
            f"The connection to the hub failed: {first_line(error)}.", f"Check the network; what came is kept: {again}."
        ) from error
