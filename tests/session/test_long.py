"""A dialogue of hundreds of turns: it stays small, and all of it is there on resuming. The soak plays ten thousand."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.reformulate import RuleReformulator
from dar_tui.session.events import TurnFailed
from dar_tui.session.session import Session
from tests.session.world import NAMES, NOON, World

TURNS = 200
MESSAGES = (
    *("something {colour} on the left", "no, not {colour}", "actually {colour}", "yes", "can't tell"),
    *("last summer, {colour}", "{colour} and photo number {number}", "in Paris{number}, instead of {colour} a boat"),
)


def messages(count: int) -> list[str]:
    chance = random.Random(5)
    return [chance.choice(MESSAGES).format(colour=chance.choice(NAMES), number=number) for number in range(count)]


def test_hundreds_of_turns_of_one_session_stay_small_and_are_resumed(tmp_path: Path) -> None:
    world = World(tmp_path)
    session = world.session()
    # With no question open "yes" and "can't tell" describe nothing.
    described = [message for message in messages(TURNS) if message not in ("yes", "can't tell")]
    for message in described:
        assert not [event for event in session.turn(message) if isinstance(event, TurnFailed)]
        assert session.request is not None
        texts = session.request.query.texts
        assert len(texts) <= 140 and sum(map(len, texts)) < 10_000
    session.like(1)
    session.close()
    # A few hundred bytes a turn: the page shown, the question, the query of at most 140 statements.
    assert session.log.path.stat().st_size < 4_000 * TURNS
    resumed = Session.resume(world.engine(), session.log)
    assert resumed.dialogue == session.dialogue and len(resumed.dialogue.turns) == len(described)
    assert resumed.request == session.request
    resumed.close()
    world.library.close()


def test_what_was_said_first_and_last_counts_however_long_the_dialogue() -> None:
    dialogue = Dialogue().said("a wooden boat", NOON)
    for number in range(500):
        dialogue = dialogue.said(f"house number {number} with a red door", NOON)
    dialogue = dialogue.said("no lighthouse", NOON).said("a grey heron", NOON)
    need = dialogue.need()
    assert need.wants[0] == "a wooden boat" and need.wants[-1] == "a grey heron"
    assert need.rejects[-1] == "lighthouse" and len(need.wants) < 100
    written = RuleReformulator().reformulate(dialogue, k=3)
    assert all("boat" in prompt and "heron" in prompt and len(prompt) < 1_000 for prompt in written.prompts)


def test_going_on_from_what_was_read_gives_what_reading_all_of_it_gives() -> None:
    dialogue = Dialogue()
    for number, message in enumerate(messages(120)):
        dialogue = dialogue.said(message, NOON)
        branches = [dialogue.said(answer, NOON) for answer in ("no, not green", "a green hat", "yes")]
        if number % 40 == 39:
            for each in (dialogue, *branches):
                assert each.need() == Dialogue(each.events).need()
        else:
            assert branches[0].need() != branches[1].need()


def test_a_clock_that_goes_back_within_a_session_changes_no_order(tmp_path: Path) -> None:
    world = World(tmp_path)
    times = iter(NOON - timedelta(days=400 * number) for number in range(10))
    log = world.log()
    session = Session(world.engine(), log, now=lambda: next(times))
    said = ["something red", "last summer", "with blue on the right"]
    for message in said:
        assert not [event for event in session.turn(message) if isinstance(event, TurnFailed)]
    session.close()
    assert [turn.answer for turn in session.dialogue.turns] == said
    resumed = Session.resume(world.engine(), log)
    assert resumed.dialogue == session.dialogue and resumed.request == session.request
    # "Last summer" is seen from when it was said.
    [when] = resumed.dialogue.need().when
    assert {span.first.year for span in when.spans} == {NOON.year - 2}
    resumed.close()
    world.library.close()
