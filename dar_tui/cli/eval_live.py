"""`dar eval live`: sessions with a simulated user, from options to a report. Knows which models stand behind it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dar_tui.cli.state import State

if TYPE_CHECKING:
    from dar_tui.evaluation.datasets import Captioned
    from dar_tui.evaluation.report import Settings
    from dar_tui.reformulate import QueryStrategy


@dataclass(frozen=True, eq=False)
class Setting:
    """What the command was given. `generator`: None for no pictures, "" for the profile's; no `questions`: all ways."""

    known: Captioned
    paths: list[Path]
    attributes: Mapping[str, frozenset[str]]
    dialogues: int
    turns: int
    questions: Sequence[str]
    talkative: bool
    encoder: str
    query: QueryStrategy
    fusion: str
    generator: str | None
    pictures: int
    seed: int
    told: Settings


def measure(state: State, setting: Setting, out: Path | None, *, figure: bool, json: bool) -> None:
    """Plays every dialogue in every mode and shows what each mode found. Raises DarError."""
    from dar_tui.cli.eval_output import Progress, show
    from dar_tui.cli.eval_run import uncached
    from dar_tui.evaluation.live import ALONE, PAGE, QUESTIONS, Mode, Trial, library_of, modes_of, run
    from dar_tui.evaluation.report import Journal, report_of, save
    from dar_tui.fusion.strategies import DEFAULT, strategy_named
    from dar_tui.reformulate import RuleReformulator
    from dar_tui.session.session import SessionOptions

    fusion = setting.fusion or DEFAULT
    strategy_named(fusion)
    encoder = state.load_encoder(setting.encoder or state.new_encoder())
    generator = None
    if setting.generator is not None:
        generator = uncached(state, setting.generator or state.profile().generator)
    modes = modes_of(setting.questions or QUESTIONS, pictures=generator is not None)
    targets = random.Random(setting.seed).sample(sorted(setting.known.names), setting.dialogues)
    settings: Settings = {
        **setting.told,
        "dialogues": len(targets),
        "questions": setting.turns,
        "asked": ", ".join(mode.questions for mode in modes if mode.questions and mode == Mode(mode.questions)),
        "answers": "talkative" if setting.talkative else "plain",
        "encoder": encoder.id,
        "query": str(setting.query),
        "fusion": fusion if generator else "",
        "pictures": f"{setting.pictures} by {generator.id}" if generator else "none",
        "seed": setting.seed,
    }
    digest = {"digest": setting.known.digest, "attributes digest": _digest(setting.attributes)}
    name = hashlib.sha256(repr((sorted(settings.items()), sorted(digest.items()))).encode()).hexdigest()[:12]
    folder = out or state.settings.home / "eval" / f"live-{name}"
    cache = state.settings.cache / "eval"
    photos = dict(zip(setting.known.names, setting.paths, strict=True))
    with library_of(photos, encoder, cache) as (library, ids), Progress(state.output) as progress:
        stage = Trial(
            library,
            encoder,
            state.settings.cache / "questions",
            ids,
            dict(zip(setting.known.names, setting.known.captions, strict=True)),
            setting.turns,
            setting.seed,
            setting.talkative,
            setting.attributes,
            generator,
            RuleReformulator(setting.query),
            SessionOptions(PAGE, setting.pictures, fusion),
        )
        journal = Journal(folder / "journal.jsonl", {**settings, **digest})
        entries = run(stage, targets, modes, journal, lambda done, total: progress.advance("dialogues", done, total))
    baselines = {mode.name: "" if mode == ALONE else ALONE.name for mode in modes}
    report = report_of("live", settings, targets, entries, baselines, PAGE)
    save(report, folder)
    show(state.output, report, folder, figure=figure, json=json)


def _digest(attributes: Mapping[str, frozenset[str]]) -> str:
    said = repr(sorted((name, sorted(known)) for name, known in attributes.items()))
    return hashlib.sha256(said.encode()).hexdigest() if attributes else ""
