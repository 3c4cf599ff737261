"""Which pulled models are on this machine, how much room they take, and taking them away again.

Reads the folder the hub's client keeps (HF_HOME, HF_HUB_CACHE), which other programs share. Reaches no network.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from dar_tui.models.source import Source, is_local, sources_of
from indexer.errors import ModelUnavailable

# A download of ours that is not finished; see `pulling`.
PARTIAL = ".dar-part"


def cache_folder() -> Path:
    """Where the hub's client keeps models."""
    # Not a constant here: the client reads it from the environment, and tests move it.
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def storage_of(hub_id: str) -> Path:
    """The folder that holds all of one repository, there or not."""
    return cache_folder() / f"models--{hub_id.replace('/', '--')}"


def snapshot_of(source: Source) -> Path | None:
    """The folder with the model's files, or None if it is not here or not whole."""
    storage = storage_of(source.hub_id)
    try:
        commit = (storage / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    snapshot = storage / "snapshots" / commit
    if not commit or not snapshot.is_dir():
        return None
    if source.file:
        return snapshot if (snapshot / source.file).is_file() else None
    # A pull names its files only once all are there and checked; what other programs began may lack some.
    kind = "*.safetensors" if source.has_weights else "*"
    return snapshot if any(path.is_file() for path in snapshot.rglob(kind)) else None


def is_here(spec: str) -> bool:
    """Whether what the spec names can be loaded without a network, as far as the disk tells."""
    sources = sources_of(spec)
    if sources:
        return all(snapshot_of(source) is not None for source in sources)
    family, _, rest = spec.partition(":")
    # What else names a file is its loader's to judge.
    return family not in ("diffusers", "transformers") or is_local(rest)


def check_here(spec: str) -> None:
    """Raises ModelUnavailable, with the command that pulls it, for a model that is not on this machine."""
    if is_here(spec):
        return
    missing = [source for source in sources_of(spec) if snapshot_of(source) is None]
    if not missing:
        raise ModelUnavailable(
            f"There is no model at {spec.partition(':')[2]}.", "Give a folder that exists, or a hub id `owner/name`."
        )
    raise ModelUnavailable(
        f"The model {missing[0]} is not on this machine.", f"Download it with `dar models pull {spec}`."
    )


def size_on_disk(hub_id: str) -> int:
    """Bytes that the repository's files take, unfinished ones included."""
    blobs = storage_of(hub_id) / "blobs"
    return sum(path.stat().st_size for path in blobs.iterdir() if path.is_file()) if blobs.is_dir() else 0


def is_partial(hub_id: str) -> bool:
    """Whether a pull of this repository was cut short."""
    return any((storage_of(hub_id) / "blobs").glob(f"*{PARTIAL}"))


def remove(source: Source) -> int:
    """Deletes everything of the repository; returns how many bytes that frees. Raises ModelUnavailable if none is."""
    storage = storage_of(source.hub_id)
    if not storage.is_dir():
        raise ModelUnavailable(
            f"The model {source.hub_id} is not on this machine.", "`dar models` lists those that are."
        )
    freed = size_on_disk(source.hub_id)
    shutil.rmtree(storage)
    shutil.rmtree(cache_folder() / ".locks" / storage.name, ignore_errors=True)
    return freed
