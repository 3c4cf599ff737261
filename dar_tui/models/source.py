"""Where the weights behind a spec come from: a repository of the hub, a place on this disk, or dar itself.

Knows how specs are written; reaches no network and loads no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dar_tui.models.catalogue import card_of
from indexer.checkpoints import HUB_ID
from indexer.errors import UsageError
from indexer.paths import at_home

# What needs no weights of its own, or keeps them behind an address.
_NOTHING_TO_PULL = ("bundled", "rules", "server")
_ENCODERS = ("blip", "open_clip", "beit3")
_FAMILIES = ("diffusers", "transformers", *_ENCODERS)


@dataclass(frozen=True)
class Source:
    """A repository of the hub, and which files of it are meant: one, those of some patterns, or ("" and ()) those that
    its kind of model is loaded from."""

    hub_id: str
    file: str = ""
    patterns: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.hub_id}#{self.file}" if self.file else self.hub_id

    @property
    def has_weights(self) -> bool:
        """Whether weights are among the files: some repositories only lend a tokenizer."""
        return not self.patterns or any("safetensors" in pattern for pattern in self.patterns)


def sources_of(spec: str) -> tuple[Source, ...]:
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
    name, file = _file_apart(rest)
    if not name.strip():
        raise UsageError(f"The spec {spec!r} names no model.", "`dar models` lists those dar knows.")
    if is_local(rest):
        return ()
    card = card_of(spec)
    if card is not None:
        # Known without asking the family, which would import torch to tell.
        return (Source(card.hub_id),)
    if family in _ENCODERS:
        from indexer.encoders.needs import hub_files

        return tuple(Source(each.repository, patterns=each.patterns) for each in hub_files(spec))
    return (Source(name, file),) if HUB_ID.fullmatch(name) else ()


def is_local(name: str) -> bool:
    """Whether this is the name of a file or folder that is there, a GGUF file in it included."""
    try:
        return any(at_home(Path(each)).exists() for each in (name, _file_apart(name)[0]))
    except OSError:  # too long for a name
        return False


def _file_apart(rest: str) -> tuple[str, str]:
    name, _, file = rest.rpartition("#")
    return (name, file) if file.endswith(".gguf") else (rest, "")
