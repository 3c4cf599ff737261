"""Turns as a user plays them: what comes in which order, what feedback changes, what failure leaves standing."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dar_tui.dialogue.dialogue import Dialogue, Opinion
from dar_tui.dialogue.turn import Expects, Question
from dar_tui.fusion.evidence import Asking, Reader, evidence
from dar_tui.fusion.finding import Narrowing
from dar_tui.fusion.strategies import DEFAULT, STRATEGIES, Evidence
from dar_tui.imagine.pictures import read_png
from dar_tui.questions.asking import Policy
from dar_tui.reformulate import query_text
from dar_tui.session.events import (
    Event,
    Imagining,
    Loading,
    Note,
    Part,
    Picture,
    Prompts,
    Reformulated,
    Results,
    Stage,
    TurnDone,
    TurnFailed,
)
from dar_tui.session.saving import Log
from dar_tui.session.session import Options, Session
from dar_tui.session.transcript import Pictured, Prompted, Shown, Started, resume, session_path
from indexer.errors import DarError, ModelUnavailable, UsageError
from tests.session.world import NAMES, NOON, OPTIONS, ConditionedPainter, PaintEncoder, PaintGenerator, World, fixed


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(Path(tmp_path_factory.mktemp("world")))


@pytest.fixture
def world(built: World, tmp_path: Path) -> Iterator[World]:
    """The one library, and a folder of each test's own for what sessions write."""
    built.folder, kept = tmp_path, built.folder
    yield built
    built.folder = kept


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def page(events: list[Event], stage: Stage = Stage.FUSED) -> list[str]:
    (found,) = (event for event in events if isinstance(event, Results) and event.stage is stage)
    return [hit.path.stem for hit in found.hits]


def of(events: list[Event], kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in events if isinstance(event, kind)]


# The turn


def test_a_turn_tells_everything_in_order(world: World) -> None:
    events = list(world.session(PaintGenerator(), asks=True).turn("something red and blue"))
    told = list(dict.fromkeys(kinds(events)))
    drawing = ["Loading", "Loaded", "Imagining", "Picture"]
    assert told == ["Reformulated", "Results", "Prompts", *drawing, "Question", "TurnDone"]
    assert [event.stage for event in of(events, Results)] == [Stage.TEXT, Stage.FUSED]
    assert [event.k for event in of(events, Picture)] == [0, 1, 2]
    assert isinstance(events[-1], TurnDone) and not events[-1].cancelled


def test_the_page_follows_the_dialogue(world: World) -> None:
    session = world.session(PaintGenerator())
    assert set(page(list(session.turn("something red and blue")))[:2]) == {"red-blue", "blue-red"}
    assert "green" in page(list(session.turn("actually it was green, not blue")))[0]
    assert [event.turn for event in session.turn("and more yellow") if isinstance(event, Reformulated)] == [2]


def test_pictures_decide_where_text_cannot(world: World) -> None:
    """Text knows which colours; only the visual space knows that red was on the left."""
    session = world.session(PaintGenerator())
    events = list(session.turn("red left of blue"))
    assert page(events)[0] == "red-blue"
    scores = [event.hits for event in of(events, Results)]
    # Cosines of this text with both photos are equal; a picture that counts 0.15 parts them by nearly that.
    assert scores[0][0].score == pytest.approx(scores[0][1].score, abs=0.01)
    assert scores[1][0].score > scores[1][1].score + 0.1


def test_text_hits_come_before_the_generator_is_even_loaded(world: World) -> None:
    gate = threading.Event()
    generator = PaintGenerator(gate=gate)
    turn = world.session(generator).turn("something red")
    for event in turn:
        if isinstance(event, Results):
            assert event.stage is Stage.TEXT and not generator.started.is_set()
            break
    gate.set()
    assert page(list(turn))[0].count("red")


def test_the_generator_is_loaded_once_and_told_only_then(world: World) -> None:
    session = world.session(PaintGenerator())
    assert not session.is_ready_to_imagine
    assert len(of(list(session.turn("red")), Loading)) == 1
    assert session.is_ready_to_imagine
    assert not of(list(session.turn("blue")), Loading)


def test_a_generator_prepared_ahead_needs_no_loading(world: World) -> None:
    session = world.session(PaintGenerator())
    session.prepare()
    assert not of(list(session.turn("red")), Loading)


def test_without_a_generator_text_is_all(world: World) -> None:
    events = list(world.session().turn("something red"))
    assert kinds(events) == ["Reformulated", "Results", "TurnDone"]


