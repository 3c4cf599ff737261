"""R2, P_tk = R2(S_t, k): K prompts for the diffusion model, each a different way to say the same wants.

The paper's template: "[Adjective] [Primary Subject] in [Setting], [Key Details]. Style: photorealistic." Its adjective
here speaks of the photo (a candid photo of ...), never of the subject, which would be a fact the user did not give.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence

from dar_tui.dialogue.need import Need
from dar_tui.language.rules.words import mentions, tidy
from dar_tui.reformulate.query import Outline, fitting, structure
from indexer.errors import UsageError

# CLIP's text tower, which most diffusion pipelines read, cuts at 77 tokens, about 58 words; the template takes a dozen.
_FACT_BUDGET = 42
_STYLE = "Style: photorealistic"
# Modifiers that change how a picture is drawn and add no fact: no light, weather, hour or mood is in them.
_ADJECTIVES = (
    "Candid", "Detailed", "Natural", "Crisp", "Realistic", "Everyday", "Amateur", "Authentic", "Casual", "Plain",
)  # fmt: skip
_VIEWS = (
    "photo",
    "snapshot",
    "photograph",
    "picture",
    "wide view",
    "35mm photo",
    "eye-level photo",
    "medium shot",
    "full view",
)
_SETTING = re.compile(
    r"(?P<subject>.+?)\s+(?P<setting>(?:in|on|at|by|near|under|along|inside|outside|behind|next to|in front of)"
    r"\s+(?!(?:a |an |the )?(?:hat|dress|jacket|suit|shirt|coat|costume|uniform|leash|lead)\b).+)",
    re.IGNORECASE,
)
_LEADS = re.compile(
    r"(?:in|on|at|by|near|under|along|inside|outside|outdoors|indoors|behind|next to|during)\b", re.IGNORECASE
)


def prompts(need: Need, k: int = 3, seed: int = 0) -> list[str]:
    """R2 by rules: `k` different prompts, the same for the same need and seed; [] where nothing is wanted.

    No prompt mentions a reject. Raises UsageError where `k` is negative or more than there are ways to say it.
    """
    if k < 0:
        raise UsageError(f"{k} pictures cannot be imagined.", "Ask for 0 or more.")
    chooser = random.Random(seed)
    # Step (a): primary subject, setting and key details.
    subject, setting, details = fill(structure(need))
    if not subject:
        return []
    # Step (b): wording, modifiers and the order of details vary from prompt to prompt.
    wordings = [f"{adjective} {view}" for adjective, view in itertools.product(_ADJECTIVES, _VIEWS)]
    wordings = [wording for wording in wordings if need.allows(wording)] or [""]
    chooser.shuffle(wordings)
    if k > len(wordings):
        raise UsageError(f"{k} different prompts cannot be written.", f"Ask for at most {len(wordings)} pictures.")
    spread = _apart(wordings, k)
    # Step (c): the diffusion model's style.
    style = _STYLE if need.allows(_STYLE) else ""
    found = []
    for wording in spread:
        order = list(details)
        chooser.shuffle(order)
        found.append(_compose(need, wording, subject, setting, order, style))
    return found


def fill(outline: Outline) -> tuple[str, str, list[str]]:
    """The template's slots from the wants: (primary subject, setting, key details); "" for a slot with nothing."""
    statements = list(fitting(outline, _FACT_BUDGET))
    if not statements:
        return "", "", []
    # A subject is a thing: of "on the beach" and "a dog", the dog.
    first = next((text for text in statements if not _LEADS.match(text)), statements[0])
    statements.remove(first)
    parted = _SETTING.fullmatch(first) if "," not in first else None
    subject, setting = (parted["subject"], parted["setting"]) if parted else (first, "")
    if not setting:
        setting = next((text for text in statements if _LEADS.match(text) and "," not in text), "")
        statements = [text for text in statements if text != setting]
    return subject, setting, statements


def _compose(need: Need, wording: str, subject: str, setting: str, details: Sequence[str], style: str) -> str:
    of = " of " if wording else ""
    head = tidy(f"{wording}{of}{subject} {setting}")
    body = ", ".join([head, *details])
    text = f"{body}. {style}." if style else f"{body}."
    if need.allows(text):
        return text
    # Two allowed phrases ran into a rejected one ("dog" and "on the beach"): commas keep them apart.
    return f"{', '.join(part for part in (wording, subject, setting, *details, style) if part)}."


def _apart(wordings: list[str], k: int) -> list[str]:
    """The first `k` wordings, those that share no word with the ones before taken first, so that few prompts differ
    most."""
    chosen: list[str] = []
    rest = list(wordings)
    while len(chosen) < k:
        best = next(
            (each for each in rest if not any(mentions(old, word) for old in chosen for word in each.split())), rest[0]
        )
        chosen.append(best)
        rest.remove(best)
    return chosen
