"""The files behind a model spec: the hub repository, which of its files are needed, and which are on this machine.

Reads the folder the hub's client keeps (HF_HOME, HF_HUB_CACHE), which other programs share; knows the layouts that
diffusers, open_clip and transformers publish in. Reaches no network and loads no model.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from dar_tui.imagine.loras import MARK, loras_apart
from dar_tui.models.catalogue import card_of
from indexer.encoders.conversion import PICKLED, is_pickled
from indexer.encoders.weights import OPEN_CLIP_FILES, TRANSFORMERS_FILES
from indexer.errors import ModelUnavailable, UsageError
from indexer.paths import at_home
from indexer.runtime import HUB_ID

# What needs no weights of its own, or keeps them behind an address.
_NOTHING_TO_PULL = ("bundled", "rules", "server")
_ENCODERS = ("blip", "open_clip", "beit3")
_FAMILIES = ("diffusers", "transformers", *_ENCODERS)


@dataclass(frozen=True)
class HubSource:
    """A repository of the hub, and which files of it are meant: one; those of some patterns, and the first of the
    alternatives in `weights` that is there; or ("" and ()) those that its kind of model is loaded from."""

    hub_id: str
    file: str = ""
    patterns: tuple[str, ...] = ()
    weights: tuple[tuple[str, ...], ...] = ()

    def __str__(self) -> str:
        return f"{self.hub_id}#{self.file}" if self.file else self.hub_id

    @property
    def has_weights(self) -> bool:
        """Whether weights are among the files: some repositories only lend a tokenizer."""
        return not self.patterns or bool(self.weights)


def sources_of(spec: str) -> tuple[HubSource, ...]:
    """The repositories a spec's files come from; () where there is nothing to pull, such as for a local folder.

    Takes a bare hub id as well. Raises UsageError for a spec that means nothing, ModelUnavailable for a model that is
    not on the hub.
    """
    family, colon, rest = spec.partition(":")
    if family in _NOTHING_TO_PULL:
        return ()
    if not colon:
        family, rest = "", spec
    elif family not in _FAMILIES:
        raise UsageError(f"There is no model {spec!r}.", "`dar models` lists those dar knows.")
    if family == "diffusers" and MARK in rest:
        model, loras = loras_apart(rest)
        own = (HubSource(each.repository, each.file) for each in loras if each.repository)
        return (*sources_of(f"{family}:{model}"), *own)
    name, file = _file_apart(rest)
    if not name.strip():
        raise UsageError(f"The spec {spec!r} names no model.", "`dar models` lists those dar knows.")
    if is_local(rest):
        return ()
    card = card_of(spec)
    if card is not None:
        # Known without asking the family, which would import torch to tell.
        return (HubSource(card.hub_id),)
    if family in _ENCODERS:
        from indexer.encoders.families import hub_files

        return tuple(
            HubSource(each.repository, patterns=each.patterns, weights=each.weights) for each in hub_files(spec)
        )
    return (HubSource(name, file),) if HUB_ID.fullmatch(name) else ()


def is_local(name: str) -> bool:
    """Whether this is the name of a file or folder that is there, a GGUF file in it or LoRAs after it included."""
    name = name.partition(MARK)[0]
    try:
        return any(at_home(Path(each)).exists() for each in (name, _file_apart(name)[0]))
    except OSError:  # too long for a name
        return False


def _file_apart(rest: str) -> tuple[str, str]:
    name, _, file = rest.rpartition("#")
    return (name, file) if name and file.endswith((".gguf", _WEIGHTS)) else (rest, "")


PIPELINE_INDEX = "model_index.json"
OPEN_CLIP_CONFIG = "open_clip_config.json"

_WEIGHTS = ".safetensors"
_DESCRIPTIONS = (".json", ".txt", ".model", ".jinja")
# Weights in other formats, or of other kinds, that repositories keep beside those a model is loaded from.
_OTHER_WEIGHTS = (".fp16.", ".fp32.", ".bf16.", "non_ema", "lora", "adapter")
# Loaded by nothing here: see `dar_tui.imagine.diffusion` on the safety checker.
_UNUSED_FOLDERS = ("safety_checker",)


def needed_files(names: Iterable[str], source: HubSource) -> list[str]:
    """The files to pull, sorted, of all that a repository has.

    Pickled weights are taken where there are no others; `pulling` turns them into safetensors. Raises ModelUnavailable
    where there are no weights in either form.
    """
    there = sorted(names)
    if source.file:
        if source.file not in there:
            page = f"See https://huggingface.co/{source.hub_id}."
            raise ModelUnavailable(f"The model {source.hub_id} has no file {source.file}.", page)
        return [source.file]
    root = _at_root(there)
    if source.patterns or source.weights:
        chosen = [*_fitting(root, source.patterns), *_first_of(root, source.weights)]
    elif PIPELINE_INDEX in there:
        chosen = _pipeline(there)
    elif OPEN_CLIP_CONFIG in there:
        chosen = [*(name for name in root if _describes(name)), *_first_of(root, OPEN_CLIP_FILES)]
    else:
        weights = [name for name in root if _is_weight(name)] or _first_of(root, TRANSFORMERS_FILES)
        chosen = [*(name for name in root if _describes(name) and not _is_index(name)), *weights]
        chosen += [name for name in root if _is_index(name) and _indexes(name, weights)]
    if source.has_weights and not any(_holds_weights(name) for name in chosen):
        raise ModelUnavailable(
            f"The model {source.hub_id} has no weights that dar loads: neither safetensors nor pytorch_model.bin.",
            "Choose another model, or convert it and give dar the folder.",
        )
    return sorted(set(chosen))


def _fitting(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    wanted = tuple(patterns)
    return [name for name in names if any(fnmatchcase(name, each) for each in wanted)]


def _first_of(names: list[str], alternatives: Iterable[tuple[str, ...]]) -> list[str]:
    """The files of the first alternative that has weights among them."""
    found = (_fitting(names, patterns) for patterns in alternatives)
    return next((files for files in found if any(_holds_weights(name) for name in files)), [])


def _holds_weights(name: str) -> bool:
    return name.endswith((_WEIGHTS, PICKLED))


# "model.safetensors.index.json"; "model.safetensors.index.fp16.json" for the pieces "model.fp16-00001-of-00002...".
_INDEX = re.compile(r"(?P<stem>.+)\.(?P<kind>\w+)\.index(?P<variant>\.\w+)?\.json")


def _is_index(name: str) -> bool:
    return _INDEX.fullmatch(name) is not None


def _indexes(name: str, weights: Iterable[str]) -> bool:
    """Whether an index names pieces that are among the weights."""
    match = _INDEX.fullmatch(name)
    if match is None:
        return False
    stem, variant = match["stem"], match["variant"] or ""
    pieces = (f"{stem}{variant}-*.{match['kind']}", f"{stem}-*{variant}.{match['kind']}")
    return any(fnmatchcase(each, piece) for each in weights for piece in pieces)


def _pipeline(names: list[str]) -> list[str]:
    """A diffusers pipeline keeps each part in a folder; single files at the root hold the same weights once more."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        path = PurePosixPath(name)
        if len(path.parts) == 2 and path.parts[0] not in _UNUSED_FOLDERS:
            folders[path.parts[0]].append(name)
    halves = {folder: [name for name in inside if _is_half(name)] for folder, inside in folders.items()}
    whole = {
        folder: [name for name in inside if _is_weight(name)] or [name for name in inside if _is_pickle(name)]
        for folder, inside in folders.items()
    }
    # Half the download for the same pictures, but only if all parts have it: the loader takes one format for all.
    weights = halves if all(halves[folder] for folder, files in whole.items() if files) else whole
    chosen = [name for files in weights.values() for name in files]
    described = [
        name
        for inside in folders.values()
        for name in inside
        if _describes(name) and (not _is_index(name) or _indexes(name, chosen))
    ]
    return [PIPELINE_INDEX, *described, *chosen]


