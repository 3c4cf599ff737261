"""Which profile is used where none was chosen, and why.

Looks at the disk and asks the GPU's driver; loads no model.
"""

from __future__ import annotations

from dar_tui.models.catalogue import card_of
from dar_tui.models.machine import Fit, Machine, fit_of, this_machine
from dar_tui.models.shelf import is_here
from dar_tui.profiles import AUTO, BUNDLED, STANDARD, Profile, profile_named
from dar_tui.settings import Settings


def chosen_profile(settings: Settings, name: str = "", machine: Machine | None = None) -> Profile:
    """The profile called `name`, else that of the settings, else `standard` where it is here and fits the GPU.

    The driver, which can take its time, is asked only if the models are here. Raises UsageError for a profile that
    does not exist.
    """
    name = name or settings.profile
    if name != AUTO:
        return profile_named(name, settings.profiles)
    if settings.device == "cpu" or not _is_pulled(STANDARD):
        return BUNDLED
    return STANDARD if _fits_gpu(STANDARD, machine or this_machine()) else BUNDLED


def reason(settings: Settings, machine: Machine | None = None) -> str:
    """Why `chosen_profile` is what it is, and the command that gets better results, in one line."""
    if settings.profile != AUTO:
        return f"The profile {settings.profile} was chosen."
    if settings.device == "cpu":
        return f"Using the bundled models: the device was set to cpu. {_PATIENT}"
    machine = machine or this_machine()
    if not machine.gpu_bytes:
        return f"Using the bundled models, which need no GPU. {_PATIENT}"
    if not _fits_gpu(STANDARD, machine):
        return f"Using the bundled models: the GPU ({machine.gpu}) is too small for larger ones."
    if not _is_pulled(STANDARD):
        return f"Using the bundled models. The GPU ({machine.gpu}) runs better ones: `dar models pull {STANDARD.name}`."
    return f"Using the standard models on the GPU ({machine.gpu})."


_PATIENT = "`dar models` lists better ones for the patient."


def _is_pulled(profile: Profile) -> bool:
    return all(is_here(spec) for _, spec in profile.parts)


def _fits_gpu(profile: Profile, machine: Machine) -> bool:
    cards = [card for _, spec in profile.parts if (card := card_of(spec)) is not None]
    return machine.gpu_bytes > 0 and all(fit_of(card, machine) is Fit.GPU for card in cards)
