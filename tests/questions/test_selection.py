"""What is worth asking: photos spared, what is settled, what was asked."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dar_tui.cancellation import Cancelled, never
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.language.rules.answers import chosen_photo
from dar_tui.language.turn import Expects, Question
from dar_tui.questions.bank import Attribute, BankVectors, Choice, load_bank
from dar_tui.questions.questioner import worded
from dar_tui.questions.selection import (
    MOST_OF_A_TOPIC,
    looked_at,
    open_attributes,
    photo_question,
    place_question,
    probabilities,
    ranked,
    saved_by_naming,
    saved_by_yes_or_no,
    year_question,
)
from indexer.errors import ModelUnavailable

AT = datetime(2024, 6, 1)
BANK = load_bank()
APART = np.eye(len(BANK), dtype=np.float32)


def opened(dialogue: Dialogue, meanings: np.ndarray = APART) -> set[str]:
    numbers = open_attributes(BANK, meanings, dialogue.need(), dialogue.questions)
    return {BANK[number].statement for number in numbers}


def said(*texts: str) -> Dialogue:
    dialogue = Dialogue()
    for text in texts:
        dialogue = dialogue.said(text, AT)
    return dialogue


def put(statement: str) -> Question:
    return next(each for each in BANK if each.statement == statement).put()


@pytest.mark.parametrize(
    ("message", "settled"),
    [
        ("a dog on the beach", {"a dog", "a beach", "a street", "indoors or outdoors", "a kitchen"}),
        ("two men in red shirts", {"people", "a person wearing red", "one person", "two people"}),
        ("a boy kicking a soccer ball", {"a ball", "soccer", "a boy", "people", "sport"}),
        ("snow at night", {"snow", "day or night"}),
        ("no people, just a lake", {"people", "a lake", "a person wearing blue", "running"}),
        ("children playing", {"a child", "playing"}),
    ],
)
def test_what_is_said_is_not_asked(message: str, settled: set[str]) -> None:
    assert not settled & opened(said(message))


def test_a_question_about_a_dog_needs_a_dog() -> None:
    assert "a brown dog" not in opened(said("a red car"))
    assert "a brown dog" in opened(said("a dog in the park"))
    assert "a brown dog" not in opened(said("a brown dog in the park"))


@pytest.mark.parametrize("answer", ["yes", "no", "can't tell", "Actually, it was raining"])
def test_a_question_put_is_not_put_again(answer: str) -> None:
    dialogue = said("a red car").asked(put("trees")).said(answer, AT)
    assert "trees" not in opened(dialogue)


def test_a_skipped_question_is_not_put_again() -> None:
    from dar_tui.dialogue.dialogue import QuestionSkipped

    dialogue = said("a red car").asked(put("trees")).after(QuestionSkipped())
    assert "trees" not in opened(dialogue)


def test_the_same_in_other_words_is_blocked_by_meaning() -> None:
    meanings = APART.copy()
    numbers = {each.statement: number for number, each in enumerate(BANK)}
    meanings[numbers["climbing"]] = meanings[numbers["a rock climber"]]
    dialogue = said("a red car").asked(put("climbing")).said("no", AT)
    assert "a rock climber" not in opened(dialogue, meanings) and "a rock climber" in opened(said("a red car"))


def test_one_topic_is_not_asked_about_for_ever() -> None:
    dialogue = said("a red car")
    colours = [each for each in BANK if each.topic == "vehicles"][:MOST_OF_A_TOPIC]
    for attribute in colours:
        dialogue = dialogue.asked(attribute.put()).said("no", AT)
    assert not {each.statement for each in BANK if each.topic == "vehicles"} & opened(dialogue)


def test_an_even_split_spares_most_and_a_foregone_answer_nothing() -> None:
    weights = np.full(4, 0.25)
    shows = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5], [1.0, 0.0, 0.0, 0.0]])
    # One photo after the other, 1.5 are looked at in vain; with the first answer known 0.5.
    np.testing.assert_allclose(looked_at(weights, 1), 1.5)
    np.testing.assert_allclose(saved_by_yes_or_no(weights, shows, 1), [1.0, 0.0, 0.0, 0.75])
    np.testing.assert_allclose(saved_by_naming(weights, shows, 1), [0.5, 0.0, 0.0, 0.375])
    # All of them on one page: no answer spares anything.
    np.testing.assert_allclose(saved_by_yes_or_no(weights, shows, 4), 0)


@given(seed=st.integers(0, 2**32 - 1), page=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_an_answer_never_costs_photos_on_average(seed: int, page: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.random(9)
    weights /= weights.sum()
    saved = saved_by_yes_or_no(weights, random.random((5, 9)), page)
    assert (saved > -1e-9).all() and (saved <= looked_at(weights, page) + 1e-9).all()


def attribute(statement: str, share: float, **options: object) -> Attribute:
    return Attribute(statement, f"Is there {statement}?", "things", share, (statement,), **options)  # type: ignore[arg-type]


def test_chances_average_to_the_share_whatever_the_encoders_scale() -> None:
    random = np.random.default_rng(0)
    bank = [attribute("a cat", 0.1), attribute("trees", 0.5)]
    background = random.normal(size=(4000, 8)).astype(np.float32)
    for scale in (0.01, 5.0):
        vectors = BankVectors(scale * random.normal(size=(2, 8)).astype(np.float32), np.eye(2, dtype=np.float32))
        shows = probabilities(bank, vectors, background, background)
        np.testing.assert_allclose(shows.mean(axis=1), [0.1, 0.5], atol=0.02)


def test_the_question_that_spares_most_comes_first_and_the_unanswerable_later() -> None:
    bank = [attribute("a", 0.5), attribute("b", 0.5), attribute("c", 0.5, answerable=0.3)]
    shows = np.array([[0.9, 0.8, 0.9, 0.8], [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]])
    order = [proposal.question.topic for _, proposal in ranked(bank, [0, 1, 2], np.full(4, 0.25), shows, 1)]
    assert order == ["b", "c"]


def test_a_choice_offers_its_answers() -> None:
    question = attribute("x", 0.5, choices=(Choice("left", "l"), Choice("right", "r"))).put()
    assert question.expects is Expects.CHOICE and question.choices == ("left", "right")


def test_the_year_is_asked_where_it_parts_the_candidates() -> None:
    taken = [datetime(2019, 5, 1)] * 3 + [datetime(2021, 5, 1)] * 3
    weights = np.full(6, 1 / 6)
    proposal = year_question(taken, weights, said("a dog").need(), (), 1)
    assert proposal is not None and proposal.question.text == "Was it in 2019?"
    yes = said("a dog").asked(proposal.question).said("y", AT).need()
    assert yes.when[0].holds(datetime(2019, 7, 1).date()) and yes.wants == ("a dog",)
    no = said("a dog").asked(proposal.question).said("n", AT).need()
    assert not no.when[0].holds(datetime(2019, 7, 1).date())


@pytest.mark.parametrize(
    ("taken", "message"),
    [
        ([None] * 6, "a dog"),
        ([datetime(2019, 5, 1)] * 6, "a dog"),
        ([datetime(2019, 5, 1)] * 3 + [datetime(2021, 5, 1)] * 3, "a dog in 2019"),
    ],
)
def test_the_year_is_not_asked_where_it_separates_nothing(taken: list[datetime | None], message: str) -> None:
    assert year_question(taken, np.full(6, 1 / 6), said(message).need(), (), 1) is None


def test_the_place_is_asked_for_where_candidates_were_taken_in_several() -> None:
    places, weights = ["Rome"] * 4 + ["Lucca"] * 6 + ["", ""], np.full(12, 1 / 12)
    found = place_question(places, weights, said("a dog").need(), (), 1)
    assert found is not None and found.question.text == "Where was it taken? Lucca, Rome?"
    answered = said("a dog").asked(found.question).said("Lucca", AT)
    assert answered.need().where == ("Lucca",)
    assert place_question(places, weights, answered.need(), answered.questions, 1) is None
    unsure = said("a dog").asked(found.question).said("can't tell", AT)
    assert place_question(places, weights, unsure.need(), (), 1) is None
    assert place_question(["Rome"] * 12, weights, said("a dog").need(), (), 1) is None
    assert place_question(["Rome", "Lucca"] + [""] * 10, weights, said("a dog").need(), (), 1) is None


def test_two_photos_that_separate_the_candidates_are_to_be_compared() -> None:
    weights = np.full(12, 1 / 12)
    near = np.zeros((3, 12))
    near[0], near[2] = [4.0] * 6 + [-4.0] * 6, [-4.0] * 6 + [4.0] * 6
    found = photo_question([1, 2, 3], ["70", "80", "90"], near, weights, (), 1)
    assert found is not None and found.question.text == "Is it closer to 1 or to 3?"
    assert found.question.photos == ("70", "90") and found.question.choices == ("1", "3")
    # Not twice, and not where all are on one page or as near.
    again = photo_question([1, 2, 3], ["70", "80", "90"], near, weights, (found.question,), 1)
    assert again is None or again.question.photos != ("70", "90")
    assert photo_question([1, 2, 3], ["70", "80", "90"], near, weights, (), 12) is None
    assert photo_question([1, 2, 3], ["70", "80", "90"], np.zeros((3, 12)), weights, (), 1) is None


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [("1", 0), ("the second one", 1), ("photo 3", 1), ("It's closer to the first.", 0), ("left", 0), ("2", None)],
)
def test_a_choice_between_photos_is_read_by_number_or_side(answer: str, chosen: int | None) -> None:
    question = Question("Is it closer to 1 or to 3?", "x", Expects.CHOICE, ("1", "3"), (), ("70", "90"))
    assert chosen_photo(answer, question) == chosen
    if chosen is not None:
        assert said("a dog").asked(question).said(answer, AT).need() == said("a dog").need()


@pytest.mark.parametrize("answer", ["neither", "both", "can't tell", "no", "skip"])
def test_neither_of_two_photos_states_nothing_and_words_state_what_they_say(answer: str) -> None:
    question = Question("Is it closer to 1 or to 3?", "x", Expects.CHOICE, ("1", "3"), (), ("70", "90"))
    asked = said("a dog").asked(question)
    assert asked.said(answer, AT).need() == said("a dog").need()
    assert asked.said("a dog with a red ball", AT).need().details == ("a dog with a red ball",)


class Model:
    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer

    def complete(self, system: str, user: str, max_tokens: int, *, cancelled: Cancelled = never) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("Do you remember trees?", True),
        ('"Were there any trees?"\n', True),
        ("Were there no trees?", False),
        ("Were there trees or flowers?", False),
        ("Is there a dog?", False),
        ("There were trees.", False),
        ("Were there trees? And what about the sky?", False),
        ("Sure! Here is a question:\nWere there trees?", False),
        ("", False),
        (ModelUnavailable("gone"), False),
        (TimeoutError("slow"), False),
    ],
)
def test_a_models_words_are_used_only_if_they_ask_what_was_chosen(answer: str | Exception, kept: bool) -> None:
    trees = next(each for each in BANK if each.statement == "trees")
    assert bool(worded(Model(answer), trees, ["a dog"], ["people"])) is kept


def test_a_model_gets_the_captions_of_the_best_photos() -> None:
    trees = next(each for each in BANK if each.statement == "trees")
    asked = []

    class Listening(Model):
        def complete(self, system: str, user: str, max_tokens: int, *, cancelled: Cancelled = never) -> str:
            asked.append(user)
            return "Were there any trees?"

    assert worded(Listening(""), trees, ["a dog"], ["people"], ["a dog on grass", "a dog in a car"])
    assert "The best of them: a dog on grass; a dog in a car" in asked[0]
    assert worded(Listening(""), trees, ["a dog"], ["people"])
    assert "The best of them" not in asked[1]
