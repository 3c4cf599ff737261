"""Do our questions help? Simulated dialogues with an oracle that answers from what is known of the target photo.

    python -m benchmarks.questions --images DIR --captions TSV [--set test|dev] [--dialogues 200] [--talkative]

Photos: the thousand of the test set; those of the dev set, and other seeds, are for choosing weights and thresholds.
Each dialogue begins with the target's first caption and has five questions, chosen by what their answer tells (ours),
or at random among those that may still be asked, or none at all. Search is by text alone, so that nothing but the
questions differs. The intervals are of the differences after the last answer, by a paired bootstrap over dialogues.

The oracle knows the target's captions and nothing else. It says yes to what one of them mentions, and with --talkative
goes on in that caption's words, as people do. It says no only where captions would mention the thing if it were there
(people, animals, vehicles, sport and the like); of grass, hats or smiles not mentioned it cannot tell.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.intervals import Gain, paired_gain
from benchmarks.libraries import library_of
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.dialogue.need import Need
from dar_tui.dialogue.turn import Expects, Question
from dar_tui.fusion.finding import Filters
from dar_tui.language.rules.words import content
from dar_tui.language.stopping import Cancelled, never
from dar_tui.questions.asking import GroundedQuestioner, Questioner
from dar_tui.questions.bank import Attribute, bank_vectors, load_bank
from dar_tui.questions.selection import Proposal, open_attributes
from dar_tui.reformulate import RuleReformulator
from dar_tui.session.events import Results
from dar_tui.session.saving import Log
from dar_tui.session.session import Engine, Session
from dar_tui.session.transcript import Started, session_path
from indexer.encoders import Encoder, default_cache, load_encoder
from indexer.encoders.bundled.training.data import read_captions, split
from indexer.search.ranking import Query

TURNS = 5
PAGE = 10
AT = datetime(2024, 6, 15, 12)
# Where any of the bank's words for a thing says that it is there; elsewhere they also name its alternatives.
SYNONYMS = frozenset(
    {"people", "age", "animals", "clothing", "vehicles", "sport", "water", "ground", "nature", "place", "building"}
    | {"objects", "food", "season", "occasion"}
)
# Five people describing a photo would not all leave these out.
SALIENT = frozenset({"people", "age", "animals", "vehicles", "sport", "water", "season", "food"})


class Photos(StrEnum):
    """Which photos the dialogues are about."""

    TEST = "test"
    DEV = "dev"


# What was chosen on some dialogues is not reported of the same ones.
SEEDS = {Photos.DEV: 0, Photos.TEST: 5}


@dataclass(frozen=True, eq=False)
class Played:
    """(dialogues, turns) whether the target was on the page after each turn, and how many questions came twice."""

    found: NDArray[np.bool_]
    repeats: int

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Whether it was on the page by then: a dialogue that has hit stays hit."""
        return np.logical_or.accumulate(self.found, axis=1)


class Oracle:
    """Answers questions about one photo from its captions."""

    def __init__(self, captions: Sequence[str], bank: Mapping[str, Attribute], *, talkative: bool = False) -> None:
        self._captions = {caption: frozenset(content(caption)) for caption in captions}
        self._bank = bank
        # The first caption is what the user has said already.
        self._unsaid = list(captions[1:]) if talkative else []

    def answer(self, question: Question) -> str:
        """yes, no, one of the choices, or "can't tell"."""
        attribute = self._bank[question.topic]
        if question.expects is Expects.CHOICE:
            said = [choice for choice in question.choices if self._mentions(choice)]
            return said[0] if len(said) == 1 else "can't tell"
        phrases = attribute.settled_by if attribute.topic in SYNONYMS else (attribute.statement,)
        telling = [caption for phrase in phrases for caption in self._mentions(phrase)]
        if telling:
            unsaid = next((caption for caption in telling if caption in self._unsaid), None)
            if unsaid is None:
                return "yes"
            self._unsaid.remove(unsaid)
            return f"yes, {unsaid}"
        return "no" if attribute.topic in SALIENT else "can't tell"

    def _mentions(self, phrase: str) -> list[str]:
        facts = frozenset(content(phrase))
        return [caption for caption, said in self._captions.items() if facts <= said]


class RandomQuestioner:
    """Asks whatever may still be asked: the baseline that any choice must beat."""

    def __init__(self, encoder: Encoder, cache: Path, seed: int) -> None:
        self._bank = load_bank()
        self._meanings = bank_vectors(self._bank, encoder, cache).meanings
        self._random = random.Random(seed)

    def propose(
        self, dialogue: Dialogue, need: Need, query: Query, filters: Filters, cancelled: Cancelled = never
    ) -> list[Proposal]:
        """Three at random, taken for even chances."""
        numbers = open_attributes(self._bank, self._meanings, need, dialogue.questions)
        picked = self._random.sample(numbers, min(3, len(numbers)))
        return [Proposal(self._bank[number].put(), 0.0, 0.5) for number in picked]


