"""Which profile is used where none was chosen, and the list of models that `dar models` shows.

Looks at the disk and asks the GPU's driver; loads no model and prints nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dar_tui.models.catalogue import CARDS, Card, Machine, RunsOn, card_of, fit_of, this_machine
from dar_tui.models.hub_files import is_here, is_partial, sources_of
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
    return machine.gpu_bytes > 0 and all(fit_of(card, machine) is RunsOn.GPU for card in cards)


_SHIPPED = ("bundled", "rules")
# What a card's spec begins with says what it is for.
_PARTS = {"open_clip": "encoder", "blip": "encoder", "diffusers": "generator", "transformers": "language"}


class ModelState(StrEnum):
    """Whether a model's files are on this machine."""

    HERE = "yes"
    PARTLY = "partly"
    AWAY = "no"


@dataclass(frozen=True)
class ListedModel:
    """One model in a profile ("": in none). `download` is 0, `licence` "" and `fit` None where that is not known."""

    profile: str
    part: str
    spec: str
    state: ModelState
    download: int = 0
    licence: str = ""
    gated: bool = False
    fit: RunsOn | None = None
    shipped: bool = False


def list_models(settings: Settings, machine: Machine) -> list[ListedModel]:
    """The profiles' models in their order, then those of the catalogue that no profile has."""
    listed = [
        _listed(profile.name, part, spec, settings.device, machine)
        for profile in settings.profiles
        for part, spec in profile.parts
    ]
    known = {each.spec for each in listed}
    others = [card for card in CARDS if card.spec not in known]
    return listed + [_of_card(card, machine, settings.device) for card in others]


def _of_card(card: Card, machine: Machine, device: str) -> ListedModel:
    return _listed("", _PARTS[card.spec.partition(":")[0]], card.spec, device, machine)


def _listed(profile: str, part: str, spec: str, device: str, machine: Machine) -> ListedModel:
    if spec in _SHIPPED:
        return ListedModel(profile, part, spec, ModelState.HERE, licence="Apache-2.0", fit=RunsOn.CPU, shipped=True)
    partly = any(is_partial(source.hub_id) for source in sources_of(spec))
    state = ModelState.PARTLY if partly else ModelState.HERE if is_here(spec) else ModelState.AWAY
    card = card_of(spec)
    if card is None:
        return ListedModel(profile, part, spec, state)
    return ListedModel(
        profile, part, spec, state, card.download, card.licence, card.gated, fit_of(card, machine, device)
    )
