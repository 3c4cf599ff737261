"""Do our questions help? Simulated dialogues with an oracle that answers from what is known of the target photo.

    python -m benchmarks.questions --images DIR --captions TSV [--encoder bundled] [--dialogues 200] [--seed 0]

Photos: the thousand kept out of training, or all with --all. Each dialogue begins with the target's first caption and
has five questions, chosen by what their answer tells (ours), or at random among those that may still be asked, or none
at all. Search is by text alone, so that nothing but the questions differs.

The oracle knows the target's captions and nothing else. It says yes to what one of them mentions, and with --talkative
goes on in that caption's words, as people do. It says no only where
captions would mention the thing if it were there (people, animals, vehicles, sport and the like); of grass, hats or
smiles not mentioned it cannot tell.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.libraries import library_of
from dar_tui.dialogue import Dialogue
from dar_tui.events import Results
from dar_tui.finding import Filters
from dar_tui.language.rules.words import content
from dar_tui.need import Need
from dar_tui.questions.asking import GroundedQuestioner, Questioner
from dar_tui.questions.bank import Attribute, bank_vectors, load_bank
from dar_tui.questions.selection import Proposal, open_attributes
from dar_tui.reformulate import RuleReformulator
from dar_tui.saving import Log
from dar_tui.session import Engine, Session
from dar_tui.turn import Expects, Question
from indexer.encoders import Encoder, default_cache, load_encoder
from indexer.encoders.bundled.training.data import read_captions, split
from indexer.ranking import Query

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

    def propose(self, dialogue: Dialogue, need: Need, query: Query, filters: Filters) -> list[Proposal]:
        """Three at random, taken for even chances."""
        numbers = open_attributes(self._bank, self._meanings, need, dialogue.questions)
        picked = self._random.sample(numbers, min(3, len(numbers)))
        return [Proposal(self._bank[number].put(), 0.0, 0.5) for number in picked]


def main(
    images: Annotated[Path, typer.Option(help="Folder of the captioned photos.")],
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption.")],
    encoder: str = "bundled",
    dialogues: int = 200,
    seed: int = 0,
    talkative: Annotated[bool, typer.Option("--talkative", help="A yes goes on in the words of a caption.")] = False,
    all_photos: Annotated[bool, typer.Option("--all", help="Not only the photos kept out of training.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Prints Hits@10 by turn for our questions, random ones and none."""
    loaded = load_encoder(encoder, notify=lambda line: typer.echo(line, err=True))
    captioned = read_captions(captions)
    numbers = range(len(captioned.names)) if all_photos else [int(number) for number in split(captioned.names).test]
    known = {captioned.names[number]: captioned.captions[number] for number in numbers}
    targets = random.Random(seed).sample(sorted(known), min(dialogues, len(known)))
    cache = default_cache() / "questions"
    figures: dict[str, list[float]] = {}
    recalls: dict[str, list[float]] = {}
    repeats = 0
    with library_of(loaded, [images / name for name in known]) as library:
        kinds: dict[str, Questioner | None] = {
            "none": None,
            "random": RandomQuestioner(loaded, cache, seed),
            "ours": GroundedQuestioner(library, loaded, cache),
        }
        for kind, questioner in kinds.items():
            found = np.zeros((len(targets), TURNS + 1), np.bool_)
            with TemporaryDirectory() as folder:
                for row, target in enumerate(targets):
                    engine = Engine(library, loaded, RuleReformulator(), None, questioner)
                    found[row], texts = play(engine, Path(folder), target, known[target], talkative)
                    repeats += len(texts) - len(set(texts))
            recalls[kind] = percent(found)
            figures[kind] = percent(np.logical_or.accumulate(found, axis=1))
    title = f"{loaded.id}: {len(targets)} dialogues over {len(known)} photos, {repeats} questions repeated"
    show(title, figures, recalls)
    if json_file is not None:
        json_file.write_text(json.dumps({"hits": figures, "recall": recalls, "repeats": repeats}, indent=2) + "\n")


def play(
    engine: Engine, folder: Path, target: str, captions: Sequence[str], talkative: bool = False
) -> tuple[NDArray[np.bool_], list[str]]:
    """Whether the target is on the page after each turn (of D0 and five answers), and the questions put.

    Where nothing is asked any more the page stays as it is.
    """
    oracle = Oracle(captions, {each.statement: each for each in load_bank()}, talkative=talkative)
    session = Session(engine, Log.begin(folder, AT), now=lambda: AT)
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


def percent(found: NDArray[np.bool_]) -> list[float]:
    """Percent of the dialogues, by turn."""
    return [round(100 * float(share), 1) for share in found.mean(axis=0)]


def show(title: str, hits: Mapping[str, Sequence[float]], recalls: Mapping[str, Sequence[float]]) -> None:
    """Prints cumulative Hits@10, which rewards luck, beside Recall@10 of each turn, which does not."""
    table = Table("questions", "", *(f"turn {turn}" for turn in range(TURNS + 1)), title=title)
    for kind in hits:
        table.add_row(kind, f"Hits@{PAGE}", *(f"{value:.1f}" for value in hits[kind]))
        table.add_row("", f"Recall@{PAGE}", *(f"{value:.1f}" for value in recalls[kind]))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
