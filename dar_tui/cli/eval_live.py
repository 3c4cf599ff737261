"""`dar eval live`: sessions with a simulated user, from options to a report. Knows which models stand behind it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dar_tui.cli.state import State
from indexer.printable import visible

if TYPE_CHECKING:
    from dar_tui.evaluation.datasets import Captioned
    from dar_tui.evaluation.report import Settings
    from dar_tui.reformulate import QueryStrategy


@dataclass(frozen=True, eq=False)
class Setting:
    """What the command was given. `generator`: None for no pictures, "" for the profile's; no `rows`: all.

    `distractors`: photos by name that are in the library and never looked for.
    """

    known: Captioned
    paths: list[Path]
    attributes: Mapping[str, frozenset[str]]
    dialogues: int
    turns: int
    rows: Sequence[str]
    overlooks: float
    mistakes: float
    distractors: Mapping[str, Path]
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
    from dar_tui.evaluation.live import NEXT_PAGE, PAGE, Lapses, Trial, library_of, modes_of, run
    from dar_tui.evaluation.report import Journal, report_of, save
    from dar_tui.fusion.strategies import strategy_named
    from dar_tui.reformulate import RuleReformulator
    from dar_tui.session.session import SessionOptions
    from dar_tui.session.state import BELIEF, CALIBRATIONS

    fusion = setting.fusion or BELIEF
    if fusion != BELIEF:
        strategy_named(fusion)
    encoder = state.load_encoder(setting.encoder or state.new_encoder())
    generator = None
    if setting.generator is not None:
        generator = uncached(state, setting.generator or state.profile().generator)
    modes = modes_of(setting.rows, pictures=generator is not None)
    targets = random.Random(setting.seed).sample(sorted(setting.known.names), setting.dialogues)
    settings: Settings = {
        **setting.told,
        "dialogues": len(targets),
        "distractors": len(setting.distractors),
        "turns": setting.turns,
        "rows": ", ".join(mode.name for mode in modes),
        "answers": "talkative" if setting.talkative else "plain",
        "overlooks": setting.overlooks,
        "mistakes": setting.mistakes,
        "encoder": encoder.id,
        "query": str(setting.query),
        "fusion": fusion,
        "pictures": f"{setting.pictures} by {generator.id}" if generator else "none",
        "seed": setting.seed,
    }
    digest = {"digest": setting.known.digest, "attributes digest": _digest(setting.attributes)}
    name = hashlib.sha256(repr((sorted(settings.items()), sorted(digest.items()))).encode()).hexdigest()[:12]
    folder = out or state.settings.home / "eval" / f"live-{name}"
    cache = state.settings.cache / "eval"
    photos = {**dict(zip(setting.known.names, setting.paths, strict=True)), **setting.distractors}
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
            Lapses(setting.overlooks, setting.mistakes),
            setting.attributes,
            generator,
            RuleReformulator(setting.query),
            SessionOptions(PAGE, setting.pictures, fusion, calibrations=state.settings.home / CALIBRATIONS),
        )
        journal = Journal(folder / "journal.jsonl", {**settings, **digest})
        entries = run(stage, targets, modes, journal, lambda done, total: progress.advance("dialogues", done, total))
    baselines = {mode.name: "" if mode == NEXT_PAGE else NEXT_PAGE.name for mode in modes}
    report = report_of("live", settings, targets, entries, baselines, PAGE)
    save(report, folder)
    show(state.output, report, folder, figure=figure, json=json)


def _digest(attributes: Mapping[str, frozenset[str]]) -> str:
    said = repr(sorted((name, sorted(known)) for name, known in attributes.items()))
    return hashlib.sha256(said.encode()).hexdigest() if attributes else ""


def fit(state: State, known: Captioned, paths: list[Path], encoder_spec: str, out: Path | None, *, json: bool) -> None:
    """Finds the encoder's constants for the sessions' belief and writes them where sessions look. Raises DarError."""
    from dataclasses import asdict

    from dar_tui.cli.eval_output import Progress
    from dar_tui.evaluation.fitting import fitted
    from dar_tui.evaluation.live import library_of
    from dar_tui.questions.bank import load_bank
    from dar_tui.session.belief import calibration_json, calibration_of, calibration_path
    from dar_tui.session.state import CALIBRATIONS
    from indexer.store.disk import disk_errors_named, make_private_folder, replace_file

    encoder = state.load_encoder(encoder_spec or state.new_encoder())
    bank = load_bank()
    photos = dict(zip(known.names, paths, strict=True))
    count = min(len(captions) for captions in known.captions)
    captions = [each[:count] for each in known.captions]
    with (
        library_of(photos, encoder, state.settings.cache / "eval") as (library, ids),
        Progress(state.output) as progress,
    ):
        vectors = library.vectors([ids[name] for name in known.names])
        texts = []
        for number, each in enumerate(captions, 1):
            texts.append(encoder.encode_texts(each))
            progress.advance("captions", number, len(captions))
        statements = encoder.encode_texts([attribute.texts[0] for attribute in bank])
    found = fitted(vectors, captions, np.stack(texts), bank, statements, calibration_of(encoder.id))
    path = out or calibration_path(state.settings.home / CALIBRATIONS, encoder.id)
    with disk_errors_named(path, "file"):
        make_private_folder(path.parent)
        replace_file(path, calibration_json(found).encode("ascii"))
    if json:
        state.output.json({"encoder": encoder.id, "photos": len(photos), **asdict(found)})
        return
    for name, value in asdict(found).items():
        state.output.result(f"{name:12} {value:.3f}")
    state.output.note(f"Kept in {visible(path)}; `dar chat` uses it.")
