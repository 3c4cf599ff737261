"""One message at a time: negation, answers, corrections, and texts that must pass through unharmed."""

import time
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dar_tui.language.rules import mentions, read, strike
from dar_tui.language.rules.edits import swap
from dar_tui.language.turn import Expects, Question, Turn

NOW = datetime(2024, 10, 15, 12)


def reading(answer: str, question: str = "") -> tuple[list[str], list[str], list[str]]:
    found = read(Turn(answer, NOW, Question(question) if question else None))
    return list(found.wants), list(found.rejects), list(found.unknown)


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("two dogs on a lawn", "dog", True),
        ("a dog", "dogs", True),
        ("it was raining", "rain", True),
        ("rainy street", "raining", True),
        ("three children", "a child", True),
        ("2 dogs", "two dogs", True),
        ("a hotdog stand", "dog", False),
        ("a red barn and a car", "red car", False),
        ("a car, red", "car red", False),
        ("the man in the hat", "man in hat", True),
        ("一只狗在海滩上", "狗", True),
        ("собака на пляже", "кошка", False),
        ("🐶 at home", "🐶", True),
        ("", "dog", False),
        ("a dog", "", False),
    ],
)
def test_a_text_mentions_a_phrase_in_any_inflection(text: str, phrase: str, expected: bool) -> None:
    assert mentions(text, phrase) is expected


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("a man with a big brown dog", "dogs", "a man"),
        ("a red car", "red", "a car"),
        ("an old red apple", "old", "a red apple"),
        ("a cat and a dog on a sofa", "dog", "a cat on a sofa"),
        ("a black dog on grass", "black dog", "a dog on grass"),
        ("my dog", "dog", ""),
        ("一只狗在海滩", "狗", "一只在海滩"),
    ],
)
def test_striking_leaves_grammar(text: str, phrase: str, expected: str) -> None:
    assert strike(text, phrase) == expected


def test_a_swap_keeps_number_and_article() -> None:
    assert swap("a dog, and more dogs", "dog", "an elephant") == "an elephant, and more elephants"


@pytest.mark.parametrize(
    ("said", "wants", "rejects"),
    [
        ("no cats or dogs", [], ["cats", "dogs"]),
        ("a man with no hat and a red scarf", ["a man", "a red scarf"], ["hat"]),
        ("people weren\u2019t swimming", ["people"], ["people swimming"]),
        ("I can't see any people", [], ["people"]),
        ("a kitchen without a table", ["a kitchen"], ["table"]),
        ("without people and cars", [], ["people", "cars"]),
        ("none other than my grandmother", ["my grandmother"], []),
        ("nothing else", [], []),
        ("a beach instead of a lake", ["a beach"], ["lake"]),
        ("not a beach", [], ["beach"]),
        ("the kids weren't in it", [], ["kids"]),
        ("a man without glasses wearing a green shirt", ["a man", "wearing a green shirt"], ["glasses"]),
        ("don't show me screenshots", [], ["screenshots"]),
        ("a sky with no clouds whatsoever", ["a sky"], ["clouds"]),
        ("No one wearing a hat", [], ["people wearing a hat"]),
        ("a dog, not on a leash", ["a dog"], ["leash"]),
        ("no", [], []),
        ("1,000 lanterns", ["1,000 lanterns"], []),
        ("my mother's garden", ["my mother's garden"], []),
    ],
)
def test_denials(said: str, wants: list[str], rejects: list[str]) -> None:
    assert reading(said)[:2] == (wants, rejects)


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Are there people in it?", "yes", (["people"], [], [])),
        ("Are there people in it?", "No.", ([], ["people"], [])),
        ("Is anyone smiling?", "no", ([], ["people smiling"], [])),
        ("Does it show a bridge?", "yep!", (["a bridge"], [], [])),
        ("Is the dog black?", "can\u2019t tell", ([], [], ["black dog"])),
        ("What is the man holding?", "a guitar", (["man holding a guitar"], [], [])),
        ("How many dogs are there?", "3", (["3 dogs"], [], [])),
        ("How many dogs are there?", "two, not three", (["two dogs"], ["three dogs"], [])),
        ("Is it indoors or outdoors?", "indoors", (["indoors"], [], [])),
        ("Do you remember any buildings?", "no, just trees", (["trees"], ["buildings"], [])),
        ("Is it a dog?", "no, two dogs", (["two dogs"], [], [])),
        ("What else do you remember?", "there was a bench", (["a bench"], [], [])),
        ("Is it sunny?", "🤷", ([], [], ["sunny"])),
        ("Is it sunny?", "yes but no people", (["sunny"], ["people"], [])),
    ],
)
def test_answers(question: str, answer: str, expected: tuple[list[str], list[str], list[str]]) -> None:
    assert reading(answer, question) == expected


