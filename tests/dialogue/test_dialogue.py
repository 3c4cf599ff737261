"""The context C_t: what is derived from its events, and its way to JSON and back."""

from datetime import datetime

import pytest

from dar_tui.dialogue.dialogue import (
    Dialogue,
    DialogueUnreadable,
    Expects,
    OnPhoto,
    OnPicture,
    Opinion,
    Question,
    QuestionAsked,
    QuestionSkipped,
    UserMessage,
)

NOW = datetime(2024, 10, 15, 12)
SUNNY = Question("Is it sunny?", "sunny", Expects.YES_NO)


def full() -> Dialogue:
    return Dialogue().after(
        UserMessage("a dog 🐶 on the beach", NOW),
        QuestionAsked(SUNNY),
        QuestionSkipped(),
        QuestionAsked(Question("Which is it?", "setting", Expects.CHOICE, ("sand", "stones"))),
        UserMessage("sand", NOW),
        OnPhoto("trips/é.jpg", Opinion.GOOD),
        OnPhoto("b.jpg", Opinion.BAD),
        OnPhoto("c.jpg", Opinion.GOOD),
        OnPhoto("c.jpg", Opinion.NONE),
        OnPicture(0, 1, Opinion.GOOD),
        OnPicture(0, 2, Opinion.BAD),
    )


def test_an_answer_belongs_to_the_open_question() -> None:
    dialogue = full()
    assert [turn.answer for turn in dialogue.turns] == ["a dog 🐶 on the beach", "sand"]
    assert dialogue.turns[0].question is None
    assert dialogue.turns[1].question is not None and dialogue.turns[1].question.choices == ("sand", "stones")
    assert dialogue.pending is None
    assert dialogue.asked(SUNNY).pending == SUNNY


def test_a_skipped_question_is_unknown_and_answered_by_nothing() -> None:
    dialogue = full()
    assert dialogue.skipped == (SUNNY,)
    assert dialogue.need().unknown == ("sunny",)
    after = Dialogue().said("a dog", NOW).after(QuestionAsked(SUNNY), QuestionSkipped()).said("yes", NOW)
    assert after.turns[-1].question is None and after.need().wants == ("a dog",)


def test_the_last_opinion_counts() -> None:
    dialogue = full()
    assert dialogue.liked == ("trips/é.jpg",)
    assert dialogue.unliked == ("b.jpg",)
    assert (dialogue.picked, dialogue.vetoed) == (((0, 1),), ((0, 2),))
    assert dialogue.after(OnPhoto("b.jpg", Opinion.GOOD)).unliked == ()


def test_a_question_before_anything_was_described_answers_nothing() -> None:
    assert Dialogue().asked(SUNNY).said("yes", NOW).turns[0].question is None


def test_the_need_parts_d0_from_elaborations() -> None:
    need = full().need()
    assert (need.subject, need.details) == (("a dog 🐶 on the beach",), ("sand",))


def test_json_and_back() -> None:
    assert Dialogue.from_json(full().to_json()) == full()


@pytest.mark.parametrize("version", [2, 0, None, "1", True])
def test_another_version_is_refused_by_name(version: object) -> None:
    data = {**full().to_json(), "version": version}
    with pytest.raises(DialogueUnreadable, match="version") as error:
        Dialogue.from_json(data)
    assert error.value.hint


@pytest.mark.parametrize("data", [0, None, "dialogue", ["events"]])
def test_what_is_no_dialogue_is_refused(data: object) -> None:
    """Found by fuzzing."""
    with pytest.raises(DialogueUnreadable, match="no dialogue"):
        Dialogue.from_json(data)


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "sung", "text": "la"},
        {"kind": "said", "text": 3, "at": "2024-10-15T12:00:00"},
        {"kind": "said", "text": "a dog", "at": "yesterday"},
        {"kind": "on-photo", "photo": "a.jpg", "opinion": "superb"},
        {"text": "no kind"},
        "not an object",
    ],
)
def test_what_is_no_event_is_refused(event: object) -> None:
    with pytest.raises(DialogueUnreadable):
        Dialogue.from_json({"version": 1, "events": [event]})
