"""A language model puts a chosen question in its own words, and is not believed unless it asks what was chosen.

Knows the prompt and the check. What is asked is `selection`'s business: a model neither chooses nor invents.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from dar_tui.language import LanguageModel
from dar_tui.language.rules.words import content, words
from dar_tui.language.stopping import Cancelled, Stopped, never
from dar_tui.questions.bank import Attribute
from indexer.errors import DarError

logger = logging.getLogger(__name__)

_SYSTEM = """You help someone find a photo they remember. Ask them one short question about the photo.
Ask only whether it shows the thing named. It must be answerable with yes or no.
Answer with the question alone, on one line."""
_TOKENS = 40
# Longer is no question to answer with a key.
_MOST_WORDS = 14
# "Not" turns the answer round, and "or" offers two where a yes is to mean one thing.
_MISLEADING = frozenset({"not", "no", "without", "isn't", "aren't", "don't", "or"})


def worded(
    model: LanguageModel,
    attribute: Attribute,
    wants: Sequence[str],
    common: Sequence[str],
    captions: Sequence[str] = (),
    cancelled: Cancelled = never,
) -> str:
    """The model's question for this attribute; "" where it fails or is cancelled, or asks something else.

    `wants`: what the user said. `common`: what most candidates show. `captions`: descriptions of the best ones.
    """
    if attribute.choices:
        return ""
    described = f"The best of them: {'; '.join(captions)}\n" if captions else ""
    user = (
        f"They said: {', '.join(wants) or 'nothing yet'}\n"
        f"The photos found mostly show: {', '.join(common) or 'many things'}\n"
        f"{described}"
        f"Ask whether it shows: {attribute.statement}"
    )
    try:
        answer = model.complete(_SYSTEM, user, _TOKENS, cancelled=cancelled)
    except Stopped:
        return ""
    except (DarError, OSError, RuntimeError, ValueError) as error:
        logger.warning("The language model wrote no question: %s", error)
        return ""
    lines = [line.strip(" \t\"'*-") for line in answer.splitlines() if line.strip()]
    question = lines[0] if len(lines) == 1 else ""
    return question if _asks(question, attribute) else ""


def _asks(question: str, attribute: Attribute) -> bool:
    said = words(question)
    facts = set(content(attribute.statement)) | set(content(attribute.question))
    asked = set(content(question))
    about = set(content(attribute.statement)) <= asked or asked == set(content(attribute.question))
    return (
        bool(re.fullmatch(r"[^?]+\?", question))
        and 0 < len(said) <= _MOST_WORDS
        and about
        and len(asked - facts) <= 2
        and not any(word.key in _MISLEADING for word in said)
    )
