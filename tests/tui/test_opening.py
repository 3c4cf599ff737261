"""A library whose encoder is not on this machine: the bundled one's vectors are used and it is said, or nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dar_tui.cli.output import Output
from dar_tui.cli.screen import ScreenModels, Wanted
from dar_tui.cli.state import State
from dar_tui.tui.models import open_with_encoder
from indexer.encoders import Encoder
from indexer.errors import EncoderMismatch, ModelUnavailable
from indexer.library import Library
from tests.indexer.colours import ColourEncoder, Workplace


class Other(ColourEncoder):
    id = "test-other-1"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library with vectors of two encoders, searched with the one that is not bundled."""
    place = Workplace(tmp_path)
    place.draw(4)
    place.index(encoder_spec="bundled")
    place.encoder = Other()
    place.index(encoder_spec="other", switch_encoder=True)
    return place.library_path


def only_bundled(library: Library) -> Encoder:
    assert library.encoder is not None
    if library.encoder.spec != "bundled":
        raise ModelUnavailable("The model other is not on this machine.", "Download it with `dar models pull other`.")
    return ColourEncoder()


def test_the_encoder_in_use_is_taken_where_it_is_here(library: Path) -> None:
    opened, encoder, notes = open_with_encoder(library, "", lambda _: Other())
    with opened:
        assert opened.encoder is not None and opened.encoder.spec == "other"
        assert encoder.id == Other.id and notes == ()


def test_the_bundled_one_is_taken_where_it_is_not_and_it_is_said(library: Path) -> None:
    opened, encoder, notes = open_with_encoder(library, "", only_bundled)
    with opened:
        assert opened.encoder is not None and opened.encoder.spec == "bundled"
        assert encoder.id == ColourEncoder.id
        (note,) = notes
        assert "dar models pull other" in note and "Using `bundled` instead" in note


def test_an_encoder_that_was_asked_for_is_not_replaced(library: Path) -> None:
    with pytest.raises(ModelUnavailable, match="model other"):
        open_with_encoder(library, "other", only_bundled)
    with pytest.raises(EncoderMismatch, match="only of bundled, other"):
        open_with_encoder(library, "third", only_bundled)


def test_without_vectors_of_the_bundled_one_the_missing_model_is_named(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    place.draw(2)
    place.index(encoder_spec="other")
    with pytest.raises(ModelUnavailable, match="model other"):
        open_with_encoder(place.library_path, "", only_bundled)


def test_missing_generators_and_language_models_are_replaced_in_the_app_and_it_is_said(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path, generator="diffusers:no/where", language="transformers:no/talk")
    models = ScreenModels(State(Output()), wanted)
    assert models.generator == "bundled" and models.new_spec == "bundled"
    assert ["dar models pull diffusers:no/where" in note for note in models.notes] == [True, False]
    assert "dar models pull transformers:no/talk" in models.notes[1] and "Using `rules` instead" in models.notes[1]
    assert ScreenModels(State(Output()), Wanted(tmp_path)).notes == []
