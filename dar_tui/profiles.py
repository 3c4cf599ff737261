"""The named sets of models: which encoder, generator and language model, for which machine.

Names only; loads nothing and knows nothing of what is installed.
"""

from __future__ import annotations

from dataclasses import dataclass

from indexer.errors import UsageError


@dataclass(frozen=True)
class Profile:
    """A set of models that belong together, each as a spec for its loader (`indexer.encoders.load_encoder`,
    `dar_tui.imagine.load_generator`, `dar_tui.language.loading.load_language`)."""

    name: str
    encoder: str
    purpose: str
    generator: str = "bundled"
    language: str = "rules"


PROFILES = (
    Profile("bundled", "bundled", "works after install: no download, no GPU"),
    Profile(
        "standard",
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
        "a CUDA machine, or a patient CPU",
        generator="diffusers:stabilityai/sd-turbo",
    ),
    Profile(
        "paper",
        "blip:Salesforce/blip-itm-base-coco",
        "reproducing the paper",
        generator="diffusers:stabilityai/stable-diffusion-3-medium-diffusers",
        language="transformers:microsoft/Phi-3-mini-4k-instruct",
    ),
)


def profile_named(name: str) -> Profile:
    """Raises UsageError, with the names there are, for one that does not exist."""
    for profile in PROFILES:
        if profile.name == name:
            return profile
    raise UsageError(f"There is no profile {name!r}.", f"Use one of {', '.join(each.name for each in PROFILES)}.")
