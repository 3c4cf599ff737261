"""The families of torch models by name: loading one, and which hub files it needs.

Each family is imported, and its libraries with it, when it is asked for. Reaches no network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.encoders.weights import OPEN_CLIP_FILES, TRANSFORMERS_FILES
from indexer.runtime import HUB_ID

if TYPE_CHECKING:
    from indexer.encoders.torch_encoder import Family

_TOKENIZERS = ("tokenizer*", "special_tokens_map.json", "vocab*", "merges.txt", "spiece.model", "sentencepiece*")


@dataclass(frozen=True)
class HubFiles:
    """Files of one repository of the hub: all that fit `patterns`, and the first of the alternatives in `weights` that
    is there. Both are patterns as the hub's client takes them."""

    repository: str
    patterns: tuple[str, ...]
    weights: tuple[tuple[str, ...], ...] = ()


def hub_files(spec: str) -> tuple[HubFiles, ...]:
    """The files that `load_encoder(spec)` will look for; () where it needs none from the hub.

    Raises UsageError for an open_clip tag that does not exist and ModelUnavailable for one that is not on the hub.
    """
    family, _, rest = spec.partition(":")
    name = re.sub(r"@\d+$", "", rest)
    if Path(name).expanduser().exists():
        return ()
    if family == "blip" and HUB_ID.fullmatch(name):
        return (HubFiles(name, ("config.json", "preprocessor_config.json", *_TOKENIZERS), TRANSFORMERS_FILES),)
    if family != "open_clip":
        return ()
    from indexer.encoders.open_clip import CONFIG, hub_weights, known_tag, other_repositories

    if rest.startswith("hf-hub:"):
        return (HubFiles(rest.removeprefix("hf-hub:"), (CONFIG, *_TOKENIZERS), OPEN_CLIP_FILES),)
    if ":" in rest or not HUB_ID.fullmatch(rest):
        return ()
    architecture, _, settings = known_tag(rest)
    repository, weights = hub_weights(settings, rest)
    others = other_repositories(architecture) - {repository}
    # open_clip brings the tokenizer of the architectures that name none.
    own = HubFiles(repository, _TOKENIZERS if other_repositories(architecture) else (), weights)
    return (own, *(HubFiles(each, ("config.json", *_TOKENIZERS)) for each in sorted(others)))


def load_family(name: str, spec: str) -> Family:
    """The model `spec` of one of `indexer.encoders.FAMILIES`; raises what the family raises."""
    if name == "open_clip":
        from indexer.encoders.open_clip import OpenClipFamily, find_source

        return OpenClipFamily(find_source(spec))
    if name == "blip":
        from indexer.encoders.blip import find_blip

        return find_blip(spec)
    from indexer.encoders.beit3 import find_beit3

    return find_beit3(spec)
