"""Captions: what a model says of a photo. The protocol, and the door to the one kind of model there is, BLIP.

Knows names of models; imports no torch before one is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from indexer.checkpoints import find_checkpoint

if TYPE_CHECKING:
    from PIL import Image

DEFAULT_CAPTIONER = "Salesforce/blip-image-captioning-base"


class Captioner(Protocol):
    """A model that describes photos. `id` is the same for the same captions, wherever the model lies."""

    id: str
    image_size: int
    batch_size: int

    def caption(self, images: Sequence[Image.Image]) -> list[str]:
        """One sentence for each upright RGB picture, safe to print; "" where the model has nothing to say."""
        ...


def find_captioner(spec: str = "") -> Path:
    """The folder of a captioner, a hub id or a folder; "" is the default one.

    Raises ModelUnavailable, with the command that pulls it, where it is not on this machine, UsageError for no name.
    """
    return find_checkpoint(spec or DEFAULT_CAPTIONER, "config.json").folder


def load_captioner(spec: str = "", device: str = "auto") -> Captioner:
    """The captioner `spec` names; weights as safetensors only, and nothing from the network.

    Raises what `find_captioner` raises, ModelUnavailable where the files are no BLIP captioner, and UsageError for a
    device there is not.
    """
    folder = find_captioner(spec)
    from indexer.encoders.blip import BlipCaptioner

    return BlipCaptioner(folder, device)