@pytest.mark.parametrize(
    ("question", "answer", "wants", "rejects"),
    [
        ("Is the dog white?", "it is on a beach", ["on a beach"], []),
        ("Is there grass?", "there is a ball", ["a ball"], []),
        ("Is there grass?", "there are two dogs", ["two dogs"], []),
        ("Is there grass?", "they are playing", ["playing"], []),
        ("Is there grass?", "there is", ["grass"], []),
        ("Is there grass?", "there is, and a lake", ["grass", "a lake"], []),
        ("Is it outdoors?", "it is.", ["outdoors"], []),
        ("Is there grass?", "there isn't", [], ["grass"]),
        ("Is there grass?", "there aren't any dogs", [], ["dogs"]),
        ("Is the dog white?", "it isn't raining", [], ["raining"]),
    ],
)
def test_a_statement_about_something_else_is_no_answer(
    question: str, answer: str, wants: list[str], rejects: list[str]
) -> None:
    assert reading(answer, question)[:2] == (wants, rejects)


def test_choices_of_the_asker() -> None:
    question = Question("Which is it?", "setting", Expects.CHOICE, ("beach", "forest"))
    assert read(Turn("forest", NOW, question)).wants == ("forest",)
    assert read(Turn("neither", NOW, question)).rejects == ("beach", "forest")
    assert read(Turn("both", NOW, question)).wants == ("beach", "forest")


@pytest.mark.parametrize(
    "text", ["Is it a car or truck?", "Are there any chairs or tables?", "Was it taken at sea or on a lake?"]
)
def test_a_yes_or_no_question_with_an_or_in_it_offers_no_choice(text: str) -> None:
    question = Question(text, "a bicycle", Expects.YES_NO)
    assert read(Turn("yes", NOW, question)).wants == ("a bicycle",)
    no = read(Turn("no", NOW, question))
    assert (no.wants, no.rejects) == ((), ("bicycle",))
    assert read(Turn("no idea", NOW, question)).unknown == ("a bicycle",)


@pytest.mark.parametrize(
    "text", ["собака на пляже", "一只狗在海滩上", "قطة على الأريكة", "una playa con niños", "Ein Hund im Schnee", "犬"]
)
def test_other_languages_pass_as_typed(text: str) -> None:
    assert reading(text) == ([text], [], [])


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["", "Are there people?", "How many dogs are there?", "When was it?"]))
def test_any_text_can_be_read(text: str, question: str) -> None:
    reading(text, question)


@pytest.mark.parametrize("part", ["hmm ", "and ", "I think ", "a dog, ", "can't tell ", " ", "no ", "in 2019 ", "'"])
def test_no_repetition_is_slow(part: str) -> None:
    began = time.process_time()
    reading("a" + part * 20_000 + "b", "Are there people?")
    assert time.process_time() - began < 5


def test_a_very_long_message_is_read_by_its_beginning() -> None:
    text = "a brown dog with a red ball on the beach, no people, in 2019 " * 400
    wants, rejects, _ = reading(text)
    assert rejects == ["people"]
    assert wants[0].startswith("a brown dog with a red ball")
