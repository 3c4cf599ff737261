"""The real engine: sessions, libraries and indexing behind the app's protocol, with small models."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dar_tui.language.turn import Question
from dar_tui.session.events import Certainty, Event, ImageGenerated, Results, Stage, TurnDone, TurnFailed
from dar_tui.settings import load_settings
from dar_tui.tui.conversation import ExchangeState
from dar_tui.tui.engine import (
    ApplyFilter,
    ChangeChip,
    ChipKinds,
    ImagineAgain,
    MoreLike,
    PhotoFeedback,
    PhotoFilter,
    PhotoLookedAt,
    PhotosSeen,
    PictureFeedback,
    Rerank,
    SendMessage,
    ShownChip,
    ShowNextPage,
    ShowSeen,
    SkipQuestion,
    Understood,
)
from dar_tui.tui.session_engine import SessionEngine
from indexer.encoders import Encoder
from indexer.errors import DarError, EncoderMismatch, LibraryNotFound, ModelUnavailable
from indexer.indexing.events import Finished
from indexer.library import Library
from tests.session.world import NOON, PaintEncoder, PaintGenerator, World


class WorldModels:
    """See `dar_tui.tui.session_engine.Models`."""

    generator = "painter"
    profile = "bundled"
    encoder = ""
    notes = ()
    new_spec = "paint"

    def __init__(self, world: World, painter: object | None = None) -> None:
        self.world = world
        self.painter = painter if painter is not None else PaintGenerator()
        self.loads = 0

    def load_encoder(self, spec: str, tell: object) -> Encoder:
        return PaintEncoder()

    def encoder_of(self, library: Library, tell: object) -> Encoder:
        return PaintEncoder()

    def parts(self, library: Library, encoder: Encoder, tell: object) -> object:
        from dataclasses import replace

        def load() -> object:
            self.loads += 1
            if isinstance(self.painter, Exception):
                raise self.painter
            return self.painter

        made = self.world.engine(self.painter, asks=True)
        return replace(made, library=library, encoder=encoder, load_generator=load)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(Path(tmp_path_factory.mktemp("world")))


@pytest.fixture
def models(world: World) -> WorldModels:
    return WorldModels(world)


@pytest.fixture(scope="module")
def clock() -> Callable[[], datetime]:
    """A second later at every look."""
    seconds = itertools.count()
    return lambda: NOON + timedelta(seconds=next(seconds))


@pytest.fixture
def engine(world: World, models: WorldModels, clock: Callable[[], datetime]) -> Iterator[SessionEngine]:
    engine = SessionEngine(load_settings(), world.library.path, models, now=clock)  # type: ignore[arg-type]
    engine.open()
    yield engine
    engine.close()


def played(engine: SessionEngine, action: object) -> list[Event]:
    return list(engine.play(action))  # type: ignore[arg-type]


def pages(events: list[Event]) -> list[Results]:
    return [event for event in events if isinstance(event, Results)]


def test_a_turn_is_the_sessions_own(engine: SessionEngine) -> None:
    events = played(engine, SendMessage("something red and blue"))
    assert [page.stage for page in pages(events)] == [Stage.TEXT, Stage.FUSED]
    assert pages(events)[0].hits[0].path.name in ("red-blue.jpg", "blue-red.jpg")
    assert sum(isinstance(event, ImageGenerated) for event in events) == 3
    assert any(isinstance(event, Question) for event in events)
    assert isinstance(events[-1], TurnDone) and not events[-1].cancelled


def test_feedback_counts_from_the_next_page_on(engine: SessionEngine) -> None:
    first = pages(played(engine, SendMessage("something red")))[-1]
    engine.record(PhotoFeedback(first.hits[0].image_id, False))
    engine.record(PictureFeedback(0, 0, True))
    engine.record(SkipQuestion())
    again = pages(played(engine, Rerank()))[-1]
    assert first.hits[0].image_id not in [hit.image_id for hit in again.hits]
    engine.record(PhotoFeedback(first.hits[0].image_id, None))
    assert first.hits[0].image_id in [hit.image_id for hit in pages(played(engine, Rerank()))[-1].hits]


def test_imagining_again_draws_other_pictures_of_the_same_turn(engine: SessionEngine) -> None:
    played(engine, SendMessage("something red"))
    pictures = [event for event in played(engine, ImagineAgain()) if isinstance(event, ImageGenerated)]
    assert [picture.k for picture in pictures] == [3, 4, 5]


def test_narrowing_holds_until_it_is_lifted(engine: SessionEngine) -> None:
    played(engine, SendMessage("something red"))
    narrowing = PhotoFilter(datetime(2020, 1, 1), datetime(2021, 1, 1))
    hits = pages(played(engine, ApplyFilter(narrowing)))[-1].hits
    assert hits and {hit.taken_at.year for hit in hits if hit.taken_at} == {2020}
    like = pages(played(engine, MoreLike(hits[0].image_id)))[-1].hits
    assert {hit.taken_at.year for hit in like if hit.taken_at} == {2020}
    assert len(pages(played(engine, ApplyFilter(PhotoFilter())))[-1].hits) == 40
    assert pages(played(engine, ApplyFilter(PhotoFilter(folder="no such"))))[-1].hits == ()


def test_more_like_a_photo_leaves_itself_out(engine: SessionEngine, world: World) -> None:
    hit = pages(played(engine, SendMessage("something red and blue")))[0].hits[0]
    like = pages(played(engine, MoreLike(hit.image_id)))[0].hits
    assert hit.image_id not in [each.image_id for each in like]
    assert set(like[0].path.stem.split("-")) & set(hit.path.stem.split("-"))


def test_without_imagining_nothing_is_drawn(engine: SessionEngine, models: WorldModels) -> None:
    engine.set_imagining(False)
    engine.warm_up(lambda line: None)
    assert not any(isinstance(event, ImageGenerated) for event in played(engine, SendMessage("something red")))
    assert models.loads == 0


def test_the_generator_is_loaded_once_for_all_sessions(engine: SessionEngine, models: WorldModels) -> None:
    lines: list[str] = []
    engine.warm_up(lines.append)
    played(engine, SendMessage("red"))
    engine.open()
    engine.warm_up(lines.append)
    played(engine, SendMessage("blue"))
    assert models.loads == 1
    assert lines == ["loading the text encoder", "loading the generator", "loading the text encoder"]


def test_a_message_quicker_than_the_models_waits_for_its_texts_hits_only(
    engine: SessionEngine, models: WorldModels
) -> None:
    turn = engine.play(SendMessage("red"))
    while not isinstance(next(turn), Results):
        pass
    engine.warm_up(lambda line: None)
    assert models.loads == 0
    list(turn)
    assert models.loads == 1


def test_a_generator_that_would_load_with_the_first_picture_is_loaded_before(world: World) -> None:
    class Lazy(PaintGenerator):
        loaded = False

        def load(self) -> None:
            self.loaded = True

    lazy = Lazy()
    engine = SessionEngine(load_settings(), world.library.path, WorldModels(world, lazy), now=lambda: NOON)  # type: ignore[arg-type]
    engine.open()
    engine.warm_up(lambda line: None)
    engine.close()
    gc.unfreeze()
    assert lazy.loaded


def test_a_generator_that_cannot_be_loaded_leaves_the_hits(world: World) -> None:
    broken = WorldModels(world, ModelUnavailable("The weights are gone.", "Install dar again."))
    engine = SessionEngine(load_settings(), world.library.path, broken, now=lambda: NOON)  # type: ignore[arg-type]
    engine.open()
    with pytest.raises(ModelUnavailable):
        engine.warm_up(lambda line: None)
    events = played(engine, SendMessage("red"))
    assert pages(events) and any(isinstance(event, TurnFailed) for event in events)
    engine.close()


def test_cancelling_from_another_thread_ends_the_turn(world: World) -> None:
    gate = threading.Event()
    painter = PaintGenerator(gate=gate)
    engine = SessionEngine(load_settings(), world.library.path, WorldModels(world, painter), now=lambda: NOON)  # type: ignore[arg-type]
    engine.open()
    threading.Thread(target=lambda: (painter.started.wait(10), engine.cancel())).start()
    events = played(engine, SendMessage("red"))
    assert isinstance(events[-1], TurnDone) and events[-1].cancelled
    engine.close()


def test_a_session_is_taken_up_with_all_that_was_shown(engine: SessionEngine) -> None:
    first = pages(played(engine, SendMessage("something red and blue")))[-1]
    engine.record(PhotoFeedback(first.hits[2].image_id, True))
    engine.record(PictureFeedback(0, 1, False))
    played(engine, SendMessage("it is white"))
    saved = engine.sessions()[0]
    assert saved.first_message == "something red and blue"
    assert (saved.messages, saved.last_message) == (2, "it is white")
    opened = engine.open(session=saved.path)
    assert [each.message for each in opened.exchanges] == ["something red and blue", "it is white"]
    one = opened.exchanges[0]
    assert one.state is ExchangeState.DONE and one.stage is Stage.FUSED and len(one.hits) == 12
    assert [drawing.path.is_file() for drawing in one.drawings if drawing.path] == [True] * 3
    assert opened.liked == {first.hits[2].image_id} and opened.pictures == {(0, 1): False}
    assert pages(played(engine, Rerank()))[0].hits


def test_a_session_in_use_elsewhere_is_refused_and_the_one_in_hand_stays(engine: SessionEngine, world: World) -> None:
    played(engine, SendMessage("something red"))
    path = engine.sessions()[0].path
    other = SessionEngine(load_settings(), world.library.path, WorldModels(world), now=lambda: NOON)  # type: ignore[arg-type]
    other.open()
    with pytest.raises(DarError, match="open in another dar"):
        other.open(session=path)
    assert pages(played(other, SendMessage("something blue")))
    other.close()


def test_two_engines_that_begin_at_once_work_on_one_library(world: World) -> None:
    one, two = (
        SessionEngine(load_settings(), world.library.path, WorldModels(world), now=lambda: NOON)  # type: ignore[arg-type]
        for _ in range(2)
    )
    names = {one.open().session, two.open().session}
    assert pages(played(one, SendMessage("something red"))) and pages(played(two, SendMessage("something blue")))
    assert len(names) == 2 and names <= {saved.path.stem for saved in one.sessions()}
    one.close()
    two.close()


def test_a_library_is_made_searched_while_it_grows_and_described(world: World, tmp_path: Path) -> None:
    engine = SessionEngine(load_settings(), tmp_path / "new", WorldModels(world), now=lambda: NOON)  # type: ignore[arg-type]
    with pytest.raises(LibraryNotFound):
        engine.open()
    run = engine.index(world.photos, lambda: False)
    next(run)
    opened = engine.open()
    assert opened.library.photos == 0
    assert pages(played(engine, SendMessage("something red")))[0].hits == ()
    *_, last = run
    assert isinstance(last, Finished)
    assert len(pages(played(engine, SendMessage("something blue")))[0].hits) == 40
    assert engine.facts().photos == 56 and engine.facts().name == "photos"
    assert tmp_path / "new" in [facts.path for facts in engine.libraries()]
    engine.close()


def test_an_index_run_can_be_stopped_and_gone_on_with(world: World, tmp_path: Path) -> None:
    engine = SessionEngine(load_settings(), tmp_path / "new", WorldModels(world), now=lambda: NOON)  # type: ignore[arg-type]
    *_, stopped = engine.index(world.photos, lambda: True)
    assert isinstance(stopped, Finished) and stopped.summary.interrupted
    *_, done = engine.index(None, lambda: False)
    assert isinstance(done, Finished) and done.summary.photos == 56


def test_an_encoder_that_changed_is_told(world: World, models: WorldModels, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(library: Library, tell: object) -> Encoder:
        raise EncoderMismatch("The library was made with another encoder.", "Run `dar index --switch-encoder`.")

    monkeypatch.setattr(models, "encoder_of", refuse)
    engine = SessionEngine(load_settings(), world.library.path, models)  # type: ignore[arg-type]
    with pytest.raises(EncoderMismatch):
        engine.open()


def test_folders_that_are_away_are_told(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "usb"
    folder.mkdir()
    (folder / "a.jpg").write_bytes((world.photos / "red-blue.jpg").read_bytes())
    engine = SessionEngine(load_settings(), tmp_path / "new", WorldModels(world))  # type: ignore[arg-type]
    list(engine.index(folder, lambda: False))
    folder.rename(tmp_path / "elsewhere")
    opened = engine.open()
    assert opened.library.away == (folder,)
    assert "Is its drive mounted?" in opened.notes[0]
    engine.close()


def test_esc_ends_a_turn_whose_encoder_is_still_loading(world: World, models: WorldModels) -> None:
    loading, loaded = threading.Event(), threading.Event()

    class SlowEncoder(PaintEncoder):
        def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            loading.set()
            assert loaded.wait(30)
            return super().encode_texts(texts)

    models.load_encoder = models.encoder_of = lambda *_: SlowEncoder()  # type: ignore[method-assign]
    engine = SessionEngine(load_settings(), world.library.path, models)  # type: ignore[arg-type]
    engine.open()
    events: list[Event] = []
    turn = threading.Thread(target=lambda: events.extend(engine.play(SendMessage("something red"))))
    turn.start()
    assert loading.wait(30)
    engine.cancel()
    turn.join(30)
    assert not turn.is_alive() and not loaded.is_set()
    assert isinstance(events[-1], TurnDone) and events[-1].cancelled and not pages(events)
    # It was said, so it counts from the next turn on.
    loaded.set()
    assert [turn.answer for turn in engine._session.dialogue.turns] == ["something red"]  # type: ignore[union-attr]
    assert pages(played(engine, SendMessage("and blue")))
    engine.close()


def test_cancelling_does_not_wait_for_the_disk(engine: SessionEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An fsync of a busy disk takes seconds; the interface's thread cancels, and must not stall meanwhile."""
    writing, written = threading.Event(), threading.Event()
    session = engine._session
    assert session is not None
    write = session.log.write

    def slow(record: object) -> object:
        writing.set()
        assert written.wait(30)
        return write(record)  # type: ignore[arg-type]

    monkeypatch.setattr(session.log, "write", slow)
    feedback = threading.Thread(target=lambda: engine.record(PhotoFeedback(1, True)))
    feedback.start()
    assert writing.wait(30)
    cancelling = threading.Thread(target=engine.cancel)
    cancelling.start()
    cancelling.join(30)
    assert not cancelling.is_alive()
    written.set()
    feedback.join(30)


