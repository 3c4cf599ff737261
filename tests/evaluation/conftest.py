"""A folder of photos of two colours each, what people say of them, and `dar eval` with models that know colours."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dar_tui.cli import main
from tests.photos import jpeg
from tests.session.world import NAMES, PaintEncoder, PaintGenerator, painted

PAIRS = tuple(itertools.permutations(NAMES[:6], 2))
TURNS = 3


@dataclass(frozen=True)
class Bench:
    """The photos, and files about them in each of the benchmarks' formats."""

    images: Path
    captions: Path
    dialogs: Path
    corpus: Path
    rewrites: Path


def said_of(left: str, right: str) -> tuple[str, ...]:
    return (f"something {left}", f"{left} beside {right}", f"much {right}")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """30 photos; three captions each, and dialogues of eleven turns about the first twenty of them."""
    # Pictures and vectors that another run of the tests has kept would be found.
    monkeypatch.setenv("DAR_CACHE", str(tmp_path / "cache"))
    images = tmp_path / "images"
    images.mkdir()
    for left, right in PAIRS:
        jpeg(images / f"{left}-{right}.jpg", image=painted(left, right).resize((64, 64)))
    names = [f"{left}-{right}.jpg" for left, right in PAIRS]
    captions = tmp_path / "captions.tsv"
    lines = [f"{name}\t{text}.\n" for name, pair in zip(names, PAIRS, strict=True) for text in said_of(*pair)]
    captions.write_text("".join(lines))
    chats, rewritten = [], []
    for name, (left, right) in list(zip(names, PAIRS, strict=True))[:20]:
        answers = [f"is it {right}? yes, {right}"] + [f"is it big number {turn}? can't tell" for turn in range(9)]
        chats.append({"img": name, "dialog": [f"something {left}", *answers]})
        rewritten.append({"img": name, "dialog": [f"something {left}", *[f"{left} and {right}"] * 10]})
    for file, value in (("dialogs", chats), ("corpus", names), ("rewrites", rewritten)):
        (tmp_path / f"{file}.json").write_text(json.dumps(value))
    return Bench(images, captions, *(tmp_path / f"{name}.json" for name in ("dialogs", "corpus", "rewrites")))


@dataclass(frozen=True)
class Result:
    code: int
    text: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Models:
    """What the command loads; `dies_after` pictures the generator is interrupted, as by Ctrl-C."""

    dies_after: int | None = None
    drawn: list[str] = field(default_factory=list)
    encoders: list[PaintEncoder] = field(default_factory=list)

    def encoder(self, spec: str, **_: object) -> PaintEncoder:
        encoder = PaintEncoder()
        if spec != "bundled":
            encoder.id = f"test-{spec}"
        self.encoders.append(encoder)
        return encoder

    def generator(self, *_: object, **__: object) -> PaintGenerator:
        models = self

        class Counting(PaintGenerator):
            def generate(self, *arguments: Any) -> Any:
                for imagined in super().generate(*arguments):
                    if models.dies_after is not None and len(models.drawn) >= models.dies_after:
                        raise KeyboardInterrupt
                    models.drawn.append(imagined.prompt)
                    yield imagined

        return Counting()


Evaluate = Callable[..., Result]


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def evaluate(models: Models, capfd: pytest.CaptureFixture[str]) -> Evaluate:
    """Runs `dar eval ...` in this process."""

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        code = main(
            ["eval", *map(str, arguments)],
            encoder_loader=models.encoder,  # type: ignore[arg-type]
            generator_loader=models.generator,
        )
        sys.stdout.flush()
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return run
