"""What a session is given to work with, and what of it can be set. Plain values; making them is the caller's."""

from __future__ import annotations

from dataclasses import dataclass

from dar_tui.fusion.strategies import DEFAULT
from dar_tui.imagine.worker import LoadGenerator
from dar_tui.questions.questioner import Questioner
from dar_tui.reformulate import Reformulator
from indexer.encoders import Encoder
from indexer.library import Library


@dataclass(frozen=True)
class Engine:
    """What a session works with. No generator: it searches by text alone. No questioner: it asks nothing."""

    library: Library
    encoder: Encoder
    reformulator: Reformulator
    load_generator: LoadGenerator | None = None
    questioner: Questioner | None = None


@dataclass(frozen=True)
class Options:
    """`page`: photos shown. `pictures`: K. `fusion`: a strategy's name. `picture_weight`: None for the strategy's own.

    K = 3: the paper's choice; one picture gave +6.43 Hits@10 there, three +7.61, more hardly any.
    """

    page: int = 10
    pictures: int = 3
    fusion: str = DEFAULT
    picture_weight: float | None = None