def test_imagining_can_be_switched(world: World) -> None:
    generator = PaintGenerator()
    session = world.session(generator)
    session.imagining = False
    assert not of(list(session.turn("red")), Prompts) and not generator.prompts
    session.imagining = True
    assert len(of(list(session.turn("blue")), Picture)) == 3


def test_prompts_differ_follow_the_dialogue_and_never_name_a_reject(world: World) -> None:
    generator = PaintGenerator()
    session = world.session(generator, pictures=4)
    list(session.turn("something red and blue"))
    list(session.turn("no blue"))
    assert len(set(generator.prompts)) == 8
    assert all("red" in prompt for prompt in generator.prompts)
    assert not any("blue" in prompt for prompt in generator.prompts[4:])


def test_seeds_are_the_same_for_the_same_session_and_differ_between_pictures(world: World, tmp_path: Path) -> None:
    def seeds(folder: Path) -> tuple[int, ...]:
        session = Session(
            world.engine(PaintGenerator()), Log(session_path(folder, NOON), Started(NOON)), now=fixed(NOON)
        )
        return tuple(seed for event in session.turn("red") if isinstance(event, Prompts) for seed in event.seeds)

    assert seeds(tmp_path / "a") == seeds(tmp_path / "b")
    assert len(set(seeds(tmp_path / "c"))) == 3


