"""Questions within a session: what is asked, what answers change, and when nothing is asked."""

from __future__ import annotations

import pytest

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.fusion.evidence import QueryEncoder, SearchRequest, evidence
from dar_tui.fusion.strategies import Evidence
from dar_tui.language.turn import Expects, Question
from dar_tui.questions.questioner import Policy
from dar_tui.reformulate import query_text
from dar_tui.session.events import (
    Results,
)
from tests.session.event_lists import of
from tests.session.world import NOON, World


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
    yes, no = question.choices or ("yes", "no")
    need = session.dialogue.said(yes, NOON).need()
    assert need != session.dialogue.need()
    assert session.dialogue.said(no, NOON).need() != need


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


def test_a_plain_answer_counts_less_than_the_users_own_words(world: World) -> None:
    def known(dialogue: Dialogue) -> Evidence:
        asking = SearchRequest(1, query_text(dialogue), dialogue.need())
        return evidence(asking, dialogue, {}, QueryEncoder(world.encoder), world.library)

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
