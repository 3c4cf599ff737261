"""Whether a picture fits the text, by the library's photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dar_tui.fusion.evidence import fits
from indexer.encoders import VISUAL
from tests.session.world import World, painted


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(Path(tmp_path_factory.mktemp("world")))


def test_a_picture_of_what_the_text_says_agrees_and_another_does_not(world: World) -> None:
    text = world.encoder.encode_texts(["red and blue"])[0]
    pictures = [painted("red", "blue"), painted("yellow", "white")]
    vectors = list(world.encoder.encode_images(pictures).visual)
    right, wrong = fits(world.library, text, vectors, VISUAL)
    assert right.agreement > 0.3 > 0 > wrong.agreement
    assert right.is_near


def test_a_picture_unlike_any_photo_lies_off_the_library(world: World) -> None:
    text = world.encoder.encode_texts(["red"])[0]
    away = -np.ones(world.encoder.visual_dim, np.float32) / 4
    (fit,) = fits(world.library, text, [away], VISUAL)
    assert not fit.is_near