def _is_half(name: str) -> bool:
    # "model.fp16.safetensors", and "model.fp16-00001-of-00002.safetensors" where it comes in pieces.
    return name.endswith(_WEIGHTS) and ".fp16" in name and "non_ema" not in name


def _is_weight(name: str) -> bool:
    plain = PurePosixPath(name).name
    return plain.endswith(_WEIGHTS) and not any(word in plain for word in (*_OTHER_WEIGHTS, ".fp16-"))


def _is_pickle(name: str) -> bool:
    plain = PurePosixPath(name).name
    known = plain.startswith(("pytorch_model", "diffusion_pytorch_model")) and is_pickled(plain)
    return known and not any(word in plain for word in _OTHER_WEIGHTS) and not _is_index(plain)


def _describes(name: str) -> bool:
    return name.endswith(_DESCRIPTIONS)


def _at_root(names: Iterable[str]) -> list[str]:
    return [name for name in names if "/" not in name]


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


def snapshot_of(source: HubSource) -> Path | None:
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
    # What was converted here lies in the folder of names itself.
    made = (path for path in storage_of(hub_id).glob("snapshots/*/**/*") if path.is_file() and not path.is_symlink())
    files = [*(blobs.iterdir() if blobs.is_dir() else ()), *made]
    return sum(path.stat().st_size for path in files if path.is_file())


def is_partial(hub_id: str) -> bool:
    """Whether a pull of this repository was interrupted."""
    return any((storage_of(hub_id) / "blobs").glob(f"*{PARTIAL}"))


def remove(source: HubSource) -> int:
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
