"""The named sets of models: which encoder, generator and language model, for which machine.

Names only; loads nothing and knows nothing of what is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.errors import UsageError

# The profile of who chose none: `standard` where its models are here and a GPU runs them, else `bundled`.
AUTO = "auto"


@dataclass(frozen=True)
class Profile:
    """A set of models that belong together, each as a spec for its loader (`indexer.encoders.load_encoder`,
    `dar_tui.imagine.load_generator`, `dar_tui.language.loading.load_language`)."""

    name: str
    encoder: str = "bundled"
    purpose: str = ""
    generator: str = "bundled"
    language: str = "rules"

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """(what it is for, spec) of each model."""
        return (("encoder", self.encoder), ("generator", self.generator), ("language", self.language))


BUNDLED = Profile("bundled", "bundled", "works after install: no download, no GPU")
STANDARD = Profile(
    "standard",
    "open_clip:ViT-B-32/laion2b_s34b_b79k",
    "a CUDA machine, or a patient CPU",
    generator="diffusers:stabilityai/sd-turbo",
)
PROFILES = (
    BUNDLED,
    STANDARD,
    Profile(
        "paper",
        "blip:Salesforce/blip-itm-base-coco",
        "reproducing the paper",
        generator="diffusers:stabilityai/stable-diffusion-3-medium-diffusers",
        language="transformers:microsoft/Phi-3-mini-4k-instruct",
    ),
)


def profile_named(name: str, profiles: Sequence[Profile] = PROFILES) -> Profile:
    """Raises UsageError, with the names there are, for one that does not exist."""
    for profile in profiles:
        if profile.name == name:
            return profile
    raise UsageError(f"There is no profile {name!r}.", f"Use one of {', '.join(each.name for each in profiles)}.")


def own_profiles(tables: object) -> tuple[Profile, ...]:
    """The profiles of a config file's `profiles` table, {name: {part: spec}}; parts left out are `bundled`'s.

    Raises UsageError for what is no profile, and for the names of dar's own.
    """
    if not isinstance(tables, dict):
        raise UsageError("profiles must be tables.", _EXAMPLE)
    found = []
    taken = {AUTO, *(profile.name for profile in PROFILES)}
    for name, table in tables.items():
        if name in taken:
            raise UsageError(f"{name} is a profile of dar's own.", "Give yours another name.")
        if not isinstance(table, dict) or not all(isinstance(value, str) and value for value in table.values()):
            raise UsageError(f"The profile {name} must be a table of texts.", _EXAMPLE)
        if unknown := table.keys() - _KEYS:
            raise UsageError(f"The profile {name} has no {min(unknown)}.", f"It can have {', '.join(_KEYS)}.")
        found.append(Profile(name, **{"purpose": "your own", **table}))
    return tuple(found)


_KEYS = ("encoder", "generator", "language", "purpose")
_EXAMPLE = 'For example [profiles.mine] with generator = "diffusers:/models/sdxl-turbo".'
