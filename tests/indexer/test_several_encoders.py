"""Several encoders in one library: each with its own vectors, one of them searched, none of them lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.encoders import Encoder, ImageEmbeddings
from indexer.encoders.bundled import graphs
from indexer.errors import EncoderMismatch
from indexer.indexing.events import RunNote
from indexer.indexing.plan import IndexOptions
from indexer.indexing.run import index
from indexer.library import Library
from indexer.search.ranking import Query, Term
from tests.indexer.colours import ColourEncoder, Vectors, Workplace, counts, draw, vector_of


class Mirrored(ColourEncoder):
    """As long vectors as the first encoder's, but other ones: to mix the two up gives wrong photos and no error."""

    id = "test-mirrored-1"
    visual_dim = 0

    def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
        return ImageEmbeddings(np.ascontiguousarray(super().encode_prepared(batch).joint[:, ::-1]))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.ascontiguousarray(super().encode_texts(texts)[:, ::-1])


@pytest.fixture
def both(place: Workplace) -> list[Path]:
    """Twelve photos with vectors of both encoders; searches use the first."""
    paths = place.draw(12)
    place.index(encoder_spec="colours")
    place.encoder = Mirrored()
    summary = place.index(encoder_spec="mirrored")
    assert counts(summary) == {"unchanged": 12}
    assert (summary.encoded, summary.encoder) == (12, "test-mirrored-1")
    return paths


def best(library: Library, vector: Vectors) -> Path:
    return library.search(Query((Term(vector),)), 1)[0].path


def test_each_encoder_finds_by_its_own_vectors(place: Workplace, both: list[Path]) -> None:
    for name, encoder in (("", ColourEncoder()), ("colours", ColourEncoder()), ("mirrored", Mirrored())):
        with Library.open(place.library_path, name) as library:
            assert library.encoder is not None and library.encoder.encoder_id == encoder.id
            assert [best(library, vector_of(path, encoder)) for path in both] == both
            assert library.verify(deep=True) == []


def test_strength_is_measured_for_the_encoder_that_is_not_used_as_well(place: Workplace, both: list[Path]) -> None:
    with Library.open(place.library_path, "mirrored") as library:
        record = library.encoder
        assert record is not None
        texts, photos = library._catalog.peaks(record.id)
        assert len(texts) and len(photos)


def test_an_open_library_keeps_to_its_encoder_when_another_is_made_the_active_one(
    place: Workplace, both: list[Path]
) -> None:
    with place.open() as library, place.open() as other:
        assert best(library, vector_of(both[5])) == both[5]
        assert other.use("mirrored").record.encoder_id == Mirrored.id
        assert best(library, vector_of(both[5])) == both[5]
    with place.open() as library:
        assert best(library, vector_of(both[5], Mirrored())) == both[5]


def test_a_run_that_is_asked_for_a_known_encoder_with_nothing_to_do_does_not_load_it(
    place: Workplace, both: list[Path]
) -> None:
    place.encoder = lambda: pytest.fail("the encoder was loaded")  # type: ignore[assignment]
    assert place.index(encoder_spec="mirrored").encoded == 0
    assert place.index(encoder_spec="colours").encoded == 0


def test_photos_come_and_go_for_both(place: Workplace, both: list[Path]) -> None:
    both[0].unlink()
    added = place.draw(2, start=50)
    place.index(encoder_spec="mirrored")
    notes = [event.text for event in place.events if isinstance(event, RunNote)]
    assert any("dar library use mirrored" in note for note in notes)
    assert any("no vectors yet of 2 photos" in note for note in notes)
    with place.open() as library:
        info = library.info()
        assert [(each.record.spec, each.photos) for each in info.encoders] == [("colours", 11), ("mirrored", 13)]
        assert info.encoder == info.encoders[0].record
        assert len(library.search(Query((Term(vector_of(both[1])),)), 50, fold=False)) == 11
    place.encoder = ColourEncoder()
    assert place.index().encoded == 2
    with place.open() as library:
        assert best(library, vector_of(added[1])) == added[1]


def test_weights_that_changed_under_a_known_name_are_refused(place: Workplace, both: list[Path]) -> None:
    class Changed(Mirrored):
        id = "test-mirrored-2"

    place.draw(1, start=70)
    place.encoder = Changed()
    with pytest.raises(EncoderMismatch, match=r"test-mirrored-1.*test-mirrored-2"):
        place.index(encoder_spec="mirrored")
    summary = place.index(encoder_spec="mirrored", switch_encoder=True)
    assert (summary.encoded, summary.encoder) == (13, "test-mirrored-2")
    with place.open() as library:
        assert library.encoder is not None and library.encoder.encoder_id == "test-mirrored-2"
        assert len(library.info().encoders) == 3