def test_what_was_understood_is_reported_and_can_be_changed(engine: SessionEngine) -> None:
    understood = [
        each for each in played(engine, SendMessage("something red, no people")) if isinstance(each, Understood)
    ]
    assert understood[-1].chips == (
        ShownChip(ChipKinds.WANTS, "something red"),
        ShownChip(ChipKinds.REJECTS, "people"),
    )
    before = pages(played(engine, Rerank()))[-1].hits
    changed = played(engine, ChangeChip(ShownChip(ChipKinds.WANTS, "something red"), flip=True))
    assert (
        ShownChip(ChipKinds.REJECTS, "something red")
        in next(each for each in reversed(changed) if isinstance(each, Understood)).chips
    )
    assert pages(changed)[-1].hits[0] != before[0]
    played(engine, ChangeChip(ShownChip(ChipKinds.REJECTS, "people"), flip=False))
    session = engine._session
    assert session is not None
    resumed = engine.open(session=session.log.path)
    assert resumed.chips == (ShownChip(ChipKinds.REJECTS, "something red"),)
    assert resumed.exchanges[0].message == "something red, no people"


def test_the_next_page_has_photos_not_seen_yet(engine: SessionEngine) -> None:
    events = played(engine, SendMessage("something red and blue"))
    assert any(isinstance(each, Certainty) for each in events)
    first = pages(events)[-1].hits
    engine.record(PhotosSeen(tuple(hit.image_id for hit in first[:6])))
    # Looking closely is the opposite of passing over.
    engine.record(PhotoLookedAt(first[0].image_id))
    after = pages(played(engine, ShowNextPage()))[-1].hits
    order = [hit.image_id for hit in after]
    assert order and not {hit.image_id for hit in first[1:6]} & set(order[:6])


def test_photos_seen_earlier_are_shown_and_change_nothing(engine: SessionEngine) -> None:
    assert pages(played(engine, ShowSeen()))[-1].hits == ()
    first = pages(played(engine, SendMessage("something red and blue")))[-1]
    ids = [hit.image_id for hit in first.hits[:3]]
    engine.record(PhotosSeen(tuple(ids)))
    second = pages(played(engine, ShowNextPage()))[-1]
    shown = [hit.image_id for hit in pages(played(engine, ShowSeen()))[-1].hits]
    assert set(ids) <= set(shown)
    again = pages(played(engine, Rerank()))[-1]
    assert [hit.image_id for hit in again.hits] == [hit.image_id for hit in second.hits]
