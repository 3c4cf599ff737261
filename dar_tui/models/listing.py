"""What `dar models` shows: every model of the profiles and of the catalogue, with what is known of it.

Knows nothing of how it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dar_tui.models.catalogue import CARDS, Card, card_of
from dar_tui.models.machine import Fit, Machine, fit_of
from dar_tui.models.shelf import is_here, is_partial
from dar_tui.models.source import sources_of
from dar_tui.settings import Settings

_SHIPPED = ("bundled", "rules")
# What a card's spec begins with says what it is for.
_PARTS = {"open_clip": "encoder", "blip": "encoder", "diffusers": "generator", "transformers": "language"}


class State(StrEnum):
    """Whether a model's files are on this machine."""

    HERE = "yes"
    PARTLY = "partly"
    AWAY = "no"


@dataclass(frozen=True)
class Listed:
    """One model in a profile ("": in none). `download` is 0, `licence` "" and `fit` None where that is not known."""

    profile: str
    part: str
    spec: str
    state: State
    download: int = 0
    licence: str = ""
    gated: bool = False
    fit: Fit | None = None
    shipped: bool = False


def list_models(settings: Settings, machine: Machine) -> list[Listed]:
    """The profiles' models in their order, then those of the catalogue that no profile has."""
    listed = [
        _listed(profile.name, part, spec, settings.device, machine)
        for profile in settings.profiles
        for part, spec in profile.parts
    ]
    known = {each.spec for each in listed}
    others = [card for card in CARDS if card.spec not in known]
    return listed + [_of_card(card, machine, settings.device) for card in others]


def _of_card(card: Card, machine: Machine, device: str) -> Listed:
    return _listed("", _PARTS[card.spec.partition(":")[0]], card.spec, device, machine)


def _listed(profile: str, part: str, spec: str, device: str, machine: Machine) -> Listed:
    if spec in _SHIPPED:
        return Listed(profile, part, spec, State.HERE, licence="Apache-2.0", fit=Fit.CPU, shipped=True)
    partly = any(is_partial(source.hub_id) for source in sources_of(spec))
    state = State.PARTLY if partly else State.HERE if is_here(spec) else State.AWAY
    card = card_of(spec)
    if card is None:
        return Listed(profile, part, spec, state)
    return Listed(profile, part, spec, state, card.download, card.licence, card.gated, fit_of(card, machine, device))