def test_a_conditioned_generator_gets_the_means_of_the_statements(world: World) -> None:
    class WithSentences(PaintEncoder):
        def encode_texts_and_sentences(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
            return self.encode_texts(texts), self.encode_texts(texts)[:, :5]

    generator = ConditionedPainter()
    engine = world.engine(generator)
    plain = Session(engine, world.log(), now=fixed(NOON))
    failed = of(list(plain.turn("red")), TurnFailed)
    assert failed and failed[0].part is Part.IMAGINE and "test-paint-1" in failed[0].message
    session = Session(
        type(engine)(engine.library, WithSentences(), engine.reformulator, engine.load_generator), world.log()
    )
    list(session.turn("red"))
    list(session.turn("blue"))
    assert generator.conditions is not None
    np.testing.assert_allclose(np.linalg.norm(generator.conditions.joint), 1, atol=1e-5)
    assert generator.conditions.joint[0] == pytest.approx(generator.conditions.joint[2], abs=0.05)


@pytest.mark.parametrize("fusion", STRATEGIES)
def test_every_strategy_plays(world: World, fusion: str) -> None:
    session = world.session(PaintGenerator(), fusion=fusion)
    assert {page(list(session.turn("something red and blue")))[0]} <= {"red-blue", "blue-red"}


def test_an_unknown_strategy_is_a_usage_error(world: World) -> None:
    with pytest.raises(UsageError, match="no fusion strategy"):
        world.session(fusion="magic")


@pytest.mark.parametrize("message", ["", "   ", "\n\t"])
def test_no_words_are_no_message(world: World, message: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        world.session().turn(message)


@pytest.mark.parametrize(
    "message", ["no people", "in 2020", "I don't know", "???", "\U0001f436", "赤い車", "a " * 3000]
)
def test_any_message_ends_with_photos(world: World, message: str) -> None:
    events = list(world.session(PaintGenerator(), asks=True).turn(message))
    assert len(of(events, Results)[-1].hits) == 10 and not of(events, TurnFailed)


def test_days_filter_and_a_filter_that_leaves_nothing_is_left_out_with_a_note(world: World) -> None:
    session = world.session()
    events = list(session.turn("something red in 2020"))
    assert {hit.taken_at.year for hit in of(events, Results)[0].hits} == {2020}
    ranks = [hit.rank for hit in of(events, Results)[0].hits]
    assert ranks == list(range(1, len(ranks) + 1))
    events = list(world.session().turn("something red in 1990"))
    assert len(of(events, Results)[0].hits) == 10
    assert any("1990" in note.text for note in of(events, Note))


def test_a_season_of_any_year_filters(world: World) -> None:
    (found,) = of(list(world.session().turn("something red in summer")), Results)
    assert found.hits and {hit.taken_at.month for hit in found.hits} <= {6, 7, 8, 9}


def test_a_reject_lowers_what_shows_it(world: World) -> None:
    session = world.session()
    before = page(list(session.turn("something red")), Stage.TEXT)
    rejected = next(name for name in before if name != "red").replace("red", "").strip("-")
    after = page(list(session.turn(f"no {rejected}")), Stage.TEXT)
    assert sum(rejected in name for name in after) < sum(rejected in name for name in before) or not any(
        rejected in name for name in after
    )


# Feedback


def test_a_photo_liked_pulls_and_one_unliked_is_gone(world: World) -> None:
    session = world.session(PaintGenerator())
    first = of(list(session.turn("something red")), Results)[-1].hits
    session.unlike(first[0].image_id)
    again = of(list(session.rerank()), Results)[-1].hits
    assert first[0].image_id not in {hit.image_id for hit in again}
    liked = again[5]
    session.like(liked.image_id)
    assert of(list(session.rerank()), Results)[-1].hits[0].image_id == liked.image_id
    session.like(liked.image_id, Opinion.NONE)
    assert [hit.image_id for hit in of(list(session.rerank()), Results)[-1].hits] == [hit.image_id for hit in again]


def test_a_picture_picked_pulls_and_one_vetoed_no_longer_counts(world: World) -> None:
    session = world.session(PaintGenerator())
    before = of(list(session.turn("something red and blue")), Results)[-1].hits
    session.pick(0, 0)
    after = of(list(session.rerank()), Results)[-1].hits
    assert after[0].path == before[0].path and after[0].score > before[0].score
    for k in range(3):
        session.veto(0, k)
    assert of(list(session.rerank()), Results)[-1].hits[0].path.stem == "blue-red"


def test_feedback_on_what_was_not_shown_is_refused(world: World) -> None:
    session = world.session(PaintGenerator())
    with pytest.raises(UsageError, match="no picture 1"):
        session.pick(0, 0)
    with pytest.raises(UsageError, match="no question"):
        session.skip()


def test_rerank_draws_nothing(world: World) -> None:
    generator = PaintGenerator()
    session = world.session(generator)
    list(session.turn("red"))
    drawn = len(generator.prompts)
    assert kinds(list(session.rerank())) == ["Results", "TurnDone"] and len(generator.prompts) == drawn


def test_rerank_before_the_first_message_shows_nothing(world: World) -> None:
    assert kinds(list(world.session().rerank())) == ["TurnDone"]


def test_imagining_again_adds_pictures_from_other_seeds_which_a_resumed_session_has_too(world: World) -> None:
    generator = PaintGenerator()
    session = world.session(generator)
    first = of(list(session.turn("something red and blue")), Prompts)[0]
    events = list(session.imagine_again())
    second = of(events, Prompts)[0]
    assert [event.k for event in of(events, Picture)] == [3, 4, 5]
    assert not set(first.seeds) & set(second.seeds) and page(events)[0] == "red-blue"
    session.close()
    again = Session.resume(world.engine(generator), Log(session.log.path, session.log.started))
    assert sorted(again.gallery) == [(0, k) for k in range(6)]
    assert again.gallery[0, 4].seed == second.seeds[1]
    assert [event.k for event in again.imagine_again() if isinstance(event, Picture)] == [6, 7, 8]


def test_sessions_begun_in_the_same_second_have_files_of_their_own(world: World, tmp_path: Path) -> None:
    both = [Session(world.engine(), Log.begin(tmp_path, NOON)) for _ in range(2)]
    for session, text in zip(both, ("something red", "something blue"), strict=True):
        list(session.turn(text))
        session.close()
    assert [resume(session.log.path).dialogue.turns[0].answer for session in both] == [
        "something red",
        "something blue",
    ]


def test_a_long_session_keeps_no_pixels(world: World) -> None:
    session = world.session(PaintGenerator())
    drawn: list[weakref.ref[Image.Image]] = []
    for turn in range(20):
        for event in session.turn(f"something {NAMES[turn % len(NAMES)]}"):
            if isinstance(event, Picture):
                drawn.append(weakref.ref(event.imagined.image))
                del event
    gc.collect()
    assert len(drawn) == len(session.gallery) == 60
    assert sum(picture() is not None for picture in drawn) == 0


def test_before_the_first_message_there_is_nothing_to_imagine_again(world: World) -> None:
    assert kinds(list(world.session(PaintGenerator()).imagine_again())) == ["TurnDone"]


@pytest.mark.parametrize(
    ("narrowing", "left"),
    [
        (Narrowing(after=datetime(2020, 1, 1), before=datetime(2021, 1, 1)), 12),
        (Narrowing(folder="PHOTOS"), 20),
        (Narrowing(folder="nowhere"), 0),
        (Narrowing(camera="nikon"), 0),
    ],
)
def test_a_narrowing_by_hand_is_always_kept_to(world: World, narrowing: Narrowing, left: int) -> None:
    session = world.session(PaintGenerator(), page=20)
    list(session.turn("something red in 1990"))
    session.narrowing = narrowing
    assert len(of(list(session.rerank()), Results)[0].hits) == left
    assert not of(list(session.turn("and blue")), TurnFailed)


# Questions


def test_answers_change_what_is_found_and_no_question_comes_twice(world: World) -> None:
    session = world.session(asks=True)
    events = list(session.turn("something red"))
    asked: list[str] = []
    target = "red-green"
    for _ in range(6):
        questions = of(events, Question)
        if not questions:
            break
        (question,) = questions
        assert question.text not in asked
        asked.append(question.text)
        colour = next((name for name in ("green", "blue", "black", "white", "pink") if name in question.topic), "")
        answer = "can't tell" if not colour else "yes" if colour in target else "no"
        events = list(session.turn(answer))
    assert len(asked) >= 2


def test_what_is_remembered_is_asked_for_before_yes_or_no(world: World) -> None:
    session = world.session(asks=True)
    (first,) = of(list(session.turn("something red")), Question)
    assert first.expects is Expects.OPEN
    before = session.dialogue.need()
    events = list(session.turn("green"))
    assert session.dialogue.need().wants == (*before.wants, "green")
    best = of(events, Results)[-1].hits[0].path.stem
    assert set(best.split("-")) == {"red", "green"}


def test_questions_by_yes_or_no_alone_are_a_policy(world: World) -> None:
    session = world.session(asks=True, policy=Policy.YES_NO)
    (question,) = of(list(session.turn("something red")), Question)
    assert question.expects is not Expects.OPEN


def test_a_yes_and_a_no_reach_query_and_ranking(world: World) -> None:
    session = world.session(asks=True, policy=Policy.YES_NO)
    list(session.turn("something red"))
    question = session.dialogue.pending
    assert question is not None
    need = session.dialogue.said("yes", NOON).need()
    assert need != session.dialogue.need()
    assert session.dialogue.said("no", NOON).need() != need


def test_a_skipped_question_gives_way_to_another(world: World) -> None:
    session = world.session(asks=True)
    list(session.turn("something red"))
    first = session.dialogue.pending
    session.skip()
    (second,) = of(list(session.rerank()), Question)
    assert first is not None and second.text != first.text and session.dialogue.pending == second


def test_nothing_is_asked_when_no_answer_would_change_the_page(world: World) -> None:
    session = world.session(asks=True, page=1000)
    assert not of(list(session.turn("something red")), Question)


# Failures


@pytest.mark.parametrize(
    "error", [ModelUnavailable("It is not here.", "Run pull."), KeyError("weights"), RuntimeError()]
)
def test_a_generator_that_does_not_load_leaves_the_text_standing(world: World, error: Exception) -> None:
    events = list(world.session(error, asks=True).turn("something red"))
    (failed,) = of(events, TurnFailed)
    assert failed.part is Part.IMAGINE and failed.message
    assert len(page(events, Stage.TEXT)) == 10 and of(events, Question)
    assert not of(events, Picture) and isinstance(events[-1], TurnDone) and not events[-1].cancelled


def test_a_generator_that_fails_midway_leaves_its_first_picture(world: World) -> None:
    session = world.session(PaintGenerator(fails=RuntimeError("CUDA went away\nat line 3")))
    events = list(session.turn("red and blue"))
    assert len(of(events, Picture)) == 1 and page(events)
    (failed,) = of(events, TurnFailed)
    assert "CUDA went away at line 3" in failed.message
    assert len(of(list(session.turn("green")), Results)) == 2


def test_a_vector_of_another_encoder_is_refused(world: World) -> None:
    class Foreign(PaintGenerator):
        def generate(self, *arguments: object) -> Iterator[object]:  # type: ignore[override]
            from dataclasses import replace

            for imagined in super().generate(*arguments):  # type: ignore[arg-type]
                yield replace(imagined, vector=np.full(3, np.nan, np.float32))

    (failed,) = of(list(world.session(Foreign()).turn("red")), TurnFailed)
    assert "3 numbers" in failed.message


def test_a_library_of_another_encoder_is_a_failed_search(world: World) -> None:
    class Longer(PaintEncoder):
        def encode_texts(self, texts: list[str]) -> np.ndarray:  # type: ignore[override]
            return np.ones((len(texts), 99), np.float32)

    engine = world.engine()
    session = Session(type(engine)(engine.library, Longer(), engine.reformulator), world.log())
    (failed,) = of(list(session.turn("red")), TurnFailed)
    assert failed.part is Part.SEARCH and "99" in failed.message


def test_a_disk_that_refuses_costs_the_record_and_not_the_turn(world: World) -> None:
    (world.folder / "sessions").write_text("a file is in the way")
    events = list(world.session(PaintGenerator()).turn("red"))
    assert {event.part for event in of(events, TurnFailed)} == {Part.SAVE}
    assert len(of(events, Results)) == 2


# Cancelling


def test_cancel_ends_a_turn_while_a_picture_is_drawn(world: World) -> None:
    generator = PaintGenerator(gate=threading.Event())
    session = world.session(generator, asks=True)
    seen: list[Event] = []
    worker = threading.Thread(target=lambda: seen.extend(session.turn("red")))
    worker.start()
    assert generator.started.wait(30)
    session.cancel()
    worker.join(30)
    # The picture was never finished: whoever waited for it would be waiting still.
    assert not worker.is_alive() and generator.gate is not None and not generator.gate.is_set()
    assert isinstance(seen[-1], TurnDone) and seen[-1].cancelled
    assert len(of(seen, Results)) == 1 and not of(seen, Question)


def test_a_new_turn_cancels_the_old_one_and_both_messages_count(world: World) -> None:
    gate = threading.Event()
    generator = PaintGenerator(gate=gate)
    session = world.session(generator)
    seen: list[Event] = []
    worker = threading.Thread(target=lambda: seen.extend(session.turn("something red")))
    worker.start()
    assert generator.started.wait(5)
    second = session.turn("and blue")
    worker.join(5)
    gate.set()
    events = list(second)
    assert of(seen, TurnDone)[0].cancelled and not of(events, TurnDone)[0].cancelled
    assert set(page(events)[:2]) == {"red-blue", "blue-red"}
    assert [turn for turn, _ in session.gallery] == [1, 1, 1]


def test_a_turn_abandoned_midway_holds_nothing_up(world: World) -> None:
    session = world.session(PaintGenerator(), asks=True)
    turn = session.turn("something red")
    next(turn)
    assert len(of(list(session.turn("and blue")), Results)) == 2
    rest = list(turn)
    assert kinds(rest) == ["TurnDone"] and rest[0].cancelled


@pytest.mark.parametrize("after", range(1, 14))
def test_cancelling_after_any_event_keeps_the_session_whole(world: World, after: int) -> None:
    session = world.session(PaintGenerator(), asks=True)
    seen = []
    for event in session.turn("something red and blue"):
        seen.append(event)
        if len(seen) == after:
            session.cancel()
    assert isinstance(seen[-1], TurnDone) and len(seen) <= after + 1
    assert set(page(list(session.turn("really")))[:2]) == {"red-blue", "blue-red"}
    saved = resume(session.log.path)
    assert saved.dialogue == session.dialogue


# Saving and resuming


def test_everything_is_in_the_transcript_with_pictures_of_its_own(world: World) -> None:
    session = world.session(PaintGenerator(), asks=True)
    list(session.turn("something red and blue"))
    records = resume(session.log.path).records
    (prompted,) = [record for record in records if isinstance(record, Prompted)]
    assert len(prompted.prompts) == len(prompted.seeds) == 3 and prompted.query
    assert [record.stage for record in records if isinstance(record, Shown)] == ["text", "fused"]
    for record in (record for record in records if isinstance(record, Pictured)):
        path = session.log.path.with_suffix("") / record.path
        assert read_png(path).image.size == (32, 32)
        assert f'"seed": {prompted.seeds[record.index]}' in read_png(path).origin


def test_a_session_nobody_spoke_in_leaves_no_file(world: World) -> None:
    session = world.session(PaintGenerator())
    list(session.rerank())
    session.close()
    assert not (world.folder / "sessions").exists()


def test_a_resumed_session_stands_where_it_stood_and_goes_on(world: World) -> None:
    session = world.session(PaintGenerator(), asks=True)
    events = list(session.turn("something red and blue"))
    session.like(of(events, Results)[-1].hits[3].image_id)
    session.pick(0, 1)
    before = of(list(session.rerank()), Results)[-1]
    session.close()
    engine = world.engine(PaintGenerator(), asks=True)
    again = Session.resume(engine, Log(session.log.path, session.log.started), OPTIONS, now=fixed(NOON))
    assert again.id == session.id and again.dialogue == session.dialogue
    assert sorted(again.gallery) == [(0, 0), (0, 1), (0, 2)]
    after = of(list(again.rerank()), Results)[-1]
    assert [hit.image_id for hit in after.hits] == [hit.image_id for hit in before.hits]
    np.testing.assert_allclose([hit.score for hit in after.hits], [hit.score for hit in before.hits], atol=1e-5)
    assert [event.turn for event in again.turn("no") if isinstance(event, Reformulated)] == [1]


def test_a_session_cut_at_any_byte_resumes_to_what_was_whole(world: World) -> None:
    session = world.session(PaintGenerator(), asks=True)
    list(session.turn("something red and blue"))
    list(session.turn("no"))
    session.close()
    whole = session.log.path.read_bytes()
    first = whole.index(b"\n") + 1
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    cuts = sorted({*ends, *(end - 1 for end in ends[1:]), *range(first, len(whole), 97)})
    dialogues: list[Dialogue] = []
    for cut in cuts:
        session.log.path.write_bytes(whole[:cut])
        again = Session.resume(world.engine(PaintGenerator()), Log(session.log.path, session.log.started))
        assert again.dialogue.events == session.dialogue.events[: len(again.dialogue.events)]
        dialogues.append(again.dialogue)
        if again.dialogue.turns:
            assert len(of(list(again.rerank()), Results)[0].hits) == 10
        again.close()
    assert [len(each.events) for each in dialogues] == sorted(len(each.events) for each in dialogues)
    assert dialogues[-1] == session.dialogue


def test_a_picture_that_was_deleted_is_missed_by_nobody(world: World) -> None:
    session = world.session(PaintGenerator())
    list(session.turn("something red and blue"))
    session.close()
    for path in session.log.path.with_suffix("").glob("*-0.png"):
        path.write_bytes(b"no picture")
    again = Session.resume(world.engine(), Log(session.log.path, session.log.started))
    assert sorted(again.gallery) == [(0, 1), (0, 2)] and page(list(again.rerank()))


def test_a_session_open_elsewhere_is_not_resumed(world: World) -> None:
    session = world.session()
    list(session.turn("red"))
    with pytest.raises(DarError, match="open in another"):
        Session.resume(world.engine(), Log(session.log.path, session.log.started))


def test_timings_say_what_took_how_long(world: World) -> None:
    events = list(world.session(PaintGenerator(), asks=True).turn("red"))
    timings = of(events, TurnDone)[0].timings
    assert timings.text_hits and timings.first_picture and timings.fused_hits and timings.ask is not None
    assert timings.text_hits < timings.first_picture < timings.fused_hits < timings.total
    assert of(list(world.session().turn("red")), TurnDone)[0].timings.imagine is None


def test_the_default_options_are_the_papers_k_and_the_measured_strategy() -> None:
    assert Options().pictures == 3 and Options().fusion == DEFAULT


def test_steps_are_told_as_they_happen(world: World) -> None:
    events = list(world.session(PaintGenerator(), pictures=2).turn("red"))
    assert [(event.k, event.step, event.steps) for event in of(events, Imagining)] == [
        (0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2),
    ]  # fmt: skip


def test_a_plain_answer_counts_less_than_the_users_own_words(world: World) -> None:
    def known(dialogue: Dialogue) -> Evidence:
        asking = Asking(1, query_text(dialogue), dialogue.need())
        return evidence(asking, dialogue, {}, Reader(world.encoder), world.library)

    red = Dialogue().said("something red", NOON)
    asked = red.asked(Question("Is there green in it?", "green", Expects.YES_NO))
    assert known(asked.said("yes", NOON)).weights == [0.5, pytest.approx(0.2)]
    assert known(red.said("green", NOON)).weights == [0.5, 0.5]
    # Beside eight facts an answer that has one more weighs a tenth, by yes or in words.
    long = Dialogue().said("a red car and two old bicycles near the yellow house wall", NOON)
    weights = known(long.asked(Question("Is there green in it?", "green", Expects.YES_NO)).said("yes", NOON)).weights
    assert weights is not None and weights[1] / weights[0] == pytest.approx(0.8 / 8)
    in_words = long.asked(Question("What else is in it?", "the things", Expects.OPEN)).said("green", NOON)
    assert known(in_words).weights == weights
    assert known(asked.said("no", NOON)).reject_weight == 0.05
    assert known(red.said("no green", NOON)).reject_weight == 0.3