def main(
    images: Annotated[Path, typer.Option(help="Folder of the captioned photos.")],
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption.")],
    photos: Annotated[Photos, typer.Option("--set", help="dev to choose by, test to report.")] = Photos.TEST,
    encoder: str = "bundled",
    dialogues: int = 200,
    seed: Annotated[int | None, typer.Option(help="Which dialogues; 0 on dev and 5 on test if not given.")] = None,
    talkative: Annotated[bool, typer.Option("--talkative", help="A yes goes on in the words of a caption.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints Hits@10 and Recall@10 by turn for our questions, random ones and none."""
    chosen = SEEDS[photos] if seed is None else seed
    loaded = load_encoder(encoder, notify=lambda line: typer.echo(line, err=True))
    captioned = read_captions(captions)
    parts = split(captioned.names)
    numbers = parts.dev if photos is Photos.DEV else parts.test
    known = {captioned.names[number]: captioned.captions[number] for number in numbers}
    targets = random.Random(chosen).sample(sorted(known), min(dialogues, len(known)))
    cache = default_cache() / "questions"
    played: dict[str, Played] = {}
    with library_of(loaded, [images / name for name in known]) as library:
        kinds: dict[str, Questioner | None] = {
            "none": None,
            "random": RandomQuestioner(loaded, cache, chosen),
            "ours": GroundedQuestioner(library, loaded, cache),
        }
        for kind, questioner in kinds.items():
            engine = Engine(library, loaded, RuleReformulator(), None, questioner)
            played[kind] = play_all(engine, {target: known[target] for target in targets}, talkative)
    gains = {kind: against(played["ours"], played[kind]) for kind in ("none", "random")}
    title = f"{loaded.id}: {len(targets)} dialogues over {len(known)} photos ({photos}, seed {chosen})"
    show(title, played, gains)
    if json_file is not None:
        json_file.write_text(json.dumps(to_json(played, gains), indent=2) + "\n")


def play_all(engine: Engine, targets: Mapping[str, Sequence[str]], talkative: bool = False) -> Played:
    """A dialogue about each target, given with its captions."""
    found = np.zeros((len(targets), TURNS + 1), np.bool_)
    repeats = 0
    with TemporaryDirectory() as folder:
        for row, (target, captions) in enumerate(targets.items()):
            found[row], texts = play(engine, Path(folder), target, captions, talkative)
            repeats += len(texts) - len(set(texts))
    return Played(found, repeats)


def play(
    engine: Engine, folder: Path, target: str, captions: Sequence[str], talkative: bool = False
) -> tuple[NDArray[np.bool_], list[str]]:
    """Whether the target is on the page after each turn (of D0 and five answers), and the questions put.

    Where nothing is asked any more the page stays as it is.
    """
    oracle = Oracle(captions, {each.statement: each for each in load_bank()}, talkative=talkative)
    session = Session(engine, Log(session_path(folder, AT), Started(AT)), now=lambda: AT)
    found = np.zeros(TURNS + 1, np.bool_)
    asked: list[str] = []
    message = captions[0]
    for turn in range(TURNS + 1):
        question: Question | None = None
        for event in session.turn(message):
            if isinstance(event, Results):
                shown = [each.path.name for hit in event.hits for each in (hit, *hit.similar)]
                found[turn:] = target in shown
            elif isinstance(event, Question):
                question = event
        if question is None:
            break
        asked.append(question.text)
        message = oracle.answer(question)
    session.close()
    return found, asked


def against(ours: Played, theirs: Played) -> dict[str, Gain]:
    """What our questions gain after the last answer, by measure."""
    return {
        f"Hits@{PAGE}": paired_gain(ours.hits[:, -1], theirs.hits[:, -1]),
        f"Recall@{PAGE}": paired_gain(ours.found[:, -1], theirs.found[:, -1]),
    }


def percent(found: NDArray[np.bool_]) -> list[float]:
    """Percent of the dialogues, by turn."""
    return [round(100 * float(share), 1) for share in found.mean(axis=0)]


def show(title: str, played: Mapping[str, Played], gains: Mapping[str, Mapping[str, Gain]]) -> None:
    """Prints cumulative Hits@10, which rewards luck, beside Recall@10 of each turn, which does not."""
    turns = (f"turn {turn}" for turn in range(TURNS + 1))
    table = Table("questions", "", *turns, f"ours gain at {TURNS} [95 %]", "repeats", title=title)
    for kind, each in played.items():
        gained = gains.get(kind, {})
        for measure, found in ((f"Hits@{PAGE}", each.hits), (f"Recall@{PAGE}", each.found)):
            figures = (f"{value:.1f}" for value in percent(found))
            table.add_row(kind, measure, *figures, str(gained.get(measure, "")), str(each.repeats))
    Console(width=140).print(table)


def to_json(played: Mapping[str, Played], gains: Mapping[str, Mapping[str, Gain]]) -> dict[str, Any]:
    """The same figures as JSON values."""
    return {
        "hits": {kind: percent(each.hits) for kind, each in played.items()},
        "recall": {kind: percent(each.found) for kind, each in played.items()},
        "repeats": {kind: each.repeats for kind, each in played.items()},
        "gains": {kind: {measure: asdict(gain) for measure, gain in by.items()} for kind, by in gains.items()},
    }


if __name__ == "__main__":
    typer.run(main)
