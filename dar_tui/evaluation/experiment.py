"""Dialogues against a corpus: every arm's ranks for every dialogue, in numbered steps, resumable after each few.

Knows neither the files that dialogues come from nor how ranks become figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dar_tui.evaluation.cases import Case, TurnWords, Writer
from dar_tui.evaluation.corpus import Corpus
from dar_tui.evaluation.gates import Gate
from dar_tui.evaluation.journal import Entry, Journal
from dar_tui.evaluation.pictures import Pictures
from dar_tui.evaluation.scoring import Arm, place
from dar_tui.fusion.strategies import Evidence, Fit, Vector, text_only
from dar_tui.reformulate import QueryStrategy
from indexer.encoders import Encoder

# (dialogues done, dialogues in all).
OnProgress = Callable[[int, int], None]
# Dialogues encoded and ranked together: enough for a matrix product, few enough that little is lost by an interruption.
TOGETHER = 16
_TEXTS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Experiment:
    """One encoder's arms over one corpus. Without `pictures` every fusion is the text alone."""

    encoder: Encoder
    corpus: Corpus
    arms: tuple[Arm, ...]
    writer: Writer
    pictures: Pictures | None
    journal: Journal

    def run(self, cases: Sequence[Case], on_progress: OnProgress = lambda done, total: None) -> dict[int, Entry]:
        """Plays what the journal does not have; returns all entries by the case's number. Raises DarError."""
        gate = Gate.of(self.corpus) if any(arm.fusion == "adaptive" for arm in self.arms) and self.pictures else None
        for start in range(0, len(cases), TOGETHER):
            # Always the same ones together: what is encoded in one batch differs in the last digit from another.
            some = cases[start : start + TOGETHER]
            if any(case.number not in self.journal.entries for case in some):
                self.journal.add(self._play(some, gate))
            on_progress(start + len(some), len(cases))
        return {case.number: self.journal.entries[case.number] for case in cases}

    def _play(self, cases: Sequence[Case], gate: Gate | None) -> list[Entry]:
        clock = _Clock()
        # 1. R1 and R2: the words of every turn.
        with clock.part("words"):
            words = [self.writer.words(case) for case in cases]
        # 2. E_t of every text, each once.
        with clock.part("text"):
            vectors = self._encoded(words)
        # 3. The pictures, found or drawn, and E_v of them.
        drawn: list[list[list[Vector]]] = [[[] for _ in each] for each in words]
        if self.pictures is not None:
            with clock.part("pictures"):
                drawn = [self.pictures.vectors(case, each) for case, each in zip(cases, words, strict=True)]
        # 4. F_t and the rank of the target, arm for arm.
        targets = np.array([case.row for case, each in zip(cases, words, strict=True) for _ in each], np.int64)
        found: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        with clock.part("search"):
            shape = (len(cases), -1)
            for arm in self.arms:
                evidence = self._evidence(arm, words, vectors, drawn, gate)
                placed = place(arm, evidence, self.corpus, targets)
                found[arm.name] = placed.ranks.reshape(shape), placed.ties.reshape(shape)
        seconds = {part: taken / len(cases) for part, taken in clock.seconds.items()}
        return [
            Entry(
                case.number,
                {
                    name: (tuple(ranks[row].tolist()), tuple(ties[row].tolist()))
                    for name, (ranks, ties) in found.items()
                },
                seconds,
            )
            for row, case in enumerate(cases)
        ]

    def _evidence(
        self,
        arm: Arm,
        words: Sequence[Sequence[TurnWords]],
        vectors: dict[str, Vector],
        drawn: Sequence[Sequence[Sequence[Vector]]],
        gate: Gate | None,
    ) -> list[Evidence]:
        found = []
        for said, pictured in zip(words, drawn, strict=True):
            for turn, (each, pictures) in enumerate(zip(said, pictured, strict=True)):
                wording = each.wordings[arm.query]
                texts = [vectors[text] for text in wording.texts]
                fits: tuple[Fit, ...] = ()
                if gate is not None and arm.fusion == "adaptive" and texts and pictures:
                    fits = gate.fits(text_only(Evidence(turn, texts)).terms[0].vector, pictures)
                found.append(
                    Evidence(
                        turn,
                        texts,
                        pictures=pictures,
                        picture_space=self.corpus.picture_space,
                        rejects=[vectors[text] for text in wording.rejects],
                        fits=fits,
                        dim=self.encoder.dim,
                    )
                )
        return found

    def _encoded(self, words: Sequence[Sequence[TurnWords]]) -> dict[str, Vector]:
        wordings = [wording for said in words for each in said for wording in each.wordings.values()]
        texts = list(dict.fromkeys(text for each in wordings for text in (*each.texts, *each.rejects)))
        # Of like length together: a batch is as long as its longest text.
        texts.sort(key=lambda text: (len(text), text))
        found: dict[str, Vector] = {}
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = texts[start : start + _TEXTS_AT_ONCE]
            found |= dict(zip(batch, self.encoder.encode_texts(batch), strict=True))
        return found


def arms_of(
    encoder: str, queries: Sequence[QueryStrategy], fusions: Sequence[str], weights: Sequence[float | None]
) -> tuple[Arm, ...]:
    """Every query strategy with every fusion strategy, the text alone of each first."""
    found = []
    for query in dict.fromkeys(queries):
        found.append(Arm(encoder, query, "text-only"))
        found += [
            Arm(encoder, query, fusion, weight)
            for fusion in dict.fromkeys(fusions)
            if fusion != "text-only"
            for weight in dict.fromkeys(weights)
        ]
    return tuple(found)


@dataclass(eq=False)
class _Clock:
    """Seconds by part."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