class Better(ColourEncoder):
    """What a new version of dar ships under the name of `ColourEncoder`."""

    id = "test-colours-2"

    def replaces(self, encoder_id: str) -> bool:
        return encoder_id == ColourEncoder.id

    def earlier(self, encoder_id: str) -> Encoder | None:
        return ColourEncoder()


@pytest.fixture
def retired(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Twelve photos with vectors of an encoder that a new version of dar replaces by `Better`."""
    paths = place.draw(12)
    place.index(encoder_spec="colours")
    shape, digest = graphs.read_heads(graphs.HEADS_FILE)
    monkeypatch.setitem(graphs.RETIRED, ColourEncoder.id, graphs.Retired(digest, shape, graphs.GRAPH_VERSION))
    place.encoder = Better()
    return paths


def test_a_new_versions_encoder_takes_over_by_itself_and_says_so(place: Workplace, retired: list[Path]) -> None:
    with place.open() as library:
        assert library.encoder is not None and library.encoder.encoder_id == ColourEncoder.id
        assert best(library, vector_of(retired[4])) == retired[4]
    # Nothing about the photos changed: the run has to notice the encoder by itself.
    summary = place.index(encoder_spec="colours")
    assert (summary.encoded, summary.encoder) == (12, Better.id)
    notes = [event.text for event in place.events if isinstance(event, RunNote)]
    assert any(Better.id in note and f"dar library drop {ColourEncoder.id}" in note for note in notes)
    with place.open() as library:
        assert library.encoder is not None and library.encoder.encoder_id == Better.id
        assert best(library, vector_of(retired[4], Better())) == retired[4]
        library.drop(ColourEncoder.id)
        assert [each.record.encoder_id for each in library.info().encoders] == [Better.id]
    assert place.index(encoder_spec="colours").encoded == 0


def test_a_takeover_that_was_cut_leaves_searches_with_the_encoder_of_before(
    place: Workplace, retired: list[Path]
) -> None:
    class Failing(Better):
        def encode_prepared(self, batch: Sequence[NDArray[np.uint8]]) -> ImageEmbeddings:
            raise OSError("no space left")

    place.encoder = Failing()
    with pytest.raises(OSError, match="no space"):
        place.index(encoder_spec="colours")
    with place.open() as library:
        assert library.encoder is not None and library.encoder.encoder_id == ColourEncoder.id
        assert best(library, vector_of(retired[4])) == retired[4]
    place.encoder = Better()
    assert place.index(encoder_spec="colours").encoder == Better.id
    with place.open() as library:
        assert library.encoder is not None and library.encoder.encoder_id == Better.id


def test_a_library_without_vectors_of_the_encoder_says_what_it_has(place: Workplace, both: list[Path]) -> None:
    with pytest.raises(EncoderMismatch, match="encoder open_clip:X, only of colours, mirrored") as caught:
        Library.open(place.library_path, "open_clip:X")
    assert caught.value.hint == "Make them with `dar index --encoder open_clip:X`."
    with place.open() as library, pytest.raises(EncoderMismatch, match="only of colours, mirrored"):
        library.use("open_clip:X")


def test_switching_while_a_drive_is_away_keeps_its_photos_for_when_it_is_back(place: Workplace, tmp_path: Path) -> None:
    place.draw(4)
    drive = tmp_path / "drive"
    away = [draw(drive / f"{number}.png", 100 + number) for number in range(3)]
    place.index(place.photos, drive)
    drive.rename(tmp_path / "unplugged")
    place.encoder = Mirrored()
    events = list(
        index(place.library_path, [], place.encoder, IndexOptions(encoder_spec="mirrored", switch_encoder=True))
    )
    assert events[-1].summary.photos == 7 and events[-1].summary.removed == 0
    assert any(isinstance(event, RunNote) and event.text.startswith("3 photos") for event in events)
    with place.open() as library:
        assert all(library.image_for(path) is not None for path in away)
    (tmp_path / "unplugged").rename(drive)
    assert counts(list(index(place.library_path, [], Mirrored()))[-1].summary) == {"unchanged": 7}
    with place.open() as library:
        assert [best(library, vector_of(path, Mirrored())) for path in away] == away
        assert library.verify(deep=True) == []
